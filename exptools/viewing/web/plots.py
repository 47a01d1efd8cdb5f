"""Bars, scatter and parallel coordinates as plotly draws them, of the same values as figures on paper."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import keyed, words
from exptools.viewing.figures.data import Data, Panel
from exptools.viewing.figures.kinds import parallel, scatter
from exptools.viewing.figures.source import panel_name, values_name
from exptools.viewing.web.figure import axis_look, inert, swatches, theme

if TYPE_CHECKING:
    from exptools.viewing.figures.data import Mark

_HEIGHT: Final = 380
_GREY: Final = "#8a929c"
_SCALE: Final = "Viridis"
_COLOURS: Final = 24  # steps of the colours of parallel coordinates


def plots(shown: Data, labels: Sequence[str], *, dark: bool) -> list[tuple[str, dict[str, Any]]]:
    """A title and a figure for each panel of bars, points or parallel coordinates."""
    draw = {"bars": _bars, "scatter": _scatter, "parallel": _parallel}[shown.spec.kind]
    found = []
    for panel in shown.panels:
        name = panel_name(panel.cell, shown.source) if shown.spec.kind != "bars" else ""
        title = ", ".join(filter(None, [words.axis_name(shown.spec, panel.cell.tags), name]))
        made = draw(panel, shown, swatches(list(dict.fromkeys([*labels, *shown.labels])), dark=dark), dark)
        layout = {**_layout(dark=dark), **made.pop("layout")}
        found.append((title, {"data": made["data"], "layout": layout}))
    return found


def _layout(*, dark: bool) -> dict[str, Any]:
    look = axis_look(dark=dark)
    return {
        **theme(dark=dark),
        "height": _HEIGHT,
        "uirevision": "kept",
        "hovermode": "closest",
        "xaxis": {**look, "automargin": True},
        "yaxis": {**look},
        "hoverlabel": {"align": "left"},
    }


def _text(label: str) -> str:
    return inert(label or "all runs")


# --- bars --------------------------------------------------------------------------------------------------


def _bars(panel: Panel, shown: Data, look_of: Mapping[str, Mapping[str, str]], dark: bool) -> dict[str, Any]:
    traces = []
    for label in shown.labels:
        marks = [mark for mark in panel.marks if mark.label == label]
        if marks:
            traces += _bars_of(label, marks, shown, look_of[label]["color"], dark)
    axis = {**axis_look(dark=dark), "automargin": True, "type": "category"}
    y = {**axis_look(dark=dark), "type": "log" if shown.spec.yscale == "log" else "linear"}
    if not shown.source.split:
        axis["showticklabels"] = len(shown.labels) <= 12
    title = ", ".join(shown.source.short[key] for key in shown.source.split)
    mode = "group" if shown.source.split else "overlay"
    axis["title"] = {"text": inert(title)}
    return {"data": traces, "layout": {"barmode": mode, "scattermode": mode, "xaxis": axis, "yaxis": y}}


def _bars_of(label: str, marks: Sequence[Mark], shown: Data, color: str, dark: bool) -> list[dict[str, Any]]:
    has_clusters = bool(shown.source.split)
    at = [inert(values_name(m.cell, shown.source)) if has_clusters else _text(label) for m in marks]
    ends = [m.found.aggregate for m in marks]
    center, low, high = (np.array([getattr(a, name)[0] for a in ends]) for name in ("center", "low", "high"))
    bar = {
        "type": "bar",
        "x": at,
        "y": _listed(center),
        "name": _text(label),
        **({"offsetgroup": label} if has_clusters else {}),
        "marker": {"color": color, "opacity": 0.75},
        "error_y": {
            "type": "data",
            "symmetric": False,
            "array": _listed(high - center),
            "arrayminus": _listed(center - low),
            "color": "#d0d4da" if dark else "#30363d",
            "thickness": 1.2,
        },
        "hovertemplate": "%{y:.6g}<extra>%{fullData.name}</extra>",  # a label may hold what looks like %{y}
    }
    scores = [(at[i], score) for i, mark in enumerate(marks) for score in mark.found.scores]
    if len(scores) == len(marks):  # a dot for a run would be the end of its bar
        return [bar]
    dots = {
        "type": "scatter",
        "mode": "markers",
        "x": [where for where, _ in scores],
        "y": [_number(score.value) for _, score in scores],
        **({"offsetgroup": label} if has_clusters else {}),
        "text": [inert(score.run) for _, score in scores],
        "marker": {"color": color, "size": 6, "line": {"width": 1, "color": "#ffffff"}},
        "hovertemplate": "%{y:.6g}<extra>%{text}</extra>",
    }
    return [bar, dots]


# --- scatter -----------------------------------------------------------------------------------------------


def _scatter(
    panel: Panel, shown: Data, look_of: Mapping[str, Mapping[str, str]], dark: bool
) -> dict[str, Any]:
    (key,) = shown.source.over
    every = [at for p in shown.panels for mark in p.marks for at in mark.found.at]
    scale = keyed.scale(every, shown.spec.xscale)
    traces = []
    for i, label in enumerate(shown.labels):
        for mark in (mark for mark in panel.marks if mark.label == label):
            x = np.array([scale.place(at) for at in mark.found.at])
            if scale.categories:
                x = x + scatter.jitter(x, i)
            traces.append(
                {
                    "type": "scatter",
                    "mode": "markers",
                    "x": _listed(x),
                    "y": [_number(score.value) for score in mark.found.scores],
                    "text": [
                        inert(f"{score.run} ({shown.source.short[key]}={compare.text(at)})")
                        for score, at in zip(mark.found.scores, mark.found.at, strict=True)
                    ],
                    "marker": {"size": 9, "opacity": 0.8, "color": look_of[label]["color"]},
                    "name": _text(label),
                    "hovertemplate": "%{y:.6g}<br>%{text}<extra>%{fullData.name}</extra>",
                }
            )
    x_axis = {**axis_look(dark=dark), "automargin": True, "title": {"text": inert(shown.source.short[key])}}
    if scale.categories:
        texts = [inert(text) for text in scale.categories]
        x_axis |= {"tickvals": list(range(len(texts))), "ticktext": texts, "range": [-0.5, len(texts) - 0.5]}
    else:
        x_axis["type"] = "log" if scale.scale == "log" else "linear"
    y_axis = {**axis_look(dark=dark), "type": "log" if shown.spec.yscale == "log" else "linear"}
    return {"data": traces, "layout": {"xaxis": x_axis, "yaxis": y_axis}}


# --- parallel coordinates ----------------------------------------------------------------------------------


def _parallel(
    panel: Panel, shown: Data, look_of: Mapping[str, Mapping[str, str]], dark: bool
) -> dict[str, Any]:
    """A line for each run; those of nearly one number are one trace."""
    last = len(shown.source.over)
    data: list[dict[str, Any]] = []
    layout: dict[str, Any] = {"xaxis": _axes(shown, dark=dark), "annotations": []}
    layout["yaxis"] = {**axis_look(dark=dark), "range": [-0.02, 1.02], "visible": False, "fixedrange": True}
    line = "#5a636e" if dark else "#aab2bc"
    layout["shapes"] = [
        {"type": "line", "x0": k, "x1": k, "y0": 0, "y1": 1, "line": {"color": line, "width": 1}}
        for k in range(last + 1)
    ]
    for mark in panel.marks:
        lines = mark.found
        order = sorted(lines.at, key=lambda run: parallel.by_score(lines.scores[run]))
        places = [parallel.places([lines.at[run][k] for run in order]) for k in range(last)]
        scores = np.array([np.nan if lines.scores[r] is None else lines.scores[r].value for r in order])
        data += _lines_of(order, places, scores, [parallel.is_grey(shown, r, lines.scores[r]) for r in order])
        for k in range(last):
            layout["annotations"] += [
                _beside(k, y, text, dark=dark)
                for text, y in parallel.marks([at[k] for at in lines.at.values()], shown)
            ]
        data.append(_colour_bar(scores, words.axis_name(shown.spec, [mark.tag])))
    return {"data": data, "layout": layout}


def _axes(shown: Data, *, dark: bool) -> dict[str, Any]:
    names = [inert(shown.source.short[key]) for key in shown.source.over]
    look = {**axis_look(dark=dark), "showgrid": False, "zeroline": False, "fixedrange": True}
    return {
        **look,
        "tickvals": list(range(len(names))),
        "ticktext": names,
        "range": [-0.15, len(names) + 0.05],
    }


def _lines_of(
    order: Sequence[str],
    places: Sequence[Sequence[float]],
    scores: np.ndarray[Any, Any],
    grey: Sequence[bool],
) -> list[dict[str, Any]]:
    from plotly.colors import sample_colorscale  # type: ignore[import-untyped]

    share = _shares(scores)
    bins: dict[int, list[int]] = {}
    for i, one in enumerate(share):
        bins.setdefault(-1 if np.isnan(one) else round(one * _COLOURS), []).append(i)
    traces = []
    for number in sorted(bins):
        xs: list[float | None] = []
        ys: list[float | None] = []
        texts: list[str] = []
        for i in bins[number]:
            y = [place[i] for place in places]
            if not np.isnan(share[i]):
                y.append(float(share[i]))
            x, y = parallel.curved(y)
            text = inert(order[i]) if np.isnan(scores[i]) else f"{inert(order[i])}: {scores[i]:.6g}"
            xs += [*x, None]
            ys += [*y, None]
            texts += [text] * (len(x) + 1)
        is_grey = number < 0 or all(grey[i] for i in bins[number])
        color = _GREY if number < 0 else sample_colorscale(_SCALE, [number / _COLOURS])[0]
        traces.append(
            {
                "type": "scatter",
                "mode": "lines",
                "x": xs,
                "y": ys,
                "text": texts,
                "line": {"color": color, "width": 1.3, "dash": "dot" if is_grey else "solid"},
                "hovertemplate": "%{text}<extra></extra>",
            }
        )
    return traces


def _shares(scores: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Where each score lies between the least, 0, and the greatest, 1."""
    finite = scores[np.isfinite(scores)]
    if not finite.size:
        return np.full(scores.shape, np.nan)
    low, high = finite.min(), finite.max()
    share = np.full(scores.shape, 0.5) if low == high else (scores - low) / (high - low)
    return np.where(np.isfinite(scores), share, np.nan)


def _beside(k: int, y: float, text: str, *, dark: bool) -> dict[str, Any]:
    """A value beside an axis, readable where lines pass behind it."""
    back = "rgba(24,28,33,0.8)" if dark else "rgba(255,255,255,0.8)"
    return {
        "x": k, "y": y, "text": inert(compare.shortened(text, 16)), "showarrow": False, "xanchor": "left",
        "xshift": 4, "font": {"size": 11}, "bgcolor": back, "borderpad": 1,
    }  # fmt: skip


def _colour_bar(scores: np.ndarray[Any, Any], name: str) -> dict[str, Any]:
    """A trace that shows nothing but its scale of colours."""
    finite = scores[np.isfinite(scores)]
    ends = [float(finite.min()), float(finite.max())] if finite.size else [0.0, 1.0]
    return {
        "type": "scatter", "mode": "markers", "x": [None], "y": [None], "hoverinfo": "skip",
        "marker": {
            "color": [ends[0]], "cmin": ends[0], "cmax": ends[1], "colorscale": _SCALE, "showscale": True,
            "colorbar": {"title": {"text": inert(name), "side": "right"}, "thickness": 12},
        },
    }  # fmt: skip


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None


def _listed(values: np.ndarray[Any, Any]) -> list[float | None]:
    return [_number(value) for value in values]
