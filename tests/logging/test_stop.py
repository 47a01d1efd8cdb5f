"""Signals that ask a run to stop: it ends PREEMPTED; one that never asks ends as without exptools."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from exptools.logging import EXIT_PREEMPTED

LOOP = """
import sys, time
from exptools.logging import EXIT_PREEMPTED, logger, logger_context
with logger_context("logs", 0, "name"):
    asks, leaves, slow = sys.argv[1:4]
    for step in range(1000):
        logger.log_scalar("loss", step, step)
        if asks == "asks" and logger.should_stop:
            print("told", logger.stop_reason, flush=True)
            time.sleep(float(slow))
            print("saved", flush=True)
            if leaves == "exits":
                sys.exit(EXIT_PREEMPTED)
            if leaves == "raises":
                raise RuntimeError("at the end")
            if leaves == "goes on":
                continue
            break
        if step == 2:
            print("logged", flush=True)
        time.sleep(0.02)
"""


class Run:
    """A run that has logged something."""

    def __init__(self, directory: Path, *words: str) -> None:
        (directory / "run.py").write_text(LOOP)
        self.process = subprocess.Popen(
            [sys.executable, "run.py", *words], cwd=directory, stdout=subprocess.PIPE, text=True
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()
        self._status = directory / "logs" / "run_0" / "status.json"

    def ended(self) -> tuple[int, str, dict[str, Any]]:
        """Exit code, what was printed, status."""
        printed, _ = self.process.communicate(timeout=30)
        return self.process.returncode, printed, json.loads(self._status.read_text())


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_a_run_that_asks_is_told_and_ends_preempted(tmp_path: Path, number: signal.Signals) -> None:
    run = Run(tmp_path, "asks", "exits", "0")
    run.process.send_signal(number)

    code, printed, status = run.ended()

    assert (code, EXIT_PREEMPTED) == (75, 75)
    assert printed == f"told {number.name}\nsaved\n"
    assert (status["state"], status["exit_code"]) == ("PREEMPTED", 75)
    assert status["error"] == f"stopped as asked by {number.name}"


def test_one_that_just_returns_is_preempted_too(tmp_path: Path) -> None:
    run = Run(tmp_path, "asks", "returns", "0")
    run.process.send_signal(signal.SIGUSR1)

    code, _, status = run.ended()

    assert (code, status["state"], status["exit_code"]) == (0, "PREEMPTED", 0)


def test_one_that_raises_has_failed(tmp_path: Path) -> None:
    run = Run(tmp_path, "asks", "raises", "0")
    run.process.send_signal(signal.SIGUSR1)

    code, _, status = run.ended()

    assert (code, status["state"], status["error"]) == (1, "FAILED", "RuntimeError: at the end")


def test_a_warning_and_then_sigterm_leave_it_the_time_to_save(tmp_path: Path) -> None:
    run = Run(tmp_path, "asks", "exits", "1")
    run.process.send_signal(signal.SIGUSR2)
    time.sleep(0.3)
    run.process.send_signal(signal.SIGTERM)

    code, printed, status = run.ended()

    assert (code, printed.split()[-1], status["state"]) == (75, "saved", "PREEMPTED")


def test_a_second_sigterm_ends_it_at_once_with_its_files_closed(tmp_path: Path) -> None:
    run = Run(tmp_path, "asks", "goes on", "30")
    run.process.send_signal(signal.SIGTERM)
    time.sleep(0.3)
    begun = time.monotonic()
    run.process.send_signal(signal.SIGTERM)

    code, printed, status = run.ended()

    assert time.monotonic() - begun < 10
    assert (code, status["state"], status["error"]) == (-15, "INTERRUPTED", "ended by SIGTERM")
    assert "saved" not in printed
    assert (tmp_path / "logs" / "run_0" / "progress.csv").read_text().count("\n") > 3


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2])
def test_one_that_never_asks_ends_as_without_exptools(tmp_path: Path, number: signal.Signals) -> None:
    run = Run(tmp_path, "never", "", "0")
    run.process.send_signal(number)

    code, _, status = run.ended()

    assert (code, status["state"], status["error"]) == (-number, "INTERRUPTED", f"ended by {number.name}")


def test_the_next_run_of_a_process_is_not_asked_for_what_the_last_was(tmp_path: Path, python: Any) -> None:
    (tmp_path / "run.py").write_text(
        "import os, signal\n"
        "from exptools.logging import logger, logger_context\n"
        "for number in (0, 1):\n"
        "    with logger_context('logs', number, 'name'):\n"
        "        print(logger.should_stop)\n"
        "        if number == 0:\n"
        "            os.kill(os.getpid(), signal.SIGUSR1)\n"
        "            print(logger.should_stop)\n"
    )

    assert python("run.py").stdout.split() == ["False", "True", "False"]
    states = [json.loads((tmp_path / f"logs/run_{n}/status.json").read_text())["state"] for n in (0, 1)]
    assert states == ["PREEMPTED", "COMPLETED"]
