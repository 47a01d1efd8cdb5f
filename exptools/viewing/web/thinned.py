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


def thinned(line: Line, most: int, x: tuple[float, float] | None = None) -> tuple[Line, bool]:
    """At most some `most` points of `line` for each column, those with its extremes; whether these are all.

    x: the part that is shown; the points next to it on both sides belong to it, as lines cross its edges. A
    gap (nan) stays a gap.
    """
    part = line if x is None else _part(line, _within(line.x, x))
    if len(part.x) <= most:
        return part, True
    columns = [c for c in (part.y, part.raw, part.low, part.high) if c is not None]
    kept = np.unique(np.concatenate([np.array([0, len(part.x) - 1]), *(_extremes(c, most) for c in columns)]))
    return _part(part, kept), False


def _within(at: Floats, x: tuple[float, float]) -> slice:
    first, last = np.searchsorted(at, x[0]), np.searchsorted(at, x[1], side="right")
    return slice(max(0, int(first) - 1), int(last) + 1)


def _part(line: Line, which: slice | NDArray[np.int64]) -> Line:
    def part(column: Floats | None) -> Floats | None:
        return None if column is None else column[which]

    raw, low, high, n = (part(column) for column in (line.raw, line.low, line.high, line.n))
    return replace(line, x=line.x[which], y=line.y[which], raw=raw, low=low, high=high, n=n)


def _extremes(column: Floats, most: int) -> NDArray[np.int64]:
    """Where the least and the greatest of each slice of `column` are, and where each gap begins and ends."""
    is_gap = ~np.isfinite(column)
    if not is_gap.any():
        return _of_numbers(column, most)
    numbers = np.flatnonzero(~is_gap)
    edges = np.flatnonzero(is_gap[1:] != is_gap[:-1])
    if len(edges) > most:  # more gaps than the screen can show: some of them
        edges = edges[:: len(edges) // most + 1]
    kept = numbers[_of_numbers(column[numbers], most)] if len(numbers) else numbers
    return np.concatenate([kept, edges, edges + 1])


def _of_numbers(column: Floats, most: int) -> NDArray[np.int64]:
    if len(column) <= most:
        return np.arange(len(column))
    n_out = max(2, most // 2 * 2)
    found: NDArray[np.int64] = _MIN_MAX.downsample(np.ascontiguousarray(column), n_out=n_out).astype(np.int64)
    return found
