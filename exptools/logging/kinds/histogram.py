"""Histograms: TensorBoard's Histograms and Distributions, exact edges and counts for everybody else."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.arrays import Array, copied

MOST_BINS = 10_000
_HALF = float(np.finfo(np.float64).max) / 2


@dataclass(frozen=True, eq=False)
class Histogram:
    """Numbers that are counted in bins when they are written.

    numbers: any shape. bins: how many equal ones between the least and the greatest, or their edges.
    """

    numbers: Array
    bins: int | Array
    kind: ClassVar[str] = "histogram"

    @classmethod
    def of(cls, tag: str, data: Any, bins: Any) -> Histogram:
        """Of what a user gave.

        Raises:
            LoggingError: no numbers; bins are neither a count of 1 to 10,000 nor edges that grow.
        """
        return cls(copied(f"histogram {tag!r}", data).ravel(), _bins(tag, bins))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.numbers.nbytes

    @functools.cached_property
    def _finite(self) -> Array:
        """Those that can be counted, as float64."""
        numbers = self.numbers.astype(np.float64)
        return numbers[np.isfinite(numbers)]

    @functools.cached_property
    def counted(self) -> tuple[Array, Array]:
        """Edges (k + 1) and counts (k), float64. The last bin has its right edge too, each other its left."""
        if not isinstance(self.bins, int):
            counts, edges = np.histogram(self._finite, self.bins)
            return edges, counts.astype(np.float64)
        if not self._finite.size:
            return np.zeros(self.bins + 1), np.zeros(self.bins)
        low, high = self._finite.min(), self._finite.max()
        scale = 1.0 if high / 2 - low / 2 < _HALF else 0.5  # so that high - low is a float64
        edges = np.linspace(low * scale, high * scale, self.bins + 1) / scale
        if not (np.diff(edges) > 0).all():  # all are alike, or as good as: TensorBoard wants the last bin
            return np.full(self.bins + 1, low), np.r_[np.zeros(self.bins - 1), float(self._finite.size)]
        counts, _ = np.histogram(self._finite * scale, self.bins, (low * scale, high * scale))
        return edges, counts.astype(np.float64)

    def summaries(self, tag: str) -> list[bytes]:
        """The bins as rows of left edge, right edge and count."""
        edges, counts = self.counted
        return [summaries.histogram(tag, np.stack([edges[:-1], edges[1:], counts], axis=1))]

    def files(self) -> dict[str, bytes]:
        """None: the index has all of it."""
        return {}

    def facts(self) -> dict[str, Any]:
        """Edges and counts, and how many numbers are not in them."""
        edges, counts = self.counted
        is_nan = int(np.isnan(self.numbers).sum()) if self.numbers.dtype.kind == "f" else 0
        beyond = self.numbers.size - is_nan - int(counts.sum())
        return {"edges": edges.tolist(), "counts": counts.tolist(), "nan": is_nan, "beyond": beyond}


def _bins(tag: str, bins: Any) -> int | Array:
    if isinstance(bins, int | np.integer) and not isinstance(bins, bool):
        if 1 <= bins <= MOST_BINS:
            return int(bins)
        raise LoggingError(f"histogram {tag!r}: bins must be 1 to {MOST_BINS:,}, or edges, not {bins}")
    edges = copied(f"the bins of histogram {tag!r}", bins).astype(np.float64)
    if edges.ndim != 1 or not 2 <= edges.size <= MOST_BINS + 1 or not (np.diff(edges) > 0).all():
        raise LoggingError(
            f"histogram {tag!r}: the edges of bins must be 2 to {MOST_BINS + 1:,} numbers that grow, not "
            f"shape {edges.shape}"
        )
    if not np.isfinite(edges).all():
        raise LoggingError(f"histogram {tag!r}: the edges of bins must be finite")
    return edges
