"""Tables of other loggers as CSV: any quoting, any line ends, any separator."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from exptools import words
from exptools.viewing.curves import Reading, Wanted
from exptools.viewing.problem import Problem
from exptools.viewing.readers import table
from exptools.viewing.readers.files import contents, nothing, torn_row
from exptools.viewing.readers.table import Axes, Column, Table

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from exptools.viewing.readers.table import Ints

_LINE_END, _RETURN, _QUOTE = b'\n\r"'


def read(
    path: Path, axes: Axes, wanted: Wanted, *, live: bool, separator: str = ",", is_excused: bool = False
) -> Reading:
    """The frames of a table with one line of names; see readers.table.

    A row that cannot be read is named with its offset and the others are kept; so is a last row without its
    line end, unless the run is `live`. Names that come again, as a resumed run writes them, are no row.
    Nothing is usable where there is no file or it has no byte yet, and where no row is as wide as the line of
    names; `is_excused`: the latter is not said.
    """
    data = contents(path)
    if isinstance(data, Reading):
        return data
    if not data:
        return nothing()
    if b"\n" not in data:
        torn = Problem(path, "the file ends inside its line of names", 0)
        return nothing() if live and is_text(data) else nothing(torn)
    lines = _Lines(data, separator)
    header = data[: lines.ends[0] + 1]
    if not is_text(header):
        return nothing(Problem(path, "not a table (its first line is no text)", 0))
    names = names_in(header.decode("utf-8-sig"), separator)
    found = _table(path, lines, names, separator, live)
    if found is None:
        hint = f"is there a {separator!r} in a name?"
        reason = f"no row has {words.count(len(names), 'cell')}, as many as there are names ({hint})"
        return nothing() if is_excused else nothing(Problem(path, reason, 0))
    return table.reading(found, axes, wanted)


def names_in(line: str, separator: str = ",") -> list[str]:
    """The names of the columns in the first line of a table; none at all in what is no line of CSV."""
    try:
        return next(csv.reader(io.StringIO(line, newline=""), delimiter=separator), [])
    except csv.Error:
        return []


def is_text(data: bytes) -> bool:
    """Whether `data` is UTF-8 text; a last character that is cut off may be missing a part."""
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        if error.start < len(data) - 3:
            return False
        text = ""
    return "\0" not in text


class _Lines:
    """Where the rows of a table end, and how many cells they have; what is inside quotes is text.

    A quote that is never closed is no quote: the rows after it must not be lost in one cell.
    """

    def __init__(self, data: bytes, separator: str) -> None:
        import numpy as np

        self.data = data
        raw = np.frombuffer(data, np.uint8)
        self._breaks = np.flatnonzero(raw == _LINE_END)
        self._separators = np.flatnonzero(raw == ord(separator))
        self._quoted = np.bitwise_xor.accumulate(raw == _QUOTE) if b'"' in data else None
        self.ends = self._breaks
        if self._quoted is not None:
            closed = self._breaks[~self._quoted[self._breaks]]
            last = closed[-1] if len(closed) else -1
            self.ends = np.concatenate([closed, self._breaks[self._breaks > last]])

    @property
    def starts(self) -> Ints:
        import numpy as np

        return np.concatenate([[0], self.ends[:-1] + 1])

    def break_up(self, which: NDArray[np.bool_]) -> None:
        """Take every line end in some of the rows for the end of a row."""
        import numpy as np

        row = np.searchsorted(self.ends, self._breaks)
        row, breaks = row[row < len(self.ends)], self._breaks[row < len(self.ends)]
        self.ends = np.union1d(self.ends, breaks[which[row]])

    def widths(self) -> Ints:
        """The number of cells of each row; 0 for one with an odd number of quotes."""
        import numpy as np

        row = np.searchsorted(self.ends, self._separators)
        inside = row < len(self.ends)
        if self._quoted is None:
            return np.bincount(row[inside], minlength=len(self.ends)) + 1
        before = np.where(self.starts > 0, self._quoted[self.starts - 1], False)
        outside = self._quoted[self._separators[inside]] == before[row[inside]]
        widths = np.bincount(row[inside][outside], minlength=len(self.ends)) + 1
        return np.where(self._quoted[self.ends] == before, widths, 0)


@dataclass(frozen=True, eq=False)
class _Rows:
    """The rows of a table that have its width. starts, ends: where they begin, and their line ends."""

    data: bytes
    starts: Ints
    ends: Ints

    def text(self) -> bytes:
        """Their lines."""
        first, last = self.starts[0], self.ends[-1] + 1
        if int((self.ends + 1 - self.starts).sum()) == last - first:
            return self.data[first:last]
        return b"".join(self.data[a : b + 1] for a, b in zip(self.starts, self.ends, strict=True))

    def part(self, which: slice) -> _Rows:
        return _Rows(self.data, self.starts[which], self.ends[which])


def _table(path: Path, lines: _Lines, names: list[str], separator: str, live: bool) -> Table | None:
    """The table; None if no row of it is as wide as its line of names."""
    import numpy as np

    data, width = lines.data, len(names)
    widths = lines.widths()
    if (widths != width).any():
        lines.break_up(widths != width)
        widths = lines.widths()
    starts, ends = lines.starts, lines.ends
    raw = np.frombuffer(data, np.uint8)
    empty = (ends == starts) | ((ends == starts + 1) & (raw[starts] == _RETURN))
    is_row = ~(empty | _repeats(data, starts, ends))
    fits = is_row & (widths == width)
    if is_row.any() and not fits.any():
        return None
    problems = list(_misfits(path, starts[is_row], widths[is_row], width))
    if ends[-1] + 1 < len(data) and not live:
        problems.append(torn_row(path, int(ends[-1] + 1)))
    rows = _Rows(data, starts[fits], ends[fits])
    parts = list(_parsed(path, rows, width, separator, problems)) if fits.any() else []
    starts = np.concatenate([rows.starts[:0], *(part.starts for part, _ in parts)])
    columns: dict[str, Column] = {}
    for i, name in enumerate(names):
        column = _column(path, name, [frame[str(i)] for _, frame in parts], starts, problems)
        if column is not None:
            columns[name] = _joined(columns[name], column) if name in columns else column
    return Table(path, starts, columns, tuple(problems))


def _repeats(data: bytes, starts: Ints, ends: Ints) -> NDArray[np.bool_]:
    """Which lines are the line of names: the first, and those that a resumed run has written again."""
    import numpy as np

    names = data[: ends[0]]
    found: NDArray[np.bool_] = (ends - starts) == len(names)
    alike = np.flatnonzero(found)
    found[alike] = [data.startswith(names, at) for at in starts[alike].tolist()]
    return found


def _misfits(path: Path, starts: Ints, widths: Ints, width: int) -> Iterator[Problem]:
    """What is said of rows that are not as wide as the line of names, of those in a row at once."""
    import numpy as np

    odd = widths != width
    begins = np.flatnonzero(odd & ~np.concatenate([[False], odd[:-1]]))
    stops = np.flatnonzero(odd & ~np.concatenate([odd[1:], [False]])) + 1
    for begin, stop in zip(begins.tolist(), stops.tolist(), strict=True):
        n = stop - begin
        what = "not a row" if n == 1 else f"{n} lines that are no rows"
        yield Problem(path, f"{what} of {words.count(width, 'cell')}; left out", int(starts[begin]))


def _parsed(
    path: Path, rows: _Rows, width: int, separator: str, problems: list[Problem]
) -> Iterator[tuple[_Rows, pl.DataFrame]]:
    """`rows` as text cells; those that are no CSV are named in `problems`; halving finds few fast."""
    import polars as pl

    text, n = rows.text(), len(rows.starts)
    try:
        frame = pl.read_csv(
            text,
            has_header=False,
            schema={str(i): pl.String for i in range(width)},
            separator=separator,
            quote_char='"' if b'"' in text else None,
            encoding="utf8-lossy",
        )
        if frame.height == n:
            yield rows, frame
            return
    except pl.exceptions.PolarsError:
        pass
    if n == 1:
        problems.append(Problem(path, "the row is no CSV; left out", int(rows.starts[0])))
        return
    for half in (slice(None, n // 2), slice(n // 2, None)):
        yield from _parsed(path, rows.part(half), width, separator, problems)


def _column(
    path: Path, name: str, parts: list[pl.Series], starts: Ints, problems: list[Problem]
) -> Column | None:
    """The numbers of a column; None if it holds text, or nothing yet."""
    import numpy as np
    import polars as pl

    texts = pl.concat(parts) if parts else pl.Series([], dtype=pl.String)
    numbers = texts.cast(pl.Float64, strict=False)
    there = numbers.is_not_null().to_numpy().copy()
    value = numbers.to_numpy().copy()
    others = np.flatnonzero(~there & texts.is_not_null().to_numpy())
    bad = []
    for row, text in zip(others.tolist(), texts.gather(others).to_list(), strict=True):
        try:
            found = table.number(text)
        except ValueError:
            bad.append((int(starts[row]), text))
            continue
        if found is not None:
            there[row], value[row] = True, found
    if not there.any():
        return None
    if bad:
        problems.append(table.no_numbers(path, name, bad))
    rows = np.flatnonzero(there)
    return Column(rows, value[there], lambda: _whole(texts, rows, value[there]))


def _whole(texts: pl.Series, rows: Ints, value: NDArray[np.float64]) -> tuple[Ints, Ints] | None:
    """Column.whole, exact in all of int64."""
    import polars as pl

    exact = texts.gather(rows).cast(pl.Int64, strict=False)
    return (rows, exact.to_numpy()) if not exact.null_count() else table.whole(rows, value)


def _joined(some: Column, others: Column) -> Column:
    """Two columns of one name, row by row."""
    import numpy as np

    rows = np.concatenate([some.rows, others.rows])
    order = np.argsort(rows, kind="stable")
    return Column(rows[order], np.concatenate([some.value, others.value])[order], lambda: None)
