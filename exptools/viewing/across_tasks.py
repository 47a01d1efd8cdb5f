"""Results across tasks and seeds, as rliable computes them: a row per setting, whatever its tasks are.

IQM, mean, median and optimality gap of all scores of a setting, and how probable it is that one of its runs
beats one of another setting, each with the percentile interval of a bootstrap within the tasks.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

from exptools import words
from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.columns import FINAL
from exptools.viewing.groups import Group
from exptools.viewing.normalizing import Ends, ends, normalized
from exptools.viewing.results import Cell, Results, Row, labelled, notes_on_runs, value

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from exptools.viewing.api import Runs
    from exptools.viewing.statistics.scores import Estimate

_NUMBERS: Final = {"iqm": "IQM", "mean": "mean", "median": "median", "optimality_gap": "optimality gap"}
_REPETITIONS: Final = 5000
_LEVEL: Final = 95.0


def across_tasks(
    runs: Runs,
    tag: str,
    task: str,
    statistic: str = FINAL,
    normalize: Sequence[str] = (),
    gamma: float = 1.0,
    over: str | None = None,
) -> Results:
    """The results of `runs`: a row per setting, its runs of all tasks together.

    tag: the scalar whose `statistic` (see statistics.reductions) is the score of a run; greater is better.
    task: the config key that is the task. normalize: see normalizing.ends. gamma: what is good enough, of the
    optimality gap. over: the label of the setting that the others are compared with; None: the best by IQM.
    For the formulas see statistics.scores.

    Raises:
        ViewError: an argument that is not allowed; a tag or key that there is not, or several.
    """
    from exptools.viewing.figures import series
    from exptools.viewing.groups import Member
    from exptools.viewing.statistics import bands, reductions

    reductions.words(statistic)
    members = [Member(r.name, r.flat, r.place.part, str(r.place.sweep)) for r in runs]
    (key,) = series.resolved([task], members)
    found = _found(runs, tag, statistic)
    task_of = {member.name: compare.text(series.value(member, key)) for member in members}
    by_task: dict[str, list[float]] = {}
    for name, score in found.items():
        by_task.setdefault(task_of[name], []).append(score)
    scale = ends(by_task, normalize)
    groups = [group for group in series.merged(members, [key]) if any(n in found for n in group.runs)]
    scores = [_of_group(group, found, task_of, scale) for group in groups]
    numbers = [_numbers(of, gamma) for of in scores]
    reference = _reference(groups, numbers, over)
    tags = list(_NUMBERS.values())
    if len(groups) > 1:
        tags.append(f"P(better than {groups[reference].label})")
        for of, cells in zip(scores, numbers, strict=True):
            cells.append(_improvement(of, scores[reference], is_itself=of is scores[reference]))
    rows = tuple(
        Row(group, tuple(_cell(group, e) for e in of)) for group, of in zip(groups, numbers, strict=True)
    )
    better: dict[str, str | None] = dict.fromkeys(
        tags
    )  # who beats another the most often may not be the best
    better |= {**dict.fromkeys(_NUMBERS.values(), "max"), _NUMBERS["optimality_gap"]: "min"}
    keys, heads, labels = labelled(groups)
    notes = (
        *notes_on_runs([run for run in runs if run.name in found], groups, is_merged=True),
        *_notes(tag, groups, scores, by_task, [r.name for r in runs], found),
    )
    band = bands.parse(f"ci{_LEVEL:g}")
    what = _what(tag, statistic, len(by_task), normalize, gamma)
    return Results(heads, keys, labels, tuple(tags), rows, FINAL, band, better, notes, what=what)


def _found(runs: Runs, tag: str, statistic: str) -> dict[str, float]:
    """The score of each run that has one."""
    found: dict[str, float] = {}
    tags: dict[str, None] = {}
    for run, reading in runs.readings(tag):
        for name, curve in reading.curves.items():
            tags[name] = None
            if len(curve):
                found[run.name] = value(curve, statistic)
    if len(tags) > 1:
        names = compare.listed(list(tags))
        raise ViewError(f"scores are of one scalar, and {tag!r} names {len(tags)}: {names}; name one")
    if not found:
        raise ViewError(f"no run has logged a value of {tag!r} yet; try again later")
    return found


def _of_group(
    group: Group, found: Mapping[str, float], task_of: Mapping[str, str], scale: Ends
) -> dict[str, NDArray[np.float64]]:
    """Per task the scores of the runs of `group`, in the order of the tasks' names."""
    import numpy as np

    by_task: dict[str, list[float]] = {}
    for name in group.runs:
        if name in found:
            task = task_of[name]
            by_task.setdefault(task, []).append(normalized(found[name], task, scale))
    return {task: np.array(by_task[task]) for task in sorted(by_task)}


def _numbers(of: Mapping[str, NDArray[np.float64]], gamma: float) -> list[Estimate]:
    from exptools.viewing.statistics.scores import estimate

    tasks = list(of.values())
    return [estimate(tasks, name, gamma=gamma, level=_LEVEL, repetitions=_REPETITIONS) for name in _NUMBERS]


def _reference(groups: Sequence[Group], numbers: Sequence[Sequence[Estimate]], over: str | None) -> int:
    """The position of the setting that others are compared with."""
    labels = [group.label for group in groups]
    if over is not None:
        wrong = compare.unmatched("setting", [over], labels)
        if wrong is not None or over not in labels:
            raise ViewError(
                wrong or f"over {over!r} is no label of a setting; give one of: {'; '.join(labels)}"
            )
        return labels.index(over)
    iqm = [float(of[0].value) for of in numbers]
    return max(range(len(iqm)), key=lambda i: -math.inf if math.isnan(iqm[i]) else iqm[i])


def _improvement(
    of: Mapping[str, NDArray[np.float64]], reference: Mapping[str, NDArray[np.float64]], *, is_itself: bool
) -> Estimate:
    """Nothing where the two have not the same tasks, and of the reference itself."""
    import numpy as np

    from exptools.viewing.statistics.scores import Estimate, probability_of_improvement

    if is_itself or of.keys() != reference.keys():
        return Estimate(np.array(np.nan), np.array(np.nan), np.array(np.nan), 0, 0)
    both = list(of.values()), list(reference.values())
    found = probability_of_improvement(*both, level=_LEVEL, repetitions=_REPETITIONS)
    return Estimate(found.value, found.low, found.high, sum(map(len, both[0])), found.n_nan)


def _cell(group: Group, found: Estimate) -> Cell:
    numbers = (float(found.value), float(found.low), float(found.high))
    return Cell(found.n, len(group.runs), found.n_nan, *numbers)


def _what(tag: str, statistic: str, n_tasks: int, normalize: Sequence[str], gamma: float) -> str:
    from exptools.viewing.statistics import reductions

    scale = f" (normalised by {', '.join(normalize)})" if normalize else ""
    return (
        f"{reductions.words(statistic)} of {tag}{scale} over {words.count(n_tasks, 'task')}: "
        f"[{_LEVEL:g} % stratified bootstrap CI]; optimality gap to {gamma:g}"
    )


def _notes(
    tag: str,
    groups: Sequence[Group],
    scores: Sequence[Mapping[str, Any]],
    by_task: Mapping[str, Sequence[float]],
    every: Sequence[str],
    found: Mapping[str, float],
) -> Iterator[str]:
    of = words.count(len(every), "run")
    missing = [name for name in every if name not in found]
    if missing:
        yield f"{tag}: missing in {len(missing)} of {of}: {compare.listed(missing)}"
    odd = [name for name, score in found.items() if not math.isfinite(score)]
    if odd:
        yield f"{tag}: nan or infinite in {words.count(len(odd), 'run')}: {compare.listed(odd)}"
    lacks = [
        f"{group.label or 'all'} ({', '.join(lost)})"
        for group, its in zip(groups, scores, strict=True)
        if (lost := [task for task in by_task if task not in its])
    ]
    if lacks:
        yield f"not every setting has a run of every task: {compare.listed(lacks)}"
