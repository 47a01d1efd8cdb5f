"""The engine joblib: jobs of a slot share a process; what belongs to a job alone does not last."""

from __future__ import annotations

import json
import os
import signal
import sys
from pathlib import Path

import pytest
from conftest import Command
from sweeps import said_by, states, status, wait_until, write_app
from terminal import Terminal

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


@pytest.mark.parametrize(
    "disorder",
    [
        "sys.stdout.close()",
        "sys.stdout = sys.stderr = type('Mute', (), {'write': len, 'flush': lambda self: None})()",
        "os.close(1), os.close(2)",
        "os.chdir('/')",
        "sys.path = []",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN), signal.signal(signal.SIGINT, signal.SIG_IGN)",
        "signal.alarm(1)",
    ],
)
def test_what_a_job_leaves_in_disorder_is_put_right_for_the_next(
    tmp_path: Path, python: Command, disorder: str
) -> None:
    body = f"""
        if cfg.x == 0:
            {disorder}
            return
        ignored = [s for s in (signal.SIGINT, signal.SIGTERM) if signal.getsignal(s) is signal.SIG_IGN]
        print(os.getcwd(), ignored)
        time.sleep(1.5)
        """
    app = write_app(tmp_path, body)

    python(app, "-m", "x=0,1", *WORDS, "hydra.launcher.n_parallel=1")

    told = [status(tmp_path / "out" / str(i)) for i in range(2)]
    assert [s["state"] for s in told] == ["COMPLETED"] * 2
    assert told[0]["pid"] == told[1]["pid"]
    assert said_by(tmp_path / "out/1") == f"{tmp_path} []\n"


def test_a_fork_of_a_job_that_comes_back_is_not_the_jobs_end(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        """
        if cfg.x < 2 and os.fork() == 0:
            if cfg.x == 0:
                sys.exit(3)
            return "the fork's"
        time.sleep(1)
        return cfg.x
        """,
    )

    done = python(app, "-m", "x=0,1,2", *WORDS, "hydra.launcher.n_parallel=1")

    assert done.returncode == 0, done.stdout + done.stderr
    told = [status(tmp_path / "out" / str(i)) for i in range(3)]
    assert [(s["state"], s["returned"]) for s in told] == [("COMPLETED", i) for i in range(3)]


# As an import of torch does.
GROW = "grown = sys.modules[__name__].__dict__.setdefault('grown', [])\n"


def test_a_first_job_that_needs_much_memory_does_not_cost_the_process(
    tmp_path: Path, python: Command
) -> None:
    app = write_app(
        tmp_path,
        GROW + "if cfg.x == 0:\n    grown.append(b'x' * 400_000_000)\ntime.sleep(30 * (cfg.x == 2) + 1.1)",
    )
    words = (*WORDS, "hydra.launcher.n_parallel=1", "hydra.launcher.timeout_s=8")

    python(app, "-m", "x=0,1,2", *words)

    told = [status(tmp_path / "out" / str(i)) for i in range(3)]
    assert [s["state"] for s in told] == ["COMPLETED", "COMPLETED", "TIMEOUT"]
    assert len({s["pid"] for s in told}) == 1


def test_a_process_whose_jobs_leave_ever_more_in_memory_is_replaced(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, GROW + "grown.append(b'x' * 200_000_000)")

    done = python(app, "-m", "x=0,1,2,3", *WORDS, "hydra.launcher.n_parallel=1")

    assert done.returncode == 0, done.stdout + done.stderr
    pids = [status(tmp_path / "out" / str(i))["pid"] for i in range(4)]
    assert pids[0] == pids[1] == pids[2] != pids[3]


def test_a_process_that_dies_between_two_jobs_takes_no_job_along(tmp_path: Path, python: Command) -> None:
    body = """
        import threading
        if cfg.x == 0:
            threading.Timer(0.5, os.kill, [os.getpid(), signal.SIGKILL]).start()
        """
    app = write_app(tmp_path, body)
    words = (*WORDS, "hydra.launcher.n_parallel=1", "hydra.launcher.stagger_s=4")

    done = python(app, "-m", "x=0,1", *words)

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 2


def test_a_thread_that_a_job_leaves_running_does_not_hold_the_sweep(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "__import__('threading').Thread(target=time.sleep, args=(100,)).start()")

    done = python(app, "-m", "x=0,1,2", *WORDS, "hydra.launcher.n_parallel=2", timeout=50)

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 3


def test_ctrl_c_while_the_processes_come_up_shows_no_traceback(tmp_path: Path) -> None:
    app = write_app(tmp_path, "pass")
    slow = "import sys, time\nif any('popen_loky' in word for word in sys.orig_argv):\n    "
    (tmp_path / "sitecustomize.py").write_text(slow + "open('begun', 'w').close()\n    time.sleep(3)")
    command = f"PYTHONPATH=. exec {sys.executable} {app} -m x=0,1,2 {' '.join(WORDS)}"
    terminal = Terminal(["bash", "-c", command], tmp_path, lines=60)
    wait_until((tmp_path / "begun").exists)

    terminal.type("\x03")
    code = terminal.wait()

    seen = "\n".join(terminal.screen())
    assert code == 130, seen
    assert "Traceback" not in seen
    assert "interrupted: 0 of 3 jobs had completed, 3 had not begun" in seen
    assert states(tmp_path / "out") == ["INTERRUPTED"] * 3
