"""A curve from a curve, frame by frame: smoothed, and the best so far."""

from __future__ import annotations

import itertools
from typing import Final

import numpy as np

from exptools.errors import ViewError
from exptools.viewing.statistics.order import Floats

_BEST: Final = {"max": np.fmax, "min": np.fmin}


def smoothed(y: Floats, weight: float) -> Floats:
    """The debiased exponential moving average of `y`, shape (frames,), in its order, as TensorBoard draws it.

    After the k-th finite value it is s / (1 - weight^k), with s = weight * s + (1 - weight) * y from s = 0,
    so the first value stays itself. What is not finite stays where it is and is passed over. A curve of one
    value throughout (without nan) is not touched, lest rounding make waves of it. This is classicSmoothing
    of tensorboard/webapp/widgets/line_chart_v2/data_transformer.ts; only, weight 1 is refused: there it
    makes zeros of everything.

    Raises:
        ViewError: weight is not in [0, 1).
    """
    if not 0 <= weight < 1:
        raise ViewError(f"smoothing of {weight:g} is impossible; give 0 (none) or more, but less than 1")
    out = np.array(y, dtype=np.float64)
    if not out.size or (out == out[0]).all():
        return out
    finite = np.isfinite(out)
    numbers = out[finite].tolist()
    sums = itertools.accumulate(numbers, lambda s, value: s * weight + (1 - weight) * value, initial=0.0)
    debias = 1 - float(weight) ** np.arange(len(numbers) + 1)
    out[finite] = np.fromiter(sums, np.float64, len(numbers) + 1)[1:] / debias[1:]
    return out


def running(y: Floats, best: str) -> Floats:
    """The best value so far, "max" or "min", at each frame of `y`, shape (frames,).

    nan stays where it is; the frames after it have the best of the numbers so far.

    Raises:
        ViewError: best is neither.
    """
    if best not in _BEST:
        raise ViewError(f"the best so far cannot be {best!r}; give max or min")
    numbers = np.asarray(y, np.float64)
    return np.where(np.isnan(numbers), np.nan, _BEST[best].accumulate(numbers))
