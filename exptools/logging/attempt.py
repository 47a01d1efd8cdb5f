"""What an attempt of a run does with what the attempts before it measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.logging.writers.base import Cut
from exptools.say import say

Saved = tuple[int, Mapping[str, Any]]  # the step of a snapshot, and where the files were then


class Attempt:
    """Of earlier attempts stays what this one does not measure again, so that every curve is one clean line.

    If it goes on from a snapshot, that is what had been written at the snapshot; else what has a smaller step
    than the first measurement of this attempt. The rest goes to `.orphaned/attempt-N/`.

    A run that measures before it has loaded a snapshot is taken for one that goes on from the newest. If it
    then saves one without having loaded any, it has begun anew after all.
    """

    def __init__(self, run_dir: Path, number: int, newest: Callable[[], Saved | None] = lambda: None) -> None:
        """number: from 1 on. newest: finds the snapshot that was saved last."""
        self.number = number
        self.has_begun = False  # the files are in order, and written
        self.is_presumed = False  # it goes on from a snapshot that it has not loaded
        self._run_dir = run_dir
        self._aside = rundir.aside(run_dir, number)
        self._newest = newest
        self._positions: Mapping[str, Any] = {}
        self._before_step: int | None = None
        self._first_step = 0

    @classmethod
    def first(cls) -> Attempt:
        """That of a logger without files."""
        attempt = cls(Path(), 1)
        attempt.has_begun = True
        return attempt

    def cut(self, name: str, step: int, position: Any = None) -> Cut:
        """What stays of the file of that name.

        step: of the first measurement that is for it. position: where this attempt itself has closed it
        before.
        """
        before = step if self._before_step is None else self._before_step
        return Cut(self._aside, before, position or self._positions.get(name))

    def decide(self, first_step: int) -> None:
        """The first measurement comes, at this step, and no snapshot was loaded."""
        newest = self._newest() if self.number > 1 else None
        self._first_step = first_step
        if newest is not None:
            self.is_presumed = True
            self._before_step, self._positions = newest[0] + 1, newest[1]

    def begin(self) -> None:
        """The files are cut."""
        self.has_begun = True
        if not self.is_presumed:
            self._tell(self._first_step)

    def go_on_from(self, step: int, positions: Mapping[str, Any]) -> None:
        """A snapshot of this step was loaded. positions: of the files then, by their names."""
        self._before_step, self._positions = step + 1, positions
        self.is_presumed = False
        self.has_begun = True
        say(f"{self._run_dir}: attempt {self.number} goes on from the snapshot of step {step:,}")

    def begin_anew(self) -> Cut:
        """It does not go on from the snapshot, after all: what stays is before its first step."""
        self.is_presumed = False
        self._before_step, self._positions = None, {}
        return Cut(self._aside, self._first_step)

    def _tell(self, step: int) -> None:
        if self._aside.exists():
            say(
                f"{self._run_dir}: attempt {self.number} begins at step {step:,}; what was measured from "
                f"there on before is kept in {self._aside.relative_to(self._run_dir)}"
            )
