"""Curves over a common x: a line with a band for each series."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from exptools.viewing import compare
from exptools.viewing.figures import axis, data, layout, measured, notes, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.looks import Look
from exptools.viewing.figures.series import Cell
from exptools.viewing.figures.source import Source
from exptools.viewing.groups import Group
from exptools.viewing.statistics import order
from exptools.viewing.statistics.curves import Aggregate, aggregate
from exptools.viewing.statistics.order import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exptools.viewing.figures.layout import Sheet

_FEW = 25  # points: so few are marked, for a single point has no line
_SLICES = 2000  # of the x axis, about two a dot: what lies inside one is drawn by its extremes


@dataclass(frozen=True)
class Line:
    """aggregate: of the runs of a series. raw: the same before smoothing, or None."""

    aggregate: Aggregate
    raw: Aggregate | None
    runs: int

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Where all of its runs count, shape (points,)."""
        return np.equal(self.aggregate.n, self.runs)


def panels(source: Source) -> list[Panel]:
    """A panel for each cell, a line for each series."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    marks = data.marked(source, cell, lambda group, tag: _line(source, group, tag))
    more = {tag: list(_notes(source, [m for m in marks if m.tag == tag])) for tag in cell.tags}
    return Panel(cell, marks, notes.notes(source, cell, marks, more) + _nothing(source, cell, marks))


def _line(source: Source, group: Group, tag: str) -> Line:
    spec = source.spec
    logged = [source.found.curves[tag][name] for name in group.runs]
    is_treated = bool(spec.smooth or spec.running)
    drawn = measured.all_treated(logged, spec.smooth, spec.running) if is_treated else logged
    return Line(
        _aggregate(source, drawn, spec.usual_band),
        _aggregate(source, logged, "none") if spec.smooth else None,
        len(logged),
    )


def _aggregate(source: Source, curves: Sequence[measured.XY], band: str) -> Aggregate:
    spec = source.spec
    return aggregate(curves, center=spec.center, band=band, points=spec.points, min_runs=spec.min_runs)


# --- what cannot be seen --------------------------------------------------------------------------------


def _notes(source: Source, marks: Sequence[Mark]) -> Iterator[str]:
    short = [name for mark in marks for name in _short(source, mark)]
    if short:
        names = compare.listed(short, most=5)
        center = order.CENTERS[source.spec.center]
        yield f"the {center} is of fewer runs, and dotted, where one has no values: {names}"
    least = source.spec.min_runs
    few = [int((mark.found.aggregate.n < least).sum()) for mark in marks]
    if any(few):
        every = sum(mark.found.aggregate.n.size for mark in marks)
        have = "has" if sum(few) == 1 else "have"
        yield f"{sum(few)} of {every} points {have} fewer than {notes.counted(least, 'run')}: not drawn"
    yield from _not_on_log(source, marks)


def _not_on_log(source: Source, marks: Sequence[Mark]) -> Iterator[str]:
    for name in ("x", "y"):
        if getattr(source.spec, f"{name}scale") == "log":
            columns = [getattr(mark.found.aggregate, "x" if name == "x" else "center") for mark in marks]
            lost = sum(int((column <= 0).sum()) for column in columns)
            if lost:
                every = sum(column.size for column in columns)
                have = "has" if lost == 1 else "have"
                yield f"{lost} of {every} points {have} {name} <= 0, which a log axis cannot show; try symlog"


def _short(source: Source, mark: Mark) -> Iterator[str]:
    first, last = mark.found.aggregate.x[[0, -1]]
    for name in mark.group.runs:
        x = source.found.curves[mark.tag][name][0]
        if x.min() > first or x.max() < last:
            steps = "steps " if source.spec.x == "step" else ""
            yield f"{name} ({steps}{words.span(x.min(), x.max())} of {words.span(first, last)})"


def _nothing(source: Source, cell: Cell, marks: Sequence[Mark]) -> tuple[str, ...]:
    return tuple(
        f"{notes.where(source, cell, tag)}: nothing is drawn, for there is no value without a gap"
        for tag in cell.tags
        if all(np.isnan(mark.found.aggregate.center).all() for mark in marks if mark.tag == tag)
    )


def said(panel: Panel, source: Source) -> str:
    """What the lines and bands of `panel` are, such as `mean and 1 sd over 3 seeds`."""
    drawn = [mark for mark in panel.marks if not np.isnan(mark.found.aggregate.center).all()]
    if not drawn:
        return "nothing that can be drawn"
    counts = np.concatenate([mark.found.aggregate.n for mark in panel.marks])
    text = words.over_runs(source.spec, [mark.group for mark in drawn], int(counts.min()), int(counts.max()))
    return text if all(mark.found.whole.all() for mark in panel.marks) else f"{text} (dotted: fewer)"


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    spec, source = shown.spec, shown.source
    says = [(said(panel, source), data.tag_names(spec, panel.cell.tags)) for panel in shown.panels]
    faint = "; before smoothing faint behind" if spec.smooth else ""
    grid = f", at {spec.points} points of {spec.shown(spec.x)}" if spec.points else ""
    return f"{words.by_what(says)}{words.treatment(spec)}{faint}{grid}"


# --- as a table -----------------------------------------------------------------------------------------


def columns(source: Source) -> list[str]:
    """The names of its numbers."""
    return ["x", "center", "low", "high", "n", "n_nan", *(["raw"] if source.spec.smooth else [])]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """The numbers of a line, point by point."""
    a: Aggregate = mark.found.aggregate
    # The grid is the same for both, as smoothing moves no x.
    raw = [] if mark.found.raw is None else [mark.found.raw.center]
    every = [a.x, a.center, a.low, a.high, a.n, a.n_nan, *raw]
    return (({}, list(row)) for row in zip(*(column.tolist() for column in every), strict=True))


# --- drawn ----------------------------------------------------------------------------------------------


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels."""
    ends = [mark.found.aggregate.x[-1] for panel in shown.panels for mark in panel.marks]
    scale = axis.x_scale(shown.spec, max(ends, default=0.0))
    for i, (panel, ax) in enumerate(zip(shown.panels, sheet.axes, strict=True)):
        alpha = 0.2 if len(panel.marks) <= 6 else max(0.04, 0.8 / len(panel.marks))
        for mark in data.in_order(panel.marks, shown):
            _draw_line(ax, mark.found, sheet.looks[mark.label], alpha, shown, scale)
        axis.finish(ax, shown.spec, scale)
        layout.name_y(sheet, shown, i, data.tag_names(shown.spec, panel.cell.tags))
        layout.name_panel(sheet, shown, i, said(panel, shown.source))
        layout.grid(ax)
    layout.add_legend_of_lines(sheet, shown, words.legend_title(shown))


def _draw_line(ax: Axes, line: Line, look: Look, alpha: float, shown: Data, scale: axis.XScale) -> None:
    a, spec = line.aggregate, shown.spec
    seen = a.x > 0 if spec.xscale == "log" else np.ones(a.x.shape, bool)
    x, center, low, high = (column[seen] for column in (scale.of(a.x), a.center, a.low, a.high))
    whole = line.whole[seen]
    if spec.yscale == "log":
        center = np.where(center > 0, center, np.nan)
    log = spec.xscale == "log"
    if line.raw is not None:
        raw = line.raw.center[seen]
        raw = np.where(raw > 0, raw, np.nan) if spec.yscale == "log" else raw
        _draw_center(
            ax, x, raw, {"color": look["color"], "linewidth": 0.5, "alpha": 0.3, "zorder": 1}, log, few=0
        )
    ax.fill_between(*extremes(x, low, high, log=log), color=look["color"], alpha=alpha, linewidth=0, zorder=2)
    _draw_center(ax, x, np.where(whole, center, np.nan), {"linewidth": 1.0, "zorder": 3, **look}, log)
    if not whole.all():
        rest = np.where(_beside(~whole), center, np.nan)
        dotted = {"color": look["color"], "linewidth": 0.7, "linestyle": ":", "zorder": 3}
        _draw_center(ax, x, rest, dotted, log)


def _beside(some: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The points in `some` and the neighbours of each: between two points a line belongs to both."""
    padded = np.pad(some, 1)
    return some | padded[:-2] | padded[2:]


def _draw_center(
    ax: Axes, x: Floats, center: Floats, look: dict[str, Any], log: bool, *, few: int = _FEW
) -> None:
    size = 2.5 if len(x) <= few / 2 else 1.8
    marker: dict[str, Any] = {"marker": "o", "markersize": size} if len(x) <= few else {}
    at, low, high = extremes(x, center, center, log=log)
    if len(at) < len(x):  # from the bottom of each slice to its top
        at, low = at.repeat(2), np.stack([low, high], axis=1).reshape(-1)
    ax.plot(at, low, **look, **marker)


def extremes(x: Floats, low: Floats, high: Floats, *, log: bool = False) -> tuple[Floats, Floats, Floats]:
    """What can be seen of a long curve: the least of `low` and the greatest of `high` in each slice.

    x: increasing. log: whether the slices are equal on a log axis; else on a linear one. All arrays of shape
    (points,); the results of shape (slices,), or as they came if there are not more points than could be
    drawn. Without this a long run makes a PDF that no viewer opens.
    """
    if len(x) <= 2 * _SLICES:
        return x, low, high
    at = np.log(x) if log else x
    slices = np.floor((at - at[0]) / (at[-1] - at[0]) * _SLICES)
    starts = np.flatnonzero(np.diff(slices, prepend=-1))
    return x[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)
