"""Bars, scatter and parallel coordinates: the values of figures on paper."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view_files import sweep, write_run

from exptools.viewing import compare
from exptools.viewing.api import Runs, load
from exptools.viewing.figures.data import Data
from exptools.viewing.web import figure, plots
from exptools.viewing.web.view import View

LRS = [1e-4, 1e-3, 1e-2]
HOSTILE = ["<script>alert(1)</script>", "<b>%{y}</b>", "&amp;", "a\nb\"'", "*[?"]


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    for i in range(12):
        config = {"model": {"name": "ab"[i // 6]}, "lr": LRS[i % 3], "seed": i % 6 // 3}
        write_run(
            tmp_path / "sweep" / str(i), {"loss": [2.0, 1 + i / 7], "acc": [0.0, i / 12]}, config=config
        )
    return load(tmp_path / "sweep")


def made(runs: Runs, kind: str, *tags: str, **fields: Any) -> tuple[Data, list[tuple[str, dict[str, Any]]]]:
    shown = runs.panels(spec=View(tab=kind, **fields).spec(tags or ("loss",), kind))
    found = plots.plots(shown, ["from the page"], dark=False)
    json.dumps(found, allow_nan=False)
    return shown, found


def test_bars_are_the_centre_the_band_and_each_run(runs: Runs) -> None:
    shown, found = made(runs, "bars", by=("model.name",))

    ((title, plot),) = found
    assert title == "final loss"
    bars = [trace for trace in plot["data"] if trace["type"] == "bar"]
    dots = [trace for trace in plot["data"] if trace["type"] == "scatter"]
    assert [bar["name"] for bar in bars] == ["a", "b"] and len(dots) == 2
    for mark, bar, dot in zip(shown.panels[0].marks, bars, dots, strict=True):
        a = mark.found.aggregate
        values = [1 + int(run) / 7 for run in mark.group.runs]
        assert bar["y"] == pytest.approx([np.mean(values)]) and bar["x"] == [mark.label]
        assert bar["error_y"]["array"] == pytest.approx([np.std(values, ddof=1)])
        assert bar["error_y"]["arrayminus"] == pytest.approx([float(a.center[0] - a.low[0])])
        assert dot["y"] == pytest.approx(values) and dot["text"] == list(mark.group.runs)


def test_bars_of_clusters_stand_beside_each_other(runs: Runs) -> None:
    _, ((_, plot),) = made(runs, "bars", by=("model.name",), split=("lr",), band="minmax")

    bars = [trace for trace in plot["data"] if trace["type"] == "bar"]
    assert {bar["name"]: bar["x"] for bar in bars} == {name: ["0.0001", "0.001", "0.01"] for name in "ab"}
    assert [bar["offsetgroup"] for bar in bars] == ["a", "b"]
    assert plot["layout"]["barmode"] == "group" and plot["layout"]["xaxis"]["title"]["text"] == "lr"
    assert plot["layout"]["xaxis"]["type"] == "category"


def test_a_bar_of_one_run_has_no_dot(runs: Runs) -> None:
    _, ((_, plot),) = made(runs, "bars", by=("model.name", "lr", "seed"))

    assert [trace["type"] for trace in plot["data"]] == ["bar"] * 12


def test_each_tag_has_its_plot(runs: Runs) -> None:
    for kind in ("bars", "scatter", "parallel"):
        over = {} if kind == "bars" else {"over": ("lr",)}
        _, found = made(runs, kind, "loss", "acc", **over)
        assert len(found) == 2 and len({title for title, _ in found}) == 2


def test_a_scatter_has_a_point_for_each_run_at_its_value(runs: Runs) -> None:
    _, ((_, plot),) = made(runs, "scatter", by=("model.name",), over=("lr",))

    points = {
        text.split(" ")[0]: (x, y)
        for trace in plot["data"] for x, y, text in zip(trace["x"], trace["y"], trace["text"], strict=True)
    }  # fmt: skip
    assert points == {str(i): (LRS[i % 3], pytest.approx(1 + i / 7)) for i in range(12)}
    assert plot["layout"]["xaxis"]["type"] == "log"  # what suits these values


def test_a_scatter_over_words_is_spread_about_them(runs: Runs) -> None:
    _, ((_, plot),) = made(runs, "scatter", over=("model.name",), by=())

    (trace,) = plot["data"]
    axis = plot["layout"]["xaxis"]
    assert (axis["ticktext"], axis["tickvals"]) == (["a", "b"], [0, 1])
    assert [round(x) for x in trace["x"]] == [0] * 6 + [1] * 6 and len(set(trace["x"])) == 12
    assert (
        made(runs, "scatter", over=("model.name",), by=())[1][0][1]["data"] == plot["data"]
    )  # and they stay there


def test_parallel_coordinates_have_a_line_for_each_run(runs: Runs) -> None:
    _, ((_, plot),) = made(runs, "parallel", over=("model.name", "lr"))

    texts = {text for trace in plot["data"] if trace["mode"] == "lines" for text in trace["text"]}
    assert texts == {f"{i}: {1 + i / 7:.6g}" for i in range(12)}
    for trace in plot["data"]:
        if trace["mode"] == "lines":
            assert len(trace["x"]) == len(trace["y"]) == len(trace["text"])
            assert all(-1e-9 <= y <= 1 + 1e-9 for y in trace["y"] if y is not None)
    assert plot["layout"]["xaxis"]["ticktext"] == ["model", "lr"]
    bar = plot["data"][-1]["marker"]
    assert (bar["cmin"], bar["cmax"]) == (1.0, pytest.approx(1 + 11 / 7))


@pytest.mark.parametrize("kind", ["bars", "scatter", "parallel"])
@pytest.mark.parametrize(
    "values", [[math.nan] * 4, [math.inf, 1.0, 2.0, 3.0], [0.0] * 4, [-1e308, 1e308, 0.0, 1.0]]
)
def test_odd_numbers_make_json(tmp_path: Path, kind: str, values: list[float]) -> None:
    root = sweep(tmp_path / "sweep")
    for i, value in enumerate(values):
        write_run(root / str(i), {"loss": [value]}, config={"lr": LRS[i % 3], "seed": i})
    over = {} if kind == "bars" else {"over": ("lr",)}

    for yscale in ("linear", "log"):
        assert made(load(root), kind, yscale=yscale, **over)


@pytest.mark.parametrize("kind", ["bars", "scatter", "parallel"])
def test_names_are_text_and_no_markup(tmp_path: Path, kind: str) -> None:
    for i, name in enumerate(HOSTILE):
        write_run(tmp_path / "sweep" / str(i), {"<i>loss": [float(i)]}, config={"<u>key": name, "x&amp;": i})
    key = ("<u>key",)
    over = {"bars": {"by": key}, "scatter": {"by": key, "over": key}, "parallel": {"over": key}}[kind]

    shown, ((title, plot),) = made(load(tmp_path / "sweep"), kind, "<i>loss", **over)

    def texts(of: Any) -> list[str]:
        if isinstance(of, dict):
            return [text for key, value in of.items() if key != "offsetgroup" for text in texts(value)]
        if isinstance(of, (list, tuple)):
            return [text for one in of for text in texts(one)]
        return [of] if isinstance(of, str) else []

    ours = {"<extra>%{fullData.name}</extra>", "<extra>%{text}</extra>", "<extra></extra>", "<br>%{text}"}
    for text in texts(plot):
        if "%{y:.6g}" in text or text == "%{text}<extra></extra>":  # a template, in which no name stands
            for part in ours:
                text = text.replace(part, "")
            assert text in ("%{y:.6g}", "%{text}")
        assert "<" not in text
    assert "<i>loss" in title  # which React puts in as a text
    if kind != "parallel":  # whose texts are cut
        said = "\n".join(texts(plot))
        assert shown.labels and all(
            compare.shortened(figure.inert(label), 60) in said for label in shown.labels
        )


def test_a_series_has_the_colour_that_it_has_on_the_page(runs: Runs) -> None:
    shown = runs.panels(spec=View(tab="bars", by=("model.name",)).spec(("loss",), "bars"))
    labels = ["z", "b", "a"]

    ((_, plot),) = plots.plots(shown, labels, dark=False)

    looks = figure.swatches(labels)
    assert {t["name"]: t["marker"]["color"] for t in plot["data"] if t["type"] == "bar"} == {
        name: looks[name]["color"] for name in "ab"
    }


@pytest.mark.parametrize("kind", ["bars", "scatter", "parallel"])
def test_all_is_there_in_the_dark_too(runs: Runs, kind: str) -> None:
    over = {} if kind == "bars" else {"over": ("lr",)}
    shown = runs.panels(spec=View(tab=kind, **over).spec(("loss",), kind))

    light, dark = (plots.plots(shown, [], dark=is_dark) for is_dark in (False, True))

    assert light != dark
    assert [[t.get("y") for t in plot["data"]] for _, plot in light] == [
        [t.get("y") for t in p["data"]] for _, p in dark
    ]
