"""Hydra's results of a sweep's jobs, whose configs are there when they are asked for.

A config takes hundreds of kilobytes as an object, and those of all jobs would be held at once.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hydra.core.utils import JobReturn
from hydra.errors import CompactHydraException
from omegaconf import DictConfig

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
