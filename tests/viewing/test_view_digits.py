"""A mean and its interval, in as many digits as are known."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exptools.viewing.digits import Rounded, rounded

NAN = math.nan


@pytest.mark.parametrize(
    ("mean", "half", "texts"),
    [
        (0.91234, 0.0129, ("0.912", "0.013", "0.899", "0.925", 0)),
        (0.91234, 0.0996, ("0.91", "0.10", "0.81", "1.01", 0)),
        (0.9, 0.00999, ("0.900", "0.010", "0.890", "0.910", 0)),
        (123.4, 12.34, ("123", "12", "111", "136", 0)),
        (1234.5, 123.0, ("1230", "120", "1110", "1360", 0)),
        (3.0, 120.0, ("0", "120", "-120", "120", 0)),
        (1.2e-7, 3e-9, ("1.200", "0.030", "1.170", "1.230", -7)),
        (1.5e7, 2e5, ("1.500", "0.020", "1.480", "1.520", 7)),
        (999999.0, 0.5, ("999999.00", "0.50", "999998.50", "999999.50", 0)),
        (-0.001, 0.5, ("0.00", "0.50", "-0.50", "0.50", 0)),
        (0.0, 0.1, ("0.00", "0.10", "-0.10", "0.10", 0)),
        (5.0, 0.0, ("5", "0", "5", "5", 0)),
        (123456789.0, 0.0, ("1.2346", "0", "1.2346", "1.2346", 8)),
    ],
)
def test_the_interval_says_how_many_digits(
    mean: float, half: float, texts: tuple[str, str, str, str, int]
) -> None:
    assert rounded(mean, mean - half, mean + half) == Rounded(*texts)


@pytest.mark.parametrize(
    ("mean", "text", "exponent"),
    [
        (0.123456789, "0.12346", 0),
        (1e-7, "1", -7),
        (123456789.0, "1.2346", 8),
        (99999.9, "100000", 0),
        (-1.5, "-1.5", 0),
        (100.0, "100", 0),
        (0.0, "0", 0),
        (NAN, "nan", 0),
        (-math.inf, "-inf", 0),
    ],
)
def test_a_number_alone_has_five_digits(mean: float, text: str, exponent: int) -> None:
    assert rounded(mean, NAN, NAN) == Rounded(text, exponent=exponent)


NUMBERS = st.floats(allow_nan=False, allow_infinity=False)


@given(NUMBERS, NUMBERS, NUMBERS)
def test_what_is_shown_is_within_a_twentieth_of_half_the_interval(a: float, b: float, c: float) -> None:
    low, mean, high = sorted((a, b, c))
    shown = rounded(mean, low, high)
    half = Decimal((high - low) / 2)

    if shown.half not in (None, "0"):
        exact = [Decimal(x).scaleb(-shown.exponent) for x in (mean, low, high)]
        for text, value in zip((shown.mean, shown.low, shown.high), exact, strict=True):
            assert abs(Decimal(text) - value) <= half.scaleb(-shown.exponent) * Decimal("0.0500001")
        assert len(shown.half.strip("0.").replace(".", "")) <= 2
