"""Taking out of a file what a run is going to write again: kept aside, and atomic."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

from exptools import rundir
from exptools.logging.writers.base import Cut


class Counts(NamedTuple):
    """What a cut left: parts and bytes that stay, and parts that went."""

    n_kept: int
    kept_bytes: int
    n_cut: int


def cut_file(path: Path, aside: Path, header: bytes, parts: Iterable[tuple[bytes, bool]]) -> Counts:
    """Leave in `path` its header and the parts that are kept; the others go to a file of that name in
    `aside`.

    parts: of the file behind its header, in order, each with whether it is kept. The
    file in `aside` is whole before `path` is replaced; a file of which nothing is kept is removed.

    Raises:
        OSError: one of them cannot be written; then `path` is as it was.
    """
    aside.mkdir(parents=True, exist_ok=True)
    kept = path.with_name(rundir.temporary_name(path.name))
    cut = aside / rundir.temporary_name(path.name)
    n_kept = n_bytes = n_cut = 0
    try:
        with open(kept, "xb") as stays, open(cut, "xb") as goes:
            stays.write(header)
            goes.write(header)
            for part, is_kept in parts:
                (stays if is_kept else goes).write(part)
                n_kept += is_kept
                n_bytes += len(part) * is_kept
                n_cut += not is_kept
            for file in (goes, stays):
                file.flush()
                os.fsync(file.fileno())
        if n_cut or not n_kept:
            os.replace(cut, rundir.place_aside(path, aside))
            rundir.sync(aside)
            if n_kept:
                os.chmod(kept, path.stat().st_mode & 0o777)
                os.replace(kept, path)
            else:
                path.unlink()
            rundir.sync(path.parent)
        return Counts(n_kept, n_bytes, n_cut)
    finally:
        for left in (kept, cut):
            with contextlib.suppress(OSError):
                left.unlink()
        with contextlib.suppress(OSError):
            aside.rmdir()  # if nothing lies there
            aside.parent.rmdir()


def judged_lines(
    path: Path, cut: Cut, earlier: int | None, step_of: Callable[[bytes], float]
) -> Iterator[tuple[bytes, bool]]:
    """The lines of a file, each with whether it is kept.

    earlier: bytes of earlier attempts; what is behind them stays. None: all are. step_of: of a whole line.
    """
    at = 0
    for line in lines(path) if path.exists() else ():
        at += len(line)
        if earlier is not None and at > earlier:
            yield line, True
        elif not line.endswith(b"\n"):
            yield line, False
        elif cut.position is not None:
            yield line, at <= cut.position["bytes"]
        else:
            yield line, step_of(line) < cut.before_step


def lines(path: Path, start: int = 0) -> Iterator[bytes]:
    """The lines of a file from an offset on, with their ends; the last one may be torn and have none."""
    with open(path, "rb") as file:
        file.seek(start)
        yield from file
