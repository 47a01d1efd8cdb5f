"""That figures can be read: ticks, colours, legends, room; and that hard cases are drawn at all."""

from __future__ import annotations

import itertools
import math
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from view_files import progress_text, write_run

from exptools import rundir
from exptools.viewing import load
from exptools.viewing.figures import layout, looks, ticks
from exptools.viewing.figures.kinds import KINDS, curves, heatmap, parallel

NAN = float("nan")
OPTIONS: dict[str, dict[str, Any]] = {
    "scatter": {"over": "key"},
    "heatmap": {"over": "key,other"},
    "parallel": {"over": "key,other"},
    "profile": {"task": "other"},
}


def plotted(path: Path, *tags: str, **options: Any) -> tuple[Figure, list[Axes]]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is told is tested elsewhere
        figure, axes = load(path).plot(*tags, **options)
        figure.draw_without_rendering()
    return figure, axes


# --- ticks ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0, 0.25, 1], ["0", "0.25", "1"]),
        ([0, 500, 1000, 1500], ["0", "500", "1000", "1500"]),
        ([0, 5e3, 1e4, 1.5e4], ["0", "5k", "10k", "15k"]),
        ([0, 5e5, 1e6], ["0", "500k", "1M"]),
        ([1e9, 1e9 + 1, 1e9 + 2], ["1G", "1.000000001G", "1.000000002G"]),
        ([3e12, 4e12], ["3T", "4T"]),
        ([1e20, 2e20], ["10²⁰", "2×10²⁰"]),  # noqa: RUF001
        ([-1e-5, 0, 2.5e-5], ["−10⁻⁵", "0", "2.5×10⁻⁵"]),  # noqa: RUF001
        ([0.99991, 0.99992], ["0.99991", "0.99992"]),
        ([-20000, 0], ["−20k", "0"]),  # noqa: RUF001
        ([1234.0, 1235.0], ["1234", "1235"]),
        ([0.0001, 0.001, 0.01], ["0.0001", "0.001", "0.01"]),
        ([], []),
    ],
)
def test_ticks_are_short_and_none_are_alike(values: list[float], texts: list[str]) -> None:
    assert ticks.texts(values) == texts


@pytest.mark.parametrize("decades", [0.2, 1.0, 3.0, 12.0])
def test_a_log_axis_has_ticks_enough(tmp_path: Path, decades: float) -> None:
    write_run(tmp_path / "0", {"a": np.geomspace(0.31, 0.31 * 10**decades, 9).tolist()}, config={"seed": 0})

    _, (ax,) = plotted(tmp_path, "a", yscale="log")

    low, high = ax.get_ylim()
    shown = [tick for tick in ax.get_yticks() if low <= tick <= high]
    assert 2 <= len(shown) <= 9
    assert len({text.get_text() for text in ax.get_yticklabels()}) == len(ax.get_yticklabels())


def test_a_band_that_comes_near_to_zero_does_not_take_the_room(tmp_path: Path) -> None:
    for seed, values in enumerate([[1.0, 0.1], [1.0, 1e-9]]):
        write_run(tmp_path / str(seed), {"a": values}, config={"seed": seed})

    _, (ax,) = plotted(tmp_path, "a", yscale="log", band="minmax")

    assert ax.get_ylim()[0] > 0.01


# --- colours --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("look", [looks.looks, looks.fills, looks.markers])
@pytest.mark.parametrize("count", [1, 28, 29, 60])
def test_no_two_series_look_alike(look: Any, count: int) -> None:
    found = look([str(i) for i in range(count)])

    assert len({str(sorted(one.items(), key=str)) for one in found.values()}) == count


@pytest.mark.parametrize(
    ("colour", "ink"),
    [("white", "black"), ("black", "white"), ("#FDE725", "black"), ("#00224E", "white"), ("0.5", "black")],
)
def test_text_in_a_cell_can_be_read(colour: str, ink: str) -> None:
    assert looks.ink(colour) == ink


@pytest.mark.parametrize(
    ("values", "texts"),
    [
        ([0.0091, 0.944], ["0.009", "0.944"]),
        ([12.345, 3.0], ["12.3", "3.0"]),
        ([1234.5, 2.0], ["1234", "2"]),
        ([1e6, 12.0], ["1e+06", "12"]),
        ([1e-5, 0.0], ["1e-05", "0"]),
        ([NAN], ["nan"]),
    ],
)
def test_numbers_in_cells_are_short(values: list[float], texts: list[str]) -> None:
    assert heatmap.short_numbers(values) == texts


# --- long curves ----------------------------------------------------------------------------------------


def test_a_long_curve_on_a_log_axis_keeps_its_beginning() -> None:
    x = np.arange(1.0, 1_000_001.0)

    at, _, _ = curves.extremes(x, x, x, log=True)

    assert at[:100].tolist() == list(range(1, 101))
    assert len(at) < 2100


def test_a_long_curve_from_step_0_is_drawn_on_a_log_axis(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0] * 5000}, config={"seed": 0})

    _, (ax,) = plotted(tmp_path, "a", xscale="log", smooth=0.5)

    assert [min(line.get_xdata()) for line in ax.lines] == [1.0, 1.0]


# --- parallel coordinates -------------------------------------------------------------------------------


def test_lines_of_one_value_lie_apart_but_in_order() -> None:
    places = parallel.places(["a", "b", "a", "a"])

    assert len(set(places)) == 4
    assert places[0] < places[2] < places[3] < places[1]


# --- room -----------------------------------------------------------------------------------------------


def test_a_text_is_turned_where_it_has_no_room(tmp_path: Path) -> None:
    for i in range(60):
        write_run(tmp_path / str(i), {"a": [1.0]}, config={"key": f"value_{i:02}", "other": i % 2})

    figure, (ax,) = plotted(tmp_path, "a", kind="heatmap", over="key,other")

    boxes = [text.get_window_extent() for text in ax.get_xticklabels()]
    assert all(one.x1 <= other.x0 + 1 for one, other in itertools.pairwise(boxes))
    assert min(box.y0 for box in boxes) >= figure.bbox.y0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("style", [None, "neurips", "icml"])
def test_nothing_leaves_the_page(tmp_path: Path, kind: str, style: str | None) -> None:
    tag = "some/really/deep/and_long_tag/name_of_a_scalar"
    for i in range(12):
        config = {"key": f"random_resized_crop_{i % 4}", "other": ["$x_1$", "a_b", "c"][i % 3], "seed": i}
        write_run(tmp_path / str(i), {tag: [-1e-6 * j * (i + 1) for j in range(9)]}, config=config)

    figure, axes = plotted(tmp_path, tag, kind=kind, style=style, **OPTIONS.get(kind, {}))

    page = figure.bbox
    for ax in axes:
        box = ax.get_tightbbox()
        assert box is not None
        assert box.x0 >= page.x0 - 1 and box.x1 <= page.x1 + 1
        assert box.y0 >= page.y0 - 1 and box.y1 <= page.y1 + 1
    for legend in figure.legends:
        assert legend.get_window_extent().y1 <= min(ax.get_tightbbox().y0 for ax in axes)


def test_a_reference_line_has_its_text_beside_the_axes_once(tmp_path: Path) -> None:
    for i in range(2):
        write_run(tmp_path / str(i), {"a": [1.0, 0.5]}, config={"key": i})

    figure, axes = plotted(tmp_path, "a", split="key", lines=["y=0.7:human", "x=1"])

    assert [[text.get_text() for text in ax.texts if text.get_text()] for ax in axes] == [[], ["human"]]
    (text,) = (text for text in axes[1].texts if text.get_text())
    assert axes[1].get_window_extent().x1 < text.get_window_extent().x0
    assert text.get_window_extent().x1 <= figure.bbox.x1
    assert [line.get_ydata()[0] for line in axes[0].lines if list(line.get_ydata()) == [0.7, 0.7]] == [0.7]


def test_panels_of_one_tag_share_their_axes_and_name_them_once(tmp_path: Path) -> None:
    for i in range(2):
        write_run(tmp_path / str(i), {"a": [1.0, 0.5 + i]}, config={"key": i})

    _, axes = plotted(tmp_path, "a", split="key")

    assert axes[0].get_ylim() == axes[1].get_ylim()
    assert [ax.get_ylabel() for ax in axes] == ["a", ""]


@pytest.mark.parametrize(
    ("count", "options", "grid"),
    [
        (1, {}, (1, 1)),
        (3, {}, (1, 3)),
        (4, {}, (2, 2)),
        (4, {"width": "column", "style": "icml"}, (4, 1)),
        (4, {"panel_columns": 4}, (1, 4)),
    ],
)
def test_panels_are_laid_out_by_the_width(
    tmp_path: Path, count: int, options: dict[str, Any], grid: tuple[int, int]
) -> None:
    write_run(tmp_path / "0", {str(i): [1.0] for i in range(count)}, config={"seed": 0})

    _, axes = plotted(tmp_path, "*", **options)

    assert axes[0].get_subplotspec().get_gridspec().get_geometry() == grid


def test_a_legend_takes_nothing_from_the_axes(tmp_path: Path) -> None:
    for i in range(20):
        write_run(tmp_path / str(i), {tag: [1.0, 0.5] for tag in "abcd"}, config={"key": i})

    heights = [
        axes[0].get_position().height * figure.get_figheight()
        for figure, axes in (plotted(tmp_path, "*", legend=legend) for legend in ("none", "below"))
    ]

    assert heights[0] == pytest.approx(heights[1], abs=0.01)


def test_height_and_title_and_no_legend(tmp_path: Path) -> None:
    for i in range(2):
        write_run(tmp_path / str(i), {"a": [1.0, 0.5]}, config={"key": i})

    figure, _ = plotted(tmp_path, "a", height=1.5, title="All of it", legend="none")

    assert (figure.get_figheight(), figure.get_suptitle(), figure.legends) == (1.5, "All of it", [])


# --- hard cases -----------------------------------------------------------------------------------------


def hard(root: Path, name: str) -> None:
    """Runs whose curves are hard to draw."""
    curves: list[list[float]] = {
        "one point": [[1.0]],
        "constant": [[2.0] * 9, [2.0] * 9],
        "all nan": [[NAN] * 5, [NAN] * 5],
        "some nan": [[1.0, NAN, 2.0], [1.0, 2.0, NAN]],
        "infinite": [[1.0, math.inf, 2.0], [1.0, -math.inf, 2.0]],
        "zero": [[0.0] * 5, [0.0] * 5],
        "negative": [[-1.0, -1e-12, -1e12], [-3.0, -4.0, -5.0]],
        "tiny": [[5e-324, 1e-310, 2e-300]],
        "large": [[1e149, -1e149, 3e100]],
    }[name]
    for i, values in enumerate(curves):
        write_run(root / str(i), {"a": values}, config={"key": i, "other": "ab"[i], "seed": i})


@pytest.mark.parametrize("scale", ["linear", "log", "symlog"])
@pytest.mark.parametrize(
    "name",
    ["one point", "constant", "all nan", "some nan", "infinite", "zero", "negative", "tiny", "large"],
)
@pytest.mark.parametrize("kind", KINDS)
def test_hard_cases_are_drawn(tmp_path: Path, kind: str, name: str, scale: str) -> None:
    hard(tmp_path / "runs", name)
    options = {"smooth": 0.5} if kind == "curves" else OPTIONS.get(kind, {})

    plotted(
        tmp_path / "runs",
        "a",
        kind=kind,
        yscale=scale,
        file=tmp_path / "f.svg",
        **options,
    )

    assert (tmp_path / "f.svg").stat().st_size > 1000
    assert "nan" not in (tmp_path / "f.svg").read_text().split("<defs>")[0]


def test_huge_steps_and_odd_names(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", config={"na_me": "$x$"})
    (run / rundir.PROGRESS).write_text(
        progress_text(["λ_$"], [(step, 1.0, [1.0]) for step in (0, 2**62, 2**63 - 1)])
    )

    _, (ax,) = plotted(tmp_path, "λ_$", style="neurips")

    assert (ax.get_ylabel(), ax.get_xlabel()) == ("λ_$", "step")
    assert {"0", "2×10¹⁸"} <= {text.get_text() for text in ax.get_xticklabels()}  # noqa: RUF001


def test_folded_texts_lose_nothing() -> None:
    assert layout.folded("a/b_c d" * 9, 7).replace("\n", "") == "a/b_c d" * 9
