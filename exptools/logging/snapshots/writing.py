"""A snapshot on its way to the disk: every flush comes before the step that relies on it."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LoggingError
from exptools.lifecycle import one_line
from exptools.logging.snapshots import disk, manifest
from exptools.logging.snapshots.formats import Format
from exptools.logging.snapshots.manifest import Entry, FileFacts

GENERATORS = "generators.json"

_TEN_TO_12 = 10**12


def name_of(step: int) -> str:
    """The name of a snapshot's directory; names sort as steps do, up to 10^12 on either side of 0.

    Of a negative step it has the distance from -10^12: step--999999999999 is that of -1.
    """
    return f"step-{step:012d}" if step >= 0 else f"step--{_TEN_TO_12 + step:012d}"


def write(home: Path, entry: Entry, format: Format, state: Any, generators: dict[str, Any] | None) -> Entry:
    """Put a snapshot into the directory `home`, which is made; gives back `entry` with its name and files.

    Until it has its name nobody sees it. That name is on the disk after rundir.sync(home).

    Raises:
        LoggingError: the format cannot store the state.
        OSError: the disk does not take it.
    """
    with contextlib.suppress(FileExistsError):
        os.mkdir(home)
    rundir.sync(home.parent)
    with disk.hidden_directory(home, name_of(entry.step)) as hidden:
        files = _write_state(hidden, entry.step, format, state)
        if generators is not None:
            with disk.new_file(hidden / GENERATORS) as file:
                file.write(json.dumps(generators).encode())
            files[GENERATORS] = file.facts()
        entry = dataclasses.replace(entry, files=files)
        with disk.new_file(hidden / manifest.NAME) as file:
            file.write(manifest.encoded(entry))
        rundir.sync(hidden)
        return dataclasses.replace(entry, name=disk.publish(hidden, name_of(entry.step)).name)


def tidy_name(home: Path, entry: Entry) -> Entry:
    """Give a snapshot that has taken the place of another of its step the plain name, now that it is free."""
    plain = name_of(entry.step)
    if entry.name == plain or (home / plain).exists():
        return entry
    os.rename(home / entry.name, home / plain)
    return dataclasses.replace(entry, name=plain)


def _write_state(directory: Path, step: int, format: Format, state: Any) -> dict[str, FileFacts]:
    """Store the state and flush it; the facts of each file that it takes."""
    path = directory / format.file
    try:
        if format.streams:
            with disk.new_file(path) as file:
                format.save(state, file)
            return {format.file: file.facts()}
        format.save(state, path)
    except OSError:
        raise
    except Exception as error:
        raise LoggingError(
            f"the snapshot of step {step}: {format.name} cannot save this state ({one_line(error)})"
        ) from error
    if not path.exists():
        raise LoggingError(f"the snapshot of step {step}: save(state, path) has left nothing at its path")
    facts = {}
    for below in manifest.tree(directory):
        rundir.sync(below)
        if below.is_file():
            facts[below.relative_to(directory).as_posix()] = manifest.file_facts(below)
    return facts
