"""load(...): tables, frames, configs, groups and figures from Python."""

from __future__ import annotations

import csv
import os
import re
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from tensorboardX import SummaryWriter
from view_files import bits, hydra_run, progress_text, sweep, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import load
from exptools.viewing.compare import MISSING, UNKNOWN
from exptools.viewing.figures import drawing, save
from exptools.viewing.figures.kinds import curves

NAN = float("nan")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sweep(tmp_path / "multirun")


def test_the_table_has_a_row_per_run_and_the_keys_that_differ(tree: Path) -> None:
    table = load(tree).table()

    expected = {
        "run": ["0", "1", "2", "3"],
        "state": ["COMPLETED", "COMPLETED", "COMPLETED", "FAILED"],
        "duration_s": [12.5, 12.5, 12.5, 2.0],
        "model.name": ["small", "small", "large", "large"],
        "seed": [0, 1, 0, 1],
        "loss": [0.0, 0.125, 0.25, 0.375],
        "error": [None, None, None, "ValueError: too big"],
    }
    pd.testing.assert_frame_equal(table, pd.DataFrame(expected))


def test_one_run_has_no_differing_keys(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0]}, config={"lr": 1})

    assert list(load(tmp_path).table().columns) == ["run", "state", "duration_s", "loss"]


def test_runs_without_scalars_or_config_are_in_the_table(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0]}, config={"lr": 1, "x": None})
    write_run(tmp_path / "1", state=State.QUEUED, start=None, end=None)
    hydra_run(tmp_path / "2", "lr: 2")

    table = load(tmp_path).summary()

    assert [column.name for column in table.columns] == ["run", "state", "duration_s", "lr", "x", "loss"]
    assert table.rows == (
        ("0", State.COMPLETED, 12.5, 1, None, 1.0),
        ("1", State.QUEUED, UNKNOWN, UNKNOWN, UNKNOWN, UNKNOWN),
        ("2", UNKNOWN, UNKNOWN, 2, MISSING, UNKNOWN),
    )


def test_columns_of_the_same_name_are_kept_apart(tmp_path: Path) -> None:
    for i in (0, 1):
        config = {"state": i, "loss": i, "config": {"loss": i}}
        write_run(tmp_path / str(i), {"loss": [0.5], "run": [0.25]}, config=config)

    assert list(load(tmp_path).table().columns) == [
        *("run", "state", "duration_s", "config.state", "config.config.loss", "config.loss"),
        *("loss", "last.run"),
    ]


def test_columns_can_be_chosen(tree: Path) -> None:
    runs = load(tree)

    assert list(runs.table(columns=["loss", "epochs", "duration"])) == ["run", "loss", "epochs", "duration_s"]
    assert list(runs.table(columns="s*")) == ["run", "state", "seed"]
    with pytest.raises(ViewError) as caught:
        runs.table(columns=["sed"])
    assert str(caught.value) == (
        "no run has a column 'sed'; did you mean 'seed' or 'state'? "
        "The columns are: duration_s, epochs, error, loss, model.name, run, seed, state"
    )


def test_bookkeeping_is_hidden_in_the_table(tmp_path: Path) -> None:
    for i in (0, 1):
        write_run(tmp_path / str(i), {"loss": [0.5]}, config={"log_dir": f"/{i}", "seed": i})

    table = load(tmp_path).summary()

    assert [c.name for c in table.columns] == ["run", "state", "duration_s", "seed", "loss"]
    assert table.hidden == ("log_dir",)


def test_scalars_are_every_frame(tree: Path) -> None:
    frames = load(tree).scalars()

    expected = {
        "run": [str(i) for i in range(4) for _ in range(3)],
        "tag": ["loss"] * 12,
        "step": np.array([0, 1, 2] * 4),
        "wall_time": [1000.0, 1001.0, 1002.0] * 4,
        "value": [v for i in range(4) for v in (1.0, 0.5, i / 8)],
    }
    pd.testing.assert_frame_equal(frames, pd.DataFrame(expected))


def test_runs_are_read_where_they_were_found(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tree.parent / "elsewhere" / "multirun" / "0", {"loss": [9.0]})
    monkeypatch.chdir(tree.parent)
    expected = load("multirun").scalars()
    runs = load("multirun")
    monkeypatch.chdir("elsewhere")  # as hydra.job.chdir and a notebook's %cd do

    pd.testing.assert_frame_equal(runs.scalars(), expected)
    assert runs["0"].path == tree / "0"


def test_no_scalars_are_an_empty_frame_of_the_same_columns(tmp_path: Path) -> None:
    write_run(tmp_path / "0")

    frames = load(tmp_path).scalars()

    assert (len(frames), list(frames)) == (0, ["run", "tag", "step", "wall_time", "value"])
    assert [str(frames[c].dtype) for c in ("step", "wall_time", "value")] == ["int64", "float64", "float64"]


def test_scalars_of_chosen_tags(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"train/a": [1.0], "train/b": [2.0], "test/a": [3.0]})
    runs = load(tmp_path)

    assert runs.scalars("train/*")["tag"].tolist() == ["train/a", "train/b"]
    assert runs.scalars(["test/a", "train/b"])["value"].tolist() == [2.0, 3.0]
    with pytest.raises(ViewError, match="no run has a tag 'valid/a'; did you mean 'train/a'"):
        runs.scalars("valid/a")


def test_configs_by_name(tree: Path) -> None:
    runs = load(tree)

    assert runs.config("2") == {"model": {"name": "large"}, "seed": 0, "epochs": 3}
    assert runs.config(runs["2"]).seed == 0
    with pytest.raises(ViewError) as caught:
        runs.config("9")
    assert str(caught.value) == "no run is called '9'; the runs are: 0, 1, 2, 3"
    assert load(write_run(tree.parent / "bare")).config("bare") == {}


def test_groups_are_settings(tree: Path) -> None:
    assert [(g.label, g.runs, g.seeds) for g in load(tree).groups()] == [
        ("small", ("0", "1"), 2),
        ("large", ("2", "3"), 2),
    ]


def events(directory: Path, tag: str, values: list[float], suffix: str = "") -> None:
    writer = SummaryWriter(str(directory), filename_suffix=suffix)
    for step, value in enumerate(values):
        writer.add_scalar(tag, value, step, walltime=5.0)
    writer.close()


def test_our_own_event_file_is_only_a_view_of_the_table(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [0.1]})
    events(run, "loss", [0.1], suffix=rundir.OWN_EVENTS_SUFFIX)

    assert load(run).scalars()["value"].tolist() == [0.1]


def test_without_the_table_our_event_file_is_read(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0")
    events(run, "loss", [0.1], suffix=rundir.OWN_EVENTS_SUFFIX)

    assert load(run).scalars()["value"].tolist() == [float(np.float32(0.1))]

    (run / rundir.PROGRESS).write_text("not,ours\n")
    runs = load(run)

    assert runs.scalars()["value"].tolist() == [float(np.float32(0.1))]
    assert len(runs.problems) == 1


def test_event_files_of_the_user_are_read_in_addition(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [0.1]})
    events(run, "mine", [2.0])
    events(run, "loss", [3.0, 4.0], suffix=".later")

    frames = load(run).scalars()

    assert frames[["tag", "step", "value"]].to_numpy().tolist() == [
        *(["loss", 0, 0.1], ["loss", 0, 3.0], ["loss", 1, 4.0], ["mine", 0, 2.0]),
    ]


def test_directories_of_add_scalars_are_shown_with_the_config_of_their_run(tmp_path: Path) -> None:
    for i in (0, 1):
        run = hydra_run(tmp_path / str(i), f"lr: {i}")
        events(run, "main", [1.0])
        events(run / "loss_train", "loss", [1.0])
        events(run / "loss_val", "loss", [2.0])

    runs = load(tmp_path)

    assert [run.name for run in runs] == [
        *("0", "0/loss_train", "0/loss_val", "1", "1/loss_train", "1/loss_val"),
    ]
    assert runs.table()["lr"].tolist() == [0, 0, 0, 1, 1, 1]
    assert [(g.label, g.runs) for g in runs.groups()][1:3] == [
        ("0, loss_train", ("0/loss_train",)),
        ("0, loss_val", ("0/loss_val",)),
    ]


def test_a_broken_file_harms_no_other_run(tree: Path) -> None:
    table = tree / "1" / rundir.PROGRESS
    table.write_text(table.read_text()[:-1])
    (tree / "2" / rundir.STATUS).write_text("{")
    (tree / "3" / rundir.VARIANT).write_text("{")

    runs = load(tree)
    frames = runs.scalars()
    runs.scalars()

    assert frames.groupby("run").size().to_dict() == {"0": 3, "1": 2, "2": 3, "3": 3}
    assert [re.sub(r" \(.*\)", "", str(p).removeprefix(f"{tree}/")) for p in runs.problems] == [
        "2/status.json: not JSON, perhaps half written",
        "3/variant_config.json: not JSON, perhaps half written",
        "1/progress.csv, offset 46: the last row is torn: it has no line end and was left out",
    ]
    assert runs.table()["state"].fillna("?").tolist() == ["COMPLETED", "COMPLETED", "?", "FAILED"]


def test_a_directory_that_cannot_be_looked_into_is_a_problem(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scandir = os.scandir

    def refusing(path: Path) -> object:
        if path.name == "1":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refusing)
        runs = load(tree)

    assert [run.name for run in runs] == ["0", "2", "3"]
    assert [str(p) for p in runs.problems] == [f"{tree}/1: cannot be read (Permission denied)"]


@pytest.mark.parametrize(("age_s", "state"), [(0.0, "RUNNING"), (600.0, "STALE")])
def test_a_running_run_may_be_half_written_and_a_stale_one_not(
    tmp_path: Path, age_s: float, state: str
) -> None:
    now = time.time()
    run = write_run(tmp_path / "0", state=State.RUNNING, start=now - 1000, heartbeat=now - age_s, end=None)
    (run / rundir.PROGRESS).write_text(progress_text(["a"], [(0, 1.0, [1.0]), (1, 2.0, [2.0])])[:-3])

    runs = load(tmp_path)
    table = runs.table()

    assert table["state"].tolist() == [state]
    assert table["duration_s"].tolist() == pytest.approx([1000 - age_s], abs=5)
    assert table["a"].tolist() == [1.0]
    assert len(runs.problems) == (state == "STALE")


def read_csv(path: Path) -> list[list[str]]:
    with path.open(newline="") as file:
        return list(csv.reader(file))


def test_a_csv_reads_back_bit_for_bit(tmp_path: Path) -> None:
    values = [1e-310, 5e-324, -0.0, NAN, float("inf"), float("-inf"), 16777217.0, 0.1 + 0.2, 1e300]
    for i in (0, 1):
        write_run(tmp_path / str(i), {"a": values, "b,\n": values[::-1]}, config={"seed": i})

    load(tmp_path).to_csv(tmp_path / "out.csv")

    head, *rows = read_csv(tmp_path / "out.csv")
    assert head == ["run", "seed", "tag", "step", "wall_time", "value"]
    assert bits(float(row[5]) for row in rows) == bits([*values, *values[::-1]] * 2)
    assert bits(float(row[4]) for row in rows) == bits([1000.0 + i for i in range(9)] * 4)
    assert [row[2] for row in rows] == [tag for _ in range(2) for tag in ("a", "b,\n") for _ in range(9)]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["0", "1", "out.csv"]


def test_config_cells_of_a_csv(tmp_path: Path) -> None:
    configs = [{"x": None}, {"x": ""}, {}, {"x": 'a,"b"\n'}, {"x": [1, "2"]}, {"x": True}, {"x": 1e-3}]
    for i, config in enumerate(configs):
        write_run(tmp_path / "r" / str(i), {"a": [1.0]}, config=config)

    load(tmp_path / "r").to_csv(tmp_path / "out.csv")

    end = ",a,0,1000.0,1.0\n"
    assert (tmp_path / "out.csv").read_text() == "run,x,tag,step,wall_time,value\n" + "".join(
        f"{i},{cell}{end}"
        for i, cell in enumerate(["null", '""', "", '"a,""b""\n"', '"[1, ""2""]"', "true", "0.001"])
    )


def test_config_keys_named_like_columns_get_a_prefix(tmp_path: Path) -> None:
    for i in (0, 1):
        config = dict.fromkeys(("step", "tag", "value", "run", "wall_time", "lr"), i)
        write_run(tmp_path / str(i), {"a": [1.0]}, config=config)

    load(tmp_path).to_csv(tmp_path / "out.csv")

    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == [
        "run,config.step,config.tag,config.value,config.run,config.wall_time,lr,tag,step,wall_time,value",
        "0,0,0,0,0,0,0,a,0,1000.0,1.0",
    ]


def test_long_curves_are_written_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exptools.viewing.exporters.long._ROWS_AT_ONCE", 7)
    values = [i / 3 for i in range(50)]
    write_run(tmp_path / "0", {"a": values})

    load(tmp_path).to_csv(tmp_path / "out.csv")

    assert [float(row[4]) for row in read_csv(tmp_path / "out.csv")[1:]] == values


def test_an_interrupted_export_leaves_the_old_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tree / "out.csv"
    out.write_text("old")
    runs = load(tree)
    readings = runs.readings

    def interrupted(tags: object = None) -> Iterator[object]:
        yield next(readings())
        raise KeyboardInterrupt

    monkeypatch.setattr(runs, "readings", interrupted)

    with pytest.raises(KeyboardInterrupt):
        runs.to_csv(out)

    assert out.read_text() == "old"
    assert sorted(p.name for p in tree.iterdir()) == ["0", "1", "2", "3", "out.csv"]


def test_an_export_through_a_link_replaces_what_it_names(tree: Path) -> None:
    (tree / "real.csv").write_text("old")
    (tree / "link.csv").symlink_to(tree / "real.csv")

    load(tree).to_csv(tree / "link.csv")

    assert (tree / "link.csv").is_symlink()
    assert len((tree / "real.csv").read_text().splitlines()) == 13


def test_an_export_to_a_pipe_leaves_the_pipe(tree: Path) -> None:
    # A pipe stands for every device: were one of those replaced by a file, the machine would suffer.
    pipe = tree / "pipe"
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)  # opened first, or the writer would wait for it
    try:
        load(tree).to_csv(pipe)
        received = os.read(reader, 65536)
    finally:
        os.close(reader)

    assert pipe.is_fifo()
    assert len(received.splitlines()) == 13


def test_a_full_disk_is_told_and_leaves_the_old_file(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    (tree / "out.csv").write_text("old")
    monkeypatch.setattr("exptools.viewing.exporters.csv.write", full)

    with pytest.raises(ViewError) as caught:
        load(tree).to_csv(tree / "out.csv")

    assert str(caught.value) == f"cannot write {tree}/out.csv: No space left on device; give another file"
    assert (tree / "out.csv").read_text() == "old"
    assert sorted(p.name for p in tree.iterdir()) == ["0", "1", "2", "3", "out.csv"]


def test_a_figure_has_a_line_per_setting(tree: Path, tmp_path: Path) -> None:
    write_run(tree / "3", {"loss": [1.0, 0.5, 0.375]}, config={**load(tree).config("3")})

    drawn, axes = load(tree).plot("loss", file=tmp_path / "loss.pdf")

    (ax,) = axes
    assert [line.get_ydata().tolist() for line in ax.lines] == [[1.0, 0.5, 0.3125], [1.0, 0.5, 0.0625]]
    assert [text.get_text() for text in drawn.legends[0].get_texts()] == ["large", "small"]
    assert drawn.legends[0].get_title().get_text() == "model"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("step", "loss")
    assert ax.get_title(loc="left") == "mean and 1 sd over 2 seeds"
    assert len(ax.collections) == 2
    data = (tmp_path / "loss.pdf").read_bytes()
    assert data.startswith(b"%PDF")
    assert b"/Type3" not in data and b"/CIDFontType2" in data


@pytest.mark.parametrize(("name", "start"), [("f.png", b"\x89PNG"), ("f.SVG", b"<?xml"), ("f.pdf", b"%PDF")])
def test_the_ending_says_the_format(tree: Path, tmp_path: Path, name: str, start: bytes) -> None:
    with pytest.warns(UserWarning, match="1 of 4 runs not completed, drawn as far as they go: 3 .FAILED."):
        load(tree).plot("loss", file=tmp_path / name)

    assert (tmp_path / name).read_bytes().startswith(start)


def test_one_run_is_drawn_without_legend_and_band(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0, 0.5]}, config={"lr": 1})

    drawn, (ax,) = load(tmp_path).plot("loss")

    assert (drawn.legends, ax.get_title(loc="left")) == ([], "one run")


def test_captions_say_how_many(tmp_path: Path) -> None:
    for i, lr in enumerate([1, 1, 1, 2, 2]):
        write_run(tmp_path / str(i), {"loss": [1.0, 0.5]}, config={"lr": lr})

    shown = load(tmp_path).panels("loss")

    assert curves.said(shown.panels[0], shown.source) == "mean and 1 sd over 2 to 3 runs"


def test_a_panel_per_tag_in_the_order_asked_for(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a1": [1.0], "a10": [2.0], "a2": [3.0], "b": [4.0]})

    drawn = load(tmp_path).panels("b", "a*")

    assert [panel.tag for panel in drawn] == ["b", "a1", "a2", "a10"]
    assert len(drawing.draw(drawn).axes) == 4


def test_missing_failed_and_nan_are_told(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0, NAN]}, config={"lr": 1})
    write_run(tmp_path / "1", {"loss": [1.0, 2.0]}, config={"lr": 2}, state=State.FAILED)
    write_run(tmp_path / "2", {"other": [1.0]}, config={"lr": 3}, state=State.TIMEOUT)
    write_run(tmp_path / "3", config={"lr": 4}, state=None)

    assert list(load(tmp_path).panels("loss").notes) == [
        "loss: missing in 2 of 4 runs: 2 (TIMEOUT), 3",
        "loss: 1 of 4 runs not completed, drawn as far as they go: 1 (FAILED)",
        "loss: values that are not finite, or beyond 1e150, leave gaps in 0 (1 of 2)",
    ]


def test_tags_and_labels_are_shown_as_they_are(tmp_path: Path) -> None:
    for i, name in enumerate(["_hidden", "$x^2$", "a$b"]):
        write_run(tmp_path / str(i), {"$\\alpha": [1.0, 2.0]}, config={"name": name})

    drawn, (ax,) = load(tmp_path).plot("$\\alpha", file=tmp_path / "f.png")

    assert ax.get_ylabel() == "$\\alpha"
    texts = drawn.legends[0].get_texts()
    assert [t.get_text() for t in texts] == ["$x^2$", " _hidden", "a$b"]
    assert not any(t.get_parse_math() for t in (*texts, ax.yaxis.label))


def test_what_the_font_cannot_show_is_told(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"\U0001f600\u4e2d": [1.0]})
    drawn = load(tmp_path).panels("*")

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        told = save.save(drawing.draw(drawn).figure, tmp_path / "f.png")

    assert told and all("missing from font" in text for text in told)


def test_a_figure_needs_no_pyplot(tree: Path, tmp_path: Path) -> None:
    import subprocess
    import sys

    code = (
        "import sys, warnings; warnings.simplefilter('ignore');"
        "from exptools.viewing import load; load(sys.argv[1]).plot('loss', file=sys.argv[2]);"
        "print('matplotlib.pyplot' in sys.modules)"
    )
    args = [sys.executable, "-c", code, str(tree), str(tmp_path / "f.png")]

    assert subprocess.run(args, capture_output=True, text=True, check=True).stdout == "False\n"


def test_figure_errors(tree: Path, tmp_path: Path) -> None:
    runs = load(tree)

    def told(*tags: str, file: Path | None = None) -> str:
        with pytest.raises(ViewError) as caught:
            runs.plot(*tags, file=file)
        return str(caught.value)

    assert told() == "no tag was given; name at least one, for example 'loss'"
    assert told("los") == "no run has a tag 'los'; did you mean 'loss'? The tags are: loss"
    assert told("loss", file=tmp_path / "f.jpg") == (
        f"cannot write {tmp_path}/f.jpg: the ending '.jpg'; a figure can be .pdf, .png, .svg, .pgf"
    )
    assert told("loss", file=tmp_path / "fig") == (
        f"cannot write {tmp_path}/fig: no ending; a figure can be .pdf, .png, .svg, .pgf"
    )
    assert told("loss", file=tmp_path / "no" / "f.pdf") == (
        f"cannot write {tmp_path}/no/f.pdf: there is no directory {tmp_path}/no; make it first"
    )


def test_a_tag_without_a_value_yet(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0")
    (run / rundir.PROGRESS).write_text("step,wall_time,loss\n")

    assert load(tmp_path).table().columns.tolist() == ["run", "state", "duration_s"]
    with pytest.raises(ViewError) as caught:
        load(tmp_path).panels("loss")
    assert str(caught.value) == "'loss': none of these runs has logged a value of it yet; try again later"


def test_a_long_curve_is_drawn_by_its_extremes(tmp_path: Path) -> None:
    values = [0.5] * 100_000
    values[777], values[50_001] = 9.0, -9.0
    write_run(tmp_path / "0", {"loss": values}, config={"seed": 0})
    write_run(tmp_path / "1", {"loss": values}, config={"seed": 1})

    (ax,) = load(tmp_path).plot("loss", file=tmp_path / "f.pdf")[1]

    drawn = ax.lines[0].get_ydata()
    assert (min(drawn), max(drawn)) == (-9.0, 9.0)
    assert len(drawn) < 5000
    assert (tmp_path / "f.pdf").stat().st_size < 200_000


def test_what_is_not_too_long_is_drawn_point_by_point() -> None:
    step = np.arange(4000.0)

    assert curves.extremes(step, step, step) == (step, step, step)
