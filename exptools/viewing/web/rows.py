"""The table of runs as the grid takes it: columns, and a row for each run."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing import compare
from exptools.viewing.columns import Column, Kind
from exptools.viewing.exporters.table import nice

if TYPE_CHECKING:
    from exptools.viewing.api import Runs
    from exptools.viewing.summary import Table

SPARK = "spark"  # fields beside those of the columns, whose names begin with BEFORE
BEFORE = "c."
SPARK_POINTS = 40
HEAD_PX, ROW_PX = 30, 27
MOST_TAGS = 20  # whose last values stand in the table, whatever is shown
_NUMBERS = (Kind.TAG, Kind.DURATION)
_TALL = 300  # characters of a cell at most
_CHARACTER_PX, _WIDEST_PX = 7, 300
_DIGITS = 10  # characters of a number


def fewer(table: Table, tags: Collection[str]) -> tuple[Table, int]:
    """The table with the last values of `tags` (or names of columns) alone, if it has those of many.

    Returns it, and how many were left out.
    """
    every = [i for i, column in enumerate(table.columns) if column.kind is Kind.TAG]
    if len(every) <= MOST_TAGS:
        return table, 0
    out = {i for i in every if not {table.columns[i].source, table.columns[i].name} & set(tags)}
    kept = [i for i in range(len(table.columns)) if i not in out]
    rows = tuple(tuple(row[i] for i in kept) for row in table.rows)
    return replace(table, columns=tuple(table.columns[i] for i in kept), rows=rows), len(out)


def height(n_rows: int) -> int:
    """Of the whole grid, in pixels, with its head and a bar to scroll."""
    return HEAD_PX + ROW_PX * max(1, n_rows) + 18


def columns(table: Table, spark: str) -> list[dict[str, Any]]:
    """The columns of the grid. spark: the tag of the small curves; "" for none."""
    found = [_column(column, table, i) for i, column in enumerate(table.columns)]
    if spark:
        at = next((i for i, c in enumerate(table.columns) if c.kind is Kind.TAG), len(found))
        found.insert(at, _spark(spark))
    return found


def _column(column: Column, table: Table, i: int) -> dict[str, Any]:
    values = [row[i] for row in table.rows]
    is_number = _is_of_numbers(column, values)
    made: dict[str, Any] = {
        "headerName": column.name,
        "headerTooltip": column.source,
        "field": BEFORE + column.name,
        "colId": column.name,
        "filter": "agNumberColumnFilter" if is_number else "agTextColumnFilter",
        "valueFormatter": {"function": "exptoolsText(params)"},
        "tooltipValueGetter": {"function": "exptoolsWhole(params)"},
        "width": _width(column, values),
    }
    if is_number:
        made["type"] = "rightAligned"
    if column.kind is Kind.RUN:
        made |= {"cellRenderer": "ExptoolsRun", "pinned": "left", "lockPinned": True}
        made["comparator"] = {"function": "exptoolsNatural"}
    if column.kind is Kind.STATE:
        made["cellRenderer"] = "ExptoolsState"
    return made


def _width(column: Column, cells: Sequence[Any]) -> int:
    """In pixels: of the longest text, of the name and its buttons, but not beyond what is readable."""
    if column.kind is Kind.TAG:
        longest = _DIGITS
    else:
        texts = {nice(column, cell) for cell in cells}
        longest = max(map(len, texts), default=0) + (3 if column.kind in (Kind.RUN, Kind.STATE) else 0)
    return min(max(_CHARACTER_PX * longest + 32, _CHARACTER_PX * len(column.name) + 66), _WIDEST_PX)


def _spark(tag: str) -> dict[str, Any]:
    return {
        "headerName": tag,
        "headerTooltip": f"{tag}, as a curve",
        "field": SPARK,
        "colId": SPARK,
        "cellRenderer": "ExptoolsSpark",
        "sortable": False,
        "filter": False,
        "width": 130,
    }


def rows(
    table: Table, colors: Mapping[str, str], sparks: Mapping[str, list[float | None]]
) -> list[dict[str, Any]]:
    """A row for each run: id, the colour of its series, its small curve, and for each column its value and,
    where that is no number, its text.
    """
    run = next(i for i, column in enumerate(table.columns) if column.kind is Kind.RUN)
    are_numbers = [
        _is_of_numbers(column, [row[i] for row in table.rows]) for i, column in enumerate(table.columns)
    ]
    return [
        {
            "id": row[run],
            "color": colors.get(row[run], ""),
            SPARK: sparks.get(row[run]),
            **{
                BEFORE + c.name: _value(c, cell, is_number)
                for c, cell, is_number in zip(table.columns, row, are_numbers, strict=True)
            },
            "texts": dict(_texts(table.columns, row)),
        }
        for row in table.rows
    ]


def _texts(columns: Sequence[Column], row: Sequence[Any]) -> Iterator[tuple[str, str]]:
    """What the cells say; the browser itself writes the many that are finite values of scalars."""
    for column, cell in zip(columns, row, strict=True):
        if column.kind is not Kind.TAG or not isinstance(_value(column, cell, True), float):
            yield BEFORE + column.name, nice(column, cell)[:_TALL]


def _is_of_numbers(column: Column, cells: Sequence[Any]) -> bool:
    """Whether a column is sorted and filtered by size."""
    if column.kind in _NUMBERS:
        return True
    there = [cell for cell in cells if not isinstance(cell, compare.Absent) and cell is not None]
    return bool(there) and all(isinstance(c, (int, float)) and not isinstance(c, bool) for c in there)


def _value(column: Column, cell: Any, is_number: bool) -> Any:
    """What the grid sorts and filters by: a number that JSON can say, else a text; None for nothing."""
    if isinstance(cell, compare.Absent) or cell is None:
        return None
    if is_number and isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell) if abs(cell) < 1e300 else None  # nan is not less
    return nice(column, cell)[:_TALL]


def sparks(runs: Runs, tag: str) -> dict[str, list[float | None]]:
    """Of each run that has `tag` the extremes of equal parts of its values, from 0 to 1 over all runs."""
    found = {}
    for run, reading in runs.readings([compare.exactly(tag)]):
        if tag in reading.curves and len(reading.curves[tag]):
            found[run.name] = _few(reading.curves[tag].value)
    finite = [v for values in found.values() for v in values if math.isfinite(v)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    span = (high / 2 - low / 2) or 1.0  # halves: the whole may be beyond float64
    return {
        name: [round((v / 2 - low / 2) / span, 3) if math.isfinite(v) else None for v in values]
        for name, values in found.items()
    }


def _few(values: np.ndarray[Any, np.dtype[np.float64]]) -> list[float]:
    if len(values) <= SPARK_POINTS:
        return [float(v) for v in values]
    found: list[float] = []
    for part in np.array_split(values, SPARK_POINTS // 2):
        finite = part[np.isfinite(part)]
        if not finite.size:
            found.append(math.nan)
            continue
        ends = int(finite.argmin()), int(finite.argmax())
        found += [float(finite[i]) for i in sorted(ends)]
    return found
