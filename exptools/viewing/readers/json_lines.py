"""Tables as lines of JSON, an object each: Stable-Baselines3's progress.json and Ray Tune's result.json.

Nested objects are flattened with slashes, as in the CSV files of the same loggers.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exptools.viewing.curves import Reading, Wanted
from exptools.viewing.problem import Problem
from exptools.viewing.readers import stable_baselines3, table, viskit
from exptools.viewing.readers.files import contents, first_line, holds, keys_in, lines
from exptools.viewing.readers.format import Format
from exptools.viewing.readers.table import Column, Table

_STEPS = ("total_timesteps", "misc/total_timesteps")  # of OpenAI's baselines
_CONFIG = "config"  # in each line of Ray's: it is no result


def read(path: Path, wanted: Wanted, *, live: bool) -> Reading:
    """The frames of a file of objects; a line that is none is named with its offset, and the others are kept.

    A last line without its end counts if it is whole; else it is named, unless the run is `live`.
    """
    data = contents(path)
    if isinstance(data, Reading):
        return data
    import numpy as np

    starts: list[int] = []
    cells: dict[str, list[tuple[int, Any]]] = {}
    problems: list[Problem] = []
    for start, line in lines(data):
        is_last = start + len(line) == len(data)
        if not line.strip():
            continue
        try:
            record = json.loads(line)
            if not isinstance(record, dict):
                raise ValueError("not an object")
            found = list(_flat(record, "", skips=(_CONFIG,) if path.name == viskit.RAY else ()))
        except (ValueError, RecursionError):
            if not (is_last and live):
                what = "the file ends inside a line" if is_last else "not a line of JSON with an object"
                problems.append(Problem(path, f"{what}; it was left out", start))
            continue
        for key, value in found:
            cells.setdefault(key, []).append((len(starts), value))
        starts.append(start)
    columns = {name: _column(path, name, held, starts, problems) for name, held in cells.items()}
    known = {name: column for name, column in columns.items() if column is not None}
    return table.reading(
        Table(path, np.array(starts, np.int64), known, tuple(problems)), viskit.axes(path), wanted
    )


def _flat(record: dict[str, Any], above: str, skips: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for key, value in record.items():
        if isinstance(value, dict):
            if key not in skips:
                yield from _flat(value, f"{above}{key}/")
        elif value is not None:
            yield above + key, value


def _column(
    path: Path, name: str, cells: list[tuple[int, Any]], starts: list[int], problems: list[Problem]
) -> Column | None:
    """The numbers of a column; None if it holds none."""
    import numpy as np

    rows, values, bad = [], [], []
    for row, cell in cells:
        try:
            value = table.number(cell) if isinstance(cell, str) else float(cell)
        except (ValueError, TypeError, OverflowError):
            bad.append((starts[row], cell))
            continue
        if value is not None:
            rows.append(row)
            values.append(value)
    if not rows:
        return None
    if bad:
        problems.append(table.no_numbers(path, name, bad))
    at, value_of = np.array(rows, np.int64), np.array(values, np.float64)
    return Column(at, value_of, lambda: table.whole(at, value_of))


def _claims(path: Path) -> bool:
    """Whether it is the log of a run, and not what others keep in a file of that name."""
    if path.name == viskit.RAY:
        return viskit.is_of_ray(path)
    line = first_line(path)
    if holds(path.parent, viskit.CSV):
        return line[:1] in ("{", "")
    return any(key.startswith(stable_baselines3.SECTIONS) or key in _STEPS for key in keys_in(line))


FORMAT = Format("json_lines", scalars=("progress.json", viskit.RAY), claims=_claims, read=read)
