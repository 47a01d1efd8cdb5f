"""A directory that holds a run: refused while that lives or if it has completed, else its next attempt."""

from __future__ import annotations

import csv
import json
import os
import signal
import subprocess
import sys
import time
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import shown_by_tensorboard, status

from exptools.errors import RunDirError
from exptools.formats.rows import Row
from exptools.logging import Logger, logger, logger_context
from exptools.logging.writers import events

Command = Callable[..., "subprocess.CompletedProcess[str]"]

LIVES = """
import sys, time
from exptools.logging import logger, logger_context
with logger_context("logs", 0, "name"):
    for step in range(10):
        logger.log_scalar("loss", step, step)
    logger.flush()
    print("logged", flush=True)
    time.sleep(60)
"""


def steps(path: Path, tag: str = "loss") -> list[int]:
    with open(path, newline="") as file:
        return [int(row["step"]) for row in csv.DictReader(file) if row[tag] != ""]


def log(steps: range, **settings: Any) -> None:
    """One attempt that fails behind its last step."""
    with pytest.raises(ZeroDivisionError), logger_context("logs", 0, "name", **settings):
        for step in steps:
            logger.log_scalar("loss", step, step)
        _ = 1 / 0


def shown_steps(run_dir: Path) -> list[int]:
    return [step for step, _ in shown_by_tensorboard(run_dir)["loss"]]


@pytest.fixture(autouse=True)
def in_its_own_directory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)


def test_a_run_that_lives_is_refused_with_its_pid_and_host(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(LIVES)
    with subprocess.Popen([sys.executable, "run.py"], stdout=subprocess.PIPE, cwd=tmp_path) as first:
        assert first.stdout is not None
        first.stdout.readline()
        try:
            with pytest.raises(RunDirError) as raised, logger_context("logs", 0, "name"):
                pass
        finally:
            first.kill()

    assert (
        f"run_0 is in use by process {first.pid} on {os.uname().nodename} (RUNNING); choose another "
        "directory, or wait until that one has ended"
    ) in str(raised.value)


def test_one_that_was_killed_is_followed_by_the_next_attempt_at_once(tmp_path: Path, capsys: Any) -> None:
    (tmp_path / "run.py").write_text(LIVES)
    with subprocess.Popen([sys.executable, "run.py"], stdout=subprocess.PIPE, cwd=tmp_path) as first:
        assert first.stdout is not None
        first.stdout.readline()
        first.kill()
    begun = time.monotonic()

    with logger_context("logs", 0, "name"):
        for step in range(3):
            logger.log_scalar("loss", step, step)

    assert time.monotonic() - begun < 5
    run_dir = tmp_path / "logs" / "run_0"
    assert (status(run_dir)["state"], status(run_dir)["attempt"]) == ("COMPLETED", 2)
    assert steps(run_dir / "progress.csv") == [0, 1, 2] == shown_steps(run_dir)
    assert steps(run_dir / ".orphaned" / "attempt-1" / "progress.csv") == list(range(10))
    assert capsys.readouterr().err == (
        f"exptools: {run_dir}: attempt 2 begins at step 0; what was measured from there on before is kept in "
        ".orphaned/attempt-1\n"
    )


def test_one_of_another_pid_namespace_is_waited_for(tmp_path: Path, capsys: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("exptools.rundir.HEARTBEAT_S", 0.4)
    log(range(2))
    run_dir = tmp_path / "logs" / "run_0"
    with subprocess.Popen(["true"]) as process:
        gone = process.pid
    elsewhere = {"state": "RUNNING", "pid": gone, "pid_space": None, "heartbeat": time.time(), "end": None}
    fields = {k: v for k, v in {**status(run_dir), **elsewhere}.items() if v is not None}
    (run_dir / "status.json").write_text(json.dumps(fields))

    log(range(1))

    assert f"process {gone} is gone; waiting 1 s to be sure of that" in capsys.readouterr().err
    assert status(run_dir)["attempt"] == 2


def test_a_run_that_has_completed_is_refused(tmp_path: Path) -> None:
    with logger_context("logs", 0, "name"):
        logger.log_scalar("loss", 1.0, 0)

    with pytest.raises(RunDirError) as raised, logger_context("logs", 0, "name"):
        pass

    assert str(raised.value) == (
        f"{tmp_path}/logs/run_0 already holds a run (COMPLETED, progress.csv); choose another directory, "
        "begin anew by refresh=True, go on by resume='always', or move that one away"
    )


def test_an_attempt_with_another_config_says_which_keys_differ(tmp_path: Path, capsys: Any) -> None:
    first = {"lr": 0.1, "model": {"name": "small", "width": 8}, "gone": None}
    for params in (first, {"lr": 0.1, "model": {"name": "small", "width": 9}, "new": [1]}, first):
        with logger_context("logs", 0, "name", log_params=params, resume="always"):
            pass

    differs = "the config of this attempt is not that of the one before; what differs: "
    assert capsys.readouterr().err.splitlines() == [
        f"exptools: {tmp_path}/logs/run_0: {differs}model.width, gone, new",
        f"exptools: {tmp_path}/logs/run_0: {differs}model.width, new, gone",
    ]


def test_what_is_before_the_first_step_of_an_attempt_stays(tmp_path: Path) -> None:
    log(range(10), writers=["csv", "tensorboard", "jsonl"])
    log(range(6, 12), writers=["csv", "tensorboard", "jsonl"])

    run_dir = tmp_path / "logs" / "run_0"
    assert steps(run_dir / "progress.csv") == list(range(12))
    assert shown_steps(run_dir) == list(range(12))
    said = [json.loads(line)["step"] for line in (run_dir / "progress.jsonl").read_text().splitlines()]
    assert said == list(range(12))
    aside = run_dir / ".orphaned" / "attempt-1"
    assert steps(aside / "progress.csv") == [6, 7, 8, 9]
    [events] = aside.glob("events*")
    events.rename(
        aside / events.name.replace("tf_events", "tfevents")
    )  # TensorBoard shall not find it by itself
    assert shown_steps(aside) == [6, 7, 8, 9]
    assert len((aside / "progress.jsonl").read_text().splitlines()) == 4


def test_an_attempt_may_go_on_for_ever_with_new_tags(tmp_path: Path) -> None:
    log(range(3))
    with pytest.raises(ZeroDivisionError), logger_context("logs", 0, "name"):
        logger.log_scalars({"loss": 3, 'new, "tag"\nü': 1}, 3)
        _ = 1 / 0
    log(range(4, 6))

    run_dir = tmp_path / "logs" / "run_0"
    assert steps(run_dir / "progress.csv") == [0, 1, 2, 3, 4, 5]
    assert steps(run_dir / "progress.csv", 'new, "tag"\nü') == [3]
    assert not (run_dir / ".orphaned").exists()
    assert status(run_dir)["attempt"] == 3


def test_a_torn_last_line_and_record_are_repaired(tmp_path: Path) -> None:
    log(range(5))
    run_dir = tmp_path / "logs" / "run_0"
    [events] = run_dir.glob("events*")
    for path in (run_dir / "progress.csv", events):
        os.truncate(path, path.stat().st_size - 3)

    log(range(4, 7))

    assert steps(run_dir / "progress.csv") == list(range(7)) == shown_steps(run_dir)
    assert (
        (run_dir / ".orphaned" / "attempt-1" / "progress.csv").read_bytes().splitlines()[-1].startswith(b"4,")
    )


def test_a_file_that_is_no_progress_csv_is_put_aside(tmp_path: Path) -> None:
    log(range(1))
    run_dir = tmp_path / "logs" / "run_0"
    (run_dir / "progress.csv").write_text("step,wall_")

    log(range(2))

    assert steps(run_dir / "progress.csv") == [0, 1]
    assert (run_dir / ".orphaned" / "attempt-1" / "progress.csv").read_text() == "step,wall_"


def test_refresh_puts_all_aside(tmp_path: Path) -> None:
    with logger_context("logs", 0, "name", {"lr": 1}):
        logger.log_scalar("loss", 1.0, 0)

    with logger_context("logs", 0, "name", {"lr": 2}, refresh=True):
        logger.log_scalar("loss", 1.0, 5)

    run_dir = tmp_path / "logs" / "run_0"
    aside = run_dir / ".orphaned" / "attempt-1"
    assert (steps(run_dir / "progress.csv"), steps(aside / "progress.csv")) == ([5], [0])
    assert json.loads((aside / "variant_config.json").read_text())["lr"] == 1
    assert json.loads((run_dir / "variant_config.json").read_text())["lr"] == 2


def test_a_completed_run_goes_on_if_that_is_asked_for(tmp_path: Path) -> None:
    for first in (0, 5):
        with logger_context("logs", 0, "name", resume="always", itr_i=first):
            for _ in range(5):
                logger.log_scalar("loss", 1.0)
                logger.dump()

    assert steps(tmp_path / "logs" / "run_0" / "progress.csv") == list(range(10))


def test_resume_may_be_forbidden(tmp_path: Path) -> None:
    log(range(1))

    with pytest.raises(RunDirError, match=r"already holds a run \(FAILED, progress.csv\)"):
        log(range(1), resume="never")


def test_an_additional_output_is_cut_at_its_own_first_step(tmp_path: Path) -> None:
    for first in (0, 3):
        with pytest.raises(ZeroDivisionError), Logger("run") as mine:
            with mine.additional_scalar_output("eval.csv"), mine.additional_text_output("said.txt"):
                for step in range(first, first + 5):
                    mine.log_scalar("acc", 1.0, step, filename="eval.csv")
                    mine.log_text(f"{step}", with_timestamp=False, filename="said.txt")
            _ = 1 / 0

    assert steps(tmp_path / "run" / "eval.csv", "acc") == list(range(8))
    assert (tmp_path / "run" / "said.txt").read_text().split() == list("0123434567")


def test_a_full_disk_at_the_cut_keeps_all_and_is_tried_again(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    log(range(5))
    before = (tmp_path / "logs" / "run_0" / "progress.csv").read_bytes()

    def no_room(*args: Any) -> None:
        raise OSError(28, "No space left on device")

    with pytest.raises(ZeroDivisionError), logger_context("logs", 0, "name"):
        with monkeypatch.context() as patched:
            patched.setattr("exptools.logging.writers.cutting.os.fsync", no_room)
            logger.log_scalar("loss", 2, 2)
            logger.flush()
            assert (tmp_path / "logs" / "run_0" / "progress.csv").read_bytes() == before
        _ = 1 / 0

    assert steps(tmp_path / "logs" / "run_0" / "progress.csv") == [0, 1, 2]
    assert "could not be put aside (OSError: [Errno 28] No space left on device)" in capsys.readouterr().err


def test_sigterm_of_a_run_that_does_not_ask_is_as_before(tmp_path: Path) -> None:
    (tmp_path / "run.py").write_text(LIVES)
    with subprocess.Popen([sys.executable, "run.py"], stdout=subprocess.PIPE, cwd=tmp_path) as run:
        assert run.stdout is not None
        run.stdout.readline()
        run.send_signal(signal.SIGTERM)

    assert run.returncode == -signal.SIGTERM
    assert status(tmp_path / "logs" / "run_0")["state"] == "INTERRUPTED"


def test_a_file_of_a_later_attempt_comes_later_by_its_name(tmp_path: Path, monkeypatch: Any) -> None:
    """TensorBoard reads in the order of the names; attempts may begin in one second, clocks be set back."""
    now = time.time()
    for attempt, (pid, begins) in enumerate([(99_999, now), (10, now), (10, now - 3600)]):
        monkeypatch.setattr(events, "os", types.SimpleNamespace(getpid=lambda pid=pid: pid))
        clock = types.SimpleNamespace(time=lambda begins=begins: begins, time_ns=time.time_ns)
        monkeypatch.setattr(events, "time", clock)
        writer = events.EventsWriter(tmp_path)
        writer.write([Row(attempt, now + attempt, ("loss",), (0.0,))])
        writer.close()

    assert shown_steps(tmp_path) == [0, 1, 2]
