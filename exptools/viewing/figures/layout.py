"""The sheet that panels are drawn on: its size, its legend, the names of its panels.

Everything has the size at which it is printed. What a legend needs is added to the height of the figure,
never taken from the axes.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from exptools.viewing.figures.data import Data, shown_label
from exptools.viewing.figures.looks import Look, looks
from exptools.viewing.figures.source import panel_name

if TYPE_CHECKING:
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize
    from matplotlib.figure import Figure
    from matplotlib.legend import Legend

    from exptools.viewing.figures.spec import Limits
    from exptools.viewing.figures.styles import Style

Looks: TypeAlias = Mapping[str, Look]

_WIDE = 4.0  # inches: so wide a figure has two columns of panels
CHARACTERS = 16.5  # of 7 pt in an inch, about
_AXIS_INCHES = 0.5  # what the y axis takes of a panel's width
_LINE_INCHES = 0.13  # the height of a line of text
_WIDEST_LABEL = 90  # characters in a line


@dataclass
class Sheet:
    """A figure and its axes, row by row. looks: of each series."""

    figure: Figure
    axes: list[Axes]
    looks: Mapping[str, Look]
    style: Style
    columns: int
    rows: int
    below_inches: float = 0.0  # what texts below each panel have been given

    @property
    def panel_inches(self) -> float:
        """The width that each panel has."""
        return float(self.figure.get_figwidth()) / self.columns


def sheet(shown: Data, style: Style, *, share: bool = False, inches: float | None = None) -> Sheet:
    """An empty sheet for the panels of `shown`.

    share: whether panels of the same tags have the same axes. inches: the usual height of a row of panels;
    None for what goes with its width.
    """
    from exptools.viewing.figures.canvas import PaperFigure

    spec, count = shown.spec, len(shown.panels)
    width = style.inches(spec.width)
    columns = min(count, spec.panel_columns or (1 if width <= _WIDE else 3 if count == 3 else 2))
    rows = -(-count // columns)
    height = spec.height or inches or 1.2 + 0.327 * width / columns
    figure = PaperFigure(figsize=(width, height * rows), layout="constrained")
    axes: list[Axes] = []
    for i, panel in enumerate(shown.panels):
        like = next((j for j in range(i) if shown.panels[j].cell.tags == panel.cell.tags), None)
        same = None if like is None or not share else axes[like]
        axes.append(figure.add_subplot(rows, columns, i + 1, sharex=same, sharey=same))
    if spec.title:
        figure.suptitle(folded(spec.title, int(CHARACTERS * width)))
    return Sheet(figure, axes, looks(shown.labels), style, columns, rows)


def name_y(sheet: Sheet, shown: Data, i: int, name: str) -> None:
    """Call the y axis of panel `i` `name`, unless the panel to its left says so already."""
    ax, same = sheet.axes[i], i % sheet.columns and shown.panels[i - 1].cell.tags == shown.panels[i].cell.tags
    shares = same and ax.get_shared_y_axes().joined(ax, sheet.axes[i - 1])
    if shares:
        ax.tick_params(labelleft=False)
    if not same or not shares:
        ax.set_ylabel(folded(name, _upright(sheet)))


def _upright(sheet: Sheet) -> int:
    """How many characters of a label beside the axes have room from bottom to top."""
    inches = sheet.figure.get_figheight() / sheet.rows - sheet.below_inches - _AXIS_INCHES
    size = float(sheet.style.rc["axes.labelsize"])
    return max(12, int(inches * CHARACTERS * 7 / size))


def name_panel(sheet: Sheet, shown: Data, i: int, said: str) -> None:
    """Above panel `i` what its runs share, and what is `said` of it unless the spec wants no captions."""
    spec = shown.spec
    caption = spec.caption if spec.caption is not None else spec.style is None
    name = panel_name(shown.panels[i].cell, shown.source)
    text = "; ".join(filter(None, [name, said if caption else ""]))
    most = int(CHARACTERS * (sheet.panel_inches - _AXIS_INCHES))
    sheet.axes[i].set_title(folded(text, most), loc="left", color="black" if name and not caption else "0.35")


def grid(ax: Axes, which: Any = "both") -> None:
    """Faint lines behind everything."""
    ax.grid(visible=True, axis=which, color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)


def add_legend_of_lines(sheet: Sheet, shown: Data, title: str) -> None:
    """A legend whose handles are lines as they are drawn."""
    from matplotlib.lines import Line2D

    add_legend(sheet, shown, lambda label: Line2D([], [], linewidth=1.2, **sheet.looks[label]), title)


def add_legend(
    sheet: Sheet,
    shown: Data,
    handle: Callable[[str], Artist],
    title: str,
    labels: Sequence[str] | None = None,
) -> None:
    """A legend below the axes, in as many columns as the width holds; the figure grows by its height."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    labels = list(shown.labels if labels is None else labels)
    if shown.spec.legend == "none" or not any(labels):
        return
    figure = sheet.figure
    renderer = FigureCanvasAgg(figure).get_renderer()  # type: ignore[no-untyped-call]
    texts = [_visible(folded(shown_label(label, shown.spec), _WIDEST_LABEL)) for label in labels]
    handles = [handle(label) for label in labels]

    def legend(columns: int) -> Legend:
        return figure.legend(
            handles,
            texts,
            title=folded(title, _WIDEST_LABEL),
            loc="outside lower center",
            frameon=False,
            handlelength=3.0,
            columnspacing=1.5,
            alignment="left",
            ncols=columns,
        )

    size = float(sheet.style.rc["legend.fontsize"])
    beside = size / 72 * (3.0 + 0.8 + 1.5)  # of a text: its line, a gap, the gap to the next
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what the font cannot show is told when the figure is saved
        before = _axes_height_inches(figure)
        narrow = legend(1)
        text = max(t.get_window_extent(renderer).width for t in narrow.get_texts()) / figure.dpi
        narrow.remove()
        width = figure.get_figwidth()
        rows = -(-len(labels) // max(1, int(width / (text + beside))))
        made = legend(-(-len(labels) // rows))
        figure.set_figwidth(max(width, text + beside))
        figure.set_figheight(figure.get_figheight() + made.get_window_extent(renderer).height / figure.dpi)
        lost = before - _axes_height_inches(figure)  # to what the layout leaves free around the legend
        figure.set_figheight(figure.get_figheight() + lost * sheet.rows)


def _axes_height_inches(figure: Figure) -> float:
    figure.draw_without_rendering()
    return float(figure.axes[0].get_position().height * figure.get_figheight())


def folded(text: str, most: int) -> str:
    """`text` in lines of at most `most` characters, broken where a word ends if there is one."""
    pieces = re.findall(rf".{{1,{most}}}\Z|.{{1,{most}}}(?<=[\s,/_.-])|.{{1,{most}}}", text, re.DOTALL)
    return "\n".join(pieces)


def _visible(label: str) -> str:
    """A label that begins with an underscore would be hidden by matplotlib."""
    return f" {label}" if label.startswith("_") else label


def add_colours(sheet: Sheet, of: ScalarMappable, axes: Sequence[Axes], name: str, scale: str) -> None:
    """A bar that says what the colours are."""
    from exptools.viewing.figures import ticks

    bar = sheet.figure.colorbar(of, ax=list(axes), pad=0.02, aspect=25)
    bar.set_label(folded(name, _upright(sheet)))
    bar.outline.set_linewidth(0.5)
    (ticks.log if scale == "log" else ticks.linear)(bar.ax.yaxis)


def colours(values: Sequence[float], limits: Limits | None, *, log: bool) -> Normalize:
    """The colours of `values`, those outside of `limits` as the last inside."""
    from matplotlib.colors import LogNorm, Normalize

    finite = [v for v in values if v == v and abs(v) != float("inf") and (v > 1e-290 or not log)] or [1.0]
    asked = limits or (None, None)
    low = min(finite) if asked[0] is None else asked[0]
    high = max(finite) if asked[1] is None else asked[1]
    if high <= low:
        low, high = low - 0.05 * (abs(low) or 1.0), low + 0.05 * (abs(low) or 1.0)
    return (LogNorm if log else Normalize)(low, high, clip=True)


def name_ticks(sheet: Sheet, axis: Axis, texts: Sequence[str], inches: float) -> None:
    """Texts at 0, 1, 2, ... along an axis of `inches`: upright where they have no room, and then not all.

    The figure grows by what upright ones need.
    """
    across = axis.axis_name == "x"  # type: ignore[attr-defined]
    each = inches / max(len(texts), 1)
    rotated = across and max(map(len, texts), default=0) + 1 > each * CHARACTERS * 2
    step = -(-_LINE_INCHES // each) if rotated or not across else 1
    places = range(0, len(texts), int(max(step, 1)))
    most = 24 if rotated or not across else max(4, int(each * CHARACTERS))
    axis.set_ticks(list(places), [folded(texts[i], most) for i in places])
    if rotated:
        axis.set_tick_params(rotation=90)
        needs = min(max(map(len, texts)), most) / CHARACTERS
        more = max(needs - sheet.below_inches, 0.0)
        sheet.below_inches += more
        sheet.figure.set_figheight(sheet.figure.get_figheight() + more * sheet.rows)
