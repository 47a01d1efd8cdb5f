"""A file that only grows, and keeps what a full disk did not take until it does."""

from __future__ import annotations

import os
import sys
from pathlib import Path

_APPEND = os.O_WRONLY | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class AppendFile:
    """Appends bytes without a buffer of its own in between: what write() has taken survives the process.

    A failing write (full disk, quota) is said once on stderr; the bytes wait in memory and are tried again
    with the next ones.
    """

    def __init__(self, path: Path, *, exist_ok: bool = False) -> None:
        """Create the file, or with `exist_ok` go on at the end of one that exists.

        Raises:
            OSError: it exists or cannot be created.
        """
        self.path = path
        self._waiting = b""
        self._said = False
        flags = os.O_CREAT if exist_ok else os.O_CREAT | os.O_EXCL
        self._fd = os.open(path, flags | _APPEND, 0o666)

    def append(self, data: bytes) -> bool:
        """Append `data`; False if it had to wait."""
        self._waiting += data
        try:
            while self._waiting:
                written = os.write(self._fd, self._waiting)
                self._waiting = self._waiting[written:]
        except OSError as error:
            self.complain(error)
            return False
        return True

    def complain(self, error: OSError) -> None:
        """Say once that this file cannot be written."""
        if not self._said:
            self._said = True
            print(
                f"exptools: cannot write {self.path} ({error.strerror}); "
                "what is logged waits in memory and is tried again every second",
                file=sys.stderr,
            )

    def reopen(self) -> None:
        """Go on with the file that has replaced this one at its path."""
        os.close(self._fd)
        self._fd = os.open(self.path, _APPEND)

    def close(self) -> str | None:
        """Close; returns what is lost in one line, None if nothing is."""
        self.append(b"")
        os.close(self._fd)
        return f"{self.path.name}: {len(self._waiting)} bytes could not be written" if self._waiting else None
