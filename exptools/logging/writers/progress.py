"""Every scalar into progress.csv: the truth. And into the additional outputs that a user opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.formats.progress import decode_header, encode_header, encode_rows
from exptools.formats.rows import Row
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Cut, Record, Writer
from exptools.logging.writers.cutting import cut_file, lines

MOST_ROWS = 200_000  # that wait because the file cannot be widened


class ProgressWriter(Writer):
    """Writes rows to a CSV file, from the first one on; a new tag widens the file, atomically."""

    def __init__(self, path: Path) -> None:
        """path: if there is such a file of an earlier attempt, `cut_back` comes before the first row.

        Raises:
            OSError: there is no such directory.
        """
        self._path = path
        self._columns: dict[str, int] = {}
        self._rows: list[Row] = []  # waiting for a disk that has room
        self._n_rows = 0
        self._n_earlier: int | None = None  # rows of earlier attempts
        self._lost = 0
        self._file = AppendFile(path, self._header)

    def write(self, records: Sequence[Record]) -> None:
        """Append the rows among the records."""
        rows = self._rows + [r for r in records if isinstance(r, Row)]
        new = {tag: None for row in rows for tag in row.tags if tag not in self._columns}
        if new and not self._widen(list(new)):
            self._wait(rows)
            return
        lines = encode_rows(rows, self._columns).encode()
        self._rows = []
        lost = self._file.lost()
        self._file.append(lines, sum(len(row.values) for row in rows))
        if self._file.lost() == lost:
            self._n_rows += len(rows)
        self.trouble = self._file.trouble

    def position(self) -> Any:
        """How many rows there are."""
        return {"rows": self._n_rows}

    def cut_back(self, cut: Cut) -> None:
        """Keep as many rows as there were at the snapshot, or those before the step; go on behind."""
        if not self._path.exists():
            return
        header = _header_of(self._path)
        if header is None:
            rundir.put_aside(self._path, cut.aside)
            return
        tags, begin = header
        with open(self._path, "rb") as file:
            head = file.read(begin)
        n = cut_file(self._path, cut.aside, head, _judged(self._path, begin, cut, self._n_earlier))
        self._n_earlier = (n.n_kept + n.n_cut if self._n_earlier is None else self._n_earlier) - n.n_cut
        self._n_rows = n.n_kept
        self._columns = {tag: place for place, tag in enumerate(tags)} if self._n_rows else {}
        self._file.reopen()

    def lost(self) -> str | None:
        """How many scalars are lost for good."""
        lost = self._lost + self._file.lost()
        return f"{self._path.name}: {lost:,} scalars did not find room in memory" if lost else None

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        self.write(())
        waiting = sum(len(r.values) for r in self._rows)
        rows = f"{self._path.name}: {waiting:,} scalars could not be written" if waiting else None
        return "; ".join(lost for lost in (self.lost(), rows, self._file.close()) if lost) or None

    def _header(self) -> bytes:
        return encode_header(list(self._columns)).encode()

    def _wait(self, rows: list[Row]) -> None:
        self._rows = rows[:MOST_ROWS]
        self._lost += sum(len(row.values) for row in rows[MOST_ROWS:])
        self.trouble = self._file.trouble

    def _widen(self, new: list[str]) -> bool:
        """Give the file columns for the `new` tags; False if the disk did not let it.

        Rows hold numbers only, so a row is widened by a comma a tag.
        """
        tags = [*self._columns, *new]
        if self._columns:
            if not self._file.append():  # a line that is half on the disk has to be ended first
                return False
            try:
                with self._file.replacing() as (old, wide):
                    old.seek(len(self._header()))
                    wide.write(encode_header(tags).encode())
                    wide.writelines(line[:-1] + b"," * len(new) + b"\n" for line in old)
            except OSError as error:
                self._file.complain(error)
                return False
        self._columns = {tag: place for place, tag in enumerate(tags)}
        return True


def _header_of(path: Path) -> tuple[list[str], int] | None:
    """The tags of a file and where its rows begin; None if it has no whole header of ours."""
    n = 2**16
    with open(path, "rb") as file:
        while True:
            file.seek(0)
            data = file.read(n)
            try:
                header = decode_header(data)
            except ValueError:
                return None
            if header is not None or len(data) < n:
                return header
            n *= 4


def _judged(path: Path, begin: int, cut: Cut, n_earlier: int | None) -> Iterator[tuple[bytes, bool]]:
    """The lines behind the header, each with whether it is kept; a torn one never is.

    n_earlier: how many are of earlier attempts; None: all.
    """
    for i, line in enumerate(lines(path, begin)):
        if n_earlier is not None and i >= n_earlier:
            yield line, True
        elif not line.endswith(b"\n"):
            yield line, False
        elif cut.position is not None:
            yield line, i < cut.position["rows"]
        else:
            step = line.split(b",", 1)[0]
            yield line, step.lstrip(b"-").isdigit() and int(step) < cut.before_step
