"""What the launcher tells about a sweep: lines for the log, and sweep.json."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError
from exptools.launching import main_module
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import Slot
from exptools.launching.submission import Submission
from exptools.rundir import State
from exptools.words import count


def plan(jobs: Sequence[Job], slots: Sequence[Slot], sweep_dir: Path) -> str:
    """The line in front of a sweep."""
    first = slots[0]
    cores = [count(len(first.cpus), "CPU")] if first.pin else []
    gpus = [count(len(first.gpus), "GPU")] if first.gpus else []
    has = [f"{', '.join(cores + gpus)} each"] if cores or gpus else []
    where = f"{count(len(slots), 'slot')} ({', '.join([*has, *([] if first.pin else ['not pinned'])])})"
    return f"Launching {count(len(jobs), 'job')} on {where}, sweep output dir: {sweep_dir}"


def submitting(jobs: Sequence[Job], pack: int, engine: str, sweep_dir: Path) -> str:
    """The line in front of a sweep on a scheduler."""
    n = -(-len(jobs) // pack)
    each = f"in {count(n, 'allocation')} of up to {pack}" if pack > 1 else "an allocation each"
    return f"Submitting {count(len(jobs), 'job')} to {engine}, {each}, sweep output dir: {sweep_dir}"


def are_submitted(ids: Sequence[str], engine: str) -> str:
    """What the scheduler calls them."""
    arrays = list(dict.fromkeys(id_.partition("_")[0] for id_ in ids))
    return f"Submitted to {engine} as {', '.join(arrays)}"


def resuming(n_done: int, n_all: int, n_new: int, n_attached: int = 0) -> str:
    """The line in front of a sweep that goes on. n_new: jobs that it did not have before.

    n_attached: those that a scheduler still has.
    """
    new = f", {n_new} {'is' if n_new == 1 else 'are'} new" if n_new else ""
    more = (
        f", {n_attached} still {'runs or waits' if n_attached == 1 else 'run or wait'}" if n_attached else ""
    )
    return f"Resuming: {n_done} of {n_all} jobs have completed and are skipped{more}{new}"


def title(job: Job) -> str:
    """A job as a reader knows it: its number and the overrides of the user's config."""
    words = [o for o in job.overrides if not o.startswith("hydra.")]
    return f"#{job.num} {' '.join(words)}".rstrip()


def ended(job: Job, outcome: Outcome, done: int, total: int) -> str:
    """The line for a job that ended."""
    how = outcome.ending
    why = f": {how.error}" if how.error else f" ({how.note})" if how.note else ""
    return f"[{done:{len(str(total))}d}/{total}] {title(job)} {how.state} in {outcome.duration_s:.1f} s{why}"


NEVER_BEGAN = "not begun: "  # so begins the error of a job that never began


def never_began(outcome: Outcome) -> bool:
    """Whether the job was not even started."""
    return (outcome.ending.error or "").startswith(NEVER_BEGAN)


def failures(jobs: Sequence[Job], outcomes: Sequence[Outcome]) -> str | None:
    """All jobs that did not complete: last line of the error and path of the log; None if all did."""
    bad = [(j, o) for j, o in zip(jobs, outcomes, strict=True) if o.ending.state is not State.COMPLETED]
    if not bad:
        return None
    lines = [f"{len(bad)} of {count(len(jobs), 'job')} did not complete:"]
    for job, outcome in bad:
        how, log = outcome.ending, job.run_dir / rundir.STDOUT
        if not never_began(outcome):
            lines += [f"  {title(job)}", f"    {how.state}: {how.error}", f"    {log}"]
    unbegun = [outcome for _, outcome in bad if never_began(outcome)]
    if unbegun:
        lines.append(f"  {len(unbegun)} more were {unbegun[0].ending.error}")
    return "\n".join(lines)


def tell(log: logging.Logger, text: str) -> None:
    """An error for the log, or on stderr where the log is silent (hydra/hydra_logging=disabled)."""
    if log.isEnabledFor(logging.ERROR):
        log.error(text)
    else:
        print(text, file=sys.stderr)


def dry_run(jobs: Sequence[Job], slots: Sequence[Slot], sweep_dir: Path) -> str:
    """What would run, and where."""
    lines = _would_run(jobs, sweep_dir)
    lines.append(f"on {count(len(slots), 'slot')}, each job on the first that is free:")
    for slot in slots:
        shown = [(k, v) for k, v in slot.environment().items() if v or not k.startswith("EXPTOOLS_")]
        cpus = f"CPUs {','.join(map(str, slot.cpus))}" if slot.pin else "not pinned"
        lines.append(f"  slot {slot.number}  {cpus}")
        lines += [f"    {name}={value}" for name, value in shown]
    return "\n".join(lines)


def dry_run_elsewhere(
    jobs: Sequence[Job], pack: int, engine: str, executor: Mapping[str, Any], sweep_dir: Path
) -> str:
    """What would be submitted."""
    lines = _would_run(jobs, sweep_dir)
    if jobs:
        lines.append(f"submitted to {engine} as {count(-(-len(jobs) // pack), 'allocation')}, each with")
        lines.append(f"  pack={pack}" if pack > 1 else "  one job")
        lines += [f"  executor.{name}={value}" for name, value in executor.items()]
    return "\n".join(lines)


def _would_run(jobs: Sequence[Job], sweep_dir: Path) -> list[str]:
    rows = [("job", "directory", "overrides")]
    rows += [(f"#{job.num}", _relative(job.run_dir, sweep_dir), title(job).partition(" ")[2]) for job in jobs]
    widths = [max(len(row[i]) for row in rows) for i in (0, 1)]
    lines = [f"Would run {count(len(jobs), 'job')} in {sweep_dir}; nothing was started or written."]
    return lines + [f"  {num:{widths[0]}}  {where:{widths[1]}}  {what}".rstrip() for num, where, what in rows]


def read_sweep(sweep_dir: Path) -> list[dict[str, Any]]:
    """The jobs of sweep.json: `num`, `overrides` and `dir` each; none if there is no such file.

    Raises:
        LaunchError: it is not what exptools writes.
    """
    return read_whole_sweep(sweep_dir)["jobs"]  # type: ignore[no-any-return]


def read_whole_sweep(sweep_dir: Path) -> dict[str, Any]:
    """sweep.json; without jobs if there is none.

    Raises:
        LaunchError: it is not what exptools writes.
    """
    path = sweep_dir / rundir.SWEEP
    try:
        sweep: dict[str, Any] = rundir.read_json(path)
        for job in sweep["jobs"]:
            job |= {"num": int(job["num"]), "overrides": list(job["overrides"]), "dir": str(job["dir"])}
        return sweep
    except FileNotFoundError:
        return {"jobs": []}
    except (KeyError, TypeError, ValueError) as error:
        raise LaunchError(f"{path}: not what exptools writes; give the sweep another directory") from error


def write_sweep(
    sweep_dir: Path, jobs: Sequence[Job], settings: dict[str, Any], slots: Sequence[Slot]
) -> None:
    """Write sweep.json, or add the jobs of a further batch to it. Run directories are relative to it."""
    ours = [_entry(job, sweep_dir) for job in jobs]
    directories = {entry["dir"] for entry in ours}
    before = read_whole_sweep(sweep_dir)
    if not slots:  # a scheduler's job that goes on stays the same
        ids = {e["num"]: e["job_id"] for e in before["jobs"] if "job_id" in e}
        ours = [{**e, **({"job_id": ids[e["num"]]} if e["num"] in ids else {})} for e in ours]
    entries = [e for e in before["jobs"] if e["dir"] not in directories] + ours
    of_slots = {"n_slots": len(slots), "slots": [s.affinity_code for s in slots]} if slots else {}
    entries.sort(key=lambda entry: entry["num"])
    sweep = {
        "command": [sys.executable, *sys.orig_argv[1:]],
        "script": main_module.describe() != main_module.MainModule(),  # else a notebook, `python -c`, a test
        "cwd": os.getcwd(),
        "launcher": {**settings, **of_slots},
        "varies": varying_keys([e["overrides"] for e in entries]),
        "jobs": entries,
        **({"submissions": before["submissions"]} if "submissions" in before else {}),
    }
    rundir.write_json(sweep_dir / rundir.SWEEP, sweep)


def _entry(job: Job, sweep_dir: Path) -> dict[str, Any]:
    script = {"script": list(job.script), "mask_gpus": job.mask_gpus} if job.script else {}
    where = _relative(job.run_dir, sweep_dir)
    return {"num": job.num, "overrides": list(job.overrides), "dir": where, **script}


def write_submission(sweep_dir: Path, made: Submission, ids: Sequence[str]) -> None:
    """Write into sweep.json what a scheduler calls the allocations, and in which of them a job is."""
    path = sweep_dir / rundir.SWEEP
    sweep = rundir.read_json(path)
    of_job = {job.num: id_ for jobs, id_ in zip(made.allocations, ids, strict=False) for job in jobs}
    for entry in sweep["jobs"]:
        if entry["num"] in of_job:
            entry["job_id"] = of_job[entry["num"]]
    where = str(made.directory.relative_to(sweep_dir))
    others = [one for one in sweep.get("submissions", []) if one["dir"] != where]
    sweep["submissions"] = [*others, {"dir": where, "engine": made.engine, "job_ids": list(ids)}]
    rundir.write_json(path, sweep)


def submitted(sweep_dir: Path, directory: Path) -> list[str] | None:
    """The ids of a submission as sweep.json has them; None if it has none."""
    where = str(directory.relative_to(sweep_dir))
    try:
        told = rundir.read_json(sweep_dir / rundir.SWEEP).get("submissions", [])
        return next(([str(id_) for id_ in one["job_ids"]] for one in told if one["dir"] == where), None)
    except (FileNotFoundError, KeyError, TypeError, AttributeError):
        return None


def _relative(run_dir: Path, sweep_dir: Path) -> str:
    return str(run_dir.relative_to(sweep_dir)) if run_dir.is_relative_to(sweep_dir) else str(run_dir)


def varying_keys(overrides: Sequence[Sequence[str]]) -> list[str]:
    """The keys whose override is not the same in all jobs, in the order in which they first appear."""
    rows = [dict(o.partition("=")[::2] for o in job) for job in overrides]
    keys = dict.fromkeys(key for row in rows for key in row)
    return [key for key in keys if len({row.get(key) for row in rows}) > 1]
