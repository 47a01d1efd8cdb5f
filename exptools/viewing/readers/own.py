"""exptools' own runs: variant_config.json, status.json, progress.csv."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

from exptools import rundir
from exptools.errors import RunDirError
from exptools.formats.progress import FIRST_COLUMNS
from exptools.viewing.problem import Problem
from exptools.viewing.readers import configs, csv_table, progress, viskit
from exptools.viewing.readers.files import first_line, holds
from exptools.viewing.readers.format import ConfigReading, Format, StatusReading
from exptools.viewing.seen import stamps_of

_BEGINNING = ",".join(FIRST_COLUMNS).encode()


def config(home: Path) -> ConfigReading:
    """What variant_config.json says: the resolved config.

    A run without any config has that of the directory it lies in, where that is a setting's (see rundir).
    """
    found = configs.of_json(home / rundir.VARIANT)
    if found != ConfigReading(None):
        return found
    setting = home.absolute().parent
    has_none = not holds(home, rundir.HYDRA) and holds(setting, rundir.VARIANT)
    inherits = has_none and not rundir.holds_more_than_a_config(setting)
    return config(setting) if inherits else found


def status(home: Path) -> StatusReading:
    """What status.json says."""
    try:
        return StatusReading(rundir.read_status(home))
    except RunDirError as error:
        return StatusReading(None, (Problem.of_json(home / rundir.STATUS, error),))


def stamp(home: Path) -> Hashable | None:
    """What the two files are like that say config and status, if both are there."""
    return stamps_of([home / rundir.STATUS, home / rundir.VARIANT])


def _claims(path: Path) -> bool:
    """Whether a progress.csv is ours, for others write files of that name too, perhaps into our runs."""
    try:
        with open(path, "rb") as file:
            begins = file.read(len(_BEGINNING))
    except OSError:
        return True  # the reader says why
    if begins == _BEGINNING[: len(begins)]:
        return True
    names = csv_table.names_in(first_line(path))
    is_of_another = any(name in viskit.STEPS for name in names) and FIRST_COLUMNS[1] not in names
    return holds(path.parent, rundir.STATUS) and not is_of_another


FORMAT = Format(
    "exptools",
    marks=(rundir.STATUS, rundir.VARIANT),
    is_whole=True,
    scalars=(rundir.PROGRESS,),
    claims=_claims,
    read=progress.read,
    read_on=progress.read,
    is_cut=True,
    config=config,
    status=status,
    stamp=stamp,
)
