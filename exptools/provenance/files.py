"""provenance.json: an entry per attempt, read and replaced as a whole; and the patches beside it."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.provenance.secrets import Hider
from exptools.rundir import State, Status
from exptools.say import say

Entry = dict[str, Any]


def read(run_dir: str | os.PathLike[str]) -> list[Entry]:
    """What is known of each attempt of a run, the first one first; empty where nothing was recorded.

    docs/provenance.md tells what an entry holds. How the newest attempt ended is as status.json says.

    Raises:
        RunDirError: provenance.json is not what exptools writes.
    """
    entries = _read(Path(run_dir))
    with contextlib.suppress(RunDirError):
        status = rundir.read_status(run_dir)
        if status is not None:
            _fill_end(entries, status)
    return entries


def _read(run_dir: Path) -> list[Entry]:
    path = run_dir / rundir.PROVENANCE
    try:
        found = rundir.read_json(path)
    except FileNotFoundError:
        return []
    entries = found.get("attempts") if isinstance(found, dict) else None
    is_ours = isinstance(entries, list) and all(
        isinstance(entry, dict) and type(entry.get("attempt")) is int for entry in entries
    )
    if not is_ours:
        raise RunDirError(f"{path}: not a provenance that exptools wrote")
    return entries  # type: ignore[return-value]


def read_or_put_aside(run_dir: Path, attempt: int) -> list[Entry]:
    """The entries so far; a file that is not ours or is torn goes to `.orphaned/`, and one line says so."""
    try:
        return _read(run_dir)
    except RunDirError as error:
        aside = rundir.aside(run_dir, attempt)
        rundir.put_aside(run_dir / rundir.PROVENANCE, aside)
        say(f"{error}; it was put aside into {aside.relative_to(run_dir)}")
        return []


def write(directory: int, entries: list[Entry]) -> None:
    """Replace provenance.json in a run directory, which is open: it may have been renamed."""
    ordered = sorted(entries, key=lambda entry: int(entry["attempt"]))
    content = rundir.as_json({"attempts": ordered})
    rundir.write_atomically(rundir.PROVENANCE, content, durable=False, dir_fd=directory)


def keep_patches(directory: int, patches: Mapping[str, bytes], pool: Path | None = None) -> None:
    """Write patches that are not there yet: a name tells the content, so attempts share a file.

    pool: where runs of one sweep share theirs: one file by many names, as far as the disk can do that.
    """
    for name, content in patches.items():
        if _exists(name, directory):
            continue
        if pool is not None:
            with contextlib.suppress(OSError):
                os.link(pool / name, name, dst_dir_fd=directory)
                continue
        rundir.write_atomically(name, content, durable=False, dir_fd=directory)
        if pool is not None:
            with contextlib.suppress(OSError):
                os.link(name, pool / name, src_dir_fd=directory)


def _exists(name: str, directory: int) -> bool:
    try:
        os.stat(name, dir_fd=directory)
    except OSError:
        return False
    return True


def settle(run_dir: Path, status: Status | None = None) -> None:
    """Tell how an attempt ended whose own process could not: killed, or stopped from outside.

    status: what is known of it; status.json. Never fails.
    """
    with contextlib.suppress(RunDirError, OSError):
        status = status or rundir.read_status(run_dir)
        entries = _read(run_dir)
        if status is not None and _fill_end(entries, status):
            directory = os.open(run_dir, os.O_RDONLY)
            try:
                write(directory, entries)
            finally:
                os.close(directory)


def _fill_end(entries: list[Entry], status: Status) -> bool:
    """Give the newest entry the end that `status` tells; whether that is news."""
    entry = entries[-1] if entries else None
    if entry is None or entry["attempt"] != status.attempt:
        return False
    shown = status.shown(time.time())
    if shown is State.STALE:
        news = gone(status.heartbeat)
    elif status.state.ended:
        news = ending(status)
    else:
        return False
    if "end" in entry and entry.get("state") == news["state"]:
        return False
    entry.update(news)
    return True


def gone(when: float | None = None) -> Entry:
    """The end of an attempt whose process was gone; when: its last sign of life."""
    return {"state": str(State.INTERRUPTED), "end": when, "error": "the process was gone"}


def ending(status: Status) -> Entry:
    """The end of an attempt, as its status tells it."""
    return {
        "state": str(status.state),
        "exit_code": status.exit_code,
        "error": None if status.error is None else Hider().text(status.error),
        "end": status.end,
    }
