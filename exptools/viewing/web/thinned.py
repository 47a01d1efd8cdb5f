"""Of a line what a screen can show: never without its extremes, and where little is shown every frame."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxDownsampler

from exptools.viewing.statistics.order import Floats
from exptools.viewing.web.lines import Line

LEAST = 40  # points of a line
_MIN_MAX: Any = MinMaxDownsampler()  # type: ignore[no-untyped-call]


def thinned(
    line: Line, most: int, x: tuple[float, float] | None = None, *, log: bool = False
) -> tuple[Line, bool]:
    """At most some `most` points of `line` for each column of it, those with its extremes; whether these are
    all.

    What is shown of a column is divided into most / 2 slices of equal width, on a log axis if `log`; in each
    the least and the greatest number stay. The first and the last point stay. A gap (nan) stays a gap.

    x: the part that is shown; the points next to it on both sides belong to it, as lines cross its edges.
    """
    part = line if x is None else within(line, x)
    if len(part.x) <= most:
        return part, True
    seen = _seen(part.x, x, log)
    at = np.log(part.x[seen]) if log else part.x[seen]
    ends = np.array([0, seen.start, len(part.x) - 1]).clip(max=len(part.x) - 1)
    keeps = np.zeros(len(part.x), np.bool_)
    keeps[ends] = True
    for column in columns(part).values():
        keeps[seen.start + _extremes(at, column[seen], most)] = True
    return _with_gaps(part, np.flatnonzero(keeps)), False


def within(line: Line, x: tuple[float, float]) -> Line:
    """The part of `line` between two values of x, and the points next to it on both sides."""
    first, last = np.searchsorted(line.x, x[0]), np.searchsorted(line.x, x[1], side="right")
    return _part(line, slice(max(0, int(first) - 1), int(last) + 1))


def _seen(at: Floats, x: tuple[float, float] | None, log: bool) -> slice:
    """Which points are on the screen: not those beside the part that is shown, nor what no log axis has."""
    first = 0 if x is None else int(np.searchsorted(at, x[0]))
    if log:
        first = max(first, int(np.searchsorted(at, 0.0, side="right")))
    return slice(first, len(at) if x is None else int(np.searchsorted(at, x[1], side="right")))


def _part(line: Line, which: slice | NDArray[np.int64]) -> Line:
    def part(column: Floats | None) -> Floats | None:
        return None if column is None else column[which]

    raw, low, high, n = (part(column) for column in (line.raw, line.low, line.high, line.n))
    return replace(line, x=line.x[which], y=line.y[which], raw=raw, low=low, high=high, n=n)


def columns(line: Line) -> dict[str, Floats]:
    """What of a line is drawn over its x."""
    found = {"y": line.y, "raw": line.raw, "low": line.low, "high": line.high}
    return {name: column for name, column in found.items() if column is not None}


def _extremes(at: Floats, column: Floats, most: int) -> NDArray[np.int64]:
    """Where the least and the greatest of each slice of `column` are."""
    if len(column) > most and not _has_any_gap(column):
        return _of_numbers(at, column, most)
    numbers = np.flatnonzero(np.isfinite(column))
    if len(numbers) <= most:
        return numbers
    return numbers[_of_numbers(at[numbers], column[numbers], most)]


def _of_numbers(at: Floats, column: Floats, most: int) -> NDArray[np.int64]:
    x, y = np.ascontiguousarray(at), np.ascontiguousarray(column)
    kept: NDArray[np.int64] = _MIN_MAX.downsample(x, y, n_out=max(2, most // 2 * 2)).astype(np.int64)
    return kept


def _with_gaps(part: Line, kept: NDArray[np.int64]) -> Line:
    """The points that are kept, and a point more, a gap, between two that a gap lay between: no line crosses
    it.
    """
    gaps = {name: _has_gap(c, kept) for name, c in columns(part).items() if _has_any_gap(c)}
    if not gaps:
        return _part(part, kept)
    after = np.flatnonzero(np.any(list(gaps.values()), axis=0))
    cut = _part(part, np.insert(kept, after + 1, kept[after] + 1))
    new = after + 1 + np.arange(len(after))
    for name, has in gaps.items():
        columns(cut)[name][new[has[after]]] = np.nan  # a copy's
    return cut


def _has_any_gap(column: Floats) -> bool:
    """Whether something is not finite; the sum, which needs no copy, says that nothing is."""
    with np.errstate(all="ignore"):
        return not (np.isfinite(column.sum()) or np.isfinite(column).all())


def _has_gap(column: Floats, kept: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Whether there is a gap between each point that is kept and the next one."""
    is_gap = ~np.isfinite(column)
    before = np.cumsum(is_gap)[kept]  # gaps up to each point, itself among them
    has: NDArray[np.bool_] = before[1:] - is_gap[kept[1:]] > before[:-1]
    return has
