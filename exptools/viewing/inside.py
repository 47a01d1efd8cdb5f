"""Opening files by names that came from elsewhere: only regular files below the directories that are shown.

A name may come from a browser, or from a file that somebody else wrote. So what it leads to is found out
first, links and all, and then opened step by step from the directory that is allowed: a link that is put in
between meanwhile is not followed. A hard link is the file itself and cannot be told from it.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO

from exptools.errors import ViewError
from exptools.words import memory

MOST_BYTES = 2**28  # of a file that is read as a whole
_LONGEST_TOLD = 500  # characters of a name in a message
_CLOEXEC = getattr(os, "O_CLOEXEC", 0)
# A directory on the way needs no permission to be listed, where the system can say so.
_ON_THE_WAY = getattr(os, "O_PATH", os.O_RDONLY) | os.O_DIRECTORY | os.O_NOFOLLOW | _CLOEXEC
_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | _CLOEXEC


class Forbidden(ViewError):
    """A name leads out of the directories that are shown."""


class Gone(ViewError):
    """There is no such file, or not any more."""


def inside(path: str | os.PathLike[str], roots: Sequence[str | os.PathLike[str]]) -> Path:
    """The real path of `path`, which is one of `roots` or lies below one; links in any of them are followed.

    Nothing needs to be there.

    Raises:
        Forbidden: it lies elsewhere, or is no name of a file.
        Gone: it vanishes right now.
    """
    return _allowed(path, roots)[1]


def open_inside(path: str | os.PathLike[str], roots: Sequence[str | os.PathLike[str]]) -> BinaryIO:
    """The regular file at `path`, opened for reading: the one that was allowed, whatever is moved meanwhile.

    Raises:
        Forbidden: see inside.
        Gone: it is not there.
        ViewError: it is no regular file, or cannot be opened.
    """
    root, real = _allowed(path, roots)
    try:
        fd = _opened(root, real.relative_to(root).parts)
    except (FileNotFoundError, NotADirectoryError):
        raise _gone(path) from None
    except OSError as error:
        raise ViewError(f"{_told(path)} cannot be opened ({error.strerror or error})") from error
    if fd is None:
        raise ViewError(f"{_told(path)} is no regular file; only those are opened")
    return open(fd, "rb")


def read_inside(
    path: str | os.PathLike[str],
    roots: Sequence[str | os.PathLike[str]],
    most_bytes: int = MOST_BYTES,
) -> bytes:
    """The regular file at `path` as it is now; what is appended meanwhile is not read.

    Raises:
        ViewError: see open_inside; it has more than `most_bytes`, or cannot be read.
    """
    with open_inside(path, roots) as file:
        size = os.fstat(file.fileno()).st_size
        if size > most_bytes:
            most = memory(most_bytes)
            raise ViewError(
                f"{_told(path)} has {memory(size)}, and {most} is the most that is shown; open it by hand"
            )
        try:
            return file.read(size)
        except OSError as error:
            raise ViewError(f"{_told(path)} cannot be read ({error.strerror or error})") from error


def _allowed(path: str | os.PathLike[str], roots: Sequence[str | os.PathLike[str]]) -> tuple[Path, Path]:
    """The real paths of the root and of what lies below it."""
    try:
        is_name = b"\0" not in os.fsencode(path)
    except UnicodeEncodeError:  # half of a surrogate pair
        is_name = False
    if not is_name:
        raise _forbidden(path)
    try:
        real, above_all = Path(os.path.realpath(path)), [Path(os.path.realpath(root)) for root in roots]
    except OSError:  # a link has vanished while it was followed
        raise _gone(path) from None
    for above in above_all:
        if real.is_relative_to(above):
            return above, real
    raise _forbidden(path)


def _forbidden(path: str | os.PathLike[str]) -> Forbidden:
    told = _told(path)
    return Forbidden(f"{told} is not below the directories that are shown; only what lies there is opened")


def _gone(path: str | os.PathLike[str]) -> Gone:
    return Gone(f"{_told(path)} is not there (any more); look again")


def _told(path: str | os.PathLike[str]) -> str:
    """The name on one line, whatever is in it."""
    name = os.fspath(path)
    name = name if len(name) <= _LONGEST_TOLD else f"{name[:_LONGEST_TOLD]}..."
    return name if name and name.isprintable() else ascii(name)


def _opened(root: Path, parts: Sequence[str]) -> int | None:
    """The regular file at `parts` below `root`, without following any link; None if it is something else.

    It is looked at before it is opened, as to open a FIFO or a device does something to it, and afterwards,
    as it may have been replaced.
    """
    if not parts:
        return None
    directory = os.open(root, _ON_THE_WAY)
    try:
        for part in parts[:-1]:
            below = os.open(part, _ON_THE_WAY, dir_fd=directory)
            os.close(directory)
            directory = below
        if not stat.S_ISREG(os.stat(parts[-1], dir_fd=directory, follow_symlinks=False).st_mode):
            return None
        fd = os.open(parts[-1], _FILE, dir_fd=directory)
    finally:
        os.close(directory)
    if stat.S_ISREG(os.fstat(fd).st_mode):
        return fd
    os.close(fd)
    return None
