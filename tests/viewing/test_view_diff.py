"""--diff: in what two runs differ; --keys: which config keys differ between all."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.rundir import State
from exptools.viewing import cli, load

HEAD = "part\tname\t{}\t{}\tchange\tratio\n"


def attempt(**more: Any) -> dict[str, Any]:
    """An entry of provenance.json."""
    return {
        "attempt": 1,
        "start": 1.0,
        "state": "COMPLETED",
        "config": {"lr": 5},
        "argv": ["train.py", "lr=1"],
        "repository": {"commit": "abc", "dirty": False},
        "packages": {"numpy": "2.0", "torch": "2.1"},
        "machine": {"host": "a", "memory": 5},
        "gpus": [],
        **more,
    }


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "multirun"
    one = write_run(root / "0", {"loss": [1.0, 0.5], "same": [1.0, 2.0], "old": [0.0, 1.0]}, config={
        "lr": 0.1, "model": {"name": "small", "depth": 2}, "seed": 0, "drop": None
    })  # fmt: skip
    two = write_run(root / "1", {"loss": [1.0, 0.25], "same": [0.0, 2.0], "new": [0.0, 1.0]}, config={
        "lr": 0.1, "model": {"name": "large", "depth": 2.0}, "seed": 1
    }, state=State.FAILED, error="E")  # fmt: skip
    first = {"attempts": [attempt(argv=["other.py"])]}
    rundir.write_json(one / rundir.PROVENANCE, {"attempts": [attempt(attempt=0, argv=["gone"]), attempt()]})
    entry = attempt(
        argv=["train.py", "lr=2"],
        repository={"commit": "abd", "dirty": True, "patch": "provenance-1.patch"},
        packages={"numpy": "2.0", "torch": "2.2"},
        machine={"host": "b", "memory": 5},
        gpus=[{"name": "H100"}],
    )
    rundir.write_json(two / rundir.PROVENANCE, {"attempts": [*first["attempts"], {**entry, "attempt": 2}]})
    return root


ROWS = """\
run\tstate\tCOMPLETED\tFAILED\t\t
run\terror\t-\tE\t\t
config\tmodel.name\tsmall\tlarge\t\t
config\tseed\t0\t1\t\t
config\tdrop\tnull\t(missing)\t\t
provenance\targv\t["train.py", "lr=1"]\t["train.py", "lr=2"]\t\t
provenance\trepository.commit\tabc\tabd\t\t
provenance\trepository.dirty\tfalse\ttrue\t\t
provenance\tpackages.torch\t2.1\t2.2\t\t
provenance\tmachine.host\ta\tb\t\t
provenance\tgpus\t[]\t[{"name": "H100"}]\t\t
provenance\trepository.patch\t(missing)\tprovenance-1.patch\t\t
scalar\tloss\t0.5\t0.25\t-0.25\t0.5
scalar\told\t1.0\t(missing)\t\t
scalar\tnew\t(missing)\t1.0\t\t
"""


@pytest.mark.parametrize("words", [["TREE", "--diff", "0", "1"], ["--diff", "TREE/0", "TREE/1"]])
def test_only_what_differs_is_told(tree: Path, words: list[str], capsys: Any) -> None:
    assert cli.main([word.replace("TREE", str(tree)) for word in words]) == 0
    assert capsys.readouterr() == (HEAD.format("0", "1") + ROWS, "")


def test_a_run_can_be_named_by_its_directory(
    tree: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree)

    assert cli.main(["..", "--diff", "0", "multirun/1"]) == 0
    assert capsys.readouterr().out == HEAD.format("multirun/0", "multirun/1") + ROWS


def test_differences_as_json(tree: Path, capsys: Any) -> None:
    cli.main([str(tree), "--diff", "0", "1", "--json"])

    found = json.loads(capsys.readouterr().out)

    by_name = {row["name"]: row for row in found}
    assert len(found) == len(ROWS.splitlines())
    assert by_name["loss"] == {
        "part": "scalar",
        "name": "loss",
        "one": 0.5,
        "other": 0.25,
        "change": -0.25,
        "ratio": 0.5,
    }
    assert by_name["drop"] == {"part": "config", "name": "drop", "one": None}
    assert by_name["gpus"]["other"] == [{"name": "H100"}]


def test_runs_that_do_not_differ(tree: Path, capsys: Any) -> None:
    assert cli.main([str(tree), "--diff", "1", "1"]) == 0
    assert capsys.readouterr() == (HEAD.format("1", "1"), "exptools-view: 1 and 1 do not differ\n")
    assert cli.main([str(tree), "--diff", "1", "1", "--json"]) == 0
    assert capsys.readouterr().out == "[]\n"


def test_what_is_unknown_of_one_is_one_line(tree: Path, capsys: Any) -> None:
    write_run(tree / "2", {"loss": [0.5]})

    assert cli.main([str(tree), "--diff", "0", "2"]) == 0
    assert [line.split("\t")[:4] for line in capsys.readouterr().out.splitlines()[1:]] == [
        ["config", "config", "(known)", "-"],
        ["provenance", "recorded", "true", "false"],
        ["scalar", "same", "2.0", "(missing)"],
        ["scalar", "old", "1.0", "(missing)"],
    ]


def test_a_provenance_that_cannot_be_read_is_named(tree: Path, capsys: Any) -> None:
    (tree / "1" / rundir.PROVENANCE).write_text("[]")

    assert cli.main([str(tree), "--diff", "0", "1"]) == 1
    shown = capsys.readouterr()
    assert "provenance\trecorded\ttrue\tfalse" in shown.out
    assert shown.err == f"exptools-view: {tree}/1/provenance.json: not a provenance that exptools wrote\n"


def test_ratios_by_zero_and_nan(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [0.0], "b": [float("nan")], "c": [float("nan")]})
    write_run(tmp_path / "1", {"a": [1.0], "b": [1.0], "c": [float("nan")]})

    rows = load(tmp_path).diff("0", "1").rows

    assert [(row.name, str(row.change), str(row.ratio)) for row in rows] == [
        ("a", "1.0", "None"),
        ("b", "nan", "nan"),
    ]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["TREE", "--diff", "0", "7"], "no run is called '7'; the runs are: 0, 1"),
        (["--diff", "TREE", "TREE/1"], "no run is called 'TREE'; the runs are: 0, 1"),
        (
            ["--diff", "TREE/0", "no"],
            "no does not exist; give a directory that holds runs, for example multirun/",
        ),
        (["TREE", "--diff", "0"], "argument --diff: expected 2 arguments; see exptools-view --help"),
    ],
)
def test_what_is_no_run_is_told(tree: Path, words: list[str], error: str, capsys: Any) -> None:
    assert cli.main([word.replace("TREE", str(tree)) for word in words]) == 2
    assert capsys.readouterr().err == f"exptools-view: error: {error}\n".replace("TREE", str(tree))


def on_terminal(words: list[str], cwd: Path, columns: int = 80) -> Terminal:
    terminal = Terminal([sys.executable, "-m", "exptools.viewing.cli", *words], cwd, 30, columns)
    assert terminal.wait() == 0
    return terminal


def test_differences_on_a_terminal(tree: Path) -> None:
    terminal = on_terminal([".", "--diff", "0", "1"], tree)

    assert terminal.screen() == [
        "                     0                     1                     change  ratio",
        "─" * 78,
        "run",
        "  state              COMPLETED             FAILED",
        "  error              -                     E",
        "config",
        "  model.name         small                 large",
        "  seed               0                     1",
        "  drop               null                  (missing)",
        "code and machine",
        '  argv               ["train.py", "lr=1"]  ["train.py", "lr=2"]',
        "  repository.commit  abc                   abd",
        "  repository.dirty   false                 true",
        "  packages.torch     2.1                   2.2",
        "  machine.host       a                     b",
        '  gpus               []                    [{"name": "H100"}]',
        "  repository.patch   (missing)             provenance-1.patch",
        "last values",
        "  loss               0.5                   0.25                   -0.25    0.5",
        "  old                1                     (missing)",
        "  new                (missing)             1",
    ]
    cells = terminal.cells()
    assert {cells[6][column].fg for column in (21, 43)} == {"red", "green"}


def test_runs_that_do_not_differ_on_a_terminal(tree: Path) -> None:
    assert on_terminal([".", "--diff", "0", "0"], tree).screen() == ["exptools-view: 0 and 0 do not differ"]


KEYS = """\
key\trole\tvalues
lr\tsetting\t0.1 (2), '0.1' (1), (missing) (1)
seed\tseed\t0 (1), 1 (1), (missing) (2)
log_dir\tbookkeeping\t/a (1), /b (1), (missing) (2)
"""


@pytest.fixture
def different(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    write_run(root / "0", config={"lr": 0.1, "seed": 0, "log_dir": "/a", "same": 1})
    write_run(root / "1", config={"lr": 0.1, "seed": 1, "log_dir": "/b", "same": 1})
    write_run(root / "2", config={"lr": "0.1", "same": 1.0})
    hydra_run(root / "3", "same: 1")
    write_run(root / "4")
    return root


def test_every_key_that_differs_is_listed_with_its_values(different: Path, capsys: Any) -> None:
    assert cli.main([str(different), "--keys"]) == 0
    assert capsys.readouterr() == (KEYS, "")


def test_keys_as_json(different: Path, capsys: Any) -> None:
    cli.main([str(different), "--keys", "--json"])

    assert json.loads(capsys.readouterr().out) == [
        {
            "key": "lr",
            "role": "setting",
            "values": [{"value": 0.1, "runs": 2}, {"value": "0.1", "runs": 1}],
            "missing": 1,
        },
        {
            "key": "seed",
            "role": "seed",
            "values": [{"value": 0, "runs": 1}, {"value": 1, "runs": 1}],
            "missing": 2,
        },
        {
            "key": "log_dir",
            "role": "bookkeeping",
            "values": [{"value": "/a", "runs": 1}, {"value": "/b", "runs": 1}],
            "missing": 2,
        },
    ]


def test_keys_on_a_terminal(tmp_path: Path) -> None:
    for i in range(15):
        write_run(tmp_path / str(i), config={"lr": i % 2, "log_dir": f"/long/directory/{i:03}"})

    assert on_terminal([".", "--keys"], tmp_path, 60).screen() == [
        "key      role         values",
        "─" * 60,
        "lr       setting      0 (8), 1 (7)",
        "log_dir  bookkeeping  /long/directory/000 (1),",
        *(f"                      /long/directory/{i:03} (1)," for i in range(1, 11)),
        "                      /long/directory/011 (1) and 3 more",
    ]


def test_keys_and_their_values_are_typed_as_in_conditions(different: Path) -> None:
    runs = load(different)
    for key in runs.keys():  # noqa: SIM118
        for value, n in key.values:
            from exptools.viewing.compare import MISSING
            from exptools.viewing.selection import shown

            condition = f"!{key.name}" if value is MISSING else f"{key.name}={shown(value)}"
            assert len(runs.select(condition)) == n, condition
