"""--json: the table of runs for jq and for programs."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from view_files import sweep, write_run

from exptools.rundir import State
from exptools.viewing import cli

COMMAND = [sys.executable, "-m", "exptools.viewing.cli"]


def refuse(constant: str) -> None:
    raise AssertionError(f"{constant} is no JSON")


def loaded(text: str) -> Any:
    """What a strict reader makes of it."""
    return json.loads(text, parse_constant=refuse)


def test_an_object_per_run(tmp_path: Path, capsys: Any) -> None:
    tree = sweep(tmp_path / "multirun")

    assert cli.main([str(tree), "--json", "--sort", "loss", "--desc"]) == 0

    out = capsys.readouterr().out
    assert out.splitlines()[1] == (
        '{"run": "3", "state": "FAILED", "duration_s": 2.0, "model.name": "large", "seed": 1, "loss": 0.375, '
        '"error": "ValueError: too big"},'
    )
    assert [run["run"] for run in loaded(out)] == ["3", "2", "1", "0"]


def test_numbers_are_whole_and_what_json_has_no_word_for_is_a_text(tmp_path: Path, capsys: Any) -> None:
    values = [0.1 + 0.2, 5e-324, float("nan"), float("inf"), float("-inf")]
    for i, value in enumerate(values):
        config = {"x": value, "y": [value, {"z": None}], "big": 2**70 + i, "t": i > 0}
        write_run(tmp_path / str(i), {"loss": [value]}, config=config)

    cli.main([str(tmp_path), "--json"])

    found = loaded(capsys.readouterr().out)
    said = [0.30000000000000004, 5e-324, "nan", "inf", "-inf"]
    assert [run["loss"] for run in found] == said
    assert [run["x"] for run in found] == said
    assert [run["y"] for run in found] == [[value, {"z": None}] for value in said]
    assert [run["big"] for run in found] == [2**70 + i for i in range(5)]
    assert [run["t"] for run in found] == [False, True, True, True, True]


def test_missing_is_not_there_and_null_is_the_null_of_a_config(tmp_path: Path, capsys: Any) -> None:
    write_run(tmp_path / "0", {"a": [1.0]}, config={"x": None})
    write_run(tmp_path / "1", config={"y": 1}, state=State.QUEUED, start=None, end=None)

    cli.main([str(tmp_path), "--json"])

    assert loaded(capsys.readouterr().out) == [
        {"run": "0", "state": "COMPLETED", "duration_s": 12.5, "x": None, "a": 1.0},
        {"run": "1", "state": "QUEUED", "y": 1},
    ]


def test_no_run_is_an_empty_array(tmp_path: Path, capsys: Any) -> None:
    write_run(tmp_path / "0")

    cli.main([str(tmp_path), "--json", "--state", "failed"])

    assert capsys.readouterr().out == "[]\n"


@pytest.mark.parametrize("encoding", ["ascii", "utf-8"])
def test_any_name_is_valid_in_any_encoding(tmp_path: Path, encoding: str) -> None:
    tags = ["é", 'quote"', "back\\slash", "tab\t", "\x1b[31m", "\U0001f600", "a,b", "loss"]
    write_run(tmp_path / "0", {tag: [float(i)] for i, tag in enumerate(tags)}, config={"loss": 1})

    environment = {**os.environ, "PYTHONIOENCODING": encoding, "PYTHONUTF8": "0"}
    ran = subprocess.run(
        [*COMMAND, str(tmp_path), "--json"], capture_output=True, env=environment, check=True
    )

    assert loaded(ran.stdout.decode(encoding))[0] == {
        "run": "0",
        "state": "COMPLETED",
        "duration_s": 12.5,
        **{tag: float(i) for i, tag in enumerate(tags)},
    }


@pytest.mark.skipif(shutil.which("jq") is None, reason="jq is not installed")
def test_jq_reads_it(tmp_path: Path) -> None:
    tree = sweep(tmp_path / "multirun")
    line = f"{' '.join(COMMAND)} {tree} --json | jq -r '.[] | select(.loss < 0.2) | .run'"

    ran = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=True)

    assert ran.stdout == "0\n1\n"


def test_json_in_a_terminal_is_json(tmp_path: Path, capsys: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "0")
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)

    cli.main([str(tmp_path), "--json"])

    assert loaded(capsys.readouterr().out)[0]["run"] == "0"
