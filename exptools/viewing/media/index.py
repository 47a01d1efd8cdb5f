"""media.jsonl: the lines that exptools' logger writes, one for each thing that is rich."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, BinaryIO

from exptools.viewing.media.entry import HISTOGRAM, Entry, Origin
from exptools.viewing.problem import Problem

LONGEST = 2**26  # bytes of a line; no more of it is in memory
_KNOWN = {"step", "wall_time", "kind", "tag", "files"}
_BINS = {"edges", "counts"}


def read(path: Path, file: BinaryIO, start: int, *, live: bool) -> tuple[list[Entry], list[Problem], int]:
    """The entries of the lines from offset `start` on, what could not be read, and where the last line ends.

    A line that the logger did not write is named and the others are kept; so is a last line without its end,
    unless the run is `live`.
    """
    entries: list[Entry] = []
    problems: list[Problem] = []
    at = start
    file.seek(start)
    while line := file.readline(LONGEST):
        length = len(line)
        while not line.endswith(b"\n") and (more := file.readline(LONGEST)):
            length += len(more)
            line = more[-1:]  # it is too long to be one of ours
        if not line.endswith(b"\n"):
            if not live:
                reason = "the last line is torn: it has no line end and was left out"
                problems.append(Problem(path, reason, at))
            break
        found = parsed(line) if len(line) == length else None
        if found is not None:
            entries.append(_entry(found, Origin(path, at, length)))
        elif line.strip() or length > len(line):
            problems.append(Problem(path, "not a line that the logger writes; it was left out", at))
        at += length
    return entries, problems, at


def parsed(line: bytes) -> dict[str, Any] | None:
    """What a line says; None if it is none of the logger's."""
    try:
        found = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_one(found) else None


def _is_one(found: dict[str, Any]) -> bool:
    step, wall_time, files = found.get("step"), found.get("wall_time"), found.get("files")
    return (
        isinstance(step, int)
        and not isinstance(step, bool)
        and -(2**63) <= step < 2**63
        and isinstance(wall_time, int | float)
        and not isinstance(wall_time, bool)
        and abs(wall_time) < 1e300
        and isinstance(found.get("kind"), str)
        and isinstance(found.get("tag"), str)
        and isinstance(files, list)
        and all(isinstance(name, str) for name in files)
    )


def _entry(found: dict[str, Any], origin: Origin) -> Entry:
    facts = {key: value for key, value in found.items() if key not in _KNOWN}
    if found["kind"] == HISTOGRAM and isinstance(facts.get("counts"), list):
        facts = {
            **{key: value for key, value in facts.items() if key not in _BINS},
            "bins": len(facts["counts"]),
        }
    step, wall_time = found["step"], float(found["wall_time"])
    return Entry(found["kind"], found["tag"], step, wall_time, tuple(found["files"]), origin, facts)
