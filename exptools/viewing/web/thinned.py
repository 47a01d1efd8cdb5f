"""Of a line what a screen can show: never without its extremes, and where little is shown every frame.

Long lines are thinned by tsdownsample. Shorter ones are thinned together: a card may have a thousand, and
each call costs as much as thousands of numbers.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from tsdownsample import MinMaxDownsampler

from exptools.viewing.statistics.order import Floats
from exptools.viewing.web.lines import Line

LEAST = 40  # points of a line
_MIN_MAX: Any = MinMaxDownsampler()  # type: ignore[no-untyped-call]
_LONG = 2**16  # numbers: from there on tsdownsample is faster
_TOGETHER = 2**16  # numbers: what the cache of a core holds

Places: TypeAlias = NDArray[np.int64]
XY: TypeAlias = tuple[Floats, Floats]


def thinned(
    line: Line, most: int, x: tuple[float, float] | None = None, *, log: bool = False
) -> tuple[Line, bool]:
    """A line as `all_thinned` makes it."""
    return all_thinned([line], most, x, log=log)[0]


def all_thinned(
    lines: Sequence[Line], most: int, x: tuple[float, float] | None = None, *, log: bool = False
) -> list[tuple[Line, bool]]:
    """At most some `most` points of each of `lines` for each column of it, those with its extremes; whether
    these are all.

    What is shown of a column is divided into most / 2 slices of equal width, on a log axis if `log`; in each
    the least and the greatest number stay. The first and the last point stay. A gap (nan) stays a gap.

    x: the part that is shown; the points next to it on both sides belong to it, as lines cross its edges.
    """
    parts = list(lines) if x is None else _all_within(lines, x)
    long = [part for part in parts if len(part.x) > most]
    views = _views(long, x, log)
    found = iter(
        _extremes([(v.at, column[v.seen]) for v in views for column in columns(v.part).values()], most)
    )
    cut = iter([_cut(view, [next(found) for _ in columns(view.part)]) for view in views])
    return [(part, True) if len(part.x) <= most else (next(cut), False) for part in parts]


def within(line: Line, x: tuple[float, float]) -> Line:
    """The part of `line` between two values of x, and the points next to it on both sides."""
    return _all_within([line], x)[0]


def _all_within(lines: Sequence[Line], x: tuple[float, float]) -> list[Line]:
    """Lines that have one x have one afterwards."""
    parts: dict[int, tuple[slice, Floats]] = {}
    found = []
    for line in lines:
        if id(line.x) not in parts:
            first, last = np.searchsorted(line.x, x[0]), np.searchsorted(line.x, x[1], side="right")
            which = slice(max(0, int(first) - 1), int(last) + 1)
            parts[id(line.x)] = which, line.x[which]
        found.append(_part(line, *parts[id(line.x)]))
    return found


def _part(line: Line, which: slice | Places, x: Floats) -> Line:
    def part(column: Floats | None) -> Floats | None:
        return None if column is None else column[which]

    raw, low, high, n = (part(column) for column in (line.raw, line.low, line.high, line.n))
    return replace(line, x=x, y=line.y[which], raw=raw, low=low, high=high, n=n)


def columns(line: Line) -> dict[str, Floats]:
    """What of a line is drawn over its x."""
    found = {"y": line.y, "raw": line.raw, "low": line.low, "high": line.high}
    return {name: column for name, column in found.items() if column is not None}


@dataclass(frozen=True)
class _View:
    """A part of a line. seen: which points are on the screen: not those beside the part that is shown, nor
    what no log axis has. at: where these are on it. ends: points that stay.
    """

    part: Line
    seen: slice
    at: Floats
    ends: Places


def _views(parts: Sequence[Line], x: tuple[float, float] | None, log: bool) -> list[_View]:
    """Those that have one x have one place on the screen."""
    of_x: dict[int, tuple[slice, Floats, Places]] = {}
    for part in parts:
        if id(part.x) not in of_x:
            seen = _seen(part.x, x, log)
            at = np.log(part.x[seen]) if log else part.x[seen]
            last = len(part.x) - 1
            of_x[id(part.x)] = seen, at, np.array([0, min(seen.start, last), last])
    return [_View(part, *of_x[id(part.x)]) for part in parts]


def _seen(at: Floats, x: tuple[float, float] | None, log: bool) -> slice:
    first = 0 if x is None else int(np.searchsorted(at, x[0]))
    if log:
        first = max(first, int(np.searchsorted(at, 0.0, side="right")))
    return slice(first, len(at) if x is None else int(np.searchsorted(at, x[1], side="right")))


def _cut(view: _View, found: Sequence[tuple[Places, bool]]) -> Line:
    """The points with the extremes that were `found` of each column, and whether it has gaps."""
    part = view.part
    kept = np.unique(np.concatenate([view.ends, *(view.seen.start + places for places, _ in found)]))
    is_whole = view.seen.stop - view.seen.start == len(part.x)
    gaps = {
        name: _has_gap(column, kept)
        for (name, column), (_, has_gaps) in zip(columns(part).items(), found, strict=True)
        if has_gaps or not (is_whole or np.isfinite(column).all())
    }
    return _with_gaps(part, kept, gaps)


def _extremes(curves: Sequence[XY], most: int) -> list[tuple[Places, bool]]:
    """Of each of `curves`, on the screen, where the least and the greatest number of each slice are, and
    whether it has gaps. What is divided into slices reaches from the first number to the last.
    """
    long = [i for i, (_, y) in enumerate(curves) if len(y) > most]
    found = {
        i: places
        for i, places in zip(long, _of_numbers([curves[i] for i in long], most), strict=True)
        if places is not None
    }
    numbers = {i: np.flatnonzero(np.isfinite(y)) for i, (_, y) in enumerate(curves) if i not in found}
    has_gaps = [i in numbers and len(numbers[i]) < len(y) for i, (_, y) in enumerate(curves)]
    rest = [i for i, places in numbers.items() if len(places) > most]
    without = [(curves[i][0][numbers[i]], curves[i][1][numbers[i]]) for i in rest]
    for i, kept in zip(rest, _of_numbers(without, most), strict=True):
        numbers[i] = numbers[i][kept]
    return [(numbers[i] if i in numbers else found[i], has) for i, has in enumerate(has_gaps)]


def _of_numbers(curves: Sequence[XY], most: int) -> Iterator[Places | None]:
    """Of each of `curves` where the extremes of its slices are; None for one with a gap."""
    starts: dict[int, Places] = {}
    for at, _ in curves:
        if id(at) not in starts:
            starts[id(at)] = _starts(at, max(1, most // 2))
    for some in _chunks(curves):
        if len(some[0][1]) > _LONG:
            yield _of_long(*some[0], most)
            continue
        yield from _of_chunk([y for _, y in some], [starts[id(at)] for at, _ in some])


def _of_long(at: Floats, y: Floats, most: int) -> Places | None:
    if not np.isfinite(y).all():
        return None
    x, y = np.ascontiguousarray(at), np.ascontiguousarray(y)
    kept: Places = _MIN_MAX.downsample(x, y, n_out=max(2, most // 2 * 2)).astype(np.int64)
    return kept


def _starts(at: Floats, slices: int) -> Places:
    """Where the slices begin that hold something."""
    edges = np.linspace(at[0], at[-1], slices + 1)[1:-1]
    return np.unique(np.concatenate([[0], np.searchsorted(at, edges)]))


def _chunks(curves: Sequence[XY]) -> Iterator[list[XY]]:
    """So many at once as there is room for, at least one."""
    some: list[XY] = []
    room = _TOGETHER
    for curve in curves:
        if some and len(curve[1]) > room:
            yield some
            some, room = [], _TOGETHER
        some.append(curve)
        room -= len(curve[1])
    if some:
        yield some


def _of_chunk(ys: Sequence[Floats], starts: Sequence[Places]) -> Iterator[Places | None]:
    flat = np.concatenate(ys)
    offsets = np.cumsum([0, *map(len, ys)])
    begins = np.concatenate([of_one + offset for of_one, offset in zip(starts, offsets, strict=False)])
    ends = [end.reduceat(flat, begins) for end in (np.minimum, np.maximum)]
    least, greatest = (_first(flat, end, begins) for end in ends)
    has_no_gap = np.isfinite(ends[0]) & np.isfinite(ends[1])
    edges = np.cumsum([0, *map(len, starts)])
    for offset, a, b in zip(offsets, edges, edges[1:], strict=False):
        yield np.concatenate([least[a:b], greatest[a:b]]) - offset if has_no_gap[a:b].all() else None


def _first(flat: Floats, values: Floats, begins: Places) -> Places:
    """Where the value of each slice comes first in it."""
    hits = np.flatnonzero(flat == np.repeat(values, np.diff(begins, append=len(flat))))
    slices = np.searchsorted(begins, hits, side="right") - 1
    is_first = np.diff(slices, prepend=-1) > 0
    found: Places = begins.copy()
    found[slices[is_first]] = hits[is_first]
    return found


def _with_gaps(part: Line, kept: Places, gaps: Mapping[str, NDArray[np.bool_]]) -> Line:
    """The points that are kept, and a point more, a gap, between two that a gap lay between: no line crosses
    it. gaps: by column where.
    """
    if not gaps:
        return _part(part, kept, part.x[kept])
    after = np.flatnonzero(np.any(list(gaps.values()), axis=0))
    which = np.insert(kept, after + 1, kept[after] + 1)
    cut = _part(part, which, part.x[which])
    new = after + 1 + np.arange(len(after))
    for name, has in gaps.items():
        columns(cut)[name][new[has[after]]] = np.nan  # a copy's
    return cut


def _has_gap(column: Floats, kept: Places) -> NDArray[np.bool_]:
    """Whether there is a gap between each point that is kept and the next one."""
    is_gap = ~np.isfinite(column)
    before = np.cumsum(is_gap)[kept]  # gaps up to each point, itself among them
    has: NDArray[np.bool_] = before[1:] - is_gap[kept[1:]] > before[:-1]
    return has
