"""A curve as one number."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exptools.errors import ViewError
from exptools.viewing.statistics import reductions
from exptools.viewing.statistics.reductions import Statistic, statistic

NAN, INF = math.nan, math.inf

X = np.array([20.0, 0.0, 10.0, 18.0, 20.0, NAN])
Y = np.array([9.0, 1.0, 7.0, 4.0, 2.0, 50.0])  # by x: 1, 7, 4, 2; the 9 is logged again


@pytest.mark.parametrize(
    ("name", "value", "frames"),
    [
        ("final", 2.0, 1),
        ("max", 7.0, 4),
        ("min", 1.0, 4),
        ("mean", 3.5, 4),
        ("tail", 3.0, 2),
        ("auc", 40 + 44 + 6, 4),
        ("auc_normalized", 4.5, 4),
    ],
)
def test_a_curve_as_one_number(name: str, value: float, frames: int) -> None:
    assert statistic(X, Y, name) == Statistic(value, frames, n_nan=0, left_out=1, replaced=1)


def test_the_tail_is_the_last_tenth_of_x_and_not_of_the_frames() -> None:
    x = np.array([*range(90), 90.0, 95.0, 100.0])

    assert statistic(x, x, "tail").value == 95.0
    assert statistic(np.arange(100.0), np.arange(100.0), "tail") == Statistic(94.5, 10, 0, 0, 0)
    assert statistic(np.array([0.0, 1.0]), np.array([3.0, 5.0]), "tail").value == 5.0


@pytest.mark.parametrize("name", reductions.NAMES)
def test_of_one_frame_it_is_that_value_and_its_area_is_nothing(name: str) -> None:
    got = statistic(np.array([5.0]), np.array([3.0]), name)

    assert got == Statistic(0.0 if name == "auc" else 3.0, 1, 0, 0, 0)


@pytest.mark.parametrize("name", reductions.NAMES)
def test_of_no_frame_it_is_nan(name: str) -> None:
    got = statistic(np.array([NAN]), np.array([3.0]), name)

    assert math.isnan(got.value) and (got.frames, got.n_nan, got.left_out) == (0, 0, 1)


@pytest.mark.parametrize("name", reductions.NAMES)
def test_nan_stays_nan_and_is_counted(name: str) -> None:
    first = statistic(np.arange(30.0), np.array([NAN, *range(29)], float), name)
    last = statistic(np.arange(30.0), np.array([*range(29), NAN], float), name)

    assert math.isnan(first.value) == (first.n_nan == 1) == (name not in ("final", "tail"))
    assert math.isnan(last.value) and last.n_nan == 1


def test_infinity_stays() -> None:
    x, y = np.arange(3.0), np.array([1.0, INF, 2.0])

    values = [statistic(x, y, name).value for name in ("final", "max", "min", "mean", "auc")]

    assert values == [2.0, INF, 1.0, INF, INF]
    assert math.isnan(statistic(x, np.array([INF, 0.0, -INF]), "auc").value)


def test_words_for_a_caption() -> None:
    assert reductions.words("tail") == "mean over the last 10 % of x"
    assert reductions.words("auc_normalized") == "area under the curve, divided by the range of x"


def test_another_name_is_refused() -> None:
    with pytest.raises(ViewError) as error:
        statistic(X, Y, "best")

    assert str(error.value) == (
        "there is no statistic 'best'; give one of final, max, min, mean, tail, auc, auc_normalized"
    )


FRAMES = st.lists(st.tuples(st.integers(-9, 9), st.integers(-20, 20)), min_size=1, max_size=9)


@given(FRAMES, st.sampled_from(sorted(reductions.NAMES)))
def test_a_number_is_what_it_is_by_definition(frames: list[tuple[int, int]], name: str) -> None:
    got = statistic(np.array([x for x, _ in frames]), np.array([y for _, y in frames]), name)

    assert got.value == pytest.approx(by_definition(sorted(dict(frames).items()), name), rel=1e-12)


def by_definition(curve: list[tuple[int, int]], name: str) -> float:
    x, y = [x for x, _ in curve], [y for _, y in curve]
    span = x[-1] - x[0]
    if name == "final":
        return y[-1]
    if name in ("max", "min"):
        return max(y) if name == "max" else min(y)
    if name in ("mean", "tail"):
        of = [b for a, b in curve if name == "mean" or 10 * (x[-1] - a) <= span]
        return sum(of) / len(of)
    area = sum((c - a) * (b + d) / 2 for (a, b), (c, d) in itertools.pairwise(curve))
    return area if name == "auc" else area / span if span else y[0]
