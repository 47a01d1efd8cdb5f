"""progress.csv: wide, one line per row, float64 without rounding.

`step,wall_time,<tags...>`: the first two columns are known by their place, so a tag may have any name, even
"step". Missing is empty, NaN is `nan`; every number is the shortest text that reads back as the same float64.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Sequence

from exptools.formats.rows import Row

FIRST_COLUMNS = ("step", "wall_time")


def encode_header(tags: Sequence[str]) -> str:
    """The header line, with the csv module's quoting."""
    line = io.StringIO()
    csv.writer(line, lineterminator="\n").writerow([*FIRST_COLUMNS, *tags])
    return line.getvalue()


def decode_header(text: str) -> tuple[list[str], int]:
    """The tags of a file that begins with `text`, and the length of its header in characters.

    Raises:
        ValueError: the text is not the beginning of a progress.csv, or the header is not complete.
    """
    lines = io.StringIO(text, newline="")
    cells = next(csv.reader(lines), [])
    header = text[: lines.tell()]
    if tuple(cells[:2]) != FIRST_COLUMNS or not header.endswith("\n"):
        raise ValueError(f"not the header of a progress.csv: {header[:80]!r}")
    return cells[2:], len(header)


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
