"""What the launcher tells about a sweep: lines for the log, and sweep.json."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import Slot
from exptools.rundir import State


def plan(jobs: Sequence[Job], slots: Sequence[Slot], sweep_dir: Path) -> str:
    """The line in front of a sweep."""
    first = slots[0]
    cores = f"{len(first.cpus)} CPU{'s' * (len(first.cpus) != 1)}" if first.pin else "unpinned"
    gpus = f", {len(first.gpus)} GPU{'s' * (len(first.gpus) != 1)}" if first.gpus else ""
    return (
        f"Launching {len(jobs)} job{'s' * (len(jobs) != 1)} on {len(slots)} slot{'s' * (len(slots) != 1)} "
        f"({cores}{gpus} each), sweep output dir: {sweep_dir}"
    )


def title(job: Job) -> str:
    """A job as a reader knows it: its number and the overrides of the user's config."""
    words = [o for o in job.overrides if not o.startswith("hydra.")]
    return f"#{job.num} {' '.join(words)}".rstrip()


def ended(job: Job, outcome: Outcome, done: int, total: int) -> str:
    """The line for a job that ended."""
    how = outcome.ending
    why = f": {how.error}" if how.error else f" ({how.note})" if how.note else ""
    return f"[{done:{len(str(total))}d}/{total}] {title(job)} {how.state} in {outcome.duration_s:.1f} s{why}"


def failures(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> str | None:
    """All jobs that did not complete: last line of the error and path of the log; None if all did."""
    bad = [
        (j, o.ending) for j, o in zip(jobs, outcomes, strict=True) if o.ending.state is not State.COMPLETED
    ]
    if not bad:
        return None
    lines = [f"{len(bad)} of {len(jobs)} job{'s' * (len(jobs) != 1)} did not complete:"]
    for job, how in bad:
        lines += [f"  {title(job)}", f"    {how.state}: {how.error}", f"    {job.run_dir / rundir.STDOUT}"]
    return "\n".join(lines)


def write_sweep(
    sweep_dir: Path, jobs: Sequence[Job], settings: dict[str, Any], slots: Sequence[Slot]
) -> None:
    """Write sweep.json, or add the jobs of a further batch to it. Run directories are relative to it."""
    path = sweep_dir / rundir.SWEEP
    try:
        earlier = rundir.read_json(path)["jobs"]
    except FileNotFoundError:
        earlier = []
    except (KeyError, TypeError) as error:
        raise LaunchError(f"{path}: not what exptools writes; give the sweep another directory") from error
    entries = earlier + [
        {"num": j.num, "overrides": list(j.overrides), "dir": _relative(j.run_dir, sweep_dir)} for j in jobs
    ]
    sweep = {
        "command": [sys.executable, *sys.argv],
        "launcher": {**settings, "n_slots": len(slots), "slots": [s.affinity_code for s in slots]},
        "varies": varying_keys([e["overrides"] for e in entries]),
        "jobs": entries,
    }
    rundir.write_json(path, sweep)


def _relative(run_dir: Path, sweep_dir: Path) -> str:
    return str(run_dir.relative_to(sweep_dir)) if run_dir.is_relative_to(sweep_dir) else str(run_dir)


def varying_keys(overrides: Sequence[Sequence[str]]) -> list[str]:
    """The keys whose override is not the same in all jobs, in the order in which they first appear."""
    rows = [dict(o.partition("=")[::2] for o in job) for job in overrides]
    keys = dict.fromkeys(key for row in rows for key in row)
    return [key for key in keys if len({row.get(key) for row in rows}) > 1]
