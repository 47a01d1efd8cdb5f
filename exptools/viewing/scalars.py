"""The scalars of one run, gathered from all of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from exptools import rundir

if TYPE_CHECKING:
    import polars as pl

    from exptools.viewing.problem import Problem
    from exptools.viewing.runs import Place

Wanted: TypeAlias = Callable[[str], bool]  # which tags to keep


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    curves: per wanted tag its frames in the order they were logged, the columns step (int64), wall_time
    (float64, seconds since the epoch) and value (float64). tags: all tags, wanted or not. usable: False
    where there was nothing to take frames from, not even an empty table of them.
    """

    curves: Mapping[str, pl.DataFrame]
    tags: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    usable: bool = True


def everything(tag: str) -> bool:
    """Wants every tag."""
    return True


def read(place: Place, wanted: Wanted = everything, *, live: bool = False) -> Reading:
    """The scalars of the run at `place`.

    progress.csv is the truth where there is one: exptools' own event file is a float32 view of it and is
    read only in its stead. Other event files are read in addition; of a tag that is in several files the
    frames of all are kept, one file after the other. While the run is `live`, a last record that is only
    half written is left out and is no problem.
    """
    from exptools.viewing.readers import events, progress

    truth = progress.read(place.progress, wanted, live=live)
    files = [p for p in place.events if not (truth.usable and p.name.endswith(rundir.OWN_EVENTS_SUFFIX))]
    return joined([truth, *(events.read(path, wanted, live=live) for path in files)])


def joined(readings: Iterable[Reading]) -> Reading:
    """Several files' readings as one; the frames of a tag follow each other in the order of the files."""
    import polars as pl

    frames: dict[str, list[pl.DataFrame]] = {}
    tags: dict[str, None] = {}
    problems: list[Problem] = []
    for reading in readings:
        tags |= dict.fromkeys(reading.tags)
        problems += reading.problems
        for tag, frame in reading.curves.items():
            frames.setdefault(tag, []).append(frame)
    curves = {tag: parts[0] if len(parts) == 1 else pl.concat(parts) for tag, parts in frames.items()}
    return Reading(curves, tuple(tags), tuple(problems))
