"""The final values of runs that were read before: a small file per sweep, so that a table needs no other.

It lies where the cache of columns does (see cache), in .exptools_cache/ of the sweep's directory. What it
says of a run holds while size and mtime of all of the run's files are those it was read from.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exptools.viewing import cache
from exptools.viewing.curves import Wanted
from exptools.viewing.problem import Problem
from exptools.viewing.runs import Place
from exptools.viewing.scalars import Finals

NAME = "finals.json"
MANY = 100  # runs, or so many bytes of their files, that were read: less is not worth a file
MUCH = 2**22
_VERSION = 1


@dataclass
class _OfSweep:
    """What is known of the runs of one sweep, and how much of it is not in the file yet."""

    directory: Path
    runs: dict[str, Any] = field(default_factory=dict)
    new: int = 0
    new_bytes: int = 0


class Known:
    """What was found out before, and what is found out now; save keeps it."""

    def __init__(self, *, keep: bool) -> None:
        """keep: whether frames are kept that a resumed run measured again; what is known depends on it."""
        self._keep = keep
        self._sweeps: dict[Path, _OfSweep] = {}
        self._stamps: dict[str, Any] = {}  # by run, as it was before it was read

    def get(self, place: Place, wanted: Wanted) -> Finals | None:
        """The final values of the run at `place`; None if they are not known."""
        stamp = stamp_of(place)
        self._stamps[place.name] = stamp
        known = self._of(place).runs.get(self._key(place))
        if stamp is None or known is None or known["stamp"] != stamp:
            return None
        return Finals(
            {tag: value for tag, value in known["values"].items() if wanted(tag)},
            tuple(known["tags"]),
            tuple(Problem(place.sweep / path, reason, at) for path, reason, at in known["problems"]),
            {tag: n for tag, n in known["superseded"].items() if wanted(tag)},
        )

    def put(self, place: Place, finals: Finals) -> None:
        """Keep the final values of all tags of a run that `get` did not know."""
        stamp = self._stamps.get(place.name)
        if stamp is None:
            return
        of_sweep = self._of(place)
        of_sweep.new += 1
        of_sweep.new_bytes += sum(size for _, size, _ in stamp)
        of_sweep.runs[self._key(place)] = {
            "stamp": stamp,
            "values": dict(finals.values),
            "tags": finals.tags,
            "problems": [(_below(p.path, place.sweep), p.reason, p.offset) for p in finals.problems],
            "superseded": dict(finals.superseded),
        }

    def save(self) -> None:
        """Write what is new, where that is much; if it cannot be written it will be found out again."""
        for of_sweep in self._sweeps.values():
            if of_sweep.new >= MANY or of_sweep.new_bytes >= MUCH:
                _keep(of_sweep.directory / NAME, of_sweep.runs)

    def _key(self, place: Place) -> str:
        return f"{_below(place.path, place.sweep)} {'all frames' if self._keep else ''}"

    def _of(self, place: Place) -> _OfSweep:
        if place.sweep not in self._sweeps:
            self._sweeps[place.sweep] = _OfSweep(place.sweep, _read(place.sweep))
        return self._sweeps[place.sweep]


def stamp_of(place: Place) -> list[list[Any]] | None:
    """For each file of a run its name, size and mtime; None if one cannot be asked."""
    stamp = []
    for source in place.sources:
        try:
            found = os.stat(source.path)
        except OSError:
            return None
        stamp.append([_below(source.path, place.sweep), found.st_size, found.st_mtime_ns])
    return stamp


def _below(path: Path, directory: Path) -> str:
    text, above = os.fspath(path), f"{os.fspath(directory)}{os.sep}"
    # As nearly always; it takes a twentieth of the time.
    return text.removeprefix(above) if text.startswith(above) else os.path.relpath(path, directory)


def _read(sweep: Path) -> dict[str, Any]:
    for path in cache.places(sweep / NAME, ""):
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
            said: Mapping[str, Any] = json.loads(path.read_bytes())
            if said["version"] == _VERSION:
                return dict(said["runs"])
    return {}


def _keep(path: Path, runs: Mapping[str, Any]) -> None:
    text = json.dumps({"version": _VERSION, "runs": runs})
    cache.put(path, "", lambda temporary: temporary.write_text(text))
