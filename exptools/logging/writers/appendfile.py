"""A file that only grows, and keeps what a full disk did not take until it does."""

from __future__ import annotations

import collections
import contextlib
import errno
import os
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from exptools.say import say

_NEW = os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)


class AppendFile:
    """Appends bytes without a buffer of its own in between: what write() has taken survives the process.

    The file is made with the first bytes, and again if somebody deletes it. It is found by its directory's
    file descriptor, so the directory may be renamed and the process may change its own. A failing write (full
    disk, quota) is said once on stderr; the bytes wait in memory and are tried again with the next ones.
    """

    def __init__(self, path: Path, first: Callable[[], bytes] = bytes, *, exist_ok: bool = False) -> None:
        """first: gives what the file begins with. exist_ok: make it now, or go on at its end.

        Raises:
            OSError: there is no such directory, or a file is there already.
        """
        self.path = path
        self._first = first
        self._flags = _NEW & ~os.O_EXCL if exist_ok else _NEW
        self._waiting: collections.deque[bytes] = collections.deque()
        self._taken = 0  # bytes of the first that waits which are in the file
        self._said: set[str] = set()
        self._fd: int | None = None
        self._directory = os.open(path.parent, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            if exist_ok:
                self._open()
            elif path.exists():
                raise FileExistsError(errno.EEXIST, "it exists", str(path))
        except OSError:
            os.close(self._directory)
            raise

    def append(self, data: bytes = b"") -> bool:
        """Append `data` behind what waits; False if some of it still has to."""
        if data:
            self._waiting.append(data)
        try:
            fd = self._open() if self._waiting or self._fd is not None else -1
            while self._waiting:
                self._taken += os.write(fd, self._waiting[0][self._taken :])
                if self._taken == len(self._waiting[0]):
                    self._waiting.popleft()
                    self._taken = 0
        except OSError as error:
            self.complain(error)
            return False
        return True

    def complain(self, error: OSError) -> None:
        """Say once that this file cannot be written."""
        self._say_once(
            f"cannot write {self.path} ({error.strerror}); "
            "what is logged waits in memory and is tried again every second"
        )

    @contextlib.contextmanager
    def replacing(self) -> Iterator[tuple[BinaryIO, BinaryIO]]:
        """The file as it is, to be read, and the one that takes its place when the block ends well.

        Until the rename the old file is whole, after it the new one; if the block raises, the old one stays.
        """
        fd = self._open() if self._fd is None else self._fd
        temporary = f".{self.path.name}.{os.getpid()}.{secrets.token_hex(4)}"
        new = os.open(temporary, _NEW, 0o666, dir_fd=self._directory)
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

    def close(self) -> str | None:
        """Close; returns what is lost in one line, None if nothing is."""
        self.append()
        for fd in (self._fd, self._directory):
            if fd is not None:
                os.close(fd)
        lost = sum(map(len, self._waiting)) - self._taken
        return f"{self.path.name}: {lost} bytes could not be written" if lost else None

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
        self._fd = os.open(self.path.name, self._flags, 0o666, dir_fd=self._directory)
        self._taken = 0
        first = self._first()
        if first:
            self._waiting.appendleft(first)
        return self._fd

    def _say_once(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            say(text)
