"""Smoothing as TensorBoard's, and the best so far."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from exptools.errors import ViewError
from exptools.viewing.statistics.smoothing import running, smoothed

NAN, INF = math.nan, math.inf


@pytest.mark.parametrize(
    ("y", "weight", "expected"),
    [  # by exact fractions: after the k-th finite value the mean with weights w^(k-1), ..., w, 1
        ([], 0.6, []),
        ([3.0], 0.9, [3.0]),
        ([1.0, 0.5, 0.0], 0.6, [1.0, 11 / 16, 33 / 98]),
        ([0.0, 0.5, 1.0], 0.6, [0.0, 5 / 16, 65 / 98]),
        ([1.0, 2.0, 4.0, 8.0], 0.5, [1.0, 5 / 3, 3.0, 17 / 3]),
        ([1.0, 0.5, 0.0], 0.0, [1.0, 0.5, 0.0]),
        ([-INF, 1.0, NAN, INF, 0.5], 0.6, [-INF, 1.0, NAN, INF, 11 / 16]),
        ([NAN, NAN, 2.0, 4.0], 0.5, [NAN, NAN, 2.0, 10 / 3]),
        ([5.0, -5.0], 0.999, [5.0, -5.0 / 1999]),
    ],
)
def test_smoothing_is_tensorboards(y: list[float], weight: float, expected: list[float]) -> None:
    assert smoothed(np.array(y), weight) == pytest.approx(expected, rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("value", [0.3, INF, -INF, 0.0])
def test_a_constant_curve_is_not_touched(value: float) -> None:
    y = np.full(5, value)

    assert smoothed(y, 0.1).tolist() == y.tolist()


def test_smoothing_leaves_its_argument_alone() -> None:
    y = np.array([1.0, 2.0])

    smoothed(y, 0.5)
    smoothed(np.array([1.0, 1.0]), 0.5)[0] = 7.0

    assert y.tolist() == [1.0, 2.0]


@pytest.mark.parametrize(("weight", "said"), [(1.0, "1"), (-0.1, "-0.1"), (NAN, "nan"), (60, "60")])
def test_other_weights_are_refused(weight: float, said: str) -> None:
    with pytest.raises(ViewError) as error:
        smoothed(np.array([1.0, 2.0]), weight)

    assert str(error.value) == (f"smoothing of {said} is impossible; give 0 (none) or more, but less than 1")


VALUES = st.lists(st.floats(-1e6, 1e6) | st.sampled_from([NAN, INF, -INF, 1.0]), max_size=12)


@given(VALUES, st.floats(0, 0.99))
def test_smoothing_is_a_mean_with_falling_weights(y: list[float], weight: float) -> None:
    found = smoothed(np.array(y), weight)

    expected, before = [], []
    for value in y:
        if not math.isfinite(value):
            expected.append(value)
            continue
        before.append(value)
        falling = [weight**age for age in reversed(range(len(before)))]
        expected.append(math.fsum(w * v for w, v in zip(falling, before, strict=True)) / math.fsum(falling))
    assert found == pytest.approx(expected, rel=1e-9, abs=1e-6, nan_ok=True)


@given(VALUES, st.sampled_from(["max", "min"]))
def test_the_best_so_far_is_of_the_numbers_so_far(y: list[float], best: str) -> None:
    found = running(np.array(y), best)

    choose = max if best == "max" else min
    expected = [
        NAN if math.isnan(value) else choose(v for v in y[: at + 1] if not math.isnan(v))
        for at, value in enumerate(y)
    ]
    assert np.array_equal(found, np.array(expected), equal_nan=True)


def test_nan_stays_in_the_best_so_far_and_hides_nothing() -> None:
    assert repr(running(np.array([NAN, 1.0, NAN, 0.0, 3.0]), "max").tolist()) == "[nan, 1.0, nan, 1.0, 3.0]"
    assert repr(running(np.array([2.0, NAN, 1.0, 3.0]), "min").tolist()) == "[2.0, nan, 1.0, 1.0]"


def test_the_best_is_max_or_min() -> None:
    with pytest.raises(ViewError) as error:
        running(np.array([1.0]), "best")

    assert str(error.value) == "the best so far cannot be 'best'; give max or min"
