"""A snapshot on its way back from the disk: whose it is, whether it is whole, what it holds."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LoggingError
from exptools.lifecycle import one_line
from exptools.logging.snapshots import formats, generators, manifest
from exptools.logging.snapshots.formats import Format
from exptools.logging.snapshots.manifest import Entry
from exptools.logging.snapshots.writing import GENERATORS
from exptools.say import say


@dataclasses.dataclass(frozen=True, eq=False)
class Snapshot:
    """A state that has been loaded.

    path: its directory. facts: what was saved with it. time: when it was saved, in seconds since the epoch.
    """

    step: int
    state: Any = dataclasses.field(repr=False)
    path: Path
    facts: Mapping[str, Any]
    time: float


class Gone(Exception):
    """The snapshot was thrown away meanwhile, by the process that saves."""


def damage(entry: Entry) -> str | None:
    """What is wrong with the files of a snapshot, in one line; None if they are as they were saved.

    Raises:
        LoggingError: they may have been put there by somebody else.
        Gone: there are none any more.
    """
    try:
        for _ in manifest.tree(entry.path):
            pass  # it looks at the owner of each
        found = manifest.damage(entry)
    except OSError as error:
        found = f"it cannot be read ({error.strerror}: {error.filename})"
    if found is not None and not entry.path.exists():
        raise Gone
    return found


def load(entry: Entry, format: Format, *, restore_rng: bool) -> Snapshot:
    """The snapshot, whose files are whole.

    Raises:
        LoggingError: the format cannot load it.
        Gone: it is not there any more.
    """
    try:
        state = formats.load(format, entry.path)
    except Exception as error:
        if not entry.path.exists():
            raise Gone from None
        raise LoggingError(
            f"{entry.path}: its files are as they were saved, but {format.name} cannot load them "
            f"({one_line(error)}); load it with the code and libraries that saved it, or move that directory "
            "away to go on from the snapshot before it"
        ) from error
    if restore_rng:
        _restore_generators(entry)
    return Snapshot(entry.step, state, entry.path, entry.facts, entry.time)


def check_format(entry: Entry, format: Format) -> None:
    """Refuse a snapshot that was saved by another format.

    Raises:
        LoggingError: it was.
    """
    if entry.format != format.name:
        how = "that pair of functions" if entry.format == "functions" else f"format {entry.format}"
        raise LoggingError(
            f"{entry.path} was saved by {entry.format}, not by {format.name}; to load it give {how}"
        )


def _restore_generators(entry: Entry) -> None:
    if GENERATORS not in entry.files:
        say(f"{entry.path} was saved without the random generators; they are left as they are")
        return
    generators.restore(rundir.read_json(entry.path / GENERATORS))
