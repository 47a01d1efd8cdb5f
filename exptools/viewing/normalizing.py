"""Scores of different tasks on one scale: what of each task becomes 0 and what 1. Pure functions."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from typing import TypeAlias

from exptools.errors import ViewError
from exptools.viewing import compare

Ends: TypeAlias = Mapping[str, tuple[float, float]]  # per task what becomes 0 and what 1

_BY_TASK = re.compile(r"(?:(.*)=)?([^:=]+):([^:=]+)", re.DOTALL)


def ends(by_task: Mapping[str, Sequence[float]], asked: Sequence[str]) -> Ends:
    """Per task what becomes 0 and what 1; nothing if the scores are taken as they are.

    by_task: the scores of each task. asked: `minmax` for the least and the greatest score of each task,
    `LOW:HIGH` for all of them, `TASK=LOW:HIGH` for one.

    Raises:
        ViewError: what is none of these, a task that there is not, or one of which nothing is said.
    """
    found: dict[str | None, tuple[float, float]] = {}
    for text in asked:
        if text == "minmax":
            found |= {task: span for task, scores in by_task.items() if (span := _span(scores)) is not None}
        else:
            task, given = _given(text)
            if task is not None and task not in by_task:
                known = compare.listed(sorted(by_task))
                raise ViewError(f"normalize {text!r}: there is no task {task!r}; the tasks are: {known}")
            found[task] = given
    if not found:
        return {}
    lost = [task for task in by_task if task not in found and None not in found]
    if lost:
        raise ViewError(f"normalize says nothing of the task {lost[0]!r}; give {lost[0]}=LOW:HIGH, or minmax")
    return {task: found.get(task, found.get(None, (0.0, 1.0))) for task in by_task}


def _span(scores: Sequence[float]) -> tuple[float, float] | None:
    known = [score for score in scores if not math.isnan(score)]
    return (min(known), max(known)) if any(map(math.isfinite, known)) else None


def _given(text: str) -> tuple[str | None, tuple[float, float]]:
    match = _BY_TASK.fullmatch(text)
    if match is not None:
        task, low, high = match.groups()
        try:
            if float(low) != float(high):
                return task, (float(low), float(high))
        except ValueError:
            pass
    raise ViewError(f"normalize cannot be {text!r}; give minmax, LOW:HIGH or TASK=LOW:HIGH with two numbers")


def normalized(score: float, task: str, of: Ends) -> float:
    """`score` on the scale of its task. Where all scores of a task are one number that becomes 0."""
    if not of:
        return score
    low, high = of.get(task, (0.0, 1.0))
    return (score - low) / (high - low) if high != low else score - low
