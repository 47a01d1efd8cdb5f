"""Scores across tasks and runs: equal to rliable's, and to their definitions where rliable has no answer."""

from __future__ import annotations

import itertools
import json
import math
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exptools.errors import ViewError
from exptools.viewing.statistics import order, scores
from exptools.viewing.statistics.scores import Estimate, estimate, probability_of_improvement, profile

EXAMPLES = json.loads((Path(__file__).parent / "rliable_examples.json").read_text())
NAN, INF = math.nan, math.inf
Tasks = list[list[float]]  # a list of scores for each task


def arrays(tasks: Tasks) -> list[NDArray[np.float64]]:
    return [np.array(task, float) for task in tasks]


# --- what rliable says -----------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(np.shape(example["A"])))
def test_numbers_are_rliables(example: dict[str, Any]) -> None:
    a, b, expected = np.array(example["A"]), np.array(example["B"]), example["expected"]

    found = {name: estimate(a, name, repetitions=1).value.item() for name in scores.NAMES}
    found["optimality_gap_gamma1"] = found.pop("optimality_gap")
    found["probability_of_improvement_A_over_B"] = probability_of_improvement(a, b).value.item()

    assert found == pytest.approx({name: expected[name] for name in found}, rel=1e-12)
    assert profile(a, example["taus"]).value == pytest.approx(expected["profile"], rel=1e-12)


@pytest.mark.parametrize("name", ["iqm", "mean"])
@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: str(np.shape(example["A"])))
def test_intervals_are_rliables(example: dict[str, Any], name: str) -> None:
    """Both are quantiles of 20,000 repetitions, whose ranks vary by sqrt(p (1 - p) / 20,000) of them.

    So their answer lies between our quantiles at p less and p more five times what the difference of the
    two varies by: whatever the distribution is, ties and all, that fails once in a million.
    """
    low, high = example["expected"][f"{name}_ci95_20000_reps"]
    slack = 5 * math.sqrt(2 * 0.025 * 0.975 / 20_000)

    wider, narrower = (
        estimate(np.array(example["A"]), name, level=95 + 200 * shift, repetitions=20_000)
        for shift in (slack, -slack)
    )

    assert wider.low <= low <= narrower.low
    assert narrower.high <= high <= wider.high


def test_of_one_run_in_each_task_the_interval_has_no_width() -> None:
    got = estimate(np.array([[1.0, 5.0, 2.0, 8.0]]), "iqm")

    assert got == Estimate(np.array(3.5), np.array(3.5), np.array(3.5), n=4, n_nan=0)


# --- by definition ---------------------------------------------------------------------------------------


def mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def by_definition(tasks: Tasks, name: str, gamma: float = 1.0) -> float:
    pooled = sorted(score for task in tasks for score in task)
    if name == "iqm":
        return mean(pooled[int(0.25 * len(pooled)) : len(pooled) - int(0.25 * len(pooled))])
    if name == "optimality_gap":
        return mean([gamma - min(score, gamma) for score in pooled])
    means = [mean(task) for task in tasks]
    return mean(means) if name == "mean" else statistics.median(means)


SCORE = st.integers(-6, 12).map(lambda k: k / 4)
TASKS = st.lists(st.lists(SCORE, min_size=1, max_size=5), min_size=1, max_size=5)


@given(TASKS, st.sampled_from(sorted(scores.NAMES)), st.sampled_from([1.0, -0.5, 2.25]))
def test_numbers_of_ragged_tasks_are_what_they_are_by_definition(
    tasks: Tasks, name: str, gamma: float
) -> None:
    got = estimate(arrays(tasks), name, gamma=gamma, repetitions=1)

    assert got.value.item() == pytest.approx(by_definition(tasks, name, gamma), rel=1e-12, abs=1e-12)
    assert (got.n, got.n_nan) == (sum(map(len, tasks)), 0)


@given(TASKS, st.lists(SCORE, min_size=1, max_size=4))
def test_a_profile_is_what_is_strictly_above(tasks: Tasks, taus: list[float]) -> None:
    of_runs, of_tasks = (profile(arrays(tasks), taus, of=of, repetitions=1) for of in ("runs", "tasks"))

    pooled = [score for task in tasks for score in task]
    assert of_runs.value == pytest.approx([mean([s > tau for s in pooled]) for tau in taus])
    means = [np.mean(task) for task in tasks]
    assert of_tasks.value == pytest.approx([mean([m > tau for m in means]) for tau in taus])


@given(TASKS, st.data())
def test_improvement_counts_pairs_and_ties_half(tasks: Tasks, data: st.DataObject) -> None:
    over = data.draw(
        st.lists(st.lists(SCORE, min_size=1, max_size=5), min_size=len(tasks), max_size=len(tasks))
    )

    got = probability_of_improvement(arrays(tasks), arrays(over), repetitions=1)

    shares = [
        mean([1.0 if a > b else 0.5 if a == b else 0.0 for a, b in itertools.product(x, y)])
        for x, y in zip(tasks, over, strict=True)
    ]
    assert got.value.item() == pytest.approx(mean(shares), rel=1e-12)
    assert got.n == sum(map(len, tasks)) + sum(map(len, over))


@given(st.lists(st.lists(SCORE, min_size=3, max_size=3), min_size=1, max_size=4))
def test_a_matrix_is_runs_by_tasks(tasks: Tasks) -> None:
    matrix = np.array(tasks).T

    for name in scores.NAMES:
        assert estimate(matrix, name, repetitions=9) == estimate(arrays(tasks), name, repetitions=9)


@pytest.mark.parametrize("budget", [order.BUDGET, 100])
@pytest.mark.parametrize("name", scores.NAMES)
def test_an_interval_is_that_of_all_resamples_within_tasks(
    name: str, budget: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(order, "BUDGET", budget)  # the work is done in one piece, or in 1250
    tasks = [[0.0, 1.0, 5.0], [0.25, 0.5], [2.0]]

    got = estimate(arrays(tasks), name, level=80, repetitions=20_000)

    resampled = itertools.product(*(itertools.product(task, repeat=len(task)) for task in tasks))
    every = np.array([by_definition([list(task) for task in some], name) for some in resampled])
    slack = 5 * math.sqrt(0.1 * 0.9 / 20_000)
    for end, p in ((got.low, 0.1), (got.high, 0.9)):
        assert np.quantile(every, p - slack) - 1e-12 <= end <= np.quantile(every, p + slack) + 1e-12


def test_an_improvement_draws_from_both_and_a_profile_within_tasks() -> None:
    a, b = [[0.0, 2.0]], [[1.0, 3.0]]  # in one of 16 resamples each run of a beats each of b

    better = probability_of_improvement(arrays(a), arrays(b), level=99.9)
    shares = profile(arrays([[0.0, 2.0], [5.0, 5.0]]), [1.0], level=99)

    assert (better.low.item(), better.value.item(), better.high.item()) == (0.0, 0.25, 1.0)
    assert (shares.low.tolist(), shares.value.tolist(), shares.high.tolist()) == ([0.5], [0.75], [1.0])


def test_intervals_are_reproducible_and_have_their_own_generator() -> None:
    matrix = np.random.RandomState(5).random_sample((9, 4))
    np.random.seed(0)

    one, two, other = (estimate(matrix, "iqm", seed=seed) for seed in (1, 1, 2))

    assert one == two
    assert one.value == other.value and one.low != other.low
    assert np.random.random() == np.random.RandomState(0).random()


# --- nan and inf -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", scores.NAMES)
def test_nan_stays_nan_and_is_counted(name: str) -> None:
    got = estimate(arrays([[1.0, NAN, 2.0, 3.0], [4.0, 5.0, 6.0, 7.0]]), name)

    assert np.isnan([got.value, got.low, got.high]).all()
    assert (got.n, got.n_nan) == (8, 1)


@pytest.mark.parametrize(
    ("one", "other"), [([[1.0, NAN], [2.0]], [[1.0], [2.0]]), ([[1.0], [2.0]], [[1.0, NAN], [2.0]])]
)
def test_nan_stays_nan_in_an_improvement(one: Tasks, other: Tasks) -> None:
    got = probability_of_improvement(arrays(one), arrays(other))

    assert np.isnan([got.value, got.low, got.high]).all()
    assert (got.n, got.n_nan) == (5, 1)


def test_there_is_no_interval_around_nan_though_no_resample_may_hold_it() -> None:
    lows = [estimate(arrays([[NAN, 1.0]]), "mean", repetitions=1, seed=seed).low for seed in range(9)]

    assert np.isnan(lows).all()


def test_nan_is_above_no_threshold() -> None:
    of_runs, of_tasks = (profile(arrays([[NAN, 2.0], [2.0, 2.0]]), [1.0], of=of) for of in ("runs", "tasks"))

    assert (of_runs.value.tolist(), of_runs.n_nan) == ([0.75], 1)
    assert of_tasks.value.tolist() == [0.5]


def test_infinity_is_a_score() -> None:
    tasks = arrays([[INF, 1.0, 2.0, 3.0]])

    assert [estimate(tasks, name).value.item() for name in scores.NAMES] == [2.5, INF, INF, 0.0]
    assert probability_of_improvement(tasks, arrays([[INF]])).value.item() == 0.125


# --- what is refused -------------------------------------------------------------------------------------

SHAPES = "scores are a matrix of shape (runs, tasks), or a list of one array of shape (runs,) for each task"


@pytest.mark.parametrize(
    ("given_scores", "said"),
    [
        (np.zeros(3), f"{SHAPES}, not an array of shape (3,)"),
        ([[1.0, 2.0], [3.0, 4.0]], f"{SHAPES}, not a list of a list of shape (2,)"),
        ([np.zeros((2, 3))], f"{SHAPES}, not a list of a ndarray of shape (2, 3)"),
        ([], "there are no tasks, so there is no score; give at least one"),
        (np.zeros((3, 0)), "there are no tasks, so there is no score; give at least one"),
        (arrays([[1.0], []]), "task 2 of 2 has no score; give at least one, or leave it out"),
    ],
)
def test_what_are_no_scores_is_refused(given_scores: Any, said: str) -> None:
    with pytest.raises(ViewError) as error:
        estimate(given_scores, "iqm")

    assert str(error.value) == said


def refusal(arguments: dict[str, Any], function: Any = estimate) -> str:
    with pytest.raises(ViewError) as error:
        function(np.ones((2, 2)), **arguments)
    return str(error.value)


def test_what_is_not_allowed_is_refused() -> None:
    assert refusal({"name": "best"}) == (
        "there is no score 'best'; give one of iqm, mean, median, optimality_gap"
    )
    assert refusal({"name": "iqm", "level": 100}) == (
        "an interval cannot be of 100 %; give a level between 0 and 100"
    )
    assert refusal({"name": "iqm", "repetitions": 0}) == "repetitions of 0 is too few; give 1 or more"
    assert refusal({"thresholds": [1], "of": "both"}, profile) == (
        "a profile cannot be of 'both'; give runs or tasks"
    )
    assert refusal({"thresholds": []}, profile) == (
        "there are no thresholds, so there is no profile; give at least one"
    )
    assert refusal({"over": np.ones((2, 3))}, probability_of_improvement) == (
        "the scores are of 2 and 3 tasks; give both for the same tasks"
    )
