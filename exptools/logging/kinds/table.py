"""Tables: CSV files, and Markdown in TensorBoard's Text."""

from __future__ import annotations

import csv
import io
import reprlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.errors import LoggingError
from exptools.formats import summaries

MOST_SHOWN_ROWS = 100  # in TensorBoard, whose page becomes slow with more


@dataclass(frozen=True)
class Table:
    """Cells as texts. rows: each as long as columns."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    kind: ClassVar[str] = "table"

    @classmethod
    def of(cls, tag: str, data: Any, columns: Sequence[str] | None) -> Table:
        """Of what a user gave. Raises LoggingError: it is no table, or its rows differ in length."""
        what = f"table {tag!r}"
        names, rows = _read(what, data)
        if columns is not None:
            names = list(columns)
        if names is None:
            names = [str(i) for i in range(len(rows[0]))] if rows else []
        for i, row in enumerate(rows):
            if len(row) != len(names):
                raise LoggingError(
                    f"{what}: row {i} has {len(row)} cells, but there are {len(names)} columns "
                    f"({', '.join(map(str, names))}); one cell for each column"
                )
        if not names:
            raise LoggingError(f"{what} has no columns; give rows, or columns=[...]")
        return cls(tuple(map(_cell, names)), tuple(tuple(map(_cell, row)) for row in rows))

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return sum(50 + len(cell) for row in self.rows for cell in row)

    def summaries(self, tag: str) -> list[bytes]:
        """The first rows as Markdown."""
        shown = [_line(self.columns), "|" + "---|" * len(self.columns)]
        shown += map(_line, self.rows[:MOST_SHOWN_ROWS])
        rest = len(self.rows) - MOST_SHOWN_ROWS
        if rest > 0:
            shown += ["", f"and {rest:,} rows more, in the file"]
        return [summaries.text(tag, "\n".join(shown))]

    def files(self) -> dict[str, bytes]:
        """All of it."""
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows([self.columns, *self.rows])
        return {".csv": out.getvalue().encode()}

    def facts(self) -> dict[str, Any]:
        """Its size, and what its columns are called."""
        return {"rows": len(self.rows), "columns": list(self.columns)}


def _read(what: str, data: Any) -> tuple[list[Any] | None, list[list[Any]]]:
    """The names of the columns, if `data` has them, and its rows."""
    if callable(getattr(data, "itertuples", None)):  # a DataFrame of pandas
        return list(data.columns), [list(row) for row in data.itertuples(index=False)]
    if callable(getattr(data, "iter_rows", None)):  # of polars
        return list(data.columns), [list(row) for row in data.iter_rows()]
    if isinstance(data, Mapping):
        lengths = {str(name): len(column) for name, column in data.items() if hasattr(column, "__len__")}
        if len(lengths) != len(data) or len(set(lengths.values())) > 1:
            raise LoggingError(f"{what}: columns must be lists of one length, not {lengths}")
        return list(data), [list(row) for row in zip(*data.values(), strict=True)]
    if isinstance(data, str) or not hasattr(data, "__iter__"):
        raise LoggingError(
            f"{what} must be rows, columns by their names, or a DataFrame, not {reprlib.repr(data)}"
        )
    rows = list(data)
    if rows and all(isinstance(row, Mapping) for row in rows):
        names = list(dict.fromkeys(name for row in rows for name in row))
        return names, [[row.get(name, "") for name in names] for row in rows]
    if any(isinstance(row, str) or not hasattr(row, "__iter__") for row in rows):
        raise LoggingError(
            f"{what}: each row must be a list of cells or a mapping, not {reprlib.repr(rows[:3])}"
        )
    return None, [list(row) for row in rows]


def _cell(value: Any) -> str:
    """A value as a text; a number is the shortest text that reads back as the same."""
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "shape", None) == ():
        value = item()
    text = "" if value is None else repr(value) if isinstance(value, float) else str(value)
    return text.encode(errors="backslashreplace").decode()


def _line(cells: Sequence[str]) -> str:
    return "|" + "|".join(" " + _escaped(cell) + " " for cell in cells) + "|"


def _escaped(cell: str) -> str:
    return "<br>".join(cell.replace("\\", "\\\\").replace("|", "\\|").splitlines())
