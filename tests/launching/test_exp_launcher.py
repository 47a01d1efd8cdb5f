"""run_experiments: plain scripts over the same slots, as users of rlpyt know it."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from conftest import Command, read_progress
from sweeps import status

EXPERIMENT = """
import json, os, sys, time
from exptools import affinity_from_code, load_variant, logger_context
from exptools.logging import logger
import exptools

class Defined:
    pass

def build_and_train(slot_affinity_code, log_dir, run_id, *args):
    import __main__
    config = load_variant(log_dir)
    with logger_context(log_dir, run_id, "name", config):
        logger.log_scalar("lr", config.optimizer.lr, 0)
        print(json.dumps({
            "argv": sys.argv,
            "affinity": affinity_from_code(slot_affinity_code),
            "mine": exptools.affinity(),
            "cpus": sorted(os.sched_getaffinity(0)),
            "gpus": os.environ.get("CUDA_VISIBLE_DEVICES"),
            "main": __name__ != "__main__" or __main__.Defined is Defined,
            "pid": os.getpid(),
        }))
        BODY

if __name__ == "__main__":
    build_and_train(*sys.argv[1:])
"""
LAUNCH = """
from exptools import VariantLevel, make_variants, run_experiments, update_config

default = {"optimizer": {"lr": 0.1, "name": "sgd"}}
level = VariantLevel([("optimizer", "lr")], [[0.1], [0.2]], ["lr0.1", "lr0.2"])
variants, log_dirs = make_variants(level)
variants = [update_config(default, variant) for variant in variants]
if __name__ == "__main__":
    run_experiments(
        script="train.py",
        affinity_code="CODE",
        experiment_title="title",
        runs_per_setting=2,
        variants=variants,
        log_dirs=log_dirs,
        common_args=("all",),
        runs_args=[("first",), ("second",)],
        MORE
    )
"""


@pytest.fixture
def launch(tmp_path: Path, python: Command) -> Any:
    """Run the launch script; gives back what it said and the directory of the experiment."""

    def launch(code: str = "2cpu_1cpr", more: str = "", body: str = "pass", **environ: str) -> Any:
        (tmp_path / "train.py").write_text(EXPERIMENT.replace("BODY", body))
        (tmp_path / "launch.py").write_text(LAUNCH.replace("CODE", code).replace("MORE", more))
        done = python("launch.py", **environ)
        found = list((tmp_path / "data" / "local" / "title").glob("*"))
        return done, found[0] if found else None

    return launch


CPU_LISTS = ("all_cpus", "master_cpus", "workers_cpus")


def said(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "stdout.log").read_text().splitlines()[0])
    return found


def test_each_run_gets_its_words_its_slot_and_its_config(launch: Any) -> None:
    done, out = launch()

    assert done.returncode == 0, done.stdout + done.stderr
    sweep = json.loads((out / "sweep.json").read_text())
    assert [job["dir"] for job in sweep["jobs"]] == [
        f"lr{lr}/run_{run}" for run in (0, 1) for lr in (0.1, 0.2)
    ]
    slots = set()
    for lr, word in ((0.1, "first"), (0.2, "second")):
        for run in (0, 1):
            run_dir = out / f"lr{lr}" / f"run_{run}"
            found = said(run_dir)
            script, code, log_dir, run_id, *args = found["argv"]
            assert (script, log_dir, run_id) == ("train.py", str(run_dir.parent), str(run))
            assert args == ["all", word]
            assert found["main"]
            assert found["mine"]["all_cpus"] == found["cpus"]  # by the machine's numbers
            assert {**found["mine"], **dict.fromkeys(CPU_LISTS)} == {
                **found["affinity"],
                **dict.fromkeys(CPU_LISTS),
            }
            assert len(found["cpus"]) == 1
            assert status(run_dir)["cpus"] == found["cpus"]
            assert status(run_dir)["affinity_code"] == code
            assert status(run_dir)["state"] == "COMPLETED"
            assert read_progress(run_dir)[1][2] == str(lr)
            slots.add((code, tuple(found["cpus"])))
    assert len(slots) == 2
    assert (out / "num_launched.txt").read_text() == "Experiments launched so far: 4 out of 4.\n"
    tree = (out / "experiments_tree.txt").read_text().splitlines()
    assert tree[1:] == [
        "Number of settings (experiments) to run: 2  (4).",
        "",
        str(out / "lr0.1"),
        str(out / "lr0.2"),
    ]


def test_the_viewer_shows_the_runs_and_nothing_else(launch: Any, python: Command) -> None:
    _, out = launch()

    shown = python("-m", "exptools.viewing.cli", out)

    rows = [line.split("\t") for line in shown.stdout.splitlines()]
    assert rows[0][:2] + rows[0][3:] == ["run", "state", "optimizer.lr", "lr"]
    assert [row[0] for row in rows[1:]] == [f"lr{lr}/run_{run}" for lr in (0.1, 0.2) for run in (0, 1)]


@pytest.mark.parametrize("masked", [False, True])
def test_a_run_sees_all_gpus_unless_they_are_masked(launch: Any, masked: bool) -> None:
    done, out = launch("2cpu_2gpu", "mask_gpus=True" if masked else "", CUDA_VISIBLE_DEVICES="GPU-a,GPU-b")

    assert done.returncode == 0, done.stdout + done.stderr
    for run_dir in sorted(out.glob("*/run_*")):
        found = said(run_dir)
        index = found["affinity"]["cuda_idx"]
        (own,) = status(run_dir)["gpus"]
        assert own == ["GPU-a", "GPU-b"][index]
        assert found["gpus"] == (own if masked else "GPU-a,GPU-b")
        assert found["mine"]["cuda_idx"] == (0 if masked else index)


def test_failed_runs_leave_the_others_alone_and_are_listed(launch: Any) -> None:
    body = "assert config.optimizer.lr == 0.1 or run_id == '1', 'bad luck'"

    done, out = launch(body=body)

    assert done.returncode == 1
    last = done.stderr[done.stderr.index("RunsFailed: ") :].splitlines()
    assert last == [
        "RunsFailed: 1 of 4 jobs did not complete:",
        "  #1 lr0.2 run 0",
        "    FAILED: AssertionError: bad luck",
        f"    {out}/lr0.2/run_0/stdout.log",
    ]
    states = {str(p.parent.relative_to(out)): status(p.parent)["state"] for p in out.glob("*/*/status.json")}
    assert states == {
        "lr0.1/run_0": "COMPLETED",
        "lr0.1/run_1": "COMPLETED",
        "lr0.2/run_0": "FAILED",
        "lr0.2/run_1": "COMPLETED",
    }


def test_a_second_launch_into_the_same_runs_is_refused(launch: Any) -> None:
    launch()

    done, out = launch()

    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        f"exptools.errors.LaunchError: {out}/lr0.1/run_0 already holds a run (COMPLETED, progress.csv); "
        "give the experiment another title, or move that one away"
    )


@pytest.mark.parametrize("mode", [1, 2])
def test_debug_mode_runs_in_this_process(launch: Any, mode: int) -> None:
    done, out = launch(more=f"debug_mode={mode}")

    assert done.returncode == 0, done.stderr
    found = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    assert len({one["pid"] for one in found}) == 1
    assert len(found) == 4
    assert len(list(out.glob("*/run_*/progress.csv"))) == 4
    assert not list(out.glob("*/run_*/stdout.log"))


def test_all_that_is_wrong_is_told_at_once(tmp_path: Path, python: Command) -> None:
    (tmp_path / "launch.py").write_text(
        dedent("""
        from exptools import run_experiments
        run_experiments("none.py", "1cpu_1cpr", "title", 0, [{}], ["a", "a"], runs_args=[])
        """)
    )

    done = python("launch.py")

    assert done.stderr.splitlines()[-1] == (
        f"exptools.errors.LaunchError: there is no script 'none.py' in {tmp_path}; "
        "runs_per_setting=0 must be 1 or more; there are 1 variants and 2 log_dirs; give one for each; "
        "there are 1 variants and 0 runs_args; give one for each; "
        "two variants have the same log_dir; their runs would be mixed"
    )
    assert not (tmp_path / "data").exists()


def test_a_pool_of_spawned_workers_finds_what_the_script_defines(launch: Any) -> None:
    body = (
        "import multiprocessing; pool = multiprocessing.get_context('spawn').Pool(1); "
        "assert pool.apply(Defined).__class__ is Defined; pool.close(); pool.join()"
    )

    done, _ = launch(body=body)

    assert done.returncode == 0, done.stdout + done.stderr
