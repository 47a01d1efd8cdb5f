"""Parallel coordinates: an axis for each config key that varies, one for the number; a line a run."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.figures import keyed, layout, notes, ticks, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.kinds.bars import not_numbers
from exptools.viewing.figures.series import Cell
from exptools.viewing.figures.source import Scored, Source
from exptools.viewing.groups import brief

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Normalize

    from exptools.viewing.figures.layout import Sheet

_COLOURS = "viridis"
_MOST_TICKS = 6
_ROOM = 0.04  # of an axis, free above and below
_FANNED = 0.03  # of an axis: lines of one category lie so far apart at most


@dataclass(frozen=True)
class Lines:
    """at: per run its value of each key. scores: per run its number; None where it has none."""

    at: dict[str, tuple[Any, ...]]
    scores: dict[str, Scored | None]


def panels(source: Source) -> list[Panel]:
    """A panel for each cell; in it a line for each run, with a number or without."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    (tag,) = cell.tags
    curves = source.found.curves.get(tag, {})
    whole = source.series(cell, tag)
    members = [member.name for one in whole for member in one.whole.members]
    found = Lines(
        {name: tuple(source.value(name, key) for key in source.over) for name in members},
        {name: source.scored(name, tag) if name in curves else None for name in members},
    )
    marks = tuple(Mark("", tag, cell, one, found) for one in whole[:1])
    scored = [score for score in found.scores.values() if score is not None]
    more = {tag: not_numbers(source, tag, scored)}
    return Panel(cell, marks, notes.notes(source, cell, marks, more, averaged=False))


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    source = shown.source
    says = words.listed([words.of_stat(shown.spec, tag) for tag in source.tags])
    keys = words.listed([source.short[key] for key in source.over])
    grey = "; dashed grey: a run without a number, or that did not complete" if _any_grey(shown) else ""
    return f"{says}{words.treatment(shown.spec)} by {keys}; a line is a run{grey}"


def _any_grey(shown: Data) -> bool:
    return any(
        is_grey(shown, run, m.found.scores[run]) for p in shown.panels for m in p.marks for run in m.found.at
    )


def is_grey(shown: Data, run: str, score: Scored | None) -> bool:
    """Whether a run has no number, or did not complete."""
    completed = shown.source.state[run] in (None, State.COMPLETED)
    return score is None or not np.isfinite(score.value) or not completed


def columns(source: Source) -> list[str]:
    """The names of its numbers; a row is a run."""
    return ["run", "state", "value", "n_nan"]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """A row for each run; without a value if it has none."""
    for run, at in mark.found.at.items():
        score = mark.found.scores[run]
        numbers = ["", ""] if score is None else [score.value, score.n_nan]
        yield dict(zip(source.over, at, strict=True)), [run, str(source.state[run] or ""), *numbers]


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels."""
    from matplotlib.cm import ScalarMappable

    for i, (panel, ax) in enumerate(zip(shown.panels, sheet.axes, strict=True)):
        for mark in panel.marks:
            values = [s.value for s in mark.found.scores.values() if s is not None]
            scale = shown.spec.yscale or "linear"
            norm = layout.colours(values, shown.spec.ylim, log=scale == "log")
            _draw_lines(ax, mark.found, norm, shown)
            name = words.axis_name(shown.spec, [mark.tag])
            layout.add_colours(sheet, ScalarMappable(norm, _COLOURS), [ax], name, scale)
        layout.name_panel(sheet, shown, i, "")


def _draw_lines(ax: Axes, lines: Lines, norm: Normalize, shown: Data) -> None:
    from matplotlib import colormaps

    source, last = shown.source, len(shown.source.over)
    worst_first = sorted(lines.at, key=lambda run: by_score(lines.scores[run]))  # so that lines cross seldom
    at_axes = [places([lines.at[run][k] for run in worst_first]) for k in range(last)]
    for k, key in enumerate(source.over):
        _draw_axis(ax, k, [at[k] for at in lines.at.values()], shown, source.short[key])
    ax.axvline(last, color="0.25", linewidth=0.8, zorder=1)
    for i, run in enumerate(worst_first):
        y = [place[i] for place in at_axes]
        score = lines.scores[run]
        grey = is_grey(shown, run, score)
        if score is not None and np.isfinite(score.value):
            y.append(float(norm(score.value)))
        colour = "0.55" if grey or score is None else colormaps[_COLOURS](norm(score.value))
        dashed = {"linestyle": (0, (3, 2)), "linewidth": 0.7} if grey else {"linewidth": 0.9, "alpha": 0.85}
        ax.plot(*curved(y), color=colour, zorder=2 if grey else 3, solid_capstyle="round", **dashed)
    ax.set_xlim(-0.1, last)
    ax.set_ylim(0, 1)
    ax.set_yticks([])
    ax.set_xticks(range(last), [layout.folded(source.short[key], 14) for key in source.over])
    ax.tick_params(axis="x", length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def by_score(score: Scored | None) -> float:
    """Sorts runs so that the best are drawn last."""
    return -np.inf if score is None or np.isnan(score.value) else score.value


def curved(y: Sequence[float]) -> tuple[list[float], list[float]]:
    """From axis to axis in smooth steps, level at each: crossing lines can be followed."""
    t = np.linspace(0, 1, 41)
    ease = t * t * (3 - 2 * t)
    xs: list[float] = []
    ys: list[float] = []
    for k, (a, b) in enumerate(itertools.pairwise(y)):
        xs += (k + t).tolist()
        ys += (a + (b - a) * ease).tolist()
    return (xs, ys) if xs else ([0.0], list(y))


def places(values: Sequence[Any]) -> list[float]:
    """Where each run lies on the axis of `values`; those of one value a little apart, in their order."""
    scale = keyed.scale(values)
    at = np.array([scale.place(value) for value in values], float)
    at = np.log(at) if scale.scale == "log" else at
    out = _share(at, at.min(), at.max())
    distinct = np.unique(at)
    step = min(_FANNED, 0.25 * float(np.diff(np.unique(out)).min()) if distinct.size > 1 else _FANNED)
    for place in distinct:
        same = np.flatnonzero(at == place)
        if len(same) > 1:
            out[same] += np.linspace(-step, step, len(same))
    return list(map(float, out))


def _share(at: Any, low: float, high: float) -> Any:
    return np.full(len(at), 0.5) if high <= low else _ROOM + (1 - 2 * _ROOM) * (at - low) / (high - low)


def _draw_axis(ax: Axes, k: int, values: Sequence[Any], shown: Data, name: str) -> None:
    """The line of a key, and the texts of its values beside it."""
    ax.axvline(k, color="0.25", linewidth=0.8, zorder=1)
    for text, y in marks(values, shown):
        box = {"boxstyle": "square,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.8}
        ax.plot([k - 0.012, k + 0.012], [y, y], color="0.25", linewidth=0.8, zorder=4)
        ax.annotate(
            compare.shortened(text, 16), (k, y), (3, 0), textcoords="offset points", va="center",
            fontsize="small", bbox=box, zorder=5,
        )  # fmt: skip


def marks(values: Sequence[Any], shown: Data) -> list[tuple[str, float]]:
    """The texts along the axis of `values`, and where they stand, in [0, 1]."""
    found = keyed.distinct(values)
    scale = keyed.scale(values)
    if scale.categories:
        texts = [shown.spec.shown(text) for text in brief(list(scale.categories))]
        at_marks = list(map(float, _share(np.arange(len(found), dtype=float), 0.0, len(found) - 1.0)))
    else:
        shown_values = found if len(found) <= _MOST_TICKS else _some(found, scale.scale)
        texts = ticks.texts([float(value) for value in shown_values])
        low, high = (np.log(end) if scale.scale == "log" else end for end in (found[0], found[-1]))
        at = np.array([np.log(v) if scale.scale == "log" else v for v in shown_values], float)
        at_marks = list(map(float, _share(at, low, high)))
    return list(zip(texts, at_marks, strict=True))


def _some(values: Sequence[Any], scale: str) -> list[float]:
    """A few round numbers between the least and the greatest of `values`, and these."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    locator = LogLocator() if scale == "log" else MaxNLocator(5)
    inner = [float(v) for v in locator.tick_values(values[0], values[-1]) if values[0] <= v <= values[-1]]
    return inner or [float(values[0]), float(values[-1])]
