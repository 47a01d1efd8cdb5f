"""What went wrong, in a few lines: the runs that ended badly by their reason. Pure functions."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from exptools.rundir import DATA_WAS_LOST, State
from exptools.viewing.summary import why_failed

if TYPE_CHECKING:
    from exptools.viewing.api import Run

_MOST = 10  # reasons that are named


def told(runs: Iterable[Run]) -> list[str]:
    """A line for each reason why some of `runs` ended badly, the most frequent first: how many, why, and the
    log of one. Then one on those that could not write all that they measured.
    """
    runs = list(runs)
    by_reason: dict[tuple[State | None, str | None], list[Run]] = {}
    for run in runs:
        if _bad(run) and run.status is not None:
            by_reason.setdefault((run.state, why_failed(run.status)), []).append(run)
    reasons = sorted(by_reason.items(), key=lambda item: -len(item[1]))
    lines = [_line(failed, why) for (_, why), failed in reasons[:_MOST]]
    rest = reasons[_MOST:]
    if rest:
        count = sum(len(failed) for _, failed in rest)
        lines.append(
            f"{count} more runs ended badly, for {len(rest)} other reasons; "
            "to see them all add --columns state --columns error"
        )
    return lines + _losses(runs)


def _losses(runs: list[Run]) -> list[str]:
    notes = {run.name: run.status.note for run in runs if run.status is not None}
    lost = {name: note for name, note in notes.items() if note is not None and DATA_WAS_LOST in note}
    if not lost:
        return []
    first, note = next(iter(lost.items()))
    if len(lost) == 1:
        return [f"run {first}: {note}"]
    return [f"{len(lost)} runs could not write all that they measured (the first: {first}: {note})"]


def _bad(run: Run) -> bool:
    if run.place.part or run.state is None or run.state is State.COMPLETED:
        return False
    return run.state is State.STALE or run.state.ended


def _line(runs: list[Run], why: str | None) -> str:
    first, reason = runs[0], f": {why}" if why else ""
    if len(runs) == 1:
        return f"run {first.name} {first.state}{reason} (log: {first.log})"
    return f"{len(runs)} runs {first.state}{reason} (the first: {first.name}, log: {first.log})"
