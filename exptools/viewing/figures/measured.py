"""What the runs measured of the tags of a figure, over the x that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.figures.spec import AXES
from exptools.viewing.runs import natural
from exptools.viewing.statistics.curves import ordered
from exptools.viewing.statistics.order import Floats
from exptools.viewing.statistics.smoothing import all_smoothed, running

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs
    from exptools.viewing.curves import Curve, Reading
    from exptools.viewing.figures.spec import Spec

XY: TypeAlias = tuple[Floats, Floats]  # both of shape (frames,)

_LARGEST = 1e150  # the square of what is larger, and so the sd, is beyond float64; so is soon the axis


@dataclass
class Measured:
    """curves: per tag and run its frames in the order in which they were logged; tags in natural order.

    without_x: per tag and run, how many frames of it have no x. frames: per tag and run, how many there
    are. has_x: whether some run has the tag that is x.
    """

    curves: dict[str, dict[str, XY]] = field(default_factory=dict)
    without_x: dict[str, dict[str, int]] = field(default_factory=dict)
    frames: dict[str, dict[str, int]] = field(default_factory=dict)
    has_x: bool = False

    def of(self, run: str) -> bool:
        """Whether `run` measured anything that can be drawn."""
        return any(run in by_run for by_run in self.curves.values())


def measured(runs: Runs, spec: Spec, others: Sequence[str] = ()) -> Measured:
    """The curves of the tags of `spec`, and of `others`, over its x. Values beyond 1e150 become nan.

    Raises:
        ViewError: no tag was given, or one that no run has; or no run has logged a value of them yet.
    """
    if not spec.tags:
        raise ViewError("no tag was given; name at least one, for example 'loss'")
    of_x = () if spec.x in AXES else (spec.x,)
    found, steps = Measured(), _Steps()
    for run, reading in runs.readings([*spec.tags, *others, *of_x]):
        found.has_x |= spec.x in reading.curves
        _add(found, run, reading, [*spec.tags, *others], spec.x, steps)
    if of_x and not found.has_x:
        raise ViewError(f"x cannot be {spec.x!r}, for no run has a tag of exactly this name; give one")
    if not any(found.frames.values()):
        names = ", ".join(map(repr, spec.tags))
        raise ViewError(f"{names}: none of these runs has logged a value of it yet; try again later")
    return found


def chosen(found: Measured, patterns: Sequence[str]) -> list[str]:
    """The tags that `patterns` name, in their order, those of one pattern in natural order."""
    tags = sorted(found.frames, key=natural)
    return list(dict.fromkeys(t for pattern in patterns for t in tags if compare.matches(t, [pattern])))


def _add(found: Measured, run: Run, reading: Reading, patterns: Sequence[str], x: str, steps: _Steps) -> None:
    curves = {tag: c for tag, c in reading.curves.items() if compare.matches(tag, patterns) and len(c)}
    ats = _ats(curves, x, reading.curves, steps)
    for tag, curve in curves.items():
        at = ats[tag]
        has = np.isfinite(at)
        found.frames.setdefault(tag, {})[run.name] = len(curve)
        if not has.all():
            found.without_x.setdefault(tag, {})[run.name] = int((~has).sum())
        if has.all():
            found.curves.setdefault(tag, {})[run.name] = at, _bounded(curve.value)
        elif has.any():
            found.curves.setdefault(tag, {})[run.name] = at[has], _bounded(curve.value)[has]


def _bounded(values: Floats) -> Floats:
    """Without what is beyond the largest."""
    if values.min() >= -_LARGEST and values.max() <= _LARGEST:
        return values
    return np.where(np.abs(values) <= _LARGEST, values, np.nan)


def _first(wall_time: Floats) -> float:
    return float(np.fmin.reduce(wall_time))


class _Steps:
    """Steps as x. Runs of a sweep mostly have the same ones: those are one array, made once."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, ...], tuple[NDArray[np.int64], Floats]] = {}

    def of(self, curve: Curve) -> Floats:
        """The steps of a curve that has frames."""
        step = curve.step
        key = len(step), int(step[0]), int(step[-1])
        known = self._known.get(key)
        if known is None or not np.array_equal(known[0], step):
            known = self._known[key] = step, step.astype(np.float64)
        return known[1]


def _ats(curves: Mapping[str, Curve], x: str, every: Mapping[str, Curve], steps: _Steps) -> dict[str, Floats]:
    """The x of each frame of each of `curves`, nan where there is none. every: all curves of the run."""
    if x == "step":
        return {tag: steps.of(curve) for tag, curve in curves.items()}
    if x == "wall_time":
        return {tag: curve.wall_time for tag, curve in curves.items()}
    if x == "relative":
        began = min((_first(curve.wall_time) for curve in curves.values()), default=np.nan)
        return {tag: curve.wall_time - began for tag, curve in curves.items()}
    if x not in every:
        return {tag: np.full(len(curve), np.nan) for tag, curve in curves.items()}
    return {tag: _at_steps(every[x], curve) for tag, curve in curves.items()}


def _at_steps(of: Curve, curve: Curve) -> Floats:
    """The value of `of` at the steps of `curve`, the last one at each step; nan where there is none."""
    there = ordered(of.step.astype(np.float64), of.value)
    place = np.searchsorted(there.x, curve.step).clip(max=max(len(there.x) - 1, 0))
    found = np.where(np.abs(there.y) <= _LARGEST, there.y, np.nan)[place]
    return (
        np.where(there.x[place] == curve.step, found, np.nan) if there.x.size else np.full(len(curve), np.nan)
    )


def all_treated(curves: Sequence[XY], smooth: float, best: str | None) -> list[XY]:
    """Each of `curves` as `treated` makes it."""
    by_x = [ordered(*curve) for curve in curves]
    ys = all_smoothed([one.y for one in by_x], smooth) if smooth else [one.y for one in by_x]
    return [(one.x, y if best is None else running(y, best)) for one, y in zip(by_x, ys, strict=True)]


def treated(curve: XY, smooth: float, best: str | None) -> XY:
    """A run's curve by increasing x, smoothed, then the best so far of it."""
    return all_treated([curve], smooth, best)[0]
