"""Sweepers that choose jobs by results, in many small batches: Optuna's; and what holds over all batches."""

from __future__ import annotations

import importlib.util
import json
import re
import signal
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import HYDRA_IS_1_3, Command
from omegaconf import OmegaConf
from sweeps import APP, said_by, start, states, status, wait_until, write_app

from exptools.launching import resume, study
from exptools.launching.study import Study

optuna = pytest.mark.skipif(
    not HYDRA_IS_1_3 or importlib.util.find_spec("optuna") is None,
    reason="needs hydra-optuna-sweeper, which (1.3.0) does not work with Hydra 1.4 under any launcher",
)

APP_OF_X = APP.replace("    x: int = 0\n", "    x: float = 0\n    y: int = 0\n")
SEED = "hydra.sweeper.sampler.seed=1"
OPTUNA = [
    "hydra/sweeper=optuna",
    "hydra.sweeper.n_trials=6",
    "hydra.sweeper.n_jobs=2",
    "hydra.launcher.start=spawn",
    "x=interval(-5.0,5.0)",
]
NAMED = "hydra.sweep.subdir=${exptools.variant_name:}"
# With that seed the trials 2, 4 and 5 are those below -2.
FAILS = """
    logger.log_scalar("x", cfg.x, 0)
    if cfg.x < -2:
        {how}
    return (cfg.x - 1) ** 2
"""
WAYS = {
    "raises": ("raise ValueError('too small')", "ValueError: too small"),
    "exits": ("sys.exit(3)", "SystemExit: 3"),
    "is killed": (
        "os.kill(os.getpid(), signal.SIGKILL)",
        "killed by SIGKILL (probably out of memory; it had up to N MiB)",
    ),
}


def study_app(tmp_path: Path, how: str = WAYS["raises"][0]) -> Path:
    return write_app(tmp_path, FAILS.format(how=how), template=APP_OF_X)


def sweep_json(sweep: Path) -> Any:
    return json.loads((sweep / "sweep.json").read_text())


def values(sweep: Path) -> dict[float, float]:
    """What the completed trials returned, by x."""
    runs = [path.parent for path in sweep.glob("*/status.json")]
    return {
        json.loads((run / "variant_config.json").read_text())["x"]: status(run)["returned"]
        for run in runs
        if status(run)["state"] == "COMPLETED"
    }


def told_of(sweep: Path, job: Any, error: str) -> list[str]:
    """The lines on a job in the list of what failed."""
    return [
        f"  #{job['num']} {job['overrides'][0]}",
        f"    FAILED: {error}",
        f"    {sweep}/{job['dir']}/stdout.log",
    ]


@optuna
@pytest.mark.parametrize(("how", "error"), WAYS.values(), ids=WAYS)
def test_a_failed_trial_does_not_lose_the_study(
    tmp_path: Path, python: Command, how: str, error: str
) -> None:
    app = study_app(tmp_path, how)

    done = python(app, "-m", *OPTUNA, SEED, "hydra.sweep.dir=out")

    out = tmp_path / "out"
    assert done.returncode == 1, done.stdout + done.stderr
    assert states(out) == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED", "FAILED", "FAILED"]
    best = yaml.safe_load((out / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(values(out).values())
    assert best["best_params"]["x"] == min(values(out), key=lambda x: values(out)[x])
    jobs = sweep_json(out)["jobs"]
    assert [(job["num"], job["dir"]) for job in jobs] == [(i, str(i)) for i in range(6)]
    assert sweep_json(out)["varies"] == ["x"]
    said = re.sub(r"\d+ MiB", "N MiB", done.stdout)
    assert said[said.index("the study has ended: ") :].splitlines() == [
        "the study has ended: 3 of 6 jobs did not complete:",
        *(line for i in (2, 4, 5) for line in told_of(out, jobs[i], error)),
        f"to go on: exptools-resume {out}",
    ]
    assert said.count("did not complete") == 1
    assert f"Failed experiment: job #2 {jobs[2]['overrides'][0]} FAILED: {error}; its log" in said


@optuna
def test_without_the_one_line_the_study_goes_on_as_well(tmp_path: Path, python: Command) -> None:
    template = APP_OF_X.replace('["_self_", "exptools"]', '["_self_"]')
    app = write_app(tmp_path, "assert cfg.x >= -2; return cfg.x", template=template)

    done = python(app, "-m", *OPTUNA, SEED, "hydra/launcher=exptools", "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert states(tmp_path / "out").count("FAILED") == 3
    assert (tmp_path / "out" / "optimization_results.yaml").exists()


@optuna
@pytest.mark.parametrize(("rate", "code", "n_run"), [(1, 0, 6), (0, 1, 4)])
def test_how_many_may_fail_is_the_sweepers_business_if_the_user_says_it(
    tmp_path: Path, python: Command, rate: int, code: int, n_run: int
) -> None:
    app = study_app(tmp_path)

    done = python(app, "-m", *OPTUNA, SEED, f"hydra.sweeper.max_failure_rate={rate}", "hydra.sweep.dir=out")

    assert done.returncode == code, done.stdout + done.stderr
    assert len(states(tmp_path / "out")) == n_run
    assert (tmp_path / "out" / "optimization_results.yaml").exists() == (rate == 1)
    assert "#2 x=-4.998856251826551\n    FAILED: ValueError: too small\n" in done.stdout


@optuna
def test_a_study_in_which_nothing_fails_ends_well(tmp_path: Path, python: Command) -> None:
    app = study_app(tmp_path, "pass")

    done = python(app, "-m", *OPTUNA, "y=3", "hydra.sweep.dir=out", NAMED)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "did not complete" not in done.stdout
    jobs = sweep_json(tmp_path / "out")["jobs"]
    assert {job["dir"] for job in jobs} == {job["overrides"][0] for job in jobs}
    assert len(jobs) == len(values(tmp_path / "out")) == 6


@optuna
def test_trials_one_by_one_are_named_by_what_was_chosen(tmp_path: Path, python: Command) -> None:
    app = study_app(tmp_path, "pass")
    one_by_one = ["hydra.sweeper.n_jobs=1", "hydra.sweeper.n_trials=2"]

    done = python(app, "-m", *OPTUNA, *one_by_one, "y=3", "hydra.sweep.dir=out", NAMED)

    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name.partition("=")[0] for path in (tmp_path / "out").glob("*=*")} == {"x"}
    assert len(list((tmp_path / "out").glob("x=*"))) == 2


@optuna
@pytest.mark.parametrize("rate", ["", "hydra.sweeper.max_failure_rate=1"])
def test_so_many_failures_end_a_study(tmp_path: Path, python: Command, rate: str) -> None:
    app = study_app(tmp_path)

    words = [SEED, "hydra.sweeper.n_trials=9", "hydra.launcher.max_failures=2", *filter(None, [rate])]

    done = python(app, "-m", *OPTUNA, *words, "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert (
        "max_failures=2 was reached, OptunaSweeper is stopped: 3 of 6 jobs did not complete:\n" in done.stderr
    )
    assert "Traceback" not in done.stderr
    assert len(states(tmp_path / "out")) == 6


def test_failures_are_counted_over_all_batches(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "assert cfg.x % 2, 'even'")

    done = python(
        app,
        *("-m", "x=0,1,2,3,4,5", "hydra.sweeper.max_batch_size=2", "hydra.launcher.max_failures=2"),
        *("hydra.launcher.n_parallel=1", "hydra.sweep.dir=out"),
    )

    assert done.returncode == 1
    assert states(tmp_path / "out") == ["FAILED", "COMPLETED", "FAILED"] + ["INTERRUPTED"] * 3
    assert status(tmp_path / "out" / "5")["error"] == "not begun: max_failures=2 was reached"


@optuna
def test_a_dry_run_tells_the_first_batch_and_that_the_rest_is_not_known(
    tmp_path: Path, python: Command
) -> None:
    app = study_app(tmp_path)

    done = python(app, "-m", *OPTUNA, SEED, "hydra.launcher.dry_run=true", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stderr
    assert f"Would run 2 jobs in {tmp_path}/out; nothing was started or written.\n" in done.stdout
    assert done.stdout.endswith(
        "OptunaSweeper chooses what comes next by what these return: the dry run ends here.\n"
    )
    assert not (tmp_path / "out").exists()


@optuna
def test_a_study_that_was_interrupted_goes_on_by_its_seed(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        """
        logger.log_scalar("x", cfg.x, 0)
        if not os.path.exists("again") and -4 < cfg.x < -1:
            print("now", flush=True)
            time.sleep(300)
        return cfg.x
        """,
        template=APP_OF_X,
    )
    launcher = start(app, *OPTUNA, SEED)
    wait_until(lambda: said_by(tmp_path / "out" / "3") == "now\n")
    wait_until(lambda: status(tmp_path / "out" / "2")["state"] == "COMPLETED")
    launcher.send_signal(signal.SIGINT)
    said, _ = launcher.communicate(timeout=60)
    assert launcher.returncode == 130
    assert "interrupted: 1 of 2 jobs had completed, 0 had not begun" in said
    assert "Traceback" not in said
    assert states(tmp_path / "out") == ["COMPLETED"] * 3 + ["INTERRUPTED"]
    first = sweep_json(tmp_path / "out")["jobs"]
    (tmp_path / "again").touch()

    done = python("-m", "exptools.launching.resume_cli", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 6
    assert [status(tmp_path / "out" / str(i))["attempt"] for i in range(6)] == [1, 1, 1, 2, 1, 1]
    assert sweep_json(tmp_path / "out")["jobs"][:4] == first
    assert "Resuming: 2 of 2 jobs have completed and are skipped" in done.stdout
    best = yaml.safe_load((tmp_path / "out" / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(values(tmp_path / "out").values())


@optuna
def test_a_study_that_has_forgotten_what_it_chose_is_refused(tmp_path: Path, python: Command) -> None:
    app = study_app(tmp_path, "pass")
    words = [*OPTUNA, "hydra.sweeper.n_trials=2", "hydra.sweep.dir=out"]
    python(app, "-m", *words)
    before = {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()}

    done = python(app, "-m", *words, "hydra.launcher.resume=true")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == (
        "exptools: error: resume=true, but OptunaSweeper begins anew and chooses other jobs than those in "
        f"{tmp_path}/out; give it a seed (for Optuna hydra.sweeper.sampler.seed) or a memory "
        "(hydra.sweeper.storage and study_name), both from the first launch on, or another directory by "
        "hydra.sweep.dir="
    )
    assert {path: path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file()} == before


@optuna
def test_a_study_that_is_remembered_goes_on_with_new_trials(tmp_path: Path, python: Command) -> None:
    app = study_app(tmp_path, "pass")
    memory = ["hydra.sweeper.storage=sqlite:///study.db", "hydra.sweeper.study_name=mine"]
    words = [*OPTUNA, *memory, "hydra.sweeper.n_trials=2", "hydra.sweep.dir=out"]
    first = python(app, "-m", *words)
    assert first.returncode == 0, first.stderr

    done = python("-m", "exptools.launching.resume_cli", "out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("Resuming: OptunaSweeper remembers its study and chooses new jobs\n") == 1
    assert states(tmp_path / "out") == ["COMPLETED"] * 4
    best = yaml.safe_load((tmp_path / "out" / "optimization_results.yaml").read_text())
    assert best["best_value"] == min(values(tmp_path / "out").values())


def test_what_is_so_in_every_batch_is_said_once(tmp_path: Path, python: Command) -> None:
    (tmp_path / "odd.py").write_text(
        "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n"
    )
    app = write_app(tmp_path, "pass")

    done = python(
        app,
        *("-m", "x=1,2,3,4,5,6", "hydra.sweeper.max_batch_size=2", "hydra.launcher.preload=[odd]"),
        "hydra.sweep.dir=out",
    )

    assert done.returncode == 0
    assert done.stderr.count("\n") == 1, done.stderr
    assert "every job is started anew instead of forked" in done.stderr


def test_a_job_of_an_earlier_batch_is_not_taken_again(tmp_path: Path) -> None:
    jobs = [{"num": num, "overrides": ["x=1"], "dir": str(num)} for num in (0, 1)]
    (tmp_path / "sweep.json").write_text(json.dumps({"jobs": jobs}))

    first = resume.find(tmp_path, [["x=1"]])
    second = resume.find(tmp_path, [["x=1"]], {0})
    third = resume.find(tmp_path, [["x=1"]], {0, 1})

    assert (first.nums, second.nums, third.nums) == ((0,), (1,), (2,))


OPTUNAS = "hydra_plugins.hydra_optuna_sweeper.optuna_sweeper.OptunaSweeper"
NEVERGRADS = "hydra_plugins.hydra_nevergrad_sweeper.nevergrad_sweeper.NevergradSweeper"


@pytest.mark.parametrize(
    ("sweeper", "words", "expected"),
    [
        ({"_target_": "hydra_plugins.exptools_sweeper.sweeper.ExptoolsSweeper"}, [], None),
        ({"_target_": "hydra._internal.core_plugins.basic_sweeper.BasicSweeper"}, [], None),
        ({"_target_": "mine.ListSweeper"}, [], Study("ListSweeper", False, False, False)),
        (
            {"_target_": OPTUNAS, "max_failure_rate": 0.0, "storage": None, "sampler": {"seed": 1}},
            ["hydra/sweeper=optuna"],
            Study("OptunaSweeper", True, False, True),
        ),
        (
            {
                "_target_": OPTUNAS,
                "max_failure_rate": 0.0,
                "storage": "sqlite:///x",
                "sampler": {"seed": None},
            },
            ["hydra.sweeper.max_failure_rate=0"],
            Study("OptunaSweeper", False, True, False),
        ),
        (
            {"_target_": NEVERGRADS, "optim": {"max_failure_rate": 0.0, "seed": 7}},
            [],
            Study("NevergradSweeper", True, False, True),
        ),
        (
            {"_target_": NEVERGRADS, "optim": {"max_failure_rate": 0.5, "seed": None}},
            [],
            Study("NevergradSweeper", False, False, False),
        ),
    ],
)
def test_what_is_known_of_a_sweeper(
    sweeper: dict[str, Any], words: list[str], expected: Study | None
) -> None:
    config = OmegaConf.create({"hydra": {"sweeper": sweeper, "overrides": {"hydra": words}}})

    assert study.of(config) == expected
