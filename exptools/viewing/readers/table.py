"""Tables of other loggers, whose columns are known by their names: what a cell says, and where a row stands.

A cell is a number in any spelling that Python's float knows (nan, inf and Infinity too, whatever the case),
or True or False, which are 1 and 0. Empty, None and null are no value, so there is no frame. A column without
any number, of names or dates, is no scalar and is passed over, as images are; in a column that has numbers a
cell that is none is named.

The step is the first of the columns that a format names whose values are all whole numbers and that counts:
it may go back, since runs are resumed, but one that goes back again and again and never gets further counts
something else, such as the batches of an epoch. A column that has a value in each row is preferred; of one
that has not, the rows without are named and left out. Where there is no such column the rows are counted from
0. The wall time is a column of seconds since the epoch, else unknown. The columns so used are tags as well,
unless they are called step and wall_time.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from exptools import words
from exptools.viewing.curves import Curve, Reading, Wanted
from exptools.viewing.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints: TypeAlias = NDArray[np.int64]

_STEP, _WALL_TIME = "step", "wall_time"
_EPOCH_S = (1e8, 1e11)  # a wall time lies between 1973 and the year 5138; durations and milliseconds do not
_NO_VALUE = ("", "none", "null")
_BOOLEANS = {"true": 1.0, "false": 0.0}
_FLOAT_IS_EXACT_BELOW = 2.0**53


@dataclass(frozen=True)
class Axes:
    """Which columns may say where a row stands, the first to be preferred."""

    steps: tuple[str, ...]
    wall_times: tuple[str, ...] = (_WALL_TIME, "timestamp")


@dataclass(frozen=True, eq=False)
class Column:
    """The cells of a column that hold a number: arrays of shape (cells,).

    rows: int64, their rows, increasing. value: float64. whole: the values as int64; None if one of them is no
    whole number. Those that are nan have no part in it.
    """

    rows: Ints
    value: NDArray[np.float64]
    whole: Callable[[], tuple[Ints, Ints] | None]  # rows and values


@dataclass(frozen=True, eq=False)
class Table:
    """A file as columns of numbers. starts: where its rows begin in the file, int64 of shape (rows,)."""

    path: Path
    starts: Ints
    columns: Mapping[str, Column]
    problems: tuple[Problem, ...]


def number(text: str) -> float | None:
    """What a cell says; None where it says that there is no value.

    Raises:
        ValueError: it is text.
    """
    plain = text.strip().lower()
    if plain in _NO_VALUE:
        return None
    if plain in _BOOLEANS:
        return _BOOLEANS[plain]
    if "_" in plain or not plain.isascii():  # Python would take them for digits
        raise ValueError(text)
    return float(plain)


def whole(rows: Ints, value: NDArray[np.float64]) -> tuple[Ints, Ints] | None:
    """Column.whole of values that are exact as float64."""
    import numpy as np

    there = ~np.isnan(value)
    rows, value = rows[there], value[there]
    if not (np.abs(value) < _FLOAT_IS_EXACT_BELOW).all() or (value != np.floor(value)).any():
        return None
    return rows, value.astype(np.int64)


def no_numbers(path: Path, name: str, cells: Iterable[tuple[int, object]]) -> Problem:
    """The problem that a column of numbers has other `cells`: where their rows begin, and what they hold."""
    cells = list(cells)
    start, first = cells[0]
    told = repr(first) if len(repr(first)) < 40 else f"{repr(first)[:36]}..."
    what = (
        "a cell is no number and was left out"
        if len(cells) == 1
        else f"{words.count(len(cells), 'cell')} are no numbers and were left out"
    )
    return Problem(path, f"in the column {name!r} {what} ({told})", start)


def reading(table: Table, axes: Axes, wanted: Wanted) -> Reading:
    """The frames of a table, in the order of its rows."""
    import numpy as np

    n = len(table.starts)
    name, rows, steps = _step(table, axes)
    step, has_step = np.zeros(n, np.int64), np.zeros(n, np.bool_)
    step[rows], has_step[rows] = steps, True
    timed, wall_time = _wall_time(table, axes)
    problems = list(table.problems)
    if not has_step.all():
        without = np.flatnonzero(~has_step)
        reason = f"{words.count(len(without), 'row')} without {name!r}, which is the step, left out"
        problems.append(Problem(table.path, reason, int(table.starts[without[0]])))
    used = {_STEP} if name == _STEP else set()
    used |= {_WALL_TIME} if timed == _WALL_TIME else set()
    tags = tuple(tag for tag in table.columns if tag not in used)
    curves = {}
    for tag in filter(wanted, tags):
        column = table.columns[tag]
        there = has_step[column.rows]
        at, value = (column.rows, column.value) if there.all() else (column.rows[there], column.value[there])
        curves[tag] = Curve(step[at], wall_time[at], value)
    return Reading(curves, tags, tuple(sorted(problems, key=lambda problem: problem.offset or 0)))


def _step(table: Table, axes: Axes) -> tuple[str | None, Ints, Ints]:
    """The column that is the step, and its rows and values."""
    import numpy as np

    partial = None
    for name in axes.steps:
        found = table.columns[name].whole() if name in table.columns else None
        if found is None or not len(found[0]) or not _counts(found[1]):
            continue
        if len(found[0]) == len(table.starts):
            return name, *found
        partial = partial or (name, *found)
    every = np.arange(len(table.starts))
    return partial or (None, every, every)


def _counts(steps: Ints) -> bool:
    """Whether `steps` are those of a run, perhaps resumed; not if they begin anew all the time."""
    import numpy as np

    falls = np.flatnonzero(steps[1:] < steps[:-1]) + 1
    return len(falls) < 2 or bool(steps[falls[0] :].max() > steps[: falls[0]].max())


def _wall_time(table: Table, axes: Axes) -> tuple[str | None, NDArray[np.float64]]:
    """The column that is the wall time, and that of each row; nan where it is unknown."""
    import numpy as np

    found = np.full(len(table.starts), np.nan)
    for name in axes.wall_times:
        column = table.columns.get(name)
        if column is not None and len(column.value):
            value = column.value[~np.isnan(column.value)]
            if len(value) and (value > _EPOCH_S[0]).all() and (value < _EPOCH_S[1]).all():
                found[column.rows] = column.value
                return name, found
    return None, found
