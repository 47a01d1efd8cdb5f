"""A curve from a curve, frame by frame: smoothed, and the best so far."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from typing import Final

import numpy as np

from exptools.errors import ViewError
from exptools.viewing.statistics.order import Floats

_MANY: Final = 12  # curves, from which on one step of all costs less than all steps of one
_SPARSE: Final = 4  # times the numbers there are, at most, are held
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


def all_smoothed(ys: Sequence[Floats], weight: float) -> list[Floats]:
    """Each of `ys` as `smoothed` makes it, to the last bit; of many curves it is faster.

    Raises:
        ViewError: weight is not in [0, 1).
    """
    finite = [np.isfinite(y) for y in ys]
    lengths = [int(is_finite.sum()) for is_finite in finite]
    longest = max(lengths, default=0)
    if len(ys) < _MANY or longest * len(ys) > _SPARSE * sum(lengths):
        return [smoothed(y, weight) for y in ys]
    order = np.argsort(lengths, kind="stable")[::-1]  # longest first: those that go on at a step lie together
    numbers = np.zeros((longest, len(ys)))
    for column, i in enumerate(order):
        numbers[: lengths[i], column] = ys[i][finite[i]]
    going_on = np.searchsorted(-np.array(lengths)[order], -np.arange(longest), side="left")
    sums = np.zeros(len(ys))
    for step in range(longest):  # one number of all curves at once, in the order of accumulate above
        n = going_on[step]
        sums[:n] = sums[:n] * weight + (1 - weight) * numbers[step, :n]
        numbers[step, :n] = sums[:n]
    debias = 1 - float(weight) ** np.arange(1, longest + 1)
    numbers /= debias[:, None]
    out = [np.array(y, dtype=np.float64) for y in ys]
    for column, i in enumerate(order):
        if lengths[i] and not (out[i] == out[i][0]).all():
            out[i][finite[i]] = numbers[: lengths[i], column]
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
