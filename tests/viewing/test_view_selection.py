"""Choosing runs: by their config, their scalars, their state, the newest, the best."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.rundir import State, Status
from exptools.viewing import cli, load
from exptools.viewing.api import Runs

NAN = float("nan")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Run: optimizer.lr, model.name, the last test/acc."""
    for i, (lr, model, acc) in enumerate(
        [(1e-3, "small", 0.5), (1e-3, "large", 0.9), (0.1, "small", 0.95), ("auto", "large", NAN)]
    ):
        config = {"optimizer": {"lr": lr}, "model": {"name": model, "kind": "mlp"}, "seed": i}
        curves = {"test/acc": [0.99 - i / 10, acc], "lr": [1.0, 0.25 * i]}
        write_run(tmp_path / "runs" / str(i), curves, config=config)
    bare = write_run(
        tmp_path / "runs" / "4", config={"optimizer": {"lr": None}, "model": {"kind": "mlp"}, "drop": [1, 2]}
    )
    rundir.write_status(bare, Status(State.FAILED, start=5.0, end=6.0, error="E"))
    return tmp_path / "runs"


def names(runs: Runs) -> str:
    return " ".join(run.name for run in runs)


@pytest.mark.parametrize(
    ("where", "chosen"),
    [
        ("optimizer.lr=1e-3", "0 1"),
        ("optimizer.lr==0.001", "0 1"),
        ("lr = 1e-3", "0 1"),
        ("lr='1e-3'", ""),
        ("lr=auto", "3"),
        ("lr='auto'", "3"),
        ("lr=1e-3,0.1", "0 1 2"),
        ("lr!=1e-3,0.1", "3 4"),
        ("lr!=1e-3", "2 3 4"),
        ("lr<0.1", "0 1"),
        ("lr<=0.1", "0 1 2"),
        ("lr>=1e-1", "2"),
        ("lr=null", "4"),
        ("lr~a*", "3"),
        ("lr~0.*", "0 1 2"),
        ("model=small", "0 2"),
        ("model!=small", "1 3 4"),
        ("model.name~[st]mall,lar*", "0 1 2 3"),
        ("model~SMALL", ""),
        ("drop", "4"),
        ("drop=[1,2]", "4"),
        ("drop=[1.0, 2]", "4"),
        ("drop='[1, 2]'", ""),
        ("drop=null", ""),
        ("drop~*", "4"),
        ("!drop", "0 1 2 3"),
        ("acc~*", "0 1 2 3"),
        ("drop!=3", "0 1 2 3 4"),
        ("seed>0", "1 2 3"),
        ("acc>0.9", "2"),
        ("acc>=0.9", "1 2"),
        ("test/acc<1", "0 1 2"),
        ("acc=nan", "3"),
        ("acc!=nan", "0 1 2 4"),
        ("acc", "0 1 2 3"),
        ("!acc", "4"),
        ("last.acc=0.5", "0"),
        ("final(acc)=0.5", "0"),
        ("max(acc)>0.9", "0 2"),
        ("min(test/acc)<0.6", "0"),
        ("mean(acc)>0.85", "1 2"),
        ("last.lr>0.3", "2 3"),
        ("config.lr=0.1", "2"),
        ("run=0", "0"),
        ("run=0,3", "0 3"),
        ("run~[12]", "1 2"),
        ("run!=0", "1 2 3 4"),
        ("state=failed", "4"),
        ("state!=FAILED", "0 1 2 3"),
        ("duration>10", "0 1 2 3"),
        ("duration_s<=1", "4"),
        ("error=E", "4"),
    ],
)
def test_a_condition_chooses(tree: Path, where: str, chosen: str) -> None:
    assert names(load(tree).select(where)) == chosen


def test_numbers_texts_and_truths_are_told_apart(tmp_path: Path) -> None:
    for i, value in enumerate([1, 1.0, True, "1", "true", [1], [True]]):
        write_run(tmp_path / str(i), config={"x": value})
    runs = load(tmp_path)

    answers = [
        names(runs.select(f"x={text}")) for text in ("1", "1.0", "true", "'1'", "'true'", "[1]", "[true]")
    ]

    assert answers == ["0 1", "0 1", "2", "3", "4", "5", "6"]
    assert names(runs.select("x>=1")) == "0 1"


def test_all_conditions_must_hold_and_no_exclusion(tree: Path) -> None:
    runs = load(tree)

    assert names(runs.select(["lr=1e-3", "acc>0.5"])) == "1"
    assert names(runs.select("lr=1e-3", "acc>0.5")) == "0"
    assert names(runs.select(exclude=["lr=1e-3", "state=failed"])) == "2 3"
    assert names(runs.select(["lr=1e-3"], ["lr=1e-3"])) == ""
    assert names(runs.select()) == "0 1 2 3 4"


def test_keys_and_tags_that_hold_operators_are_quoted(tmp_path: Path) -> None:
    for i in (0, 1):
        write_run(tmp_path / str(i), {"acc@k=5": [float(i)], "f(x)": [float(-i)]}, config={"a": {"b.c": i}})
    runs = load(tmp_path)

    assert names(runs.select('a."b.c"=1')) == "1"
    assert names(runs.select('"b.c"=1')) == "1"
    assert names(runs.select('"acc@k=5">0')) == "1"
    assert names(runs.select('max("acc@k=5")>0')) == "1"
    assert names(runs.select('"f(x)"<0')) == "1"


def test_a_key_that_holds_a_dot_is_told_from_the_same_path_by_its_quotes(tmp_path: Path) -> None:
    for i in (0, 1):
        write_run(tmp_path / str(i), {}, config={"b.c": i, "b": {"c": 1 - i}})
    runs = load(tmp_path)

    assert names(runs.select('"b.c"=1')) == "1"
    assert names(runs.select("b.c=1")) == "0"
    assert [column.name for column in runs.summary(columns='"b.c"').columns] == ["run", '"b.c"']


def test_a_key_goes_before_a_scalar_and_a_note_says_so(tree: Path) -> None:
    runs = load(tree).select("lr=0.1")

    runs.table()

    assert names(runs) == "2"
    assert runs.notes == ("lr is taken for the config key optimizer.lr; last.lr is the scalar of that name",)
    assert load(tree).select("config.lr=0.1").notes == ()


def test_conditions_on_keys_read_no_scalars(tree: Path) -> None:
    (tree / "0" / rundir.PROGRESS).write_text("step,wall_time,a\nbad\n")
    runs = load(tree)

    chosen = runs.select(["model=small", "state=completed"])
    assert runs.problems == ()

    chosen.table()
    assert runs.problems == chosen.problems != ()


def test_of_several_keys_the_one_that_differs_is_meant(tmp_path: Path) -> None:
    for i in (0, 1):
        write_run(tmp_path / str(i), config={"a": {"lr": i}, "b": {"lr": 5}, "c": {"x": i}, "d": {"x": i}})
    runs = load(tmp_path)

    assert names(runs.select("lr=1")) == "1"
    with pytest.raises(ViewError) as caught:
        runs.select("x=1")
    assert str(caught.value) == "x can be any of 2 columns: c.x, d.x; give one of these names"


@pytest.mark.parametrize(
    ("where", "error"),
    [
        (
            "modle=small",
            "no run has a column 'modle'; did you mean 'model.name' or 'model.kind'? The columns are: drop, "
            "duration_s, error, lr, model.kind, model.name, optimizer.lr, run, seed, state, test/acc",
        ),
        (
            "acc>big",
            "acc>big: > compares numbers, and 'big' is none; use = or ~ for a text",
        ),
        ("acc>1,2", "acc>1,2: > compares numbers, and '1,2' is none; use = or ~ for a text"),
        (
            "=3",
            "'=3' is no condition; write NAME=VALUE, with one of = != < <= > >= ~ between them, "
            "or NAME or !NAME for its being there or not",
        ),
        (
            "",
            "'' is no condition; write NAME=VALUE, with one of = != < <= > >= ~ between them, "
            "or NAME or !NAME for its being there or not",
        ),
        (
            "best(acc)>1",
            "best(acc): there is no statistic 'best'; give one of final, max, min, mean, tail, auc, "
            "auc_normalized; put a name that holds brackets into quotes",
        ),
        ("lr='a", "'a: the quote is not closed; close it, or write \\'"),
    ],
)
def test_what_cannot_be_asked_is_one_line_and_2(tree: Path, where: str, error: str, capsys: Any) -> None:
    assert cli.main([str(tree), "--where", where]) == 2
    assert capsys.readouterr().err == f"exptools-view: error: {error}\n"


def test_runs_that_have_no_answer_are_counted(tree: Path) -> None:
    hydra_run(tree / "5", "a: 1")
    write_run(tree / "6")

    runs = load(tree).select(["acc>0", "lr<1", "seed!=7"])

    assert names(runs) == "0 1 2"
    assert runs.notes == (
        "acc>0 does not hold for 4 runs in which test/acc is missing, nan or no number",
        "lr<1 holds for none of 1 run whose config is unknown",
        "lr<1 does not hold for 3 runs in which optimizer.lr is missing, nan or no number",
        "seed!=7 holds for none of 1 run whose config is unknown",
        "lr is taken for the config key optimizer.lr; last.lr is the scalar of that name",
    )


def test_of_a_run_whose_config_is_unknown_no_condition_on_a_key_holds(tree: Path) -> None:
    write_run(tree / "6", {"acc": [1.0]})
    runs = load(tree)

    assert names(runs.select("seed!=7")) == "0 1 2 3 4"
    assert names(runs.select("!drop")) == "0 1 2 3"
    assert names(runs.select(exclude="seed!=7")) == "6"


def test_a_condition_that_never_holds_says_what_there_is(tree: Path) -> None:
    runs = load(tree)

    assert runs.select("lr='0.1'").notes[0] == (
        "lr='0.1' holds for no run; optimizer.lr is 0.001 (2), 0.1 (1), auto (1), null (1)"
    )
    assert runs.select("drop=3").notes == ("drop=3 holds for no run; drop is [1, 2] (1), (missing) (4)",)
    for i in range(9):
        write_run(tree / f"x{i}", {"loss": [i / 8]}, config={})
    assert load(tree).select("run~x*").select("loss>9").notes == (
        "loss>9 holds for no run; loss is 9 values from 0.0 to 1.0",
    )


def test_states(tree: Path) -> None:
    hydra_run(tree / "5", "a: 1")
    runs = load(tree)

    assert names(runs.select(states="failed")) == "4"
    assert names(runs.select(states=["FAILED", "unknown"])) == "4 5"
    assert names(runs.select("state=failed,unknown")) == "4 5"
    assert names(runs.select("state!=unknown")) == names(runs.select(exclude="state=unknown")) == "0 1 2 3 4"
    with pytest.raises(ViewError) as caught:
        runs.select(states="done")
    assert str(caught.value) == (
        "there is no state 'done'; the states are: queued, running, completed, failed, interrupted, timeout, "
        "preempted, stale, unknown"
    )


def test_the_latest_sweep_is_that_in_which_a_run_began_last(tmp_path: Path) -> None:
    for sweep, starts in (("b", (50.0, 51.0)), ("a", (9.0, 90.0)), ("c", (70.0, 71.0))):
        for i, start in enumerate(starts):
            write_run(tmp_path / sweep / str(i), start=start, end=200.0)
        (tmp_path / sweep / rundir.SWEEP).write_text("{}")

    assert names(load(tmp_path).select(latest=True)) == "a/0 a/1"


def test_the_latest_sweep_by_the_time_of_its_directory(tmp_path: Path) -> None:
    for sweep in ("b", "a"):
        hydra_run(tmp_path / sweep / "0", "lr: 1")
        (tmp_path / sweep / "multirun.yaml").touch()
    os.utime(tmp_path / "a", (10, 10))

    assert names(load(tmp_path).select(latest=True)) == "b/0"


def test_latest_comes_before_the_conditions(tmp_path: Path) -> None:
    for sweep, start in (("a", 1.0), ("b", 2.0)):
        for lr in (1, 2):
            write_run(tmp_path / sweep / str(lr), config={"lr": lr}, start=start, end=9.0)

    assert names(load(tmp_path).select("lr=1", latest=True)) == "b/1"


def test_the_best_come_first(tree: Path) -> None:
    runs = load(tree)

    assert names(runs.select(best=2, max="acc")) == "2 1"
    assert names(runs.select(best=2, min="acc")) == "0 1"
    assert names(runs.select(best=1, max="max(acc)")) == "0"
    assert names(runs.select("lr=1e-3", best=5, max="acc")) == "1 0"
    assert names(runs.select(best=2, max="seed")) == "3 2"


def test_who_cannot_be_the_best_is_told(tree: Path) -> None:
    assert load(tree).select(best=4, max="acc").notes == (
        "of 5 runs the 3 with the greatest final value of test/acc",
        "2 runs cannot be among the best: test/acc is missing, nan or no number there",
    )


def test_those_as_good_as_the_best_are_told(tmp_path: Path) -> None:
    for i, loss in enumerate([2.0, 1.0, 1.0, 1.0]):
        write_run(tmp_path / str(i), {"loss": [loss]})

    runs = load(tmp_path).select(best=1, min="loss")

    assert names(runs) == "1"
    assert runs.notes == (
        "of 4 runs the 1 with the least final value of loss",
        "2 more runs are as good as the last of them: loss is 1.0",
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--best", "3"],
            "the best are chosen by a number and one scalar: --best 3 with --max acc or --min loss",
        ),
        (
            ["--max", "acc"],
            "the best are chosen by a number and one scalar: --best 3 with --max acc or --min loss",
        ),
        (["--best", "0", "--max", "acc"], "the 0 best cannot be chosen; give 1 or more"),
        (
            ["--best", "x", "--max", "acc"],
            "argument --best: invalid int value: 'x'; see exptools-view --help",
        ),
        (
            ["--best", "1", "--max", "auc"],
            "no run has a column 'auc'. The columns are: drop, duration_s, error, lr, model.kind, "
            "model.name, optimizer.lr, run, seed, state, test/acc",
        ),
    ],
)
def test_a_best_that_cannot_be(tree: Path, words: list[str], error: str, capsys: Any) -> None:
    assert cli.main([str(tree), *words]) == 2
    assert capsys.readouterr().err == f"exptools-view: error: {error}\n"


def test_the_command_line_chooses_and_counts(tree: Path, capsys: Any) -> None:
    words = [
        "--where",
        "lr~*",
        "--exclude",
        "model=small",
        "--state",
        "completed,failed",
        "--columns",
        "optimizer.lr",
    ]
    assert cli.main([str(tree), *words]) == 0

    shown = capsys.readouterr()
    assert shown.out == "run\toptimizer.lr\n1\t0.001\n3\tauto\n4\tnull\n"
    assert shown.err.splitlines()[0] == "exptools-view: 3 of 5 runs chosen"


def test_no_run_is_no_error(tree: Path, capsys: Any) -> None:
    assert cli.main([str(tree), "--state", "timeout", "--tags", "acc"]) == 0

    shown = capsys.readouterr()
    assert shown.out == "run\tstate\tduration_s\n"
    assert shown.err == "exptools-view: 0 of 5 runs chosen\n"


def test_other_things_are_made_of_the_chosen_alone(tree: Path, capsys: Any) -> None:
    cli.main([str(tree), "--csv", "--tags", "test/acc", "--where", "lr=0.1"])

    assert {line.split(",")[0] for line in capsys.readouterr().out.splitlines()[1:]} == {"2"}
    assert load(tree).scalars("lr", where="acc>0.9")["run"].tolist() == ["2", "2"]


def test_what_is_found_of_the_chosen_is_found_of_all(tree: Path) -> None:
    (tree / "1" / rundir.PROGRESS).write_text("step,wall_time,a\nbad\n")
    runs = load(tree)
    chosen = runs.select("run=1")

    chosen.scalars()

    assert [p.path.parent.name for p in runs.problems] == ["1"]


def test_rows_are_sorted_by_a_column(tree: Path) -> None:
    runs = load(tree)

    assert runs.table(sort="acc")["run"].tolist() == ["0", "1", "2", "3", "4"]
    assert runs.table(sort="acc", descending=True)["run"].tolist() == ["2", "1", "0", "3", "4"]
    assert runs.table(sort="optimizer.lr")["run"].tolist() == ["0", "1", "2", "3", "4"]
    assert runs.table(sort="lr", descending=True)["run"].tolist() == ["3", "2", "1", "0", "4"]  # the scalar
    assert runs.table(sort="config.lr", descending=True)["run"].tolist() == ["4", "3", "2", "0", "1"]
    assert runs.table(sort="model", descending=True)["run"].tolist() == ["0", "2", "1", "3", "4"]
    assert runs.table(sort="max(acc)")["run"].tolist() == ["1", "2", "0", "3", "4"]
    assert runs.table(sort="state", tags="lr").columns.tolist() == [
        *("run", "state", "duration_s", "optimizer.lr", "model.name", "seed", "drop"),
        *("lr", "error"),
    ]


def test_numbers_are_sorted_by_size_and_missing_ones_are_last(tmp_path: Path) -> None:
    for i, x in enumerate([10, "b", 9.5, None, NAN, "a10", "a9"]):
        write_run(tmp_path / str(i), config={"x": x})
    write_run(tmp_path / "7", config={"y": 1})
    runs = load(tmp_path)

    assert names_of(runs.table(sort="x")) == "2 0 6 5 1 3 4 7"
    assert names_of(runs.table(sort="x", descending=True)) == "3 1 5 6 0 2 4 7"


def names_of(table: Any) -> str:
    return " ".join(table["run"])


def test_of_two_things_of_one_name_the_column_that_bears_it_is_sorted_by(tmp_path: Path) -> None:
    for i in range(3):
        write_run(tmp_path / str(i), {"loss": [[1.0, 3.0, 2.0][i]]}, config={"loss": i})
    runs = load(tmp_path)

    assert names_of(runs.table(sort="loss")) == "0 2 1"
    assert names_of(runs.table(sort="config.loss", descending=True)) == "2 1 0"
    assert names_of(runs.table(sort="last.loss", descending=True)) == "1 2 0"


def test_columns_can_be_named_in_short_and_by_other_statistics(tree: Path) -> None:
    table = load(tree).table(columns=["model", "acc", "max(acc)", "mean(test/*)", "duration"])

    assert table.columns.tolist() == [
        *("run", "model.name", "test/acc", "max(test/acc)", "mean(test/acc)", "duration_s"),
    ]
    assert table["max(test/acc)"].tolist()[:3] == [0.99, 0.9, 0.95]
