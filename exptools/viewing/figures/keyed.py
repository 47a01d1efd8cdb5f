"""Axes along the values of a config key: numbers where they are numbers, else categories side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import axis, layout
from exptools.viewing.figures.spec import Spec
from exptools.viewing.groups import brief, in_order

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from exptools.viewing.figures.layout import Sheet

_DECADES = 100.0  # the greatest over the least: from here on a log axis says more


@dataclass(frozen=True)
class KeyScale:
    """scale: "linear", "log" or "symlog", of numbers. categories: text -> place, if they are not."""

    scale: str
    categories: Mapping[str, int]

    def place(self, value: Any) -> float:
        """Where `value` is along the axis."""
        return float(self.categories[compare.text(value)] if self.categories else value)


def is_number(value: Any) -> bool:
    """Whether `value` is one that has a place on an axis."""
    return isinstance(value, (int, float)) and not isinstance(value, bool) and bool(np.isfinite(value))


def distinct(values: Iterable[Any]) -> list[Any]:
    """Each value once, numbers by size, then the others by name."""
    by_identity = {compare.text(value): value for value in values}
    return sorted(by_identity.values(), key=in_order)


def scale(values: Sequence[Any], asked: str | None = None) -> KeyScale:
    """The axis that suits `values`: of numbers, a log one if they lie over two decades or more."""
    found = distinct(values)
    if not found or not all(map(is_number, found)):
        return KeyScale("linear", {compare.text(value): i for i, value in enumerate(found)})
    if asked is not None:
        return KeyScale(asked, {})
    is_wide = min(found) > 0 and max(found) / min(found) >= _DECADES
    return KeyScale("log" if is_wide else "linear", {})


def finish(sheet: Sheet, ax: Axes, of: KeyScale, spec: Spec) -> None:
    """Scale, limits and ticks of x."""
    if not of.categories:
        ax.margins(x=0.06)
        axis.set_scale(ax, "x", of.scale, spec.xlim)
        return
    texts = list(map(spec.shown, brief(list(of.categories))))
    layout.name_ticks(sheet, ax.xaxis, texts, sheet.panel_inches - 0.7)
    ax.set_xlim(-0.5, len(of.categories) - 0.5)
