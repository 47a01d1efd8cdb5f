"""Performance profiles over tasks, as rliable draws them: the share of runs whose score is above each."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import axis, data, layout, notes, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.kinds.bars import not_numbers
from exptools.viewing.figures.series import Cell
from exptools.viewing.figures.source import Scored, Source
from exptools.viewing.normalizing import Ends, ends, normalized
from exptools.viewing.statistics import bands, scores
from exptools.viewing.statistics.order import Floats

if TYPE_CHECKING:
    from exptools.viewing.figures.layout import Sheet

_MOST_POINTS = 1000  # thresholds


@dataclass(frozen=True)
class Profile:
    """thresholds, and the share of scores above each. by_task: task -> scores of the runs of a series."""

    thresholds: Floats
    estimate: scores.Estimate
    scores: tuple[Scored, ...]
    by_task: dict[str, list[float]]


def panels(source: Source) -> list[Panel]:
    """A panel for each cell; in it a profile for each series."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    raw = data.marked(source, cell, source.scores)
    scale = {tag: _ends(source, [m for m in raw if m.tag == tag]) for tag in cell.tags}
    scaled = [{s.run: normalized(s.value, _task(source, s.run), scale[m.tag]) for s in m.found} for m in raw]
    finite = [v for by_run in scaled for v in by_run.values() if np.isfinite(v)] or [0.0, 1.0]
    thresholds = _thresholds(np.array(finite), source.spec.points)
    marks = tuple(
        replace(mark, found=_profile(source, mark.found, by_run, thresholds))
        for mark, by_run in zip(raw, scaled, strict=True)
    )
    more = {tag: _notes(source, tag, [m for m in marks if m.tag == tag]) for tag in cell.tags}
    return Panel(cell, marks, notes.notes(source, cell, marks, more))


def _thresholds(values: Floats, points: int | None) -> Floats:
    """So many at equal distances, or all scores, where the shares change, and a little on either side."""
    low, high = values.min(), values.max()
    beside = 0.02 * ((high - low) or 1.0)
    every = np.unique([low - beside, *values, high + beside])
    if points is None and every.size <= _MOST_POINTS:
        return every
    return np.linspace(low - beside, high + beside, points or _MOST_POINTS)


def _task(source: Source, run: str) -> str:
    return compare.text(source.value(run, source.task or ""))


def _profile(
    source: Source, found: tuple[Scored, ...], by_run: dict[str, float], thresholds: Floats
) -> Profile:
    by_task: dict[str, list[float]] = {}
    for run, value in by_run.items():
        by_task.setdefault(_task(source, run), []).append(value)
    band = bands.parse(source.spec.usual_band)
    level = band.level * 100 if band.kind == "ci" else 95.0
    estimate = scores.profile([np.array(values) for values in by_task.values()], thresholds, level=level)
    if band.kind == "none":
        nothing = np.full(thresholds.shape, np.nan)
        estimate = replace(estimate, low=nothing, high=nothing)
    return Profile(thresholds, estimate, found, by_task)


def _ends(source: Source, marks: Sequence[Mark]) -> Ends:
    by_task: dict[str, list[float]] = {}
    for mark in marks:
        for score in mark.found:
            by_task.setdefault(_task(source, score.run), []).append(score.value)
    return ends(by_task, source.spec.normalize)


def _notes(source: Source, tag: str, marks: Sequence[Mark]) -> list[str]:
    tasks = list(dict.fromkeys(task for mark in marks for task in mark.found.by_task))
    found = not_numbers(source, tag, data.scores_of(marks, tag))
    lacks = [
        f"{mark.label or 'all'} ({', '.join(lost)})"
        for mark in marks
        if (lost := [task for task in tasks if task not in mark.found.by_task])
    ]
    if lacks:
        found.append(f"not every series has a run of every task: {compare.listed(lacks)}")
    if any(np.isnan(s.value) for m in marks for s in m.found.scores):
        found.append("a run without a number counts as above no threshold")
    return found


def said(panel: Panel, source: Source) -> str:
    """What the lines of `panel` are."""
    tasks = {task for mark in panel.marks for task in mark.found.by_task}
    runs = [mark.found.estimate.n for mark in panel.marks]
    if not runs:
        return "nothing that can be drawn"
    band = bands.parse(source.spec.usual_band).words
    with_band = f" and {band}" if band else ""
    count = notes.ranged(min(runs), max(runs))
    each = "" if len(runs) == 1 else " each"
    over = f"over {notes.counted(len(tasks), 'task')}, {count} run{'' if max(runs) == 1 else 's'}{each}"
    return f"share of runs above a score{with_band} {over}"


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    spec = shown.spec
    says = [(said(panel, shown.source), words.of_stats(spec, panel.cell.tags)) for panel in shown.panels]
    scale = f" (normalised by {', '.join(spec.normalize)})" if spec.normalize else ""
    return f"{words.by_what(says, '; score: ')}{words.treatment(spec)}{scale}"


def columns(source: Source) -> list[str]:
    """The names of its numbers; a row is a threshold."""
    return ["x", "center", "low", "high", "n", "n_nan"]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """A row for each threshold."""
    e: scores.Estimate = mark.found.estimate
    every = (mark.found.thresholds, e.value, e.low, e.high)
    for row in zip(*(column.tolist() for column in every), strict=True):
        yield {}, [*row, e.n, e.n_nan]


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels."""
    spec = shown.spec
    for i, (panel, ax) in enumerate(zip(shown.panels, sheet.axes, strict=True)):
        for mark in data.in_order(panel.marks, shown):
            look, e = sheet.looks[mark.label], mark.found.estimate
            band = {"color": look["color"], "alpha": 0.2, "linewidth": 0}
            ax.fill_between(mark.found.thresholds, e.low, e.high, step="post", **band)
            ax.plot(mark.found.thresholds, e.value, linewidth=1.0, zorder=3, drawstyle="steps-post", **look)
        name = f"{'normalised ' if spec.normalize else ''}{words.axis_name(spec, panel.cell.tags)}"
        axis.finish(ax, replace(spec, x=name), axis.XScale(1.0, layout.folded(name, 40)))
        ax.set_ylim(*((-0.02, 1.02) if spec.ylim is None else spec.ylim))
        layout.name_y(sheet, shown, i, "share of runs above")
        layout.name_panel(sheet, shown, i, said(panel, shown.source))
        layout.grid(ax)
    layout.add_legend_of_lines(sheet, shown, words.legend_title(shown))
