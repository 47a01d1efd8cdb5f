"""Going on with a sweep: what has completed is skipped and given back, the rest runs where it was."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from conftest import Command, read_progress
from sweeps import said_by, start, states, status, wait_until, write_app

from exptools.launching.resume import find

BODY = """
    logger.log_scalar("x", cfg.x, 0)
    print("ran", flush=True)
    if cfg.x == 2 and not os.path.exists("repaired"):
        raise ValueError("not yet")
    if cfg.x == 3 and not os.path.exists("repaired"):
        time.sleep(300)
    return cfg.x * 10
"""


def resume(python: Command, *words: object) -> Any:
    return python("-m", "exptools.launching.resume_cli", *words)


@pytest.fixture
def interrupted(tmp_path: Path) -> Path:
    """A sweep of five of which one completed, one failed, one was interrupted and two had not begun."""
    app = write_app(tmp_path, BODY)
    launcher = start(app, "x=1,2,3,4,5", "hydra.launcher.n_parallel=1")
    wait_until(lambda: said_by(tmp_path / "out" / "2") == "ran\n")
    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert f"to go on: exptools-resume {tmp_path}/out" in said
    assert states(tmp_path / "out") == ["COMPLETED", "FAILED", "INTERRUPTED", "INTERRUPTED", "INTERRUPTED"]
    (tmp_path / "repaired").touch()
    return tmp_path / "out"


def test_only_what_has_not_completed_runs_again(interrupted: Path, python: Command) -> None:
    before = (interrupted / "0" / "progress.csv").read_bytes(), status(interrupted / "0")

    done = resume(python, interrupted)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Resuming: 1 of 5 jobs have completed and are skipped" in done.stdout
    assert states(interrupted) == ["COMPLETED"] * 5
    assert ((interrupted / "0" / "progress.csv").read_bytes(), status(interrupted / "0")) == before
    assert [status(interrupted / str(i))["attempt"] for i in range(5)] == [1, 2, 2, 1, 1]
    assert [read_progress(interrupted / str(i))[1][2] for i in range(5)] == [
        "1.0",
        "2.0",
        "3.0",
        "4.0",
        "5.0",
    ]
    assert (interrupted / "1" / ".orphaned" / "attempt-1" / "progress.csv").exists()
    sweep = json.loads((interrupted / "sweep.json").read_text())
    assert [(j["num"], j["overrides"], j["dir"]) for j in sweep["jobs"]] == [
        (i, [f"x={i + 1}"], str(i)) for i in range(5)
    ]


def test_a_sweep_that_is_complete_runs_nothing(interrupted: Path, python: Command) -> None:
    resume(python, interrupted)
    command = json.loads((interrupted / "sweep.json").read_text())["command"]
    before = {path: path.read_bytes() for path in interrupted.glob("*/*") if path.is_file()}

    done = resume(python, interrupted)

    assert done.returncode == 0
    assert "Resuming: 5 of 5 jobs have completed and are skipped" in done.stdout
    assert json.loads((interrupted / "sweep.json").read_text())["command"] == command
    assert {path: path.read_bytes() for path in interrupted.glob("*/*") if path.is_file()} == before


def test_a_moved_sweep_with_more_jobs_goes_on(interrupted: Path, python: Command, tmp_path: Path) -> None:
    moved = interrupted.rename(tmp_path / "it's moved")

    done = python(
        tmp_path / "app.py",
        *("-m", "x=6,5,4,3,2,1,7", "hydra.launcher.resume=true", "hydra.launcher.n_parallel=2"),
        "hydra.sweep.dir='it\\'s moved'",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = "Resuming: 1 of 7 jobs have completed and are skipped, 2 are new\n"
    assert told in done.stdout
    assert {path.name: read_progress(path)[1][2] for path in moved.iterdir() if path.is_dir()} == {
        **{str(i): f"{i + 1}.0" for i in range(5)},
        "5": "6.0",
        "6": "7.0",
    }


def test_exptools_resume_finds_its_way_from_anywhere(interrupted: Path, python: Command) -> None:
    os.rename(interrupted, interrupted.with_name("it's here"))

    done = python("-m", "exptools.launching.resume_cli", interrupted.with_name("it's here"), cwd=Path("/"))

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(interrupted.with_name("it's here")) == ["COMPLETED"] * 5


def test_what_completed_gives_back_what_it_returned(tmp_path: Path, python: Command) -> None:
    (tmp_path / "collect.py").write_text(
        dedent("""
        import sys
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path

        def task(cfg):
            return {"x": cfg.x, "score": cfg.x / 4}

        if __name__ == "__main__":
            hydra = Hydra.create_main_hydra2("t", create_config_search_path(None))
            words = ["+x=1,2", "hydra/launcher=exptools", "hydra.sweep.dir=out", *sys.argv[1:]]
            (batch,) = hydra.multirun(None, task, words)
            print([r.return_value for r in batch])
        """)
    )
    first = python("collect.py")

    again = python("collect.py", "hydra.launcher.resume=true")

    assert first.stdout.splitlines()[-1] == "[{'x': 1, 'score': 0.25}, {'x': 2, 'score': 0.5}]"
    assert again.stdout.splitlines()[-1] == first.stdout.splitlines()[-1], again.stderr
    assert "2 of 2 jobs have completed and are skipped" in again.stdout


def test_a_run_whose_status_is_broken_runs_again(interrupted: Path, python: Command) -> None:
    (interrupted / "0" / "status.json").write_text("{")

    done = resume(python, interrupted)

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(interrupted) == ["COMPLETED"] * 5
    assert (interrupted / "0" / ".orphaned" / "attempt-1" / "progress.csv").exists()


@pytest.mark.parametrize(
    ("words", "text"),
    [
        ([], "no sweep was given; usage: exptools-resume SWEEP [OVERRIDE ...]"),
        (
            ["nothing"],
            "{here}/nothing does not exist; give the directory of a sweep, such as multirun/DATE/TIME",
        ),
        (
            ["odd/sweep.json"],
            "{here}/odd/sweep.json is a file; give the directory of a sweep, such as multirun/DATE/TIME",
        ),
        (
            ["odd/0"],
            "{here}/odd/0 is no sweep: there is no sweep.json in it; "
            "give the directory of one, such as {here}/odd",
        ),
        (
            ["multirun"],
            "{here}/multirun is no sweep: there is no sweep.json in it; "
            "give the directory of one, such as {here}/multirun/day/time2",
        ),
        (
            ["empty"],
            "{here}/empty is no sweep: there is no sweep.json in it; "
            "give the directory of one, such as multirun/DATE/TIME",
        ),
        (
            ["run"],
            "{here}/run is a run by itself and not a sweep; to go on with it start its own command again, "
            "with hydra.run.dir={here}/run",
        ),
        (
            ["run_0"],
            "{here}/run_0 is a run by itself and not a sweep; to go on with it start its own command again",
        ),
        (["odd"], "{here}/odd/sweep.json: not what exptools writes ('command')"),
        (
            ["plain"],
            "{here}/plain/sweep.json: launched by an older run_experiments; run its script again",
        ),
        (
            ["stdin"],
            "{here}/stdin/sweep.json: not launched by a script, but by python -c; "
            "run that again, with hydra.launcher.resume=true and hydra.sweep.dir={here}/stdin",
        ),
        (
            ["notebook"],
            "{here}/notebook/sweep.json: not launched by a script, but by python -m ipykernel_launcher; "
            "run that again, with hydra.launcher.resume=true and hydra.sweep.dir={here}/notebook",
        ),
        (["gone"], "{here}/gone/sweep.json: launched in /no/such/place, which does not exist any more"),
    ],
)
def test_what_cannot_go_on_is_one_line(tmp_path: Path, python: Command, words: list[str], text: str) -> None:
    for name, sweep in {
        "odd": {},
        "plain": {"command": ["python", "x.py"], "cwd": "/", "launcher": {}},
        "stdin": {"command": ["python", "-c"], "cwd": "/", "launcher": {"resume": False}},
        "notebook": {
            "command": ["python", "-m", "ipykernel_launcher", "-f", "x.json"],
            "script": False,
            "cwd": "/",
            "launcher": {"resume": False},
        },
        "gone": {"command": ["python", "x.py"], "cwd": "/no/such/place", "launcher": {"resume": False}},
    }.items():
        (tmp_path / name).mkdir()
        (tmp_path / name / "sweep.json").write_text(json.dumps(sweep))
    for name in ("run", "run_0"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "status.json").write_text('{"state": "FAILED"}')
    (tmp_path / "run" / ".hydra").mkdir()
    for name in ("odd/0", "empty", "multirun/day/time1", "multirun/day/time2"):
        (tmp_path / name).mkdir(parents=True)
        if name.startswith("multirun"):
            (tmp_path / name / "sweep.json").write_text("{}")

    done = resume(python, *words)

    assert done.returncode == 2
    assert done.stderr == f"exptools: error: {text.format(here=tmp_path)}\n"


def test_to_resume_what_is_no_sweep_is_refused(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=1", "hydra.launcher.resume=true", "hydra.sweep.dir=new")

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: resume=true, but there is no sweep.json in {tmp_path}/new; "
        "give the directory of a sweep by hydra.sweep.dir=\n"
    )


def test_an_attempt_that_never_began_is_still_to_come(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', 1, 0)\nraise ValueError('no')")
    words = (app, "-m", "x=0,1", "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out")
    again = (*words, "hydra.launcher.resume=true")

    def attempts() -> list[tuple[str, int]]:
        runs = [status(tmp_path / "out" / str(i)) for i in range(2)]
        return [(run["state"], run["attempt"]) for run in runs]

    python(*words)
    assert attempts() == [("FAILED", 1), ("FAILED", 1)]
    python(*again, "hydra.launcher.fail_fast=true")
    assert attempts() == [("FAILED", 2), ("INTERRUPTED", 2)]
    python(*again)
    assert attempts() == [("FAILED", 3), ("FAILED", 2)]
    aside = sorted(path.name for path in (tmp_path / "out" / "1" / ".orphaned").iterdir())
    assert aside == ["attempt-1"]


def test_the_console_script_is_installed() -> None:
    assert (Path(sys.executable).parent / "exptools-resume").exists()


def test_a_job_is_known_by_its_overrides_in_any_order(tmp_path: Path) -> None:
    jobs = [
        {"num": 0, "overrides": ["a=1", "b=2", "hydra.verbose=true"], "dir": "x"},
        {"num": 3, "overrides": ["b=1", "a=2"], "dir": "y"},
    ]
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": jobs}))

    places = find(tmp_path, [["a=2", "b=1"], ["b=2", "a=1"], ["a=1", "b=1"]])

    assert [None if one is None else one.dir for one in places.earlier] == ["y", "x", None]
    assert places.nums == (3, 0, 4)
