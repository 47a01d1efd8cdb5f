"""Scores across tasks and runs: what rliable computes (Agarwal et al. 2021, arXiv:2108.13264), by its rules.

Scores are a matrix of shape (runs, tasks), or a sequence of one array of shape (runs,) for each task where
the tasks have different numbers of runs. What rliable computes over the flattened matrix (IQM, optimality
gap, performance profile) is computed over all scores then, each counting the same, so a task of more runs
weighs more; what it computes over tasks (mean, median, probability of improvement) weighs all tasks the same.

A score of nan makes nan of what it goes into; a profile alone takes it, as rliable does, for a score that is
above no threshold. It is counted in either case.

Intervals are percentile intervals of a stratified bootstrap: the runs of each task are drawn with
replacement, as many as it has. With one run in every task they have no width: nothing can be drawn but that.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

import numpy as np

from exptools.errors import ViewError
from exptools.viewing.statistics import order
from exptools.viewing.statistics.order import Floats

Scores: TypeAlias = Floats | Sequence[Floats]  # (runs, tasks), or one (runs,) per task
_Tasks: TypeAlias = Sequence[Floats]  # one (..., runs) per task
_Reduced: TypeAlias = Callable[[Sequence[_Tasks]], Floats]

NAMES: Final = {  # name -> words for a caption
    "iqm": "IQM",
    "mean": "mean",
    "median": "median",
    "optimality_gap": "optimality gap",
}
PROFILES: Final = {"runs": "fraction of runs above", "tasks": "fraction of tasks whose mean is above"}


_SHAPES: Final = (
    "scores are a matrix of shape (runs, tasks), or a list of one array of shape (runs,) for each task"
)


@dataclass(frozen=True)
class Estimate:
    """value, low, high: float64, of shape () or (thresholds,); low and high are nan where value is.

    n: how many scores it is of. n_nan: how many of them are nan.
    """

    value: Floats
    low: Floats
    high: Floats
    n: int
    n_nan: int


@dataclass(frozen=True)
class _Drawing:
    """How an interval is found."""

    level: float
    repetitions: int
    seed: int


def estimate(
    scores: Scores,
    name: str,
    *,
    gamma: float = 1.0,
    level: float = 95,
    repetitions: int = 20_000,
    seed: int = 0,
) -> Estimate:
    """One number for all `scores`, and its interval of `level` %.

    iqm: the mean of all scores without the int(n / 4) least and as many greatest. mean, median: of the
    tasks' means. optimality_gap: gamma minus the mean of all scores, those above gamma taken for gamma.

    Raises:
        ViewError: there is no such number; scores that are none; a level or repetitions that are not allowed.
    """
    if name not in NAMES:
        raise ViewError(f"there is no score {name!r}; give one of {', '.join(NAMES)}")

    def reduced(of: Sequence[_Tasks]) -> Floats:
        return _gap(of[0], gamma) if name == "optimality_gap" else _SIMPLE[name](of[0])

    return _estimated(reduced, [_tasks(scores)], 1, _Drawing(level, repetitions, seed))


def profile(
    scores: Scores,
    thresholds: Sequence[float] | Floats,
    *,
    of: str = "runs",
    level: float = 95,
    repetitions: int = 2000,
    seed: int = 0,
) -> Estimate:
    """For each of `thresholds` the share of scores that are greater, and its interval of `level` %.

    of: "runs" for the share of all scores (rliable's run_score_deviation), "tasks" for the share of tasks
    whose mean is greater (its mean_score_deviation).

    Raises:
        ViewError: `of` is neither; no thresholds; scores that are none; a level or repetitions that are not
            allowed.
    """
    if of not in PROFILES:
        raise ViewError(f"a profile cannot be of {of!r}; give {' or '.join(PROFILES)}")
    taus = np.asarray(thresholds, np.float64)

    def reduced(sampled: Sequence[_Tasks]) -> Floats:
        values = _pooled(sampled[0]) if of == "runs" else _means(sampled[0])
        shares: Floats = (values[..., None, :] > taus[:, None]).mean(axis=-1)
        return shares

    if not taus.size:
        raise ViewError("there are no thresholds, so there is no profile; give at least one")
    return _estimated(reduced, [_tasks(scores)], taus.size, _Drawing(level, repetitions, seed))


def probability_of_improvement(
    scores: Scores, over: Scores, *, level: float = 95, repetitions: int = 2000, seed: int = 0
) -> Estimate:
    """How probable it is that a run of `scores` beats one of `over` on a task chosen at random; its interval.

    On each task the share of the pairs of runs in which that of `scores` is greater, a tie counting half:
    the Mann-Whitney U statistic over the number of pairs. Of these the mean over the tasks, which must be
    the same in both and in one order. The bootstrap draws from both.

    Raises:
        ViewError: the tasks are not as many; scores that are none; a level or repetitions that are not
            allowed.
    """
    both = [_tasks(scores), _tasks(over)]
    if len(both[0]) != len(both[1]):
        raise ViewError(
            f"the scores are of {len(both[0])} and {len(both[1])} tasks; give both for the same tasks"
        )
    largest = max(max(len(task) for task in tasks) for tasks in both)
    return _estimated(_improvement, both, largest, _Drawing(level, repetitions, seed))


# --- the numbers, over leading axes ----------------------------------------------------------------------


def _means(tasks: _Tasks) -> Floats:
    return np.stack([task.mean(axis=-1) for task in tasks], axis=-1)


def _pooled(tasks: _Tasks) -> Floats:
    return np.concatenate(tasks, axis=-1)


def _gap(tasks: _Tasks, gamma: float) -> Floats:
    gap: Floats = gamma - np.minimum(_pooled(tasks), gamma).mean(axis=-1)
    return gap


def _mean(tasks: _Tasks) -> Floats:
    mean: Floats = _means(tasks).mean(axis=-1)
    return mean


_SIMPLE: Final[dict[str, Callable[[_Tasks], Floats]]] = {
    "iqm": lambda tasks: order.middle(np.sort(_pooled(tasks), axis=-1), "iqm"),
    "mean": _mean,
    "median": lambda tasks: order.middle(np.sort(_means(tasks), axis=-1), "median"),
}


def _improvement(both: Sequence[_Tasks]) -> Floats:
    shares = [_above(x[..., :, None], y[..., None, :]) for x, y in zip(*both, strict=True)]
    improvement: Floats = np.stack(shares, axis=-1).mean(axis=-1)
    return improvement


def _above(x: Floats, y: Floats) -> Floats:
    """The share of pairs, the last two axes, in which x is greater; ties count half; nan if one is nan."""
    pairs = (-2, -1)
    share = ((x > y).mean(axis=pairs) + (x >= y).mean(axis=pairs)) / 2
    return np.where(np.isnan(x).any(axis=pairs) | np.isnan(y).any(axis=pairs), np.nan, share)


# --- from the outside, and by the bootstrap --------------------------------------------------------------


def _tasks(scores: Scores) -> list[Floats]:
    """One array of shape (runs,) for each task."""
    if isinstance(scores, np.ndarray) and scores.ndim != 2:
        raise ViewError(f"{_SHAPES}, not an array of shape {scores.shape}")
    tasks = list(scores.T) if isinstance(scores, np.ndarray) else scores
    wrong = [task for task in tasks if not isinstance(task, np.ndarray) or task.ndim != 1]
    if wrong:  # a list of lists might be meant by runs or by tasks
        raise ViewError(f"{_SHAPES}, not a list of a {type(wrong[0]).__name__} of shape {np.shape(wrong[0])}")
    if not tasks:
        raise ViewError("there are no tasks, so there is no score; give at least one")
    empty = [number for number, task in enumerate(tasks, 1) if not task.size]
    if empty:
        raise ViewError(f"task {empty[0]} of {len(tasks)} has no score; give at least one, or leave it out")
    return [task.astype(np.float64) for task in tasks]


def _estimated(reduced: _Reduced, of: Sequence[list[Floats]], weight: int, drawing: _Drawing) -> Estimate:
    """What `reduced` makes of `of`, one list of tasks or several; weight: numbers it holds for each score."""
    if not 0 < drawing.level < 100:
        raise ViewError(f"an interval cannot be of {drawing.level:g} %; give a level between 0 and 100")
    order.at_least(1, "repetitions", drawing.repetitions)
    every = np.concatenate([task for tasks in of for task in tasks])
    with np.errstate(all="ignore"):  # inf - inf is nan here, and means to be
        value = np.asarray(reduced(of))
        sampled = np.concatenate([reduced(some) for some in _resamples(of, weight * every.size, drawing)])
        fractions = (100 - drawing.level) / 200, (100 + drawing.level) / 200
        low, high = order.quantiles(np.moveaxis(sampled, 0, -1), fractions)
    known = ~np.isnan(value)
    return Estimate(
        value,
        np.where(known, low, np.nan),
        np.where(known, high, np.nan),
        every.size,
        int(np.isnan(every).sum()),
    )


def _resamples(of: Sequence[list[Floats]], size: int, drawing: _Drawing) -> Iterator[list[list[Floats]]]:
    """`of` again and again, a few repetitions at once, as arrays of shape (repetitions, runs)."""
    generator = np.random.default_rng(drawing.seed)
    at_once = max(1, order.BUDGET // size)
    for start in range(0, drawing.repetitions, at_once):
        rows = min(at_once, drawing.repetitions - start)
        yield [
            [task[generator.integers(task.size, size=(rows, task.size))] for task in tasks] for tasks in of
        ]
