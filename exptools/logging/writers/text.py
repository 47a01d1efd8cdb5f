"""Every text into debug.log, and into the additional outputs that a user opens."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Cut, Record, Text, Writer
from exptools.logging.writers.cutting import cut_file, lines


class TextWriter(Writer):
    """Writes texts to a file, as they were printed."""

    def __init__(self, path: Path, *, is_cut: bool = False) -> None:
        """is_cut: at resume it goes back to where it was; debug.log tells all attempts.

        Raises:
            OSError: the file cannot be opened.
        """
        self._path = path
        self._is_cut = is_cut
        self._file: AppendFile | None = None if is_cut else AppendFile(path, exist_ok=True)

    def write(self, records: Sequence[Record]) -> None:
        """Append the texts among the records."""
        texts = [r for r in records if isinstance(r, Text)]
        file = self._opened()
        file.append("".join(f"{r.line}\n" for r in texts).encode(errors="backslashreplace"), len(texts))
        self.trouble = file.trouble

    def position(self) -> Any:
        """Bytes in the file."""
        return {"bytes": self._opened().size} if self._is_cut else None

    def cut_back(self, cut: Cut) -> None:
        """Keep as many bytes as there were at the snapshot; without one all are kept: texts have no step."""
        if self._is_cut and self._path.exists() and cut.position is not None:
            cut_file(self._path, cut.aside, b"", _up_to(self._path, cut.position["bytes"]))

    def lost(self) -> str | None:
        """How many texts are lost for good."""
        lost = 0 if self._file is None else self._file.lost()
        return f"{self._path.name}: {lost:,} texts did not find room in memory" if lost else None

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        return "; ".join(filter(None, (self.lost(), self._opened().close()))) or None

    def _opened(self) -> AppendFile:
        if self._file is None:
            self._file = AppendFile(self._path, exist_ok=True)
        return self._file


def _up_to(path: Path, n: int) -> Iterator[tuple[bytes, bool]]:
    at = 0
    for line in lines(path):
        at += len(line)
        yield line, at <= n
