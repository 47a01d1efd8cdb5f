"""Curves for a paper: a panel per tag, a line with a band per variant, as PDF, PNG or SVG.

Everything has the size at which it is printed: the figure is as wide as the text of most conferences, and
what a legend needs is added to its height, never taken from the axes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.exporters import output
from exptools.viewing.exporters.looks import Look, looks
from exptools.viewing.exporters.panels import Line, Panel, caption, groups_of

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend
    from numpy.typing import NDArray

    from exptools.viewing.groups import Group

FORMATS = (".pdf", ".png", ".svg")

_STYLE: Any = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a tag may hold a $
    "pdf.fonttype": 42,  # TrueType: conferences refuse the Type 3 fonts that are the default
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}
_WIDTH_INCHES = 5.5
_PANEL_INCHES = {1: 3.0, 2: 2.1}  # the height of a panel, by the number of columns
_WIDEST_TITLE = {1: 90, 2: 46}  # characters in a line
_WIDEST_TAG = {1: 40, 2: 24}
_WIDEST_LABEL = 90
_BESIDE_INCHES = 7 / 72 * (3.0 + 0.8 + 1.5)  # of a legend's text: its line, a gap, the gap to the next
_DOTS_PER_INCH = 300
_FEW = 25  # points: so few are marked, for a single point has no line
_SLICES = 2000  # of the x axis, about two a dot: what lies inside one is drawn by its extremes


def draw(drawn: Sequence[Panel]) -> tuple[Figure, list[Axes]]:
    """The figure of some panels, without touching pyplot: nothing is shown, nothing needs to be closed."""
    import matplotlib
    from matplotlib.figure import Figure

    columns, rows = min(len(drawn), 2), _rows(len(drawn))
    groups = groups_of(drawn)
    look_of = looks([group.label for group in groups])
    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_INCHES, _PANEL_INCHES[columns] * rows), layout="constrained")
        axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(drawn))]
        for panel, ax in zip(drawn, axes, strict=True):
            _draw_panel(ax, panel, look_of, columns)
        if any(look_of):
            _add_legend(figure, groups, look_of)
    return figure, axes


def _rows(panels: int) -> int:
    return -(-panels // 2)


def _draw_panel(ax: Axes, panel: Panel, look_of: Mapping[str, Look], columns: int) -> None:
    alpha = 0.2 if len(panel.lines) <= 6 else max(0.04, 0.8 / len(panel.lines))
    for line in panel.lines:
        _draw_line(ax, line, look_of[line.group.label], alpha)
    ax.set_xlabel("step")
    ax.set_ylabel(folded(panel.tag, _WIDEST_TAG[columns]))
    ax.set_title(folded(caption(panel), _WIDEST_TITLE[columns]), loc="left", color="0.35")
    ax.grid(visible=True, color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.02)


def _draw_line(ax: Axes, line: Line, look: Look, alpha: float) -> None:
    import numpy as np

    all_of_it, whole = line.aggregate, line.whole
    x, low, high = extremes(all_of_it.step, all_of_it.mean - all_of_it.sd, all_of_it.mean + all_of_it.sd)
    ax.fill_between(x, low, high, color=look["color"], alpha=alpha, linewidth=0, zorder=2)
    _draw_mean(ax, all_of_it.step, np.where(whole, all_of_it.mean, np.nan), {"linewidth": 1.0, **look})
    if not whole.all():
        rest = np.where(_beside(~whole), all_of_it.mean, np.nan)
        faint = {"color": look["color"], "linewidth": 0.7, "linestyle": ":"}
        _draw_mean(ax, all_of_it.step, rest, faint)


def _beside(some: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The points in `some` and the neighbours of each: between two points a line belongs to both."""
    import numpy as np

    padded = np.pad(some, 1)
    return some | padded[:-2] | padded[2:]


def _draw_mean(ax: Axes, step: NDArray[np.float64], mean: NDArray[np.float64], look: Look) -> None:
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(step) <= _FEW else {}
    x, low, high = extremes(step, mean, mean)
    if len(x) < len(step):  # from the bottom of each slice to its top
        x, low = x.repeat(2), _alternating(low, high)
    ax.plot(x, low, zorder=3, **look, **marker)


def extremes(
    step: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What can be seen of a long curve: the least of `low` and the greatest of `high` in each slice.

    step: increasing. All arrays of shape (points,); the results of shape (slices,), or as they came if there
    are not more points than could be drawn. Without this a long run makes a PDF that no viewer opens.
    """
    import numpy as np

    if len(step) <= 2 * _SLICES:
        return step, low, high
    slices = np.floor((step - step[0]) / (step[-1] - step[0]) * _SLICES)
    starts = np.flatnonzero(np.diff(slices, prepend=-1))
    return step[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def _alternating(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.stack([one, other], axis=1).reshape(-1)


def _add_legend(figure: Figure, groups: Sequence[Group], look_of: Mapping[str, Look]) -> None:
    """A legend below the axes, in as many columns as the width holds; the figure grows by its height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the font cannot show is told when the figure is saved
        before = _axes_height_inches(figure)
        narrow = _legend(figure, groups, look_of, 1)
        text = max(text.get_window_extent(renderer).width for text in narrow.get_texts()) / figure.dpi
        narrow.remove()
        rows = -(-len(groups) // max(1, int(_WIDTH_INCHES / (text + _BESIDE_INCHES))))
        legend = _legend(figure, groups, look_of, -(-len(groups) // rows))
        figure.set_figwidth(max(_WIDTH_INCHES, text + _BESIDE_INCHES))
        figure.set_figheight(figure.get_figheight() + legend.get_window_extent(renderer).height / figure.dpi)
        lost = before - _axes_height_inches(figure)  # to what the layout leaves free around the legend
        figure.set_figheight(figure.get_figheight() + lost * _rows(len(figure.axes)))


def _axes_height_inches(figure: Figure) -> float:
    figure.draw_without_rendering()
    return float(figure.axes[0].get_position().height * figure.get_figheight())


def _legend(figure: Figure, groups: Sequence[Group], look_of: Mapping[str, Look], columns: int) -> Legend:
    from matplotlib.lines import Line2D

    return figure.legend(
        [Line2D([], [], linewidth=1.2, **look_of[group.label]) for group in groups],
        [_shown(folded(group.label, _WIDEST_LABEL)) for group in groups],
        title=folded(_title(groups), _WIDEST_LABEL),
        loc="outside lower center",
        frameon=False,
        handlelength=3.0,
        columnspacing=1.5,
        alignment="left",
        ncols=columns,
    )


def _title(groups: Sequence[Group]) -> str:
    """What the parts of the labels are."""
    keys = next((list(group.settings) for group in groups if group.settings), [])
    names = compare.short_names(keys)
    sweep = ["sweep"] if any(group.sweep for group in groups) else []
    return ", ".join([*(names[key] for key in keys), *sweep])


def folded(text: str, most: int) -> str:
    """`text` in lines of at most `most` characters, broken where a word ends if there is one."""
    pieces = re.findall(rf".{{1,{most}}}\Z|.{{1,{most}}}(?<=[\s,/_.-])|.{{1,{most}}}", text, re.DOTALL)
    return "\n".join(pieces)


def _shown(label: str) -> str:
    """A label that begins with an underscore would be hidden by matplotlib."""
    return f" {label}" if label.startswith("_") else label


def default_file(tags: Sequence[str]) -> Path:
    """Where the figure of `tags` goes if nobody says: <tag>.pdf in the current directory."""
    return Path("-".join(re.sub(r"[^\w.=+-]+", "_", tag).strip("_.") or "tag" for tag in tags)[:100] + ".pdf")


def checked(file: Path) -> Path:
    """`file`, if a figure can be saved there.

    Raises:
        ViewError: its ending names no format, or it cannot be written.
    """
    if file.suffix.lower() not in FORMATS:
        given = f"the ending {file.suffix!r}" if file.suffix else "no ending"
        raise ViewError(f"cannot write {file}: {given}; a figure can be {', '.join(FORMATS)}")
    return output.writable(file)


def save(figure: Figure, file: Path) -> list[str]:
    """Save `figure` to `file`, whose ending says the format. Returns what the font could not show.

    Raises:
        ViewError: `file` cannot be written.
    """
    import matplotlib

    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context(_STYLE):
        warnings.simplefilter("always")
        with output.replacing(checked(file)) as stream:
            figure.savefig(stream, format=file.suffix.lower()[1:], dpi=_DOTS_PER_INCH)
    return list(dict.fromkeys(str(warning.message) for warning in caught))
