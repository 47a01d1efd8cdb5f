"""The status of a run. Where exptools wrote none (a bare Hydra tree) it is unknown: nothing is guessed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exptools import rundir
from exptools.errors import RunDirError
from exptools.rundir import Status
from exptools.viewing.problem import Problem


@dataclass(frozen=True)
class StatusReading:
    """status: None where it is unknown."""

    status: Status | None
    problems: tuple[Problem, ...] = ()


def read(home: Path) -> StatusReading:
    """What status.json in `home` says."""
    try:
        return StatusReading(rundir.read_status(home))
    except RunDirError as error:
        return StatusReading(None, (Problem.of_json(home / rundir.STATUS, error),))
