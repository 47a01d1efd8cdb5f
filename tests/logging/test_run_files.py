"""What the logger leaves in a run directory: with Hydra, without it, and however the run ends."""

from __future__ import annotations

import json
import math
import os
import random
import re
import signal
import struct
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
import yaml
from conftest import Command, clean_environment, read_progress
from runs import shown_by_tensorboard, status

from exptools.errors import ExptoolsError, LoggingError, RunDirError
from exptools.logging import Logger, logger, logger_context
from exptools.logging.writers import appendfile


def float32(value: float) -> float:
    found: float = struct.unpack("<f", struct.pack("<f", value))[0]
    return found


def test_a_run_without_hydra(tmp_path: Path) -> None:
    with logger_context(tmp_path / "logs", 3, "name", {"lr": 0.1, "model": {"size": 4}}):
        logger.log_scalar("loss", 0.1 + 0.2, 0)
        logger.log_scalar("acc", 1, 0)
        logger.log_text("hello", with_timestamp=False)

    run = tmp_path / "logs" / "run_3"
    assert read_progress(run)[0] == ["step", "wall_time", "loss", "acc"]
    assert [row[2:] for row in read_progress(run)[1:]] == [["0.30000000000000004", "1.0"]]
    assert (run / "debug.log").read_text() == "hello\n"
    assert json.loads((run / "variant_config.json").read_text()) == {
        "lr": 0.1,
        "model": {"size": 4},
        "name": "name",
        "run_ID": 3,
    }
    said = status(run)
    assert (said["state"], said["pid"], said["exit_code"]) == ("COMPLETED", os.getpid(), 0)
    assert said["start"] <= said["heartbeat"] == said["end"]


def test_an_exception_closes_the_run_as_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
        _ = 1 / 0

    assert not logger.is_open
    said = status(tmp_path / "run_0")
    assert (said["state"], said["error"]) == ("FAILED", "ZeroDivisionError: division by zero")
    assert [row[2] for row in read_progress(tmp_path / "run_0")] == ["loss", "1.0"]


def test_two_runs_one_after_the_other(tmp_path: Path) -> None:
    for run in range(2):
        with logger_context(tmp_path, run, "name"):
            logger.log_scalar(f"only{run}", 1.0, run)

    assert [read_progress(tmp_path / f"run_{r}")[0][2:] for r in range(2)] == [["only0"], ["only1"]]


def test_a_directory_that_holds_a_run_is_refused_and_left_alone(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
    before = {p.name: p.read_bytes() for p in (tmp_path / "run_0").iterdir()}

    with pytest.raises(RunDirError) as error, logger_context(tmp_path, 0, "name"):
        raise AssertionError("not reached")

    assert str(error.value) == (
        f"{tmp_path / 'run_0'} already holds a run (COMPLETED, progress.csv); "
        "choose another directory, begin anew by refresh=True, go on by resume='always', "
        "or move that one away"
    )
    assert {p.name: p.read_bytes() for p in (tmp_path / "run_0").iterdir()} == before


def test_a_second_logger_in_one_process_is_refused(tmp_path: Path) -> None:
    with (
        logger_context(tmp_path, 0, "name"),
        pytest.raises(LoggingError, match="the logger is open already"),
        logger_context(tmp_path, 1, "name"),
    ):
        raise AssertionError("not reached")


def test_a_directory_that_this_process_has_open_is_refused(tmp_path: Path) -> None:
    first = Logger(tmp_path / "run")  # as a notebook's cell that is run twice

    with pytest.raises(RunDirError) as raised:
        Logger(tmp_path / "run")
    first.close()

    assert str(raised.value) == (
        f"{tmp_path}/run is in use by process {os.getpid()} on {os.uname().nodename} (RUNNING); choose "
        "another directory, or close() the logger that this process has opened there"
    )


def test_a_directory_that_cannot_be_made_is_one_clear_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(RunDirError) as error, logger_context(tmp_path / "file" / "logs", 0, "name"):
        raise AssertionError("not reached")

    assert str(error.value) == (
        f"{tmp_path}/file/logs/run_0: cannot be made (Not a directory); choose another directory"
    )


def test_new_tags_widen_the_file_and_lose_nothing(tmp_path: Path) -> None:
    tags = ["loss", "step", "a,b", 'quo"te', "new\nline", "ü"]
    with logger_context(tmp_path, 0, "name"):
        for step, tag in enumerate(tags):
            logger.log_scalar(tag, float(step), step)
            logger.dump()

    header, *rows = read_progress(tmp_path / "run_0")
    assert header == ["step", "wall_time", *tags]
    assert [[row[0], *row[2:]] for row in rows] == [
        [str(i), *("" if k != i else f"{float(i)}" for k in range(len(tags)))] for i in range(len(tags))
    ]


def test_ten_thousand_tags(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name"):
        for i in range(10_000):
            logger.log_scalar(f"tag{i}", float(i), 0)

    header, row = read_progress(tmp_path / "run_0")
    assert header[2:] == [f"tag{i}" for i in range(10_000)]
    assert [float(cell) for cell in row[2:]] == [float(i) for i in range(10_000)]


def test_tensorboard_shows_the_same_tags_steps_and_values(tmp_path: Path) -> None:
    rng = random.Random(0)
    logged: dict[str, list[tuple[int, float]]] = {}
    with logger_context(tmp_path, 0, "name"):
        for step in range(3000):
            for tag in rng.sample(["loss", "train/acc", "a,b", "ünï", "late"], rng.randint(1, 5)):
                if tag != "late" or step > 2000:
                    value = rng.gauss(0, 10 ** rng.randint(-30, 30))
                    logger.log_scalar(tag, value, step)
                    logged.setdefault(tag, []).append((step, value))

    assert shown_by_tensorboard(tmp_path / "run_0") == {
        tag: [(step, float32(value)) for step, value in frames] for tag, frames in logged.items()
    }
    header, *rows = read_progress(tmp_path / "run_0")
    kept = {
        tag: [(int(row[0]), float(row[i])) for row in rows if row[i]] for i, tag in enumerate(header) if i > 1
    }
    assert kept == logged


def test_the_open_row_is_on_the_disk_within_about_a_second(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.5, 0)
        time.sleep(1.3)

        assert [row[2] for row in read_progress(tmp_path / "run_0")] == ["loss", "1.5"]
        assert shown_by_tensorboard(tmp_path / "run_0") == {"loss": [(0, 1.5)]}


SCRIPT = """
import os, signal, sys, time
from exptools.logging import logger, logger_context
with logger_context("logs", 0, "name"):
    for step in range({steps}):
        logger.log_scalar("loss", step * 0.1, step)
        logger.log_scalar("acc", step * 0.2, step)
        {inside}
    {after}
"""


CAUGHT = """
    try:
        os.kill(os.getpid(), signal.SIGINT); time.sleep(60)
    except KeyboardInterrupt:  # as Lightning does
        sys.exit(1)
"""


@pytest.mark.parametrize(
    ("after", "code", "state", "error"),
    [
        ("pass", 0, "COMPLETED", None),
        ("sys.exit(0)", 0, "COMPLETED", None),
        ("sys.exit(3)", 3, "FAILED", "SystemExit: 3"),
        ("raise ValueError('bad')", 1, "FAILED", "ValueError: bad"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -15, "INTERRUPTED", "ended by SIGTERM"),
        ("os.kill(os.getpid(), signal.SIGHUP); time.sleep(60)", -1, "INTERRUPTED", "ended by SIGHUP"),
        ("os.kill(os.getpid(), signal.SIGINT); time.sleep(60)", -2, "INTERRUPTED", "KeyboardInterrupt"),
        (CAUGHT, 1, "INTERRUPTED", "KeyboardInterrupt"),
    ],
)
def test_every_way_out_closes_the_files(
    tmp_path: Path, python: Command, after: str, code: int, state: str, error: str | None
) -> None:
    (tmp_path / "run.py").write_text(SCRIPT.format(steps=5000, inside="pass", after=after))

    done = python("run.py")

    run = tmp_path / "logs" / "run_0"
    assert done.returncode == code, done.stderr
    assert len(read_progress(run)) == 5001
    assert len(shown_by_tensorboard(run)["acc"]) == 5000
    assert (status(run)["state"], status(run).get("error")) == (state, error)


def test_sigkill_loses_at_most_the_last_second(tmp_path: Path) -> None:
    inside = "time.sleep(0.01); open('last', 'w').write(f'{step} {time.time()}')"
    (tmp_path / "run.py").write_text(SCRIPT.format(steps=100000, inside=inside, after="pass"))
    run = tmp_path / "logs" / "run_0"
    process = subprocess.Popen([sys.executable, "run.py"], cwd=tmp_path, env=clean_environment())
    time.sleep(3.7)

    process.kill()
    killed = time.time()
    process.wait()

    rows = [row for row in read_progress(run)[1:] if len(row) == 4]
    assert [int(row[0]) for row in rows] == list(range(len(rows)))
    assert killed - float(rows[-1][1]) < 1.5
    assert [step for step, _ in shown_by_tensorboard(run)["loss"]] == list(range(len(rows)))
    assert status(run)["state"] == "RUNNING"


def test_a_forked_child_writes_nothing_and_says_so_once(tmp_path: Path, python: Command) -> None:
    (tmp_path / "run.py").write_text(
        dedent("""
        import multiprocessing
        from exptools.logging import logger, logger_context

        def child():
            logger.log_scalar("child", 1.0, 0)
            logger.log_scalar("child", 2.0, 1)
            logger.log_text("said by the child", with_timestamp=False)

        with logger_context("logs", 0, "name"):
            logger.log_scalar("parent", 1.0, 0)
            process = multiprocessing.get_context("fork").Process(target=child)
            process.start()
            process.join()
            logger.log_scalar("parent", 2.0, 1)
        assert process.exitcode == 0
        """)
    )

    done = python("run.py")

    assert done.returncode == 0, done.stderr
    said = "exptools: scalar 'child' is not recorded: this is a forked child process"
    assert done.stderr.count("is not recorded") == 1
    assert said in done.stderr
    assert done.stdout == "said by the child\n"
    assert [row[2:] for row in read_progress(tmp_path / "logs" / "run_0")] == [["parent"], ["1.0"], ["2.0"]]
    assert status(tmp_path / "logs" / "run_0")["state"] == "COMPLETED"


class FullDisk:
    """os.write that has no room for a while, and takes a few bytes before it says so."""

    def __init__(self) -> None:
        self.full = True
        self._write = os.write

    def __call__(self, fd: int, data: bytes) -> int:
        if not self.full:
            return self._write(fd, data)
        if len(data) > 5:
            return self._write(fd, data[:5])
        raise OSError(28, "No space left on device")


def test_a_full_disk_is_said_once_and_nothing_is_lost_when_there_is_room_again(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    disk = FullDisk()
    with logger_context(tmp_path, 0, "name"):
        monkeypatch.setattr("exptools.logging.writers.appendfile.os.write", disk)
        for step in range(100):
            logger.log_scalar("loss", float(step), step)
            if step % 10 == 0:
                logger.log_scalar(f"tag{step}", 1.0, step)
                logger.dump()
        disk.full = False

    assert capsys.readouterr().err.count("progress.csv (No space left on device)") == 1
    rows = read_progress(tmp_path / "run_0")[1:]
    assert [float(row[2]) for row in rows] == [float(step) for step in range(100)]
    assert [s for s, _ in shown_by_tensorboard(tmp_path / "run_0")["loss"]] == list(range(100))
    assert "note" not in status(tmp_path / "run_0")


def test_what_waits_for_a_full_disk_is_written_though_nothing_more_is_logged(
    tmp_path: Path, monkeypatch: Any
) -> None:
    disk = FullDisk()
    with Logger(tmp_path, writers=["csv", "tensorboard", "text", "media", "jsonl"], provenance=False) as mine:
        monkeypatch.setattr("exptools.logging.writers.appendfile.os.write", disk)
        mine.log_scalar("loss", 1.0, 0)
        mine.log_text("a text")
        mine.log_histogram("h", [1.0], 0)
        mine.flush()
        disk.full = False
        mine.flush()

        assert read_progress(tmp_path)[1][2] == "1.0"
        assert "a text" in (tmp_path / "debug.log").read_text()
        assert len((tmp_path / "media.jsonl").read_text().splitlines()) == 1
        assert len((tmp_path / "progress.jsonl").read_text().splitlines()) >= 1
        assert [s for s, _ in shown_by_tensorboard(tmp_path)["loss"]] == [0]


def no_room(*args: Any, **kwargs: Any) -> None:
    raise OSError(28, "No space left on device")


def test_what_a_full_disk_lost_is_told_in_the_status_and_on_stderr(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 0.0, 0)
        logger.dump()
        monkeypatch.setattr("exptools.logging.writers.appendfile.os.write", FullDisk())
        monkeypatch.setattr("exptools.logging.writers.appendfile.os.fsync", no_room)
        logger.log_scalar("loss", 1.0, 1)
        logger.log_scalar("acc", 1.0, 1)

    note = status(tmp_path / "run_0")["note"]
    assert note.startswith("data was lost: ")
    assert "progress.csv: 2 scalars could not be written" in note
    assert "bytes could not be written" in note
    assert f"exptools: {tmp_path}/run_0: {note}" in capsys.readouterr().err


def test_a_crash_while_widening_leaves_the_old_file_whole(tmp_path: Path, monkeypatch: Any) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
        logger.dump()
        before = (tmp_path / "run_0" / "progress.csv").read_bytes()
        with monkeypatch.context() as patched:
            patched.setattr(appendfile.os, "replace", no_room)
            logger.log_scalar("late", 2.0, 1)
            logger.dump()

            assert (tmp_path / "run_0" / "progress.csv").read_bytes() == before
            assert not list((tmp_path / "run_0").glob(".progress*"))

    assert [row[2:] for row in read_progress(tmp_path / "run_0")] == [
        ["loss", "late"],
        ["1.0", ""],
        ["", "2.0"],
    ]


APP = """
import os, sys, time, signal
import hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger

ConfigStore.instance().store(name="app", node={{"defaults": ["_self_", "exptools"], "x": 1, "y": "${{x}}"}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    with logger.prefix("train/"):
        for step in range(100):
            logger.log_scalar("loss", step * 0.1, step)
    logger.log_text("in the job")
    {end}

if __name__ == "__main__":
    main()
"""


@pytest.mark.parametrize(
    ("args", "run"),
    [
        (["hydra.run.dir=out"], "out"),
        (["-m", "x=1", "hydra.sweep.dir=out", "hydra/launcher=basic"], "out/0"),
        (["-m", "x=1", "hydra.sweep.dir=out", "hydra/launcher=exptools"], "out/0"),
        (["-m", "x=1", "hydra.sweep.dir=out", "hydra/launcher=joblib"], "out/0"),
    ],
    ids=["plain", "basic", "exptools", "joblib"],
)
def test_the_logger_works_the_same_in_every_kind_of_run(
    tmp_path: Path, python: Command, args: list[str], run: str
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass"))

    done = python("app.py", *args)

    assert done.returncode == 0, done.stdout + done.stderr
    rows = read_progress(tmp_path / run)
    assert rows[0] == ["step", "wall_time", "train/loss"]
    assert [float(row[2]) for row in rows[1:]] == [step * 0.1 for step in range(100)]
    assert len(shown_by_tensorboard(tmp_path / run)["train/loss"]) == 100
    assert status(tmp_path / run)["state"] == "COMPLETED"
    assert json.loads((tmp_path / run / "variant_config.json").read_text()) == {"x": 1, "y": 1}
    assert (tmp_path / run / "debug.log").read_text().endswith("in the job\n")


@pytest.mark.parametrize(
    ("end", "code", "state", "error"),
    [
        ("sys.exit(0)", 0, "COMPLETED", None),
        ("sys.exit(3)", 3, "FAILED", "SystemExit: 3"),
        ("raise SystemExit(4)", 4, "FAILED", "SystemExit: 4"),
        ("raise ValueError('bad')", 1, "FAILED", "ValueError: bad"),
        ("raise KeyboardInterrupt", -2, "INTERRUPTED", "KeyboardInterrupt"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", -15, "INTERRUPTED", "ended by SIGTERM"),
    ],
)
@pytest.mark.parametrize(
    "args", [["hydra.run.dir=out/0"], ["-m", "x=1", "hydra.sweep.dir=out", "hydra/launcher=basic"]]
)
def test_every_way_out_of_a_hydra_run_closes_the_files(
    tmp_path: Path, python: Command, args: list[str], end: str, code: int, state: str, error: str | None
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end=end))

    done = python("app.py", *args)

    run = tmp_path / "out" / "0"
    assert done.returncode == code, done.stdout + done.stderr
    assert len(read_progress(run)) == 101
    assert (status(run)["state"], status(run).get("error")) == (state, error)


def test_a_used_run_directory_ends_the_command_before_anything_is_overwritten(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass"))
    python("app.py", "hydra.run.dir=out")
    before = {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()}

    done = python("app.py", "hydra.run.dir=out", "x=5")

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: {tmp_path}/out already holds a run (COMPLETED, progress.csv); "
        "choose another (hydra.run.dir=...), go on by hydra.callbacks.exptools.resume=always, "
        "or move that one away\n"
    )
    assert {p: p.read_bytes() for p in (tmp_path / "out").rglob("*") if p.is_file()} == before


@pytest.mark.parametrize("args", [["hydra.run.dir=file/x"], ["-m", "x=1", "hydra.sweep.dir=file/x"]])
def test_a_directory_that_cannot_be_made_ends_the_command(
    tmp_path: Path, python: Command, args: list[str]
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass"))
    (tmp_path / "file").touch()

    done = python("app.py", *args)

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: {tmp_path}/file/x: cannot be made (Not a directory); choose another directory\n"
    )


SETTING = "hydra.callbacks.exptools.snapshot.gap"


@pytest.mark.parametrize("args", [["hydra.run.dir=out"], ["-m", "x=1,2", "hydra.sweep.dir=out"]])
def test_a_setting_that_is_not_allowed_ends_the_command_before_anything_is_written(
    tmp_path: Path, python: Command, args: list[str]
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass"))

    done = python("app.py", *args, f"{SETTING}=abc")

    assert done.returncode == 2
    assert done.stderr == "exptools: error: snapshots: gap must be a whole number from 1 on, not 'abc'\n"
    assert not (tmp_path / "out").exists()


def test_a_setting_that_one_job_of_a_sweep_has_wrong_is_said_in_its_status(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass"))

    done = python("app.py", "-m", "x=1,0", "hydra.sweep.dir=out", SETTING + "=${x}")

    why = "exptools.errors.LoggingError: snapshots: gap must be a whole number from 1 on, not 0"
    assert done.returncode == 1
    assert [status(tmp_path / "out" / job)["state"] for job in "01"] == ["COMPLETED", "FAILED"]
    assert status(tmp_path / "out" / "1")["error"] == why
    assert f"FAILED: {why}" in done.stdout + done.stderr


SETTINGS_IN_THE_CONFIG = """
defaults: {defaults}
x: 1
hydra:
  launcher: {{retries: 1}}
  callbacks: {{exptools: {{snapshot: {{gap: 7}}, writers: [csv, jsonl]}}}}
"""


@pytest.mark.parametrize(
    "defaults",
    ["[_self_, exptools]", "[exptools, _self_]", "[exptools, _self_, {override hydra/callbacks: mine}]"],
)
def test_settings_in_the_application_s_config_hold_wherever_the_default_stands(
    tmp_path: Path, python: Command, defaults: str
) -> None:
    app = re.sub(r"ConfigStore.instance.*\n", "", APP.format(end="pass"))
    (tmp_path / "app.py").write_text(app.replace("config_name", "config_path='.', config_name"))
    (tmp_path / "app.yaml").write_text(SETTINGS_IN_THE_CONFIG.format(defaults=defaults))
    (tmp_path / "hydra" / "callbacks").mkdir(parents=True)
    mine = "mine: {_target_: hydra.experimental.callback.Callback}\n"
    (tmp_path / "hydra" / "callbacks" / "mine.yaml").write_text(mine)

    done = python("app.py", "hydra.run.dir=out")

    assert done.returncode == 0, done.stderr  # Hydra 1.4 warns of callbacks that are not ours
    assert (tmp_path / "out" / "progress.jsonl").exists()
    assert not list((tmp_path / "out").glob("events.out.*"))
    recorded = yaml.safe_load((tmp_path / "out" / ".hydra" / "hydra.yaml").read_text())["hydra"]
    assert recorded["callbacks"]["exptools"]["snapshot"]["gap"] == 7
    assert recorded["launcher"]["retries"] == 1


def test_an_app_without_the_line_behaves_as_before(tmp_path: Path, python: Command) -> None:
    (tmp_path / "app.py").write_text(
        dedent("""
        import hydra
        from hydra.core.config_store import ConfigStore
        from hydra.core.hydra_config import HydraConfig

        ConfigStore.instance().store(name="app", node={"x": 1})

        @hydra.main(version_base=None, config_name="app")
        def main(cfg):
            hydra_config = HydraConfig.get()
            print(hydra_config.launcher._target_, dict(hydra_config.callbacks))

        if __name__ == "__main__":
            main()
        """)
    )

    plain = python("app.py", "hydra.run.dir=out")
    sweep = python("app.py", "-m", "x=1", "hydra.sweep.dir=sweep")

    basic = "hydra._internal.core_plugins.basic_launcher.BasicLauncher {}\n"
    assert (plain.stdout, plain.stderr) == (basic, "")
    assert (sweep.stdout.splitlines()[-1] + "\n", sweep.stderr) == (basic, "")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [".hydra", "app.log"]
    assert sorted(p.name for p in (tmp_path / "sweep" / "0").iterdir()) == [".hydra", "app.log"]


def test_the_logger_in_an_app_without_the_line_says_how_to_open_it(tmp_path: Path, python: Command) -> None:
    (tmp_path / "app.py").write_text(APP.format(end="pass").replace(', "exptools"', ""))

    done = python("app.py", "hydra.run.dir=out")

    assert done.returncode == 1
    assert "the logger is not open, so scalar 'train/loss' would be lost." in done.stderr
    assert "Open it by the default `exptools` in the defaults list of your Hydra app" in done.stderr


def test_nan_and_infinities_are_kept(tmp_path: Path) -> None:
    values = [math.nan, math.inf, -math.inf, -0.0, 5e-324]
    with logger_context(tmp_path, 0, "name"):
        for step, value in enumerate(values):
            logger.log_scalar("x", value, step)

    assert [row[2] for row in read_progress(tmp_path / "run_0")[1:]] == [
        "nan",
        "inf",
        "-inf",
        "-0.0",
        "5e-324",
    ]


def test_the_signal_of_a_process_without_a_run_is_left_alone(tmp_path: Path) -> None:
    before, hook = signal.getsignal(signal.SIGTERM), sys.excepthook
    with logger_context(tmp_path, 0, "name"):
        during = signal.getsignal(signal.SIGTERM)

    assert during is not before
    assert signal.getsignal(signal.SIGTERM) is before
    assert sys.excepthook is hook


def test_the_process_may_change_its_directory(tmp_path: Path, python: Command) -> None:
    (tmp_path / "elsewhere" / "logs" / "run_0").mkdir(parents=True)
    other = tmp_path / "elsewhere" / "logs" / "run_0" / "progress.csv"
    other.write_text("step,wall_time,theirs\n0,1.0,1.0\n")
    inside = "os.chdir('elsewhere') if step == 0 else None; logger.log_scalar(f'late{step}', 1.0, step)"
    (tmp_path / "run.py").write_text(SCRIPT.format(steps=3, inside=inside, after="pass"))

    done = python("run.py")

    assert (done.returncode, done.stderr) == (0, "")
    assert [row[2] for row in read_progress(tmp_path / "logs" / "run_0")] == ["loss", "0.0", "0.1", "0.2"]
    assert other.read_text() == "step,wall_time,theirs\n0,1.0,1.0\n"


@pytest.mark.parametrize("already_written", [True, False])
def test_a_run_directory_may_be_renamed_meanwhile(tmp_path: Path, already_written: bool) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
        if already_written:
            logger.dump()
        (tmp_path / "run_0").rename(tmp_path / "better name")
        logger.dump()
        logger.log_scalar("late", 2.0, 1)

    moved = tmp_path / "better name"
    assert [row[2:] for row in read_progress(moved)] == [["loss", "late"], ["1.0", ""], ["", "2.0"]]
    assert status(moved)["state"] == "COMPLETED"
    assert list(tmp_path.iterdir()) == [moved]


def test_a_file_that_is_deleted_is_begun_again_and_said(tmp_path: Path, capsys: Any) -> None:
    run = tmp_path / "run_0"
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
        logger.dump()
        for path in (run / "progress.csv", *run.glob("*tfevents*")):
            path.unlink()
        logger.log_scalar("loss", 2.0, 1)
        logger.dump()
        logger.log_scalar("acc", 3.0, 2)

    assert [row[2:] for row in read_progress(run)] == [["loss", "acc"], ["2.0", ""], ["", "3.0"]]
    assert shown_by_tensorboard(run) == {"loss": [(1, 2.0)], "acc": [(2, 3.0)]}
    said = capsys.readouterr().err
    assert f"exptools: {run}/progress.csv was deleted while it was written; what it held is gone" in said
    assert said.count("was deleted") == 2


def test_a_run_that_measured_nothing_does_not_keep_its_directory(tmp_path: Path) -> None:
    with pytest.raises(NameError), logger_context(tmp_path, 0, "name"):
        raise NameError("a typo")

    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("loss", 1.0, 0)

    assert status(tmp_path / "run_0")["state"] == "COMPLETED"


def test_of_many_that_want_one_directory_at_once_one_gets_it(tmp_path: Path) -> None:
    script = SCRIPT.format(steps=3, inside="time.sleep(0.3)", after="pass")
    (tmp_path / "run.py").write_text(script)

    for attempt in range(3):
        begun = [
            subprocess.Popen(
                [sys.executable, "-c", script.replace('"logs"', f'"logs{attempt}"')],
                cwd=tmp_path,
                env=clean_environment(),
                stderr=subprocess.PIPE,
                text=True,
            )
            for _ in range(4)
        ]
        said = [process.communicate()[1] for process in begun]

        assert sorted(process.returncode for process in begun) == [0, 1, 1, 1], said
        (winner,) = [process for process in begun if process.returncode == 0]
        found = status(tmp_path / f"logs{attempt}" / "run_0")
        assert (found["state"], found["pid"]) == ("COMPLETED", winner.pid)
        assert sum(f"is in use by process {winner.pid}" in text for text in said) == 3, said


def test_a_full_disk_does_not_keep_the_end_from_the_status(tmp_path: Path, python: Command) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "none", disk], check=False).returncode:
        pytest.skip("only root can make a disk that is full")
    try:
        inside = "open('logs/ballast', 'ab', buffering=0).write(bytes(4096)) if step < 12 else logger.dump()"
        script = SCRIPT.format(steps=400, inside=inside, after="pass")
        (tmp_path / "run.py").write_text(script.replace("        open", "        if 1: open"))
        (disk / "logs").mkdir()
        (tmp_path / "logs").symlink_to(disk / "logs")

        done = python("run.py")
        found = status(disk / "logs" / "run_0")
    finally:
        subprocess.run(["umount", disk], check=True)

    assert done.returncode == 0, done.stderr
    assert found["state"] == "COMPLETED"
    assert "could not be written" in found["note"]
    assert done.stderr.count("progress.csv (No space left on device)") == 1
    assert "data was lost: progress.csv: " in done.stderr


INTERRUPTED = """
import itertools, os, signal, sys, threading
from exptools.logging import logger, logger_context

class Freed:
    def __init__(self):
        self.me = self  # a cycle: the collector calls __del__ in the middle of anything
    def __del__(self):
        global freed
        freed += 1
        logger.log_scalar("freed", freed, 10**6)

freed = 0
handled = 0
def handler(number, frame):
    global handled
    handled += 1
    logger.log_scalar("handled", handled, 10**7)
    if handled % 50 == 0:
        logger.flush()

with logger_context("logs", 0, "name"):
    signal.signal(signal.SIGALRM, handler)
    signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
    for step in range(100_000):
        Freed()
        logger.log_scalar("loss", step, step)
    signal.setitimer(signal.ITIMER_REAL, 0)
    import gc
    gc.collect()
print(freed, handled)
"""


def test_signal_handlers_and_destructors_may_log_in_the_middle_of_logging(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "run.py").write_text(INTERRUPTED)

    done = python("run.py")

    assert done.returncode == 0, done.stderr
    freed, handled = map(int, done.stdout.split())
    header, *rows = read_progress(tmp_path / "logs" / "run_0")
    kept = {
        tag: [(int(row[0]), float(row[i])) for row in rows if row[i]] for i, tag in enumerate(header) if i > 1
    }
    assert kept["loss"] == [(step, float(step)) for step in range(100_000)]
    assert kept["freed"] == [(10**6, float(i + 1)) for i in range(freed)]
    # The handler may be interrupted by itself, between its count and its logging.
    assert sorted(kept["handled"]) == [(10**7, float(i + 1)) for i in range(handled)]
    assert handled > 20
    assert freed == 100_000


KEYBOARD = """
import os, signal, sys
from exptools.logging import logger, logger_context

steps = []
signal.signal(signal.SIGALRM, signal.default_int_handler)
with logger_context("logs", 0, "name"):
    signal.setitimer(signal.ITIMER_REAL, 0.003, 0.003)
    step = 0
    while step < 3000:
        try:
            while step < 3000:
                logger.log_scalar("loss", step, step)
                step += 1
                logger.dump()
        except KeyboardInterrupt:
            step += 1  # whether it was logged is not known; it must not be there twice
    signal.setitimer(signal.ITIMER_REAL, 0)
"""


def test_a_keyboard_interrupt_in_the_middle_of_a_dump_writes_nothing_twice(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "run.py").write_text(KEYBOARD)

    done = python("run.py")

    assert done.returncode == 0, done.stderr
    rows = read_progress(tmp_path / "logs" / "run_0")[1:]
    steps = [int(row[0]) for row in rows]
    assert steps == sorted(set(steps))
    assert all(float(row[2]) == int(row[0]) for row in rows)


def test_a_forked_child_ends_while_the_parent_writes_its_status(tmp_path: Path, python: Command) -> None:
    (tmp_path / "run.py").write_text(
        dedent("""
        import os, sys, time
        from exptools import rundir
        from exptools.logging import logger, logger_context

        rundir.HEARTBEAT_S = 0.05
        write, slow = rundir.write_status, [False]
        def slowly(*args):
            if slow[0]:
                slow[0] = False
                time.sleep(1.5)
            write(*args)
        rundir.write_status = slowly

        with logger_context("logs", 0, "name"):
            logger.log_scalar("loss", 1.0, 0)
            slow[0] = True
            while slow[0]:
                time.sleep(0.01)
            child = os.fork()
            if child == 0:
                sys.exit(7)
            deadline = time.time() + 10
            while time.time() < deadline:
                pid, code = os.waitpid(child, os.WNOHANG)
                if pid:
                    break
                time.sleep(0.05)
            else:
                os.kill(child, 9)
                sys.exit("the child hangs")
            assert os.waitstatus_to_exitcode(code) == 7
        """)
    )

    done = python("run.py")

    assert done.returncode == 0, done.stderr
    assert status(tmp_path / "logs" / "run_0")["state"] == "COMPLETED"


def test_a_spawned_child_is_told_who_records_the_run(tmp_path: Path, python: Command) -> None:
    (tmp_path / "run.py").write_text(
        dedent("""
        import multiprocessing
        from exptools.logging import logger, logger_context

        def child():
            logger.log_scalar("child", 1.0, 0)

        if __name__ == "__main__":
            with logger_context("logs", 0, "name"):
                process = multiprocessing.get_context("spawn").Process(target=child)
                process.start()
                process.join()
        """)
    )

    done = python("run.py")

    assert (
        "LoggingError: the logger is not open in this child process, so scalar 'child' would be lost: "
        "the run is recorded by its parent"
    ) in done.stderr


@pytest.mark.parametrize(
    ("ruin", "environ"),
    [
        ("sys.stdout.close()", {}),
        ("os.close(1)", {}),
        ("sys.stdout = None", {}),
        ("pass", {"PYTHONIOENCODING": "ascii"}),
    ],
)
def test_a_text_is_recorded_whatever_happens_to_stdout(
    tmp_path: Path, python: Command, ruin: str, environ: dict[str, str]
) -> None:
    (tmp_path / "run.py").write_text(
        "import os, sys\nfrom exptools.logging import logger, logger_context\n"
        f"with logger_context('logs', 0, 'name'):\n    {ruin}\n    logger.log_text('héllo')\n"
    )

    done = python("run.py", **environ)

    assert "Traceback" not in done.stderr
    assert "héllo" in (tmp_path / "logs" / "run_0" / "debug.log").read_text()
    assert status(tmp_path / "logs" / "run_0")["state"] == "COMPLETED"


def test_a_config_that_cannot_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    with (
        pytest.raises(ExptoolsError, match=r"log_params\['a'\] has the key \(1, 2\)"),
        logger_context(tmp_path, 0, "name", {"a": {(1, 2): 3}}),
    ):
        raise AssertionError("not reached")

    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("run_id", ["a/b", "../x", "", "a\0b"])
def test_a_run_id_is_no_path(tmp_path: Path, run_id: str) -> None:
    with (
        pytest.raises(RunDirError, match="run_id must be a number or a word without a slash"),
        logger_context(tmp_path, run_id, "name"),
    ):
        raise AssertionError("not reached")


def test_the_config_s_own_name_stays(tmp_path: Path) -> None:
    with logger_context(tmp_path, 3, "name", {"name": "mine", "lr": 0.1}):
        pass

    assert json.loads((tmp_path / "run_3" / "variant_config.json").read_text()) == {
        "name": "mine",
        "run_ID": 3,
        "lr": 0.1,
    }
