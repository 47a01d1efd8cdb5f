"""How jobs run: time-outs, retries, how many may fail, pauses, a dry run; and settings that cannot be."""

from __future__ import annotations

import dataclasses
import itertools
import math
import os
import re
import subprocess
import sys
import time
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, clean_environment, read_progress
from sweeps import ENGINES, said_by, states, status, write_app

from exptools.configs import LauncherConf
from exptools.errors import LaunchError
from exptools.launching.settings import OnCluster, check
from exptools.launching.slots import Slot, SlotPool


@ENGINES
def test_a_job_that_takes_too_long_is_stopped_and_the_others_go_on(
    tmp_path: Path, python: Command, engine: list[str]
) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0); time.sleep(300 if cfg.x == 1 else 0)")

    done = python(app, "-m", "x=0,1,2", "hydra.launcher.timeout_s=4", "hydra.sweep.dir=out", *engine)

    assert done.returncode == 1
    assert states(tmp_path / "out") == ["COMPLETED", "TIMEOUT", "COMPLETED"]
    assert "    TIMEOUT: stopped after timeout_s=4\n" in done.stdout
    assert [row[2] for row in read_progress(tmp_path / "out" / "1")] == ["x", "1.0"]
    stopped = status(tmp_path / "out" / "1")
    assert 4 <= stopped["end"] - stopped["start"] + 1 < 10


def test_a_job_that_ignores_its_time_out_is_killed(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); print('deaf', flush=True); time.sleep(300)",
    )

    begun = time.monotonic()
    python(app, "-m", "x=1", "hydra.launcher.timeout_s=2", "hydra.sweep.dir=out")

    assert time.monotonic() - begun < 25
    assert status(tmp_path / "out" / "0")["state"] == "TIMEOUT"
    assert said_by(tmp_path / "out" / "0") == "deaf\n"


FLAKY = """
    attempts = len(open("tries", "a+").write(f"{cfg.x}\\n") and open("tries").read().split())
    logger.log_scalar("attempt", attempts, 0)
    print("attempt", attempts)
    if attempts <= 2:
        raise ValueError(f"attempt {attempts}")
"""


@ENGINES
def test_a_job_that_failed_runs_again_and_nothing_is_lost(
    tmp_path: Path, python: Command, engine: list[str]
) -> None:
    app = write_app(tmp_path, FLAKY)

    done = python(app, "-m", "x=1", "hydra.launcher.retries=3", "hydra.sweep.dir=out", *engine)

    run = tmp_path / "out" / "0"
    assert done.returncode == 0, done.stdout
    assert (status(run)["state"], status(run)["attempt"]) == ("COMPLETED", 3)
    assert "#0 x=1 FAILED: ValueError: attempt 1; running it again, 1 of 3" in done.stdout
    assert [row[2] for row in read_progress(run)] == ["attempt", "3.0"]
    for attempt in (1, 2):
        aside = run / ".orphaned" / f"attempt-{attempt}"
        assert [row[2] for row in read_progress(aside)] == ["attempt", f"{attempt}.0"]
        assert len(list(aside.glob("*tf_events*"))) == 1
    log = said_by(run)
    assert log.index("attempt 1\n") < log.index("exptools: attempt 2\n") < log.index("exptools: attempt 3\n")
    shown = python("-m", "exptools.viewing.cli", "out", "--csv")
    assert [line.split(",")[-1] for line in shown.stdout.splitlines()] == ["value", "3.0"]


def test_a_job_that_never_succeeds_is_failed_after_the_last_attempt(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "raise ValueError('always')")

    done = python(app, "-m", "x=1", "hydra.launcher.retries=1", "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert (status(tmp_path / "out" / "0")["state"], status(tmp_path / "out" / "0")["attempt"]) == (
        "FAILED",
        2,
    )


@pytest.mark.parametrize(
    ("setting", "begun"), [("hydra.launcher.fail_fast=true", 2), ("hydra.launcher.max_failures=2", 4)]
)
def test_after_enough_failures_no_other_job_is_begun(
    tmp_path: Path, python: Command, setting: str, begun: int
) -> None:
    app = write_app(tmp_path, "assert cfg.x % 2 == 0, 'odd'")

    done = python(app, "-m", "x=range(6)", setting, "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out")

    assert done.returncode == 1
    expected = ["COMPLETED", "FAILED"] * (begun // 2) + ["INTERRUPTED"] * (6 - begun)
    assert states(tmp_path / "out") == expected
    failures = begun // 2
    assert f"max_failures={failures} is reached: no further job is begun" in done.stdout
    assert f"  {6 - begun} more were not begun: max_failures={failures} was reached\n" in done.stdout
    assert status(tmp_path / "out" / "5")["error"] == f"not begun: max_failures={failures} was reached"


def test_a_job_knows_its_cpus_by_the_machines_numbers(tmp_path: Path) -> None:
    cpu = max(os.sched_getaffinity(0))
    if cpu == 0:
        pytest.skip("this process may use CPU 0 only, which has one number everywhere")
    app = write_app(tmp_path, "import exptools; print(exptools.affinity(), os.sched_getaffinity(0))")

    done = subprocess.run(
        [sys.executable, str(app), "-m", "x=1", "hydra.sweep.dir=out"],
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        preexec_fn=lambda: os.sched_setaffinity(0, [cpu]),
        check=False,
    )

    assert done.returncode == 0, done.stderr
    said = said_by(tmp_path / "out" / "0")
    assert f"'all_cpus': ({cpu},)" in said
    assert f"'workers_cpus': (({cpu},),)" in said
    assert f"{{{cpu}}}" in said


def test_starts_are_at_least_so_far_apart(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=1,2,3", "hydra.launcher.stagger_s=1", "hydra.sweep.dir=out")

    # By the launcher's clock: the first job also waits for the process that all are forked from.
    told = re.findall(r"\[(\S+ \S+)\]\[HYDRA\] started on slot", done.stdout + done.stderr)
    starts = [datetime.strptime(text, "%Y-%m-%d %H:%M:%S,%f") for text in told]
    assert len(starts) == 3
    assert all((after - before).total_seconds() > 0.9 for before, after in itertools.pairwise(starts))


def test_a_stopped_pool_does_not_wait_for_its_turn() -> None:
    slots = [Slot(0, "0slt_1cpu_1cpr", (), False, None, 1)]
    pool: SlotPool[int, int] = SlotPool(slots, lambda job, slot: job, stagger_s=60)
    pool.start([1, 2])
    begun = time.monotonic()
    for event in pool.events():
        if event.kind == "end":
            pool.stop()

    assert time.monotonic() - begun < 10


def test_a_dry_run_tells_all_and_writes_nothing(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print('ran')")

    done = python(
        app,
        *("-m", "x=1,2", "hydra.launcher.dry_run=true", "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out"),
        CUDA_VISIBLE_DEVICES="GPU-a",
    )

    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[:4] == [
        f"Would run 2 jobs in {tmp_path}/out; nothing was started or written.",
        "  job  directory  overrides",
        "  #0   0          x=1",
        "  #1   1          x=2",
    ]
    assert lines[4] == "on 1 slot, each job on the first that is free:"
    assert "    CUDA_VISIBLE_DEVICES=GPU-a" in lines
    assert any(line.startswith("    OMP_NUM_THREADS=") for line in lines)
    assert any(line.startswith("    EXPTOOLS_AFFINITY_CODE=0slt_") for line in lines)
    assert [path.name for path in tmp_path.iterdir()] == ["app.py"]


def test_a_dry_run_finds_what_would_be_refused(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=1,2", "hydra.launcher.dry_run=true", "hydra.sweep.subdir=same")

    assert done.returncode == 2
    assert "jobs #0 and #1 would both write to" in done.stderr


def test_the_arguments_of_encode_affinity_divide_the_machine(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "import exptools; print(len(exptools.affinity().workers_cpus))")
    words = ["n_cpu_core=4", "cpu_per_run=2", "set_affinity=false"]

    done = python(app, "-m", "x=1,2", *(f"hydra.launcher.{word}" for word in words), "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stderr
    assert {status(tmp_path / "out" / str(i))["affinity_code"] for i in (0, 1)} == {
        "0slt_4cpu_0gpu_2cpr_0hto_0saf",
        "1slt_4cpu_0gpu_2cpr_0hto_0saf",
    }
    assert said_by(tmp_path / "out" / "0") == "2\n"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ({"timeout_s": 0}, "timeout_s=0 must be more than 0 seconds"),
        (
            {"retries": -1, "stagger_s": -2},
            "retries=-1 must be at least 0; stagger_s=-2 must be at least 0 seconds",
        ),
        (
            {"start": "thread", "preload": "torch"},
            "start=thread must be fork or spawn; "
            "preload=torch must be auto, a list of modules, or off: jobs are started anew then",
        ),
        ({"max_failures": 0}, "max_failures=0 must be at least 1"),
        ({"timeout_s": -1.0}, "timeout_s=-1 must be more than 0 seconds"),
        ({"timeout_s": math.nan}, "timeout_s=nan must be more than 0 seconds"),
        ({"timeout_s": math.inf}, "timeout_s=inf must be at most 1e+09 seconds; null means no limit"),
        (
            {"stagger_s": math.inf, "preload": ["json.decoder", "no_such.module"]},
            "stagger_s=inf must be at most 1e+09 seconds; "
            "preload: there is no module no_such.module; install it, or leave it out",
        ),
        ({"engine": "slrm"}, "engine=slrm must be local, joblib or slurm"),
        (
            {"pack": 2, "detach": True},
            "pack is for a cluster; engine=local runs jobs on this machine, use engine=slurm; "
            "detach is for a cluster; engine=local runs jobs on this machine, use engine=slurm",
        ),
        ({"engine": "slurm", "pack": 0}, "pack=0 must be at least 1"),
        (
            {"engine": "joblib", "start": "spawn"},
            "start=spawn is for engine=local; engine=joblib keeps its processes",
        ),
        (
            {"engine": "joblib", "preload": "off"},
            "preload=off is for engine=local; engine=joblib keeps its processes",
        ),
        (
            {"fail_fast": True, "max_failures": 3},
            "fail_fast=true means max_failures=1, but max_failures=3 is given too",
        ),
        (
            {"affinity_code": "2cpu_1cpr", "n_parallel": 2},
            "affinity_code=2cpu_1cpr and n_parallel=2 both divide the machine; give one of them",
        ),
        (
            {"n_cpu_core": 4, "cpu_per_run": 2, "n_parallel": 2},
            "n_parallel=2 and n_cpu_core=4, cpu_per_run=2 both divide the machine; give one of them",
        ),
    ],
)
def test_settings_that_cannot_be_are_all_told_at_once(given: dict[str, Any], text: str) -> None:
    with pytest.raises(LaunchError) as error:
        check(given)

    assert str(error.value) == text


@pytest.mark.parametrize(
    ("given", "modules"),
    [
        ({}, None),
        ({"preload": ["json", "csv"]}, ["json", "csv"]),
        ({"preload": []}, []),
    ],
)
def test_what_is_preloaded(given: dict[str, Any], modules: list[str] | None) -> None:
    preload = check(given).policy.preload()

    assert preload == modules if modules is not None else "yaml" in (preload or [])


@pytest.mark.parametrize("given", [{"preload": "off"}, {"preload": False}, {"start": "spawn"}])
def test_without_preload_there_is_no_fork_server(given: dict[str, Any]) -> None:
    assert check(given).policy.preload() is None


@pytest.mark.parametrize("wrong", [True, None, 3, "OFF", [1]])
def test_any_other_preload_is_refused(wrong: Any) -> None:
    with pytest.raises(LaunchError) as error:
        check({"preload": wrong})

    assert str(error.value) == (
        f"preload={wrong} must be auto, a list of modules, or off: jobs are started anew then"
    )


def test_every_setting_is_used() -> None:
    checked = check({})

    others = {"dry_run", "resume", "fail_fast", "preload", "_target_"}
    cluster = {field.name for field in dataclasses.fields(OnCluster)}
    used = ({*checked.slots, *vars(checked.policy), *cluster} | others) - {"division", "modules"}
    divides = {
        name for name in set(vars(LauncherConf())) - used if check({name: 1}).slots["division"] == {name: 1}
    }
    assert used | divides == set(vars(LauncherConf()))
