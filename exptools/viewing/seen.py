"""What was seen of a tree of runs at the last look, so that the next one reads only what has changed.

Whether a file or a directory has changed is told by its inode, size and times. What changed shortly before it
was read is read again: a file system's clock ticks slowly, and a change after that could look the same.
"""

from __future__ import annotations

import os
import stat
import time
from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from exptools.viewing.api import Run
    from exptools.viewing.runs import Found, Listing

Stamp: TypeAlias = tuple[int, ...]
SETTLED_S = 2.0  # since the last change


def stamps_of(paths: Iterable[str | os.PathLike[str]]) -> tuple[Stamp, ...] | None:
    """What files and directories are like; None if one is not there, is a link, or has only just changed."""
    stamps = []
    for path in paths:
        try:
            found = os.lstat(path)
        except OSError:
            return None
        if stat.S_ISLNK(found.st_mode) or not is_settled(found):
            return None
        stamps.append(stamp(found))
    return tuple(stamps)


def stamp(found: os.stat_result) -> Stamp:
    """What tells whether a file or directory has changed."""
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns


def is_settled(found: os.stat_result) -> bool:
    """Whether the last change is some time ago."""
    return time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) > SETTLED_S * 1e9


@dataclass(frozen=True)
class Tree:
    """What was found below `roots`. sweeps: by directory that runs lie in the sweep they are of."""

    roots: tuple[Path, ...]
    found: Found
    sweeps: dict[Path, Path]


@dataclass
class Seen:
    """Of one look for the next. listings: by directory, with the stamp that it had. runs: by path, with the
    stamp of what their configs and states were read from. tree: all of it.
    """

    listings: dict[Path, tuple[Stamp, Listing]] = field(default_factory=dict)
    runs: dict[Path, tuple[Hashable, Run]] = field(default_factory=dict)
    tree: Tree | None = None
