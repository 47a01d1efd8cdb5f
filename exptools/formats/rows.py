"""Scalars as they are logged, and rows: the scalars of one moment, as writers get them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple, TypeAlias

Scalar: TypeAlias = tuple[int, float, str, float]  # step (int64), wall_time (s since the epoch), tag, value


class Row(NamedTuple):
    """The scalars that were logged together at one step.

    step: int64. wall_time: seconds since the epoch, of the row's first scalar.
    tags and values: of equal length; values are float64 (Python floats), nan and infinities included.
    """

    step: int
    wall_time: float
    tags: tuple[str, ...]
    values: tuple[float, ...]


def rows(scalars: Sequence[Scalar]) -> Iterator[Row]:
    """`scalars` in rows, in their order: a row ends where the step changes or one of its tags comes again.

    What was logged in one call (it has one wall_time) stays together: the row ends before all of it.
    """
    row: dict[str, float] = {}
    at, begun = 0, 0.0
    for i, (step, wall_time, tag, value) in enumerate(scalars):
        if step != at or tag in row:
            if row:
                n = _in_the_same_call(scalars, i, len(row)) if step == at else 0
                together = {t: row.pop(t) for t in list(row)[-n:]} if n else {}
                yield Row(at, begun, tuple(row), tuple(row.values()))
                row, begun = together, wall_time
                if tag in row:
                    yield Row(at, begun, tuple(row), tuple(row.values()))
                    row = {}
            at = step
        if not row:
            begun = wall_time
        row[tag] = value
    if row:
        yield Row(at, begun, tuple(row), tuple(row.values()))


def _in_the_same_call(scalars: Sequence[Scalar], i: int, most: int) -> int:
    """How many of the `most` scalars before i were logged in one call with it; 0 if all of them were."""
    n = 0
    while n < most and scalars[i - 1 - n][1] == scalars[i][1]:
        n += 1
    return n if n < most else 0
