"""Stable-Baselines3: progress.csv. Its progress.json is read as JSON lines."""

from __future__ import annotations

from pathlib import Path

from exptools.viewing.curves import Reading, Wanted
from exptools.viewing.readers import csv_table, viskit
from exptools.viewing.readers.files import first_line, holds
from exptools.viewing.readers.format import Format

SECTIONS = ("time/", "rollout/", "train/", "eval/")  # what its algorithms log is under these


def read(path: Path, wanted: Wanted, *, live: bool) -> Reading:
    """The frames of progress.csv; see readers.csv_table.

    Its names are not quoted: where one has a comma no column can be told. Then progress.json says everything,
    if it is there.
    """
    is_excused = holds(path.parent, "progress.json")
    return csv_table.read(path, viskit.axes(path), wanted, live=live, is_excused=is_excused)


def _claims(path: Path) -> bool:
    names = csv_table.names_in(first_line(path))
    return any(name.startswith(SECTIONS) for name in names)


FORMAT = Format("stable_baselines3", scalars=("progress.csv",), claims=_claims, read=read)
