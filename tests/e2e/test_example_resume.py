"""The example's training, asked to stop and started again: to the last bit what it would have been."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Command

WORDS = ["model=small", "epochs=12", "seed=3"]


def frames(run_dir: Path) -> list[dict[str, str]]:
    """All rows without their times."""
    with open(run_dir / "progress.csv", newline="") as file:
        return [{k: v for k, v in row.items() if k != "wall_time"} for row in csv.DictReader(file)]


def status(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "status.json").read_text())
    return found


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 60
    while not path.exists():
        assert time.monotonic() < deadline, f"{path} did not come"
        time.sleep(0.005)


@pytest.fixture(scope="module")
def uninterrupted(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, str]]:
    base = tmp_path_factory.mktemp("uninterrupted")
    command = [sys.executable, str(ROOT / "examples" / "train.py"), *WORDS, "hydra.run.dir=whole"]
    subprocess.run(command, cwd=base, check=True, capture_output=True, env={**os.environ, "HOME": str(base)})
    return frames(base / "whole")


@pytest.mark.parametrize(
    ("number", "code", "state"),
    [(signal.SIGTERM, 75, "PREEMPTED"), (signal.SIGUSR2, 75, "PREEMPTED"), (signal.SIGKILL, -9, "RUNNING")],
)
def test_it_goes_on_bit_for_bit(
    tmp_path: Path,
    python: Command,
    uninterrupted: list[dict[str, str]],
    number: signal.Signals,
    code: int,
    state: str,
) -> None:
    command = [sys.executable, str(ROOT / "examples" / "train.py"), *WORDS, "hydra.run.dir=out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.DEVNULL) as process:
        wait_for(tmp_path / "out" / "snapshots" / "step-000000000057")  # of the third epoch
        process.send_signal(number)
    assert process.returncode == code
    assert status(tmp_path / "out")["state"] == state

    done = python(*command[1:], cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (status(tmp_path / "out")["state"], status(tmp_path / "out")["attempt"]) == ("COMPLETED", 2)
    assert frames(tmp_path / "out") == uninterrupted


def test_a_sweep_goes_on_bit_for_bit(
    tmp_path: Path, python: Command, uninterrupted: list[dict[str, str]]
) -> None:
    command = [sys.executable, str(ROOT / "examples" / "train.py"), "-m", *WORDS, "hydra.sweep.dir=out"]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT) as process:
        wait_for(tmp_path / "out" / "0" / "snapshots" / "step-000000000057")
        os.kill(status(tmp_path / "out" / "0")["pid"], signal.SIGTERM)
        assert process.stdout is not None
        said = process.stdout.read().decode()
    assert (process.returncode, status(tmp_path / "out" / "0")["state"]) == (1, "PREEMPTED"), said
    assert "stopped as asked by SIGTERM" in said

    resumed = python("-m", "exptools.launching.resume_cli", "out", cwd=tmp_path)

    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert (status(tmp_path / "out" / "0")["state"], status(tmp_path / "out" / "0")["attempt"]) == (
        "COMPLETED",
        2,
    )
    assert frames(tmp_path / "out" / "0") == uninterrupted
