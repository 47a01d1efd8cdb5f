"""What the runs measured of the tags of a figure, over the x that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

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
    found = Measured()
    for run, reading in runs.readings([*spec.tags, *others, *of_x]):
        found.has_x |= spec.x in reading.curves
        _add(found, run, reading, [*spec.tags, *others], spec.x)
    if of_x and not found.has_x:
        raise ViewError(f"x cannot be {spec.x!r}, for no run has a tag of exactly this name; give one")
    if not any(found.frames.values()):
        names = ", ".join(map(repr, spec.tags))
        raise ViewError(f"{names}: no run has logged a value of it yet; try again later")
    return found


def chosen(found: Measured, patterns: Sequence[str]) -> list[str]:
    """The tags that `patterns` name, in their order, those of one pattern in natural order."""
    tags = sorted(found.frames, key=natural)
    return list(dict.fromkeys(t for pattern in patterns for t in tags if compare.matches(t, [pattern])))


def _add(found: Measured, run: Run, reading: Reading, patterns: Sequence[str], x: str) -> None:
    curves = {tag: c for tag, c in reading.curves.items() if compare.matches(tag, patterns) and len(c)}
    began = min((_first(curve.wall_time) for curve in curves.values()), default=np.nan)
    for tag, curve in curves.items():
        at = _x(curve, x, began, reading.curves)
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


def _x(curve: Curve, x: str, began: float, curves: Mapping[str, Curve]) -> Floats:
    """The x of each frame of `curve`, nan where there is none."""
    if x == "step":
        return curve.step.astype(np.float64)
    if x == "wall_time":
        return curve.wall_time
    if x == "relative":
        return curve.wall_time - began
    return _at_steps(curves[x], curve) if x in curves else np.full(len(curve), np.nan)


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
