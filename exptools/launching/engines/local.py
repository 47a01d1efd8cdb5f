"""The engine `local`: a fresh process on this machine for every job."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from multiprocessing.util import _args_from_interpreter_flags  # type: ignore[attr-defined]
from pathlib import Path
from typing import BinaryIO, NoReturn

from exptools import rundir
from exptools.errors import LaunchError
from exptools.launching import early
from exptools.launching.engines.base import Engine, Exit, begin_log, peak_bytes, signal_group
from exptools.launching.engines.forking import Forked, ForkServer, is_possible, kept_server
from exptools.launching.job import Job, Spec, Within, texts
from exptools.launching.slots import Slot
from exptools.say import say_once

_BOOT = "import sys; sys.path[:] = {path!r}; from exptools.launching.{module} import main; main()"


class LocalEngine(Engine):
    """Starts jobs as processes of their own session."""

    def __init__(
        self,
        shared: bytes,
        scratch: Path,
        timeout_s: float | None = None,
        preload: Sequence[str] | None = None,
        within: Within | None = None,
    ) -> None:
        """preload: modules that a fork server imports, from which jobs are forked then; None: each is started
        anew. The rest is as for every engine.
        """
        super().__init__(shared, scratch, timeout_s, within)
        self._server: ForkServer | None = None
        if preload is not None and is_possible():
            with early.held_back(within is not None):  # it never hears them; each job does, in time
                self._server = kept_server(_python("forkserver"), texts(sys.path), preload)

    def close(self) -> None:
        """Nothing is left to end: the fork server waits for the next batch."""

    def _run(self, job: Job, slot: Slot, spec: Spec, late: threading.Event) -> Exit:
        told = json.dumps(dataclasses.asdict(spec)).encode() + b"\n"
        read_end, write_end = os.pipe()
        with os.fdopen(write_end, "wb", buffering=0) as control:  # its closing ends a job that outlives us
            try:
                process = self._start(job, slot, read_end)
            finally:
                os.close(read_end)
            try:
                with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code tells
                    control.write(told)
                with self._stopped_in_time(process.pid, late):
                    _wait_without_reaping(process)
            finally:
                with self._lock:  # from here on its number may be somebody else's
                    left = _reap(process)
                    del self._running[job.num]
        return left

    def _start(self, job: Job, slot: Slot, control: int) -> subprocess.Popen[bytes] | Forked:
        environ = {**os.environ, **slot.environment(mask_gpus=job.mask_gpus), **job.environment}
        server = self._usable_server() if job.may_be_forked else None
        with self._lock, open(job.run_dir / rundir.STDOUT, "ab") as log:
            self._refuse_if_interrupted()
            begin_log(job)
            forked = None if server is None else self._fork(server, job, environ, control, log)
            with early.held_back(self._within is not None):
                process = forked or self._spawn(job, environ, control, log)
            self._running[job.num] = process.pid
        return process

    def _fork(
        self, server: ForkServer, job: Job, environ: dict[str, str], control: int, log: BinaryIO
    ) -> Forked | None:
        try:
            return server.start(f"exptools-{job.num}", environ, control, log.fileno())
        except LaunchError as error:
            self._server = None
            say_once(f"every job is started anew instead of forked: {error}")
            return None

    def _usable_server(self) -> ForkServer | None:
        """The fork server, when it has imported everything; None if there is none that may be used."""
        server = self._server
        while server is not None and not server.is_ready(timeout_s=0.1):
            self._refuse_if_interrupted()
        why = None if server is None else server.unusable
        if server is None or why is None:
            return server
        with self._lock:
            if self._server is not None:
                self._server = None
                server.close()
                say_once(f"every job is started anew instead of forked: {why}")
        return None

    def _spawn(
        self, job: Job, environ: dict[str, str], control: int, log: BinaryIO
    ) -> subprocess.Popen[bytes]:
        # The words after the pipe are for whoever looks at `ps`.
        words = [str(control), f"exptools-job-{job.num}", " ".join(job.overrides)[:1000]]
        return subprocess.Popen(
            [*_python("worker"), *words],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env=environ,
            pass_fds=(control,),
            start_new_session=True,
        )


def exec_python(module: str, words: Sequence[str], environ: Mapping[str, str]) -> NoReturn:
    """Become a process that calls `main` of a module of launching."""
    command = [*_python(module), *words]
    os.execve(command[0], command, environ)


def _python(module: str) -> list[str]:
    """The command that calls `main` of a module of launching."""
    boot = _BOOT.format(path=texts(sys.path), module=module)
    return [sys.executable, *_args_from_interpreter_flags(), "-c", boot]


def _wait_without_reaping(process: subprocess.Popen[bytes] | Forked) -> None:
    """Wait for the end of a job, and end what it has started and left behind.

    Its number stays taken meanwhile, where the system can do that (macOS: Python 3.13).
    """
    if isinstance(process, Forked):
        if process.wait() is None:  # else the fork server has done it
            signal_group(process.pid, signal.SIGKILL)
        return
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    signal_group(process.pid, signal.SIGKILL)


def _reap(process: subprocess.Popen[bytes] | Forked) -> Exit:
    if isinstance(process, Forked):
        return Exit(process.wait(), process.peak_bytes)
    if process.returncode is not None:  # it had to be reaped before
        return Exit(process.returncode)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)  # so that Popen does not wait for it again
    return Exit(process.returncode, peak_bytes(usage.ru_maxrss))
