"""Records of Python's `logging` in debug.log."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exptools.errors import LoggingError
from exptools.logging import Logger, capture, logger, logger_context
from exptools.logging.bridges import python_logging
from exptools.logging.writers.base import Writer

MOMENT = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{6} [+-]\d{4} \| ")


@pytest.fixture
def lab() -> Iterator[logging.Logger]:
    """A logger of some library, at INFO."""
    found = logging.getLogger("lab")
    found.setLevel(logging.INFO)
    yield found
    found.setLevel(logging.NOTSET)
    found.propagate = True


def kept(run_dir: Path) -> list[str]:
    """The lines of debug.log without their time."""
    return [MOMENT.sub("", line) for line in (run_dir / "debug.log").read_text().splitlines()]


def test_records_stand_between_the_texts(tmp_path: Path, lab: logging.Logger, capsys: Any) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_text("first", with_timestamp=False)
        lab.info("step %d of %s", 3, "ten")
        with logger.prefix("p/"):
            lab.getChild("sub").warning("beware")
        logger.log_text("last", with_timestamp=False)

    assert kept(tmp_path / "run_0") == [
        "first",
        "INFO lab: step 3 of ten",
        "WARNING lab.sub: beware",
        "last",
    ]
    assert MOMENT.match((tmp_path / "run_0" / "debug.log").read_text().splitlines()[1])
    assert capsys.readouterr().out == "first\nlast\n"  # who prints records prints them


def test_what_the_loggers_leave_out_is_left_out(tmp_path: Path, lab: logging.Logger) -> None:
    lab.setLevel(logging.DEBUG)
    quiet = lab.getChild("quiet")
    quiet.addFilter(lambda record: False)
    with logger_context(tmp_path, 0, "name"):
        lab.debug("below INFO")
        quiet.error("filtered")
        lab.info("kept")
    with logger_context(tmp_path, 1, "name", python_logging="DEBUG"):
        lab.debug("kept")
    with logger_context(tmp_path, 2, "name", python_logging="ERROR"):
        lab.warning("below ERROR")
    with logger_context(tmp_path, 3, "name", python_logging=None):
        lab.error("not wanted")
    lab.error("after the runs")

    assert python_logging._listeners == ()
    lines = [kept(tmp_path / f"run_{n}") for n in range(4)]
    assert lines == [["INFO lab: kept"], ["DEBUG lab: kept"], [], []]


def test_a_traceback_and_a_stack_are_kept(tmp_path: Path, lab: logging.Logger) -> None:
    with logger_context(tmp_path, 0, "name"):
        try:
            _ = 1 / 0
        except ZeroDivisionError:
            lab.exception("it failed")
        lab.info("here", stack_info=True)
        lab.error("none", exc_info=True)

    text = "\n".join(kept(tmp_path / "run_0"))
    assert text.startswith("ERROR lab: it failed\nTraceback (most recent call last):\n  File ")
    assert "\nZeroDivisionError: division by zero\nINFO lab: here\nStack (most recent call last):\n" in text
    assert text.endswith("\nERROR lab: none")


class Unprintable:
    def __repr__(self) -> str:
        raise RuntimeError("no repr")


def test_a_record_in_disorder_does_not_raise(tmp_path: Path, lab: logging.Logger, monkeypatch: Any) -> None:
    monkeypatch.setattr(logging, "raiseExceptions", False)
    with logger_context(tmp_path, 0, "name"):
        lab.info("%d and %d", 1)
        lab.info("%s", Unprintable())
        lab.info("lone \ud800 surrogate")
        lab.handle(logging.makeLogRecord({"name": "lab", "levelno": 20, "created": "sent by a program"}))

    assert kept(tmp_path / "run_0") == [
        "INFO lab: '%d and %d' % (1,) (TypeError: not enough arguments for format string)",
        "a record of lab cannot be shown (RuntimeError)",
        "INFO lab: lone \\ud800 surrogate",
        "a record of lab cannot be shown (TypeError)",
    ]


PLAIN = """
import logging
from exptools.logging import logger, logger_context
with logger_context("logs", 0, "name"):
    logging.getLogger("lab").warning("before: Python prints this where there is no handler")
    logging.basicConfig(level="INFO", format="mine: %(message)s")
    logging.info("configured")
    logging.basicConfig(level="INFO", format="forced: %(message)s", force=True)
    logging.info("again")
    import logging.config
    logging.config.dictConfig({"version": 1, "root": {"level": "WARNING"}, "disable_existing_loggers": False})
    logging.getLogger("lab").info("left out")
    logging.getLogger("lab").error("still there")
    own = logging.getLogger("own"); own.propagate = False; own.addHandler(logging.StreamHandler())
    own.error("does not propagate")
"""


def test_the_configuration_of_logging_is_as_without_us(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "run.py").write_text(PLAIN)
    (tmp_path / "without.py").write_text(
        PLAIN.replace("with logger_context", "import contextlib\nwith contextlib.nullcontext() or")
    )

    done = python("run.py")

    printed = done.stderr.splitlines()
    assert printed == python("without.py").stderr.splitlines()
    assert printed[1:3] == ["mine: configured", "forced: again"]
    assert kept(tmp_path / "logs" / "run_0") == [
        "WARNING lab: before: Python prints this where there is no handler",
        "INFO root: configured",
        "INFO root: again",
        "ERROR lab: still there",
        "ERROR own: does not propagate",
    ]


CRASH = """
import atexit, logging, multiprocessing, os, signal, sys, threading, time
from exptools.logging import logger, logger_context
from exptools.logging.bridges import python_logging
logging.basicConfig(level="INFO")
lab = logging.getLogger("lab")

def in_child():
    lab.info("in the child")
    assert python_logging._listeners == ()  # else what the child logs would wait for ever in its memory
    with logger.child_context("worker"):
        lab.info("in the child's own run")

def on_alarm(number, frame):
    lab.info("in a signal handler")

def work():
    signal.signal(signal.SIGALRM, on_alarm)
    with logging._lock if hasattr(logging, "_lock") else threading.Lock():
        os.kill(os.getpid(), signal.SIGALRM)
    holders = [threading.Thread(target=lambda: [lab.info("busy") for _ in range(300)]) for _ in range(3)]
    for one in holders:
        one.start()
    child = multiprocessing.get_context("fork").Process(target=in_child)
    child.start()
    child.join(20)
    print(child.exitcode)
    for one in holders:
        one.join()
    threading.Thread(target=lab.info, args=("in a thread",)).start()
    time.sleep(0.1)
    lab.info("the last one")
    raise RuntimeError("the end")

context = logger_context("logs", 0, "name")
context.__enter__()  # never left: the interpreter ends it
atexit.register(lab.info, "at exit, before the run is closed")
work()
"""


def test_forks_signals_threads_and_a_crash(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "run.py").write_text(CRASH)

    done = python("-W", "ignore", "run.py")

    run_dir = tmp_path / "logs" / "run_0"
    lines = kept(run_dir)
    assert (done.returncode, done.stdout.split()) == (1, ["0"]), done.stderr
    assert lines.count("INFO lab: busy") == 900
    assert [line for line in lines if line != "INFO lab: busy"] == [
        "INFO lab: in a signal handler",
        "INFO lab: in a thread",
        "INFO lab: the last one",
        "INFO lab: at exit, before the run is closed",
    ]
    assert kept(run_dir / "children" / "worker") == ["INFO lab: in the child's own run"]


class Talkative(Writer):
    """Logs at each write, as a library that it uses may."""

    n = 0

    def write(self, records: Any) -> None:
        Talkative.n += 1
        logging.getLogger("lab").warning("written")


def test_a_writer_that_logs_is_not_fed_by_what_it_logs(lab: logging.Logger) -> None:
    mine = Logger()
    mine.attach([Talkative()])
    end = python_logging.listen("INFO", mine.text_keeper())
    mine.log_scalar("x", 1.0, 0)
    for _ in range(5):
        mine.flush()
    end()
    mine.detach("the test is over")

    assert Talkative.n == 1


def test_disabled_and_captured(tmp_path: Path, lab: logging.Logger) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.disable()
        lab.info("disabled")
        logger.enable()
        with capture() as records:
            lab.info("captured is what the logger is given")
    with capture() as without_a_run:
        lab.info("no run")

    assert kept(tmp_path / "run_0") == ["INFO lab: captured is what the logger is given"]
    assert records.texts == without_a_run.texts == []


def test_threads_lose_nothing(tmp_path: Path, lab: logging.Logger) -> None:
    def work(number: int) -> None:
        for n in range(500):
            lab.info("%d %d", number, n)

    with logger_context(tmp_path, 0, "name"):
        threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    for number in range(8):
        mine = [line for line in kept(tmp_path / "run_0") if line.startswith(f"INFO lab: {number} ")]
        assert mine == [f"INFO lab: {number} {n}" for n in range(500)]


def test_a_wrong_level_names_the_levels(tmp_path: Path) -> None:
    with pytest.raises(LoggingError) as error, logger_context(tmp_path, 0, "name", python_logging="info"):
        pass

    assert str(error.value) == (
        "the logger cannot be opened: python_logging must be one of DEBUG, INFO, WARNING, ERROR, CRITICAL, "
        "None, not 'info'"
    )


APP = """
import logging
import hydra
from hydra.core.config_store import ConfigStore
ConfigStore.instance().store(name="app", node={"n": 0, "defaults": ["_self_", "exptools"]})
log = logging.getLogger(__name__)
@hydra.main(version_base=None, config_name="app")
def main(cfg):
    log.info("job %d", cfg.n)
    log.debug("detail")
    if cfg.n == 2:
        raise RuntimeError("no")
main()
"""


def test_jobs_of_hydra(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "app.py").write_text(APP)

    python("app.py", "-m", "n=1,2", "hydra.sweep.dir=sweep")
    python("app.py", "hydra.run.dir=without", "hydra.callbacks.exptools.python_logging=null")
    python(
        "app.py",
        "hydra.run.dir=verbose",
        "hydra.verbose=true",
        "hydra.callbacks.exptools.python_logging=DEBUG",
    )

    assert kept(tmp_path / "sweep" / "0") == ["INFO __mp_main__: job 1"]
    assert kept(tmp_path / "sweep" / "1") == ["INFO __mp_main__: job 2"]
    assert kept(tmp_path / "without") == []
    assert kept(tmp_path / "verbose")[-2:] == ["INFO __main__: job 0", "DEBUG __main__: detail"]
