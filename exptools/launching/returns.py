"""Hydra's results of a sweep's jobs, whose configs are there when they are asked for.

A config takes hundreds of kilobytes as an object, and those of all jobs would be held at once.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.errors import CompactHydraException
from omegaconf import DictConfig, OmegaConf

from exptools import rundir
from exptools.launching import report, transport
from exptools.launching.alike import Packed
from exptools.launching.job import Job, Outcome, Returned
from exptools.launching.planning import Planned
from exptools.rundir import State

Configs = tuple[DictConfig, DictConfig]  # the user's part, and Hydra's


class JobFailed(CompactHydraException):
    """A job of a sweep did not complete. Hydra prints its text without a traceback and exits with 1."""


class SweepReturn(JobReturn):
    """A JobReturn that makes its configs when the first of them is asked for."""

    def __init__(self, make: Callable[[], Configs], like: JobReturn | None = None) -> None:
        """like: what else it says."""
        super().__init__()
        if like is not None:
            said = vars(like).items()
            vars(self).update({name: value for name, value in said if name not in ("cfg", "hydra_cfg")})
        self._make = make
        self._made: list[DictConfig | None] = []

    def _configs(self) -> list[DictConfig | None]:
        if not self._made:
            self._made = list(self._make())
        return self._made

    @property
    def cfg(self) -> DictConfig | None:
        """The user's part of the job's config."""
        return self._configs()[0]

    @cfg.setter
    def cfg(self, value: DictConfig | None) -> None:
        if value is not None:
            self._configs()[0] = value

    @property
    def hydra_cfg(self) -> DictConfig | None:
        """Hydra's part of it."""
        return self._configs()[1]

    @hydra_cfg.setter
    def hydra_cfg(self, value: DictConfig | None) -> None:
        if value is not None:
            self._configs()[1] = value


class FailedReturn(SweepReturn):
    """The JobReturn of a job that did not complete: asking for its value raises JobFailed."""

    @property
    def return_value(self) -> Any:
        """Raises JobFailed."""
        raise self._return_value

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


class FailedTrial(FailedReturn):
    """The same for a study that goes on: it raises once.

    The sweepers of Optuna and Nevergrad ask for the value of a failed job twice: to tell the study of the
    failure, and, where too many of a batch failed, to end the study by what is raised.
    """

    @property
    def return_value(self) -> Any:
        """Raises JobFailed when it is asked for the first time."""
        failure, self._return_value = self._return_value, None
        if failure is not None:
            raise failure

    @return_value.setter
    def return_value(self, value: Any) -> None:
        self._return_value = value


def job_return(planned: Planned, outcome: Outcome, failed: type[FailedReturn]) -> JobReturn:
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
