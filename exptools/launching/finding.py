"""What a scheduler has of a sweep: found again by another launcher, cancelled, and tidied up after."""

from __future__ import annotations

import contextlib
import logging
import shutil
import signal
import time
from collections.abc import Set
from pathlib import Path

from exptools import rundir
from exptools.errors import LaunchError, RunDirError
from exptools.launching import engines, report, submission
from exptools.launching.engines.base import end_without
from exptools.launching.engines.queue import Queue
from exptools.launching.job import Outcome
from exptools.launching.submission import Submission
from exptools.launching.submitting import Place
from exptools.launching.watching import CANCELLING_S, CANCELLING_TICK_S, Away, Submitted, Watch
from exptools.lifecycle import Ending
from exptools.rundir import State
from exptools.slurm import SchedulerAway

_log = logging.getLogger(__name__)


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
            made, ids = _adopted(watch.queue, made)
            if not ids:
                continue
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


def _adopted(queue: Queue, made: Submission) -> tuple[Submission, list[str]]:
    """What was submitted before the launcher died; a command that outlived it may yet submit the rest."""
    ids = _ids(queue, made)
    return (made if len(ids) == len(made.allocations) else made.cut(len(ids))), ids


def _ids(queue: Queue, made: Submission) -> list[str]:
    try:
        return queue.submitted(made.directory)
    except SchedulerAway as error:
        raise LaunchError(f"the scheduler does not answer ({error}); try again later") from error


_NOT_SUBMITTED = Ending(
    State.INTERRUPTED, None, f"{report.NEVER_BEGAN}the launcher ended before it submitted it"
)


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
        if ids is None:
            made, ids = _adopted(queue, made) if is_claimed else (made, _ids(queue, made))
        watch.add(Submitted(made, tuple(ids)))
        try:
            list(watch.settle())
            n += len(watch.nums())
            queue.cancel(watch.ids())
        except (SchedulerAway, Away) as error:
            raise LaunchError(f"the scheduler does not answer ({error}); try again later") from error
        watches.append(watch)
    if not is_claimed:
        return n, 0
    deadline = time.monotonic() + CANCELLING_S
    while any(not watch.is_over for watch in watches) and time.monotonic() < deadline:
        time.sleep(CANCELLING_TICK_S)
        for watch in watches:
            list(watch.news(at_once=True))
    for watch in watches:
        tidy(sweep_dir, watch)
    forget_unsubmitted(sweep_dir, {num for watch in watches for num in watch.nums()})
    return n, sum(len(watch.nums()) for watch in watches)


def tidy(sweep_dir: Path, watch: Watch, *, are_all_completed: bool = False) -> None:
    """Remove what nobody needs any more of submissions all of whose jobs have ended.

    are_all_completed: so have all runs of the sweep, and nobody needs the logs of failures either.
    """
    for one in watch.finished():
        one.submission.finish()
    if are_all_completed and watch.is_over:
        shutil.rmtree(sweep_dir / submission.DIRECTORY, ignore_errors=True)
