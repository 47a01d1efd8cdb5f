"""manifest.json: what a snapshot is and what its files must be; and whose it is."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from exptools import rundir
from exptools.errors import LoggingError, RunDirError

NAME = "manifest.json"
_PIECE = 2**20  # bytes; small enough for the cache of a core


@dataclasses.dataclass(frozen=True)
class FileFacts:
    """What a file must be: its size in bytes and its SHA-256 as 64 hex digits."""

    size: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class Entry:
    """A snapshot on the disk, as its manifest describes it.

    name: of its directory. number: counts the commits of a run from 1: the newest has the largest, whatever
    its step.
    time: seconds since the epoch. milestone: it is kept for good. metric, value: what mode best ranks it by.
    format: how its state is stored. files: by their paths in its directory. facts: of whoever saved it, plain
    JSON.
    """

    name: str
    step: int
    number: int
    time: float
    milestone: bool
    metric: str | None
    value: float | None
    format: str
    files: Mapping[str, FileFacts]
    facts: Mapping[str, Any]


def encoded(entry: Entry) -> bytes:
    """The content of its manifest.json."""
    fields = dataclasses.asdict(entry)
    del fields["name"]
    return rundir.as_json(fields)


_NUMBER = (int, float)
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("step", "number"), int),
    "time": _NUMBER,
    "milestone": bool,
    "metric": (str, type(None)),
    "value": (*_NUMBER, type(None)),
    "format": str,
    **dict.fromkeys(("files", "facts"), dict),
}


def read(path: Path) -> Entry:
    """The snapshot in the directory `path`; its files are not looked at.

    Raises:
        FileNotFoundError: there is no such directory.
        RunDirError: it has no manifest, or not one of exptools.
    """
    inode = os.lstat(path).st_ino
    try:
        fields = rundir.read_json(path / NAME)
    except FileNotFoundError:
        if os.lstat(path).st_ino != inode:  # the process that saves has just put another in its place
            return read(path)
        raise RunDirError(f"{path}: {NAME} is missing") from None
    try:
        values = {name: fields[name] for name in _TYPES}  # a later version may say more
        for name, value in values.items():
            if not isinstance(value, _TYPES[name]) or (isinstance(value, bool) and name != "milestone"):
                raise TypeError(f"{name} is {value!r}")
        values["files"] = {_inside(name): FileFacts(**facts) for name, facts in fields["files"].items()}
        return Entry(name=path.name, **values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirError(f"{path / NAME}: not a manifest that exptools wrote ({error})") from None


def _inside(name: str) -> str:
    """`name`, if it is the path of a file below the directory of the manifest."""
    path = PurePosixPath(name)
    if path.is_absolute() or ".." in path.parts or not path.parts:
        raise ValueError(f"file {name!r}")
    return name


def damage(path: Path, entry: Entry) -> str | None:
    """What is wrong with the files of the snapshot in `path`, in one line; None if they are as saved."""
    found = (_damage_of_file(path / name, facts) for name, facts in entry.files.items())
    return next(filter(None, found), None)


def _damage_of_file(path: Path, facts: FileFacts) -> str | None:
    try:
        size = os.lstat(path).st_size
        if size != facts.size:
            return f"{path.name} has {size} bytes instead of {facts.size}"
        if file_facts(path) != facts:
            return f"{path.name} fails its checksum (SHA-256)"
    except FileNotFoundError:
        return f"{path.name} is missing"
    except OSError as error:
        return f"{path.name} cannot be read ({error.strerror})"
    return None


def file_facts(path: Path) -> FileFacts:
    """Size and SHA-256 of a file, read piece by piece.

    Raises:
        OSError: it cannot be read.
    """
    digest = hashlib.sha256()
    size = 0
    piece = bytearray(_PIECE)
    view = memoryview(piece)
    with open(path, "rb", buffering=0) as file:
        while n := file.readinto(piece):
            digest.update(view[:n])
            size += n
    return FileFacts(size, digest.hexdigest())


def tree(path: Path) -> Iterator[Path]:
    """Every file below the directory `path`, and every directory behind what it holds; `path` itself last.

    Raises:
        LoggingError: something there is not plain, or not this user's; see `check_owner`.
        OSError: it cannot be read.
    """
    for name in sorted(os.listdir(path)):
        below = path / name
        if stat.S_ISDIR(check_owner(below).st_mode):
            yield from tree(below)
        else:
            yield below
    yield path


def check_owner(path: Path) -> os.stat_result:
    """Refuse what may have been put there by somebody else: a pickle runs code when it is loaded.

    Raises:
        LoggingError: it is a symbolic link, neither file nor directory, or belongs to another user than this
            process's or root.
        OSError: it is not there.
    """
    found = os.lstat(path)
    if stat.S_ISLNK(found.st_mode):
        what = "is a symbolic link"
    elif not stat.S_ISREG(found.st_mode) and not stat.S_ISDIR(found.st_mode):
        what = "is neither a file nor a directory"
    elif found.st_uid not in (os.geteuid(), 0):
        what = f"belongs to user {found.st_uid}, not to you ({os.geteuid()}) or root"
    else:
        return found
    raise LoggingError(
        f"{path} {what}; loading a snapshot can run code, so only files of your own are used. "
        "If you trust it, put a copy in its place (cp -rL)"
    )
