"""A snapshot on its way back from the disk: whose it is, whether it is whole, what it holds."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LoggingError, RunDirError
from exptools.lifecycle import one_line
from exptools.logging.snapshots import formats, generators, manifest
from exptools.logging.snapshots.formats import Format
from exptools.logging.snapshots.manifest import Entry
from exptools.logging.snapshots.writing import GENERATORS


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """A state that has been loaded.

    path: its directory. facts: what was saved with it. time: when it was saved, in seconds since the epoch.
    has_generators: the random generators were saved, too.
    """

    step: int
    state: Any = dataclasses.field(repr=False)
    path: Path
    facts: Mapping[str, Any]
    time: float
    has_generators: bool = False


class Gone(Exception):
    """The process that saves has thrown the snapshot away meanwhile, or put another in its place."""


def damage(path: Path, entry: Entry) -> str | None:
    """What is wrong with the snapshot in `path`, in one line; None if it is as it was saved.

    Raises:
        LoggingError: something there may be somebody else's.
        Gone: it is not there any more.
    """
    try:
        for _ in manifest.tree(path):
            pass  # it looks at the owner of each
        found = manifest.damage(path, entry)
    except OSError as error:
        found = f"it cannot be read ({error.strerror}: {error.filename})"
    if found is not None:
        _must_be_there(path, entry)
    return found


def load(path: Path, entry: Entry, format: Format, *, restore_rng: bool) -> Snapshot:
    """The snapshot in `path`, whose files are whole.

    Raises:
        LoggingError: the format cannot load it.
        Gone: it is not there any more.
    """
    try:
        state = formats.load(format, path)
        states = rundir.read_json(path / GENERATORS) if restore_rng and GENERATORS in entry.files else None
    except Exception as error:
        _must_be_there(path, entry)
        raise LoggingError(
            f"{path}: its files are as they were saved, but {format.name} cannot load them "
            f"({one_line(error)}); load it with the code and libraries that saved it, or move that directory "
            "away to go on from the snapshot before it"
        ) from error
    _must_be_there(path, entry)
    if states is not None:
        generators.restore(states)
    return Snapshot(entry.step, state, path, entry.facts, entry.time, GENERATORS in entry.files)


def _must_be_there(path: Path, entry: Entry) -> None:
    with contextlib.suppress(FileNotFoundError, RunDirError):
        now = manifest.read(path)
        if (now.number, now.time, now.files) == (entry.number, entry.time, entry.files):
            return
    raise Gone


def check_format(path: Path, entry: Entry, format: Format) -> None:
    """Refuse the snapshot in `path` if it was saved by another format.

    Raises:
        LoggingError: it was.
    """
    if entry.format != format.name:
        how = "that pair of functions" if entry.format == "functions" else f"format {entry.format}"
        raise LoggingError(f"{path} was saved by {entry.format}, not by {format.name}; to load it give {how}")
