"""What an attempt of a run does with what the attempts before it measured."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.logging.writers.base import Cut
from exptools.say import say


class Attempt:
    """Of earlier attempts stays what this one does not measure again, so that every curve is one clean line.

    If it goes on from a snapshot, that is what had been written at the snapshot; else what has a smaller step than
    the first measurement of this attempt. The rest goes to `.orphaned/attempt-N/`.
    """

    def __init__(self, run_dir: Path, number: int) -> None:
        """number: from 1 on."""
        self.number = number
        self._run_dir = run_dir
        self._aside = rundir.aside(run_dir, number)
        self._positions: Mapping[str, Any] = {}
        self.has_begun = False

    @classmethod
    def first(cls) -> Attempt:
        """That of a logger without files."""
        attempt = cls(Path(), 1)
        attempt.has_begun = True
        return attempt

    def cut(self, name: str, step: int, position: Any = None) -> Cut:
        """What stays of the file of that name. position: where this attempt itself has closed it before."""
        return Cut(self._aside, step, position or self._positions.get(name))

    def begin(self, step: int) -> None:
        """The first measurement comes, at this step, and the files are cut."""
        self.has_begun = True
        self._tell(f"begins at step {step:,}")

    def go_on_from(self, step: int, positions: Mapping[str, Any]) -> None:
        """The run goes on from a snapshot of this step; positions: of the files then, by their names."""
        self._positions = positions
        self.has_begun = True
        say(f"{self._run_dir}: attempt {self.number} goes on from the snapshot of step {step:,}")

    def _tell(self, what: str) -> None:
        if self._aside.exists():
            say(
                f"{self._run_dir}: attempt {self.number} {what}; what was measured from there on before "
                f"is kept in {self._aside.relative_to(self._run_dir)}"
            )
