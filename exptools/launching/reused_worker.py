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

from exptools import rundir
from exptools.launching import machine, worker
from exptools.launching.job import Spec

_begun = False


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
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    pipe = os.open(lifeline, os.O_RDONLY)
    watch = threading.Thread(target=worker.die_with_launcher, args=(pipe,), name="exptools-lifeline")
    watch.daemon = True
    watch.start()
    return os.getpid()


def run(told: dict[str, Any], environment: dict[str, str], lifeline: str) -> None:
    """Run a job, with its log as output, and leave nothing of it running."""
    spec = Spec(**told)
    begin(lifeline, spec.cpus)
    with _output_to(os.path.join(spec.run_dir, rundir.STDOUT)), _environment(environment):
        worker.reseed()
        worker.run(spec)
    _end_what_was_left()


@contextlib.contextmanager
def _output_to(path: str) -> Iterator[None]:
    """Let what is printed, by C code too, go to a file."""
    before = os.dup(1), os.dup(2)
    log = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
    for fd in (1, 2):
        os.dup2(log, fd)
    os.close(log)
    try:
        yield
    finally:
        for stream, fd, old in ((sys.stdout, 1, before[0]), (sys.stderr, 2, before[1])):
            with contextlib.suppress(AttributeError, OSError, ValueError):
                stream.flush()
            os.dup2(old, fd)
            os.close(old)


@contextlib.contextmanager
def _environment(changes: dict[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(changes)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _end_what_was_left() -> None:
    """End the processes that the job started and left behind, but for multiprocessing's own helper."""
    import psutil

    for pid in psutil.pids():
        with contextlib.suppress(OSError, psutil.Error):
            ours = pid != os.getpid() and os.getsid(pid) == os.getpid()
            if ours and not any("resource_tracker" in word for word in psutil.Process(pid).cmdline()):
                os.kill(pid, signal.SIGKILL)
