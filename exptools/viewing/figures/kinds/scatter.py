"""One number a run over a config key: a point for each run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing.figures import axis, data, keyed, layout, looks, notes, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.kinds.bars import not_numbers
from exptools.viewing.figures.series import Cell
from exptools.viewing.figures.source import Scored, Source

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exptools.viewing.figures.layout import Sheet

_JITTER = 0.12  # of the distance between two categories, to either side


@dataclass(frozen=True)
class Points:
    """scores: of the runs of a series. at: of each its value of the key."""

    scores: tuple[Scored, ...]
    at: tuple[Any, ...]


def panels(source: Source) -> list[Panel]:
    """A panel for each cell; in it a point for each run."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    (key,) = source.over
    marks = tuple(
        replace(mark, found=Points(mark.found, tuple(source.value(s.run, key) for s in mark.found)))
        for mark in data.marked(source, cell, source.scores)
    )
    more = {tag: not_numbers(source, tag, data.scores_of(marks, tag)) for tag in cell.tags}
    return Panel(cell, marks, notes.notes(source, cell, marks, more, averaged=False))


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    spec, (key,) = shown.spec, shown.source.over
    says = words.listed([words.of_stat(spec, tag) for tag in shown.source.tags])
    return f"{says}{words.treatment(spec)} over {shown.source.short[key]}; a point is a run"


def columns(source: Source) -> list[str]:
    """The names of its numbers; a row is a run."""
    return ["run", "value", "n_nan"]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """A row for each run."""
    (key,) = source.over
    for score, at in zip(mark.found.scores, mark.found.at, strict=True):
        yield {key: at}, [score.run, score.value, score.n_nan]


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels."""
    from matplotlib.lines import Line2D

    spec, (key,) = shown.spec, shown.source.over
    look_of = looks.markers(shown.labels)
    every = [at for panel in shown.panels for mark in panel.marks for at in mark.found.at]
    scale = keyed.scale(every, spec.xscale)
    for i, (panel, ax) in enumerate(zip(shown.panels, sheet.axes, strict=True)):
        for mark in data.in_order(panel.marks, shown):
            _draw_points(ax, mark, scale, look_of[mark.label], shown)
        axis.draw_references(ax, spec)
        axis.set_scale(ax, "y", spec.yscale or "linear", spec.ylim)
        keyed.finish(sheet, ax, scale, spec)
        ax.set_xlabel(shown.source.short[key])
        layout.name_y(sheet, shown, i, words.axis_name(spec, panel.cell.tags))
        layout.name_panel(sheet, shown, i, "a point is a run")
        layout.grid(ax)
    layout.add_legend(
        sheet,
        shown,
        lambda label: Line2D([], [], linestyle="", markersize=4, **look_of[label]),
        words.legend_title(shown),
    )


def _draw_points(ax: Axes, mark: Mark, scale: keyed.KeyScale, look: looks.Look, shown: Data) -> None:
    x = np.array([scale.place(at) for at in mark.found.at])
    if scale.categories:
        x = x + jitter(x, shown.labels.index(mark.label))
    y = [score.value for score in mark.found.scores]
    inside = {"facecolor": looks.faint(look["color"], 0.25), "edgecolor": look["color"]}  # none hides another
    ax.scatter(x, y, s=14, linewidths=0.7, zorder=3, marker=look["marker"], **inside)


def jitter(x: Sequence[float] | np.ndarray[Any, Any], seed: int) -> np.ndarray[Any, Any]:
    """To either side, so that no point hides another: the same each time."""
    return np.random.default_rng(seed).uniform(-_JITTER, _JITTER, len(x))
