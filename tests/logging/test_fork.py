"""Forked children: they do not write into the run's files, and may have files of their own."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import status

from exptools.errors import LoggingError
from exptools.logging import logger, logger_context

CHILDREN = """
import multiprocessing
from exptools.logging import logger, logger_context

def work(number):
    with logger.child_context(f"worker{number}"):
        for step in range(100):
            logger.log_scalar("reward", number, step)
        logger.log_text(f"said by {number}", with_timestamp=False)
    logger.log_scalar("afterwards", 1.0)

def fails(number):
    with logger.child_context():
        logger.log_scalar("x", 1.0)
        raise RuntimeError("in the child")

with logger_context("logs", 0, "name"):
    logger.log_scalar("loss", 1.0, 0)
    context = multiprocessing.get_context("fork")
    children = [context.Process(target=target, args=(n,)) for n, target in enumerate((work, work, fails))]
    for child in children:
        child.start()
    logger.log_scalar("loss", 2.0, 1)
    for child in children:
        child.join()
    print(*(child.exitcode for child in children))
"""


def column(run_dir: Path, tag: str) -> list[str]:
    with open(run_dir / "progress.csv", newline="") as file:
        return [row[tag] for row in csv.DictReader(file)]


def test_children_may_have_files_of_their_own(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "run.py").write_text(CHILDREN)

    done = python("run.py")

    run_dir = tmp_path / "logs" / "run_0"
    assert done.stdout.splitlines()[-1] == "0 0 1", done.stderr
    assert column(run_dir, "loss") == ["1.0", "2.0"]
    for number in (0, 1):
        child = run_dir / "children" / f"worker{number}"
        assert column(child, "reward") == [f"{number}.0"] * 100
        assert (child / "debug.log").read_text() == f"said by {number}\n"
        assert json.loads((child / "status.json").read_text())["state"] == "COMPLETED"
    [third] = [p for p in (run_dir / "children").iterdir() if not p.name.startswith("worker")]
    assert json.loads((third / "status.json").read_text())["error"] == "RuntimeError: in the child"
    assert json.loads((run_dir / "status.json").read_text())["state"] == "COMPLETED"
    assert done.stderr.count("is not recorded: the child's own run has ended") == 2


def test_the_process_that_records_the_run_has_no_child_context(tmp_path: Path) -> None:
    message = r"child_context\(\) is for a forked child of the process that records the run"
    with pytest.raises(LoggingError, match=message), logger.child_context():
        pass
    with (
        logger_context(tmp_path, 0, "name"),
        pytest.raises(LoggingError, match=message),
        logger.child_context(),
    ):
        pass


FORKS_WHILE_LOGGING = """
import os, threading
from exptools.logging import logger, logger_context

with logger_context("logs", 0, "name"):
    going = True
    def log():
        step = 0
        while going:
            logger.log_scalar("loss", step, step)
            step += 1
            if step % 1000 == 0:
                logger.flush()
    threads = [threading.Thread(target=log) for _ in range(3)]
    for thread in threads:
        thread.start()
    for _ in range(100):
        pid = os.fork()
        if pid == 0:
            logger.log_scalar("child", 1.0)
            logger.dump()
            os._exit(0)
        assert os.waitpid(pid, 0)[1] == 0
    going = False
    for thread in threads:
        thread.join()
"""


POOL = """
import multiprocessing
from exptools.logging import logger, logger_context

with logger_context("logs", 0, "name"):
    assert not logger.should_stop
    with multiprocessing.get_context("fork").Pool(8) as pool:  # ends them by SIGTERM, and waits
        print(pool.map(abs, range(3)))
"""

EARLY = """
import os, signal, time
from exptools.logging import logger, logger_context

ended = set()
with logger_context("logs", 0, "name"):
    assert not logger.should_stop
    for _ in range(200):
        pid = os.fork()
        if not pid:
            time.sleep(5)
            os._exit(0)
        os.kill(pid, signal.SIGTERM)
        ended.add(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
print(ended)
"""


@pytest.mark.parametrize(("script", "said"), [(POOL, "[0, 1, 2]"), (EARLY, "{-15}")], ids=["pool", "early"])
def test_sigterm_ends_a_child_of_a_loop_that_asks_whether_to_stop(
    tmp_path: Path, python: Callable[..., Any], script: str, said: str
) -> None:
    (tmp_path / "script.py").write_text(script)

    done = python("script.py")

    assert (done.returncode, done.stdout) == (0, said + "\n"), done.stderr
    assert status(tmp_path / "logs" / "run_0")["state"] == "COMPLETED"


def test_a_hundred_forks_in_the_middle_of_logging_harm_nobody(
    tmp_path: Path, python: Callable[..., Any]
) -> None:
    (tmp_path / "run.py").write_text(FORKS_WHILE_LOGGING)

    done = python("run.py")

    assert done.returncode == 0, done.stderr
    with open(tmp_path / "logs" / "run_0" / "progress.csv", newline="") as file:
        rows = list(csv.reader(file))
    assert rows[0] == ["step", "wall_time", "loss"]
    assert {len(row) for row in rows} == {3}
    assert all(int(row[0]) == float(row[2]) for row in rows[1:])
