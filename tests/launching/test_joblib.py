"""The engine joblib: jobs of a slot share a process; what belongs to a job alone does not last."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

from conftest import Command
from sweeps import said_by, states, status, write_app

WORDS = ("hydra.launcher.engine=joblib", "hydra.sweep.dir=out")


def test_the_jobs_of_a_slot_share_a_process_and_nothing_else(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        """
        import json, random
        import numpy
        names = ("EXPTOOLS_AFFINITY_CODE", "OMP_NUM_THREADS", "MINE")
        environ = [os.environ.get(name) for name in names]
        os.environ["MINE"] = "left behind"
        print(json.dumps([os.getpid(), sorted(os.sched_getaffinity(0)), *environ]), file=sys.stderr)
        os.system("echo from a child")
        seeds = (random.random(), numpy.random.random())
        random.seed(1)
        numpy.random.seed(1)
        return seeds
        """,
    )

    done = python(app, "-m", "x=0,1,2,3", *WORDS, "hydra.launcher.n_parallel=1")

    out = tmp_path / "out"
    assert done.returncode == 0, done.stdout + done.stderr
    said = [said_by(out / str(i)).splitlines() for i in range(4)]
    assert [lines[1:] for lines in said] == [["from a child"]] * 4
    found = [json.loads(lines[0]) for lines in said]
    assert found == [found[0]] * 4
    pid, cpus, code, threads, mine = found[0]
    told = [status(out / str(i)) for i in range(4)]
    assert {(s["pid"], tuple(s["cpus"]), s["affinity_code"]) for s in told} == {(pid, tuple(cpus), code)}
    assert (threads, mine) == (str(os.cpu_count()), None)
    assert len({tuple(s["returned"]) for s in told}) == 4


def test_a_job_that_takes_its_process_along_takes_no_other(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "if cfg.x == 1:\n    os.kill(os.getpid(), signal.SIGKILL)\nprint(os.getpid())")

    done = python(app, "-m", "x=0,1,2,3", *WORDS, "hydra.launcher.n_parallel=1")

    out = tmp_path / "out"
    assert done.returncode == 1
    assert states(out) == ["COMPLETED", "FAILED", "COMPLETED", "COMPLETED"]
    assert status(out / "1")["exit_code"] == -signal.SIGKILL
    assert said_by(out / "0") != said_by(out / "2") == said_by(out / "3")


def test_what_the_user_sets_in_env_set_is_there_for_its_job(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print(os.environ['MINE'])")

    python(app, "-m", "x=0,1", *WORDS, "+hydra.job.env_set.MINE='job ${x}'", "hydra.launcher.n_parallel=1")

    assert [said_by(tmp_path / "out" / str(i)) for i in range(2)] == ["job 0\n", "job 1\n"]


def test_a_script_that_cannot_be_imported_fails_every_job_with_its_reason(
    tmp_path: Path, python: Command
) -> None:
    app = write_app(tmp_path, "pass")
    text = app.read_text()
    app.write_text(text.replace("@dataclass", "if __name__ != '__main__':\n    1 / 0\n@dataclass", 1))

    done = python(app, "-m", "x=0,1", *WORDS, "hydra.launcher.n_parallel=1")

    assert done.returncode == 1
    assert [status(tmp_path / "out" / str(i))["error"] for i in range(2)] == [
        "ZeroDivisionError: division by zero"
    ] * 2


def test_multiprocessing_works_as_usual(tmp_path: Path, python: Command) -> None:
    # In loky's own workers a Process fails: "no attribute 'env'".
    app = write_app(
        tmp_path,
        """
        import multiprocessing
        for method in (None, "fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            process = context.Process(target=print, args=(method, context.get_start_method()))
            process.start()
            process.join()
        """,
    )

    done = python(app, "-m", "x=0", *WORDS)

    assert done.returncode == 0, done.stdout
    lines = said_by(tmp_path / "out" / "0").splitlines()
    assert lines[1:] == ["fork fork", "spawn spawn", "forkserver forkserver"]
    assert lines[0] in ("None fork", "None forkserver")
