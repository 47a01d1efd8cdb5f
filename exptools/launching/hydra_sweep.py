"""A batch of Hydra's jobs: from overrides to jobs on slots, and back to Hydra's results, in order."""

from __future__ import annotations

import logging
import shlex
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from exptools import rundir
from exptools.errors import LaunchError
from exptools.launching import (
    application,
    finding,
    following,
    lines,
    main_module,
    names,
    planning,
    report,
    resume,
    study,
    submitting,
)
from exptools.launching.composer import Composer
from exptools.launching.job import Outcome
from exptools.launching.planning import Planned
from exptools.launching.returns import FailedReturn, FailedTrial, JobFailed, job_return
from exptools.launching.settings import Settings, check
from exptools.launching.slots import Slot, make_slots
from exptools.launching.study import EndOfStudy, SoFar, Study
from exptools.launching.submitting import Place
from exptools.launching.sweep import run_all
from exptools.provenance import facts
from exptools.rundir import State

log = logging.getLogger(__name__)


def launch(
    *,
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    settings: dict[str, Any],
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
    so_far: SoFar,
) -> Sequence[JobReturn]:
    """Run one job for each list of overrides; all of them, whatever happens to one.

    so_far: what the batches before this one did; this one is added to it.

    Raises:
        ExptoolsError: the jobs cannot be started as asked; nothing was started.
        JobFailed: too many jobs of a study had failed before this batch.
    """
    main_module.stop_if_importing()
    lines.open_what_is_closed()
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    lines.outlive_the_reader(log)
    checked = check(settings)
    batch = _Batch(context, task_function, config, job_overrides, initial_job_idx, so_far, study.of(config))
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    if checked.dry_run:
        plan = _plan(batch, checked, sweep_dir)
        print(_dry_run(plan, checked, sweep_dir))
        if batch.study is not None:
            print(
                f"{batch.study.sweeper} chooses what comes next by what these return: the dry run ends here."
            )
            raise SystemExit(0)  # it would wait for results
        return []
    rundir.make(sweep_dir)
    with rundir.claimed_for_a_sweep(sweep_dir):
        return _launch(batch, checked, sweep_dir)


@dataclass(frozen=True)
class _Batch:
    """What Hydra wants to be launched."""

    context: HydraContext
    task_function: TaskFunction
    config: DictConfig
    job_overrides: Sequence[Sequence[str]]
    initial_job_idx: int
    so_far: SoFar
    study: Study | None


def _plan(
    batch: _Batch, settings: Settings, sweep_dir: Path, going_on: Set[int] = frozenset()
) -> list[Planned]:
    """All jobs, composed now: later edits of their files do not reach the sweep.

    going_on: the numbers of those that a scheduler has.
    """
    names.tell_new(batch.job_overrides, _varying_keys(batch))
    composer = Composer(batch.context.config_loader, batch.config)
    if settings.resume:
        places = _find(batch, sweep_dir)
    else:
        places = resume.fresh(len(batch.job_overrides), batch.initial_job_idx)
    return planning.plan(composer, batch.job_overrides, replace(places, going_on=going_on))


def _varying_keys(batch: _Batch) -> list[str]:
    """The keys that the sweeper chose the values of: of a small batch, not all that vary need to differ."""
    given: Any = OmegaConf.to_container(batch.config.hydra.overrides.task, resolve=False)
    chosen = (word for job in batch.job_overrides for word in job if word not in given)
    return list(dict.fromkeys(word.partition("=")[0] for word in chosen))


def _find(batch: _Batch, sweep_dir: Path) -> resume.Places:
    """The places of a sweep that goes on.

    Raises:
        LaunchError: it is a study that has forgotten what it had chosen.
    """
    places = resume.find(sweep_dir, batch.job_overrides, batch.so_far.nums)
    is_first = not batch.so_far.nums
    if batch.study is not None and is_first and not (batch.study.remembers or any(places.earlier)):
        raise LaunchError(study.no_resume(batch.study, sweep_dir))
    return places


def _dry_run(plan: Sequence[Planned], settings: Settings, sweep_dir: Path) -> str:
    jobs = [p.job for p in plan if p.is_to_start]
    if settings.cluster is None:
        return report.dry_run(jobs, _slots(plan, settings), sweep_dir)
    place = _place(settings, sweep_dir, "")
    place.queue()  # complains of what is wrong
    return report.dry_run_elsewhere(
        jobs, settings.cluster.pack, settings.policy.engine, settings.cluster.executor, sweep_dir
    )


def _place(settings: Settings, sweep_dir: Path, again: str) -> Place:
    assert settings.cluster is not None
    return Place(sweep_dir, settings.slots, settings.policy, settings.cluster, log, again)


def _slots(plan: Sequence[Planned], settings: Settings) -> tuple[Slot, ...]:
    return make_slots(**settings.slots, n_jobs=max(1, sum(p.done is None for p in plan)))


def _launch(batch: _Batch, settings: Settings, sweep_dir: Path) -> Sequence[JobReturn]:
    if batch.study is not None:
        _follow(batch.study, batch, settings, sweep_dir)
    launch = _launch_here if settings.cluster is None else _launch_elsewhere
    plan, ran = launch(batch, settings, sweep_dir)
    started = [p.job for p in plan if p.job.num in ran]
    batch.so_far.add(started, [ran[job.num] for job in started])
    goes_on = batch.study is not None and batch.study.goes_on
    # A study that goes on tells all at its end.
    told = None if goes_on else report.failures(started, [ran[job.num] for job in started])
    if told:
        report.tell(log, f"{told}\n{_how_to_go_on(batch.study, sweep_dir)}".rstrip())
    kind = FailedTrial if goes_on else FailedReturn
    return [job_return(p, p.done or ran[p.job.num], kind) for p in plan]


def _tell_of_resuming(plan: Sequence[Planned], batch: _Batch, settings: Settings) -> None:
    if settings.resume and not (batch.study is not None and batch.study.remembers):
        n_done, n_on = sum(p.done is not None for p in plan), sum(p.goes_on for p in plan)
        log.info(report.resuming(n_done, len(plan), sum(p.is_new for p in plan), n_on))


def _launch_here(
    batch: _Batch, settings: Settings, sweep_dir: Path
) -> tuple[list[Planned], Mapping[int, Outcome]]:
    """Run what has not completed on the slots of this machine; the outcomes by number."""
    if settings.resume:
        finding.refuse_what_runs_elsewhere(sweep_dir)
    plan = _plan(batch, settings, sweep_dir)
    slots = _slots(plan, settings)
    shared = application.pack(batch.context, batch.task_function)
    planning.prepare(sweep_dir, plan, settings.given, slots)
    jobs = [p.job for p in plan if p.is_to_start]
    _tell_of_resuming(plan, batch, settings)
    if jobs:
        log.info(report.plan(jobs, slots, sweep_dir))
    batch.so_far.nums |= {p.job.num for p in plan}
    ran = run_all(
        jobs,
        slots,
        shared,
        log,
        settings.policy,
        hint=_how_to_go_on(batch.study, sweep_dir),
        n_failed=batch.so_far.n_failed,
        sweep_dir=sweep_dir,
        code=facts.code_of(batch.task_function),
    )
    return plan, {job.num: outcome for job, outcome in zip(jobs, ran, strict=True)}


def _launch_elsewhere(
    batch: _Batch, settings: Settings, sweep_dir: Path
) -> tuple[list[Planned], Mapping[int, Outcome]]:
    """Submit what has not completed and does not run yet, and follow it; the outcomes by number."""
    place = _place(settings, sweep_dir, _how_to_go_on(batch.study, sweep_dir))
    if place.cluster.detach:
        _refuse_to_detach(batch)
    queue = place.queue()
    watch = place.watch(queue)
    found = finding.find(place, watch) if settings.resume else {}
    plan = _plan(batch, settings, sweep_dir, watch.nums())
    plan = [replace(p, done=found[p.job.num]) if _has_completed(found.get(p.job.num)) else p for p in plan]
    planning.prepare(sweep_dir, plan, settings.given, ())
    jobs = [p.job for p in plan if p.is_to_start]
    _tell_of_resuming(plan, batch, settings)
    batch.so_far.nums |= {p.job.num for p in plan}
    if jobs:
        log.info(report.submitting(jobs, place.cluster.pack, settings.policy.engine, sweep_dir))
        shared = application.pack(batch.context, batch.task_function)
        code, title = facts.code_of(batch.task_function), str(batch.config.hydra.job.name)
        submitted = submitting.submit(place, queue, jobs, shared, title, code)
        log.info(report.are_submitted(submitted.ids, settings.policy.engine))
        watch.add(submitted)
    if place.cluster.detach:
        log.info(submitting.how_to_come_back(sweep_dir))
        raise SystemExit(0)
    followed = [p.job for p in plan if p.done is None]
    outcomes = following.follow(place, watch, followed, batch.so_far.n_failed)
    all_completed = all(_has_completed(p.done or outcomes[p.job.num]) for p in plan)
    finding.tidy(sweep_dir, watch, are_all_completed=all_completed)
    return plan, outcomes


def _has_completed(outcome: Outcome | None) -> bool:
    return outcome is not None and outcome.ending.state is State.COMPLETED


def _refuse_to_detach(batch: _Batch) -> None:
    """Detach only where all jobs are known.

    Raises:
        LaunchError: they are not.
    """
    if batch.study is not None:
        raise LaunchError(
            f"detach=true cannot be used with {batch.study.sweeper}, which waits for results to choose jobs"
        )
    if OmegaConf.select(batch.config, "hydra.sweeper.max_batch_size") is not None:
        raise LaunchError("detach=true submits all jobs at once; leave out hydra.sweeper.max_batch_size")


def _follow(study: Study, batch: _Batch, settings: Settings, sweep_dir: Path) -> None:
    """Wait for the end of the study from its first batch on.

    Raises:
        JobFailed: it has come to its end by max_failures.
    """
    if not batch.so_far.nums:
        # The first in the list is the last that Hydra tells of the end: it ends the command.
        end = EndOfStudy(study, batch.so_far, _how_to_go_on(study, sweep_dir))
        batch.context.callbacks.callbacks.insert(0, end)
        if settings.resume and study.remembers:
            log.info(f"Resuming: {study.sweeper} remembers its study and chooses new jobs")
    most = settings.policy.max_failures
    if most is not None and batch.so_far.n_failed >= most:
        told = batch.so_far.failures()
        raise JobFailed(f"max_failures={most} was reached, {study.sweeper} is stopped: {told}")


def _how_to_go_on(study: Study | None, sweep_dir: Path) -> str:
    """What goes on with the sweep; nothing for a study that would choose other jobs."""
    may_go_on = study is None or study.remembers or study.repeats
    if not may_go_on:
        return ""
    if main_module.describe() == main_module.MainModule():  # a notebook, `python -c`
        return f"to go on: the same again with hydra.launcher.resume=true and hydra.sweep.dir={sweep_dir}"
    return f"to go on: exptools-resume {shlex.quote(str(sweep_dir))}"
