"""What a figure shows, what it says beside it, and that everything in it has room."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from view_files import write_run

from exptools import rundir
from exptools.viewing import load
from exptools.viewing.figures import layout, save

NAN = float("nan")
CONFERENCE_INCHES = 5.5


def plotted(path: Path, *tags: str) -> tuple[Figure, list[Axes], list[str]]:
    """The figure with its layout done, its axes, and what was told beside it."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        drawn, axes = load(path).plot(*(tags or ("loss",)))
        drawn.draw_without_rendering()
    return drawn, axes, [str(warning.message) for warning in caught]


def captions(path: Path, *tags: str) -> list[str]:
    return [ax.get_title(loc="left") for ax in plotted(path, *tags)[1]]


def labels(drawn: Figure) -> list[str]:
    return [text.get_text() for legend in drawn.legends for text in legend.get_texts()]


def variants(
    root: Path, configs: Sequence[dict[str, Any]], seeds: int = 1, tags: Sequence[str] = ("loss",)
) -> Path:
    for i, config in enumerate(configs):
        for seed in range(seeds):
            curves = {tag: [1.0 + i, 0.5 + seed / 8 + i, i / 4] for tag in tags}
            write_run(root / f"{i}_{seed}", curves, config={**config, "seed": seed})
    return root


def sweep_of(root: Path, seeds: Sequence[int], **config: Any) -> None:
    root.mkdir(parents=True, exist_ok=True)
    (root / rundir.SWEEP).touch()
    for i, seed in enumerate(seeds):
        write_run(root / str(i), {"loss": [1.0, seed / 4]}, config={**config, "seed": seed})


# --- the same seeds twice -------------------------------------------------------------------------------


def test_a_sweep_that_was_run_twice_has_a_line_for_each_time(tmp_path: Path) -> None:
    sweep_of(tmp_path / "d" / "10-00", [0, 1, 2])
    sweep_of(tmp_path / "d" / "11-00", [0, 1, 2])

    drawn, (ax,), told = plotted(tmp_path)

    assert (len(ax.lines), ax.get_title(loc="left")) == (2, "mean and 1 sd over 3 seeds")
    assert labels(drawn) == ["10-00", "11-00"]
    assert drawn.legends[0].get_title().get_text() == "sweep"
    assert told == [
        "the same seeds were run in 2 sweeps, which are drawn apart: 10-00, 11-00; "
        "give the directory of one to draw it alone"
    ]


def test_a_sweep_whose_runs_lie_deeper_is_still_one(tmp_path: Path) -> None:
    for sweep in ("a", "b"):
        sweep_of(tmp_path / sweep, [])
        for seed in (0, 1):
            write_run(tmp_path / sweep / f"seed={seed}" / "lr=1", {"loss": [1.0]}, config={"seed": seed})

    drawn, (ax,), _ = plotted(tmp_path)

    assert (labels(drawn), ax.get_title(loc="left")) == (["a", "b"], "mean and 1 sd over 2 seeds")


def test_a_sweep_that_adds_seeds_adds_to_the_line(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", [0, 1])
    sweep_of(tmp_path / "b", [2])

    drawn, (ax,), told = plotted(tmp_path)

    assert (labels(drawn), ax.get_title(loc="left"), told) == ([], "mean and 1 sd over 3 seeds", [])


def test_a_sweep_without_a_value_divides_nothing(tmp_path: Path) -> None:
    sweep_of(tmp_path / "a", [0, 1])
    for seed in (0, 1):
        write_run(tmp_path / "b" / str(seed), config={"seed": seed})

    drawn, _, told = plotted(tmp_path)

    assert labels(drawn) == []
    assert told == ["loss: missing in 2 of 4 runs: b/0 (COMPLETED), b/1 (COMPLETED)"]


def test_a_seed_that_is_repeated_inside_a_sweep_is_told(tmp_path: Path) -> None:
    sweep_of(tmp_path, [0, 1, 2, 0, 1, 2])

    _, (ax,), told = plotted(tmp_path)

    assert ax.get_title(loc="left") == "mean and 1 sd over 6 runs (3 seeds)"
    assert told == ["loss: runs of the same seed are averaged like those of others: all (6 runs, 3 seeds)"]


def test_keys_that_hold_dots_are_named_and_known_as_seeds(tmp_path: Path) -> None:
    for i, (value, seed) in enumerate([(0.1, 0), (0.1, 1), (0.2, 0), (0.2, 1)]):
        write_run(tmp_path / str(i), {"loss": [1.0, 0.5]}, config={"opt": {"x.y": value}, "my.seed": seed})

    drawn, (ax,), _ = plotted(tmp_path)

    assert drawn.legends[0].get_title().get_text() == '"x.y"'
    assert (labels(drawn), ax.get_title(loc="left")) == (["0.1", "0.2"], "mean and 1 sd over 2 seeds")


# --- runs that end early --------------------------------------------------------------------------------


def test_where_a_run_is_missing_the_line_is_dotted(tmp_path: Path) -> None:
    for seed, values in enumerate([[1.0, 1.0, 1.0, 1.0], [3.0, 3.0, 3.0, 3.0], [5.0, 5.0]]):
        write_run(tmp_path / str(seed), {"loss": values}, config={"seed": seed})

    _, (ax,), told = plotted(tmp_path)

    whole, dotted = ax.lines
    np.testing.assert_equal(whole.get_ydata(), [3.0, 3.0, NAN, NAN])
    np.testing.assert_equal(dotted.get_ydata(), [NAN, 3.0, 2.0, 2.0])
    assert (whole.get_linestyle(), dotted.get_linestyle()) == ("-", ":")
    assert ax.get_title(loc="left") == "mean and 1 sd over 2 to 3 seeds (dotted: fewer)"
    assert told == [
        "loss: the mean is of fewer runs, and dotted, where one has no values: 2 (steps 0 to 1 of 0 to 3)"
    ]


def test_runs_that_follow_each_other_are_dotted_all_along(tmp_path: Path) -> None:
    for seed in (0, 1):
        run = write_run(tmp_path / str(seed), config={"seed": seed})
        (run / rundir.PROGRESS).write_text(f"step,wall_time,loss\n{seed},1.0,{seed}.5\n")

    _, (ax,), told = plotted(tmp_path)

    assert [line.get_linestyle() for line in ax.lines if np.isfinite(line.get_ydata()).any()] == [":"]
    assert len(told) == 1


# --- room -----------------------------------------------------------------------------------------------


def axes_inches(drawn: Figure, ax: Axes) -> tuple[float, float]:
    width, height = ax.get_position().size * drawn.get_size_inches()
    return width, height


LONG = [
    {"a": f"{i}_random_resized_crop_and_{j}_more", "b": {"name": f"{j}_cosine_with_warm_restarts"}}
    for i in range(3)
    for j in range(2)
]
FEW = [{"lr": 0.1}, {"lr": 0.01}]
MANY = [{"lr": 1.0 / (i + 1), "width": w} for i in range(25) for w in (8, 16, 32, 64)]


@pytest.mark.parametrize("configs", [FEW, LONG, [{"lr": 1 / (i + 1)} for i in range(20)], MANY])
@pytest.mark.parametrize("tags", [["loss"], ["loss", "acc", "lr"]])
def test_the_axes_keep_their_size_and_every_label_is_inside(
    tmp_path: Path, configs: list[dict[str, Any]], tags: list[str]
) -> None:
    bare, bare_axes, _ = plotted(variants(tmp_path / "one", [{}], tags=tags), *tags)
    drawn, axes, _ = plotted(variants(tmp_path / "all", configs, tags=tags), *tags)

    assert drawn.get_figwidth() == CONFERENCE_INCHES
    assert axes_inches(drawn, axes[0]) == pytest.approx(axes_inches(bare, bare_axes[0]), abs=0.2)
    page = drawn.bbox
    (legend,) = drawn.legends
    assert len(legend.get_texts()) == len(configs)
    for text in legend.get_texts():
        box = text.get_window_extent()
        assert box.x0 >= page.x0 and box.x1 <= page.x1 and box.y0 >= page.y0 and box.y1 <= page.y1
    assert legend.get_window_extent().y1 <= min(ax.get_tightbbox().y0 for ax in axes)


def test_a_label_that_is_wider_than_a_page_widens_the_figure(tmp_path: Path) -> None:
    configs = [{f"k{j}": f"{i >> j & 1}{'W' * 22}" for j in range(4)} for i in range(16)]

    drawn, _, _ = plotted(variants(tmp_path, configs))

    boxes = [text.get_window_extent() for text in drawn.legends[0].get_texts()]
    assert min(box.x0 for box in boxes) > 0
    assert max(box.x1 for box in boxes) < drawn.bbox.x1


def test_text_has_the_size_of_a_footnote_where_it_is_printed(tmp_path: Path) -> None:
    drawn, axes, _ = plotted(variants(tmp_path, FEW, tags=["a", "b", "c"]), "a", "b", "c")

    texts = [
        *drawn.legends[0].get_texts(),
        *(t for ax in axes for t in (ax.xaxis.label, ax.yaxis.label, *ax.get_xticklabels())),
    ]
    assert {text.get_fontsize() for text in texts} == {7.0, 8.0}


TOO_MANY = (
    "29 lines are more than can be told apart at a glance: "
    "their colours go from dark to bright in the order of the legend"
)


@pytest.mark.parametrize(("count", "told"), [(28, []), (29, [TOO_MANY])])
def test_no_two_lines_look_alike(tmp_path: Path, count: int, told: list[str]) -> None:
    drawn, (ax,), notes = plotted(variants(tmp_path, [{"lr": i} for i in range(count)]))

    looks = {(line.get_color(), str(line._dash_pattern)) for line in ax.lines}  # type: ignore[attr-defined]
    assert (len(looks), notes) == (count, told)
    assert labels(drawn) == [str(i) for i in range(count)]


def test_many_lines_are_coloured_in_the_order_of_their_settings(tmp_path: Path) -> None:
    from matplotlib.colors import to_rgb

    _, (ax,), _ = plotted(variants(tmp_path, [{"lr": i} for i in (*range(1, 60), 0)]))

    brightness = [sum(to_rgb(line.get_color())) for line in ax.lines]
    assert brightness[0] < brightness[30] < brightness[59]


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        ("short", ["short"]),
        ("train/some/deep/tag", ["train/some/", "deep/tag"]),
        ("abcdefghijklmnopqrst", ["abcdefghijkl", "mnopqrst"]),
        ("a, b, c, d, e, f", ["a, b, c, d, ", "e, f"]),
        ("", []),
    ],
)
def test_a_long_text_is_folded_where_a_word_ends(text: str, lines: list[str]) -> None:
    assert layout.folded(text, 12) == "\n".join(lines)


# --- numbers that cannot be drawn -----------------------------------------------------------------------


def test_a_tag_that_is_all_nan_is_told(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [NAN, NAN]}, config={"seed": 0})
    write_run(tmp_path / "1", {"loss": [NAN, math.inf]}, config={"seed": 1})

    _, (ax,), told = plotted(tmp_path)

    assert ax.get_title(loc="left") == "nothing that can be drawn"
    assert told == [
        "loss: values that are not finite, or beyond 1e150, leave gaps in 0 (2 of 2), 1 (2 of 2)",
        "loss: nothing is drawn, for there is no value without a gap",
    ]


@pytest.mark.parametrize("values", [[1e308, -1e308, 1.0], [-1e151, 1.7e308, 1.0], [math.inf, 1e200, 1.0]])
@pytest.mark.parametrize("seeds", [1, 2])
def test_what_is_too_large_for_an_axis_is_a_gap(tmp_path: Path, values: list[float], seeds: int) -> None:
    for seed in range(seeds):
        write_run(tmp_path / str(seed), {"r": values}, config={"seed": seed})

    drawn, (ax,), told = plotted(tmp_path, "r")
    save.save(drawn, tmp_path / "f.png")

    np.testing.assert_equal(ax.lines[0].get_ydata(), [NAN, NAN, 1.0])
    runs = ", ".join(f"{seed} (2 of 3)" for seed in range(seeds))
    assert told == [f"r: values that are not finite, or beyond 1e150, leave gaps in {runs}"]
