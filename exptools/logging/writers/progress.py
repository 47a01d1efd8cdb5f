"""Every scalar into progress.csv: the truth."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exptools import rundir
from exptools.formats.progress import encode_header, encode_rows
from exptools.formats.rows import Row
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Record


class ProgressWriter:
    """Writes rows to `run_dir`/progress.csv, from the first one on; a new tag widens the file, atomically."""

    def __init__(self, run_dir: Path) -> None:
        self._columns: dict[str, int] = {}
        self._rows: list[Row] = []  # waiting for a disk that has room
        self._file = AppendFile(run_dir / rundir.PROGRESS, self._header)

    def write(self, records: Sequence[Record]) -> None:
        """Append the rows among the records."""
        rows = self._rows + [r for r in records if isinstance(r, Row)]
        new = {tag: None for row in rows for tag in row.tags if tag not in self._columns}
        if new and not self._widen(list(new)):
            self._rows = rows
            return
        lines = encode_rows(rows, self._columns).encode()
        self._rows = []
        self._file.append(lines)

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        self.write(())
        waiting = sum(len(r.values) for r in self._rows)
        rows = f"{rundir.PROGRESS}: {waiting} scalars could not be written" if waiting else None
        return "; ".join(lost for lost in (rows, self._file.close()) if lost) or None

    def _header(self) -> bytes:
        return encode_header(list(self._columns)).encode()

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
