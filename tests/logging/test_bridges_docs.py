"""The examples of docs/bridges.md, run."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, read_progress
from runs import status

RECORDS, LIGHTNING, SB3 = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "bridges.md").read_text(), re.S)


def run(tmp_path: Path, python: Callable[..., Any], example: str) -> Path:
    (tmp_path / "example.py").write_text(example)

    done = python("-W", "ignore", "example.py")

    run_dir = tmp_path / "logs" / "run_0"
    assert done.returncode == 0, done.stderr
    assert status(run_dir)["state"] == "COMPLETED"
    return run_dir


def test_the_example_of_python_logging(tmp_path: Path, python: Callable[..., Any]) -> None:
    run_dir = run(tmp_path, python, RECORDS)

    lines = [line.rpartition(" | ")[2] for line in (run_dir / "debug.log").read_text().splitlines()]
    assert lines[:4] == [
        "INFO data: 3 files",
        "the training begins",
        "ERROR data: a batch was left out",
        "Traceback (most recent call last):",
    ]
    assert lines[-1] == "ZeroDivisionError: division by zero"


def test_the_example_of_lightning(tmp_path: Path, python: Callable[..., Any]) -> None:
    pytest.importorskip("lightning.pytorch", reason="make test-bridges installs Lightning")

    run_dir = run(tmp_path, python, LIGHTNING)

    assert [row[0] for row in read_progress(run_dir)[1:]] == ["4", "9", "14", "19"]
    assert (run_dir / "hparams.json").exists()
    assert len(list((run_dir / "checkpoints").iterdir())) == 1


def test_the_example_of_stable_baselines3(tmp_path: Path, python: Callable[..., Any]) -> None:
    pytest.importorskip("stable_baselines3", reason="make test-bridges installs Stable-Baselines3")

    run_dir = run(tmp_path, python, SB3)

    assert [row[0] for row in read_progress(run_dir)[1:]] == ["128", "256", "384", "512"]
