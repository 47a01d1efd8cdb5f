"""Every text into debug.log."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from exptools import rundir
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Record, Text


class TextWriter:
    """Writes texts to `run_dir`/debug.log, as they were printed."""

    def __init__(self, run_dir: Path) -> None:
        self._file = AppendFile(run_dir / rundir.DEBUG_LOG, exist_ok=True)

    def write(self, records: Sequence[Record]) -> None:
        """Append the texts among the records."""
        lines = [f"{r.line}\n" for r in records if isinstance(r, Text)]
        self._file.append("".join(lines).encode(errors="backslashreplace"))

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        return self._file.close()
