"""A batch of Hydra's jobs: from overrides to jobs on slots, and back to Hydra's results, in order."""

from __future__ import annotations

import contextlib
import logging
import os
import shlex
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from exptools import lifecycle, rundir
from exptools.configs import as_current, resolved
from exptools.errors import ExptoolsError, LaunchError, RunDirError
from exptools.launching import application, lines, main_module, names, report, resume, study, transport
from exptools.launching.alike import Packed
from exptools.launching.composer import Composer
from exptools.launching.job import Job, Outcome, Returned
from exptools.launching.returns import Configs, FailedReturn, FailedTrial, JobFailed, SweepReturn
from exptools.launching.settings import Settings, check
from exptools.launching.slots import Slot, make_slots
from exptools.launching.study import EndOfStudy, SoFar, Study
from exptools.launching.sweep import run_all
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
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    lines.outlive_the_reader(log)
    checked = check(settings)
    batch = _Batch(context, task_function, config, job_overrides, initial_job_idx, so_far, study.of(config))
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    if checked.dry_run:
        plan = _plan(batch, checked, sweep_dir)
        print(report.dry_run([p.job for p in plan if p.done is None], _slots(plan, checked), sweep_dir))
        if batch.study is not None:
            print(
                f"{batch.study.sweeper} chooses what comes next by what these return: the dry run ends here."
            )
            raise SystemExit(0)  # it would wait for results
        return []
    rundir.make(sweep_dir)
    with _claimed(sweep_dir):
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


@dataclass(frozen=True)
class _Planned:
    """A job, and its outcome if an earlier launch completed it.

    overrides, task_name: as Hydra's results tell them. variant: what variant_config.json will say.
    """

    job: Job
    overrides: list[str]
    task_name: str
    variant: Packed
    done: Outcome | None


@dataclass
class _Like:
    """What those of all jobs of the sweep are packed against: those of the first."""

    payload: bytes = b""
    variant: bytes = b""


@contextlib.contextmanager
def _claimed(sweep_dir: Path) -> Iterator[None]:
    """Keep the directory for this sweep as long as it runs.

    Raises:
        LaunchError: another sweep runs in it.
    """
    with contextlib.ExitStack() as claim:
        try:
            claim.enter_context(rundir.claimed(sweep_dir, wait=False))
        except RunDirError as error:
            advice = (
                "two that begin in one second get the same by default: give one of them hydra.sweep.dir=..."
            )
            raise LaunchError(f"{error} that runs a sweep; {advice}") from error
        yield


def _plan(batch: _Batch, settings: Settings, sweep_dir: Path) -> list[_Planned]:
    """All jobs, composed now: later edits of their files do not reach the sweep."""
    names.tell_new(batch.job_overrides, _varying_keys(batch))
    composer = Composer(batch.context.config_loader, batch.config)
    if settings.resume:
        places = _find(batch, sweep_dir)
    else:
        places = resume.fresh(len(batch.job_overrides), batch.initial_job_idx)
    like = _Like()
    plan = [
        _planned(composer.compose(overrides), overrides, num, earlier, like)
        for overrides, num, earlier in zip(batch.job_overrides, places.nums, places.earlier, strict=True)
    ]
    _refuse_clashes([p.job for p in plan if p.done is None])
    return plan


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


def _slots(plan: Sequence[_Planned], settings: Settings) -> tuple[Slot, ...]:
    return make_slots(**settings.slots, n_jobs=max(1, sum(p.done is None for p in plan)))


def _launch(batch: _Batch, settings: Settings, sweep_dir: Path) -> Sequence[JobReturn]:
    if batch.study is not None:
        _follow(batch.study, batch, settings, sweep_dir)
    plan = _plan(batch, settings, sweep_dir)
    slots = _slots(plan, settings)
    shared = application.pack(batch.context, batch.task_function)
    _prepare(sweep_dir, plan, settings, slots)
    jobs = [p.job for p in plan if p.done is None]
    if settings.resume and not (batch.study is not None and batch.study.remembers):
        log.info(f"Resuming: {len(plan) - len(jobs)} of {len(plan)} jobs have completed and are skipped")
    if jobs:
        log.info(report.plan(jobs, slots, sweep_dir))
    batch.so_far.nums |= {p.job.num for p in plan}
    again = _how_to_go_on(batch.study, sweep_dir)
    ran = run_all(jobs, slots, shared, log, settings.policy, hint=again, n_failed=batch.so_far.n_failed)
    batch.so_far.add(jobs, ran)
    goes_on = batch.study is not None and batch.study.goes_on
    told = None if goes_on else report.failures(jobs, ran)  # a study that goes on tells all at its end
    if told:
        report.tell(log, f"{told}\n{again}".rstrip())
    outcomes = iter(ran)
    kind = FailedTrial if goes_on else FailedReturn
    return [_return(p, p.done or next(outcomes), kind) for p in plan]


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


def _planned(
    config: DictConfig,
    overrides: Sequence[str],
    num: int,
    earlier: resume.Earlier | None,
    like: _Like,
) -> _Planned:
    with open_dict(config):
        config.hydra.job.id = f"{config.hydra.job.name}_{num}"
        config.hydra.job.num = num
    with as_current(config):
        try:
            run_dir = _settle_run_dir(config, None if earlier is None else earlier.dir)
        except OmegaConfBaseException as error:
            reason = lifecycle.one_line(error)
            what = f"hydra.sweep.dir and subdir of job #{num} cannot be resolved"
            raise LaunchError(f"{what}: {reason}") from error
        env_set = config.hydra.job.env_set
        with read_write(env_set):
            OmegaConf.resolve(env_set)  # Hydra 1.3 resolves it where the user's own keys are not known
        payload, variant = transport.dumps(config, "the config"), rundir.as_json(resolved(config))
    like.payload, like.variant = like.payload or payload, like.variant or variant
    job = Job(
        num=num,
        overrides=tuple(overrides),
        run_dir=run_dir,
        packed=Packed.of(payload, like.payload),
        environment={
            names.VARIABLE: names.name_of(overrides),
            **{str(k): str(v) for k, v in env_set.items()},
        },
        attempt=1 if earlier is None else earlier.attempt,
        may_be_forked=not env_set,
    )
    return _Planned(
        job,
        overrides=OmegaConf.to_container(config.hydra.overrides.task),  # type: ignore[arg-type]
        task_name=config.hydra.job.name,
        variant=Packed.of(variant, like.variant),
        done=None if earlier is None else earlier.outcome,
    )


def _settle_run_dir(config: DictConfig, earlier: str | None) -> Path:
    """Resolve the run directory once and for all: in the job something like ${random:} would give another.

    earlier: the one that the job had, below the sweep's.
    """
    sweep = config.hydra.sweep
    where, subdir = str(sweep.dir), str(sweep.subdir) if earlier is None else earlier
    with read_write(sweep), open_dict(sweep):
        sweep.dir, sweep.subdir = where, subdir
    return Path(where, subdir).absolute()


def _refuse_clashes(jobs: Sequence[Job]) -> None:
    """No two jobs in one directory, and none in one that holds a run."""
    taken: dict[Path, Job] = {}
    for job in jobs:
        other = taken.setdefault(job.run_dir, job)
        if other is not job:
            raise LaunchError(
                f"jobs #{other.num} and #{job.num} would both write to {job.run_dir}; let hydra.sweep.subdir "
                "contain what differs between them, such as ${hydra.job.num}"
            )
        in_use = rundir.trouble(job.run_dir, may_have_measured=job.attempt > 1)
        if in_use:
            raise LaunchError(
                f"{in_use}; give the sweep another directory (hydra.sweep.dir=...), go on with it "
                "(hydra.launcher.resume=true), or move that one away"
            )


def _prepare(sweep_dir: Path, plan: Sequence[_Planned], settings: Settings, slots: Sequence[Slot]) -> None:
    """Make the run directories: QUEUED, with their configs; what earlier attempts measured is set aside."""
    try:
        rundir.make(sweep_dir)
        report.write_sweep(sweep_dir, [p.job for p in plan], dict(settings.given), slots)
        for planned in (p for p in plan if p.done is None):
            job = planned.job
            rundir.make(job.run_dir)
            rundir.set_aside(job.run_dir, job.attempt - 1)
            rundir.write_atomically(job.run_dir / rundir.VARIANT, planned.variant.unpack(), durable=False)
            rundir.write_status(job.run_dir, rundir.queued(job.attempt))
    except OSError as error:
        raise LaunchError(f"{error.filename or sweep_dir}: cannot write there ({error.strerror})") from error


def _return(planned: _Planned, outcome: Outcome, failed: type[FailedReturn]) -> JobReturn:
    """Hydra's own result for a job."""
    job = planned.job
    returned = outcome.returned if isinstance(outcome.returned, Returned) else None
    sent: JobReturn | None = None if returned is None else returned.job_return
    completed = outcome.ending.state is State.COMPLETED
    # Hydra 1.4 brings the traceback of the job along in its JobReturn, and shows it. It rebuilds the frames
    # without their bytecode, in which IPython searches for ever.
    may_show = failed is FailedReturn and "IPython" not in sys.modules
    is_shown = may_show and getattr(sent, "_remote_traceback", None) is not None
    if returned is not None and (completed or is_shown):
        return SweepReturn(partial(_sent_configs, job, returned), sent)
    made = (SweepReturn if completed else failed)(partial(_configs, job))
    made.overrides = planned.overrides
    made.working_dir = os.getcwd() if sent is None else sent.working_dir
    made.task_name = planned.task_name
    made.status = JobStatus.COMPLETED if completed else JobStatus.FAILED
    made.return_value = outcome.ending.returned if completed else _failure(job, outcome, sent)
    return made


def _sent_configs(job: Job, returned: Returned) -> Configs:
    """As the job sent them."""
    configs: Configs = transport.loads(Packed(returned.configs, job.payload).unpack())
    return configs


def _configs(job: Job) -> Configs:
    """As the job got them."""
    config = transport.loads(job.payload)
    user = OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"])
    return user, OmegaConf.masked_copy(config, "hydra")


def _failure(job: Job, outcome: Outcome, sent: JobReturn | None) -> JobFailed:
    failure = JobFailed(
        f"job {report.title(job)} {outcome.ending.state}: {outcome.ending.error}; "
        f"its log: {job.run_dir / rundir.STDOUT}"
    )
    cause = sent._return_value if sent is not None else None
    failure.__cause__ = cause if isinstance(cause, BaseException) else None
    return failure


__all__ = ["ExptoolsError", "FailedReturn", "FailedTrial", "JobFailed", "launch"]
