"""A batch of Hydra's jobs: from overrides to jobs on slots, and back to Hydra's results, in order."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus, configure_log, setup_globals
from hydra.errors import CompactHydraException
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from exptools import lifecycle, rundir
from exptools.configs import as_current, resolved
from exptools.errors import ExptoolsError, LaunchError, RunDirError
from exptools.launching import application, main_module, names, report, transport
from exptools.launching.composer import Composer
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import Slot, make_slots
from exptools.launching.sweep import run_all
from exptools.rundir import State, Status

log = logging.getLogger(__name__)


class JobFailed(CompactHydraException):
    """A job of a sweep did not complete. Hydra prints its text without a traceback and exits with 1."""


class FailedReturn(JobReturn):
    """The JobReturn of a job that did not complete: asking for its value raises JobFailed."""

    @property
    def return_value(self) -> Any:
        """Raises JobFailed."""
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def launch(
    *,
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    settings: dict[str, Any],
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
) -> Sequence[JobReturn]:
    """Run one job for each list of overrides; all of them, whatever happens to one.

    Raises:
        ExptoolsError: the jobs cannot be started as asked; nothing was started.
    """
    main_module.stop_if_importing()
    setup_globals()
    configure_log(config.hydra.hydra_logging, config.hydra.verbose)
    sweep_dir = Path(str(config.hydra.sweep.dir)).absolute()
    rundir.make(sweep_dir)
    with _claimed(sweep_dir):
        return _launch(sweep_dir, context, task_function, config, settings, job_overrides, initial_job_idx)


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


def _launch(
    sweep_dir: Path,
    context: HydraContext,
    task_function: TaskFunction,
    config: DictConfig,
    settings: dict[str, Any],
    job_overrides: Sequence[Sequence[str]],
    initial_job_idx: int,
) -> Sequence[JobReturn]:
    names.tell_new(job_overrides, report.varying_keys(job_overrides))
    composer = Composer(context.config_loader, config)
    composed = [
        _compose(composer, overrides, initial_job_idx + i) for i, overrides in enumerate(job_overrides)
    ]
    jobs = [_job(cfg, overrides) for cfg, overrides in zip(composed, job_overrides, strict=True)]
    _refuse_clashes(jobs)
    slots = make_slots(**settings, n_jobs=len(jobs))
    shared = application.pack(context, task_function)
    _prepare(sweep_dir, jobs, composed, settings, slots)
    log.info(report.plan(jobs, slots, sweep_dir))
    outcomes = run_all(jobs, slots, shared, log)
    told = report.failures(jobs, outcomes)
    if told and log.isEnabledFor(logging.ERROR):
        log.error(told)
    elif told:  # hydra/hydra_logging=disabled
        print(told, file=sys.stderr)
    return [_return(*args) for args in zip(jobs, composed, outcomes, strict=True)]


def _compose(composer: Composer, overrides: Sequence[str], num: int) -> DictConfig:
    """The whole config of a job, composed now: later edits of its files do not reach the sweep."""
    job_config = composer.compose(overrides)
    with open_dict(job_config):
        job_config.hydra.job.id = f"{job_config.hydra.job.name}_{num}"
        job_config.hydra.job.num = num
    return job_config


def _job(config: DictConfig, overrides: Sequence[str]) -> Job:
    num = config.hydra.job.num
    with as_current(config):
        try:
            run_dir = _settle_run_dir(config)
        except OmegaConfBaseException as error:
            reason = lifecycle.one_line(error)
            raise LaunchError(
                f"hydra.sweep.dir and subdir of job #{num} cannot be resolved: {reason}"
            ) from error
        env_set = config.hydra.job.env_set
        with read_write(env_set):
            OmegaConf.resolve(env_set)  # Hydra 1.3 resolves it where the user's own keys are not known
    return Job(
        num=num,
        overrides=tuple(overrides),
        run_dir=run_dir,
        payload=transport.dumps(config, "the config"),
        environment={
            names.VARIABLE: names.name_of(overrides),
            **{str(k): str(v) for k, v in env_set.items()},
        },
    )


def _settle_run_dir(config: DictConfig) -> Path:
    """Resolve the run directory once and for all: in the job something like ${random:} would give another."""
    sweep = config.hydra.sweep
    where, subdir = str(sweep.dir), str(sweep.subdir)
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
        in_use = rundir.trouble(job.run_dir)
        if in_use:
            raise LaunchError(
                f"{in_use}; give the sweep another directory (hydra.sweep.dir=...), or move that one away"
            )


def _prepare(
    sweep_dir: Path,
    jobs: Sequence[Job],
    composed: Sequence[DictConfig],
    settings: dict[str, Any],
    slots: Sequence[Slot],
) -> None:
    """Make the run directories: QUEUED, with the config of each run."""
    try:
        rundir.make(sweep_dir)
        report.write_sweep(sweep_dir, jobs, settings, slots)
        for job, config in zip(jobs, composed, strict=True):
            rundir.make(job.run_dir)
            with as_current(config):
                rundir.write_json(job.run_dir / rundir.VARIANT, resolved(config), durable=False)
            rundir.write_status(job.run_dir, Status(State.QUEUED, pid=os.getpid(), host=socket.gethostname()))
    except OSError as error:
        raise LaunchError(f"{error.filename or sweep_dir}: cannot write there ({error.strerror})") from error


def _return(job: Job, config: DictConfig, outcome: Outcome) -> JobReturn:
    """Hydra's own result for a job."""
    sent = outcome.returned if isinstance(outcome.returned, JobReturn) else None
    completed = outcome.ending.state is State.COMPLETED
    # Hydra 1.4 brings the traceback of the job along in its JobReturn, and shows it.
    if sent is not None and (completed or getattr(sent, "_remote_traceback", None) is not None):
        return sent
    made = JobReturn() if completed else FailedReturn()
    made.overrides = OmegaConf.to_container(config.hydra.overrides.task)  # type: ignore[assignment]
    made.cfg = OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"])
    made.hydra_cfg = OmegaConf.masked_copy(config, "hydra")
    made.working_dir = os.getcwd() if sent is None else sent.working_dir
    made.task_name = config.hydra.job.name
    made.status = JobStatus.COMPLETED if completed else JobStatus.FAILED
    made.return_value = None if completed else _failure(job, outcome, sent)
    return made


def _failure(job: Job, outcome: Outcome, sent: JobReturn | None) -> JobFailed:
    failure = JobFailed(
        f"job {report.title(job)} {outcome.ending.state}: {outcome.ending.error}; "
        f"its log: {job.run_dir / rundir.STDOUT}"
    )
    cause = sent._return_value if sent is not None else None
    failure.__cause__ = cause if isinstance(cause, BaseException) else None
    return failure


__all__ = ["ExptoolsError", "FailedReturn", "JobFailed", "launch"]
