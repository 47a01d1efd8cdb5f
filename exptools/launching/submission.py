"""The files by which a launcher and its allocations understand each other, wherever and whenever these run.

SWEEP/.jobs/N/ is of the N-th submission of a sweep:

    allocations.json    what runs in which allocation, and how
    shared.pkl          what all jobs get; NUM.job: what one gets
    NUM.begun           where a job is; NUM.ended: how it ended; NUM.result: what it returned
    NUM.rank-R          how another task than the first ended
    stop                why no further job shall begin
    NUM.requeued        a byte for each time that a job was queued again at its time limit

All of them are whole or not there, so that a launcher can go away at any time, and another come.
"""

from __future__ import annotations

import contextlib
import dataclasses
import itertools
import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError, RunDirError
from exptools.launching.alike import Packed
from exptools.launching.engines.base import SHARED, payload_of, result_of, take
from exptools.launching.job import Job, Outcome, Program, RankEnd
from exptools.launching.settings import Policy
from exptools.lifecycle import Ending
from exptools.rundir import State

DIRECTORY = ".jobs"  # of a sweep
_ALLOCATIONS = "allocations.json"
_VERSION = 1


@dataclass(frozen=True)
class Begun:
    """Where a job is. place: as people call it, such as "12_3 on n1"."""

    num: int
    place: str
    slot: int
    gpus: tuple[str, ...] | None


@dataclass(frozen=True)
class Submission:
    """What is submitted at once. engine, executor: where to, and with what wishes. slots: as in Settings.

    allocations: the jobs of each. max_requeues: of a job, at its time limit.
    """

    directory: Path
    engine: str
    executor: Mapping[str, Any]
    slots: Mapping[str, Any]
    policy: Policy
    max_requeues: int
    program: Program
    allocations: tuple[tuple[Job, ...], ...]

    @property
    def jobs(self) -> list[Job]:
        """All of its jobs."""
        return [job for jobs in self.allocations for job in jobs]

    def shared(self) -> bytes:
        """What all jobs get."""
        return (self.directory / SHARED).read_bytes()

    def provenance(self) -> Path:
        """What was found out for all jobs."""
        return self.directory / rundir.PROVENANCE

    def write(self, shared: bytes) -> None:
        """Write all that the allocations read.

        Raises:
            OSError: that is not possible.
        """
        self.directory.mkdir(parents=True)
        (self.directory / SHARED).write_bytes(shared)
        for job in self.jobs:
            payload_of(self.directory, job.num).write_bytes(job.payload)
        self._write_allocations()

    def cut(self, n: int) -> Submission:
        """It with its first `n` allocations alone: what else may yet be submitted finds nothing to run."""
        kept = dataclasses.replace(self, allocations=self.allocations[:n])
        if n:
            kept._write_allocations()
        else:
            self.finish()
        return kept

    def _write_allocations(self) -> None:
        told = {
            "version": _VERSION,
            "engine": self.engine,
            "executor": dict(self.executor),
            "slots": {name: _plain(value) for name, value in self.slots.items()},
            "policy": dataclasses.asdict(self.policy),
            "max_requeues": self.max_requeues,
            "program": dataclasses.asdict(self.program),
            "allocations": [[_told(job) for job in jobs] for jobs in self.allocations],
        }
        rundir.write_json(self.directory / _ALLOCATIONS, told)

    @classmethod
    def read(cls, directory: Path) -> Submission:
        """What was written.

        Raises:
            LaunchError: it cannot be read.
        """
        path = directory / _ALLOCATIONS
        try:
            told = rundir.read_json(path)
            if told["version"] != _VERSION:
                raise LaunchError(f"{path}: written by another version of exptools; install that one again")
            policy = told["policy"]
            if policy["modules"] is not None:
                policy["modules"] = tuple(policy["modules"])
            return cls(
                directory,
                told["engine"],
                told["executor"],
                told["slots"],
                Policy(**policy),
                told["max_requeues"],
                Program(**told["program"]),
                tuple(tuple(_job(directory, one) for one in jobs) for jobs in told["allocations"]),
            )
        except (FileNotFoundError, RunDirError, KeyError, TypeError) as error:
            raise LaunchError(f"{path}: not what exptools writes ({error})") from error

    # --- what happens -------------------------------------------------------------------------------------

    def say_begun(self, begun: Begun) -> None:
        """A job begins."""
        fields = dataclasses.asdict(begun)
        rundir.write_json(self.directory / f"{begun.num}.begun", fields, durable=False)

    def say_ended(self, num: int, outcome: Outcome) -> None:
        """A job has ended, for good."""
        fields = {**dataclasses.asdict(outcome.ending), "duration_s": outcome.duration_s}
        rundir.write_json(self.directory / f"{num}.ended", fields)

    def say_stop(self, why: str) -> None:
        """No further job shall begin."""
        rundir.write_json(self.directory / "stop", why)

    def stopped(self) -> str | None:
        """Why no further job shall begin; None if they may."""
        with contextlib.suppress(FileNotFoundError, RunDirError):
            return str(rundir.read_json(self.directory / "stop"))
        return None

    def count_requeue(self, num: int) -> None:
        """A job is queued again at its time limit."""
        with open(self.directory / f"{num}.requeued", "ab") as file:
            file.write(b".")

    def n_requeues(self, num: int) -> int:
        """How often it has been."""
        with contextlib.suppress(FileNotFoundError):
            return (self.directory / f"{num}.requeued").stat().st_size
        return 0

    def begun(self, num: int) -> Begun | None:
        """Where a job is, if it has begun."""
        try:
            fields = rundir.read_json(self.directory / f"{num}.begun")
            return Begun(**{**fields, "gpus": None if fields["gpus"] is None else tuple(fields["gpus"])})
        except (FileNotFoundError, RunDirError, KeyError, TypeError):
            return None

    def ended(self, num: int, *, with_result: bool = True) -> Outcome | None:
        """How a job ended, if it has."""
        try:
            fields = rundir.read_json(self.directory / f"{num}.ended")
            duration = float(fields.pop("duration_s"))
            how = Ending(**{**fields, "state": State(fields["state"])})
        except (FileNotFoundError, RunDirError, KeyError, TypeError, ValueError):
            return None
        returned = _read_result(num, self.directory) if with_result else None
        return Outcome(how, returned, duration)

    def rank_ends(self, num: int) -> list[RankEnd]:
        """How the tasks of a job but rank 0 have ended, as far as they have."""
        found = []
        for path in self.directory.glob(f"{num}.rank-*"):
            with contextlib.suppress(FileNotFoundError, RunDirError, KeyError, TypeError):
                found.append(RankEnd(**rundir.read_json(path)))
        return found

    def first_failure(self, num: int) -> RankEnd | None:
        """Of the tasks of a job but rank 0 the one that failed first.

        The others mostly fail of that: who talks to a task that is gone has an error, too.
        """
        failed = [end for end in self.rank_ends(num) if end.error is not None]
        return min(failed, key=lambda end: end.when, default=None)

    def rank_end_of(self, num: int, rank: int) -> Path:
        """Where a task but rank 0 says how it ended."""
        return self.directory / f"{num}.rank-{rank}"

    def news(self, known: set[str]) -> list[str]:
        """The names of files that say that a job has begun or ended, and are not known; they are then."""
        with contextlib.suppress(FileNotFoundError), os.scandir(self.directory) as entries:
            found = [e.name for e in entries if e.name.endswith((".begun", ".ended")) and e.name not in known]
            known.update(found)
            return sorted(found, key=lambda name: (int(name.partition(".")[0]), name))
        return []

    def finish(self) -> None:
        """Remove all but the logs of the scheduler; these, too, if all jobs have completed."""
        ended = [self.ended(job.num, with_result=False) for job in self.jobs]
        if all(how is not None and how.ending.state is State.COMPLETED for how in ended):
            self.remove()
            return
        with contextlib.suppress(FileNotFoundError):  # somebody else has removed it
            for path in [self.directory / _ALLOCATIONS, *self.directory.iterdir()]:
                if not path.is_dir():
                    path.unlink(missing_ok=True)

    def remove(self) -> None:
        """Remove the directory: nobody needs it any more."""
        shutil.rmtree(self.directory, ignore_errors=True)
        with contextlib.suppress(OSError):
            self.directory.parent.rmdir()  # if it was the last


def _read_result(num: int, directory: Path) -> Any:
    return take(num, result_of(directory, num))


def directories(sweep_dir: Path) -> list[Path]:
    """Those of submissions that have not come to their end, in their order."""
    found = (path.parent for path in (sweep_dir / DIRECTORY).glob(f"*/{_ALLOCATIONS}"))
    return sorted(found, key=lambda path: int(path.name))


def next_directory(sweep_dir: Path) -> Path:
    """Where the next submission of a sweep goes."""
    taken = [int(path.name) for path in (sweep_dir / DIRECTORY).glob("*") if path.name.isdigit()]
    return sweep_dir / DIRECTORY / str(max(taken, default=-1) + 1)


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


def _told(job: Job) -> dict[str, Any]:
    return {
        "num": job.num,
        "overrides": list(job.overrides),
        "run_dir": str(job.run_dir),
        "script": list(job.script),
        "environment": job.environment,
        "mask_gpus": job.mask_gpus,
        "attempt": job.attempt,
        "may_be_forked": job.may_be_forked,
    }


@dataclass(frozen=True)
class _OnDisk(Packed):
    """A payload that lies in a file."""

    path: Path = Path()

    def unpack(self) -> bytes:
        """What is in it."""
        return self.path.read_bytes()


def _job(directory: Path, told: Mapping[str, Any]) -> Job:
    num = told["num"]
    return Job(
        num=num,
        overrides=tuple(told["overrides"]),
        run_dir=Path(told["run_dir"]),
        packed=None if told["script"] else _OnDisk((), b"", payload_of(directory, num)),
        script=tuple(told["script"]),
        environment=dict(told["environment"]),
        mask_gpus=told["mask_gpus"],
        attempt=told["attempt"],
        may_be_forked=told["may_be_forked"],
    )


def divided(jobs: Sequence[Job], pack: int) -> tuple[tuple[Job, ...], ...]:
    """The jobs of each allocation: at most `pack`, and about as many in each."""
    n = -(-len(jobs) // pack)
    each, more = divmod(len(jobs), n)
    ends = itertools.accumulate((each + (index < more) for index in range(n)), initial=0)
    return tuple(tuple(jobs[first:last]) for first, last in itertools.pairwise(ends))
