"""Which scalars make a row."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from exptools.formats.rows import Row, Scalar, rows
from exptools.logging import capture, logger


def test_a_row_ends_where_the_step_changes_or_a_tag_comes_again() -> None:
    scalars = [(0, 1.0, "a", 1.0), (0, 1.1, "b", 2.0), (0, 1.2, "a", 3.0), (1, 1.3, "b", 4.0)]

    assert list(rows(scalars)) == [
        Row(0, 1.0, ("a", "b"), (1.0, 2.0)),
        Row(0, 1.2, ("a",), (3.0,)),
        Row(1, 1.3, ("b",), (4.0,)),
    ]


def test_what_is_logged_in_one_call_is_in_one_row() -> None:
    with capture() as records:
        logger.log_scalar("loss", 0.5, 9)
        logger.log_scalars({"acc": 0.7, "epoch": 0})
        logger.log_scalars({"val": 0.6, "epoch": 1})  # epoch comes again, val does not
        logger.log_scalar("more", 1.0)
        logger.log_scalars({"val": 0.5, "epoch": 2})

    assert [dict(zip(row.tags, row.values, strict=True)) for row in records if isinstance(row, Row)] == [
        {"loss": 0.5, "acc": 0.7, "epoch": 0.0},
        {"val": 0.6, "epoch": 1.0, "more": 1.0},
        {"val": 0.5, "epoch": 2.0},
    ]


scalar = st.tuples(st.integers(0, 1), st.sampled_from([1.0, 2.0]), st.sampled_from("abc"), st.floats(0, 1))


@given(st.lists(scalar, max_size=12))
def test_every_scalar_is_in_a_row_in_its_order(scalars: list[Scalar]) -> None:
    found = list(rows(scalars))

    pairs = [(row.step, tag, value) for row in found for tag, value in zip(row.tags, row.values, strict=True)]
    assert pairs == [(step, tag, value) for step, _, tag, value in scalars]
    assert all(len(set(row.tags)) == len(row.tags) for row in found)
