"""The lines of a card as plotly draws them: plain values, numbers as bytes in base64."""

from __future__ import annotations

import base64
import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from exptools.viewing.figures import axis
from exptools.viewing.figures.looks import COLOURS as _PALETTE
from exptools.viewing.figures.looks import MOST as MOST_LOOKS
from exptools.viewing.figures.looks import looks
from exptools.viewing.web.lines import Card, Line, Panel
from exptools.viewing.web.thinned import LEAST, all_thinned, columns, within

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from exptools.viewing.statistics.order import Floats
    from exptools.viewing.web.view import View, Zoom

POINTS: Final = 100_000  # of a card: what a browser draws at once
MOST: Final = 1_500  # of a line: two for each dot of a wide card
ROW_PX: Final = 270  # the height of a row of panels
_COLUMNS = 3  # panels beside each other
_DASHES: Final = ("solid", "dash", "dashdot", "longdash")  # when the colours have all been used
_INLIERS = (1, 99)  # percent of the values that y reaches to without outliers
_ROOM = 0.05  # of the axis, free above and below


@dataclass(frozen=True)
class Drawn:
    """figure: for plotly. whole: whether every frame is drawn. points: how many are."""

    figure: dict[str, Any]
    whole: bool
    points: int


def figure(card: Card, view: View, labels: Sequence[str], *, dark: bool) -> Drawn:
    """The card as the view shows it. labels: of all series, so that each has one colour on the whole page."""
    of_lines = (line.label for panel in card.panels for line in panel.lines)  # newer than labels, perhaps
    look_of = swatches(list(dict.fromkeys([*labels, *of_lines])), dark=dark)
    longest = max((line.x[-1] for p in card.panels for line in p.lines if len(line.x)), default=0.0)
    unit, name = _unit(view, float(longest))
    zoom = view.zoom.get(card.tag)
    x = zoom.x if zoom else None
    shown = [_visible(panel, view) for panel in card.panels]
    most = _most(sum(len(columns(line)) for panel in shown for line in panel.lines))
    floor = _floor(shown) if view.yscale == "log" else 0.0
    traces: list[dict[str, Any]] = []
    ranges: list[tuple[float, float]] = []
    whole, points = True, 0
    for i, panel in enumerate(shown):
        cut = all_thinned(panel.lines, most, x, log=_type(view) == "log")
        whole &= all(is_all for _, is_all in cut)
        lines = [line for line, _ in cut]
        points += sum(len(line.x) for line in lines)
        ranges += _inliers(panel.lines, view, x)
        if view.yscale == "log":
            lines = [_above(floor, line) for line in lines]
        traces += _traces(lines, view, look_of, unit, i, alpha=0.2 if len(lines) <= 6 else 0.1)
    layout = _layout([panel.name for panel in shown], view, name, unit, zoom, ranges, dark=dark)
    return Drawn({"data": traces, "layout": layout}, whole, points)


def _visible(panel: Panel, view: View) -> Panel:
    """The panel without the series that are hidden."""
    return Panel(panel.name, tuple(line for line in panel.lines if line.label not in view.hidden))


def _most(n_columns: int) -> int:
    return max(LEAST, min(MOST, POINTS // max(1, n_columns)))


def _floor(panels: Sequence[Panel]) -> float:
    """The least positive value of all lines; 1 where there is none."""
    lines = [line.y for panel in panels for line in panel.lines]
    return min((float(y[y > 0].min()) for y in lines if (y > 0).any()), default=1.0)


def _above(floor: float, line: Line) -> Line:
    """The line with a band that a log axis can show: where it reaches to 0 it ends at `floor`."""
    if line.low is None or line.high is None:
        return line
    low = np.where(line.low > 0, line.low, np.where(line.high > floor, floor, np.nan))
    return replace(line, low=np.where(np.isnan(line.low), np.nan, low))


def swatches(labels: Sequence[str], *, dark: bool = False) -> dict[str, dict[str, str]]:
    """Colour and dash of each series."""
    found = looks(list(labels))
    return {
        label: {
            "color": "#e8e8e8" if dark and look["color"] == "#000000" else str(look["color"]),
            "dash": _DASHES[i // len(_PALETTE) % len(_DASHES)] if len(found) <= MOST_LOOKS else "solid",
        }
        for i, (label, look) in enumerate(found.items())
    }


def _unit(view: View, longest: float) -> tuple[float, str]:
    """What x is divided by to be on the axis, and what the axis is called."""
    if view.x == "wall_time":
        return 1e-3, "wall time (UTC)"  # plotly's dates are in milliseconds
    scale = axis.x_scale(view.spec(("any",)), longest)
    return scale.unit, scale.name


# --- traces ------------------------------------------------------------------------------------------------


def _traces(
    lines: Sequence[Line],
    view: View,
    look_of: Mapping[str, Mapping[str, str]],
    unit: float,
    panel: int,
    alpha: float,
) -> list[dict[str, Any]]:
    """Below all bands, then what is behind, then the lines; lines of one series are one trace, with gaps."""
    by_label: dict[str, list[Line]] = {}
    for line in lines:
        by_label.setdefault(line.label, []).append(line)
    behind: list[dict[str, Any]] = []
    front: list[dict[str, Any]] = []
    for label, some in by_label.items():
        look = look_of[label]
        common = {
            "type": "scatter", "mode": "lines", "hoverinfo": "skip", "showlegend": False,
            "xaxis": _axis("x", panel), "yaxis": _axis("y", panel),
        }  # fmt: skip
        behind += [common | _band(line, unit, look["color"], alpha) for line in some if line.low is not None]
        raw = [(line.x, line.raw) for line in some if line.raw is not None]
        if raw:
            faint = {"opacity": 0.25, "line": {"color": look["color"], "width": 1}}
            behind.append(common | _columns(raw, unit) | faint)
        front.append(common | _front(label, some, view, look, unit))
        alone = [(line.x[which], line.y[which]) for line in some if (which := _alone(line.y)).any()]
        if alone and front[-1]["mode"] == "lines":
            front.append(common | _columns(alone, unit) | {"mode": "markers", "marker": _marker(look)})
        few = [(line.x, _where_few(line)) for line in some if line.n is not None]
        if few:
            dotted = {"line": {"color": look["color"], "width": 1.2, "dash": "dot"}}
            front.append(common | _columns(few, unit) | dotted)
    return [*behind, *front]


def _front(
    label: str, some: Sequence[Line], view: View, look: Mapping[str, str], unit: float
) -> dict[str, Any]:
    starts = [0, *itertools.accumulate(len(line.x) + 1 for line in some)]
    is_few = all(len(line.x) <= 25 for line in some)
    return {
        **_columns([(line.x, _where_whole(line)) for line in some], unit),
        "name": inert(label),
        "mode": "lines+markers" if is_few else "lines",
        "marker": _marker(look),
        "line": {
            "color": look["color"],
            "width": 1 if view.has_runs and len(some) > 4 else 1.8,
            "dash": look["dash"],
        },
        # For the line that is shown under the pointer: which part of the trace is whose.
        "meta": {
            "label": label,
            "starts": starts,
            "runs": [line.runs[0] for line in some] if view.has_runs else [],
        },
    }


def _marker(look: Mapping[str, str]) -> dict[str, Any]:
    return {"size": 4, "color": look["color"]}


def _alone(y: Floats) -> NDArray[np.bool_]:
    """The points without a neighbour: a line has no length there."""
    has = np.isfinite(y)
    alone: NDArray[np.bool_] = has.copy()
    alone[1:] &= ~has[:-1]
    alone[:-1] &= ~has[1:]
    return alone


def _where_whole(line: Line) -> Floats:
    """Where all of its runs count."""
    return line.y if line.n is None else np.where(line.n == len(line.runs), line.y, np.nan)


def _where_few(line: Line) -> Floats:
    """Where fewer do, and the points next to those, for a line between two points belongs to both."""
    assert line.n is not None
    few = np.pad(line.n != len(line.runs), 1)
    beside = few[1:-1] | few[:-2] | few[2:]
    return np.where(beside, line.y, np.nan)


def _band(line: Line, unit: float, color: str, alpha: float) -> dict[str, Any]:
    """The outline of the band, round each part of it without a gap."""
    assert line.low is not None and line.high is not None
    has = np.isfinite(line.low) & np.isfinite(line.high)
    edges = np.flatnonzero(np.diff(np.concatenate([[False], has, [False]]).astype(np.int8)))
    parts = [slice(a, b) for a, b in edges.reshape(-1, 2).tolist()]
    outlines = [
        (np.concatenate([line.x[p], line.x[p][::-1]]), np.concatenate([line.high[p], line.low[p][::-1]]))
        for p in parts
    ]
    return {
        **_columns(outlines, unit),
        "fill": "toself",
        "fillcolor": _rgba(color, alpha),
        "line": {"width": 0},
    }


def _columns(parts: Sequence[tuple[Floats, Floats]], unit: float) -> dict[str, dict[str, str]]:
    """x and y of several lines as one, with a gap between each and the next."""
    gap = np.array([np.nan])
    x = np.concatenate([gap, *(piece for at, _ in parts for piece in (at, gap))])[1:-1]
    y = np.concatenate([gap, *(piece for _, values in parts for piece in (values, gap))])[1:-1]
    return {"x": packed(x / unit), "y": packed(y)}


def packed(column: NDArray[Any]) -> dict[str, str]:
    """Float64s as plotly takes them from JSON."""
    return {"dtype": "f8", "bdata": base64.b64encode(column.astype("<f8").tobytes()).decode()}


def inert(text: str) -> str:
    """A text without the markup that plotly would see in it."""
    return text.replace("&", "&amp;").replace("<", "&lt;")


def _rgba(color: str, alpha: float) -> str:
    red, green, blue = (int(color[i : i + 2], 16) for i in (1, 3, 5))
    return f"rgba({red},{green},{blue},{alpha})"


# --- layout ------------------------------------------------------------------------------------------------


def _axis(name: str, panel: int) -> str:
    return name if panel == 0 else f"{name}{panel + 1}"


def height(n_panels: int) -> int:
    """Of a card with so many panels, in pixels."""
    return ROW_PX * max(1, math.ceil(n_panels / _COLUMNS)) + (25 if n_panels > 1 else 0)


def theme(*, dark: bool) -> dict[str, Any]:
    """What all figures of the page have."""
    text = "#c9ced6" if dark else "#3b424c"
    return {
        "paper_bgcolor": "rgba(0,0,0,0)",
        "plot_bgcolor": "rgba(0,0,0,0)",
        "font": {"color": text, "size": 12, "family": "system-ui, sans-serif"},
        "showlegend": False,
        "margin": {"l": 58, "r": 10, "t": 8, "b": 38},
    }


def axis_look(*, dark: bool) -> dict[str, Any]:
    """What all axes of the page have."""
    line = "#39414b" if dark else "#dfe3e8"
    return {"gridcolor": line, "zerolinecolor": line, "linecolor": line, "automargin": False, "ticks": ""}


def _layout(
    names: Sequence[str],
    view: View,
    x_name: str,
    unit: float,
    zoom: Zoom | None,
    ranges: Sequence[tuple[float, float]],
    *,
    dark: bool,
) -> dict[str, Any]:
    n = max(1, len(names))
    columns = min(n, _COLUMNS)
    rows = math.ceil(n / columns)
    look = axis_look(dark=dark)
    layout: dict[str, Any] = {
        **theme(dark=dark),
        "height": height(n),
        "uirevision": "kept",
        "hovermode": False,
        "dragmode": "zoom",
        "meta": {"unit": unit, "is_date": view.x == "wall_time"},
        "annotations": [],
    }
    x_look = _x_look(look, view, unit, zoom)
    y_look = _y_look(look, view, _y_range(view, zoom, ranges))
    for i, name in enumerate(names or [""]):
        column, row = i % columns, i // columns
        x_domain, y_domain = _domain(column, columns), _domain(rows - 1 - row, rows)
        is_last = i + columns >= n
        x = {**x_look, "domain": x_domain, "anchor": _axis("y", i)}
        y = {**y_look, "domain": y_domain, "anchor": _axis("x", i)}
        if is_last:
            x["title"] = {"text": inert(x_name), "standoff": 4, "font": {"size": 11}}
        if i:
            x["matches"], y["matches"] = "x", "y"
        layout[f"{_axis('xaxis', i)}"], layout[f"{_axis('yaxis', i)}"] = x, y
        if name:
            layout["annotations"].append(
                {
                    "text": inert(name), "showarrow": False, "xref": "paper", "yref": "paper",
                    "x": sum(x_domain) / 2, "y": y_domain[1], "yanchor": "bottom", "xanchor": "center",
                }
            )  # fmt: skip
    if any(names):
        layout["margin"] = {**layout["margin"], "t": 26}
    return layout


def _x_look(look: Mapping[str, Any], view: View, unit: float, zoom: Zoom | None) -> dict[str, Any]:
    """What the x axes of all panels have."""
    # The revision: what was dragged on one x axis is nothing on another.
    found = {**look, "type": _type(view), "tickformat": "", "uirevision": inert(view.x)}
    if zoom is not None and zoom.x is not None:
        found |= _range([end / unit for end in zoom.x], _type(view))
    return found


def _y_look(look: Mapping[str, Any], view: View, ends: Sequence[float] | None) -> dict[str, Any]:
    """What the y axes of all panels have. ends: from where to where they go; None: wherever the lines do."""
    found = {**look, "type": view.yscale, "exponentformat": "power"}
    return found if ends is None else found | _range(ends, view.yscale)


def _type(view: View) -> str:
    return "date" if view.x == "wall_time" else view.xscale


def _range(ends: Sequence[float], kind: str) -> dict[str, Any]:
    """From where to where an axis goes, as plotly wants it; what a log axis cannot show is left to plotly."""
    if kind != "log":
        return {"range": list(ends), "autorange": False}
    low, high = (math.log10(end) if end > 0 else None for end in ends)
    if high is None:
        return {}
    return {"range": [low, high], "autorange": "min" if low is None else False}


def _domain(i: int, n: int) -> list[float]:
    gap = min(0.06, 0.18 / n) if n > 1 else 0.0  # of the card, which is as high as there are rows
    width = (1 - gap * (n - 1)) / n
    return [i * (width + gap), min(1.0, i * (width + gap) + width)]


def _y_range(
    view: View, zoom: Zoom | None, ranges: Sequence[tuple[float, float]]
) -> tuple[float, float] | None:
    if zoom is not None and zoom.y is not None:
        return zoom.y
    if view.outliers or not ranges:
        return None
    low, high = min(a for a, _ in ranges), max(b for _, b in ranges)
    if view.yscale == "log":
        room = (high / low) ** _ROOM if low < high else 1 + _ROOM
        return low / room, high * room
    room = (high - low) * _ROOM or abs(high) * _ROOM or _ROOM
    return low - room, high + room


def _inliers(lines: Sequence[Line], view: View, x: tuple[float, float] | None) -> list[tuple[float, float]]:
    """Of all frames of all lines of a panel what most of the values lie between: of what was thinned many
    are extremes.
    """
    if view.outliers or not lines:
        return []
    values = np.concatenate([line.y if x is None else within(line, x).y for line in lines])
    values = values[np.isfinite(values) & ((values > 0) | (view.yscale != "log"))]
    if not values.size:
        return []
    low, high = np.percentile(values, _INLIERS)
    return [(float(low), float(high))]
