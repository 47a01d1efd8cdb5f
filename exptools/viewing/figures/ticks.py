"""Numbers along an axis: SI prefixes where they are large, powers of ten where small, no two alike."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

from matplotlib.axis import Axis
from matplotlib.ticker import (
    Formatter,
    LogLocator,
    MaxNLocator,
    NullFormatter,
    NullLocator,
    SymmetricalLogLocator,
)

_PREFIXES = {12: "T", 9: "G", 6: "M", 3: "k"}
_LARGE = 1e4  # from here on with a prefix
_SMALL = 1e-3  # below with a power of ten
_SUPERSCRIPT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


class Numbers(Formatter):
    """Formats all ticks of an axis with as many digits as tell them apart."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """One number, as matplotlib asks for below the mouse."""
        return self.format_ticks([x])[0]

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """All numbers of an axis."""
        return texts([float(value) for value in values])


class Rewritten(Formatter):
    """What another formatter says, rewritten."""

    def __init__(self, formatter: Formatter, rewrite: Callable[[str], str]) -> None:
        self._formatter, self._rewrite = formatter, rewrite

    def __call__(self, x: float, pos: int | None = None) -> str:
        """One tick."""
        return self._rewrite(self._formatter(x, pos))

    def format_ticks(self, values: Sequence[float]) -> list[str]:
        """All ticks of an axis."""
        return list(map(self._rewrite, self._formatter.format_ticks(list(values))))

    def get_offset(self) -> str:
        """What stands at the end of the axis."""
        return self._rewrite(self._formatter.get_offset())

    def set_locs(self, locs: Any) -> None:
        """Where the ticks are."""
        self._formatter.set_locs(locs)


def texts(values: Sequence[float]) -> list[str]:
    """Each of `values`, as short as they can be told apart."""
    largest = max(map(abs, values), default=0.0)
    return next(
        (
            found
            for digits in range(3, 17)
            if len(set(found := [_text(value, largest, digits) for value in values])) == len(set(values))
        ),
        list(map(repr, values)),
    )


def _text(value: float, largest: float, digits: int) -> str:
    size = abs(value)
    if largest >= _LARGE and size >= 1e3:
        power = next((p for p in _PREFIXES if size >= 10**p * (1 - 1e-12)), 0)
        if size < 1e15:
            return _sign(f"{value / 10**power:.{digits}g}") + _PREFIXES[power]
    if size == 0 or (1e-4 <= size < 1e15 and (largest >= _SMALL or size >= _SMALL)):
        return _sign(f"{value:.{max(digits, len(str(int(size))))}g}")  # never 1e+03
    power = math.floor(math.log10(size) + 1e-9)
    head = f"{value / 10.0**power:.{digits}g}"
    ten = "10" + str(power).translate(_SUPERSCRIPT)
    if head in ("1", "-1"):
        return _sign(head.removesuffix("1") + ten)
    return _sign(f"{head}\N{MULTIPLICATION SIGN}{ten}")


def _sign(text: str) -> str:
    """With a real minus."""
    return text.replace("-", "\N{MINUS SIGN}")


def linear(axis: Axis) -> None:
    """A linear axis."""
    axis.set_major_formatter(Numbers())


def log(axis: Axis) -> None:
    """A log axis: its decades, and where they are few 2 and 5 between."""
    low, high = sorted(axis.get_view_interval())
    decades = math.log10(high / low) if low > 0 else 1.0
    subs: Any = (1.0, 2.0, 5.0) if decades < 1.5 else (1.0,)
    axis.set_major_locator(MaxNLocator(5) if decades < 0.7 else LogLocator(subs=subs, numticks=8))
    axis.set_major_formatter(Numbers())
    axis.set_minor_locator(LogLocator(subs=range(2, 10), numticks=50) if decades < 8 else NullLocator())
    axis.set_minor_formatter(NullFormatter())


def symlog(axis: Axis, threshold: float) -> None:
    """A symlog axis, linear between -threshold and threshold."""
    locator = SymmetricalLogLocator(linthresh=threshold, base=10)
    locator.set_params(numticks=7)
    axis.set_major_locator(locator)
    axis.set_major_formatter(Numbers())
    axis.set_minor_locator(NullLocator())
