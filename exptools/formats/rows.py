"""A row: the scalars of one moment, as the logger hands them to its writers."""

from __future__ import annotations

from typing import NamedTuple


class Row(NamedTuple):
    """The scalars that were logged together at one step.

    step: int64. wall_time: seconds since the epoch, of the row's first scalar.
    tags and values: of equal length; values are float64 (Python floats), nan and infinities included.
    """

    step: int
    wall_time: float
    tags: tuple[str, ...]
    values: tuple[float, ...]
