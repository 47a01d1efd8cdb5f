"""A curve as one number: its last value, its best, its mean, the area under it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np

from exptools.errors import ViewError
from exptools.viewing.statistics.curves import Ordered, ordered
from exptools.viewing.statistics.order import Floats

NAMES: Final = {  # name -> words for a caption
    "final": "final value",
    "max": "maximum",
    "min": "minimum",
    "mean": "mean over all frames",
    "tail": "mean over the last 10 % of x",
    "auc": "area under the curve",
    "auc_normalized": "area under the curve, divided by the range of x",
}


@dataclass(frozen=True)
class Statistic:
    """value: nan where one of its `frames` is nan, or there is none. n_nan: how many of them are nan.

    left_out, replaced: frames that count for nothing, see curves.Ordered.
    """

    value: float
    frames: int
    n_nan: int
    left_out: int
    replaced: int


def words(name: str) -> str:
    """What the statistic `name` is called in a caption.

    Raises:
        ViewError: there is no such statistic.
    """
    if name not in NAMES:
        raise ViewError(f"there is no statistic {name!r}; give one of {', '.join(NAMES)}")
    return NAMES[name]


def statistic(x: Floats, y: Floats, name: str) -> Statistic:
    """One number for a curve, both arrays of shape (frames,), in any order; see curves.ordered.

    final: y at the greatest x. max, min, mean: over all frames, each counting the same. tail: the mean of
    the frames whose x is at least last - (last - first) / 10, `first` and `last` being the least and the
    greatest x. auc: by the trapezoidal rule over x. auc_normalized: that divided by last - first; for a
    single x the value there.

    Raises:
        ViewError: there is no such statistic; x and y are not of one length.
    """
    words(name)
    curve = ordered(x, y)
    of = _frames(curve, name)
    with np.errstate(all="ignore"):  # inf - inf is nan here, and means to be
        value = _value(curve.x, of, name) if of.size else np.nan
    return Statistic(float(value), of.size, int(np.isnan(of).sum()), curve.left_out, curve.replaced)


def _frames(curve: Ordered, name: str) -> Floats:
    if name == "tail" and curve.x.size:
        first, last = curve.x[[0, -1]]
        return curve.y[np.searchsorted(curve.x, last - (last - first) / 10) :]
    return curve.y[-1:] if name == "final" else curve.y


def _value(x: Floats, y: Floats, name: str) -> float:
    if name in ("max", "min"):
        return float(y.max() if name == "max" else y.min())
    if name in ("mean", "tail", "final") or (name == "auc_normalized" and x.size == 1):
        return float(y.mean())
    area = float((np.diff(x) * (y[1:] / 2 + y[:-1] / 2)).sum())
    return area if name == "auc" else area / float(x[-1] - x[0])
