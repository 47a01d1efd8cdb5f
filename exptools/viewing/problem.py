"""Problem: a place that could not be read, named and never skipped in silence."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from exptools.errors import RunDirError


@dataclass(frozen=True)
class Problem:
    """What could not be read. offset: bytes from the start of the file, None for the whole of it."""

    path: Path
    reason: str
    offset: int | None = None

    @classmethod
    def of_os(cls, path: Path, error: OSError) -> Problem:
        """The problem that `error` is."""
        return cls(path, f"cannot be read ({error.strerror or error})")

    @classmethod
    def of_json(cls, path: Path, error: RunDirError) -> Problem:
        """The problem that rundir met at `path`; its text begins with the path."""
        return cls(path, str(error).removeprefix(f"{path}: "))

    def __str__(self) -> str:
        where = "" if self.offset is None else f", offset {self.offset}"
        return f"{self.path}{where}: {self.reason}"
