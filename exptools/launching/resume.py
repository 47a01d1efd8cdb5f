"""Going on with a sweep: what has completed is given back, the rest runs in the directories that it had."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError, RunDirError
from exptools.launching import report
from exptools.launching.job import Outcome
from exptools.lifecycle import Ending
from exptools.rundir import State, Status


@dataclass(frozen=True)
class Earlier:
    """What an earlier launch left of a job. dir: as sweep.json has it. status: None if it left none."""

    num: int
    dir: str
    status: Status | None

    @property
    def outcome(self) -> Outcome | None:
        """How the job ended, if it has completed."""
        status = self.status
        if status is None or status.state is not State.COMPLETED:
            return None
        how = Ending.told_by(status)
        return Outcome(how, None, status.duration_s(status.end or 0.0) or 0.0)

    @property
    def attempt(self) -> int:
        """The number of the next attempt."""
        return 1 if self.status is None else rundir.attempt_after(self.status)


@dataclass(frozen=True)
class Places:
    """For each job of the sweep: what an earlier launch left of it, or None; and its number.

    going_on: the numbers of those that a scheduler still has.
    """

    earlier: tuple[Earlier | None, ...]
    nums: tuple[int, ...]
    going_on: Set[int] = frozenset()


def fresh(n_jobs: int, first: int) -> Places:
    """The places of a sweep that goes on with nothing."""
    return Places((None,) * n_jobs, tuple(range(first, first + n_jobs)))


def find(sweep_dir: Path, job_overrides: Sequence[Sequence[str]], taken: Set[int] = frozenset()) -> Places:
    """What sweep.json and the runs tell of these jobs: the same overrides are the same job.

    taken: the numbers of jobs that this launch has had in an earlier batch.

    Raises:
        LaunchError: there is no sweep, or one of its runs still goes on.
    """
    entries = report.read_sweep(sweep_dir)
    if not entries:
        advice = "give the directory of a sweep by hydra.sweep.dir="
        raise LaunchError(f"resume=true, but there is no {rundir.SWEEP} in {sweep_dir}; {advice}")
    known: dict[tuple[str, ...], list[dict[str, Any]]] = {}
    for entry in (entry for entry in entries if entry["num"] not in taken):
        known.setdefault(_identity(entry["overrides"]), []).append(entry)
    found = [_take(sweep_dir, known, overrides) for overrides in job_overrides]
    numbers = _free_numbers(max(entry["num"] for entry in entries))
    return Places(tuple(found), tuple(next(numbers) if one is None else one.num for one in found))


def status_left(run_dir: Path) -> Status | None:
    """What the run says; if that cannot be read, that it did not complete."""
    try:
        return rundir.read_status(run_dir)
    except RunDirError:
        return Status(State.INTERRUPTED, start=0.0)


def _take(
    sweep_dir: Path, known: dict[tuple[str, ...], list[dict[str, Any]]], overrides: Sequence[str]
) -> Earlier | None:
    """What is known of this job; of several with the same overrides one after the other."""
    entries = known.get(_identity(overrides))
    if not entries:
        return None
    entry = entries.pop(0)
    return Earlier(entry["num"], entry["dir"], status_left(sweep_dir / entry["dir"]))


def _identity(overrides: Sequence[str]) -> tuple[str, ...]:
    """What tells a job from the others: its own overrides, in any order, without those of Hydra."""
    return tuple(sorted(word for word in overrides if not word.startswith(("hydra.", "hydra/", "+hydra"))))


def _free_numbers(last: int) -> Iterator[int]:
    while True:
        last += 1
        yield last
