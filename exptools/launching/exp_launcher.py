"""run_experiments: many runs of a plain script, without Hydra, over the same slots. The API is rlpyt's."""

from __future__ import annotations

import dataclasses
import datetime
import importlib.util
import logging
import os
import random
import shlex
import sys
from collections.abc import Mapping, Sequence, Set
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.configs import LauncherConf
from exptools.errors import LaunchError
from exptools.launching import finding, following, lines, report, submitting
from exptools.launching.affinity import get_n_run_slots, prepend_run_slot
from exptools.launching.cluster import ClusterHandlerBase
from exptools.launching.job import Job, Outcome
from exptools.launching.settings import Settings, check
from exptools.launching.slots import Slot, make_slots
from exptools.launching.submitting import Place
from exptools.launching.sweep import run_all
from exptools.launching.variant import save_variant
from exptools.launching.watching import Watch
from exptools.provenance.files import settle
from exptools.rundir import State

__all__ = ["RunsFailed", "get_log_dir", "run_experiments", "run_on_cluster"]


class RunsFailed(LaunchError):
    """Some runs did not complete; the text lists them all."""


def get_log_dir(experiment_title: str) -> Path:
    """Where run_experiments puts an experiment: data/local/TITLE/YYYYMMDD in the current directory."""
    return Path("data", "local", experiment_title, f"{datetime.date.today():%Y%m%d}").absolute()


def run_experiments(
    script: str | os.PathLike[str],
    affinity_code: str | None,
    experiment_title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    common_args: Sequence[Any] | None = None,
    runs_args: Sequence[Sequence[Any]] | None = None,
    debug_mode: int = 0,
    mask_gpus: bool = False,
    *,
    engine: str = "local",
    executor: Mapping[str, Any] | None = None,
    pack: int = 1,
    detach: bool = False,
    max_requeues: int = LauncherConf.max_requeues,
) -> list[Outcome]:
    """Run `python SCRIPT SLOT_CODE LOG_DIR RUN_ID ARGS...` for every variant, and so often.

    All variants come once, then all of them again. As many run at a time as the code has slots; each is
    pinned to its slot's cores. LOG_DIR is the variant's; a run opens `logger_context(LOG_DIR, RUN_ID, ...)`
    there, and reads its config by `load_variant(LOG_DIR)`. What it prints is in LOG_DIR/run_ID/stdout.log.

    Args:
        affinity_code: as encode_affinity or quick_affinity_code writes it. On a cluster, how an allocation is
            divided; None: a run has all of it, or with `pack` a GPU or a core each.
        experiment_title: names the directory, see get_log_dir.
        variants, log_dirs: what make_variants gave, perhaps filled up by update_config.
        common_args: further words for every run; runs_args: for the runs of each variant, behind those.
        debug_mode: 1 runs all in this process, one after the other, to be debugged; 2 the same in random
        order.
            The script's `main`, or else its `build_and_train`, is called with the words.
        mask_gpus: let a run see only the GPUs of its slot; else it sees all, and takes those that
            `affinity_from_code(SLOT_CODE)` names.
        engine: "local", or "slurm", which has the further ones: executor, what submitit's Slurm executor
            knows, such as {"partition": "gpu", "timeout_min": 60}; pack, so many runs in one allocation;
            detach: return as soon as all are submitted; max_requeues: of a run at its time limit.

    Returns:
        The outcome of each run, in the order in which they were begun; nothing of debug_mode and detach.

    Raises:
        LaunchError: the arguments do not match, or a run's directory holds a run already; nothing was
        started. RunsFailed: all have run, and some did not complete.
    """
    lines.open_what_is_closed()
    given = {"affinity_code": affinity_code, "engine": engine, "pack": pack, "detach": detach}
    settings = check({**given, "executor": executor, "max_requeues": max_requeues, **_FOR_SCRIPTS})
    if affinity_code is None and settings.cluster is None:
        raise LaunchError("affinity_code=None is for a cluster; give one, as quick_affinity_code writes it")
    _check(script, runs_per_setting, variants, log_dirs, runs_args, debug_mode)
    directory = get_log_dir(experiment_title)
    jobs = [
        _job(num, script, directory, log_dir, run_id, [*(common_args or ()), *args], mask_gpus)
        for num, (run_id, log_dir, args) in enumerate(
            (run_id, log_dir, args)
            for run_id in range(runs_per_setting)
            for log_dir, args in zip(log_dirs, runs_args or [()] * len(log_dirs), strict=True)
        )
    ]
    rundir.make(directory)
    with rundir.claimed(directory, wait=False):
        _refuse_used(jobs)
        _write_tree(directory, log_dirs, runs_per_setting)
        for variant, log_dir in zip(variants, log_dirs, strict=True):
            save_variant(variant, directory / log_dir)
        if debug_mode:
            return _debug(jobs, affinity_code or "", shuffled=debug_mode == 2)
        return _run(jobs, settings, directory)


def run_on_cluster(
    script: str | os.PathLike[str],
    cluster_handler: ClusterHandlerBase,
    experiment_title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    script_name: str | None = None,
    common_args: Sequence[Any] | None = None,
    runs_args: Sequence[Sequence[Any]] | None = None,
    debug_mode: int = 0,
) -> None:
    """Submit a run of a plain script for every variant, and return; what the first exptools had.

    It is run_experiments with the handler's engine and detach=True, whose words and directories are the same.

    Args:
        cluster_handler: such as exptools.launching.cluster.slurm.SlurmHandler.
        script_name: what the scheduler shall call the runs; None: the title.

    Raises:
        LaunchError: as run_experiments; or debug_mode is given, which a cluster has not.
    """
    if debug_mode:
        raise LaunchError(
            f"debug_mode={debug_mode} is not for a cluster; debug with run_experiments, on this machine"
        )
    if not isinstance(cluster_handler, ClusterHandlerBase):
        kind = type(cluster_handler).__name__
        raise LaunchError(
            f"cluster_handler is a {kind}; give a SlurmHandler, or use run_experiments(engine=...)"
        )
    executor = cluster_handler.executor()
    if script_name is not None:
        executor["job_name"] = script_name
    run_experiments(
        script,
        None,
        experiment_title,
        runs_per_setting,
        variants,
        log_dirs,
        common_args,
        runs_args,
        engine=cluster_handler.engine,
        executor=executor,
        detach=True,
    )


# Of LauncherConf, where a script is no application of Hydra.
_FOR_SCRIPTS = {"start": "spawn"}


def _run(jobs: Sequence[Job], settings: Settings, directory: Path) -> list[Outcome]:
    """Start jobs whose directories are free, and wait for them, unless they are to go on without this."""
    if settings.cluster is None:
        outcomes = _run_here(jobs, settings, directory)
    else:
        place = _place(settings, directory)
        outcomes = _run_elsewhere(jobs, place, settings, place.watch(place.queue()))
    told = report.failures(jobs, outcomes) if outcomes else None
    if told:
        raise RunsFailed(told)
    return outcomes


def _queue_all(jobs: Sequence[Job], settings: Settings, directory: Path, slots: Sequence[Slot]) -> None:
    for job in jobs:
        rundir.make(job.run_dir)
        if job.attempt > 1:
            settle(job.run_dir)  # the status is written over
        rundir.write_status(job.run_dir, rundir.queued(job.attempt, is_ours=bool(slots)))
    report.write_sweep(directory, jobs, dict(settings.given), slots)


def _run_here(jobs: Sequence[Job], settings: Settings, directory: Path) -> list[Outcome]:
    slots = make_slots(settings.slots["affinity_code"])
    _queue_all(jobs, settings, directory, slots)
    log = _log()
    log.info(report.plan(jobs, slots, directory))
    return run_all(
        jobs,
        slots,
        b"",
        log,
        settings.policy,
        on_start=_Launched(directory, len(jobs)),
        sweep_dir=directory,
        code=_code_of(jobs),
    )


def _place(settings: Settings, directory: Path) -> Place:
    assert settings.cluster is not None
    again = f"to go on: exptools-resume {shlex.quote(str(directory))}"
    return Place(directory, settings.slots, settings.policy, settings.cluster, _log(), again)


def _run_elsewhere(jobs: Sequence[Job], place: Place, settings: Settings, watch: Watch) -> list[Outcome]:
    """watch: what knows of those jobs that a scheduler has already."""
    new = [job for job in jobs if job.num not in watch.nums()]
    if new:
        _queue_all(new, settings, place.sweep_dir, ())
        engine = settings.policy.engine
        place.log.info(report.submitting(new, place.cluster.pack, engine, place.sweep_dir))
        title = place.sweep_dir.parent.name
        submitted = submitting.submit(place, watch.queue, new, b"", title, _code_of(jobs))
        place.log.info(report.are_submitted(submitted.ids, engine))
        watch.add(submitted)
    if place.cluster.detach:
        place.log.info(submitting.how_to_come_back(place.sweep_dir))
        return []
    ended = following.follow(place, watch, jobs)
    completed = all(outcome.ending.state is State.COMPLETED for outcome in ended.values())
    finding.tidy(place.sweep_dir, watch, are_all_completed=completed)
    return [ended[job.num] for job in jobs]


def _code_of(jobs: Sequence[Job]) -> Path:
    return Path(jobs[0].script[0]).resolve().parent


def resume(directory: Path) -> None:
    """Go on with what run_experiments has launched in `directory`: what has completed is skipped.

    Raises:
        LaunchError: sweep.json is not of run_experiments, or a run still goes on. RunsFailed: as there.
    """
    lines.open_what_is_closed()
    sweep = report.read_whole_sweep(directory)
    known = {field.name for field in dataclasses.fields(LauncherConf)}
    given = {name: value for name, value in sweep["launcher"].items() if name in known}
    settings = check({**given, "detach": False, **_FOR_SCRIPTS})
    with rundir.claimed_for_a_sweep(directory):
        if settings.cluster is None:
            jobs = _left(directory, sweep["jobs"], frozenset())
            outcomes = _run_here(jobs, settings, directory) if jobs else []
        else:
            place = _place(settings, directory)
            watch = place.watch(place.queue())
            finding.find(place, watch)
            jobs = _left(directory, sweep["jobs"], watch.nums())
            outcomes = _run_elsewhere(jobs, place, settings, watch) if jobs else []
    told = report.failures(jobs, outcomes)
    if told:
        raise RunsFailed(told)


def _left(directory: Path, entries: Sequence[Mapping[str, Any]], going_on: Set[int]) -> list[Job]:
    """The runs that have not completed, those that a scheduler has among them."""
    jobs = []
    for entry in entries:
        run_dir = directory / entry["dir"]
        status = rundir.read_status(run_dir)
        if status is not None and status.state is State.COMPLETED:
            continue
        attempt = 1 if status is None else rundir.attempt_after(status)
        if entry["num"] in going_on and status is not None:
            attempt = status.attempt
        elif trouble := rundir.trouble(run_dir, may_have_measured=True):
            raise LaunchError(f"{trouble}; wait for its end")
        script, overrides = tuple(entry["script"]), tuple(entry["overrides"])
        jobs.append(
            Job(
                entry["num"],
                overrides,
                run_dir,
                script=script,
                mask_gpus=entry["mask_gpus"],
                attempt=attempt,
            )
        )
    n_done = len(entries) - len(jobs)
    _log().info(report.resuming(n_done, len(entries), 0, len(going_on)))
    return jobs


def _check(
    script: str | os.PathLike[str],
    runs_per_setting: int,
    variants: Sequence[Any],
    log_dirs: Sequence[str],
    runs_args: Sequence[Any] | None,
    debug_mode: int,
) -> None:
    wrong = []
    if not Path(script).is_file():
        wrong.append(f"there is no script {os.fspath(script)!r} in {os.getcwd()}")
    if runs_per_setting < 1:
        wrong.append(f"runs_per_setting={runs_per_setting} must be 1 or more")
    if len(variants) != len(log_dirs):
        wrong.append(f"there are {len(variants)} variants and {len(log_dirs)} log_dirs; give one for each")
    if runs_args is not None and len(runs_args) != len(variants):
        wrong.append(f"there are {len(variants)} variants and {len(runs_args)} runs_args; give one for each")
    if len(set(log_dirs)) != len(log_dirs):
        wrong.append("two variants have the same log_dir; their runs would be mixed")
    if debug_mode not in (0, 1, 2):
        wrong.append(f"debug_mode={debug_mode} must be 0, 1 or 2")
    if wrong:
        raise LaunchError("; ".join(wrong))


def _job(
    num: int,
    script: str | os.PathLike[str],
    directory: Path,
    log_dir: str,
    run_id: int,
    args: Sequence[Any],
    mask_gpus: bool,
) -> Job:
    words = (os.fspath(script), str(directory / log_dir), str(run_id), *map(str, args))
    run_dir = directory / log_dir / f"run_{run_id}"
    return Job(num, (f"{log_dir} run {run_id}",), run_dir, script=words, mask_gpus=mask_gpus)


def _refuse_used(jobs: Sequence[Job]) -> None:
    for job in jobs:
        in_use = rundir.trouble(job.run_dir)
        if in_use:
            raise LaunchError(f"{in_use}; give the experiment another title, or move that one away")


def _debug(jobs: Sequence[Job], affinity_code: str, *, shuffled: bool) -> list[Outcome]:
    """Run in this process, so that a debugger sees it; an exception ends it all."""
    n_slot = get_n_run_slots(affinity_code)
    order = random.sample(range(len(jobs)), len(jobs)) if shuffled else range(len(jobs))
    for place, index in enumerate(order):
        script, *words = jobs[index].script
        _entry_point(script)(prepend_run_slot(place % n_slot, affinity_code), *words)
    return []


def _entry_point(script: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(script).stem, script)
    if spec is None or spec.loader is None:
        raise LaunchError(f"{script} is no Python script; debug_mode needs one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("main", "build_and_train"):
        if hasattr(module, name):
            return getattr(module, name)
    raise LaunchError(f"{script} has neither main nor build_and_train, one of which debug_mode calls")


def _write_tree(directory: Path, log_dirs: Sequence[str], runs_per_setting: int) -> None:
    """experiments_tree.txt: what is run, for people."""
    n = len(log_dirs)
    lines = [
        f"Experiment manager process ID: {os.getpid()}.",
        f"Number of settings (experiments) to run: {n}  ({runs_per_setting * n}).",
        "",
        *(str(directory / log_dir) for log_dir in log_dirs),
    ]
    content = "".join(f"{line}\n" for line in lines)
    rundir.write_atomically(directory / "experiments_tree.txt", content.encode(), durable=False)


class _Launched:
    """num_launched.txt: how many runs have begun."""

    def __init__(self, directory: Path, total: int) -> None:
        self._path = directory / "num_launched.txt"
        self._total = total
        self._n = 0

    def __call__(self) -> None:
        self._n += 1
        line = f"Experiments launched so far: {self._n} out of {self._total}.\n"
        rundir.write_atomically(self._path, line.encode(), durable=False)


def _log() -> logging.Logger:
    """A logger that prints, unless the launch script has set one up."""
    log = logging.getLogger(__name__)
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    lines.outlive_the_reader(log)
    return log
