"""Watching what a scheduler does with the allocations of a sweep, until all of their jobs have ended.

That a job begins or ends is told by files (see submission). The scheduler is asked, by one call for all and
ever less often, only for those that end without a word: a node was lost, somebody has cancelled them.
"""

from __future__ import annotations

import contextlib
import dataclasses
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from exptools import words
from exptools.errors import LaunchError
from exptools.launching import report
from exptools.launching.engines.base import end_without, readable_status
from exptools.launching.engines.queue import Queue
from exptools.launching.job import Job, Outcome
from exptools.launching.submission import Begun, Submission
from exptools.lifecycle import Ending
from exptools.rundir import State
from exptools.slurm import Phase, SchedulerAway, Seen

SETTLE_S = 6.0  # so long after the end of an allocation its last files may come, over a network
CANCELLING_S = 60.0  # so long jobs that were cancelled may take to end
CANCELLING_TICK_S = 0.5  # and so often it is looked whether they have
_LOOK_S = (1.0, 15.0)  # between two questions to the scheduler: at first, and at most
_PAUSE_S = (2.0, 60.0)  # the same while it does not answer
# Reasons of Slurm's that do not pass.
_NEVER = (
    "PartitionConfig",
    "PartitionNodeLimit",
    "PartitionTimeLimit",
    "BadConstraints",
    "DependencyNeverSatisfied",
)
_USUAL = ("Resources", "Priority", "None", "BeginTime", "Dependency", "JobArrayTaskLimit")


@dataclass(frozen=True)
class Submitted:
    """A submission, and what the scheduler calls its allocations."""

    submission: Submission
    ids: tuple[str, ...]


@dataclass(frozen=True)
class Change:
    """Something happened to a job: it has begun somewhere, or ended; or it waits again, in these words."""

    num: int
    begun: Begun | None = None
    outcome: Outcome | None = None
    waits: str | None = None


class Away(LaunchError):
    """The scheduler has not answered for as long as it is waited for."""


@dataclass
class _Allocation:
    """One that still has jobs."""

    submission: Submission
    index: int
    id: str
    open: dict[int, Job]
    ended_at: float | None = None  # since when the scheduler says so, or has forgotten it
    seen: Seen | None = None
    is_forgotten: bool = False

    def state(self, queue: Queue, *, has_begun: bool) -> str:
        """Its last state in the scheduler's words.

        Slurm without accounting forgets at once what waited in an array and was cancelled.
        """
        last = self.seen.word if self.seen is not None else ""
        if not self.is_forgotten:
            return last
        waited = self.seen is None or self.seen.phase is Phase.WAITING
        return queue.final_state(self.id) or ("CANCELLED" if waited and not has_begun else "forgotten")


@dataclass
class Watch:
    """What is known of allocations. patience_s: so long a scheduler that does not answer is waited for."""

    queue: Queue
    patience_s: float
    log: logging.Logger
    why_cancelled: str | None = None  # if we have done that
    _submitted: list[Submitted] = field(default_factory=list)
    _known: dict[Path, set[str]] = field(default_factory=dict)
    _open: list[_Allocation] = field(default_factory=list)
    _next_look: float = 0.0
    _pause: float = _LOOK_S[0]
    _away_since: float | None = None
    _told: set[str] = field(default_factory=set)

    def add(self, one: Submitted) -> None:
        """Watch these allocations, too."""
        self._submitted.append(one)
        self._known[one.submission.directory] = set()
        for index, (jobs, id_) in enumerate(zip(one.submission.allocations, one.ids, strict=False)):
            self._open.append(_Allocation(one.submission, index, id_, {job.num: job for job in jobs}))
        self._next_look = 0.0

    @property
    def is_over(self) -> bool:
        """Whether all jobs have ended."""
        return not self._open

    def ids(self) -> list[str]:
        """Of the allocations that still have jobs."""
        return [one.id for one in self._open]

    def stop(self, why: str) -> None:
        """Let no further job begin in the allocations that still have some."""
        for one in {
            allocation.submission.directory: allocation.submission for allocation in self._open
        }.values():
            one.say_stop(why)

    def nums(self) -> set[int]:
        """The numbers of the jobs that have not ended."""
        return {num for one in self._open for num in one.open}

    def finished(self) -> list[Submitted]:
        """The submissions all of whose jobs have ended."""
        left = {one.submission.directory for one in self._open}
        return [one for one in self._submitted if one.submission.directory not in left]

    def settle(self) -> Iterator[Change]:
        """What has happened, until it is known of each allocation whether it has ended.

        Raises:
            Away: the scheduler has not answered for too long.
        """
        yield from self.news(at_once=True)
        while self._away_since is not None or any(one.ended_at is not None for one in self._open):
            time.sleep(0.2)
            yield from self.news()

    def news(self, *, at_once: bool = False) -> Iterator[Change]:
        """What has happened since this was asked last. at_once: the scheduler is asked, too.

        Raises:
            Away: the scheduler has not answered for too long.
        """
        now = time.monotonic()
        if self._open and (at_once or now >= self._next_look):
            self._look(now)
            yield from self._waiting_again()
        for one in self._submitted:  # after the scheduler: what it says has ended has written all it will
            yield from self._read(one.submission)
        for allocation in list(self._open):
            if allocation.ended_at is not None and now - allocation.ended_at >= SETTLE_S:
                yield from self._lost(allocation)
        self._open = [one for one in self._open if one.open]

    # --- files --------------------------------------------------------------------------------------------

    def _read(self, submission: Submission) -> Iterator[Change]:
        for name in submission.news(self._known[submission.directory]):
            num = int(name.partition(".")[0])
            allocation = next((a for a in self._open if a.submission is submission and num in a.open), None)
            if allocation is None:
                continue
            if name.endswith(".begun"):
                yield Change(num, begun=submission.begun(num))
                continue
            outcome = submission.ended(num)
            if outcome is None:  # not to be read just now
                self._known[submission.directory].discard(name)
                continue
            del allocation.open[num]
            yield Change(num, outcome=_with_ranks(submission, num, outcome))

    # --- the scheduler ------------------------------------------------------------------------------------

    def _look(self, now: float) -> None:
        try:
            seen = self.queue.look([one.id for one in self._open])
        except SchedulerAway as error:
            self._is_away(str(error), now)
            return
        if self._away_since is not None:
            self.log.info("the scheduler answers again")
            self._away_since, self._pause = None, _LOOK_S[0]
        for allocation in self._open:
            allocation.seen = seen.get(allocation.id, allocation.seen)
            allocation.is_forgotten = allocation.id not in seen
            is_gone = allocation.is_forgotten or seen[allocation.id].phase is Phase.ENDED
            if not is_gone:
                allocation.ended_at = None
            elif allocation.ended_at is None:
                allocation.ended_at = now
                self._pause = _LOOK_S[0]
        self._tell_unusual()
        self._pause = min(_LOOK_S[1], self._pause * 1.3)
        self._next_look = time.monotonic() + self._pause

    def _waiting_again(self) -> Iterator[Change]:
        """Jobs whose allocation is queued again, after a preemption or the loss of a node."""
        for allocation in self._open:
            if allocation.seen is None or allocation.seen.phase is not Phase.WAITING:
                continue
            known = self._known[allocation.submission.directory]
            for num in allocation.open:
                name = f"{num}.begun"
                if name in known:
                    known.discard(name)
                    (allocation.submission.directory / name).unlink(missing_ok=True)  # it will come anew
                    yield Change(num, waits=allocation.seen.waits_for or allocation.seen.word)

    def _is_away(self, said: str, now: float) -> None:
        if self._away_since is None:
            self._away_since, self._pause = now, _PAUSE_S[0]
            until = words.duration(self.patience_s)
            self.log.warning(f"the scheduler does not answer ({said}); waiting for it, up to {until}")
        elif now - self._away_since > self.patience_s:
            raise Away(f"the scheduler has not answered for {words.duration(self.patience_s)} ({said})")
        self._next_look = time.monotonic() + self._pause
        self._pause = min(_PAUSE_S[1], self._pause * 2)

    def _tell_unusual(self) -> None:
        """Reasons to wait that do not pass by themselves, perhaps."""
        for allocation in self._open:
            reason = allocation.seen.waits_for if allocation.seen is not None else ""
            if reason and reason.strip("()").split(",")[0] not in _USUAL and reason not in self._told:
                self._told.add(reason)
                self.log.warning(f"{allocation.id} waits: {reason}{_advice(reason)}")

    def _lost(self, allocation: _Allocation) -> Iterator[Change]:
        """What the scheduler says of jobs that said nothing."""
        for num, job in allocation.open.items():
            how = _end_of(job, allocation, self.queue, self.why_cancelled)
            status = readable_status(job.run_dir)
            ran_s = status.duration_s(time.time()) if status is not None else None
            end_without(job.run_dir, how, status)
            outcome = _with_ranks(allocation.submission, num, Outcome(how, None, ran_s or 0.0))
            with contextlib.suppress(OSError):  # the status has it, or has complained
                allocation.submission.say_ended(num, outcome)
            yield Change(num, outcome=outcome)
        allocation.open.clear()


def _advice(reason: str) -> str:
    """What to do where the scheduler will never start what it has taken."""
    if reason.strip("()").split(",")[0] not in _NEVER:
        return ""
    return "; as it was asked for it will never start: cancel it (exptools-cancel), and ask for less"


def _end_of(job: Job, allocation: _Allocation, queue: Queue, why_cancelled: str | None) -> Ending:
    status = readable_status(job.run_dir)
    began = status is not None and status.start is not None and status.attempt >= job.attempt
    word = allocation.state(queue, has_begun=began)
    if status is not None and began and status.state is State.COMPLETED:
        return Ending.told_by(status)
    said = f"{allocation.id} in {queue.name}: {word}"
    if word == "CANCELLED":
        why = why_cancelled or f"cancelled ({said})"
        return Ending(State.INTERRUPTED, None, why if began else f"{report.NEVER_BEGAN}{why}")
    if word == "TIMEOUT":
        return Ending(State.TIMEOUT, None, f"the time limit was reached ({said})")
    if word == "PREEMPTED":
        return Ending(State.PREEMPTED, None, f"preempted, and not queued again ({said})")
    if word == "OUT_OF_MEMORY":
        return Ending(State.FAILED, None, f"killed, for it had no more memory ({said})")
    if status is not None and began and status.state.ended and status.error:
        return Ending(status.state, status.exit_code, f"{status.error} ({said})", status.note)
    where = queue.last_words(allocation.submission.directory, allocation.index, allocation.id)
    return Ending(State.FAILED, None, "; ".join(filter(None, [f"it ended without a result ({said})", where])))


def _with_ranks(submission: Submission, num: int, outcome: Outcome) -> Outcome:
    """The outcome of rank 0; if that was taken along by another rank, what that one says."""
    first = None if outcome.ending.state is State.COMPLETED else submission.first_failure(num)
    if first is None:
        return outcome
    job = next(job for job in submission.jobs if job.num == num)
    status = readable_status(job.run_dir)
    error = str(first)
    if outcome.ending.state is State.FAILED:
        ended = None if status is None else status.end
        if ended is None or ended < first.when or str(outcome.ending.error).startswith(error):
            return outcome
        error += f"; then rank 0: {outcome.ending.error}"
    how = dataclasses.replace(outcome.ending, state=State.FAILED, error=error)
    end_without(job.run_dir, how, status)
    return dataclasses.replace(outcome, ending=how)
