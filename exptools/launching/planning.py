"""A batch of Hydra's jobs before it starts: each composed, in its place, with its directory made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from omegaconf import DictConfig, OmegaConf, open_dict, read_write
from omegaconf.errors import OmegaConfBaseException

from exptools import lifecycle, rundir
from exptools.configs import as_current, resolved
from exptools.errors import LaunchError
from exptools.launching import names, report, transport
from exptools.launching.alike import Packed
from exptools.launching.composer import Composer
from exptools.launching.job import Job, Outcome
from exptools.launching.resume import Earlier, Places
from exptools.launching.slots import Slot
from exptools.provenance.files import settle


@dataclass(frozen=True)
class Planned:
    """A job, and its outcome if an earlier launch completed it; is_new: none has known it.

    goes_on: a scheduler has it, from an earlier launch.
    overrides, task_name: as Hydra's results tell them. variant: what variant_config.json will say.
    """

    job: Job
    overrides: list[str]
    task_name: str
    variant: Packed
    done: Outcome | None
    is_new: bool
    goes_on: bool = False

    @property
    def is_to_start(self) -> bool:
        """Whether this launch has to start it."""
        return self.done is None and not self.goes_on


@dataclass
class _Like:
    """What those of all jobs of the sweep are packed against: those of the first."""

    payload: bytes = b""
    variant: bytes = b""


def plan(composer: Composer, job_overrides: Sequence[Sequence[str]], places: Places) -> list[Planned]:
    """All jobs, composed now: later edits of their files do not reach the sweep.

    Raises:
        LaunchError: two would write into one directory, or one where a run lies.
    """
    like = _Like()
    planned = [
        _planned(composer.compose(overrides), overrides, num, earlier, like, goes_on=num in places.going_on)
        for overrides, num, earlier in zip(job_overrides, places.nums, places.earlier, strict=True)
    ]
    _refuse_clashes([p.job for p in planned if p.is_to_start])
    return planned


def _planned(
    config: DictConfig,
    overrides: Sequence[str],
    num: int,
    earlier: Earlier | None,
    like: _Like,
    *,
    goes_on: bool,
) -> Planned:
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
    return Planned(
        job,
        overrides=OmegaConf.to_container(config.hydra.overrides.task),  # type: ignore[arg-type]
        task_name=config.hydra.job.name,
        variant=Packed.of(variant, like.variant),
        done=None if earlier is None else earlier.outcome,
        is_new=earlier is None,
        goes_on=goes_on,
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


def prepare(
    sweep_dir: Path, plan: Sequence[Planned], settings: Mapping[str, Any], slots: Sequence[Slot]
) -> None:
    """Make the run directories: QUEUED, with their configs.

    Raises:
        LaunchError: that is not possible.
    """
    try:
        rundir.make(sweep_dir)
        report.write_sweep(sweep_dir, [p.job for p in plan], dict(settings), slots)
        for planned in (p for p in plan if p.is_to_start):
            job = planned.job
            rundir.make(job.run_dir)
            if job.attempt > 1:
                settle(job.run_dir)  # the status is written over
            rundir.write_atomically(job.run_dir / rundir.VARIANT, planned.variant.unpack(), durable=False)
            # What a scheduler has does not end with this process.
            rundir.write_status(job.run_dir, rundir.queued(job.attempt, is_ours=bool(slots)))
    except OSError as error:
        raise cannot_write(error.filename or sweep_dir, error) from error


def cannot_write(where: object, error: OSError) -> LaunchError:
    """What a sweep says that cannot write its files."""
    advice = "mend that, or choose another directory by hydra.sweep.dir="
    return LaunchError(f"{where}: cannot write there ({error.strerror}); {advice}")
