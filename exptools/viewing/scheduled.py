"""What Slurm says of the runs that it has: why they wait, and where they run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import rundir, slurm
from exptools.errors import RunDirError
from exptools.rundir import State
from exptools.slurm import Phase, Refused, SchedulerAway, Seen

if TYPE_CHECKING:
    from exptools.viewing.api import Run

EVERY_S = 5.0  # between two questions to the scheduler, however often somebody looks


class Scheduled:
    """Asks Slurm, now and then, for the jobs whose ids sweep.json tells."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ids: dict[Path, tuple[int, dict[Path, str]]] = {}
        self._seen: Mapping[str, Seen] = {}
        self._asked = -EVERY_S

    def told(self, runs: Iterable[Run]) -> dict[str, str]:
        """What the scheduler says of runs that have not ended, or wait after a preemption, by their names."""
        some = [run for run in runs if run.live or run.state is State.PREEMPTED]
        ids = {run.name: id_ for run in some if (id_ := self._id_of(run.path)) is not None}
        gone = {run.name for run in some if not run.live}
        if not ids:
            return {}
        if self._clock() - self._asked >= EVERY_S:
            self._asked = self._clock()
            self._seen = _ask(ids.values())
        seen = {name: self._seen[id_] for name, id_ in ids.items() if id_ in self._seen}
        return {
            name: _words(one) for name, one in seen.items() if name not in gone or one.phase is Phase.WAITING
        }

    def _id_of(self, run_dir: Path) -> str | None:
        for above in run_dir.parents:
            path = above / rundir.SWEEP
            try:
                stamp = path.stat().st_mtime_ns
            except OSError:
                continue
            known = self._ids.get(path)
            if known is None or known[0] != stamp:
                known = self._ids[path] = stamp, _ids_in(above)
            return known[1].get(run_dir)
        return None


def _ids_in(sweep_dir: Path) -> dict[Path, str]:
    """The ids of the jobs of a sweep that Slurm has, by run directory."""
    try:
        sweep: Any = rundir.read_json(sweep_dir / rundir.SWEEP)
        if not any(one["engine"] == "slurm" for one in sweep.get("submissions", [])):
            return {}
        return {sweep_dir / job["dir"]: str(job["job_id"]) for job in sweep["jobs"] if "job_id" in job}
    except (FileNotFoundError, RunDirError, KeyError, TypeError, AttributeError):
        return {}


def _ask(ids: Iterable[str]) -> Mapping[str, Seen]:
    try:
        return slurm.look(ids)
    except (Refused, SchedulerAway):
        return {}


def _words(seen: Seen) -> str:
    if seen.phase is Phase.WAITING:
        return f"{State.QUEUED} ({seen.waits_for or seen.word})"
    if seen.phase is Phase.RUNNING:
        return f"{State.RUNNING} on {seen.node}" if seen.node else str(State.RUNNING)
    return f"{seen.word} in Slurm"
