"""What every engine does alike, also one that another package adds: the same sweep comes to the same end."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fake_queue
import pytest
from conftest import Command, read_progress
from sweeps import running, start, states, status, wait_until, write_app

from exptools.errors import LaunchError
from exptools.launching import machine
from exptools.launching.allocation import slots_of
from exptools.launching.engines.queue import Given
from exptools.launching.job import Program
from exptools.launching.settings import check
from exptools.launching.submission import Submission

BODY = """
    logger.log_scalar("x", cfg.x, 0)
    print("says", cfg.x, flush=True)
    if cfg.x == 2:
        raise ValueError("two is bad")
    if cfg.x == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    if cfg.x == 4:
        sys.exit(7)
    if cfg.x == 5:
        time.sleep(600)
    return cfg.x * 10
"""


@pytest.fixture(params=["local", "joblib", "fake", "slurm"])
def engine(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    if request.param == "slurm":
        request.getfixturevalue("slurm")
    for name, value in fake_queue.install(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    yield f"hydra.launcher.engine={request.param}"


def launch(python: Command, tmp_path: Path, *words: str) -> Any:
    app = write_app(tmp_path, BODY)
    return python(app, "-m", *words, "hydra.sweep.dir=out")


def test_one_bad_job_leaves_the_others_alone(engine: str, python: Command, tmp_path: Path) -> None:
    done = launch(python, tmp_path, engine, "x=1,2,3,4,6")

    assert done.returncode == 1, done.stdout + done.stderr
    out = tmp_path / "out"
    assert states(out) == ["COMPLETED", "FAILED", "FAILED", "FAILED", "COMPLETED"]
    errors = [status(out / str(i)).get("error") for i in (1, 3)]
    assert errors == ["ValueError: two is bad", "SystemExit: 7"]
    assert status(out / "2")["error"].startswith("killed by SIGKILL")
    assert "3 of 5 jobs did not complete:" in done.stdout
    for i, x in enumerate((1, 2, 3, 4, 6)):
        assert f"says {x}" in (out / str(i) / "stdout.log").read_text()
        assert json.loads((out / str(i) / "variant_config.json").read_text())["x"] == x
    assert [read_progress(out / str(i))[1][2] for i in (0, 4)] == ["1.0", "6.0"]


def test_each_job_knows_where_it_runs(engine: str, python: Command, tmp_path: Path) -> None:
    app = write_app(
        tmp_path,
        'print(json.dumps({"code": exptools.affinity(), "cpus": sorted(os.sched_getaffinity(0))}))',
        template="import json, exptools\n" + _template(),
    )
    done = python(app, "-m", engine, "x=1,2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    for i in range(2):
        said = json.loads((tmp_path / "out" / str(i) / "stdout.log").read_text().splitlines()[-1])
        found = status(tmp_path / "out" / str(i))
        assert said["cpus"] == found["cpus"] == sorted(said["code"]["all_cpus"])
        assert found["affinity_code"].split("slt_")[1]


def _template() -> str:
    from sweeps import APP

    return APP


TELLS_RETURNS = """
import exptools.launching.sweeper as sweeper

def sweep(*args, inner=sweeper.sweep, **kwargs):
    batches = inner(*args, **kwargs)
    print("RETURNED", [[(job.return_value, job.cfg.x) for job in batch] for batch in batches])
    return batches

sweeper.sweep = sweep
"""


def test_what_jobs_return_is_given_back(engine: str, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, "return {'x': cfg.x, 'mine': Config(x=cfg.x)}")
    app.write_text(TELLS_RETURNS + app.read_text())
    done = python(app, "-m", engine, "x=3,4", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    told = next(line for line in done.stdout.splitlines() if line.startswith("RETURNED"))
    assert all(f"({{'x': {x}, 'mine': Config(" in told and f"x={x})}}, {x})" in told for x in (3, 4))


def test_retries_and_a_time_out(engine: str, python: Command, tmp_path: Path) -> None:
    body = """
        if cfg.x == 1 and not os.path.exists("was_here"):
            open("was_here", "w")
            raise ValueError("the first time")
        if cfg.x == 5:
            time.sleep(600)
    """
    app = write_app(tmp_path, body)
    settings = ("hydra.launcher.retries=1", "hydra.launcher.timeout_s=3")
    done = python(app, "-m", engine, "x=1,5", *settings, "hydra.sweep.dir=out")

    assert done.returncode == 1, done.stdout + done.stderr
    assert states(tmp_path / "out") == ["COMPLETED", "TIMEOUT"]
    assert [status(tmp_path / "out" / str(i))["attempt"] for i in range(2)] == [2, 2]
    assert status(tmp_path / "out" / "1")["error"] == "stopped after timeout_s=3"


def test_only_what_has_not_completed_runs_again(engine: str, python: Command, tmp_path: Path) -> None:
    app = write_app(
        tmp_path, 'print("ran")\nif cfg.x == 2 and not os.path.exists("ok"): raise ValueError("no")'
    )
    python(app, "-m", engine, "x=1,2", "hydra.sweep.dir=out")
    (tmp_path / "ok").touch()

    done = python("-m", "exptools.launching.resume_cli", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Resuming: 1 of 2 jobs have completed and are skipped" in done.stdout
    assert states(tmp_path / "out") == ["COMPLETED"] * 2
    assert [(tmp_path / "out" / str(i) / "stdout.log").read_text().count("ran\n") for i in (0, 1)] == [1, 2]
    assert not (tmp_path / "out" / ".jobs").exists()


@pytest.fixture
def queue(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The state of a fake queue."""
    for name, value in fake_queue.install(tmp_path / "site").items():
        monkeypatch.setenv(name, value)
    return tmp_path / "site" / "queue"


FAKE = "hydra.launcher.engine=fake"


def test_a_launcher_that_is_killed_finds_its_jobs_again(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, 'print("ran", flush=True)\ntime.sleep(4)\nreturn 1.0')
    launcher = start(app, "x=1,2", FAKE)
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    launcher.send_signal(signal.SIGKILL)
    launcher.communicate()

    done = python("-m", "exptools.launching.resume_cli", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "0 of 2 jobs have completed and are skipped, 2 still run or wait" in done.stdout
    assert states(tmp_path / "out") == ["COMPLETED"] * 2
    assert [status(tmp_path / "out" / str(i))["attempt"] for i in (0, 1)] == [1, 1]


def test_what_was_submitted_and_not_written_down_is_not_submitted_again(
    tmp_path: Path, queue: Path, python: Command
) -> None:
    app = write_app(tmp_path, 'print("ran", flush=True)\ntime.sleep(4)')
    python(app, "-m", "x=1,2", FAKE, "hydra.launcher.detach=true", "hydra.sweep.dir=out")
    sweep = tmp_path / "out" / "sweep.json"
    told = json.loads(sweep.read_text())
    del told["submissions"]
    sweep.write_text(json.dumps(told))

    done = python("-m", "exptools.launching.resume_cli", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 still run or wait" in done.stdout
    assert len(list(queue.glob("*.pid"))) == 2
    assert states(tmp_path / "out") == ["COMPLETED"] * 2


def test_an_allocation_that_dies_is_not_waited_for(tmp_path: Path, queue: Path) -> None:
    app = write_app(tmp_path, "time.sleep(600 if cfg.x == 1 else 0)")
    launcher = start(app, "x=1,2", FAKE)
    wait_until(lambda: len(running(tmp_path / "out")) == 1 and states(tmp_path / "out")[1] == "COMPLETED", 60)
    job = running(tmp_path / "out")[0]
    os.killpg(int((queue / f"{job['job_id']}.pid").read_text().split()[0]), signal.SIGKILL)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 1
    assert states(tmp_path / "out")[1] == "COMPLETED"
    assert status(tmp_path / "out" / "0")["state"] in ("FAILED", "INTERRUPTED")
    assert f"({job['job_id']} in fake: FAILED)" in said


def test_a_scheduler_that_is_away_is_waited_for(tmp_path: Path, queue: Path) -> None:
    app = write_app(tmp_path, "time.sleep(3)")
    launcher = start(app, "x=1", FAKE)
    wait_until(lambda: len(running(tmp_path / "out")) == 1)
    (queue / "away").touch()
    wait_until(lambda: states(tmp_path / "out") == ["COMPLETED"])
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 0, said


def test_one_that_stays_away_is_not_waited_for_for_ever(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "time.sleep(20)")
    launcher = start(app, "x=1", FAKE, "hydra.launcher.patience_s=3")
    wait_until(lambda: len(running(tmp_path / "out")) == 1)
    (queue / "away").touch()
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 2
    assert "the scheduler does not answer (nobody is there); waiting for it, up to 3.0 s" in said
    assert (
        "exptools: error: the scheduler has not answered for 3.0 s (nobody is there); its jobs may go on; "
        f"to go on: exptools-resume {tmp_path}/out" in said
    )
    (queue / "away").unlink()
    done = python("-m", "exptools.launching.resume_cli", "out")
    assert "1 still runs or waits" in done.stdout
    assert states(tmp_path / "out") == ["COMPLETED"]


def test_nothing_is_submitted_to_one_that_is_away(tmp_path: Path, queue: Path, python: Command) -> None:
    queue.mkdir(parents=True)
    (queue / "away").touch()
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", "x=1", FAKE, "hydra.launcher.patience_s=1", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert (
        "exptools: error: the scheduler has not answered for 1.0 s (nobody is there); nothing was submitted"
        in done.stderr
    )
    assert status(tmp_path / "out" / "0")["state"] == "INTERRUPTED"


def test_without_a_terminal_the_jobs_are_left_running(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "time.sleep(5)")
    launcher = start(app, "x=1,2", FAKE)
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    launcher.send_signal(signal.SIGTERM)
    said, _ = launcher.communicate(timeout=20)

    assert launcher.returncode == 128 + signal.SIGTERM
    assert f"left running: 2 jobs in 2 allocations\nto go on: exptools-resume {tmp_path}/out" in said
    assert len(running(tmp_path / "out")) == 2
    assert python("-m", "exptools.launching.resume_cli", "out").returncode == 0


def test_exactly_the_jobs_of_a_sweep_are_cancelled(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "time.sleep(600 if cfg.x else 8)")
    python(app, "-m", "x=1,2", FAKE, "hydra.launcher.detach=true", "hydra.sweep.dir=out")
    python(app, "-m", "x=0", FAKE, "hydra.launcher.detach=true", "hydra.sweep.dir=other")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)

    done = python("-m", "exptools.launching.cancel_cli", "out")

    assert (done.returncode, done.stdout) == (0, f"cancelled 2 jobs of {tmp_path}/out\n")
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 2
    assert states(tmp_path / "other") == ["RUNNING"]
    again = python("-m", "exptools.launching.cancel_cli", "out")
    assert again.stdout == f"{tmp_path}/out: no scheduler has jobs of this sweep; nothing was cancelled\n"
    wait_until(lambda: states(tmp_path / "other") == ["COMPLETED"])


def test_a_wrong_wish_is_told_and_nothing_is_made(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", "x=1", FAKE, "hydra.launcher.executor.qos=high", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert "executor.qos is unknown to the fake queue; it knows partition" in done.stderr
    assert not (tmp_path / "out" / "0").exists()


def test_an_engine_that_is_not_there(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", "x=1", "hydra.launcher.engine=pbs", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert "engine=pbs must be local, joblib, slurm or fake" in done.stderr


def test_the_dry_run_says_what_would_be_submitted(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")
    words = ("hydra.launcher.dry_run=true", "hydra.launcher.pack=2", "hydra.launcher.executor.partition=gpu")
    done = python(app, "-m", "x=1,2,3", FAKE, *words, "hydra.sweep.dir=out")

    assert done.returncode == 0
    assert done.stdout.splitlines()[-3:] == [
        "submitted to fake as 2 allocations, each with",
        "  pack=2",
        "  executor.partition=gpu",
    ]
    assert list(queue.glob("*.pid")) == []


def test_max_failures_lets_nothing_further_begin(tmp_path: Path, queue: Path, python: Command) -> None:
    app = write_app(tmp_path, 'raise ValueError("no")')
    words = ("hydra.launcher.max_failures=1", "hydra.launcher.pack=3", "hydra.launcher.n_parallel=1")
    done = python(app, "-m", "x=1,2,3", FAKE, *words, "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert states(tmp_path / "out") == ["FAILED", "INTERRUPTED", "INTERRUPTED"]
    assert "2 more were not begun: max_failures=1 was reached" in done.stdout


def _allocation_of(queue: Path, job: dict[str, Any]) -> int:
    """The process that is in charge of an allocation."""
    return int((queue / f"{job['job_id']}.pid").read_text().split()[0])


def test_how_a_job_ended_before_its_allocation_was_stopped_stays(tmp_path: Path, queue: Path) -> None:
    app = write_app(tmp_path, 'if cfg.x == 1: raise ValueError("its own")\ntime.sleep(600)')
    launcher = start(app, FAKE, "hydra.launcher.pack=2", "x=1,2")
    out = tmp_path / "out"
    wait_until(lambda: len(running(out)) == 1 and states(out) == ["FAILED", "RUNNING"])
    os.kill(_allocation_of(queue, status(out / "1")), signal.SIGTERM)  # the fake queue starts nothing again
    launcher.communicate(timeout=60)

    assert [status(out / str(i))["error"] for i in (0, 1)] == [
        "ValueError: its own",
        "the fake queue starts nothing again",
    ]


def test_jobs_go_on_if_the_launcher_cannot_be_told(tmp_path: Path, queue: Path) -> None:
    app = write_app(tmp_path, "while not os.path.exists('go'): time.sleep(0.1)\ntime.sleep(cfg.x)")
    launcher = start(app, FAKE, "hydra.launcher.pack=2", "hydra.launcher.n_parallel=2", "x=0,1")
    out = tmp_path / "out"
    wait_until(lambda: len(running(out)) == 2)
    shutil.rmtree(out / ".jobs")
    (tmp_path / "go").touch()
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 0, said
    assert states(out) == ["COMPLETED"] * 2
    assert "Traceback" not in said and "in 0.0 s" not in said


def test_a_submission_whose_answer_is_lost_is_not_made_twice(
    tmp_path: Path, queue: Path, python: Command
) -> None:
    queue.mkdir(parents=True)
    (queue / "lost").touch()
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", "x=1,2", FAKE, "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert len(list(queue.glob("*.pid"))) == 2
    assert states(tmp_path / "out") == ["COMPLETED"] * 2


def test_ctrl_c_while_jobs_are_submitted_takes_them_back(tmp_path: Path, queue: Path) -> None:
    queue.mkdir(parents=True)
    (queue / "slow").touch()
    app = write_app(tmp_path, "time.sleep(600)")
    launcher = start(app, "x=1,2", FAKE)
    wait_until(lambda: len(list(queue.glob("*.pid"))) == 2)
    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 130
    assert said.rstrip().endswith("interrupted: nothing was submitted")
    assert "Traceback" not in said
    assert len(list(queue.glob("*.cancelled"))) == 2
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 2


def test_what_cannot_be_written_is_told_in_a_line(tmp_path: Path, queue: Path, python: Command) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".jobs").touch()
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", "x=1", FAKE, "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert "cannot write there (Not a directory); mend that, or choose another directory" in done.stderr
    assert "Traceback" not in done.stderr


def _launcher_that_died_before_it_submitted(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")
    assert python(app, "-m", "x=1,2", FAKE, "hydra.sweep.dir=out").returncode == 0
    for i in (0, 1):
        (tmp_path / "out" / str(i) / "status.json").write_text('{"state": "QUEUED", "attempt": 1}')


@pytest.mark.parametrize("words", [[], ["hydra.launcher.engine=local"]], ids=["fake", "local"])
def test_jobs_that_a_launcher_did_not_come_to_submit_are_run(
    words: list[str], tmp_path: Path, queue: Path, python: Command
) -> None:
    _launcher_that_died_before_it_submitted(tmp_path, python)
    done = python("-m", "exptools.launching.resume_cli", "out", *words)

    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 2


def test_jobs_that_a_launcher_did_not_come_to_submit_are_interrupted_by_exptools_cancel(
    tmp_path: Path, queue: Path, python: Command
) -> None:
    _launcher_that_died_before_it_submitted(tmp_path, python)
    python("-m", "exptools.launching.cancel_cli", "out")

    assert states(tmp_path / "out") == ["INTERRUPTED"] * 2


def test_no_engine_of_this_machine_runs_what_a_scheduler_has(
    tmp_path: Path, queue: Path, python: Command
) -> None:
    app = write_app(tmp_path, "time.sleep(600)")
    python(app, "-m", "x=1", FAKE, "hydra.launcher.detach=true", "hydra.sweep.dir=out")
    wait_until(lambda: len(running(tmp_path / "out")) == 1)
    done = python("-m", "exptools.launching.resume_cli", "out", "hydra.launcher.engine=local")
    python("-m", "exptools.launching.cancel_cli", "out")

    assert done.returncode == 2
    told = (
        "jobs of this sweep were submitted with engine=fake; go on with that, or cancel them: exptools-cancel"
    )
    assert told in done.stderr


def test_what_failed_because_it_was_to_stop_is_not_run_again_in_an_allocation_that_ends(
    tmp_path: Path, queue: Path
) -> None:
    body = """
        logger.should_stop
        open("asks", "w")
        while not logger.should_stop:
            time.sleep(0.1)
        raise ValueError("my workers are gone")
    """
    app = write_app(tmp_path, body)
    launcher = start(app, FAKE, "hydra.launcher.retries=1", "x=1")
    out = tmp_path / "out"
    wait_until((tmp_path / "asks").exists)
    os.kill(_allocation_of(queue, status(out / "0")), signal.SIGTERM)
    launcher.communicate(timeout=60)

    assert status(out / "0")["attempt"] == 1


def test_each_job_of_a_pack_has_its_own_attempts_at_the_time_limit(tmp_path: Path, queue: Path) -> None:
    """Those that wait for their turn use none up; one that never comes to its end keeps no other from its."""
    body = """
        if logger.load_snapshot() is not None and cfg.x != 2:
            return
        open(f"up{cfg.x}.0" if not os.path.exists(f"up{cfg.x}.0") else f"up{cfg.x}.1", "w")
        while not logger.should_stop:
            time.sleep(0.02)
        logger.save_snapshot(0, {})
        sys.exit(75)
    """
    app = write_app(tmp_path, body)
    settings = ("hydra.launcher.pack=3", "hydra.launcher.n_parallel=1", "hydra.launcher.max_requeues=1")
    queue.mkdir(parents=True, exist_ok=True)
    (queue / "limit").touch()
    launcher = start(app, FAKE, *settings, "x=1,2,3")
    for up in ("up1.0", "up2.0", "up2.1", "up3.0"):
        wait_until(lambda up=up: (tmp_path / up).exists())
        os.kill(int((queue / "1.pid").read_text().split()[0]), signal.SIGUSR2)
    said, _ = launcher.communicate(timeout=60)

    out = tmp_path / "out"
    assert launcher.returncode == 1, said
    assert states(out) == ["COMPLETED", "TIMEOUT", "COMPLETED"]
    assert [status(out / str(i))["attempt"] for i in range(3)] == [2, 2, 2]
    told = "the time limit was reached, and max_requeues=1 allows no further attempt"
    assert status(out / "1")["error"] == told


def test_ctrl_c_while_a_sweep_is_taken_up_ends_that_in_a_line(
    tmp_path: Path, queue: Path, python: Command
) -> None:
    app = write_app(tmp_path, "time.sleep(600)")
    python(app, "-m", "x=1", FAKE, "hydra.launcher.detach=true", "hydra.sweep.dir=out")
    (queue / "away").touch()
    back = start(app, "x=1", FAKE, "hydra.launcher.resume=true")
    assert back.stdout is not None
    told = back.stdout.readline()
    back.send_signal(signal.SIGINT)
    said, _ = back.communicate(timeout=60)
    (queue / "away").unlink()
    python("-m", "exptools.launching.cancel_cli", "out")

    assert "the scheduler does not answer (nobody is there)" in told
    assert back.returncode == 130
    assert "Traceback" not in said
    assert said.endswith(f"goes on as it did\nto go on: exptools-resume {tmp_path}/out\n")


@pytest.mark.parametrize(
    ("words", "n_jobs", "n_cores", "n_cpus", "expected"),
    [
        ({}, 1, 2, 2, [("0", "1")]),
        ({}, 1, 1, 1, [("0", "1")]),  # as gres=gpu:2 alone gives it
        ({}, 1, 3, 3, [("0", "1")]),
        ({"contexts_per_gpu": 2}, 1, 2, 2, [("0",)]),  # the one that is left of a pack
        ({}, 1, 8, 3, [("0", "1")]),  # 8 cores, of which 3 are ours, and Slurm does not say which
        ({}, 4, 8, 3, [("0",), ("1",)]),
        ({"n_parallel": 1}, 4, 8, 4, [("0",)]),
        ({"use_gpu": False, "n_parallel": 2}, 8, 8, 5, [(), ()]),
        ({"contexts_per_gpu": 2}, 3, 8, 5, [("0",), ("1",), ("0",)]),
    ],
)
def test_an_allocation_is_divided_whatever_its_cores_and_gpus_are(
    words: dict[str, Any],
    n_jobs: int,
    n_cores: int,
    n_cpus: int,
    expected: list[tuple[str, ...]],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cores = tuple(machine.Core((i,), 0, None) for i in range(n_cores))
    gpus = tuple(machine.Gpu(str(i), None, "CUDA_VISIBLE_DEVICES") for i in range(2))
    monkeypatch.setattr(machine, "usable_cores", lambda *given: cores)
    monkeypatch.setattr(machine, "mask", lambda: set(range(n_cores)))
    monkeypatch.setattr(machine, "gpus", lambda: gpus)
    settings = check({"engine": "slurm", **words})
    program = Program({}, [], [], [])
    made = Submission(tmp_path, "slurm", {}, settings.slots, settings.policy, 0, program, ())
    slots = slots_of(Given("1", "n1", 0, 1, n_cpus, True), made, n_jobs)

    assert [slot.gpus for slot in slots] == expected
    assert sum(slot.n_threads for slot in slots) <= max(n_cpus, 2)
    assert all(slot.pin == (n_cores == n_cpus and n_cores % 2 == 0) for slot in slots)


def test_what_is_asked_of_a_scheduler_is_of_the_kind_that_a_command_line_would_make_it() -> None:
    given = {"timeout_min": "60", "setup": ("a", "b"), "partition": None, "unknown": 1}
    settings = check({"engine": "slurm", "executor": given})

    assert settings.cluster is not None
    assert settings.cluster.executor == {"timeout_min": 60, "setup": ["a", "b"], "unknown": 1}


@pytest.mark.parametrize(
    ("executor", "told"),
    [
        (
            {"timeout_min": "1:00:00", "mem_gb": "16GB"},
            "executor.timeout_min=1:00:00: .*; executor.mem_gb=16GB: ",
        ),
        ({"setup": "module load x"}, "executor.setup=module load x: "),
        (["gpu"], r"executor=\['gpu'\] must be a mapping"),
    ],
)
def test_what_is_asked_of_a_scheduler_and_is_of_another_kind_is_told(executor: Any, told: str) -> None:
    with pytest.raises(LaunchError, match=told):
        check({"engine": "slurm", "executor": executor})
