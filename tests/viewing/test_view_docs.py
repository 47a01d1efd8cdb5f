"""docs/viewing.md: its commands and its Python run; and the help of exptools-view."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT
from view_files import write_run

from exptools.viewing import cli, literals, options

DOCS = (ROOT / "docs" / "viewing.md").read_text()
COMMANDS = re.findall(r"^    exptools-view (.*)$", DOCS, re.MULTILINE)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for i in range(8):
        lr, model = [1e-3, 0.1][i % 2], ["small", "resnet"][i // 4]
        config = {"optimizer": {"lr": lr}, "model": {"name": model}, "seed": i // 2 % 2, "log_dir": f"/{i}"}
        curves = {"test/acc": [0.5, 0.9 + i / 100], "loss": [1.0, i]}
        write_run(tmp_path / "multirun" / (str(i) if i < 7 else "old7"), curves, config=config)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize("command", COMMANDS)
def test_the_commands_of_the_docs_run(here: Path, command: str, capsys: Any) -> None:
    assert cli.main(shlex.split(command)) == 0
    shown = capsys.readouterr()
    assert shown.out or "-o " in command or "wrote" in shown.err
    assert "0 of" not in shown.err and "no run" not in shown.err


def test_the_python_of_the_docs_runs(here: Path) -> None:
    (code,) = re.findall(r"```python\n(.*?)```", DOCS, re.DOTALL)

    exec(code, {})


def test_conditions_in_the_docs_are_conditions() -> None:
    from exptools.viewing.selection import condition

    table = re.findall(r"^\| (`.*?) \| ", DOCS, re.MULTILINE)
    typed = [text for row in table for text in re.findall(r"`([^`]*)`", row)]
    assert len(typed) == 10
    for text in typed:
        if text not in ("<", "<=", ">="):
            condition(text)
    assert literals.value_of("'1'") == "1"


def test_the_help_fits_on_two_screens_and_has_every_option() -> None:
    lines = options.HELP.splitlines()
    known = {name for action in options.parser()._actions for name in action.option_strings}

    assert len(lines) <= 48
    assert max(map(len, lines)) < 80
    assert len([line for line in lines if line.startswith("  exptools-view ")]) == 5
    said = options.HELP.replace("--[no-]caption", "--caption --no-caption")
    assert known - set(re.findall(r"--?[a-z-]+", said)) == {"-h", "--output"}


def test_the_commands_of_the_help_run(here: Path, capsys: Any) -> None:
    for command in re.findall(r"^  exptools-view (.*?)(?:  +|$| \|)", options.HELP, re.MULTILINE):
        words = shlex.split(command.replace("'test/*'", "'test/*' "))
        assert cli.main(words) == 0, capsys.readouterr().err
    assert (here / "fig.pdf").exists()
