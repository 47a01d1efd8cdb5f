"""Jobs on their way to a scheduler: submitted once, and written down."""

from __future__ import annotations

import logging
import shlex
import signal
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exptools import rundir, words
from exptools.errors import LaunchError
from exptools.launching import engines, report, submission
from exptools.launching.engines.base import end_unbegun
from exptools.launching.engines.queue import Queue
from exptools.launching.job import Job, Program
from exptools.launching.settings import OnCluster, Policy
from exptools.launching.submission import Submission
from exptools.launching.watching import Submitted, Watch
from exptools.lifecycle import Ending, one_line
from exptools.provenance import facts
from exptools.rundir import State
from exptools.slurm import SchedulerAway


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
        is_sure = _taken_back(queue, made, may_come_late=isinstance(error, KeyboardInterrupt))
        how = Ending(State.INTERRUPTED, None, f"{report.NEVER_BEGAN}{one_line(error)}")
        for job in jobs:
            end_unbegun(job, how)
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


def _taken_back(queue: Queue, made: Submission, *, may_come_late: bool) -> bool:
    """Cancel what the scheduler has taken of a submission that failed, and remove it.

    may_come_late: the command that submits may go on; what it submits finds nothing to run, now or later.

    Returns:
        Whether that is sure. If not all stays: the jobs may run, and who goes on with the sweep finds out.
    """
    try:
        queue.cancel(queue.submitted(made.directory))
    except SchedulerAway:
        return False
    if may_come_late:
        made.finish()  # leaves its directory, so that no other gets the name
    else:
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
