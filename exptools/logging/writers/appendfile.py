"""A file that only grows, and keeps what a full disk did not take until it does."""

from __future__ import annotations

import collections
import contextlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from exptools import rundir
from exptools.say import Once, say
from exptools.words import memory

MOST_WAITING_BYTES = 2**26
_OPEN = os.O_CREAT | os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class AppendFile:
    """Appends bytes without a buffer of its own in between: what write() has taken survives the process.

    The file is made with the first bytes, and again if somebody deletes it. It is found by its directory's
    file descriptor, so the directory may be renamed and the process may change its own. A failing write (full
    disk, quota) is said once on stderr; the bytes wait in memory, up to MOST_WAITING_BYTES, and are tried
    again with the next ones. What does not find room there is lost, which is said at once and counted.
    """

    def __init__(self, path: Path, first: Callable[[], bytes] = bytes, *, exist_ok: bool = False) -> None:
        """first: gives what a new file begins with. exist_ok: make it now, or go on at its end.

        Raises:
            OSError: there is no such directory, or the file cannot be opened.
        """
        self.path = path
        self.trouble: str | None = None  # why nothing can be written now
        self._first = first
        self._waiting: collections.deque[bytes] = collections.deque()
        self._waiting_bytes = 0
        self._taken = 0  # bytes of the first that waits which are in the file
        self._lost = 0
        self._overflows = False
        self._say_once = Once()
        self._fd: int | None = None
        self._directory = os.open(path.parent, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        if exist_ok:
            try:
                self._open()
            except OSError:
                os.close(self._directory)
                raise

    def append(self, data: bytes = b"", n: int = 0) -> bool:
        """Append `data` behind what waits; False if some of it still has to.

        n: how many measurements it holds, to be counted if it is lost.
        """
        if data and self._is_full_with(data):
            self._drain()
        if data and self._is_full_with(data):
            self._overflows = True
            self._lost += n
            most = memory(MOST_WAITING_BYTES)
            self._say_once(
                f"{self.path} could not be written for so long that {most} wait in memory, the most that "
                "may; what is logged from now on is LOST until there is room"
            )
        elif data:
            self._waiting.append(data)
            self._waiting_bytes += len(data)
        return self._drain()

    def _is_full_with(self, data: bytes) -> bool:
        """Whether `data` has no room; once that was so nothing has, until all that waits is written.

        Else what is short would still be kept where what is long is lost.
        """
        return bool(self._waiting) and (
            self._overflows or self._waiting_bytes + len(data) > MOST_WAITING_BYTES
        )

    def _drain(self) -> bool:
        """Write what waits; False if some of it still has to."""
        try:
            fd = self._open() if self._waiting or self._fd is not None else -1
            while self._waiting:
                self._taken += os.write(fd, self._waiting[0][self._taken :])
                if self._taken == len(self._waiting[0]):
                    self._waiting_bytes -= len(self._waiting.popleft())
                    self._taken = 0
        except OSError as error:
            self.complain(error)
            return False
        if self.trouble is not None and self._lost:
            self._say_once.forget()
            say(f"{self.path} can be written again; {self._lost:,} measurements were lost meanwhile")
        self.trouble = None
        self._overflows = False
        return True

    def complain(self, error: OSError) -> None:
        """Say once that this file cannot be written."""
        self.trouble = f"cannot write {self.path} ({error.strerror})"
        self._say_once(f"{self.trouble}; what is logged waits in memory and is tried again every second")

    @property
    def size(self) -> int:
        """Bytes in the file; of none, 0."""
        return 0 if self._fd is None else os.fstat(self._fd).st_size

    @contextlib.contextmanager
    def replacing(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """The file as it is, to be read, and the one that takes its place when the block ends well.

        Until the rename the old file is whole, after it the new one; if the block raises, the old one stays.
        """
        fd = self._open() if self._fd is None else self._fd
        temporary = rundir.temporary_name(self.path.name)
        new = os.open(temporary, _OPEN | os.O_EXCL, 0o666, dir_fd=self._directory)
        try:
            os.fchmod(new, os.fstat(fd).st_mode & 0o777)
            with os.fdopen(os.dup(fd), "rb") as old, os.fdopen(os.dup(new), "wb") as wide:
                old.seek(0)
                yield old, wide
                wide.flush()
                os.fsync(new)
            os.replace(temporary, self.path.name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except BaseException:
            os.close(new)
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._directory)
            raise
        os.close(fd)
        self._fd = new

    def reopen(self) -> None:
        """Go on in the file that has taken this one's place by its name."""
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None

    def lost(self) -> int:
        """How many measurements are lost for good."""
        return self._lost

    def close(self) -> str | None:
        """Close; returns what is lost in one line, None if nothing is."""
        self.append()
        for fd in (self._fd, self._directory):
            if fd is not None:
                os.close(fd)
        waiting = self._waiting_bytes - self._taken
        return f"{self.path.name}: {waiting} bytes could not be written" if waiting else None

    def _open(self) -> int:
        """The file, which is made if it is not there, or not there any more."""
        if self._fd is not None and os.fstat(self._fd).st_nlink:
            return self._fd
        if self._fd is not None:
            self._say_once(
                f"{self.path} was deleted while it was written; what it held is gone, it is begun again"
            )
            os.close(self._fd)
            self._fd = None
        self._fd = os.open(self.path.name, _OPEN, 0o666, dir_fd=self._directory)
        self._taken = 0
        first = self._first() if os.fstat(self._fd).st_size == 0 else b""
        if first:
            self._waiting.appendleft(first)
            self._waiting_bytes += len(first)
        return self._fd
