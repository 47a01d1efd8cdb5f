"""The scalars of one run, gathered from all of its files."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from exptools import rundir
from exptools.viewing import cache
from exptools.viewing.curves import Curve, Reading, Wanted, concatenated, everything
from exptools.viewing.problem import Problem
from exptools.viewing.readers.format import Format
from exptools.viewing.runs import Place, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


_OWN = "exptools"  # the name of our own format
_WORTH_PROCESSES = 2**25  # bytes of event files: some 0.3 s of decoding, in which processes start
_TOGETHER = 128  # jobs whose caches are read at once


@dataclass(frozen=True)
class Finals:
    """The last value of each wanted tag; tags, problems and superseded as a Reading has them."""

    values: Mapping[str, float]
    tags: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    superseded: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Job:
    """What is to be read of a run, and how.

    wanted: which tags. live: whether somebody may be writing. keep: also superseded frames. cached: use the
    cache, and write it. kept: what has been taken from it already, by file.
    """

    place: Place
    wanted: Wanted = everything
    live: bool = False
    keep: bool = False
    cached: bool = False
    kept: Mapping[Path, Reading] = field(default_factory=dict)


def read(job: Job) -> Reading:
    """The scalars of the run of `job`.

    The files of one format follow each other. Where a later file, or a later part of a file in which steps
    went back, measured a tag again at the same step, the last frame counts and the others are counted as
    superseded, unless all are to be kept. Of several formats exact ones come first: a number that is in two,
    in one of them rounded to float32, is one frame. While the run is live, a last record that is only half
    written is left out and is no problem.
    """
    by_format: dict[Format, list[Reading]] = {}
    for source in _ordered(job.place.sources):
        if not _is_view(source, by_format):
            by_format.setdefault(source.format, []).append(_read(source, job))
    return _combined([_of_one_format(found, format_, job.keep) for format_, found in by_format.items()])


def with_kept(jobs: Sequence[Job]) -> Iterator[Job]:
    """The jobs, with what the cache has of their files; it is read for many of them at once."""
    for start in range(0, len(jobs), _TOGETHER):
        these = jobs[start : start + _TOGETHER]
        paths = [
            source.path
            for job in these
            if job.cached and not job.live
            for source in job.place.sources
            if not _is_own_events(source)
        ]
        kept = cache.several(paths, these[0].wanted)
        for job in these:
            yield replace(job, kept={s.path: kept.pop(s.path) for s in job.place.sources if s.path in kept})


def is_kept(job: Job) -> bool:
    """Whether all of its files that would be read have been taken from the cache."""
    return len(job.kept) == len(job.place.sources)


def decoded_by_python(jobs: Iterable[Job]) -> bool:
    """Whether event files that are not in the cache hold so much that processes are worth their start."""
    left = _WORTH_PROCESSES
    for job in jobs:
        for source in job.place.sources:
            if not source.format.exact and not (job.cached and cache.is_of(source.path)):
                with contextlib.suppress(OSError):
                    left -= source.path.stat().st_size
        if left < 0:
            return True
    return False


def finals(job: Job) -> Finals:
    """The last value of each wanted tag of the run of `job`, and what `read` says beside."""
    return finals_of(read(job))


def finals_of(reading: Reading) -> Finals:
    """The last values in `reading`."""
    values = {tag: curve.final for tag, curve in reading.curves.items() if len(curve)}
    return Finals(values, reading.tags, reading.problems, reading.superseded)


def _ordered(sources: Iterable[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: not source.format.exact)


def _is_view(source: Source, found: Mapping[Format, Sequence[Reading]]) -> bool:
    """Whether the file only repeats a progress.csv that was read: exptools' own event file."""
    return _is_own_events(source) and any(
        format_.name == _OWN and any(reading.usable for reading in readings)
        for format_, readings in found.items()
    )


def _is_own_events(source: Source) -> bool:
    return source.path.name.endswith(rundir.OWN_EVENTS_SUFFIX)


def _read(source: Source, job: Job) -> Reading:
    format_ = source.format
    assert format_.read is not None, f"{format_.name} names files with scalars and reads none"
    if source.path in job.kept:
        return job.kept[source.path]
    if job.cached:
        return cache.read(source.path, format_.read, job.wanted, live=job.live, read_on=format_.read_on)
    return format_.read(source.path, job.wanted, live=job.live)


def _of_one_format(readings: Sequence[Reading], format_: Format, keep: bool) -> Reading:
    """Several files' readings as one."""
    sessions: dict[str, list[Curve]] = {}
    for reading in readings:
        for tag, curve in reading.curves.items():
            sessions.setdefault(tag, []).append(curve)
    curves: dict[str, Curve] = {}
    superseded: dict[str, int] = {}
    for tag, parts in sessions.items():
        curves[tag] = concatenated(parts) if keep else settled(parts, is_cut=format_.is_cut)
        lost = sum(map(len, parts)) - len(curves[tag])
        if lost:
            superseded[tag] = lost
    return _whole(readings, curves, superseded)


def _whole(
    readings: Sequence[Reading], curves: Mapping[str, Curve], superseded: Mapping[str, int]
) -> Reading:
    """`curves`, with what several readings say beside."""
    tags = dict.fromkeys(tag for reading in readings for tag in reading.tags)
    problems = tuple(problem for reading in readings for problem in reading.problems)
    return Reading(curves, tuple(tags), problems, any(r.usable for r in readings), superseded)


def settled(sessions: Sequence[Curve], *, is_cut: bool = False) -> Curve:
    """The frames of a tag in `sessions`, one after the other, without those that a later one measured again.

    A session also ends where the step goes back, unless its writer takes back what is measured again
    (`is_cut`). Within a session all frames are kept, several at one step too.
    """
    import numpy as np

    curve = concatenated(sessions)
    begins = np.zeros(len(curve), np.bool_)
    if not is_cut:
        begins[1:] = curve.step[1:] < curve.step[:-1]
    ends = np.cumsum([len(session) for session in sessions])[:-1]
    begins[ends[ends < len(curve)]] = True
    if not begins.any():
        return curve
    session = np.cumsum(begins)
    _, last, which = np.unique(curve.step[::-1], return_index=True, return_inverse=True)
    newest = session[::-1][last][which][::-1]  # the session that measured the step of each frame last
    keeps = session == newest
    return curve if keeps.all() else curve.part(keeps)


def _combined(readings: Sequence[Reading]) -> Reading:
    """The readings of several formats, the first to be preferred, as one."""
    if len(readings) == 1:
        return readings[0]
    curves: dict[str, Curve] = {}
    superseded: dict[str, int] = {}
    for reading in readings:
        for tag, curve in reading.curves.items():
            curves[tag] = _completed(curves[tag], curve) if tag in curves else curve
        superseded |= {tag: max(n, superseded.get(tag, 0)) for tag, n in reading.superseded.items()}
    return _whole(readings, curves, superseded)


def _completed(curve: Curve, other: Curve) -> Curve:
    """`curve` with the frames of `other` that it has not, and its wall times where it has none."""
    import numpy as np

    if not len(curve) or not len(other):
        return curve if len(curve) else other
    by_step = np.argsort(other.step, kind="stable")
    steps = other.step[by_step]
    at = np.searchsorted(steps, curve.step, side="right") - 1
    has = (at >= 0) & (steps[at] == curve.step)
    told = np.where(has, other.wall_time[by_step][at], np.nan)
    timed = Curve(curve.step, np.where(np.isnan(curve.wall_time), told, curve.wall_time), curve.value)
    more = other.part(~_is_in(other, curve))
    if not len(more):
        return timed
    both = concatenated([timed, more])
    return both.part(np.argsort(both.step, kind="stable"))


def _is_in(some: Curve, others: Curve) -> NDArray[np.bool_]:
    """Which frames of `some` are in `others` too, at the same step and equal as float32s."""
    import numpy as np

    both = concatenated([others, some])
    with np.errstate(over="ignore"):
        rounded = both.value.astype(np.float32)
    rounded[np.isnan(rounded)] = np.nan  # one of them
    bits = rounded.view(np.int32)
    order = np.lexsort((bits, both.step))
    step, bits = both.step[order], bits[order]
    starts = np.flatnonzero(np.concatenate([[True], (step[1:] != step[:-1]) | (bits[1:] != bits[:-1])]))
    known = np.logical_or.reduceat(order < len(others), starts)
    found = np.empty(len(both), np.bool_)
    found[order] = np.repeat(known, np.diff(starts, append=len(both)))
    return found[len(others) :]
