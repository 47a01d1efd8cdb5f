"""Directories that appear whole or not at all, and go the same way.

A directory is written under a hidden name, flushed to the disk, and renamed. Only whole ones ever have a
visible name; what a process left unfinished is told by its hidden one.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.logging.snapshots.manifest import FileFacts

_PIECE = 2**20  # bytes handed to the disk and to the checksum in turn, while the cache of a core has them
_QUIET_S = 3600.0  # what another machine has not touched for so long, nobody is writing
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)


class HashingFile:
    """A new file that is written from its beginning to its end, without a buffer, and hashed on the way.

    error: the first OSError of a write; libraries that are given the file may hide it behind one of theirs.
    """

    def __init__(self, path: Path) -> None:
        self.error: OSError | None = None
        self._size = 0
        self._digest = hashlib.sha256()
        self._fd = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY | _CLOEXEC, 0o666)

    def write(self, data: Any) -> int:
        """Write all bytes of `data`, anything with a contiguous buffer; gives back how many they are."""
        with memoryview(data) as given, given.cast("B") as view:
            at = 0
            while at < len(view):
                piece = view[at : at + _PIECE]
                try:
                    n = os.write(self._fd, piece)
                except OSError as error:
                    self.error = self.error or error
                    raise
                self._digest.update(piece[:n])
                at += n
            self._size += at
            return at

    def flush(self) -> None:
        """There is no buffer; libraries call this."""

    def tell(self) -> int:
        """How many bytes have been written."""
        return self._size

    def facts(self) -> FileFacts:
        """Size and SHA-256 of what has been written."""
        return FileFacts(self._size, self._digest.hexdigest())

    def sync(self) -> None:
        """Return when the disk has it."""
        os.fsync(self._fd)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self._fd)


@contextlib.contextmanager
def new_file(path: Path) -> Iterator[HashingFile]:
    """A file to write in the block; on the disk when that ends well."""
    file = HashingFile(path)
    try:
        yield file
        if file.error is not None:
            raise file.error
        file.sync()
    except Exception:
        if file.error is not None:
            raise file.error from None
        raise
    finally:
        file.close()


@contextlib.contextmanager
def hidden_directory(parent: Path, name: str) -> Iterator[Path]:
    """A new directory in `parent`, to be filled in the block and then renamed; removed if it is not."""
    path = parent / _hidden("saving", name)
    with _working_on(path.name):
        os.mkdir(path)
        try:
            with rundir.claimed(path):
                yield path
        except BaseException:
            shutil.rmtree(path, ignore_errors=True)
            raise


def publish(hidden: Path, name: str) -> Path:
    """Give a directory that is on the disk its visible name, or `name`.1, .2, ... where that is taken."""
    for place in range(1_000_000):
        path = hidden.with_name(f"{name}.{place}" if place else name)
        if path.exists():
            continue
        try:
            os.rename(hidden, path)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):  # somebody else was faster
                raise
            continue
        return path
    raise FileExistsError(errno.EEXIST, "it exists a million times", str(hidden.with_name(name)))


def discard(path: Path) -> None:
    """Remove a directory; it loses its visible name first, so that no half of it is ever seen."""
    hidden = path.with_name(_hidden("deleting", path.name))
    with _working_on(hidden.name):
        os.rename(path, hidden)
        shutil.rmtree(hidden)


def remove_abandoned(parent: Path) -> Iterator[Path]:
    """Remove hidden directories whose owner is dead; gives back those that it had not finished to write."""
    for path in sorted(parent.glob(".*")):
        verb, owner = _owner(path.name)
        if verb is None or _may_be_alive(path, owner):
            continue
        try:
            with rundir.claimed(path, wait=False):  # its owner holds this lock, on whatever machine
                shutil.rmtree(path)
        except (RunDirError, OSError):
            continue
        if verb == "saving":
            yield path


_at_work: set[str] = set()  # hidden names of this process: another one may have had its number before


@contextlib.contextmanager
def _working_on(name: str) -> Iterator[None]:
    _at_work.add(name)
    try:
        yield
    finally:
        _at_work.discard(name)


def _hidden(verb: str, name: str) -> str:
    # The host comes last, since it may have dots.
    return f".{verb}-{name.replace('.', '_')}.{os.getpid()}.{os.urandom(4).hex()}.{socket.gethostname()}"


def _owner(name: str) -> tuple[str | None, tuple[int, str]]:
    """What a hidden directory is for, and the process and machine that made it; None: it is not ours."""
    _, _, rest = name.partition(".")
    parts = rest.split(".", 3)
    verb = parts[0].partition("-")[0]
    if len(parts) < 4 or verb not in ("saving", "deleting") or not parts[1].isdecimal():
        return None, (0, "")
    return verb, (int(parts[1]), parts[3])


def _may_be_alive(path: Path, owner: tuple[int, str]) -> bool:
    """Whether somebody may be at work in a hidden directory."""
    pid, host = owner
    if path.name in _at_work:
        return True
    if host != socket.gethostname():
        return time.time() - _last_touched(path) < _QUIET_S
    if pid == os.getpid():
        return False  # of a process before this one, as in a container that was started again
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody else's
        return True
    return True


def _last_touched(path: Path) -> float:
    times = [path.stat().st_mtime]
    with contextlib.suppress(OSError):
        times += [below.stat().st_mtime for below in path.rglob("*")]
    return max(times)
