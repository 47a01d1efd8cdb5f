"""Where results are written to: whole, or not at all."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from exptools import rundir
from exptools.errors import ViewError


class OutputError(ViewError):
    """What was asked for is right, but it could not be written."""


def writable(path: Path) -> Path:
    """`path`, if a file can be written there.

    Raises:
        ViewError: it cannot.
    """
    try:
        is_directory = stat.S_ISDIR(os.stat(path).st_mode)
    except (FileNotFoundError, NotADirectoryError):
        is_directory = False
    except OSError as error:
        raise ViewError(f"cannot write {path}: {error.strerror or error}; give another file") from error
    if is_directory:
        raise ViewError(f"cannot write {path}: it is a directory; give the name of a file")
    if not path.parent.is_dir():
        raise ViewError(f"cannot write {path}: there is no directory {path.parent}; make it first")
    if not os.access(path.parent, os.W_OK) and not path.exists():
        raise ViewError(f"cannot write {path}: no permission in {path.parent}; give another file")
    if path.exists() and not os.access(path, os.W_OK):
        raise ViewError(f"cannot write {path}: it is read-only; give another file")
    return path


def made(directory: Path) -> Path:
    """`directory`, made if it was not there.

    Raises:
        OutputError: it cannot be made.
    """
    with _explained(directory):
        directory.mkdir(parents=True, exist_ok=True)
    return directory


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[BinaryIO]:
    """A stream whose content becomes the file `path` when the block ends well; else `path` stays as it was.

    Raises:
        ViewError: a file cannot be written there.
        OutputError: writing failed.
    """
    writable(path)
    if path.exists() and not path.is_file():  # a device or a pipe is written to, never replaced
        with _explained(path), open(path, "wb") as stream:
            yield stream
        return
    target = Path(os.path.realpath(path))  # through a link: the file it names is replaced
    temporary = target.with_name(rundir.temporary_name(target.name))
    try:
        with _explained(path):
            with open(temporary, "xb") as stream:
                with contextlib.suppress(OSError):  # what only its owner may read stays so
                    os.fchmod(stream.fileno(), stat.S_IMODE(target.stat().st_mode))
                yield stream
            os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _explained(path: Path) -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        raise
    except OSError as error:
        raise OutputError(f"cannot write {path}: {error.strerror or error}; give another file") from error
