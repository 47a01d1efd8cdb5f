"""Studies: what a sweeper such as Optuna's, which chooses jobs by what earlier ones returned, asks for.

It launches many small batches, has no end that the launcher could see, and has an opinion of its own on jobs
that fail.
"""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Iterator
from typing import Any

from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf

from exptools.configs import SWEEPER_TARGET
from exptools.launching import report
from exptools.launching.job import Job, Outcome
from exptools.rundir import State

log = logging.getLogger(__name__)

_KNOW_ALL_JOBS = (SWEEPER_TARGET, "hydra._internal.core_plugins.basic_sweeper.BasicSweeper")


@dataclasses.dataclass(frozen=True)
class Study:
    """A sweep whose jobs are not all known when it begins.

    sweeper: the name of the class that chooses them. goes_on: whether it shall go on although a job failed;
    if the user has said how many may fail, that is the sweeper's business. remembers: whether what it has
    learnt outlives the process. repeats: whether it may choose the same jobs when it is begun anew.
    """

    sweeper: str
    goes_on: bool
    remembers: bool
    repeats: bool


def of(config: DictConfig) -> Study | None:
    """The study that the config of a sweep means; None where all jobs are known from the start."""
    target = str(OmegaConf.select(config, "hydra.sweeper._target_"))
    if target in _KNOW_ALL_JOBS:
        return None
    settings = dict(_leaves(OmegaConf.to_container(config.hydra.sweeper, resolve=False)))
    words: Any = OmegaConf.to_container(config.hydra.overrides.hydra, resolve=False)
    given = any("max_failure_rate" in word for word in words)
    return Study(
        sweeper=target.rpartition(".")[2],
        goes_on=settings.get("max_failure_rate") == 0 and not given,
        remembers=settings.get("storage") is not None,
        repeats=any(name.endswith("seed") and value is not None for name, value in settings.items()),
    )


def _leaves(settings: Any) -> Iterator[tuple[str, Any]]:
    """Names and values at any depth: Optuna's sweeper has its seed in `sampler`, Nevergrad's in `optim`."""
    for name, value in settings.items():
        if isinstance(value, dict):
            yield from _leaves(value)
        else:
            yield str(name), value


def no_resume(study: Study, sweep_dir: object) -> str:
    """Why a study cannot go on."""
    return (
        f"resume=true, but {study.sweeper} begins anew and chooses other jobs than those in {sweep_dir}; "
        "give it a seed (for Optuna hydra.sweeper.sampler.seed) or a memory (hydra.sweeper.storage and "
        "study_name), both from the first launch on, or another directory by hydra.sweep.dir="
    )


@dataclasses.dataclass
class SoFar:
    """What the batches of one sweep have done; the launcher hands it from each to the next."""

    nums: set[int] = dataclasses.field(default_factory=set)
    ran: list[tuple[Job, Outcome]] = dataclasses.field(default_factory=list)

    def add(self, jobs: list[Job], outcomes: list[Outcome]) -> None:
        """Keep of each job what a report needs."""
        for job, outcome in zip(jobs, outcomes, strict=True):
            slim = dataclasses.replace(job, packed=None)
            self.ran.append((slim, dataclasses.replace(outcome, returned=None)))

    @property
    def n_failed(self) -> int:
        """How many jobs did not complete."""
        return sum(outcome.ending.state is not State.COMPLETED for _, outcome in self.ran)

    def failures(self) -> str | None:
        """All that did not complete; None if all did."""
        return report.failures([job for job, _ in self.ran], [outcome for _, outcome in self.ran])


class EndOfStudy(Callback):
    """Lists what failed when the study has come to its end; the exit code is 1 then, as after any sweep."""

    def __init__(self, study: Study, so_far: SoFar, hint: str) -> None:
        """hint: said after the list."""
        self._study = study
        self._so_far = so_far
        self._hint = hint

    def __reduce__(self) -> tuple[type[Callback], tuple[()]]:
        # Hydra's callbacks are sent to every job, where this one has nothing to do.
        return Callback, ()

    def on_multirun_end(self, config: DictConfig, **kwargs: Any) -> None:
        """Hydra makes warnings of exceptions, so the exit code is set by one that it lets pass.

        Raises:
            SystemExit: a job failed, and the user has not said that any may.
        """
        told = self._so_far.failures()
        if told is None:
            return
        report.tell(log, f"the study has ended: {told}\n{self._hint}".rstrip())
        if self._study.goes_on:
            raise SystemExit(1)
