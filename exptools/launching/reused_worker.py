"""The process of many jobs, one after the other, from inside; a job itself is as in worker.py."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any

import psutil
from joblib.externals.loky import process_executor

from exptools import rundir
from exptools.launching import machine, worker
from exptools.launching.job import Spec

_MAY_GROW = 300_000_000  # bytes, since the end of the first job, which has imported what all need

_begun = False
_size_of_first: int | None = None


def begin(lifeline: str, cpus: list[int] | None) -> int:
    """Become the process of a slot, if this is not one yet; its number, also that of its group."""
    global _begun
    if _begun:
        return os.getpid()
    _begun = True
    os.setsid()
    if cpus is not None:
        machine.pin(cpus)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # forgets a Ctrl-C that came while this process started
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    signal.signal(signal.SIGINT, signal.default_int_handler)
    # loky made its own way of starting processes the default, which the libraries of jobs do not expect.
    multiprocessing.set_start_method(None, force=True)
    # It would put another process in this one's place, of which the launcher knows nothing, after an import
    # of torch already.
    process_executor._USE_PSUTIL = False
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    pipe = os.open(lifeline, os.O_RDONLY | os.O_NONBLOCK)  # the launcher may be gone: that would wait for it
    os.set_blocking(pipe, True)
    watch = threading.Thread(target=worker.die_with_launcher, args=(pipe,), name="exptools-lifeline")
    watch.daemon = True
    watch.start()
    return os.getpid()


def run(told: dict[str, Any], environment: dict[str, str]) -> bool:
    """Run a job, with its log as output, and leave nothing of it running; whether to run another here."""
    spec = Spec(**told)
    process = os.getpid()
    with _as_before(), _output_to(os.path.join(spec.run_dir, rundir.STDOUT)):
        os.environ.update(environment)
        worker.reseed()
        code = worker.run(spec)
        if os.getpid() != process:  # a fork that the job made came back: it must not serve the launcher
            worker.flush()
            os._exit(code)
    _end_what_was_left()
    return not _has_grown()


def _has_grown() -> bool:
    """Whether the jobs after the first have left much in memory."""
    global _size_of_first
    size = psutil.Process().memory_info().rss
    if _size_of_first is None:
        _size_of_first = size
    return size - _size_of_first > _MAY_GROW


# What ends a process, or the launcher ends jobs by: a handler that a job leaves behind is not for the next.
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGALRM)


@contextlib.contextmanager
def _as_before() -> Iterator[None]:
    """Give back what belongs to the process and a job may have changed."""
    environ, directory = dict(os.environ), os.getcwd()
    handlers = [(number, signal.getsignal(number)) for number in _SIGNALS]
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        for number, handler in handlers:
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(environ)
        os.chdir(directory)


@contextlib.contextmanager
def _output_to(path: str) -> Iterator[None]:
    """Let what is printed, by C code too, go to a file."""
    before = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for fd in (1, 2):
        os.dup2(log, fd)
    os.close(log)
    # Anew for each job, which may close them or put something else there.
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False, errors="backslashreplace")
    try:
        yield
    finally:
        worker.flush()
        for fd, old in zip((1, 2), before, strict=True):
            os.dup2(old, fd)
            os.close(old)


def _end_what_was_left() -> None:
    """End the processes that the job started and left behind, but for multiprocessing's own helper."""
    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            ours = pid != os.getpid() and os.getsid(pid) == os.getpid()
            if ours and not any("resource_tracker" in word for word in psutil.Process(pid).cmdline()):
                os.kill(pid, signal.SIGKILL)
