"""progress.csv: wide, one line per row, float64 without rounding.

`step,wall_time,<tags...>`: the first two columns are known by their place, so a tag may have any name, even
"step". Missing is empty, NaN is `nan`; every number is the shortest text that reads back as the same float64.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from exptools.formats.rows import Row

FIRST_COLUMNS = ("step", "wall_time")

_CELL = re.compile(r'(?:"((?:[^"]|"")*)"|([^",]*))(,|\Z)')


def encode_header(tags: Sequence[str]) -> str:
    """The header line."""
    return line((*FIRST_COLUMNS, *tags))


def line(cells: Iterable[str]) -> str:
    """A line of CSV: RFC 4180's quoting, which the csv module leaves out for a lone carriage return."""
    return ",".join(map(_quoted, cells)) + "\n"


def _quoted(cell: str) -> str:
    return '"' + cell.replace('"', '""') + '"' if re.search('[,"\r\n]', cell) else cell


def decode_header(data: bytes) -> tuple[list[str], int] | None:
    """The tags of a file that begins with `data`, and where its rows begin; None if that is not there yet.

    Raises:
        ValueError: this is not the header of a progress.csv.
    """
    end = _line_end(data)
    if end is None:
        return None
    cells = _cells(data[: end - 1])
    if tuple(cells[:2]) != FIRST_COLUMNS:
        raise ValueError("not a progress.csv of exptools (its header does not begin with step,wall_time)")
    return cells[2:], end


def has_header(data: bytes) -> bool:
    """Whether `data` holds the whole first line."""
    return _line_end(data) is not None


def _line_end(data: bytes) -> int | None:
    """Behind the first line end that is not inside quotes."""
    at = data.find(b"\n")
    while at >= 0 and data.count(b'"', 0, at) % 2:
        at = data.find(b"\n", at + 1)
    return at + 1 if at >= 0 else None


def _cells(line: bytes) -> list[str]:
    """The cells of a line; none at all if it is no line of CSV in UTF-8."""
    try:
        text = line.decode()
    except UnicodeDecodeError:
        return []
    cells: list[str] = []
    at = 0
    while match := _CELL.match(text, at):
        quoted, plain, comma = match.groups()
        cells.append(plain if quoted is None else quoted.replace('""', '"'))
        at = match.end()
        if not comma:
            return cells
    return []


def encode_rows(rows: Iterable[Row], columns: dict[str, int]) -> str:
    """Lines for rows whose tags are all in `columns` (tag -> place, counted from 0)."""
    width = len(columns)
    places: dict[tuple[str, ...], list[int] | None] = {}
    lines = []
    for step, wall_time, tags, values in rows:
        if tags not in places:
            wanted = [columns[tag] for tag in tags]
            places[tags] = None if wanted == list(range(width)) else wanted
        cells = list(map(repr, values))
        where = places[tags]
        if where is not None:
            sparse = [""] * width
            for place, cell in zip(where, cells, strict=True):
                sparse[place] = cell
            cells = sparse
        lines.append(",".join((str(step), repr(wall_time), *cells)))
    return "".join(f"{line}\n" for line in lines)
