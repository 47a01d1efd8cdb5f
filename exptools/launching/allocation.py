"""What runs inside an allocation of a scheduler: its jobs, over the slots of what was given.

It is the launcher's arm on another machine: it starts the jobs as the engine `local` does, and writes down
what happens to them (see submission). It passes signals on, and lets the allocation be queued again where
that helps.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import logging
import os
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from types import FrameType
from typing import Any, NoReturn

from exptools import rundir
from exptools.errors import AffinityError, LaunchError
from exptools.launching import early, engines, machine, report
from exptools.launching.attempts import Attempts
from exptools.launching.engines.base import SHARED, end_unbegun, end_without, facts_of, payload_of, result_of
from exptools.launching.engines.local import LocalEngine, exec_python
from exptools.launching.engines.queue import Given, Queue, Stop
from exptools.launching.job import Job, Outcome, Spec, Within
from exptools.launching.limit import FailureLimit
from exptools.launching.resume import status_left
from exptools.launching.slots import Event, Slot, SlotPool, make_slots, n_wanted
from exptools.launching.submission import Begun, Submission
from exptools.lifecycle import Ending
from exptools.provenance.files import settle
from exptools.rundir import State, Status
from exptools.say import say

log = logging.getLogger(__name__)
OTHERS_S = 60.0  # in which the other tasks of a job say how they ended, once rank 0 has completed it
_AT_LIMIT = "the time limit was reached"
_TAKEN = (Stop.PREEMPTED, Stop.REQUEUED)  # for others, whatever its jobs do
_STATES = {Stop.LIMIT: State.TIMEOUT, Stop.CANCELLED: State.INTERRUPTED, Stop.TASK: State.FAILED}


def run(directory: str, index: int) -> NoReturn:
    """Run the jobs of an allocation, and leave by an exit code that tells whether all have completed."""
    submission = Submission.read(Path(directory))
    if index >= len(submission.allocations):
        sys.exit("exptools: its launcher died before it knew of this allocation; others have its jobs")
    queue = engines.find_queue(submission.engine)(submission.executor)
    given = queue.given()
    if given.rank:
        _become_rank(submission, index, given)
    _log_to_stderr()
    sys.exit(_Allocation(submission, index, queue, given).run())


class _Allocation:
    """The task that is in charge."""

    def __init__(self, submission: Submission, index: int, queue: Queue, given: Given) -> None:
        self._submission = submission
        self._index = index
        self._queue = queue
        self._given = given
        self._stop: Stop | None = None
        self._knows_why = threading.Event()  # not set between a signal and the answer why it came
        self._knows_why.set()
        self._terminated = threading.Event()
        self._outcomes: dict[int, Outcome] = {}
        self._ended: dict[int, State] = {}  # of jobs that have ended for good
        self._limit = FailureLimit(submission.policy.max_failures)

    def run(self) -> int:
        """Run all that is left; the exit code."""
        every = self._submission.allocations[self._index]
        jobs = [again for job in every if (again := self._as_left(job)) is not None]
        if jobs:
            try:
                self._run(jobs, slots_of(self._given, self._submission, len(jobs)))
            except (AffinityError, OSError) as error:
                unbegun = [job for job in jobs if job.num not in self._outcomes]
                self._end_all(unbegun, Ending(State.FAILED, None, f"could not be started: {error}"))
        # By what is known here: a launcher that has heard all removes the files.
        return 0 if all(self._ended.get(job.num) is State.COMPLETED for job in every) else 1

    def _as_left(self, job: Job) -> Job | None:
        """The job as the next attempt, if this is not its first; None if it has ended."""
        ended = self._submission.ended(job.num, with_result=False)
        if ended is not None:
            self._ended[job.num] = ended.ending.state
            return None
        status = status_left(job.run_dir)
        if status is None or status.start is None or status.attempt < job.attempt:
            return job  # it has not begun
        if status.state is State.COMPLETED:  # what was in charge of it ended before it could say so
            how = Ending.told_by(status)
            self._say_ended(job, Outcome(how, None, status.duration_s(0.0) or 0.0))
            return None
        again = dataclasses.replace(job, attempt=rundir.attempt_after(status))
        with contextlib.suppress(OSError):
            settle(job.run_dir)  # the status is written over
            rundir.write_status(job.run_dir, Status(State.QUEUED, again.attempt, job_id=self._given.id))
        return again

    def _run(self, jobs: Sequence[Job], slots: Sequence[Slot]) -> None:
        policy = self._submission.policy
        with tempfile.TemporaryDirectory(prefix="exptools-") as scratch:
            engine = LocalEngine(
                self._submission.shared(),
                Path(scratch),
                policy.timeout_s,
                policy.preload() if len(jobs) > 1 else None,
                Within(self._submission.program, self._submission.directory, self._given.id, early.WARNING),
            )
            attempts = Attempts(engine, policy.retries, log, self._goes_on)
            pool: SlotPool[Job, Outcome] = SlotPool(slots, attempts, policy.stagger_s, self._is_enough)
            _let_signals_be_events(pool, self._terminated)
            if self._submission.stopped() is None:  # else none shall begin, and _end says so
                pool.start(jobs)
            for event in pool.events():
                self._hear(event, jobs, pool, engine)
            self._end(jobs)

    def _goes_on(self) -> bool:
        """Whether the allocation goes on for some time, in the thread of a slot."""
        self._knows_why.wait()
        return self._stop in (None, Stop.LIMIT)

    def _is_enough(self, outcome: Outcome) -> bool:
        """Whether no further job shall begin: by failures of this allocation, or of all."""
        return self._limit(outcome) or self._submission.stopped() is not None

    def _hear(
        self, event: Event, jobs: Sequence[Job], pool: SlotPool[Job, Outcome], engine: LocalEngine
    ) -> None:
        if event.kind == "signal":
            number = signal.Signals(event.index)
            pool.stop()
            self._knows_why.clear()
            engine.pass_on(number)
            # The last word counts: a cancellation at the limit.
            if self._stop is None or number != early.WARNING:
                self._stop = self._why_stopped(number)
            self._knows_why.set()
            log.warning(f"{number.name} came: {self._stop.value}")
        elif event.kind == "start" and event.slot is not None:
            job, slot = jobs[event.index], event.slot
            place = f"{self._given.id} on {self._given.node}" if self._given.node else self._given.id
            with self._on_a_disk_that_may_be_full():
                self._submission.say_begun(Begun(job.num, place, slot.number, slot.gpus))
        elif event.kind == "end":
            job = jobs[event.index]
            result = event.result
            if not isinstance(result, Outcome):
                told = f"could not be started: {type(result).__name__}: {result}"
                result = Outcome(Ending(State.FAILED, None, told))
                end_unbegun(job, result.ending)
            if self._given.n_ranks > 1 and result.ending.state is State.COMPLETED:
                result = self._when_all_ended(job, result)
            self._outcomes[job.num] = result
            if not self._is_unfinished(job):
                self._say_ended(job, result)
            log.info(report.ended(job, result, len(self._outcomes), len(jobs)))

    def _when_all_ended(self, job: Job, outcome: Outcome) -> Outcome:
        """The outcome of a job that rank 0 has completed, when its other tasks have ended, too."""
        self._terminated.clear()
        deadline = time.monotonic() + OTHERS_S
        n_others = self._given.n_ranks - 1
        while len(self._submission.rank_ends(job.num)) < n_others and time.monotonic() < deadline:
            if self._terminated.wait(0.1):
                break
        first = self._submission.first_failure(job.num)
        if first is not None:
            why = str(first)
        elif len(self._submission.rank_ends(job.num)) >= n_others:
            return outcome
        elif self._terminated.is_set() and self._why_stopped(signal.SIGTERM) is Stop.TASK:
            why = self._task_ended()
        else:
            say(f"{job.run_dir}: rank 0 has completed it; how all of its other tasks ended is not known")
            return outcome
        how = dataclasses.replace(outcome.ending, state=State.FAILED, exit_code=None, error=why)
        end_without(job.run_dir, how, status_left(job.run_dir))
        return Outcome(how, None, outcome.duration_s)

    def _why_stopped(self, number: int) -> Stop:
        stop = self._queue.why_stopped()
        # So srun ends the tasks of a job when one of them has failed.
        is_by_task = stop is Stop.ASKED and number == signal.SIGTERM and self._given.n_ranks > 1
        return Stop.TASK if is_by_task else stop

    def _say_ended(self, job: Job, outcome: Outcome) -> None:
        """A job has ended for good."""
        self._ended[job.num] = outcome.ending.state
        with self._on_a_disk_that_may_be_full():
            self._submission.say_ended(job.num, outcome)

    @contextlib.contextmanager
    def _on_a_disk_that_may_be_full(self) -> Iterator[None]:
        """Let the jobs go on if the launcher cannot be told: it finds their ends in their statuses, too."""
        try:
            yield
        except OSError as error:
            say(f"{self._submission.directory}: cannot write there ({error.strerror})")

    def _end(self, jobs: Sequence[Job]) -> None:
        """What becomes of jobs that were stopped, and of those that never began."""
        left = [job for job in jobs if job.num not in self._ended]
        if not left:
            return
        stop = self._stop or Stop.CANCELLED
        by = [told for job in left if (told := self._submission.first_failure(job.num)) is not None]
        if self._stop is None:  # nobody stopped it: it may begin no further job
            why: str | None = self._submission.stopped() or self._limit.told
        elif by and stop not in _TAKEN:  # Slurm has ended this task for that one
            stop, why = Stop.TASK, str(by[0])
        else:
            why = self._requeue(left, stop)
        for job in left if why is not None else ():
            self._end_one(job, stop, str(why))

    def _task_ended(self) -> str:
        return f"another of its tasks was ended, and with it this one ({self._given.id})"

    def _requeue(self, left: Sequence[Job], stop: Stop) -> str | None:
        """Let the allocation be queued again; why not, or None if it is."""
        if stop is Stop.CANCELLED:
            return f"cancelled ({self._given.id})"
        if stop is Stop.TASK:
            return self._task_ended()
        for job in left:
            self._say_preempted(job)
        if stop is Stop.REQUEUED:
            return None
        if stop is Stop.LIMIT:
            left = self._not_out_of_time(left)
            if not left:
                return None
        try:
            log.warning(f"queueing {self._given.id} again, for {len(left)} of its jobs")
            self._queue.requeue()
        except LaunchError as error:
            return str(error)
        return None

    def _not_out_of_time(self, left: Sequence[Job]) -> list[Job]:
        """Those that may go on after the time limit; the others end by it.

        A job that has waited for its turn has used up none of its attempts.
        """
        most = self._submission.max_requeues
        may_go_on = []
        for job in left:
            if not self._is_in_order(job):
                self._end_one(job, Stop.LIMIT, f"{_AT_LIMIT}, and it had not asked logger.should_stop")
            elif self._submission.n_requeues(job.num) >= most:
                why = f"{_AT_LIMIT}, and max_requeues={most} allows no further attempt"
                self._end_one(job, Stop.LIMIT, why)
            else:
                may_go_on.append(job)
        for job in may_go_on:
            if job.num in self._outcomes or not self._outcomes:
                self._submission.count_requeue(job.num)
        return may_go_on

    def _say_preempted(self, job: Job) -> None:
        """Let a run that the signal has ended, and that goes on, not look as if it had come to its end."""
        ended = self._outcomes.get(job.num)
        if ended is not None and ended.ending.state is not State.PREEMPTED:
            how = dataclasses.replace(ended.ending, state=State.PREEMPTED)
            end_without(job.run_dir, how, status_left(job.run_dir))

    def _is_unfinished(self, job: Job) -> bool:
        """Whether a job ended because the allocation is to end.

        One that was preempted may have failed by it: its workers got the signal, too.
        """
        state = self._outcomes[job.num].ending.state
        is_taken = self._stop in (*_TAKEN, Stop.ASKED)
        by_it = (State.PREEMPTED, State.INTERRUPTED, *([State.FAILED] if is_taken else []))
        return self._stop is not None and state in by_it

    def _is_in_order(self, job: Job) -> bool:
        """Whether a job has stopped because it was asked to, with all that it wanted to save; or never began.

        A signal ends one whose process has only just been started.
        """
        outcome, status = self._outcomes.get(job.num), status_left(job.run_dir)
        if outcome is None or status is None or status.start is None:
            return True
        return outcome.ending.state is State.PREEMPTED

    def _end_one(self, job: Job, stop: Stop, why: str) -> None:
        """Write down the end of a job that was stopped for good."""
        ended = self._outcomes.get(job.num)
        if ended is None:
            how = Ending(State.INTERRUPTED, None, f"{report.NEVER_BEGAN}{why}")
            end_unbegun(job, how)
            self._say_ended(job, Outcome(how))
            return
        if ended.ending.state is State.FAILED:  # of what it says itself
            how = dataclasses.replace(ended.ending, note=why)
        else:
            how = dataclasses.replace(ended.ending, state=_STATES.get(stop, ended.ending.state), error=why)
        end_without(job.run_dir, how, status_left(job.run_dir))
        self._say_ended(job, Outcome(how, None, ended.duration_s))

    def _end_all(self, jobs: Sequence[Job], how: Ending) -> None:
        for job in jobs:
            end_unbegun(job, how)
            self._say_ended(job, Outcome(how))


def slots_of(given: Given, submission: Submission, n_jobs: int) -> Sequence[Slot]:
    """The slots of an allocation: as the user has said, or one of all that was given, or an even division.

    Raises:
        AffinityError: the division is impossible here.
    """
    wanted = dict(submission.slots)
    use_gpu = bool(wanted["use_gpu"]) and given.has_gpus
    n_gpu = len(machine.gpus()) if use_gpu else 0
    most = None
    if wanted["affinity_code"] is None:
        wanted["division"], most = _division(wanted, given, n_jobs, n_gpu)
    return make_slots(**{**wanted, "use_gpu": use_gpu}, n_jobs=n_jobs)[:most]


def _division(
    wanted: Mapping[str, Any], given: Given, n_jobs: int, n_gpu: int
) -> tuple[dict[str, Any], int | None]:
    """Arguments of encode_affinity, none for an even division; and how many of its slots are used."""
    contexts, n_parallel = wanted["contexts_per_gpu"], wanted["n_parallel"]
    is_bound = given.n_cpus is None or len(machine.mask() or ()) <= given.n_cpus
    # If it is not it has no cores of its own, only so many: other jobs run on them, too.
    n_cores = len(machine.usable_cores()) if is_bound else int(given.n_cpus or 1)
    if wanted["division"]:
        unbound = {"n_cpu_core": n_cores, "n_gpu": n_gpu, "set_affinity": False}
        return ({} if is_bound else unbound) | wanted["division"], None
    is_whole = n_jobs == 1 and n_parallel is None and contexts == 1 and n_gpu > 1
    if is_bound and not is_whole:
        return {}, None
    n_slots = 1 if is_whole else n_wanted(n_parallel, n_cores, n_gpu * contexts, n_jobs)
    n_gpu = n_gpu if is_whole else min(n_gpu, n_slots)
    shares = n_gpu * contexts or n_slots
    each = max(1, n_cores // shares)  # a code has as many cores for each; if that is not all, none is pinned
    used = each * shares
    told = {"n_cpu_core": used, "n_gpu": n_gpu, "set_affinity": is_bound and used == n_cores}
    if is_whole:
        told["gpu_per_run"] = n_gpu
    elif not n_gpu:
        told["cpu_per_run"] = each
    return told, n_slots


def _become_rank(submission: Submission, index: int, given: Given) -> NoReturn:
    """Run the job of this allocation as another task than the first: its status is not ours to write."""
    job = submission.allocations[index][0]
    end = submission.rank_end_of(job.num, given.rank)
    end.unlink(missing_ok=True)  # of an earlier attempt
    slot = slots_of(given, submission, 1)[0]
    spec = Spec(
        **facts_of(job, slot, submission.program),
        shared=str(submission.directory / SHARED),
        payload=str(payload_of(submission.directory, job.num)),
        result=str(result_of(submission.directory, job.num)),
        provenance="",
        rank=given.rank,
        rank_end=str(end),
        early=early.WARNING,
    )
    with open(job.run_dir / f"stdout.rank{given.rank}.log", "ab") as file:
        for fd in (1, 2):
            os.dup2(file.fileno(), fd)
    read_end, write_end = os.pipe()
    os.set_inheritable(read_end, True)
    os.set_inheritable(write_end, True)  # its end would be the launcher's
    os.write(write_end, json.dumps(dataclasses.asdict(spec)).encode() + b"\n")
    environ = {**os.environ, **slot.environment(mask_gpus=job.mask_gpus), **job.environment}
    exec_python("worker", [str(read_end)], environ)


def _let_signals_be_events(pool: SlotPool[Job, Outcome], terminated: threading.Event) -> None:
    """What a scheduler sends is heard by the pool, until this process ends: a late one must not kill it."""

    def post(number: int, frame: FrameType | None) -> None:
        if number == signal.SIGTERM:
            terminated.set()
        pool.post(Event("signal", number))

    for number in early.HELD:
        signal.signal(number, post)
    early.let_through()


def _log_to_stderr() -> None:
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%Y-%m-%d %H:%M:%S"))
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False


def main(argv: Sequence[str] | None = None) -> NoReturn:
    """`python -m exptools.launching.allocation DIRECTORY INDEX`, which is what a queue submits."""
    words = sys.argv[1:] if argv is None else argv
    if len(words) != 2 or not words[1].isdigit():
        say("usage: python -m exptools.launching.allocation DIRECTORY INDEX")
        sys.exit(2)
    run(words[0], int(words[1]))


if __name__ == "__main__":
    main()
