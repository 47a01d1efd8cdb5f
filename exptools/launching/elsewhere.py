"""A batch of jobs on a scheduler: submitted, written down, watched; left running, and found again."""

from __future__ import annotations

import contextlib
import logging
import queue as queues
import shlex
import shutil
import signal
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any

from exptools import rundir, words
from exptools.errors import LaunchError, RunDirError
from exptools.launching import engines, lines, progress, report, submission
from exptools.launching.engines.base import end_without
from exptools.launching.engines.queue import Queue
from exptools.launching.following import Away, Change, Submitted, Watch
from exptools.launching.job import Job, Outcome, Program
from exptools.launching.limit import FailureLimit
from exptools.launching.lines import SEEN_LIVE
from exptools.launching.settings import OnCluster, Policy
from exptools.launching.slots import Slot
from exptools.launching.submission import Submission
from exptools.lifecycle import Ending, one_line
from exptools.provenance import facts
from exptools.rundir import State
from exptools.slurm import SchedulerAway

_log = logging.getLogger(__name__)
_TICK_S = (0.05, 1.0)  # between two looks at the files: at first, and at most
_CANCELLING_S = 60.0  # so long jobs that were cancelled may take to end


@dataclass(frozen=True)
class Place:
    """Where a sweep is, and how its jobs run. slots: as in Settings. again: how people come back to it."""

    sweep_dir: Path
    slots: Mapping[str, Any]
    policy: Policy
    cluster: OnCluster
    log: logging.Logger
    again: str = ""

    def queue(self) -> Queue:
        """The scheduler.

        Raises:
            LaunchError: it is not there, or a setting of it is wrong.
        """
        queue = engines.find_queue(self.policy.engine)(self.cluster.executor)
        queue.check()
        if queue.n_tasks > 1 and self.cluster.pack > 1:
            raise LaunchError(
                f"pack={self.cluster.pack} puts several jobs into an allocation, and executor makes "
                f"{queue.n_tasks} tasks of one job; give one of them"
            )
        return queue

    def watch(self, queue: Queue) -> Watch:
        """One that knows of nothing yet."""
        return Watch(queue, self.cluster.patience_s, self.log)


# --- submitting -------------------------------------------------------------------------------------------


def submit(
    place: Place, queue: Queue, jobs: Sequence[Job], shared: bytes, title: str, code: Path
) -> Submitted:
    """Submit jobs, and write into sweep.json what the scheduler calls them.

    Raises:
        LaunchError: the scheduler does not take them, or they cannot be written down; nothing was submitted.
        SystemExit: Ctrl-C; what was submitted is cancelled.
    """
    policy, cluster = place.policy, place.cluster
    packed = submission.divided(jobs, cluster.pack)
    modules = policy.preload() if cluster.pack > 1 else None  # here, where the application is imported
    made = Submission(
        submission.next_directory(place.sweep_dir),
        policy.engine,
        cluster.executor,
        place.slots,
        policy.with_modules(modules),
        cluster.max_requeues,
        Program.of_this_process(),
        packed,
    )
    try:
        made.write(shared)
        facts.write(made.provenance(), code, place.sweep_dir)
        ids = _submit(place, queue, made, title)
    except BaseException as error:
        is_sure = _taken_back(queue, made)
        how = Ending(State.INTERRUPTED, None, f"{report.NEVER_BEGAN}{one_line(error)}")
        for job in jobs:
            end_without(job.run_dir, how, rundir.Status(State.QUEUED, job.attempt))
        if isinstance(error, KeyboardInterrupt):
            told = "nothing was submitted" if is_sure else f"{_UNSURE}; {place.again}"
            report.tell(place.log, f"interrupted: {told}")
            raise SystemExit(128 + signal.SIGINT) from None
        if isinstance(error, OSError):
            advice = "mend that, or choose another directory; nothing was submitted"
            where = error.filename or made.directory
            raise LaunchError(f"{where}: cannot write there ({error.strerror}); {advice}") from error
        raise
    try:
        report.write_submission(place.sweep_dir, made, ids)
    except OSError as error:
        lost = f"the ids of the jobs are not written ({error.strerror}); they go on, and will be found again"
        place.log.warning(f"{place.sweep_dir / rundir.SWEEP}: {lost}")
    return Submitted(made, tuple(ids))


_UNSURE = "whether the scheduler has taken the jobs is not known"


def _taken_back(queue: Queue, made: Submission) -> bool:
    """Cancel what the scheduler has taken of a submission that failed, and remove it.

    Returns:
        Whether that is sure. If not all stays: the jobs may run, and who goes on with the sweep finds out.
    """
    try:
        queue.cancel(queue.submitted(made.directory))
    except SchedulerAway:
        return False
    made.remove()
    return True


def _submit(place: Place, queue: Queue, made: Submission, title: str) -> list[str]:
    """The ids; a scheduler that does not answer is waited for, and nothing is submitted twice."""
    n, pause = len(made.allocations), 2.0
    deadline = time.monotonic() + place.cluster.patience_s
    ids: list[str] = []
    is_sure = True  # that the scheduler has taken these and no others
    while len(ids) < n or not is_sure:
        try:
            if is_sure:
                ids += queue.submit(made.directory, range(len(ids), n), title)
            else:
                ids, is_sure = queue.submitted(made.directory), True
        except SchedulerAway as error:  # noqa: PERF203 - it is asked once, usually
            is_sure = False
            if time.monotonic() > deadline:
                raise LaunchError(_never(place, str(error))) from error
            limit = words.duration(place.cluster.patience_s)
            place.log.warning(f"the scheduler does not answer ({error}); trying again, for up to {limit}")
            time.sleep(pause)
            pause = min(60.0, pause * 2)
    return ids


def _never(place: Place, said: str) -> str:
    limit = words.duration(place.cluster.patience_s)
    told = f"the scheduler has not answered for {limit} ({said}); nothing was submitted, as far as is known"
    return "; ".join(filter(None, [told, place.again]))


def how_to_come_back(sweep_dir: Path) -> str:
    """What a launcher says that goes away."""
    where = shlex.quote(str(sweep_dir))
    return (
        f"The jobs go on without this command.\n  exptools-view {where} --watch   shows how far they are\n"
        f"  exptools-resume {where}         waits for them, and runs again what did not complete\n"
        f"  exptools-cancel {where}         cancels them"
    )


# --- coming back ------------------------------------------------------------------------------------------


def find(place: Place, watch: Watch) -> dict[int, Outcome]:
    """Let `watch` know of what earlier launches have submitted and still runs or waits.

    Returns:
        How those ended that have ended since, by the numbers of the jobs.

    Raises:
        LaunchError: another scheduler has them, or this one does not answer.
        SystemExit: Ctrl-C.
    """
    found: dict[int, Outcome] = {}
    for directory in submission.directories(place.sweep_dir):
        made = Submission.read(directory)
        if made.engine != place.policy.engine:
            raise LaunchError(_of_another_engine(made.engine))
        ids = report.submitted(place.sweep_dir, directory)
        if ids is None:  # the launcher died between submitting and writing that down
            ids = _adopted(watch.queue, made)
            if ids:
                report.write_submission(place.sweep_dir, made, ids)
        watch.add(Submitted(made, tuple(ids)))
    try:
        for change in watch.settle():
            if change.outcome is not None:
                found[change.num] = change.outcome
    except KeyboardInterrupt:  # a scheduler that is away is waited for
        report.tell(place.log, f"interrupted: what was submitted goes on as it did\n{place.again}".rstrip())
        raise SystemExit(128 + signal.SIGINT) from None
    forget_unsubmitted(place.sweep_dir, watch.nums())
    return found


def refuse_what_runs_elsewhere(sweep_dir: Path) -> None:
    """Let no engine of this machine run what a scheduler may have, or start again.

    Raises:
        LaunchError: there are such jobs.
    """
    for directory in submission.directories(sweep_dir):
        raise LaunchError(_of_another_engine(Submission.read(directory).engine))
    forget_unsubmitted(sweep_dir)


def _of_another_engine(engine: str) -> str:
    return (
        f"jobs of this sweep were submitted with engine={engine}; go on with that, or cancel "
        "them: exptools-cancel"
    )


def forget_unsubmitted(sweep_dir: Path, submitted: Set[int] = frozenset()) -> None:
    """Let no job wait for a launcher that died before it submitted it. The sweep is claimed by the caller."""
    for entry in report.read_sweep(sweep_dir):
        run_dir = sweep_dir / entry["dir"]
        with contextlib.suppress(RunDirError):
            status = rundir.read_status(run_dir)
            is_queued = status is not None and status.state is State.QUEUED and status.pid is None
            if status is not None and is_queued and entry["num"] not in submitted:
                end_without(run_dir, _NOT_SUBMITTED, status)


def _adopted(queue: Queue, made: Submission) -> list[str]:
    try:
        return queue.submitted(made.directory)
    except SchedulerAway as error:
        raise LaunchError(f"the scheduler does not answer ({error}); try again later") from error


_NOT_SUBMITTED = Ending(
    State.INTERRUPTED, None, f"{report.NEVER_BEGAN}the launcher ended before it submitted it"
)


# --- following --------------------------------------------------------------------------------------------


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
        with _signals_into(self._signals) as restore:
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
        deadline = time.monotonic() + _CANCELLING_S
        while not self._watch.is_over and time.monotonic() < deadline and self._signals.empty():
            for change in self._watch.news(at_once=True):
                self._hear(change)
            time.sleep(_TICK_S[1] / 2)
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


@contextlib.contextmanager
def _signals_into(
    signals: queues.SimpleQueue[int],
) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Let the signals that end a program be put into a queue; the context inside which they end it again."""
    before: dict[int, Any] = {}

    def post(number: int, frame: FrameType | None) -> None:
        signals.put(number)

    def handle() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) is not signal.SIG_IGN:
                before[number] = signal.signal(number, post)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    @contextlib.contextmanager
    def restored() -> Iterator[None]:
        give_back()
        try:
            yield
        finally:
            handle()

    with contextlib.suppress(ValueError):  # not the main thread: its owner handles signals
        handle()
    try:
        yield restored
    finally:
        give_back()


# --- cancelling -------------------------------------------------------------------------------------------


def cancel(sweep_dir: Path, *, is_claimed: bool) -> tuple[int, int]:
    """Cancel all jobs that schedulers have of a sweep, and wait a while for their ends.

    is_claimed: by the caller; else a launcher follows the sweep, and writes down their ends.

    Returns:
        How many were cancelled, and how many of them have not ended yet.

    Raises:
        LaunchError: the scheduler is not there, or does not answer.
    """
    n, watches = 0, []
    for directory in submission.directories(sweep_dir):
        made = Submission.read(directory)
        queue = engines.find_queue(made.engine)(made.executor)
        queue.check()
        ids = report.submitted(sweep_dir, directory)
        watch = Watch(queue, 0.0, _log, "cancelled by exptools-cancel")
        watch.add(Submitted(made, tuple(_adopted(queue, made) if ids is None else ids)))
        try:
            list(watch.settle())
            n += len(watch.nums())
            queue.cancel(watch.ids())
        except (SchedulerAway, Away) as error:
            raise LaunchError(f"the scheduler does not answer ({error}); try again later") from error
        watches.append(watch)
    if not is_claimed:
        return n, 0
    deadline = time.monotonic() + _CANCELLING_S
    while any(not watch.is_over for watch in watches) and time.monotonic() < deadline:
        time.sleep(_TICK_S[1] / 2)
        for watch in watches:
            list(watch.news(at_once=True))
    for watch in watches:
        tidy(sweep_dir, watch)
    forget_unsubmitted(sweep_dir, {num for watch in watches for num in watch.nums()})
    return n, sum(len(watch.nums()) for watch in watches)


# --- afterwards -------------------------------------------------------------------------------------------


def tidy(sweep_dir: Path, watch: Watch, *, are_all_completed: bool = False) -> None:
    """Remove what nobody needs any more of submissions all of whose jobs have ended.

    are_all_completed: so have all runs of the sweep, and nobody needs the logs of failures either.
    """
    for one in watch.finished():
        one.submission.finish()
    if are_all_completed and watch.is_over:
        shutil.rmtree(sweep_dir / submission.DIRECTORY, ignore_errors=True)
