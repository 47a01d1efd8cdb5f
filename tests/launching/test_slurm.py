"""The engine `slurm` on a real Slurm: two nodes, each with two CPUs and two pretend GPUs."""

from __future__ import annotations

import itertools
import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from conftest import Command, clean_environment, read_progress
from sweeps import APP, running, start, states, status, wait_until, write_app

from exptools.launching.engines.slurm import SlurmQueue

if TYPE_CHECKING:
    from real_slurm import Cluster

SLURM = "hydra.launcher.engine=slurm"
GPU = "hydra.launcher.executor.gres=gpu:1"
WHOLE = ("hydra.launcher.executor.gres=gpu:2", "hydra.launcher.executor.cpus_per_task=2")
DETACH = "hydra.launcher.detach=true"
# Trains with snapshots, stops when it is asked to, and goes on where it was.
TRAINS = """
    snapshot = logger.load_snapshot()
    first = 0 if snapshot is None else snapshot.step + 1
    print("from", first, flush=True)
    for step in range(first, 60):
        logger.log_scalar("loss", 1.0 / (step + 1), step)
        time.sleep(0.25 if cfg.x else 0.1)
        if logger.should_stop:
            logger.save_snapshot(step, {"step": step})
            sys.exit(75)
        if step % 4 == 0:
            logger.save_snapshot(step, {"step": step})
    return float(step)
"""


def resume(python: Command, *words: object) -> Any:
    return python("-m", "exptools.launching.resume_cli", *words, timeout=240)


def job_ids(sweep: Path) -> list[str]:
    """What Slurm calls the jobs of its first submission."""
    ids: list[str] = json.loads((sweep / "sweep.json").read_text())["submissions"][0]["job_ids"]
    return ids


def curve(run_dir: Path) -> list[list[str]]:
    """Step and value of each row."""
    return [[row[0], row[2]] for row in read_progress(run_dir)[1:]]


WHOLE_CURVE = [[str(step), repr(1.0 / (step + 1))] for step in range(60)]


def test_gpus_and_cores_are_used_by_one_job_at_a_time(
    slurm: Cluster, python: Command, tmp_path: Path
) -> None:
    body = """
        begin = time.time()
        time.sleep(2)
        told = {"node": os.environ["SLURMD_NODENAME"], "gpu": os.environ["CUDA_VISIBLE_DEVICES"],
                "cpus": sorted(os.sched_getaffinity(0)), "begin": begin, "end": time.time(),
                "cuda_idx": exptools.affinity().cuda_idx, "threads": os.environ["OMP_NUM_THREADS"]}
        print(json.dumps(told))
    """
    app = write_app(tmp_path, body, template="import json, exptools\n" + APP)
    done = python(app, "-m", SLURM, GPU, "x=1,2,3,4,5,6,7,8", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    told = [json.loads((tmp_path / "out" / str(i) / "stdout.log").read_text()) for i in range(8)]
    together = [
        (a, b) for a, b in itertools.combinations(told, 2) if a["begin"] < b["end"] and b["begin"] < a["end"]
    ]
    assert len(together) >= 2
    for a, b in together:
        if a["node"] == b["node"]:
            assert a["gpu"] != b["gpu"]
            assert not set(a["cpus"]) & set(b["cpus"])
    assert {one["node"] for one in told} == {"n1", "n2"}
    assert all(one["cuda_idx"] == 0 and one["threads"] == "1" for one in told)
    found = status(tmp_path / "out" / "0")
    assert (found["affinity_code"], found["gpus"]) == ("0slt_1cpu_1gpu_0hto", [told[0]["gpu"]])
    sweep = json.loads((tmp_path / "out" / "sweep.json").read_text())
    assert [job["job_id"] for job in sweep["jobs"]] == sweep["submissions"][0]["job_ids"]
    assert len({id_.partition("_")[0] for id_ in sweep["submissions"][0]["job_ids"]}) == 1


def test_many_jobs_in_one_allocation(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    body = """
        print(os.environ["SLURM_JOB_ID"], os.environ["CUDA_VISIBLE_DEVICES"], sorted(os.sched_getaffinity(0)))
        if cfg.x == 3:
            raise ValueError("three")
    """
    app = write_app(tmp_path, body)
    words = (SLURM, *WHOLE, "hydra.launcher.pack=4", "hydra.launcher.executor.nodelist=n1")
    done = python(app, "-m", *words, "x=1,2,3,4,5,6,7,8", "hydra.sweep.dir=out")

    out = tmp_path / "out"
    assert done.returncode == 1
    assert "Submitting 8 jobs to slurm, in 2 allocations of up to 4" in done.stdout
    assert states(out) == ["COMPLETED"] * 2 + ["FAILED"] + ["COMPLETED"] * 5
    first_lines = [(out / str(i) / "stdout.log").read_text().splitlines()[0].split(" ", 2) for i in range(8)]
    assert len({line[0] for line in first_lines}) == 2
    assert {tuple(line[1:]) for line in first_lines} == {("0", "[0]"), ("1", "[1]")}
    # A job of Slurm's whose variant failed has failed.
    ids = job_ids(out)
    wait_until(lambda: [slurm.states()[id_] for id_ in ids] == ["FAILED", "COMPLETED"])


def test_several_jobs_on_one_gpu(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, 'print(os.environ["CUDA_VISIBLE_DEVICES"])\ntime.sleep(1.5)')
    words = (SLURM, GPU, "hydra.launcher.executor.cpus_per_task=2", "hydra.launcher.pack=2")
    done = python(app, "-m", *words, "hydra.launcher.contexts_per_gpu=2", "x=1,2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    found = [status(tmp_path / "out" / str(i)) for i in (0, 1)]
    assert [one["gpus"] for one in found] == [found[0]["gpus"]] * 2
    assert sorted(one["cpus"] for one in found) == [[0], [1]]
    assert found[0]["start"] < found[1]["end"] and found[1]["start"] < found[0]["end"]


def test_without_gpus_a_job_sees_none(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, 'print(repr(os.environ.get("CUDA_VISIBLE_DEVICES")))')
    done = python(app, "-m", SLURM, "x=1", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "0" / "stdout.log").read_text().strip() in ("None", "''")
    assert status(tmp_path / "out" / "0")["affinity_code"] == "0slt_1cpu_0gpu_1cpr_0hto"


def test_one_of_three_is_killed(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(4)\nreturn cfg.x")
    launcher = start(app, SLURM, GPU, "x=1,2,3")
    wait_until(lambda: len(running(tmp_path / "out")) == 3)
    os.kill(status(tmp_path / "out" / "1")["pid"], signal.SIGKILL)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 1
    assert states(tmp_path / "out") == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "1 of 3 jobs did not complete:" in said
    assert status(tmp_path / "out" / "1")["error"].startswith("killed by SIGKILL (probably out of memory")


@pytest.mark.parametrize("fixture", ["slurm", "accounted"])
def test_what_people_cancel_is_interrupted(
    fixture: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(fixture)
    app = write_app(tmp_path, "time.sleep(8 if cfg.x != 2 else 600)")
    launcher = start(app, SLURM, *WHOLE, "x=1,2,3,4")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    ids = job_ids(tmp_path / "out")
    cluster.ask("scancel", ids[1], ids[3])  # one that runs, one that waits
    _said, _ = launcher.communicate(timeout=120)

    assert launcher.returncode == 1
    assert states(tmp_path / "out") == ["COMPLETED", "INTERRUPTED", "COMPLETED", "INTERRUPTED"]
    assert status(tmp_path / "out" / "1")["error"] == f"cancelled ({ids[1]})"
    assert status(tmp_path / "out" / "3")["error"] == f"not begun: cancelled ({ids[3]} in slurm: CANCELLED)"
    if fixture == "accounted":
        rows = cluster.ask("sacct", "-X", "-n", "-P", "-o", "JobID,State").stdout.split("\n")
        assert any(row.startswith(f"{ids[1]}|CANCELLED") for row in rows)


def test_an_allocation_that_vanishes_fails_alone(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(600 if cfg.x == 1 else 3)")
    launcher = start(app, SLURM, GPU, "x=1,2")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    leader = status(tmp_path / "out" / "0")["pid"]
    parent = int(Path(f"/proc/{leader}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGKILL)  # what is in charge of the allocation
    said, _ = launcher.communicate(timeout=120)

    assert launcher.returncode == 1
    assert states(tmp_path / "out")[1] == "COMPLETED"
    assert states(tmp_path / "out")[0] in ("FAILED", "INTERRUPTED")
    assert "in slurm: FAILED)" in said


def test_preempted_queued_again_and_one_clean_curve(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, TRAINS)
    words = ("hydra.launcher.executor.partition=scavenge", "hydra.launcher.executor.timeout_min=30")
    launcher = start(app, SLURM, *WHOLE, *words, "x=1,2")
    out = tmp_path / "out"
    wait_until(lambda: all(len(_rows(out / str(i))) > 8 for i in (0, 1)))
    slurm.ask("sbatch", "-p", "main", "--gres=gpu:2", "-c2", "-o", "/dev/null", "--wrap", "sleep 4")
    wait_until(lambda: "PREEMPTED" in states(out))
    _to_its_end(launcher, slurm)
    said, _ = launcher.communicate()

    assert launcher.returncode == 0, said
    assert "queued again" in said
    assert states(out) == ["COMPLETED"] * 2
    assert sorted(status(out / str(i))["attempt"] for i in (0, 1)) == [1, 2]
    assert curve(out / "0") == curve(out / "1") == WHOLE_CURVE


def test_a_signal_that_comes_while_python_starts_ends_nothing(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, "pass")
    slow = tmp_path / "slow-python"
    slow.write_text(f'#!/bin/sh\ntouch {tmp_path}/starts\nsleep 4\nexec {sys.executable} "$@"\n')
    slow.chmod(0o755)
    launcher = start(app, SLURM, f"hydra.launcher.executor.python={slow}", "x=1")
    sweep = tmp_path / "out" / "sweep.json"
    wait_until(lambda: (tmp_path / "starts").exists() and "submissions" in sweep.read_text())
    id_ = json.loads(sweep.read_text())["submissions"][0]["job_ids"][0]
    slurm.ask("scancel", "--signal=USR2", id_)
    said, _ = launcher.communicate(timeout=60)

    assert launcher.returncode == 0, said
    assert status(tmp_path / "out" / "0")["attempt"] == 1


def _to_its_end(launcher: subprocess.Popen[str], slurm: Cluster) -> None:
    """Wait for a launcher, without the two minutes that Slurm holds what is queued again."""
    deadline = time.monotonic() + 240
    while launcher.poll() is None and time.monotonic() < deadline:
        slurm.start_what_is_held()
        time.sleep(2)


def _rows(run_dir: Path) -> list[list[str]]:
    return read_progress(run_dir) if (run_dir / "progress.csv").exists() else []


@pytest.mark.slow
def test_at_the_time_limit_it_goes_on_as_often_as_allowed(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, TRAINS.replace("0.25 if cfg.x else 0.1", "0.6 if cfg.x == 1 else 5"))
    limit = ("hydra.launcher.executor.timeout_min=1", "hydra.launcher.executor.signal_delay_s=35")
    launcher = start(app, SLURM, GPU, *limit, "hydra.launcher.max_requeues=2", "x=1,2")
    _to_its_end(launcher, slurm)
    launcher.communicate()

    out = tmp_path / "out"
    assert launcher.returncode == 1
    assert states(out) == ["COMPLETED", "TIMEOUT"]
    assert status(out / "0")["attempt"] > 1
    assert status(out / "1")["attempt"] == 3
    told = "the time limit was reached, and max_requeues=2 allows no further attempt"
    assert status(out / "1")["error"] == told
    assert curve(out / "0") == WHOLE_CURVE
    assert curve(out / "1") == WHOLE_CURVE[: len(curve(out / "1"))]


@pytest.mark.slow
def test_who_does_not_ask_may_run_to_the_time_limit(slurm: Cluster, tmp_path: Path) -> None:
    """The early signal is no end; SIGTERM at the limit is."""
    app = write_app(tmp_path, "time.sleep(45 if cfg.x == 1 else 600)")
    limit = ("hydra.launcher.executor.timeout_min=1", "hydra.launcher.executor.signal_delay_s=50")
    launcher = start(app, SLURM, GPU, *limit, "x=1,2")
    said, _ = launcher.communicate(timeout=240)

    assert launcher.returncode == 1, said
    assert states(tmp_path / "out") == ["COMPLETED", "TIMEOUT"]
    assert "the time limit was reached" in status(tmp_path / "out" / "1")["error"]


@pytest.mark.slow
def test_a_lost_node(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, TRAINS)
    launcher = start(app, SLURM, GPU, "hydra.launcher.executor.nodelist=n1", "x=1")
    out = tmp_path / "out"
    wait_until(lambda: len(_rows(out / "0")) > 8)
    id_ = job_ids(out)[0]
    try:
        slurm.lose_node("n1")
        wait_until(lambda: slurm.states().get(id_) == "PENDING", 90)
        time.sleep(4)
        slurm.ask("scontrol", "update", f"JobId={id_}", "StartTime=now", "ReqNodeList=n2")
        _to_its_end(launcher, slurm)
        said, _ = launcher.communicate()
    finally:
        slurm.start_node("n1")
        slurm.wait_until_idle()

    assert launcher.returncode == 0, said
    assert status(out / "0")["attempt"] == 2
    assert curve(out / "0") == WHOLE_CURVE


def test_a_controller_that_comes_back(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(25)\nreturn cfg.x")
    launcher = start(app, SLURM, GPU, "x=1,2,3,4,5")
    wait_until(lambda: len(running(tmp_path / "out")) == 4)
    slurm.stop_controller()
    time.sleep(30)  # squeue tries for 18 s before it says that nobody answers
    assert launcher.poll() is None
    slurm.start_controller()
    said, _ = launcher.communicate(timeout=200)

    assert launcher.returncode == 0, said
    assert "the scheduler does not answer" in said and "the scheduler answers again" in said
    assert states(tmp_path / "out") == ["COMPLETED"] * 5


def test_more_jobs_than_an_array_may_have(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, 'print(os.environ["SLURM_ARRAY_JOB_ID"], os.environ["SLURM_ARRAY_TASK_ID"])')
    with slurm.configured("MaxArraySize=3"):
        done = python(app, "-m", SLURM, "x=1,2,3,4,5", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    ids = job_ids(out)
    said = [(out / str(i) / "stdout.log").read_text().strip() for i in range(5)]
    assert said == [id_.replace("_", " ") for id_ in ids]
    assert [id_.partition("_")[2] for id_ in ids] == ["0", "1", "0", "1", "0"]
    assert len({id_.partition("_")[0] for id_ in ids}) == 3


@pytest.mark.parametrize("fixture", ["slurm", "accounted"])
def test_leave_and_come_back(
    fixture: str, python: Command, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    cluster: Cluster = request.getfixturevalue(fixture)
    app = write_app(tmp_path, 'print("ran")\ntime.sleep(3 * cfg.x)\nif cfg.x == 3: raise ValueError("no")')
    done = python(app, "-m", SLURM, GPU, "x=1,2,3", DETACH, "hydra.sweep.dir=out")
    assert done.returncode == 0, done.stderr
    assert f"exptools-resume {tmp_path}/out" in done.stdout
    ids = job_ids(tmp_path / "out")
    assert set(ids) <= set(cluster.states())
    wait_until(lambda: states(tmp_path / "out")[0] == "COMPLETED")

    back = resume(python, "out")

    assert "Resuming: 1 of 3 jobs have completed and are skipped, 2 still run or wait" in back.stdout
    assert back.returncode == 1
    assert states(tmp_path / "out") == ["COMPLETED", "COMPLETED", "FAILED"]
    again = resume(python, "out")
    assert "Submitting 1 job to slurm" in again.stdout
    said = [(tmp_path / "out" / str(i) / "stdout.log").read_text().count("ran\n") for i in range(3)]
    assert said == [1, 1, 2]


def test_jobs_are_found_again_though_slurm_has_forgotten_one(
    slurm: Cluster, python: Command, tmp_path: Path
) -> None:
    app = write_app(tmp_path, 'print("ran", flush=True)\ntime.sleep(8)')
    python(app, "-m", SLURM, *WHOLE, "x=1,2,3,4", DETACH, "hydra.sweep.dir=out")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    sweep = tmp_path / "out" / "sweep.json"
    told = json.loads(sweep.read_text())
    slurm.ask("scancel", told["submissions"][0]["job_ids"][2])  # one that waits, which is forgotten at once
    del told["submissions"]  # as if the launcher had been killed before it wrote that
    sweep.write_text(json.dumps(told))

    back = resume(python, "out")

    assert "0 of 4 jobs have completed and are skipped, 3 still run or wait" in back.stdout
    assert states(tmp_path / "out") == ["COMPLETED"] * 4
    said = [(tmp_path / "out" / str(i) / "stdout.log").read_text().count("ran\n") for i in range(4)]
    assert said == [1, 1, 1, 1]


def test_what_people_like_squeue_to_show_hides_no_job(
    slurm: Cluster, python: Command, tmp_path: Path
) -> None:
    app = write_app(tmp_path, "time.sleep(10)")
    done = python(app, "-m", SLURM, "x=1", "hydra.sweep.dir=out", SQUEUE_PARTITION="scavenge")

    assert done.returncode == 0, done.stdout


def test_exactly_its_jobs_are_cancelled(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(600)")
    python(app, "-m", SLURM, *WHOLE, "x=1,2,3", DETACH, "hydra.sweep.dir=out")
    other = slurm.ask("sbatch", "-o", "/dev/null", "--wrap", "sleep 600", "--parsable").stdout.strip()
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    done = python("-m", "exptools.launching.cancel_cli", "out")

    assert (done.returncode, done.stdout) == (0, f"cancelled 3 jobs of {tmp_path}/out\n")
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 3
    wait_until(lambda: slurm.states()[other] == "RUNNING")
    errors = [status(tmp_path / "out" / str(i))["error"] for i in range(3)]
    assert "not begun: cancelled by exptools-cancel" in errors


class Terminal:
    """A launcher on a terminal of its own."""

    def __init__(self, app: Path, *words: str) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            [sys.executable, str(app), "-m", *words, "hydra.sweep.dir=out"],
            cwd=app.parent,
            env=clean_environment(TERM="xterm"),
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
        )
        os.close(theirs)
        self.said = ""

    def until(self, text: str, seconds: float = 60) -> None:
        deadline = time.monotonic() + seconds
        while text not in self.said:
            assert time.monotonic() < deadline, self.said
            self._read()

    def type(self, text: str) -> None:
        self.said = ""
        os.write(self._ours, text.encode())

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> int:
        while self.process.poll() is None:
            self._read()
        return self.process.returncode

    def _read(self) -> None:
        import select

        if select.select([self._ours], [], [], 0.2)[0]:
            try:
                self.said += os.read(self._ours, 65536).decode(errors="replace")
            except OSError:
                time.sleep(0.1)


def test_ctrl_c_asks_what_to_do(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(600)")
    terminal = Terminal(app, SLURM, GPU, "x=1,2")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    terminal.interrupt()
    terminal.until("2 jobs left: leave them running (l), cancel them (c), or go on watching (w)? [l]")
    terminal.type("what\n")
    terminal.until("[l]")
    terminal.type("w\n")
    terminal.until("2 running")
    assert terminal.process.poll() is None
    terminal.interrupt()
    terminal.until("[l]")
    terminal.type("\n")
    assert terminal.end() == 130
    assert "left running: 2 jobs in 2 allocations" in terminal.said
    assert len(running(tmp_path / "out")) == 2

    back = Terminal(app, SLURM, GPU, "x=1,2", "hydra.launcher.resume=true")
    back.until("2 still run or wait")
    time.sleep(1)
    back.interrupt()
    back.until("[l]")
    back.type("c\n")
    assert back.end() == 130
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 2
    assert "cancelled: 0 of 2 jobs had completed" in back.said
    wait_until(lambda: not {"RUNNING", "PENDING"} & set(slurm.states().values()))


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ["hydra.launcher.executor.partition=nope"],
            "Slurm does not take the jobs: invalid partition specified: nope; Batch job submission failed: "
            "Invalid partition name specified; nothing was submitted",
        ),
        (
            ["hydra.launcher.executor.gres=gpu:9"],
            "Slurm does not take the jobs: Batch job submission failed: Requested node configuration is not "
            "available; nothing was submitted",
        ),
        (
            ["hydra.sweep.dir='at 100%'"],
            "Slurm takes no % and no backslash in the name of a directory; choose another (hydra.sweep.dir=)",
        ),
        (
            ["hydra.launcher.pack=2", "hydra.launcher.executor.tasks_per_node=2"],
            "pack=2 puts several jobs into an allocation, and executor makes 2 tasks of one job; "
            "give one of them",
        ),
        (
            [DETACH, "hydra.sweeper.max_batch_size=1"],
            "detach=true submits all jobs at once; leave out hydra.sweeper.max_batch_size",
        ),
    ],
)
def test_what_slurm_does_not_take_is_told_in_a_line(
    slurm: Cluster, python: Command, tmp_path: Path, words: list[str], said: str
) -> None:
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", SLURM, "x=1,2", "hydra.sweep.dir=out", *words)

    assert done.returncode == 2
    assert "exptools: error: " in done.stderr and said in done.stderr
    assert slurm.ask("squeue", "-h").stdout == ""
    assert "QUEUED" not in [s["state"] for s in map(json.loads, _status_files(tmp_path / "out"))]


def _status_files(sweep: Path) -> list[str]:
    return [path.read_text() for path in sweep.glob("*/status.json")]


def test_a_limit_shorter_than_its_warning_is_told(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", SLURM, "hydra.launcher.executor.timeout_min=1", "x=1", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout
    assert (
        "executor.timeout_min=1 is not longer than executor.signal_delay_s=90: jobs are asked to stop as "
        "soon as they begin; give a longer limit, or a shorter delay" in done.stderr
    )


def test_a_typo_is_told_before_anything_is_submitted(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("print('x')")
    (tmp_path / "launch.py").write_text(
        "from exptools import run_experiments\n"
        "run_experiments('train.py', None, 't', 1, [{}], ['a'], engine='slurm', executor={'partion': 'x'})"
    )
    done = python("launch.py")

    told = "executor.partion is no setting of submitit's Slurm executor; did you mean executor.partition?"
    assert done.stderr.strip().endswith(f"LaunchError: {told}")
    assert slurm.ask("squeue", "-h").stdout == ""


def test_without_slurm_it_says_so(python: Command, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    app = write_app(tmp_path, "pass")
    done = python(app, "-m", SLURM, "x=1", "hydra.sweep.dir=out", PATH=str(tmp_path))

    assert done.returncode == 2
    assert "engine=slurm needs Slurm's commands, but there is no sbatch on the PATH" in done.stderr


def test_a_directory_that_a_node_does_not_see(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    hidden = tmp_path / "hidden"
    hidden.mkdir()
    app = write_app(tmp_path, "pass")
    slurm.stop_node("n2")
    slurm.start_node("n2", hidden=hidden)
    try:
        slurm.wait_until_idle()
        only = "hydra.launcher.executor.nodelist=n2"
        done = python(app, "-m", SLURM, only, "x=1", f"hydra.sweep.dir={hidden}/out")
    finally:
        slurm.stop_node("n2")
        slurm.start_node("n2")
        slurm.wait_until_idle()

    assert done.returncode == 1
    assert status(hidden / "out" / "0")["state"] == "FAILED"
    assert f"it wrote nothing to {hidden}/out/.jobs/0/slurm; do the nodes see that directory?" in done.stdout


TWO_TASKS = ("hydra.launcher.executor.nodes=2", "hydra.launcher.executor.tasks_per_node=1")


def test_all_tasks_are_asked_to_stop(slurm: Cluster, tmp_path: Path) -> None:
    body = """
        rank = int(os.environ["SLURM_PROCID"])
        logger.should_stop
        open(f"up{rank}", "w")
        while not logger.should_stop:
            time.sleep(0.1)
        time.sleep(0 if rank else 3)  # rank 0 saves, the others have nothing to do
        print("saved", flush=True)
        sys.exit(75)
    """
    app = write_app(tmp_path, body)
    launcher = start(app, SLURM, *TWO_TASKS, "hydra.launcher.executor.timeout_min=30", "x=1")
    wait_until(lambda: all((tmp_path / f"up{rank}").exists() for rank in (0, 1)))
    id_ = job_ids(tmp_path / "out")[0]
    slurm.ask("scancel", "--signal=USR2", id_)
    wait_until(lambda: slurm.states()[id_] == "PENDING")
    slurm.ask("scancel", id_)
    launcher.communicate(timeout=60)

    for name in ("stdout.log", "stdout.rank1.log"):
        assert (tmp_path / "out" / "0" / name).read_text().endswith("saved\n")


def test_a_task_that_is_killed_ends_the_run_and_is_no_preemption(
    slurm: Cluster, python: Command, tmp_path: Path
) -> None:
    body = """
        if os.environ["SLURM_PROCID"] == "1":
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(600)
    """
    app = write_app(tmp_path, body)
    words = (*TWO_TASKS, "hydra.launcher.executor.timeout_min=30")
    done = python(app, "-m", SLURM, *words, "x=1", "hydra.sweep.dir=out")

    assert done.returncode == 1, done.stdout
    found = status(tmp_path / "out" / "0")
    assert (found["state"], found["attempt"]) == ("FAILED", 1)
    assert found["error"].startswith("another of its tasks was ended, and with it this one (")


@pytest.mark.parametrize(
    ("wish", "said"),
    [
        ("setup=['exit 3']", "its script ended with exit code 3, and said nothing"),
        ("python=/no/such/python", "/no/such/python"),
    ],
)
def test_why_nothing_began_is_told(
    slurm: Cluster, python: Command, tmp_path: Path, wish: str, said: str
) -> None:
    app = write_app(tmp_path, "pass")
    python(app, "-m", SLURM, f"hydra.launcher.executor.{wish}", "x=1", "hydra.sweep.dir=out")

    found = status(tmp_path / "out" / "0")
    assert found["state"] == "FAILED"
    assert said in found["error"]


def test_only_rank_0_logs_and_reports(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    body = """
        rank = int(os.environ["SLURM_PROCID"])
        print("rank", rank, "of", os.environ["SLURM_NTASKS"], os.environ["SLURMD_NODENAME"])
        logger.log_scalar("rank", rank, 0)
        if cfg.x == 2 and rank == 1:
            raise ValueError("one is bad")
        time.sleep(1 if cfg.x == 1 else 60)
    """
    app = write_app(tmp_path, body)
    done = python(app, "-m", SLURM, *TWO_TASKS, "x=1,2", "hydra.sweep.dir=out")

    out = tmp_path / "out"
    assert done.returncode == 1, done.stdout
    assert states(out) == ["COMPLETED", "FAILED"]
    assert status(out / "1")["error"] == "rank 1: ValueError: one is bad"
    assert read_progress(out / "0")[1][2] == "0.0"
    assert len(read_progress(out / "0")) == 2
    assert (out / "0" / "stdout.log").read_text() == "rank 0 of 2 n1\n"
    assert (out / "0" / "stdout.rank1.log").read_text().endswith("rank 1 of 2 n2\n")
    assert "ValueError: one is bad" in (out / "1" / "stdout.rank1.log").read_text()


def test_the_task_that_failed_first_is_told_of(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    """The others fail of it: who talks to a task that is gone has an error, too, rank 0 as well."""
    body = """
        rank = int(os.environ["SLURM_PROCID"])
        if rank != 2:
            while not os.path.exists("gone"):
                time.sleep(0.01)
            time.sleep(0.05 if rank else 0.2)
            raise ConnectionError("closed by peer")
        import atexit
        atexit.register(lambda: open("gone", "w"))
        raise ValueError("a rank fails")
    """
    app = write_app(tmp_path, body)
    words = ("hydra.launcher.executor.nodes=2", "hydra.launcher.executor.tasks_per_node=2")
    done = python(app, "-m", SLURM, *words, "x=1", "hydra.sweep.dir=out")

    assert done.returncode == 1, done.stdout
    error = status(tmp_path / "out" / "0")["error"]
    # Slurm ends rank 0 with the others, mostly before it has an error of its own.
    assert error.startswith("rank 2: ValueError: a rank fails")
    assert error in done.stdout
    assert "ConnectionError" in (tmp_path / "out" / "0" / "stdout.rank1.log").read_text()


@pytest.mark.parametrize(
    ("end", "state", "error"),
    [
        ("raise ValueError('not saved')", "FAILED", "rank 1: ValueError: not saved"),
        (
            "os.kill(os.getpid(), signal.SIGKILL)",
            "FAILED",
            "another of its tasks was ended, and with it this one (",
        ),
        ("return", "COMPLETED", None),
    ],
)
def test_a_run_has_completed_when_all_its_tasks_have(
    slurm: Cluster, python: Command, tmp_path: Path, end: str, state: str, error: str | None
) -> None:
    body = f"""
        if os.environ["SLURM_PROCID"] == "0":
            return 1.0
        while "COMPLETED" not in open("out/0/status.json").read():
            time.sleep(0.05)
        time.sleep(1)
        print("late", flush=True)
        {end}
    """
    app = write_app(tmp_path, body)
    done = python(app, "-m", SLURM, *TWO_TASKS, "x=1", "hydra.sweep.dir=out")

    assert done.returncode == (state != "COMPLETED"), done.stdout
    found = status(tmp_path / "out" / "0")
    assert found["state"] == state
    assert str(found.get("error")).startswith(str(error))
    assert "late" in (tmp_path / "out" / "0" / "stdout.rank1.log").read_text()


def test_what_a_task_said_of_an_earlier_attempt_is_forgotten(slurm: Cluster, tmp_path: Path) -> None:
    body = """
        rank, attempt = int(os.environ["SLURM_PROCID"]), int(os.environ.get("SLURM_RESTART_COUNT") or 0)
        open(f"up{rank}.{attempt}", "w")
        while attempt == 0:
            if logger.should_stop and rank:
                raise ValueError("of the first attempt")
            time.sleep(0.1)
        if rank:
            time.sleep(600)
        while not os.path.exists("up1.1"):
            time.sleep(0.1)
        raise ValueError("of the second")
    """
    app = write_app(tmp_path, body)
    launcher = start(app, SLURM, *TWO_TASKS, "hydra.launcher.executor.timeout_min=30", "x=1")
    wait_until(lambda: all((tmp_path / f"up{rank}.0").exists() for rank in (0, 1)))
    id_ = job_ids(tmp_path / "out")[0]
    slurm.ask("scontrol", "requeue", id_)
    _to_its_end(launcher, slurm)
    launcher.communicate(timeout=1)

    found = status(tmp_path / "out" / "0")
    assert (found["error"], found["attempt"]) == ("ValueError: of the second", 2)


SCRIPT = """
import sys, time
from exptools import affinity_from_code, load_variant, logger_context
from exptools.logging import logger

def main(code, log_dir, run_id, *words):
    config = load_variant(log_dir)
    with logger_context(log_dir, run_id, "name", config):
        logger.log_scalar("lr", config.lr, 0)
        print(sys.argv[1:], affinity_from_code(code).cuda_idx)
        if config.lr == 2 and not __import__("os").path.exists("repaired"):
            raise ValueError("not yet")

main(*sys.argv[1:])
"""
LAUNCH = """
from exptools import VariantLevel, make_variants, run_experiments
from exptools.launching.cluster.slurm import SlurmHandler
from exptools.launching.exp_launcher import run_on_cluster

variants, log_dirs = make_variants(VariantLevel([("lr",)], [[1], [2]], ["one", "two"]))
CALL
"""


def test_plain_scripts(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    call = (
        'run_experiments("train.py", None, "title", 2, variants, log_dirs, common_args=["w"], '
        'engine="slurm", executor={"gres": "gpu:1"}, pack=2)'
    )
    (tmp_path / "launch.py").write_text(LAUNCH.replace("CALL", call))
    done = python("launch.py")

    sweep = next((tmp_path / "data" / "local" / "title").glob("*"))
    assert "RunsFailed: 2 of 4 jobs did not complete:" in done.stderr
    runs = [sweep / name / f"run_{i}" for i in (0, 1) for name in ("one", "two")]
    assert [status(run)["state"] for run in runs] == ["COMPLETED", "FAILED"] * 2
    assert f"'{sweep}/one', '0', 'w'] 0" in (runs[0] / "stdout.log").read_text()
    (tmp_path / "repaired").touch()
    back = resume(python, sweep)
    assert back.returncode == 0, back.stdout + back.stderr
    assert "Resuming: 2 of 4 jobs have completed and are skipped" in back.stdout
    assert [status(run)["attempt"] for run in runs] == [1, 2, 1, 2]


def test_run_on_cluster_as_in_the_first_exptools(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SCRIPT)
    (tmp_path / "repaired").touch()
    call = (
        'run_on_cluster("train.py", SlurmHandler(mem="300M", time="0:10:00", n_gpus=1, cmd_prefix="A=1"), '
        '"title", 1, variants, log_dirs, script_name="mine")'
    )
    (tmp_path / "launch.py").write_text(LAUNCH.replace("CALL", call))
    done = python("launch.py")

    assert done.returncode == 0, done.stderr
    assert "The jobs go on without this command." in done.stdout
    names = slurm.ask("squeue", "-h", "-t", "all", "-o", "%j %l %m").stdout.splitlines()
    assert "mine 10:00 300M" in names
    sweep = next((tmp_path / "data" / "local" / "title").glob("*"))
    assert resume(python, sweep).returncode == 0
    assert [status(sweep / name / "run_0")["state"] for name in ("one", "two")] == ["COMPLETED"] * 2


def test_the_local_engine_fills_an_allocation(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, 'print(os.environ["CUDA_VISIBLE_DEVICES"], sorted(os.sched_getaffinity(0)))')
    command = (
        f"cd {tmp_path} && srun -c2 --gres=gpu:2 {sys.executable} {app} -m x=1,2,3,4 hydra.sweep.dir=out"
    )
    done = slurm.ask(
        "sbatch", "--wait", "-c2", "--gres=gpu:2", "-o", "/dev/null", "--wrap", command, timeout=120
    )

    assert done.returncode == 0, done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 4
    said = {(tmp_path / "out" / str(i) / "stdout.log").read_text().strip() for i in range(4)}
    assert said == {"0 [0]", "1 [1]"}


def test_watching_shows_why_jobs_wait(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(600)")
    python(app, "-m", SLURM, *WHOLE, "x=1,2,3", DETACH, "hydra.sweep.dir=out")
    wait_until(lambda: len(running(tmp_path / "out")) == 2)
    ours, theirs = pty.openpty()
    view = subprocess.Popen(
        [sys.executable, "-m", "exptools.viewing.cli", "out", "--watch", "0.5"],
        cwd=tmp_path,
        env=clean_environment(TERM="xterm", COLUMNS="120"),
        stdout=theirs,
    )
    os.close(theirs)
    said = ""
    deadline = time.monotonic() + 30
    while "QUEUED (Resources)" not in said and time.monotonic() < deadline:
        said += os.read(ours, 65536).decode(errors="replace")
    view.send_signal(signal.SIGINT)
    view.wait(10)

    assert "QUEUED (Resources)" in said
    assert "RUNNING on n1" in said and "RUNNING on n2" in said


def test_what_is_queued_again_looks_so(slurm: Cluster, python: Command, tmp_path: Path) -> None:
    from exptools.viewing.api import load
    from exptools.viewing.scheduled import Scheduled

    app = write_app(tmp_path, "time.sleep(600)")
    python(app, "-m", SLURM, "x=1", DETACH, "hydra.sweep.dir=out")
    out = tmp_path / "out"
    wait_until(lambda: len(running(out)) == 1)
    id_ = job_ids(out)[0]
    slurm.ask("scontrol", "requeue", id_)
    wait_until(lambda: slurm.states()[id_] == "PENDING")

    assert states(out) == ["PREEMPTED"]
    assert Scheduled().told(load(out)) == {"0": "QUEUED (BeginTime)"}


@pytest.mark.parametrize(
    "said",
    [
        "Batch job submission failed: Unable to contact slurm controller (connect failure)",
        "Batch job submission failed: Socket timed out on send/recv operation",
        "Batch job submission failed: Zero Bytes were transmitted or received",
        "Batch job submission failed: Resource temporarily unavailable",
    ],
)
def test_a_controller_that_does_not_answer_is_told_from_one_that_says_no(said: str) -> None:
    from exptools.slurm import is_away

    assert is_away(said)
    assert not is_away("Batch job submission failed: Invalid partition name specified")


def test_the_settings_are_those_of_submitit() -> None:
    """A parameter that submitit adds, or takes away, is seen here."""
    submitit = pytest.importorskip("submitit")
    import dataclasses
    import inspect

    from exptools.configs import ExecutorConf

    ours = {field.name for field in dataclasses.fields(ExecutorConf)}
    same = {"name": "job_name", "timeout_min": "time", "tasks_per_node": "ntasks_per_node", "mem_gb": "mem"}
    make = submitit.slurm.slurm._make_sbatch_string
    theirs = {name for name, p in inspect.signature(make).parameters.items() if p.default is not p.empty}
    assert {same.get(name, name) for name in ours} - {"python"} == theirs - {"num_gpus", "map_count"}


def test_what_slurm_takes_and_can_never_start_is_told(slurm: Cluster, tmp_path: Path) -> None:
    app = write_app(tmp_path, "pass")
    launcher = start(app, SLURM, "hydra.launcher.executor.nodes=5", "x=1")
    wait_until(lambda: "PENDING" in slurm.states().values())
    time.sleep(4)
    launcher.send_signal(signal.SIGTERM)
    said, _ = launcher.communicate(timeout=30)

    told = r"waits: PartitionConfig; as it was asked for it will never start: cancel it \(exptools-cancel\)"
    assert re.search(told, said), said


def test_ids_that_nobody_wrote_down_are_found_after_slurm_has_forgotten_some(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    logs = tmp_path / "slurm"
    logs.mkdir()
    (logs / "49_submission.sh").write_text("#!/bin/bash\n#SBATCH --array=0-2%3\n")
    (logs / "50_submission.sh").write_text("#!/bin/bash\n#SBATCH --array=0-2%3\n")
    script = f"{logs}/.submission_file_1.sh"  # the launcher was killed before it heard of the third
    rows = [f"50_0|{script}", f"51_0|{script}", "48_0|/elsewhere/slurm/x.sh"]
    monkeypatch.setattr("exptools.slurm.ask", lambda command: "\n".join(rows))

    assert SlurmQueue({}).submitted(tmp_path) == ["49_0", "49_1", "49_2", "50_0", "50_1", "50_2", "51_0"]


def slow_sbatch(tmp_path: Path, n_fast: int) -> str:
    """A PATH with an sbatch that takes its time, as with a busy controller, after so many quick calls.

    It has read its script then, and written late.sh; when it has submitted that it writes submitted.
    """
    program = tmp_path / "bin" / "sbatch"
    program.parent.mkdir()
    real, late = shutil.which("sbatch"), tmp_path / "late.sh"
    program.write_text(
        f"#!/bin/bash\nfor last; do :; done; echo >> calls\n"
        f"[ $(wc -l < calls) -le {n_fast} ] && exec {real} $last\n"
        f'cp "$last" {late}; sleep 4; {real} {late}; touch submitted\n'
    )
    program.chmod(0o755)
    return f"{program.parent}:{os.environ['PATH']}"


@pytest.mark.parametrize(("number", "n_fast"), [(signal.SIGKILL, 0), (signal.SIGINT, 0), (signal.SIGKILL, 1)])
def test_what_is_submitted_after_the_end_of_its_launcher_does_not_run_beside_what_is_submitted_anew(
    number: signal.Signals,
    n_fast: int,
    slurm: Cluster,
    python: Command,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Also where only the last of several arrays is."""
    body = f"""
        open({str(tmp_path)!r} + "/ran" + str(cfg.x), "a").write("r")
        time.sleep(8)
    """
    app = write_app(tmp_path, body)
    with slurm.configured("MaxArraySize=3"):
        with monkeypatch.context() as patch:
            patch.setenv("PATH", slow_sbatch(tmp_path, n_fast))
            with start(app, SLURM, "x=1,2,3") as launcher:
                wait_until(lambda: (tmp_path / "late.sh").exists())
                launcher.send_signal(number)
        done = resume(python, "out")
        wait_until(lambda: number == signal.SIGINT or (tmp_path / "submitted").exists())
        slurm.wait_until_idle()

    assert done.returncode == 0, done.stdout + done.stderr
    assert [(tmp_path / f"ran{x}").read_text() for x in (1, 2, 3)] == ["r", "r", "r"]
