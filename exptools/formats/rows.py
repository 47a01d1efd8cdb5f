"""Scalars as they are logged, and rows: the scalars of one moment, as writers get them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
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


def rows(scalars: Iterable[Scalar]) -> Iterator[Row]:
    """`scalars` in rows, in their order: a row ends where the step changes or one of its tags comes again."""
    row: dict[str, float] = {}
    at, begun = 0, 0.0
    for step, wall_time, tag, value in scalars:
        if step != at or tag in row:
            if row:
                yield Row(at, begun, tuple(row), tuple(row.values()))
                row = {}
            at = step
        if not row:
            begun = wall_time
        row[tag] = value
    if row:
        yield Row(at, begun, tuple(row), tuple(row.values()))
