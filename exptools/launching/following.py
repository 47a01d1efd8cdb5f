"""Telling people what happens to the jobs that a scheduler has, and what they want to be done at Ctrl-C."""

from __future__ import annotations

import contextlib
import queue as queues
import signal
import sys
import termios
import time
from collections.abc import Callable, Sequence

from exptools import words
from exptools.launching import lines, progress, report
from exptools.launching.job import Job, Outcome
from exptools.launching.limit import FailureLimit
from exptools.launching.lines import SEEN_LIVE
from exptools.launching.slots import Slot
from exptools.launching.submitting import Place
from exptools.launching.watching import CANCELLING_S, CANCELLING_TICK_S, Away, Change, Watch
from exptools.rundir import State
from exptools.signals import catching
from exptools.slurm import SchedulerAway

_TICK_S = (0.05, 1.0)  # between two looks at the files: at first, and at most


class Left(Exception):
    """The jobs go on without the launcher. number: the signal by which it was ended, 0 if by none."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self.number = number


def follow(place: Place, watch: Watch, jobs: Sequence[Job], n_failed: int = 0) -> dict[int, Outcome]:
    """Tell what happens to jobs until all have ended; their outcomes, by number.

    n_failed: of earlier batches.

    Raises:
        SystemExit: a signal came; as was asked for, the jobs go on or are cancelled.
        Away: the scheduler has not answered for too long; the jobs go on.
    """
    following = _Following(place, watch, jobs, FailureLimit(place.policy.max_failures, n_failed))
    try:
        return following.run()
    except Left as left:
        place.log.warning(f"{_left_running(watch, following.n_left())}\n{place.again}".rstrip())
        raise SystemExit(128 + left.number) from None
    except Away as error:
        raise Away(f"{error}; its jobs may go on; {place.again}") from error


def _left_running(watch: Watch, n_left: int) -> str:
    return f"left running: {words.count(n_left, 'job')} in {words.count(len(watch.ids()), 'allocation')}"


class _Following:
    """The jobs that are watched, and what has become of them."""

    def __init__(self, place: Place, watch: Watch, jobs: Sequence[Job], limit: FailureLimit) -> None:
        self._place, self._watch, self._limit = place, watch, limit
        self._jobs = {job.num: (index, job) for index, job in enumerate(jobs)}
        self._outcomes: dict[int, Outcome] = {}
        self._signals: queues.SimpleQueue[int] = queues.SimpleQueue()
        self._tally = progress.Tally([report.title(job) for job in jobs], None, time.monotonic())

    def n_left(self) -> int:
        """How many jobs have not ended."""
        return len(self._jobs) - len(self._outcomes)

    def run(self) -> dict[int, Outcome]:
        """Watch to the end, or until people want something else."""
        with catching(self._signals.put) as restore:
            if self._limit.is_news():
                self._stop_waiting()
            while True:
                with progress.shown(self._tally, self._place.log):
                    number = self._until_a_signal()
                if number is None:
                    return self._outcomes
                self._obey(number, restore)

    def _until_a_signal(self) -> int | None:
        """Watch; the number of a signal, or None when all jobs have ended."""
        tick = _TICK_S[0]
        while True:
            n_known = len(self._outcomes)
            for change in self._watch.news():
                self._hear(change)
            if self._watch.is_over:
                return None
            tick = _TICK_S[0] if len(self._outcomes) > n_known else min(_TICK_S[1], tick * 1.2)
            with contextlib.suppress(queues.Empty):
                return self._signals.get(timeout=tick)

    def _hear(self, change: Change) -> None:
        num, begun, outcome = change.num, change.begun, change.outcome
        if num not in self._jobs:
            return  # of an earlier launch, with other overrides
        index, job = self._jobs[num]
        log = self._place.log
        if change.waits is not None:
            self._tally.wait(index)
            log.info(f"queued again ({change.waits}): {report.title(job)}")
        if begun is not None and num not in self._outcomes:
            slot = Slot(begun.slot, "", (), False, begun.gpus, 1, where=begun.place)
            self._tally.start(index, slot, time.monotonic())
            log.info(f"started in {begun.place}: {report.title(job)}", extra=SEEN_LIVE)
        if outcome is None:
            return
        self._outcomes[num] = outcome
        self._limit(outcome)
        self._tally.end(index, outcome.ending.state, time.monotonic())
        told = report.ended(job, outcome, len(self._outcomes), len(self._jobs))
        log.info(told, extra=None if progress.is_news(outcome) else SEEN_LIVE)
        if self._limit.is_news() and self.n_left():
            self._stop_waiting()

    def _stop_waiting(self) -> None:
        """Let no further job begin; what runs goes on."""
        self._tally.stop()
        self._place.log.warning(f"max_failures={self._limit.most} is reached: no further job is begun")
        self._watch.stop(self._limit.told)
        self._cancel(self._limit.told, only_waiting=True)

    def _cancel(self, why: str, *, only_waiting: bool = False) -> bool:
        """Whether that could be done."""
        self._watch.why_cancelled = why
        try:
            self._watch.queue.cancel(self._watch.ids(), only_waiting=only_waiting)
        except SchedulerAway as error:
            self._place.log.error(f"not cancelled, for the scheduler does not answer ({error})")
            return False
        return True

    def _obey(self, number: int, restore: Callable[[], contextlib.AbstractContextManager[None]]) -> None:
        """What people want who have sent a signal.

        Raises:
            Left: the jobs shall go on without this process.
            SystemExit: they are cancelled.
        """
        answer = "l"
        if number == signal.SIGINT and lines.is_terminal(sys.stdin) and lines.is_terminal(sys.stdout):
            with restore():
                answer = _asked(self.n_left())
        if answer == "w":
            return
        if answer == "l":
            raise Left(number)
        self._tally.stop()
        self._place.log.warning("cancelling")
        if not self._cancel("cancelled by Ctrl-C"):
            raise Left(number)
        deadline = time.monotonic() + CANCELLING_S
        while not self._watch.is_over and time.monotonic() < deadline and self._signals.empty():
            for change in self._watch.news(at_once=True):
                self._hear(change)
            time.sleep(CANCELLING_TICK_S)
        completed = sum(o.ending.state is State.COMPLETED for o in self._outcomes.values())
        told = f"cancelled: {completed} of {len(self._jobs)} jobs had completed"
        self._place.log.error(f"{told}\n{self._place.again}".rstrip())
        raise SystemExit(128 + number)


def _asked(n_left: int) -> str:
    """What shall become of the jobs: l, c or w. Whoever presses Ctrl-C again, or is gone, leaves them."""
    left = words.count(n_left, "job")
    question = f"\n{left} left: leave them running (l), cancel them (c), or go on watching (w)? [l] "
    with contextlib.suppress(OSError, termios.error):
        termios.tcflush(sys.stdin, termios.TCIFLUSH)  # what was typed before is no answer
    while True:
        try:
            answer = input(question).strip().lower()
        except (KeyboardInterrupt, EOFError, OSError):
            return "l"
        for word in ("leave", "cancel", "watch"):
            if answer in ("", word[0], word):
                return word[0]
