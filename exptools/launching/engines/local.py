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
import time
from collections.abc import Iterator, Sequence
from multiprocessing.util import _args_from_interpreter_flags  # type: ignore[attr-defined]
from pathlib import Path
from typing import Any, BinaryIO

from exptools import lifecycle, rundir
from exptools.errors import LaunchError, RunDirError
from exptools.launching import main_module, transport
from exptools.launching.engines.forking import Forked, ForkServer, is_possible
from exptools.launching.job import GRACE_S, Job, Outcome, Spec
from exptools.launching.slots import Slot
from exptools.lifecycle import OUT_OF_MEMORY, Ending
from exptools.rundir import State, Status
from exptools.say import say, say_once

_BOOT = "import sys; sys.path[:] = {path!r}; from exptools.launching.{module} import main; main()"


class LocalEngine:
    """Starts jobs as processes of their own session, so that a signal reaches all that a job started."""

    def __init__(
        self,
        shared: bytes,
        scratch: Path,
        timeout_s: float | None = None,
        preload: Sequence[str] | None = None,
    ) -> None:
        """shared: what all jobs get, pickled. scratch: a private directory for what passes to and fro.

        timeout_s: a job that takes longer is stopped: SIGTERM, and where that does not help SIGKILL. preload:
        modules that a fork server imports, from which jobs are forked then; None: each is started anew.
        """
        self._timeout_s = timeout_s
        self._scratch = scratch
        self._shared = scratch / "shared.pkl"
        self._shared.write_bytes(shared)
        self._main = main_module.describe()
        self._lock = threading.Lock()
        self._running: dict[int, subprocess.Popen[bytes] | Forked] = {}
        self._interrupted = False
        self._server: ForkServer | None = None
        if preload is not None and is_possible():
            self._server = ForkServer(_python("forkserver"), _texts(sys.path), preload)

    def close(self) -> None:
        """End what the engine itself has started."""
        if self._server is not None:
            self._server.close()

    def run(self, job: Job, slot: Slot) -> Outcome:
        """Run `job` on `slot` in a fresh process and wait for its end."""
        begun = time.monotonic()
        late = threading.Event()
        spec = self._spec(job, slot)
        told = json.dumps(dataclasses.asdict(spec)).encode() + b"\n"
        Path(spec.payload).write_bytes(job.payload)
        read_end, write_end = os.pipe()
        with os.fdopen(write_end, "wb", buffering=0) as control:  # its closing ends a job that outlives us
            try:
                process = self._start(job, slot, read_end)
            finally:
                os.close(read_end)
            try:
                with contextlib.suppress(BrokenPipeError):  # it died at once; its exit code tells
                    control.write(told)
                with self._stopped_in_time(process, late):
                    _wait_without_reaping(process)
            finally:
                with self._lock:  # from here on its number may be somebody else's
                    code = process.wait()
                    del self._running[job.num]
        how = _final(job.run_dir, code, self._interrupted)
        if late.is_set() and how.state is not State.COMPLETED:
            how = Ending(State.TIMEOUT, how.exit_code, f"stopped after timeout_s={self._timeout_s:g}")
            end_without(job.run_dir, how, _status(job.run_dir))
        returned = _take(job, Path(spec.payload), Path(spec.result))
        return Outcome(how, returned, time.monotonic() - begun)

    @contextlib.contextmanager
    def _stopped_in_time(
        self, process: subprocess.Popen[bytes] | Forked, late: threading.Event
    ) -> Iterator[None]:
        """Stop the process if the block takes longer than the time-out, and say so by `late`."""
        if self._timeout_s is None:
            yield
            return

        def stop(number: int) -> None:
            late.set()
            _signal_group(process.pid, number)

        timers = [
            threading.Timer(self._timeout_s, stop, [signal.SIGTERM]),
            threading.Timer(self._timeout_s + GRACE_S, stop, [signal.SIGKILL]),
        ]
        try:
            for timer in timers:
                timer.daemon = True
                timer.start()
            yield
        finally:
            for timer in timers:
                timer.cancel()

    def interrupt(self) -> None:
        """End all that runs: SIGINT, and where that does not help SIGTERM, then SIGKILL."""
        with self._lock:
            self._interrupted = True
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + GRACE_S
            self._signal_all(number)
            while self._running and time.monotonic() < deadline:
                time.sleep(0.02)

    def kill(self) -> None:
        """End all that runs at once."""
        self._interrupted = True
        self._signal_all(signal.SIGKILL)

    def _start(self, job: Job, slot: Slot, control: int) -> subprocess.Popen[bytes] | Forked:
        environ = {**os.environ, **slot.environment(mask_gpus=job.mask_gpus), **job.environment}
        server = self._usable_server() if job.may_be_forked else None
        with self._lock, open(job.run_dir / rundir.STDOUT, "ab") as log:
            if self._interrupted:
                raise InterruptedError("the sweep was interrupted before this job began")
            if job.attempt > 1:
                log.write(f"exptools: attempt {job.attempt}\n".encode())
                log.flush()
            process = None if server is None else self._fork(server, job, environ, control, log)
            self._running[job.num] = process or self._spawn(job, environ, control, log)
        return self._running[job.num]

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
        why = None if server is None else server.wait_until_ready()
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

    def _spec(self, job: Job, slot: Slot) -> Spec:
        return Spec(
            num=job.num,
            run_dir=str(job.run_dir),
            slot=slot.number,
            affinity_code=slot.affinity_code,
            cpus=list(slot.cpus) if slot.pin else None,
            gpus=None if slot.gpus is None else list(slot.gpus),
            main=dataclasses.asdict(self._main),
            sys_path=_texts(sys.path),
            argv=sys.argv,
            original_argv=main_module.original_argv(self._main),
            shared=str(self._shared),
            payload=str(self._scratch / f"{job.num}.job"),
            result=str(self._scratch / f"{job.num}.result"),
            attempt=job.attempt,
            script=[job.script[0], slot.affinity_code, *job.script[1:]] if job.script else [],
        )

    def _signal_all(self, number: int) -> None:
        with self._lock:
            for process in self._running.values():
                _signal_group(process.pid, number)


def _texts(path: list[str]) -> list[str]:
    """sys.path as far as Python's own import reads it: people put Paths in as well."""
    return [entry for entry in path if isinstance(entry, str)]


def _python(module: str) -> list[str]:
    """The command that calls `main` of a module of launching."""
    boot = _BOOT.format(path=_texts(sys.path), module=module)
    return [sys.executable, *_args_from_interpreter_flags(), "-c", boot]


def _wait_without_reaping(process: subprocess.Popen[bytes] | Forked) -> None:
    """Wait for the end of a job, and end what it has started and left behind.

    Its number stays taken meanwhile, where the system can do that (macOS: Python 3.13).
    """
    if isinstance(process, Forked):
        process.wait()  # the fork server does the rest
        return
    if hasattr(os, "waitid"):
        with contextlib.suppress(ChildProcessError):
            os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    else:
        process.wait()
    _signal_group(process.pid, signal.SIGKILL)


def _signal_group(group: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def _take(job: Job, payload: Path, result: Path) -> Any:
    """What the job sent, or None; both files are removed."""
    payload.unlink(missing_ok=True)
    try:
        return transport.loads(result.read_bytes())
    except FileNotFoundError:
        return None
    except Exception as error:  # an exception class that pickles but does not unpickle, say
        say(f"the return value of job #{job.num} could not be read back ({error!r})")
        return None
    finally:
        result.unlink(missing_ok=True)


def _status(run_dir: Path) -> Status | None:
    try:
        return rundir.read_status(run_dir)
    except RunDirError:
        return None


def _final(run_dir: Path, code: int | None, interrupted: bool) -> Ending:
    """How the run ended: as its own status says, or, if its process could not say, by the exit code."""
    status = _status(run_dir)
    if status is not None and status.state.ended:
        return _as_it_says(status, code or 0)
    if code is None:
        how = Ending(
            State.FAILED, None, "how it ended is not known: the process that it was forked from died"
        )
        end_without(run_dir, how, status)
        return how
    how = lifecycle.by_signal(-code) if code < 0 else _silent_exit(code)
    if interrupted:
        how = Ending(
            State.INTERRUPTED,
            how.exit_code,
            f"the sweep was interrupted: {how.error}".removesuffix(OUT_OF_MEMORY),
        )
    end_without(run_dir, how, status)
    return how


def _as_it_says(status: Status, code: int) -> Ending:
    note = status.note
    if code < 0 and status.state is State.COMPLETED:
        note = f"{note + '; ' if note else ''}afterwards the process was {lifecycle.by_signal(-code).error}"
    return Ending(status.state, status.exit_code, status.error, note, status.returned)


def _silent_exit(code: int) -> Ending:
    return Ending(State.FAILED, code, f"the process ended with exit code {code} before the job returned")


def end_without(run_dir: Path, how: Ending, status: Status | None = None) -> None:
    """Write the end of a run whose own process did not."""
    begun = Status(State.QUEUED) if status is None or status.state is State.QUEUED else status
    end = dataclasses.replace(
        begun, state=how.state, exit_code=how.exit_code, error=how.error, note=how.note, end=time.time()
    )
    try:
        rundir.write_status(run_dir, end)
    except OSError as error:  # a full disk must not take the other jobs along
        say(f"{run_dir}: status not written ({error.strerror})")
