"""Precision and recall of a binary classifier at every threshold: TensorBoard's PR Curves, and a CSV."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.arrays import Array, copied, of_shape, within

_NAMES = ("threshold", "tp", "fp", "tn", "fn", "precision", "recall")


@dataclass(frozen=True, eq=False)
class PrCurve:
    """What was predicted and what is true.

    labels: (N,) bool. predictions: (N,) floats of 0 to 1. weights: (N,) float64, or None: each counts 1.
    """

    labels: Array
    predictions: Array
    weights: Array | None
    n_thresholds: int
    kind: ClassVar[str] = "pr_curve"

    @classmethod
    def of(cls, tag: str, labels: Any, predictions: Any, n_thresholds: Any, weights: Any) -> PrCurve:
        """Of what a user gave. Raises LoggingError: a wrong shape, range or count."""
        what = f"pr_curve {tag!r}"
        if type(n_thresholds) is not int or not 2 <= n_thresholds <= 100_000:
            raise LoggingError(f"{what}: num_thresholds must be 2 to 100,000, not {n_thresholds!r}")
        truth = of_shape(f"{what}: labels", copied(f"{what}: labels", labels).ravel(), "(N,)", (None,))
        if not np.isin(truth, (0, 1)).all():
            raise LoggingError(
                f"{what}: labels must be 0 and 1, or bool, not from {truth.min():g} to {truth.max():g}"
            )
        guess = copied(f"{what}: predictions", predictions).ravel().astype(np.float64)
        guess = within(f"{what}: predictions", guess, 0, 1, "probabilities of 0 to 1")
        given = None
        if weights is not None:
            given = copied(f"{what}: weights", weights).ravel().astype(np.float64)
            if not (given >= 0).all() or not np.isfinite(given).all():
                raise LoggingError(f"{what}: weights must not be negative, infinite or NaN")
        for name, array in (("predictions", guess), ("weights", given)):
            if array is not None and array.shape != truth.shape:
                raise LoggingError(
                    f"{what}: {truth.size} labels, but {array.size} {name}; one for each label"
                )
        return cls(truth.astype(bool), guess, given, n_thresholds)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        weights = 0 if self.weights is None else self.weights.nbytes
        return self.labels.nbytes + self.predictions.nbytes + weights

    @functools.cached_property
    def thresholds(self) -> Array:
        """(thresholds,) float64, evenly spaced from 0 to 1."""
        return np.arange(self.n_thresholds) / (self.n_thresholds - 1)

    @functools.cached_property
    def counts(self) -> Array:
        """(6, thresholds) float64: TP, FP, TN, FN, precision, recall, where >= threshold is positive.

        Precision is TP / (TP + FP) and recall TP / (TP + FN); 0 where that would be 0 / 0.
        """
        last = np.searchsorted(self.thresholds, np.clip(self.predictions, 0, 1), side="right") - 1
        weights = np.ones(self.labels.size) if self.weights is None else self.weights
        tp, fp = (self._at_or_above(last[of], weights[of]) for of in (self.labels, ~self.labels))
        positive, negative = weights[self.labels].sum(), weights[~self.labels].sum()
        fn, tn = positive - tp, negative - fp
        return np.stack([tp, fp, tn, fn, _ratio(tp, tp + fp), _ratio(tp, tp + fn)])

    def _at_or_above(self, last: Array, weights: Array) -> Array:
        """How much weight each threshold lets through. last: index of the last threshold that does."""
        at = np.bincount(last, weights, self.n_thresholds).astype(np.float64)  # of none it is int
        return np.cumsum(at[::-1])[::-1]

    def summaries(self, tag: str) -> list[bytes]:
        """The counts."""
        return [summaries.pr_curve(tag, self.counts.astype(np.float32))]

    def files(self) -> dict[str, bytes]:
        """A line a threshold."""
        rows = np.vstack([self.thresholds, self.counts]).T.tolist()
        lines = [",".join(_NAMES), *(",".join(map(repr, row)) for row in rows)]
        return {".csv": ("\n".join(lines) + "\n").encode()}

    def facts(self) -> dict[str, Any]:
        """How much it was made of."""
        return {"labels": self.labels.size, "thresholds": self.n_thresholds}


def _ratio(part: Array, whole: Array) -> Array:
    return np.divide(part, whole, out=np.zeros_like(part), where=whole > 0)
