"""Signals to the launcher and its jobs: all ends in order, nothing is left behind."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, clean_environment, read_progress
from sweeps import ENGINES, gone, running, said_by, start, states, status, wait_until, write_app
from terminal import Terminal


@ENGINES
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_interrupting_the_launcher_ends_its_jobs_in_order(
    tmp_path: Path, number: int, code: int, engine: list[str]
) -> None:
    app = write_app(
        tmp_path,
        """
        logger.log_scalar("x", cfg.x, 0)
        child = __import__("subprocess").Popen(["sleep", "300"])
        print(child.pid, flush=True)
        time.sleep(300)
        """,
    )
    launcher = subprocess.Popen(
        [
            sys.executable,
            str(app),
            "-m",
            "x=0,1,2,3",
            "hydra.sweep.dir=out",
            *engine,
            "hydra.launcher.n_parallel=2",
        ],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    out = tmp_path / "out"
    logs = [out / str(i) / "stdout.log" for i in range(2)]
    wait_until(lambda: all(log.exists() and log.read_text().endswith("\n") for log in logs))
    pids = [s["pid"] for s in running(out)] + [int(log.read_text()) for log in logs]

    launcher.send_signal(number)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == code
    assert states(out) == ["INTERRUPTED"] * 4
    assert "interrupted: 0 of 4 jobs had completed, 2 had not begun" in said
    assert "Traceback" not in said
    wait_until(lambda: all(gone(pid) for pid in pids))
    assert [row[2] for row in read_progress(out / "0")] == ["x", "0.0"]


@ENGINES
def test_when_the_launcher_is_killed_its_jobs_end_with_their_files_closed(
    tmp_path: Path, engine: list[str]
) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0)\nprint('ready')\ntime.sleep(300)")
    launcher = subprocess.Popen(
        [sys.executable, str(app), "-m", "x=5", "hydra.sweep.dir=out", *engine],
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    run = tmp_path / "out" / "0"
    wait_until(lambda: (run / "stdout.log").exists() and "ready" in (run / "stdout.log").read_text())
    pid = status(run)["pid"]

    launcher.kill()
    launcher.wait()

    wait_until(lambda: gone(pid))
    assert (status(run)["state"], status(run)["error"]) == ("INTERRUPTED", "ended by SIGTERM")
    assert [row[2] for row in read_progress(run)] == ["x", "5.0"]


@ENGINES
def test_what_a_job_leaves_behind_is_ended(tmp_path: Path, python: Command, engine: list[str]) -> None:
    app = write_app(tmp_path, 'print(__import__("subprocess").Popen(["sleep", "300"]).pid)')

    python(app, "-m", "x=0", "hydra.sweep.dir=out", *engine)

    wait_until(lambda: gone(int((tmp_path / "out" / "0" / "stdout.log").read_text())))


def child_of_a_job(run_dir: Path) -> int | None:
    """The process number that a job has printed."""
    return int(said_by(run_dir)) if said_by(run_dir).endswith("\n") else None


CHILDREN = {
    "a program": 'print(__import__("subprocess").Popen(["sleep", "300"]).pid, flush=True)',
    "a worker": """
        import multiprocessing
        worker = multiprocessing.get_context("fork").Process(target=time.sleep, args=(300,), daemon=True)
        worker.start()
        print(worker.pid, flush=True)
        """,
}


@pytest.mark.parametrize("child", CHILDREN.values(), ids=CHILDREN)
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGHUP, signal.SIGTERM])
def test_what_a_job_has_started_ends_with_the_launcher(
    tmp_path: Path, child: str, number: signal.Signals
) -> None:
    app = write_app(tmp_path, child.strip().replace("\n        ", "\n") + "\ntime.sleep(300)")
    launcher = start(app, "x=0")
    run = tmp_path / "out" / "0"
    wait_until(lambda: child_of_a_job(run) is not None)
    pids = [status(run)["pid"], child_of_a_job(run)]

    launcher.send_signal(number)
    launcher.communicate(timeout=60)

    wait_until(lambda: all(gone(pid) for pid in pids))
    assert status(run)["state"] == "INTERRUPTED"
    assert launcher.returncode == (-signal.SIGKILL if number == signal.SIGKILL else 128 + number)


def test_a_job_in_c_code_ends_with_a_launcher_that_was_killed(tmp_path: Path) -> None:
    app = write_app(
        tmp_path,
        """
        from exptools.launching import worker
        worker.GRACE_S = 0.5
        import hashlib
        print("now", flush=True)
        hashlib.pbkdf2_hmac("sha256", b"", b"", 10**9)
        """,
    )
    launcher = start(app, "x=0")
    run = tmp_path / "out" / "0"
    wait_until(lambda: said_by(run) == "now\n")
    pid = status(run)["pid"]

    launcher.kill()
    launcher.communicate()

    wait_until(lambda: gone(pid))
    assert status(run)["state"] == "INTERRUPTED"
    assert status(run)["error"] == "the launcher was gone, and the job did not end by SIGTERM"


@ENGINES
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_second_signal_ends_at_once_what_does_not_listen(
    tmp_path: Path, number: signal.Signals, engine: list[str]
) -> None:
    app = write_app(
        tmp_path,
        """
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        print("deaf", flush=True)
        time.sleep(300)
        """,
    )
    launcher = start(app, "x=0,1,2", "hydra.launcher.n_parallel=1", *engine)
    run = tmp_path / "out" / "0"
    wait_until(lambda: said_by(run) == "deaf\n")
    pid = status(run)["pid"]

    begun = time.monotonic()
    launcher.send_signal(number)
    time.sleep(0.5)
    launcher.send_signal(number)
    launcher.communicate(timeout=60)

    assert time.monotonic() - begun < 8
    assert gone(pid)
    assert launcher.returncode == 128 + number
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 3
    assert status(run)["error"] == "the sweep was interrupted: killed by SIGKILL"


def test_a_sweep_in_the_background_of_a_shell_can_be_ended(tmp_path: Path) -> None:
    app = write_app(tmp_path, "print('now', flush=True)\ntime.sleep(300)")
    command = f"{sys.executable} {app} -m x=0 hydra.sweep.dir=out & echo $!; wait $!"
    shell = subprocess.Popen(
        ["sh", "-c", command], cwd=tmp_path, env=clean_environment(), stdout=subprocess.PIPE, text=True
    )
    assert shell.stdout is not None
    launcher = int(shell.stdout.readline())
    run = tmp_path / "out" / "0"
    wait_until(lambda: said_by(run) == "now\n")

    begun = time.monotonic()
    os.kill(launcher, signal.SIGTERM)
    shell.communicate(timeout=60)

    assert time.monotonic() - begun < 5, "the job ignored SIGINT, as the shell made its background do"
    assert status(run)["state"] == "INTERRUPTED"


def test_a_run_whose_launcher_is_gone_is_stale_while_it_waits(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print('now', flush=True)\ntime.sleep(300)")
    launcher = start(app, "x=0,1", "hydra.launcher.n_parallel=1")
    wait_until(lambda: said_by(tmp_path / "out" / "0") == "now\n")
    shown: Any = python("-m", "exptools.viewing.cli", "out", "--columns", "state")
    assert shown.stdout.split() == ["run", "state", "0", "RUNNING", "1", "QUEUED"]

    launcher.kill()
    launcher.communicate()
    wait_until(lambda: status(tmp_path / "out" / "0")["state"] == "INTERRUPTED")

    shown = python("-m", "exptools.viewing.cli", "out", "--columns", "state")
    assert shown.stdout.split() == ["run", "state", "0", "INTERRUPTED", "1", "STALE"]


def test_ctrl_c_while_the_workers_of_joblib_start_is_no_failure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = "import sys, time\nif any('loky' in word for word in sys.orig_argv):\n    time.sleep(3)\n"
    (tmp_path / "sitecustomize.py").write_text(slow)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    app = write_app(tmp_path, "time.sleep(300)")
    words = ["x=0,1,2", "hydra.launcher.engine=joblib", "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out"]
    terminal = Terminal([sys.executable, str(app), "-m", *words], tmp_path, columns=200)
    terminal.wait_until(lambda screen: any("Launching 3 jobs" in line for line in screen))
    time.sleep(1)  # the worker's Python starts

    terminal.type("\x03")

    assert terminal.wait() == 130
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 3
    assert "Traceback" not in "\n".join(terminal.screen())


def test_jobs_whose_start_was_interrupted_had_not_begun(tmp_path: Path) -> None:
    (tmp_path / "slow_library.py").write_text("import time; time.sleep(4)")
    app = write_app(tmp_path, "print('ran')")
    launcher = start(app, "x=0,1,2", "hydra.launcher.preload=[slow_library]", "hydra.launcher.n_parallel=1")
    wait_until(lambda: (tmp_path / "out" / "2" / "status.json").exists())
    time.sleep(1)  # the first job waits for the library

    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 130
    assert "interrupted: 0 of 3 jobs had completed, 3 had not begun" in said
    assert [status(tmp_path / "out" / str(i))["error"] for i in range(3)] == [
        "not begun: the sweep was interrupted"
    ] * 3
