"""The axes of curves and the like: what x is, scales, limits, reference lines, names."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing.figures import layout, ticks
from exptools.viewing.figures.spec import AXES, Limits, Spec, reference
from exptools.viewing.statistics.order import Floats

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.axis import Axis

_UNITS = {"s": 1.0, "min": 60.0, "h": 3600.0, "d": 86400.0}
_ENOUGH = 3.0  # of a unit: below that the smaller one is taken
_LEAST = 1e-290  # what is nearer to 0 has no decade of its own
_DAY_S = 86400.0  # matplotlib's dates are days since the epoch


@dataclass(frozen=True)
class XScale:
    """How x is drawn: divided by `unit`, called `name`."""

    unit: float
    name: str

    def of(self, x: Floats) -> Floats:
        """x as it is drawn."""
        return x / self.unit


def x_scale(spec: Spec, longest: float) -> XScale:
    """How x is drawn if it goes up to `longest`: relative time in the unit that suits."""
    if spec.x == "wall_time":
        return XScale(_DAY_S, spec.shown(AXES["wall_time"]))
    if spec.x == "relative":
        unit = max((u for u in _UNITS if longest >= _ENOUGH * _UNITS[u]), key=_UNITS.__getitem__, default="s")
        return XScale(
            _UNITS[unit], f"{spec.shown('relative') if 'relative' in spec.rename else 'time'} ({unit})"
        )
    return XScale(1.0, spec.shown(spec.x))


def finish(ax: Axes, spec: Spec, scale: XScale) -> None:
    """Scales, limits, reference lines and ticks, when all is drawn."""
    ax.margins(x=0.02)
    draw_references(ax, spec, scale.unit)
    set_scale(ax, "x", spec.xscale or "linear", spec.xlim and _divided(spec.xlim, scale.unit))
    set_scale(ax, "y", spec.yscale or "linear", spec.ylim)
    if spec.x == "wall_time":
        _dates(ax)
    ax.set_xlabel(scale.name)


def _divided(limits: Limits, unit: float) -> Limits:
    low, high = limits
    return None if low is None else low / unit, None if high is None else high / unit


def _dates(ax: Axes) -> None:
    from datetime import timezone

    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(tz=timezone.utc, minticks=3, maxticks=6)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_locator(locator)
    formatter = ConciseDateFormatter(locator, tz=timezone.utc)  # type: ignore[no-untyped-call]
    ax.xaxis.set_major_formatter(formatter)


def draw_references(ax: Axes, spec: Spec, unit: float = 1.0) -> None:
    """The lines of `spec.lines`, with their texts inside the axes."""
    for line in map(reference, spec.lines):
        look: Any = {"color": "0.35", "linewidth": 0.7, "linestyle": (0, (4, 2)), "zorder": 2.5}
        if line.axis == "y":
            ax.axhline(line.value, **look)
            if not _is_followed(ax):
                ax.annotate(
                    layout.folded(line.label, 14), (1, line.value), (3, 0),
                    xycoords=("axes fraction", "data"), textcoords="offset points", ha="left", va="center",
                    color="0.25", fontsize="small", annotation_clip=False,
                )  # fmt: skip
        else:
            ax.axvline(line.value / unit, **look)
            ax.annotate(
                line.label, (line.value / unit, 1), (2, -2), xycoords=("data", "axes fraction"),
                textcoords="offset points", ha="left", va="top", rotation=90, color="0.25", fontsize="small",
                bbox=_PAPER,
            )  # fmt: skip


def _is_followed(ax: Axes) -> bool:
    """Whether a panel to the right has the same y axis, and so the same text."""
    cell, others = ax.get_subplotspec(), ax.get_shared_y_axes().get_siblings(ax)
    assert cell is not None
    places = [other.get_subplotspec() for other in others]
    return any(p.rowspan == cell.rowspan and p.colspan.start == cell.colspan.stop for p in places if p)


_PAPER = {"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none", "alpha": 0.7}


def set_scale(ax: Axes, which: str, scale: str, limits: Limits | None) -> None:
    """The scale and limits of x or y, and ticks that suit them; linear where nothing could be shown else."""
    axis: Axis = ax.xaxis if which == "x" else ax.yaxis
    set_limits = ax.set_xlim if which == "x" else ax.set_ylim
    drawn = _drawn(ax, which)
    if scale == "log" and (drawn > 0).any():
        (ax.set_xscale if which == "x" else ax.set_yscale)("log", nonpositive="clip")
        if which == "y":
            set_limits(*_log_limits(drawn[drawn > 0], _top(ax)))
        finish_ticks: Callable[[Axis], None] = ticks.log
    elif scale == "symlog":
        threshold = _threshold(drawn)
        (ax.set_xscale if which == "x" else ax.set_yscale)("symlog", linthresh=threshold)
        set_limits(*_symlog_limits(drawn, threshold))
        finish_ticks = functools.partial(ticks.symlog, threshold=threshold)
    else:
        finish_ticks = ticks.linear
    if limits is not None:
        set_limits(*limits)
    finish_ticks(axis)


def _log_limits(positive: Floats, top: float) -> tuple[float, float]:
    """A band that comes close to 0 would take the room of the lines: it is cut off below them."""
    low, high = np.log10(positive.min()), np.log10(max(positive.max(), top))
    margin = max(0.05 * (high - low), 0.02)
    return float(10 ** (low - 2 * margin)), float(10 ** (high + margin))


def _symlog_limits(drawn: Floats, threshold: float) -> tuple[float, float]:
    """A little beyond the least and the greatest; the part below the threshold as wide as it is drawn."""
    low, high = (min(drawn.min(), 0.0), max(drawn.max(), 0.0)) if drawn.size else (0.0, 0.0)
    return (
        float(low * 1.6 if low < -threshold else low - 0.3 * threshold),
        float(high * 1.6 if high > threshold else high + 0.3 * threshold),
    )


def _drawn(ax: Axes, which: str) -> Floats:
    """The coordinates of all lines and points."""
    column = 0 if which == "x" else 1
    points = [np.asarray(line.get_xydata(), float) for line in ax.lines]
    points += [np.asarray(collection.get_offsets(), float) for collection in ax.collections]
    every = np.concatenate([*(some.reshape(-1, 2)[:, column] for some in points), np.empty(0)])
    finite: Floats = every[np.isfinite(every)]
    return finite


def _top(ax: Axes) -> float:
    top = float(ax.dataLim.y1)
    return top if np.isfinite(top) else 0.0


def _threshold(values: Floats) -> float:
    """Up to where a symlog axis is linear: the least power of ten of use, at most six decades below all."""
    sizes = np.abs(values[np.abs(values) > _LEAST])
    if not sizes.size:
        return 1.0
    least = max(sizes.min(), sizes.max() / 1e6, _LEAST)
    return float(10 ** np.floor(np.log10(least)))
