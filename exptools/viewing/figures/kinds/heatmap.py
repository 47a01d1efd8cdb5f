"""One number over two config keys: a cell for each pair of values, coloured by the centre over its runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import data, keyed, layout, looks, notes, words
from exptools.viewing.figures.data import Data, Mark, Panel, Row
from exptools.viewing.figures.kinds.bars import not_numbers
from exptools.viewing.figures.series import Cell
from exptools.viewing.figures.source import Scored, Source
from exptools.viewing.groups import brief
from exptools.viewing.statistics import order
from exptools.viewing.statistics.curves import Aggregate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.colors import Colormap, Normalize

    from exptools.viewing.figures.layout import Sheet

_COLOURS = "cividis"  # the same to all eyes, and in grey


@dataclass(frozen=True)
class Cells:
    """found: (value across, value up) as texts -> centre and band over its runs. scores: of all runs.

    across, up: all values.
    """

    found: dict[tuple[str, str], Aggregate]
    scores: tuple[Scored, ...]
    across: tuple[Any, ...]
    up: tuple[Any, ...]


def panels(source: Source) -> list[Panel]:
    """A panel for each tag and value of the split."""
    return [_panel(source, cell) for cell in source.cells()]


def _panel(source: Source, cell: Cell) -> Panel:
    marks = tuple(
        replace(mark, found=_cells(source, mark.found)) for mark in data.marked(source, cell, source.scores)
    )
    more = {tag: not_numbers(source, tag, data.scores_of(marks, tag)) for tag in cell.tags}
    return Panel(cell, marks, notes.notes(source, cell, marks, more, averaged=False))


def _cells(source: Source, scores: tuple[Scored, ...]) -> Cells:
    by_pair: dict[tuple[str, str], list[float]] = {}
    for score in scores:
        across, up = (compare.text(source.value(score.run, key)) for key in source.over)
        by_pair.setdefault((across, up), []).append(score.value)
    return Cells(
        {pair: source.centered(values) for pair, values in by_pair.items()},
        scores,
        *(
            tuple(keyed.distinct(source.value(member.name, key) for member in source.members))
            for key in source.over
        ),
    )


def caption(shown: Data) -> str:
    """The sentence on what all panels show."""
    spec, source = shown.spec, shown.source
    counts = [int(a.n[0]) for p in shown.panels for m in p.marks for a in m.found.found.values()]
    over = (
        ""
        if not counts
        else f" over {notes.ranged(min(counts), max(counts))} run{'' if max(counts) == 1 else 's'}"
    )
    across, up = (source.short[key] for key in source.over)
    says = words.listed([words.of_stat(spec, tag) for tag in source.tags])
    center = f"{order.CENTERS[spec.center]}{over} of " if max(counts, default=0) > 1 else ""
    empty = sum(
        len(m.found.across) * len(m.found.up) - len(m.found.found) for p in shown.panels for m in p.marks
    )
    hatched = f"; hatched: no run ({notes.counted(empty, 'cell')})" if empty else ""
    return f"{center}{says}{words.treatment(spec)} for each {across} and {up}{hatched}"


def columns(source: Source) -> list[str]:
    """The names of its numbers; a row is a cell."""
    return ["center", "low", "high", "n", "n_nan"]


def rows(mark: Mark, source: Source) -> Iterator[Row]:
    """A row for each cell that has a run."""
    for pair, a in mark.found.found.items():
        numbers = [column.tolist()[0] for column in (a.center, a.low, a.high, a.n, a.n_nan)]
        yield dict(zip(source.over, pair, strict=True)), numbers


def inches(shown: Data) -> float:
    """The height of a panel: its cells are flat, for they hold a line of text."""
    rows = max((len(mark.found.up) for panel in shown.panels for mark in panel.marks), default=1)
    return max(1.5, 0.8 + min(0.32 * rows, 6.0))


def draw(sheet: Sheet, shown: Data) -> None:
    """Draw all panels; those of a tag have the same colours."""
    from matplotlib import colormaps
    from matplotlib.cm import ScalarMappable

    for tag in shown.source.tags:
        mine = [(i, panel) for i, panel in enumerate(shown.panels) if panel.cell.tags == (tag,)]
        values = [float(a.center[0]) for _, p in mine for m in p.marks for a in m.found.found.values()]
        norm = layout.colours(values, shown.spec.ylim, log=shown.spec.yscale == "log")
        for i, panel in mine:
            for mark in panel.marks:
                _draw_cells(sheet.axes[i], mark.found, norm, colormaps[_COLOURS], shown, sheet)
            layout.name_panel(sheet, shown, i, "")
            if i % sheet.columns and i > mine[0][0]:  # what is to its left says it
                sheet.axes[i].set_ylabel("")
                sheet.axes[i].tick_params(labelleft=False)
        axes = [sheet.axes[i] for i, _ in mine]
        name, scale = words.axis_name(shown.spec, [tag]), shown.spec.yscale or "linear"
        layout.add_colours(sheet, ScalarMappable(norm, _COLOURS), axes, name, scale)


def _draw_cells(
    ax: Axes, cells: Cells, norm: Normalize, colours: Colormap, shown: Data, sheet: Sheet
) -> None:
    from matplotlib.patches import Rectangle

    xs, ys = ([compare.text(value) for value in values] for values in (cells.across, cells.up))
    room = (sheet.panel_inches - 1.2) / len(xs) * layout.CHARACTERS  # characters in a cell
    texts = dict(
        zip(cells.found, short_numbers([float(a.center[0]) for a in cells.found.values()]), strict=True)
    )
    is_told = max(map(len, texts.values()), default=0) <= room
    for i, x in enumerate(xs):
        for j, y in enumerate(ys):
            a = cells.found.get((x, y))
            value = np.nan if a is None else float(a.center[0])
            if np.isnan(value):
                look: Any = {"facecolor": "white", "edgecolor": "0.6", "hatch": "////", "linewidth": 0}
                ax.add_patch(Rectangle((i - 0.5, j - 0.5), 1, 1, **look))
                if a is not None and is_told:
                    box = {"facecolor": "white", "edgecolor": "none", "pad": 1}
                    ax.text(i, j, "nan", ha="center", va="center", bbox=box)
                continue
            colour = colours(norm(value))
            ax.add_patch(
                Rectangle((i - 0.5, j - 0.5), 1, 1, facecolor=colour, edgecolor="white", linewidth=0.6)
            )
            if is_told:
                ax.text(
                    i, j, texts[x, y], ha="center", va="center", color=looks.ink(colour), fontsize="small"
                )
    across, up = shown.source.over
    layout.name_ticks(sheet, ax.xaxis, _names(cells.across, shown), sheet.panel_inches - 1.2)
    layout.name_ticks(sheet, ax.yaxis, _names(cells.up, shown), inches(shown) - 0.6)
    ax.set_xlabel(shown.source.short[across])
    ax.set_ylabel(shown.source.short[up])
    ax.set_xlim(-0.5, len(xs) - 0.5)
    ax.set_ylim(-0.5, len(ys) - 0.5)
    ax.tick_params(length=0)
    for spine in ax.spines.values():
        spine.set_visible(False)


def _names(values: Sequence[Any], shown: Data) -> list[str]:
    return [shown.spec.shown(text) for text in brief(list(values))]


def short_numbers(values: list[float]) -> list[str]:
    """Each of `values` with as many decimals as the largest needs for three digits."""
    finite = [abs(value) for value in values if np.isfinite(value) and value]
    if not finite or max(finite) >= 1e4 or max(finite) < 1e-3:
        return [f"{value:.3g}" for value in values]
    decimals = max(0, 2 - int(np.floor(np.log10(max(finite)))))
    return [f"{value:.{decimals}f}" for value in values]
