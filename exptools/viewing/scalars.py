"""The scalars of one run, gathered from all of its files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from exptools import rundir
from exptools.viewing.curves import Curve, Reading, Wanted, concatenated, everything
from exptools.viewing.readers.format import Format
from exptools.viewing.runs import Place, Source

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def read(place: Place, wanted: Wanted = everything, *, live: bool = False, keep: bool = False) -> Reading:
    """The scalars of the run at `place`.

    The files of one format follow each other. Where a later file, or a later part of a file in which steps
    went back, measured a tag again at the same step, the last frame counts and the others are counted as
    superseded; `keep`: all are kept. Of several formats exact ones come first: a number that is in two, in
    one of them rounded to float32, is one frame. While the run is `live`, a last record that is only half
    written is left out and is no problem.
    """
    by_format: dict[Format, list[Reading]] = {}
    for source in _ordered(place.sources):
        if not _is_view(source, by_format):
            by_format.setdefault(source.format, []).append(_read(source, wanted, live))
    return _combined([_of_one_format(found, format_, keep) for format_, found in by_format.items()])


def _ordered(sources: Iterable[Source]) -> list[Source]:
    return sorted(sources, key=lambda source: not source.format.exact)


def _is_view(source: Source, found: Mapping[Format, Sequence[Reading]]) -> bool:
    """Whether the file only repeats a progress.csv that was read: exptools' own event file."""
    is_own = source.path.name.endswith(rundir.OWN_EVENTS_SUFFIX)
    return is_own and any(f.name == "exptools" and any(r.usable for r in read) for f, read in found.items())


def _read(source: Source, wanted: Wanted, live: bool) -> Reading:
    assert source.format.read is not None, f"{source.format.name} names files with scalars and reads none"
    return source.format.read(source.path, wanted, live=live)


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
    tags = dict.fromkeys(tag for reading in readings for tag in reading.tags)
    problems = tuple(problem for reading in readings for problem in reading.problems)
    return Reading(curves, tuple(tags), problems, any(r.usable for r in readings), superseded)


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
