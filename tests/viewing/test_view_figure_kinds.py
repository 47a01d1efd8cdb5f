"""What each kind of figure shows, as numbers, and what it says that cannot be seen in it."""

from __future__ import annotations

import csv
import io
import math
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view_files import progress_text, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import load
from exptools.viewing.figures import save, words
from exptools.viewing.figures.data import Data
from exptools.viewing.statistics import scores
from exptools.viewing.statistics.curves import aggregate
from exptools.viewing.statistics.smoothing import smoothed

NAN = float("nan")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two models, two learning rates, three seeds; run 5 failed early, run 11 before it measured."""
    root = tmp_path / "runs"
    settings = [(model, lr, seed) for model in ("small", "large") for lr in (0.1, 0.01) for seed in (0, 1, 2)]
    for i, (model, lr, seed) in enumerate(settings):
        acc = [lr * step + seed / 8 + (model == "large") for step in range(5)]
        curves = {"acc": acc, "loss": [10.0 - a for a in acc]}
        if i == 5:
            curves = {tag: values[:2] for tag, values in curves.items()}
        write_run(
            root / str(i),
            None if i == 11 else curves,
            config={"model": {"name": model}, "opt": {"lr": lr}, "seed": seed},
            state=State.FAILED if i in (5, 11) else State.COMPLETED,
        )
    return root


def rows(shown: Data) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(save.csv_text(shown))))


def column(table: Sequence[dict[str, str]], name: str, **where: str) -> list[float]:
    return [float(row[name]) for row in table if all(row[key] == value for key, value in where.items())]


def drawn(shown: Data) -> None:
    """It can be drawn and laid out, too."""
    from exptools.viewing.figures import drawing

    drawing.draw(shown).figure.draw_without_rendering()


def told(path: Path, *tags: str, **options: Any) -> str:
    with pytest.raises(ViewError) as caught:
        load(path).panels(*tags, **options)
    return str(caught.value)


def caption(path: Path, *tags: str, **options: Any) -> str:
    shown = load(path).panels(*tags, **options)
    drawn(shown)
    return words.caption(shown).removesuffix("\n")


# --- series and panels ----------------------------------------------------------------------------------


def test_by_is_a_series_for_each_value_whatever_else_varies(tree: Path) -> None:
    shown = load(tree).panels("acc", by="model")

    assert [(mark.label, len(mark.group.runs)) for mark in shown.panels[0].marks] == [
        *(("large", 5), ("small", 6)),
    ]
    assert "Beside the seed, each series is over all values of lr." in words.caption(shown)


def test_by_nothing_is_one_series(tree: Path) -> None:
    (panel,) = load(tree).panels("acc", by="")

    assert [(mark.label, len(mark.group.runs)) for mark in panel.marks] == [("", 11)]


def test_split_is_a_panel_for_each_value_and_labels_do_not_repeat_it(tree: Path) -> None:
    shown = load(tree).panels("acc", "loss", split="tag,model")

    assert [(panel.tag, dict(panel.cell.split)) for panel in shown] == [
        *(("acc", {"model.name": "large"}), ("acc", {"model.name": "small"})),
        *(("loss", {"model.name": "large"}), ("loss", {"model.name": "small"})),
    ]
    assert [[mark.label for mark in panel.marks] for panel in shown] == [["0.01", "0.1"]] * 4


def test_tags_that_share_a_panel_are_series(tree: Path) -> None:
    shown = load(tree).panels("acc", "loss", split="model", by="lr")

    assert [mark.label for mark in shown.panels[0].marks] == [
        *("acc, 0.01", "acc, 0.1", "loss, 0.01", "loss, 0.1"),
    ]
    assert words.legend_title(shown) == "tag, lr"
    assert load(tree).panels("acc", "loss", by="tag").labels == ("acc", "loss")


def test_keys_are_known_by_their_end(tree: Path) -> None:
    by = [load(tree).panels("acc", by=key).source.by for key in ("opt.lr", "lr", "model")]

    assert by == [("opt.lr",), ("opt.lr",), ("model.name",)]
    assert told(tree, "acc", by="opt.lrr").startswith(
        "no run has a config key 'opt.lrr'; did you mean 'opt.lr'?"
    )


def test_an_end_that_two_keys_have_is_refused(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0]}, config={"x": {"lr": 1}, "y": {"lr": 1}})

    assert told(tmp_path, "a", by="lr") == "config key 'lr' could be 'x.lr' or 'y.lr'; give it whole"


def test_a_run_without_the_key_is_a_series_of_its_own(tmp_path: Path) -> None:
    for i, config in enumerate([{"lr": 1}, {"lr": None}, {"other": 1}]):
        write_run(tmp_path / str(i), {"a": [1.0]}, config=config)
    write_run(tmp_path / "3", {"a": [1.0]})

    shown = load(tmp_path).panels("a", by="lr")

    assert sorted(mark.label for mark in shown.panels[0].marks) == ["(missing)", "-", "1", "null"]
    assert [row["lr"] for row in rows(shown)] == ["1", "null", "", "-"]


def test_order_and_rename(tree: Path) -> None:
    shown = load(tree).panels(
        "acc", by="model,lr", order=["Net, 0.1", "large, 0.1"], rename={"small": "Net", "nothing": "x"}
    )

    assert shown.labels == ("small, 0.1", "large, 0.1", "large, 0.01", "small, 0.01")
    assert shown.remarks == ("rename: nothing in the figure is called 'nothing'",)
    assert told(tree, "acc", by="model", order="smal") == (
        "order: no series is called 'smal'; the series are: large, small"
    )


def test_the_same_setting_has_the_same_label_and_colour_in_every_panel(tree: Path) -> None:
    from matplotlib.colors import to_hex

    write_run(
        tree / "12", {"acc": [1.0], "only": [1.0]}, config={"model": {"name": "large"}, "opt": {"lr": 1}}
    )
    figure, axes = plotted(tree, "acc", "only", by="lr")
    texts = [text.get_text() for text in figure.legends[0].get_texts()]
    colours = [to_hex(line.get_color()) for line in figure.legends[0].get_lines()]

    assert texts == ["0.01", "0.1", "1"]
    assert to_hex(axes[1].lines[0].get_color()) == colours[2]


def plotted(path: Path, *tags: str, **options: Any) -> tuple[Any, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        figure, axes = load(path).plot(*tags, **options)
        figure.draw_without_rendering()
    return figure, axes


# --- curves ---------------------------------------------------------------------------------------------


def test_the_table_of_curves_is_the_aggregate_bit_for_bit(tree: Path) -> None:
    shown = load(tree).panels("acc", by="lr", split="model", band="ci95", center="median")
    table = rows(shown)

    curves = [(np.arange(5.0), 0.1 * np.arange(5) + seed / 8) for seed in range(3)]
    want = aggregate(curves, center="median", band="ci95")
    mine = {"panel": "model: small", "series": "0.1"}
    for name in ("x", "center", "low", "high", "n", "n_nan"):
        assert column(table, name, **mine) == getattr(want, name).tolist(), name
    assert {(row["model.name"], row["opt.lr"]) for row in table if row["series"] == "0.1"} == {
        *(("small", "0.1"), ("large", "0.1")),
    }


def test_runs_are_smoothed_one_by_one_and_then_averaged(tree: Path) -> None:
    table = rows(load(tree).panels("acc", by="lr", split="model", smooth=0.6))
    _, axes = plotted(tree, "acc", by="lr", split="model", smooth=0.6)

    raw = np.array([0.1 * np.arange(5) + seed / 8 for seed in range(3)])
    want = np.mean([smoothed(y, 0.6) for y in raw], axis=0)
    mine = {"panel": "model: small", "series": "0.1"}
    np.testing.assert_allclose(column(table, "center", **mine), want, rtol=1e-15)
    np.testing.assert_allclose(column(table, "raw", **mine), raw.mean(axis=0), rtol=1e-15)
    faint = [line for line in axes[1].lines if line.get_alpha() == 0.3]
    np.testing.assert_allclose(faint[1].get_ydata(), raw.mean(axis=0), rtol=1e-15)


def test_the_best_so_far(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0, 3.0, 2.0, 4.0]}, config={"seed": 0})

    assert column(rows(load(tmp_path).panels("a", running="max")), "center") == [1.0, 3.0, 3.0, 4.0]
    assert "(greatest so far)" in caption(tmp_path, "a", running="max")


def test_points_of_few_runs_are_not_drawn_and_counted(tree: Path) -> None:
    shown = load(tree).panels("acc", by="model,lr", min_runs=3)

    assert column(rows(shown), "n", series="small, 0.01") == [3, 3, 2, 2, 2]
    assert np.isnan(column(rows(shown), "center", series="small, 0.01")).tolist() == [False] * 2 + [True] * 3
    assert "acc: 8 of 20 points have fewer than 3 runs: not drawn" in shown.notes


def test_points_at_equal_distances(tree: Path) -> None:
    table = rows(load(tree).panels("acc", by="", points=3))

    assert column(table, "x") == [0.0, 2.0, 4.0]
    assert "at 3 points of step" in caption(tree, "acc", by="", points=3)


def progress(root: Path, name: str, tags: Sequence[str], frames: Sequence[Any], **config: Any) -> None:
    run = write_run(root / name, config=config)
    (run / rundir.PROGRESS).write_text(progress_text(tags, frames))


def test_x_is_a_tag_at_the_same_steps(tmp_path: Path) -> None:
    frames = [(0, 1.0, [1.0, None]), (5, 1.0, [2.0, 0.5]), (9, 1.0, [3.0, 0.25]), (9, 2.0, [None, 0.125])]
    progress(tmp_path, "0", ["loss", "samples"], frames, seed=0)

    shown = load(tmp_path).panels("loss", x="samples")

    assert (column(rows(shown), "x"), column(rows(shown), "center")) == ([0.125, 0.5], [3.0, 2.0])
    assert shown.notes == ("loss: frames without a value of samples at its step are left out: 0 (1 of 3)",)
    assert told(tmp_path, "loss", x="sample").startswith("no run has a tag 'sample'; did you mean 'samples'?")
    assert told(tmp_path, "loss", x="sam*") == (
        "x cannot be 'sam*', for no run has a tag of exactly this name; give one"
    )


def test_relative_time_begins_with_each_run(tmp_path: Path) -> None:
    for seed, start in enumerate([1000.0, 99000.0]):
        frames = [(i, start + 1800.0 * i, [1.0]) for i in range(9)]
        progress(tmp_path, str(seed), ["loss"], frames, seed=seed)

    table = rows(load(tmp_path).panels("loss", x="relative"))
    _, (ax,) = plotted(tmp_path, "loss", x="relative")

    assert column(table, "x") == [1800.0 * i for i in range(9)]
    assert column(table, "n") == [2.0] * 9
    assert ax.get_xlabel() == "time (h)"
    assert ax.lines[0].get_xdata().tolist() == [i / 2 for i in range(9)]


def test_wall_time_is_a_date(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0, 2.0]}, config={"seed": 0})

    _, (ax,) = plotted(tmp_path, "loss", x="wall_time")

    assert ax.get_xlabel() == "wall time (UTC)"
    assert ax.xaxis.get_major_formatter().get_offset() == "1970-Jan-01 00:16"


def test_runs_without_wall_time_are_told_and_left_out(tmp_path: Path) -> None:
    progress(tmp_path, "0", ["loss"], [(0, NAN, [1.0]), (1, NAN, [1.0])], seed=0)
    progress(tmp_path, "1", ["loss"], [(0, 5.0, [1.0]), (1, 6.0, [1.0])], seed=1)

    shown = load(tmp_path).panels("loss", x="wall_time")

    assert shown.notes == ("loss: frames without a wall time are left out: 0 (2 of 2)",)
    assert shown.why_not == {"0": "none of its frames of loss has a wall time"}
    assert column(rows(shown), "n") == [1.0, 1.0]


def test_nothing_has_an_x(tmp_path: Path) -> None:
    progress(tmp_path, "0", ["loss"], [(0, NAN, [1.0])], seed=0)

    shown = load(tmp_path).panels("loss", x="wall_time")
    drawn(shown)

    assert rows(shown) == []
    assert "loss: nothing is drawn, for there is no value without a gap" in shown.notes


def test_x_that_is_not_finite_is_no_x(tmp_path: Path) -> None:
    frames = [(0, 1.0, [1.0, math.inf]), (1, 1.0, [2.0, NAN]), (2, 1.0, [3.0, 5.0])]
    progress(tmp_path, "0", ["a", "x"], frames, seed=0)

    shown = load(tmp_path).panels("a", x="x")

    assert column(rows(shown), "x") == [5.0]
    assert shown.notes == ("a: frames without a value of x at its step are left out: 0 (2 of 3)",)


@pytest.mark.parametrize("kind", ["curves", "bars"])
def test_frames_at_the_same_x_are_counted(tmp_path: Path, kind: str) -> None:
    progress(tmp_path, "0", ["a"], [(0, 1.0, [1.0]), (0, 2.0, [5.0]), (1, 3.0, [2.0])], seed=0)

    shown = load(tmp_path, keep_superseded=True).panels("a", kind=kind)

    assert column(rows(shown), "center")[-1] == 2.0
    assert shown.notes == ("a: 1 frame had the x of a later one of the same run, which alone counts",)


@pytest.mark.parametrize(
    ("axis", "note"),
    [
        ("yscale", "a: 2 of 4 points have y <= 0, which a log axis cannot show; try symlog"),
        ("xscale", "a: 1 of 4 points has x <= 0, which a log axis cannot show; try symlog"),
    ],
)
def test_what_a_log_axis_cannot_show_is_counted(tmp_path: Path, axis: str, note: str) -> None:
    write_run(tmp_path / "0", {"a": [1.0, 0.0, -1.0, 10.0]}, config={"seed": 0})

    shown = load(tmp_path).panels("a", **{axis: "log"})
    drawn(shown)

    assert shown.notes == (note,)
    assert column(rows(shown), "center") == [1.0, 0.0, -1.0, 10.0]
    assert load(tmp_path).panels("a", **{axis: "symlog"}).notes == ()


# --- best of --------------------------------------------------------------------------------------------


def test_of_each_series_the_best_setting_is_chosen_by_another_tag(tree: Path) -> None:
    shown = load(tree).panels("acc", by="model", best_of="loss", best_by="min")

    assert {mark.label: mark.group.runs for mark in shown.panels[0].marks} == {
        "small": ("0", "1", "2"),
        "large": ("6", "7", "8"),
    }
    assert shown.why_not["3"] == "its setting is not the best by loss"
    assert words.caption(shown) == (
        "Mean and 1 sd over 3 seeds of acc. Each series is the setting with the least mean over runs of the "
        "final value of loss: large: lr=0.1 (8.475); small: lr=0.1 (9.475).\n"
    )


def test_in_each_panel_the_best_is_another(tmp_path: Path) -> None:
    for i, (model, lr) in enumerate([("a", 1), ("a", 2), ("b", 1), ("b", 2)]):
        write_run(tmp_path / str(i), {"acc": [float(i in (0, 3))]}, config={"model": model, "lr": lr})

    for kind in ("curves", "bars"):
        shown = load(tmp_path).panels("acc", kind=kind, split="model", best_of="acc")

        assert [mark.group.runs for panel in shown for mark in panel.marks] == [("0",), ("3",)]
        assert "of acc: model: a: lr=1 (1); model: b: lr=2 (1)." in words.caption(shown)
        assert shown.used == {"0": ("model: a, acc",), "3": ("model: b, acc",)}


def test_the_best_of_all(tree: Path) -> None:
    (panel,) = load(tree).panels("acc", best_of="acc")

    assert [mark.group.runs for mark in panel.marks] == [("6", "7", "8")]
    assert told(tree, "acc", best_of="*") == "best_of '*' names 2 tags; give the name of one"


def test_a_setting_that_is_nan_is_never_the_best(tmp_path: Path) -> None:
    for lr, last in enumerate([1.0, NAN]):
        write_run(tmp_path / str(lr), {"a": [0.0, last]}, config={"lr": lr})
    write_run(tmp_path / "2", {"a": [0.0, NAN]}, config={"lr": 2, "other": 1})

    shown = load(tmp_path).panels("a", best_of="a", by="other")

    assert [mark.group.runs for mark in shown.panels[0].marks] == [("0",)]
    assert shown.why_not["2"] == "has no final of a"


# --- captions -------------------------------------------------------------------------------------------


def test_a_caption_names_the_runs_that_fall_short(tree: Path) -> None:
    assert caption(tree, "acc", smooth=0.6, band="ci95") == (
        "Mean and 95 % bootstrap CI over 2 to 3 seeds (dotted: fewer) of acc (EMA 0.6, debiased); "
        "before smoothing faint behind. "
        "model=large, lr=0.01: 2 of 3 seeds, run 11 FAILED. "
        "model=small, lr=0.01: run 5 FAILED and counts as far as it goes. "
        "acc: the mean is of fewer runs, and dotted, where one has no values: 5 (steps 0 to 1 of 0 to 4)."
    )


def test_a_caption_of_one_run_has_no_band(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"Loss": [1.0, 0.5]}, config={"seed": 0})

    assert caption(tmp_path, "Loss") == "One run of Loss."


def test_a_setting_of_which_no_run_measured_is_in_the_caption(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0]}, config={"lr": 1, "seed": 0})
    write_run(tmp_path / "1", config={"lr": 2, "seed": 0}, state=State.FAILED)
    write_run(tmp_path / "2", config={"lr": 2, "seed": 1}, state=None)

    assert caption(tmp_path, "a") == "One run of a. lr=2: 0 of 2 seeds, run 1 FAILED, run 2 has no a."


def test_what_two_tags_share_is_said_once(tree: Path) -> None:
    text = caption(tree, "acc", "loss", by="lr,model", band="none")

    assert text.startswith(
        "Mean over 2 to 3 seeds (dotted: fewer) of acc and loss. lr=0.01, model=large: 2 of 3"
    )
    assert text.count("run 11 FAILED") == 1


# --- bars -----------------------------------------------------------------------------------------------


def test_bars_are_the_statistic_of_each_run_and_then_the_centre(tree: Path) -> None:
    table = rows(load(tree).panels("acc", kind="bars", stat="max", by="lr", split="model", band="minmax"))

    assert [(row["model.name"], row["opt.lr"], row["n"]) for row in table] == [
        *(("large", "0.01", "2"), ("large", "0.1", "3"), ("small", "0.01", "3"), ("small", "0.1", "3")),
    ]
    of_large = [0.1 * 4 + seed / 8 + 1 for seed in range(3)]
    row = table[1]
    assert [float(row[name]) for name in ("center", "low", "high")] == pytest.approx(
        [np.mean(of_large), min(of_large), max(of_large)], rel=1e-15
    )


def test_a_bar_a_series_with_its_band_and_its_runs(tree: Path) -> None:
    figure, (ax,) = plotted(tree, "acc", kind="bars", by="model")

    assert [round(patch.get_height(), 3) for patch in ax.patches] == [1.356, 0.34]
    assert [len(points.get_offsets()) for points in ax.collections if len(points.get_offsets()) > 1] == [5, 6]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["large", "small"]
    assert (ax.get_ylabel(), figure.legends) == ("final acc", [])
    assert len({(patch.get_hatch(), patch.get_edgecolor()) for patch in ax.patches}) == 2


def test_long_labels_of_bars_are_in_a_legend(tmp_path: Path) -> None:
    for i in range(6):
        write_run(tmp_path / str(i), {"a": [1.0]}, config={"name": f"a_long_name_of_model_{i}"})

    figure, (ax,) = plotted(tmp_path, "a", kind="bars")

    assert [text.get_text() for text in ax.get_xticklabels()] == [""] * 6
    assert len(figure.legends[0].get_texts()) == 6


def test_a_bar_of_nan_says_so(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0, NAN, 2.0]}, config={"lr": 1})
    write_run(tmp_path / "1", {"a": [1.0, 1.0, 2.0]}, config={"lr": 2})

    shown = load(tmp_path).panels("a", kind="bars", stat="mean")
    _, (ax,) = plotted(tmp_path, "a", kind="bars", stat="mean")

    assert shown.notes[0] == "a: the mean over all frames of a is no number in 0"
    assert [text.get_text() for text in ax.texts] == ["nan"]


# --- scatter --------------------------------------------------------------------------------------------


def test_a_point_is_a_run(tree: Path) -> None:
    shown = load(tree).panels("acc", kind="scatter", over="lr", by="model")

    table = rows(shown)
    assert {row["run"]: row["opt.lr"] for row in table if row["series"] == "small"} == {
        **{str(i): "0.1" for i in range(3)},
        **{str(i): "0.01" for i in range(3, 6)},
    }
    assert column(table, "value", run="5") == [0.01 + 2 / 8]
    assert caption(tree, "acc", kind="scatter", over="lr", by="model").startswith(
        "The final value of acc over lr; a point is a run."
    )


@pytest.mark.parametrize(
    ("values", "scale", "labels"),
    [
        ([0.1, 0.2], "linear", None),
        ([1e-5, 1e-2], "log", None),
        ([0, 100], "linear", None),
        (["a", "b"], "linear", ["a", "b"]),
        ([True, False, None], "linear", ["false", "null", "true"]),
        ([1, "auto"], "linear", ["1", "auto"]),
    ],
)
def test_the_axis_of_a_key_suits_its_values(
    tmp_path: Path, values: list[Any], scale: str, labels: list[str] | None
) -> None:
    for i, value in enumerate(values):
        write_run(tmp_path / str(i), {"a": [1.0 + i]}, config={"key": value})

    _, (ax,) = plotted(tmp_path, "a", kind="scatter")

    assert ax.get_xscale() == scale
    if labels is not None:
        assert [text.get_text() for text in ax.get_xticklabels()] == labels


def test_jitter_is_the_same_each_time_and_stays_in_its_category(tmp_path: Path) -> None:
    for i in range(40):
        write_run(tmp_path / str(i), {"a": [1.0]}, config={"key": "ab"[i % 2], "seed": i})

    at = [plotted(tmp_path, "a", kind="scatter")[1][0].collections[0].get_offsets() for _ in range(2)]

    assert at[0].tolist() == at[1].tolist()
    assert set(np.round(at[0][:, 0]).tolist()) == {0.0, 1.0}


def test_a_scatter_must_know_its_key(tree: Path) -> None:
    assert told(tree, "acc", kind="scatter") == (
        "a scatter is over 1 config key, not 2; name them by over. Keys that vary: model.name, opt.lr"
    )


# --- heat map -------------------------------------------------------------------------------------------


def test_a_cell_is_the_centre_over_its_runs(tree: Path) -> None:
    table = rows(load(tree).panels("acc", kind="heatmap", stat="max"))

    cells = {(row["model.name"], row["opt.lr"]): (float(row["center"]), row["n"]) for row in table}
    assert cells["small", "0.1"] == (pytest.approx(0.4 + 1 / 8, rel=1e-15), "3")
    assert cells["large", "0.01"] == (pytest.approx(0.04 + 1 / 16 + 1, rel=1e-15), "2")


def test_cells_are_readable_and_those_without_a_run_hatched(tmp_path: Path) -> None:
    for i, (lr, width, value) in enumerate([(0.1, 8, 0.0), (0.01, 8, 1.0), (0.1, 16, 0.5)]):
        write_run(tmp_path / str(i), {"a": [value]}, config={"lr": lr, "width": width})

    _, (ax,) = plotted(tmp_path, "a", kind="heatmap", over="lr,width")

    assert [patch.get_hatch() for patch in ax.patches] == [None, "////", None, None]
    assert [(text.get_text(), text.get_color()) for text in ax.texts] == [
        *(("1.00", "black"), ("0.00", "white"), ("0.50", "black")),
    ]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["0.01", "0.1"]
    assert "hatched: no run (1 cell)" in caption(tmp_path, "a", kind="heatmap", over="lr,width")


def test_a_heat_map_needs_two_keys(tree: Path) -> None:
    assert told(tree, "acc", kind="heatmap", over="lr") == (
        "a heat map is over 2 config keys, not 1; name them by over. Keys that vary: model.name, opt.lr"
    )


# --- parallel coordinates -------------------------------------------------------------------------------


def test_a_line_is_a_run_and_those_that_failed_are_dashed_grey(tree: Path) -> None:
    shown = load(tree).panels("acc", kind="parallel")
    _, (ax,) = plotted(tree, "acc", kind="parallel")

    assert len(rows(shown)) == 12
    assert [row["run"] for row in rows(shown) if row["value"] == ""] == ["11"]
    lines = [line for line in ax.lines if len(line.get_xdata()) > 2]
    grey = [line for line in lines if line.get_color() == "0.55"]
    assert (len(lines), len(grey)) == (12, 2)
    assert sorted(float(line.get_xdata()[-1]) for line in grey) == [1.0, 2.0]
    assert [text.get_text() for text in ax.get_xticklabels()] == ["model", "lr"]
    assert "dashed grey: a run without a number, or that did not complete" in words.caption(shown)


def test_parallel_coordinates_need_a_key_that_varies(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.0]}, config={"lr": 1})

    assert told(tmp_path, "a", kind="parallel") == (
        "parallel coordinates need config keys that vary, and none does; name some by over"
    )


# --- performance profile --------------------------------------------------------------------------------


def games(root: Path) -> Path:
    for task, offset in (("pong", 0.0), ("tetris", 100.0)):
        for agent in ("a", "b"):
            for seed in range(3):
                value = offset + seed + 2.0 * (agent == "b")
                config = {"env": task, "agent": agent, "seed": seed}
                write_run(root / f"{task}{agent}{seed}", {"score": [0.0, value]}, config=config)
    return root


def test_a_profile_is_that_of_the_scores_by_task(tmp_path: Path) -> None:
    table = rows(load(games(tmp_path)).panels("score", kind="profile", task="env"))

    mine = [row for row in table if row["series"] == "a"]
    want = scores.profile([np.arange(3.0), 100 + np.arange(3.0)], column(mine, "x"))
    for name, values in (("center", want.value), ("low", want.low), ("high", want.high)):
        assert column(mine, name) == values.tolist()
    assert (mine[0]["n"], mine[0]["center"], mine[-1]["center"]) == ("6", "1.0", "0.0")
    assert caption(tmp_path, "score", kind="profile", task="env") == (
        "Share of runs above a score and 95 % bootstrap CI over 2 tasks, 6 runs each; "
        "score: the final value of score."
    )


def test_a_task_is_not_averaged_over(tmp_path: Path) -> None:
    text = caption(games(tmp_path), "score", kind="profile", task="env", by="agent")

    assert text.endswith("6 runs each; score: the final value of score.")


@pytest.mark.parametrize(
    "normalize",
    [["minmax"], ["pong=0:4", "tetris=100:104"], ["0:4", "tetris=100:104"]],
)
def test_scores_are_normalised_per_task(tmp_path: Path, normalize: list[str]) -> None:
    table = rows(
        load(games(tmp_path)).panels("score", kind="profile", task="env", normalize=normalize, band="none")
    )

    assert sorted(set(column(table, "x", series="a"))) == pytest.approx([-0.02, 0, 0.25, 0.5, 0.75, 1, 1.02])
    assert all(math.isnan(low) for low in column(table, "low"))


@pytest.mark.parametrize(
    ("normalize", "error"),
    [
        (["pong=0:4"], "normalize says nothing of the task 'tetris'; give tetris=LOW:HIGH, or minmax"),
        (["ping=0:4"], "normalize 'ping=0:4': there is no task 'ping'; the tasks are: pong, tetris"),
        (["high"], "normalize cannot be 'high'; give minmax, LOW:HIGH or TASK=LOW:HIGH with two numbers"),
        (["1:1"], "normalize cannot be '1:1'; give minmax, LOW:HIGH or TASK=LOW:HIGH with two numbers"),
    ],
)
def test_wrong_ends_are_told(tmp_path: Path, normalize: list[str], error: str) -> None:
    assert told(games(tmp_path), "score", kind="profile", task="env", normalize=normalize) == error


def test_what_a_profile_lacks_is_told(tmp_path: Path) -> None:
    games(tmp_path)
    for name in ("pongb0", "pongb1", "pongb2"):
        write_run(tmp_path / name, {"other": [1.0]}, config={"env": "pong", "agent": "b", "seed": 0})
    write_run(tmp_path / "ponga0", {"score": [NAN]}, config={"env": "pong", "agent": "a", "seed": 0})

    notes = load(tmp_path).panels("score", kind="profile", task="env").notes

    assert notes[1:4] == (
        "score: the final value of score is no number in ponga0",
        "score: not every series has a run of every task: b (pong)",
        "score: a run without a number counts as above no threshold",
    )
