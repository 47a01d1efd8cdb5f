"""Files as readers take them: all bytes at once, or the reading that says why not."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

from exptools import rundir
from exptools.viewing.curves import Reading
from exptools.viewing.problem import Problem

_LONGEST_LINE = 2**20  # bytes of a first line that are looked at


def contents(path: Path) -> bytes | Reading:
    """The bytes of a file; what has vanished held nothing, and what cannot be read is named."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return nothing()
    except OSError as error:
        return nothing(Problem.of_os(path, error))


def nothing(*problems: Problem) -> Reading:
    """The reading of a file that is not usable."""
    return Reading({}, (), problems, usable=False)


def torn_row(path: Path, at: int) -> Problem:
    """The problem of a table that ends inside a row, which begins `at`."""
    return Problem(path, "the last row is torn: it has no line end and was left out", at)


def first_line(path: Path) -> str:
    """The first line of a file, without its end; empty where it cannot be read."""
    try:
        with open(path, "rb") as file:
            return file.readline(_LONGEST_LINE).decode("utf-8-sig", "replace").rstrip("\r\n")
    except OSError:
        return ""


def keys_in(line: str) -> tuple[str, ...]:
    """The keys of the object that a line of JSON holds; none where it holds no object, or half of one."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return ()
    return tuple(found) if isinstance(found, dict) else ()


def holds(directory: Path, *names: str) -> bool:
    """Whether one of `names` is in `directory`."""
    return any(os.path.exists(directory / name) for name in names)


def holds_events(directory: Path) -> bool:
    """Whether TensorBoard's event files are in `directory`."""
    return next(directory.glob(f"*{rundir.EVENTS_INFIX}*"), None) is not None


def lines(data: bytes) -> list[tuple[int, bytes]]:
    """The lines of `data`, without their ends, and where each begins; the last may be torn."""
    parts = data.split(b"\n")
    starts = itertools.accumulate((len(part) + 1 for part in parts), initial=0)
    return list(zip(starts, parts, strict=False))
