"""All that is rich of one run, from its media.jsonl and the event files of other writers; again, cheaply.

What was found is given again: of a file that has only grown the new end is read, and of one that has not
changed nothing.
"""

from __future__ import annotations

import hashlib
import operator
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from exptools import rundir
from exptools.errors import ViewError
from exptools.viewing.inside import Gone, open_inside
from exptools.viewing.media import events, index
from exptools.viewing.media.entry import Entry
from exptools.viewing.problem import Problem
from exptools.viewing.runs import Place

if TYPE_CHECKING:
    from exptools.viewing.api import Run

_SAMPLE = 4096  # bytes at the beginning and before the end, to see that a file has only grown
_EVENTS = "tensorboard"  # the name of the format


@dataclass(frozen=True)
class File:
    """What was found in one file. stamp: equal as long as the file is the same. end: so much of it was read.

    sample: a digest of some of that. plugins: of tags, see events.read.
    """

    path: Path
    stamp: tuple[object, ...]
    end: int
    sample: bytes
    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    plugins: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """What a run has logged so far, in order, and what of it could not be read.

    superseded: how many were left out because a later session logged the same tag again at the same step.
    """

    entries: tuple[Entry, ...]
    problems: tuple[Problem, ...]
    superseded: int
    files: tuple[File, ...]


def entries(run: Run | Place, *, live: bool | None = None) -> list[Entry]:
    """What is rich of a run; see read."""
    return list(read(run, live=live).entries)


def read(run: Run | Place, since: Found | None = None, *, live: bool | None = None) -> Found:
    """What is rich of a run, in the order in which it was logged, media.jsonl first.

    since: what was found before, which is given back as it is where nothing has changed. live: whether
    somebody may be writing, so that a last line or record that is only half written is no problem; None: as
    the run says. exptools' own event files repeat media.jsonl and are not read. Nothing is raised.
    """
    place = run if isinstance(run, Place) else run.place
    is_live = live if live is not None else not isinstance(run, Place) and run.live
    before = {} if since is None else {file.path: file for file in since.files}
    found = [_file(path, before.get(path), is_live) for path in _paths(place)]
    files = tuple(file for file in found if file is not None)
    if since is not None and len(files) == len(since.files) and all(map(operator.is_, files, since.files)):
        return since
    kept, superseded = _settled(files)
    problems = tuple(problem for file in files for problem in file.problems)
    return Found(tuple(kept), problems, superseded, files)


def _paths(place: Place) -> list[Path]:
    sources = [source.path for source in place.sources if source.format.name == _EVENTS]
    own = [] if place.part else [place.home / rundir.MEDIA_INDEX]
    return own + [path for path in sources if not path.name.endswith(rundir.OWN_EVENTS_SUFFIX)]


def _file(path: Path, before: File | None, live: bool) -> File | None:
    """What is in a file now; None if there is none."""
    try:
        stamp = (*_identity(os.stat(path)), live)
        if before is not None and before.stamp == stamp:
            return before
        with open_inside(path, [Path(os.path.realpath(path)).parent]) as file:
            return _read(path, file, before, live)
    except (FileNotFoundError, NotADirectoryError, Gone):
        return None
    except ViewError as error:
        reason = str(error).removeprefix(f"{path} ")
        return File(path, (), 0, b"", (), (Problem(path, reason),))
    except OSError as error:
        return File(path, (), 0, b"", (), (Problem.of_os(path, error),))


def _identity(found: os.stat_result) -> tuple[int, int, int, int]:
    return found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns


def _read(path: Path, file: BinaryIO, before: File | None, live: bool) -> File:
    stamp = (*_identity(os.fstat(file.fileno())), live)
    has_grown = before is not None and before.stamp and before.sample == _sample(file, before.end)
    if before is None or not has_grown:
        before = File(path, (), 0, b"", (), ())
    plugins = dict(before.plugins)
    if path.name == rundir.MEDIA_INDEX:
        new, more, end = index.read(path, file, before.end, live=live)
    else:
        new, more, end = events.read(path, file, before.end, plugins, live=live)
    old = (p for p in before.problems if p.offset is not None and p.offset < before.end)
    return File(path, stamp, end, _sample(file, end), (*before.entries, *new), (*old, *more), plugins)


def _sample(file: BinaryIO, end: int) -> bytes:
    """A digest of the beginning of a file and of what is before `end`."""
    fd, size = file.fileno(), min(_SAMPLE, end)
    return hashlib.sha256(os.pread(fd, size, 0) + os.pread(fd, size, end - size)).digest()


def _settled(files: Sequence[File]) -> tuple[list[Entry], int]:
    """The entries of all files without those that a later session logged again, and how many those are.

    The logger itself takes back what a resumed run logs again; of event files each is a session, and a step
    that goes back begins one, as for scalars.
    """
    own = [entry for file in files if file.path.name == rundir.MEDIA_INDEX for entry in file.entries]
    of_others = [file.entries for file in files if file.path.name != rundir.MEDIA_INDEX and file.entries]
    all_of_them = [entry for of_one in of_others for entry in of_one]
    kept = _newest(of_others) if all_of_them else []
    return own + [all_of_them[i] for i in kept], len(all_of_them) - len(kept)


def _newest(sessions: Sequence[Sequence[Entry]]) -> list[int]:
    """Which of the entries of `sessions`, counted through, are kept."""
    import numpy as np

    from exptools.viewing.curves import Curve
    from exptools.viewing.scalars import settled

    by_tag: dict[str, list[list[tuple[int, int]]]] = {}
    n = 0
    for session in sessions:
        of_session: dict[str, list[tuple[int, int]]] = {}
        for entry in session:
            of_session.setdefault(entry.tag, []).append((entry.step, n))
            n += 1
        for tag, rows in of_session.items():
            by_tag.setdefault(tag, []).append(rows)
    kept: list[int] = []
    for parts in by_tag.values():
        columns = [np.array(rows, np.int64).T for rows in parts]
        curves = [Curve(step, np.zeros(len(step)), which.astype(np.float64)) for step, which in columns]
        kept += settled(curves).value.astype(np.int64).tolist()
    return sorted(kept)
