"""What a program prints, in a file as well."""

from __future__ import annotations

import io
import os
import sys
from pathlib import Path
from types import TracebackType
from typing import Any, TextIO

from exptools.logging.writers.appendfile import AppendFile


class Tee:
    """Inside the block sys.stdout writes to a file, too; that file's disk never harms the printing."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._before: TextIO | None = None
        self._file: AppendFile | None = None

    def __enter__(self) -> None:
        if _is_stdout(self._path):
            return
        self._file = AppendFile(self._path, exist_ok=True)
        self._before, sys.stdout = sys.stdout, _Both(sys.stdout, self._file)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._file is not None:
            if isinstance(sys.stdout, _Both) and sys.stdout.file is self._file:
                sys.stdout = self._before
            self._file.close()


class _Both(io.TextIOBase):
    """A stream that writes to another one and to a file; all else is the other one's."""

    def __init__(self, stream: TextIO, file: AppendFile) -> None:
        self.file = file
        self._stream = stream

    def write(self, text: str) -> int:
        self.file.append(text.encode(errors="backslashreplace"))
        self._stream.write(text)
        return len(text)

    def flush(self) -> None:
        self._stream.flush()

    def isatty(self) -> bool:
        return self._stream.isatty()

    def fileno(self) -> int:
        return self._stream.fileno()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)


def _is_stdout(path: Path) -> bool:
    """Whether stdout goes to that file by itself."""
    try:
        return os.path.samestat(os.fstat(sys.stdout.fileno()), path.stat())
    except (OSError, ValueError, AttributeError):
        return False
