"""Several runs' curves as one: a centre and a band over a common x."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from exptools.errors import ViewError
from exptools.viewing.statistics import bands, order
from exptools.viewing.statistics.bands import Band
from exptools.viewing.statistics.order import Floats
from exptools.viewing.statistics.student import t_quantile

Curve: TypeAlias = tuple[Floats, Floats]  # x and y, both of shape (frames,)


@dataclass(frozen=True)
class Ordered:
    """A curve whose x increases: x and y, float64 of shape (frames,).

    left_out: how many frames had an x that is not finite. replaced: how many a later one at the same x
    has taken the place of.
    """

    x: Floats
    y: Floats
    left_out: int
    replaced: int


@dataclass(frozen=True)
class Aggregate:
    """Several curves on a grid, all arrays of shape (points,).

    x: float64, increasing. center, low, high: float64. n: int64, the runs whose range holds the point.
    n_nan: int64, how many of them are nan there. left_out, replaced: frames, see Ordered.
    """

    x: Floats
    center: Floats
    low: Floats
    high: Floats
    n: NDArray[np.int64]
    n_nan: NDArray[np.int64]
    left_out: int
    replaced: int


def ordered(x: Floats, y: Floats) -> Ordered:
    """The frames (x, y), both of shape (frames,), by increasing x; of several at one x the last counts.

    A frame whose x is nan or infinite is left out and counted.

    Raises:
        ViewError: x and y are not of one length.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ViewError(f"x and y must be of one length, not of shapes {x.shape} and {y.shape}")
    if not x.size or (np.isfinite(x[[0, -1]]).all() and (x[1:] > x[:-1]).all()):  # as nearly always
        return Ordered(x, y, 0, 0)
    finite = np.isfinite(x)
    backwards = x[finite][::-1]
    unique, last = np.unique(backwards, return_index=True)
    return Ordered(unique, y[finite][::-1][last], int((~finite).sum()), len(backwards) - len(unique))


def aggregate(
    curves: Sequence[Curve],
    *,
    center: str = "mean",
    band: str = "sd",
    points: int | None = None,
    min_runs: int = 1,
    seed: int = 0,
    repetitions: int = 2000,
) -> Aggregate:
    """`curves` over a common x; each in any order of its frames, see ordered.

    center: mean, median or iqm (see order.kept). band: see bands.parse. points: None for a grid of every x
    that some run has; else so many at equal distances from the least x to the greatest. There are no points
    if no curve has a frame.

    A run is interpolated linearly between its frames and counts for nothing outside of them. Between two
    frames of which one is nan it is nan; where a run is nan, so are center, low and high, and where fewer
    than min_runs count. inf stays inf; inf minus inf is nan.

    sd (n - 1 in the denominator), se (sd / sqrt(n)) and t (t quantile at n - 1 degrees, times se) lie around
    the centre; they and ci are nan for one run, whose spread is unknown. Percentiles are interpolated
    linearly. ci is the percentile interval of a bootstrap over the n runs at a point: `repetitions` times n
    of them are drawn with replacement, by generator numpy.random.default_rng(seed). What is drawn is the
    rank of a run among the n, and the same ranks at all points of equal n, so the band is as smooth as the
    curves, and the same whenever it is asked for.

    Raises:
        ViewError: an argument that is not allowed; se or t around another centre than the mean.
    """
    chosen = _checked(center, band, points, min_runs, repetitions)
    runs = [ordered(x, y) for x, y in curves]
    filled = [run for run in runs if run.x.size]
    grid = _grid(filled, points)
    found = np.full((3, grid.size), np.nan)
    n, n_nan = np.zeros((2, grid.size), np.int64)
    # n goes to and fro where runs begin and end: the last few draws are kept, for all may be too large.
    times = functools.lru_cache(maxsize=8)(functools.partial(_drawn, center, seed, repetitions))
    width = max(1, order.BUDGET // max(len(filled), repetitions if chosen.kind == "ci" else 1, 1))
    for piece, present in _pieces(grid, filled, width):
        values = np.stack([np.interp(grid[piece], run.x, run.y) for run in present], axis=-1)
        values.sort(axis=-1)
        n[piece], n_nan[piece] = len(present), np.isnan(values).sum(axis=-1)
        if len(present) >= min_runs:
            whole = n_nan[piece] == 0
            found[:, piece][:, whole] = _summary(values[whole], center, chosen, times)
    left_out, replaced = sum(run.left_out for run in runs), sum(run.replaced for run in runs)
    return Aggregate(grid, found[0], found[1], found[2], n, n_nan, left_out, replaced)


def _checked(center: str, band: str, points: int | None, min_runs: int, repetitions: int) -> Band:
    chosen = bands.parse(band)
    order.kept(center, 1)
    if chosen.kind in ("se", "t") and center != "mean":
        raise ViewError(
            f"band {band!r} says how well the mean is known, not the {order.CENTERS[center]}; "
            "give ci95 (bootstrap) or percentiles such as p25-75, or take the mean"
        )
    if points is not None:
        order.at_least(2, "points", points)
    order.at_least(1, "min_runs", min_runs)
    order.at_least(1, "repetitions", repetitions)
    return chosen


def _grid(runs: Sequence[Ordered], points: int | None) -> Floats:
    if not runs:
        return np.empty(0)
    if points is None:
        return np.unique(np.concatenate([run.x for run in runs]))
    first, last = min(run.x[0] for run in runs), max(run.x[-1] for run in runs)
    return np.unique(np.linspace(first, last, points))  # all are one where first is last


def _pieces(grid: Floats, runs: Sequence[Ordered], width: int) -> Iterator[tuple[slice, list[Ordered]]]:
    """Parts of the grid, at most `width` long, in which the same runs count, and these: at least one."""
    starts = [int(np.searchsorted(grid, run.x[0])) for run in runs]
    stops = [int(np.searchsorted(grid, run.x[-1], side="right")) for run in runs]
    edges = sorted({*starts, *stops, *range(0, grid.size, width)})
    for start, stop in itertools.pairwise(edges):
        present = [run for run, a, b in zip(runs, starts, stops, strict=True) if a <= start and stop <= b]
        if present:
            yield slice(start, stop), present


def _drawn(center: str, seed: int, repetitions: int, n: int) -> Floats:
    """How much each rank of `n` counts in the centre of each resample, shape (n, repetitions)."""
    drawn = np.random.default_rng(seed).integers(n, size=(repetitions, n))
    ranks = np.sort(drawn, axis=-1)[:, order.kept(center, n)]
    of_row = ranks + n * np.arange(repetitions)[:, None]
    counts = np.bincount(of_row.ravel(), minlength=n * repetitions).reshape(repetitions, n)
    times: Floats = counts.T / ranks.shape[1]
    return times


def _resampled(values: Floats, times: Floats) -> Floats:
    """The centres of all resamples of `values`, shape (points, n), in order: (points, repetitions)."""
    finite = np.isfinite(values)
    if finite.all():
        return values @ times
    plus, minus = ((values == end).astype(np.float64) @ times > 0 for end in (np.inf, -np.inf))
    out = np.where(finite, values, 0.0) @ times
    return np.select([plus & minus, plus, minus], [np.nan, np.inf, -np.inf], out)


def _summary(
    values: Floats, center: str, band: Band, times: Callable[[int], Floats]
) -> tuple[Floats, Floats, Floats]:
    """Center, low and high of `values`, shape (points, n), each row in order and without nan.

    times: _drawn for a number of runs.
    """
    middle = order.middle(values, center)
    with np.errstate(all="ignore"):  # inf - inf is nan here, and means to be
        if band.kind == "percentiles" or band.kind == "minmax":
            low, high = order.quantiles(values, (band.low, band.high))
        elif band.kind == "none" or values.shape[-1] == 1:
            low = high = np.full_like(middle, np.nan)
        elif band.kind == "ci":
            resampled = _resampled(values, times(values.shape[-1]))
            ends = order.quantiles(resampled, (band.low, band.high))
            low, high = (order.within(end, values[:, 0], values[:, -1]) for end in ends)
        else:
            half = _half_width(values, band)
            low, high = middle - half, middle + half
    return middle, low, high


def _half_width(values: Floats, band: Band) -> Floats:
    n = values.shape[-1]
    apart = values - order.middle(values, "mean")[:, None]
    half: Floats = np.sqrt((apart**2).sum(axis=-1) / (n - 1))
    if band.kind != "sd":
        half = half / np.sqrt(n)
    return half * t_quantile(band.level, n - 1) if band.kind == "t" else half
