"""A job, and what is done if it does not complete: the same again, so often."""

from __future__ import annotations

import dataclasses
import logging
from collections.abc import Callable

from exptools.launching import report
from exptools.launching.engines.base import Engine
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import Slot
from exptools.rundir import State


class Attempts:
    """Runs a job, and again if it did not complete; each attempt in the same directory."""

    def __init__(
        self,
        engine: Engine,
        retries: int,
        log: logging.Logger,
        is_worth_it: Callable[[], bool] = lambda: True,
    ) -> None:
        """is_worth_it: whether a job that failed just now may be run again here."""
        self._is_worth_it = is_worth_it
        self._engine = engine
        self._retries = retries
        self._log = log

    def __call__(self, job: Job, slot: Slot) -> Outcome:
        """Run it on a slot; the outcome of the last attempt."""
        outcome = self._engine.run(job, slot)
        for retry in range(1, self._retries + 1):
            if outcome.ending.state not in (State.FAILED, State.TIMEOUT) or not self._is_worth_it():
                break
            how = f"{outcome.ending.state}: {outcome.ending.error}"
            self._log.warning(f"{report.title(job)} {how}; running it again, {retry} of {self._retries}")
            job = dataclasses.replace(job, attempt=job.attempt + 1)
            outcome = self._engine.run(job, slot)
        return outcome
