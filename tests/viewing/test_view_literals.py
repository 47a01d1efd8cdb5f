"""Values as somebody types them, and back."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exptools.errors import ViewError
from exptools.viewing.literals import literal, split, value_of


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1),
        ("-3", -3),
        ("1_000", 1000),
        ("1e-3", 0.001),
        (".5", 0.5),
        ("1.", 1.0),
        ("inf", math.inf),
        ("-Inf", -math.inf),
        ("true", True),
        ("False", False),
        ("null", None),
        ("None", "None"),
        ("yes", "yes"),
        ("0x10", "0x10"),
        ("1__0", "1__0"),
        ("2026-11-26", "2026-11-26"),
        (" padded ", "padded"),
        ("", ""),
        ("it's", "it's"),
        ("'1'", "1"),
        ('"true"', "true"),
        (r"'don\'t'", "don't"),
        ("[]", []),
        ("[1, [a, 'b, c'], null]", [1, ["a", "b, c"], None]),
        ("{}", {}),
        ("{a: 1}", "{a: 1}"),
    ],
)
def test_what_is_typed_has_a_type(text: str, value: Any) -> None:
    got = value_of(text)

    assert (got, type(got)) == (value, type(value))


def test_nan_is_a_number() -> None:
    assert math.isnan(value_of("nan")) and math.isnan(value_of("NaN"))


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("'a", "'a: the quote is not closed; close it, or write \\'"),
        ("'a'b", "'a'b: the quote is not closed; close it, or write \\'"),
        ("[1, 2", "[1, 2: the bracket is not closed; write a list as [1, 2]"),
    ],
)
def test_what_is_not_closed_is_refused(text: str, error: str) -> None:
    with pytest.raises(ViewError) as caught:
        value_of(text)

    assert str(caught.value) == error


@pytest.mark.parametrize(
    ("text", "items"),
    [
        ("a", ["a"]),
        ("a,b", ["a", "b"]),
        ("'a,b',c", ["'a,b'", "c"]),
        ("[1,2],[3]", ["[1,2]", "[3]"]),
        ("it's,b", ["it's", "b"]),
        ("['a]',b],c", ["['a]',b]", "c"]),
        ("[null, '['],null", ["[null, '[']", "null"]),
        ("a,", ["a", ""]),
    ],
)
def test_commas_inside_quotes_and_brackets_part_nothing(text: str, items: list[str]) -> None:
    assert split(text) == items


SCALARS = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(allow_nan=False), st.text())


@given(st.one_of(SCALARS, st.lists(st.one_of(SCALARS, st.lists(SCALARS)))))
def test_every_value_can_be_typed(value: Any) -> None:
    got = value_of(literal(value))

    assert (got, type(got)) == (value, type(value))


@given(st.lists(SCALARS, min_size=1))
def test_values_can_be_typed_side_by_side(values: list[Any]) -> None:
    assert [value_of(item) for item in split(",".join(map(literal, values)))] == values
