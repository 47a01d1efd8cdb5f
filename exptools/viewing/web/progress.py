"""How far a sweep is, in words."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exptools.rundir import State

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs


@dataclass(frozen=True)
class Progress:
    """counts: runs by state, None for unknown. ended, total: of those whose state is known. left_s: about how
    long the rest will take; None where nobody can say.
    """

    counts: dict[State | None, int]
    ended: int
    total: int
    left_s: float | None


def progress(runs: Runs) -> Progress:
    """How far `runs` are."""
    homes = {run.place.home: run for run in runs}.values()  # parts of a run are not runs of the sweep
    counts = Counter(run.state for run in homes)
    in_order = {state: counts[state] for state in (*State, None) if counts[state]}
    known = [run for run in homes if run.status is not None]
    ended = sum(run.state is not None and run.state.ended for run in known)
    return Progress(in_order, ended, len(known), _left(known))


def _left(runs: Sequence[Run]) -> float | None:
    """What waits and what runs takes as long as what has completed did, on as many slots as are busy now."""
    now = time.time()
    took = [_took(run, now) for run in runs if run.state is State.COMPLETED]
    running = [_took(run, now) for run in runs if run.state is State.RUNNING]
    if not took or not running:
        return None
    usual = sum(took) / len(took)
    waiting = sum(run.state is State.QUEUED for run in runs)
    work = waiting * usual + sum(max(0.0, usual - so_far) for so_far in running)
    return work / len(running)


def _took(run: Run, now: float) -> float:
    return (run.status.duration_s(now) if run.status is not None else None) or 0.0
