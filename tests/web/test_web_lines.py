"""The lines of a card: the same numbers as figures on paper, whole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from view_files import progress_text, sweep, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.viewing.api import Runs, load
from exptools.viewing.statistics.smoothing import smoothed
from exptools.viewing.web import lines
from exptools.viewing.web.lines import Card, Line
from exptools.viewing.web.view import View

GENERATOR = np.random.default_rng(3)


def noisy(n: int) -> list[float]:
    return GENERATOR.standard_normal(n).cumsum().tolist()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two models, two values of lr, three seeds; runs are of different lengths, one has a nan."""
    root = tmp_path / "sweep"
    for i in range(12):
        n = 30 + i
        loss = noisy(n)
        if i == 4:
            loss[10] = float("nan")
        config = {"model": {"name": "ab"[i // 6]}, "lr": [0.1, 0.01][i // 3 % 2], "seed": i % 3}
        write_run(root / str(i), {"loss": loss, "samples": [64.0 * k for k in range(n)]}, config=config)
    return root


def card(runs: Runs, view: View, tag: str = "loss") -> Card:
    return lines.card(runs, view, tag, lines.by_run(lines.labels(runs, view)))


def same(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return bool(np.array_equal(one, other, equal_nan=True))


VIEWS: dict[str, View] = {
    "mean": View(),
    "median": View(lines="median"),
    "iqm and bootstrap": View(lines="iqm", band="ci95"),
    "t interval": View(band="t95"),
    "min to max": View(band="minmax"),
    "no band": View(band="none"),
    "smoothed": View(smooth=0.8, band="se"),
    "by a key": View(by=("lr",)),
    "all together": View(by=()),
    "split": View(split=("model.name",)),
    "by and split": View(by=("lr",), split=("model.name",), lines="median", smooth=0.5),
    "relative": View(x="relative"),
    "wall time": View(x="wall_time"),
    "over a scalar": View(x="samples"),
}


@pytest.mark.parametrize("name", VIEWS)
def test_lines_and_bands_are_those_of_figures(tree: Path, name: str) -> None:
    runs, view = load(tree), VIEWS[name]

    found = card(runs, view)
    shown = runs.panels(spec=view.spec(("loss",)))

    assert found.frames == sum(30 + i for i in range(12))
    assert [len(panel.lines) for panel in found.panels] == [len(panel.marks) for panel in shown.panels]
    for panel, drawn in zip(found.panels, shown.panels, strict=True):
        for line, mark in zip(panel.lines, drawn.marks, strict=True):
            a = mark.found.aggregate
            assert (line.label, line.runs) == (mark.label, mark.group.runs)
            assert same(line.x, a.x) and same(line.y, a.center)
            assert same(line.raw, mark.found.raw.center if view.smooth else None)
            has_band = not np.isnan(a.low).all()
            assert has_band == (view.band != "none")
            assert same(line.low, a.low if has_band else None)
            assert same(line.high, a.high if has_band else None)
            assert same(line.n, None if mark.found.whole.all() else a.n.astype(float))
    notes = [note for panel in shown.panels for note in panel.notes]
    assert list(found.notes) == list(dict.fromkeys(notes)) and notes


def test_panels_are_called_by_what_their_runs_share(tree: Path) -> None:
    runs = load(tree)

    split = card(runs, View(split=("model.name",)))
    single = card(runs, View(split=("model.name",), lines="runs"))

    assert [panel.name for panel in split.panels] == ["model: a", "model: b"]
    assert [panel.name for panel in single.panels] == ["model: a", "model: b"]
    assert [[line.label for line in panel.lines] for panel in split.panels] == [["0.01", "0.1"]] * 2
    assert [panel.name for panel in card(runs, View()).panels] == [""]


def test_single_runs_are_what_was_logged(tree: Path) -> None:
    runs = load(tree)

    found = card(runs, View(lines="runs"))

    (panel,) = found.panels
    by_name = {line.runs: line for line in panel.lines}
    assert len(by_name) == 12
    for run, reading in runs.readings(["loss"]):
        line, curve = by_name[(run.name,)], reading.curves["loss"]
        assert same(line.x, curve.step.astype(float)) and same(line.y, curve.value)
        assert (line.raw, line.low, line.high, line.n) == (None, None, None, None)
    labels = lines.by_run(lines.labels(runs, View()))
    assert {name: line.label for (name,), line in by_name.items()} == labels


@pytest.mark.parametrize("weight", [0.3, 0.99])
def test_a_single_run_is_smoothed_as_tensorboard_does(tree: Path, weight: float) -> None:
    runs = load(tree)

    found = card(runs, View(lines="runs", smooth=weight))

    for line in found.panels[0].lines:
        (reading,) = [reading for run, reading in runs.readings(["loss"]) if (run.name,) == line.runs]
        values = reading.curves["loss"].value
        assert same(line.raw, values) and same(line.y, smoothed(values, weight))
        # by hand: the debiased average of the first three values
        a, b, c = values[:3]
        w = weight
        by_hand = ((1 - w) * (w * w * a + w * b + c)) / (1 - w**3)
        assert line.y[2] == pytest.approx(by_hand, rel=1e-12)


def test_frames_out_of_order_are_drawn_in_order_and_the_last_counts(tmp_path: Path) -> None:
    run = write_run(tmp_path / "sweep" / "0")
    rows = [(0, 1.0, [1.0]), (2, 2.0, [2.0]), (1, 3.0, [3.0]), (3, 4.0, [4.0])]
    (run / rundir.PROGRESS).write_text(progress_text(["loss"], rows))
    runs = load(tmp_path / "sweep")

    for view in (View(), View(lines="runs"), View(lines="runs", smooth=0.5)):
        (line,) = card(runs, view).panels[0].lines
        assert line.x.tolist() == [0, 1, 2, 3]
        assert (line.y if line.raw is None else line.raw).tolist() == [1, 3, 2, 4]


def test_a_run_that_was_selected_is_called_as_among_all_runs(tree: Path) -> None:
    """Its colour goes with its label: the legend is that of all runs."""
    runs = load(tree)
    names = lines.by_run(lines.labels(runs, View()))

    for view in (View(), View(lines="runs")):
        few = lines.card(runs.only(["0", "1"]), view, "loss", names)
        assert {line.label for line in few.panels[0].lines} == {"a, 0.1"} == {names["0"]}


def test_a_series_of_which_some_runs_have_the_tag_keeps_its_name(tmp_path: Path) -> None:
    """Settings that were run in two sweeps are two series, also on a card that only one sweep has."""
    for name in ("one", "two"):
        root = sweep(tmp_path / "all" / name)
        rundir.write_json(root / rundir.SWEEP, {})
    for i in range(4):
        write_run(tmp_path / "all" / "one" / str(i), {"acc": [0.0, 1.0]}, state=None)
    runs = load(tmp_path / "all")
    names = lines.labels(runs, View())
    assert list(names) == ["large, one", "large, two", "small, one", "small, two"]

    found = card(runs, View(), "acc")

    assert [line.label for line in found.panels[0].lines] == ["large, one", "small, one"]


def test_the_legend_is_what_differs(tree: Path) -> None:
    runs = load(tree)

    def labels(**fields: object) -> dict[str, int]:
        return {name: len(some) for name, some in lines.labels(runs, View(**fields)).items()}

    assert labels() == {"a, 0.01": 3, "a, 0.1": 3, "b, 0.01": 3, "b, 0.1": 3}
    assert labels(split=("model.name",)) == {"0.01": 6, "0.1": 6}
    assert labels(by=("model.name",)) == {"a": 6, "b": 6}
    assert labels(by=("seed", "tag")) == {"0": 4, "1": 4, "2": 4}
    assert labels(by=()) == {"": 12}
    assert labels(lines="runs") == labels()


def test_every_run_has_one_label(tree: Path) -> None:
    runs = load(tree)

    for by in (None, (), ("lr",), ("lr", "seed")):
        names = lines.by_run(lines.labels(runs, View(by=by)))
        assert sorted(names) == sorted(run.name for run in runs)


HOSTILE = ["a*", "a[*]", "ab", "a?", "[a]", "a", "<script>alert(1)</script>", "&amp;", "it's \"x\"",
           "x" * 3000, "a/b:c", "-o", "=1", " ", "loss\\udcff", "two\nlines"]  # fmt: skip


@pytest.mark.parametrize("tag", HOSTILE, ids=range(len(HOSTILE)))
@pytest.mark.parametrize("kind", ["mean", "runs"])
def test_a_card_is_of_the_tag_of_exactly_this_name(tmp_path: Path, tag: str, kind: str) -> None:
    values = {name: [float(i), float(i)] for i, name in enumerate(HOSTILE)}
    write_run(tmp_path / "sweep" / "0", values)

    found = card(load(tmp_path / "sweep"), View(lines=kind), tag)

    (line,) = _only(found)
    assert line.y.tolist() == values[tag] and found.frames == 2


def _only(found: Card) -> Sequence[Line]:
    (panel,) = found.panels
    return panel.lines


def test_what_there_is_not_is_refused(tree: Path) -> None:
    runs = load(tree)

    keys = "The config keys are: lr, model.name, seed"
    tags = "The tags are: loss, samples"
    for view, tag, text in (
        (View(x="Loss"), "loss", f"no run has a tag 'Loss'; did you mean 'loss'? {tags}"),
        (View(by=("learning",)), "loss", f"no run has a config key 'learning'. {keys}"),
        (View(split=("x.y",)), "loss", f"no run has a config key 'x.y'. {keys}"),
        (View(), "nothing", f"no run has a tag 'nothing'. {tags}"),
    ):
        with pytest.raises(ViewError) as error:
            lines.card(runs, view, tag, {})
        assert str(error.value) == text


def test_what_cannot_be_seen_of_single_runs_is_said(tmp_path: Path) -> None:
    root = sweep(tmp_path / "sweep")
    write_run(root / "1", {"loss": [-1.0, float("nan"), 0.5]}, config={"model": {"name": "small"}, "seed": 1})
    write_run(root / "4", {"acc": [1.0]}, config={"model": {"name": "large"}, "seed": 2})

    linear = card(load(root), View(lines="runs"))
    log = card(load(root), View(lines="runs", xscale="log", yscale="log"))

    assert linear.notes == (
        "loss: missing in 1 of 5 runs: 4 (COMPLETED)",
        "loss: 1 of 5 runs not completed, drawn as far as they go: 3 (FAILED)",
        "loss: values that are not finite, or beyond 1e150, leave gaps in 1 (1 of 3)",
    )
    assert log.notes == (
        *linear.notes,
        "4 of 12 points have x <= 0, which a log axis cannot show",
        "2 of 12 points have y <= 0, which a log axis cannot show",
    )


def test_bytes_of_a_card_are_counted(tree: Path) -> None:
    found = card(load(tree), View(smooth=0.5))

    arrays = [a for p in found.panels for ln in p.lines for a in (ln.x, ln.y, ln.raw, ln.low, ln.high, ln.n)]
    assert found.nbytes == sum(8 * len(a) for a in arrays if a is not None) > 8 * 30 * 4 * 4


def test_the_parts_of_a_label_have_names(tmp_path: Path) -> None:
    for i in range(8):
        config = {"lr": [0.1, 0.2][i % 2], "model": {"name": ["a", "b"][i // 2 % 2]}, "seed": i // 4}
        write_run(tmp_path / str(i), {"loss": [1.0, 2.0]}, config=config)
    runs = load(tmp_path)

    assert lines.label_keys(runs, View()) == ["lr", "model"]
    assert lines.label_keys(runs, View(split=("lr",))) == ["model"]
    assert lines.label_keys(runs, View(by=("model",))) == ["model"]
    assert lines.label_keys(runs, View(by=())) == []
