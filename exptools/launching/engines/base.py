"""What every engine does with a job: tells its process what to do, watches it, and knows how it ended."""

from __future__ import annotations

import abc
import contextlib
import dataclasses
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exptools import lifecycle, rundir, words
from exptools.errors import RunDirError
from exptools.launching import transport
from exptools.launching.job import GRACE_S, Job, Outcome, Program, Spec, Within
from exptools.launching.slots import Slot
from exptools.lifecycle import Ending
from exptools.provenance.files import settle
from exptools.rundir import State, Status
from exptools.say import say


@dataclasses.dataclass(frozen=True)
class Exit:
    """How a job's process left the job.

    code: negative for a signal; None if nobody could see it. peak_bytes: the most memory it had, if known.
    """

    code: int | None
    peak_bytes: int | None = None


class Engine(abc.ABC):
    """Runs jobs on slots, each in a process that leads a group: signals reach all that a job started."""

    def __init__(
        self,
        shared: bytes,
        scratch: Path,
        timeout_s: float | None = None,
        within: Within | None = None,
    ) -> None:
        """shared: what all jobs get, pickled. scratch: a private directory for what passes to and fro.

        timeout_s: a job that takes longer is stopped: SIGTERM, and where that does not help SIGKILL.
        within: the allocation of a scheduler that this process runs in.
        """
        self._timeout_s = timeout_s
        self._scratch = scratch
        self._within = within
        self._shared = scratch / SHARED
        self._shared.write_bytes(shared)
        self._program = Program.of_this_process() if within is None else within.program
        self._lock = threading.Lock()
        self._running: dict[int, int] = {}  # the groups of the jobs that run, by the jobs' numbers
        self._interrupted = False

    @abc.abstractmethod
    def _run(self, job: Job, slot: Slot, spec: Spec, late: threading.Event) -> Exit:
        """Run the job to its end, its group in `_running` and within `_stopped_in_time`."""

    @abc.abstractmethod
    def close(self) -> None:
        """End what the engine itself has started."""

    def run(self, job: Job, slot: Slot) -> Outcome:
        """Run `job` on `slot` and wait for its end."""
        begun = time.monotonic()
        late = threading.Event()
        spec = self._spec(job, slot)
        Path(spec.payload).write_bytes(job.payload)
        left = self._run(job, slot, spec, late)
        how = _final(job.run_dir, left, self._interrupted)
        if late.is_set() and how.state is not State.COMPLETED:
            how = Ending(State.TIMEOUT, how.exit_code, f"stopped after timeout_s={self._timeout_s:g}")
            end_without(job.run_dir, how, readable_status(job.run_dir))
        Path(spec.payload).unlink(missing_ok=True)
        returned = take(job.num, Path(spec.result)) if self._within is None else None
        return Outcome(how, returned, time.monotonic() - begun)

    def interrupt(self) -> None:
        """End all that runs: SIGINT, and where that does not help SIGTERM, then SIGKILL."""
        self._interrupted = True  # what starts just now sees it, or is among those that are signalled
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
            deadline = time.monotonic() + GRACE_S
            self._signal_all(number)
            while self._running and time.monotonic() < deadline:
                time.sleep(0.02)

    def kill(self) -> None:
        """End all that runs at once."""
        self._interrupted = True
        self._signal_all(signal.SIGKILL)

    def pass_on(self, number: int) -> None:
        """Send a signal to the jobs themselves, not to what they have started."""
        with self._lock:
            for leader in self._running.values():
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.kill(leader, number)

    def _signal_all(self, number: int) -> None:
        with self._lock:
            for group in self._running.values():
                signal_group(group, number)

    def _refuse_if_interrupted(self) -> None:
        if self._interrupted:
            raise InterruptedError("the sweep was interrupted")

    @contextlib.contextmanager
    def _stopped_in_time(self, group: int, late: threading.Event) -> Iterator[None]:
        """Stop the group if the block takes longer than the time-out, and say so by `late`."""
        if self._timeout_s is None:
            yield
            return

        def stop(number: int) -> None:
            late.set()
            signal_group(group, number)

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

    def _spec(self, job: Job, slot: Slot) -> Spec:
        within = self._within
        return Spec(
            **facts_of(job, slot, self._program),
            shared=str(self._shared),
            payload=str(payload_of(self._scratch, job.num)),
            result=str(result_of(self._scratch if within is None else within.results, job.num)),
            provenance=str((self._scratch if within is None else within.results) / rundir.PROVENANCE),
            job_id=None if within is None else within.job_id,
            early=None if within is None else within.early,
        )


def facts_of(job: Job, slot: Slot, program: Program) -> dict[str, Any]:
    """The fields of a Spec that say what runs, and on what."""
    return {
        "num": job.num,
        "run_dir": str(job.run_dir),
        "slot": slot.number,
        "affinity_code": slot.affinity_code,
        "cpus": list(slot.cpus) if slot.pin else None,
        "gpus": None if slot.gpus is None else list(slot.gpus),
        "attempt": job.attempt,
        "script": [job.script[0], slot.affinity_code, *job.script[1:]] if job.script else [],
        **dataclasses.asdict(program),
    }


SHARED = "shared.pkl"  # what all jobs get


def payload_of(directory: Path, num: int) -> Path:
    """Where that lies which one job gets."""
    return directory / f"{num}.job"


def result_of(directory: Path, num: int) -> Path:
    """Where a job leaves what it returns."""
    return directory / f"{num}.result"


def signal_group(group: int, number: int) -> None:
    """Send a signal to a group, if it is still there."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)


def peak_bytes(ru_maxrss: int) -> int:
    """What getrusage(2) calls ru_maxrss, in bytes: macOS counts in bytes, all others in KiB."""
    return ru_maxrss if sys.platform == "darwin" else ru_maxrss * 1024


def begin_log(job: Job) -> None:
    """Say in the job's log that a further attempt begins."""
    if job.attempt > 1:
        with open(job.run_dir / rundir.STDOUT, "ab") as log:
            log.write(f"exptools: attempt {job.attempt}\n".encode())


def take(num: int, result: Path) -> Any:
    """What a job sent, or None; the file is removed."""
    try:
        return transport.loads(result.read_bytes())
    except FileNotFoundError:
        return None
    except Exception as error:  # an exception class that pickles but does not unpickle, say
        say(f"the return value of job #{num} could not be read back ({error!r})")
        return None
    finally:
        result.unlink(missing_ok=True)


def readable_status(run_dir: Path) -> Status | None:
    """What a run says; None if it says nothing that can be read."""
    try:
        return rundir.read_status(run_dir)
    except RunDirError:
        return None


def _final(run_dir: Path, left: Exit, interrupted: bool) -> Ending:
    """How the run ended: as its own status says, or, if its process could not say, by the exit code."""
    status = readable_status(run_dir)
    if status is not None and status.state.ended:
        return _as_it_says(status, left.code or 0)
    how = _unsaid(left, interrupted)
    end_without(run_dir, how, status)
    return how


def _unsaid(left: Exit, interrupted: bool) -> Ending:
    if left.code is None:
        gone = "how it ended is not known: the process that started it died"
        return Ending(State.FAILED, None, gone)
    if left.code >= 0:
        early = f"the process ended with exit code {left.code} before the job returned"
        return Ending(State.INTERRUPTED if interrupted else State.FAILED, left.code, early)
    how = lifecycle.by_signal(-left.code)
    if interrupted:
        return Ending(State.INTERRUPTED, left.code, f"the sweep was interrupted: {how.error}")
    if left.code == -signal.SIGKILL:
        return dataclasses.replace(how, error=f"{how.error} ({_out_of_memory(left.peak_bytes)})")
    return how


def _out_of_memory(peak_bytes: int | None) -> str:
    peak = "" if peak_bytes is None else f"; it had up to {words.memory(peak_bytes)}"
    return f"probably out of memory{peak}"


def _as_it_says(status: Status, code: int) -> Ending:
    note = status.note
    if code < 0 and status.state is State.COMPLETED:
        note = f"{note + '; ' if note else ''}afterwards the process was {lifecycle.by_signal(-code).error}"
    return dataclasses.replace(Ending.told_by(status), note=note)


def end_unbegun(job: Job, how: Ending) -> None:
    """Write the end of an attempt that never began."""
    end_without(job.run_dir, how, Status(State.QUEUED, job.attempt))


def end_without(run_dir: Path, how: Ending, status: Status | None = None) -> None:
    """Write the end of a run whose own process did not."""
    begun = status or Status(State.QUEUED)
    if begun.state is State.QUEUED:
        begun = Status(State.QUEUED, begun.attempt)  # the launcher is not who ran it
    end = dataclasses.replace(
        begun, state=how.state, exit_code=how.exit_code, error=how.error, note=how.note, end=time.time()
    )
    try:
        rundir.write_status(run_dir, end)
        settle(run_dir, end)
    except OSError as error:  # a full disk must not take the other jobs along
        say(f"{run_dir}: status not written ({error.strerror})")
