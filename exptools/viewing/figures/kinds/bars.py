"""Bars of one number a run: a bar with a band for each series, in a cluster for each value of the split."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import axis, data, layout, looks, notes, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.series import Cell, cells
from exptools.viewing.figures.source import Scored, Source, values_name
from exptools.viewing.statistics.curves import Aggregate

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exptools.viewing.figures.layout import Sheet

_CLUSTER = 0.8  # of the distance between two clusters


@dataclass(frozen=True)
class Bar:
    """aggregate: of one point. scores: of its runs."""

    aggregate: Aggregate
    scores: tuple[Scored, ...]


def panels(source: Source) -> list[Panel]:
    """A panel for each tag; in it a bar for each series of each cluster."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    clusters = cells(cell.members, cell.tags, source.split, False)
    marks = tuple(mark for cluster in clusters for mark in _marks(source, cluster))
    more = {tag: not_numbers(source, tag, data.scores_of(marks, tag)) for tag in cell.tags}
    return Panel(cell, marks, notes.notes(source, cell, marks, more))


def _marks(source: Source, cluster: Cell) -> tuple[Mark, ...]:
    marks = data.marked(source, cluster, source.scores)
    return tuple(replace(m, found=Bar(source.centered([s.value for s in m.found]), m.found)) for m in marks)


def not_numbers(source: Source, tag: str, scores: Sequence[Scored]) -> list[str]:
    """The runs that have no number, as one of their frames that count is nan."""
    lost = [score.run for score in scores if np.isnan(score.value)]
    if not lost:
        return []
    return [f"{words.of_stat(source.spec, tag)} is no number in {compare.listed(lost)}"]


def said(panel: Panel, source: Source) -> str:
    """What the bars of `panel` are."""
    counts = [int(mark.found.aggregate.n[0]) for mark in panel.marks]
    if not counts:
        return "nothing that can be drawn"
    return words.over_runs(source.spec, [m.group for m in panel.marks], min(counts), max(counts), "bar")


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    spec = shown.spec
    says = [(said(panel, shown.source), words.of_stats(spec, panel.cell.tags)) for panel in shown.panels]
    dots = "; a dot is a run" if any(len(m.found.scores) > 1 for p in shown.panels for m in p.marks) else ""
    return f"{words.by_what(says)}{words.treatment(spec)}{dots}"


def columns(source: Source) -> list[str]:
    """The names of its numbers; a row is a bar."""
    return ["center", "low", "high", "n", "n_nan"]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """The numbers of a bar."""
    a: Aggregate = mark.found.aggregate
    numbers = [column.tolist()[0] for column in (a.center, a.low, a.high, a.n, a.n_nan)]
    yield {}, numbers


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels."""
    from matplotlib.patches import Patch

    fills = looks.fills(shown.labels)
    is_direct = not shown.source.split and _fits(sheet, shown)
    for i, (panel, ax) in enumerate(zip(shown.panels, sheet.axes, strict=True)):
        if shown.source.split:
            _clusters(sheet, ax, panel, shown, fills)
        else:
            _row(ax, panel, shown, fills, is_direct, words.legend_title(shown))
        axis.draw_references(ax, shown.spec)
        axis.set_scale(ax, "y", shown.spec.yscale or "linear", shown.spec.ylim)
        layout.name_y(sheet, shown, i, words.axis_name(shown.spec, panel.cell.tags))
        layout.name_panel(sheet, shown, i, said(panel, shown.source))
        layout.grid(ax, "y")
        if ax.get_ylim()[0] < 0:
            ax.axhline(0, color="black", linewidth=0.7, zorder=2.5)
        ax.tick_params(axis="x", length=0)
    if not is_direct:
        layout.add_legend(sheet, shown, lambda label: Patch(**fills[label]), words.legend_title(shown))


def _fits(sheet: Sheet, shown: Data) -> bool:
    """Whether the labels have room below the bars."""
    room = (sheet.panel_inches - 0.6) / max(len(shown.labels), 1) * layout.CHARACTERS
    return max((len(data.shown_label(label, shown.spec)) for label in shown.labels), default=0) + 1 <= room


def _row(ax: Axes, panel: Panel, shown: Data, fills: layout.Looks, is_direct: bool, title: str) -> None:
    for mark in panel.marks:
        _draw_bar(ax, shown.labels.index(mark.label), 0.7, mark, fills[mark.label])
    labels = [data.shown_label(label, shown.spec) for label in shown.labels]
    ax.set_xticks(range(len(labels)), labels if is_direct else [""] * len(labels))
    if is_direct:
        ax.set_xlabel(title)
    ax.set_xlim(-0.6, max(len(labels), 1) - 0.4)


def _clusters(sheet: Sheet, ax: Axes, panel: Panel, shown: Data, fills: layout.Looks) -> None:
    names = [
        values_name(cell, shown.source)
        for cell in cells(panel.cell.members, panel.cell.tags, shown.source.split, False)
    ]
    width = _CLUSTER / len(shown.labels)
    for mark in panel.marks:
        at = names.index(values_name(mark.cell, shown.source))
        offset = (shown.labels.index(mark.label) + 0.5) * width - _CLUSTER / 2
        _draw_bar(ax, at + offset, width * 0.92, mark, fills[mark.label])
    layout.name_ticks(sheet, ax.xaxis, names, sheet.panel_inches - 0.7)
    ax.set_xlim(-0.5, len(names) - 0.5)
    ax.set_xlabel(", ".join(shown.source.short[key] for key in shown.source.split))


def _draw_bar(ax: Axes, at: float, width: float, mark: Mark, look: looks.Look) -> None:
    a: Aggregate = mark.found.aggregate
    center, low, high = a.center[0], a.low[0], a.high[0]
    if np.isnan(center):
        ax.annotate(
            "nan", (at, 0), xycoords=("data", "axes fraction"), ha="center", va="bottom", color="0.35"
        )
    ax.bar(at, center, width, linewidth=0.7, zorder=2, **look)
    if np.isfinite(low) and np.isfinite(high):
        ends = [[center - low], [high - center]]
        ax.errorbar(at, center, np.maximum(ends, 0), color="black", linewidth=0.8, capsize=2, zorder=4)
    values = [score.value for score in mark.found.scores]
    if len(values) > 1:
        spread = np.linspace(-0.5, 0.2, len(values))
        spread[spread > -0.15] += 0.3  # the middle is the band's
        dots: Any = {"s": 5, "color": "white", "edgecolors": "black", "linewidths": 0.5, "zorder": 3}
        ax.scatter(at + spread * width * 0.7, values, **dots)
