"""What each series looks like: as easy to tell apart as their number allows, in grey and by all eyes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, TypeAlias

Look: TypeAlias = Mapping[str, Any]  # keyword arguments of matplotlib's lines

# Okabe and Ito's colours, which the colour-blind can tell apart, but for the yellow that paper swallows.
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES: Final = ("-", (0, (9, 1.5)), (0, (7, 1.2, 1.5, 1.2)), (0, (3, 1)))  # long: noise blurs short ones
_HATCHES: Final = ("", "////", "....", "\\\\\\\\", "xxxx")
_MARKERS: Final = ("o", "s", "^", "D", "v", "P", "X", "<", ">")
_BRIGHTEST: Final = 0.9  # of the colour map: beyond it paper swallows the lines

MOST: Final = len(COLOURS) * len(_DASHES)  # lines that differ at a glance: 7 and 4 have no common divisor


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Colour and dashes for each of `labels`; of more than MOST the colour goes with their order."""
    return {
        label: {
            "color": colour,
            "linestyle": _DASHES[i % len(_DASHES)],
            "gapcolor": faint(colour),  # a dashed line through noise stays one line
        }
        for i, (label, colour) in enumerate(zip(labels, _colours(len(labels)), strict=True))
    }


def fills(labels: Sequence[str]) -> dict[str, Look]:
    """Colour and hatching of a bar for each of `labels`."""
    return {
        label: {"facecolor": faint(colour, 0.75), "hatch": _HATCHES[i % len(_HATCHES)], "edgecolor": colour}
        for i, (label, colour) in enumerate(zip(labels, _colours(len(labels)), strict=True))
    }


def markers(labels: Sequence[str]) -> dict[str, Look]:
    """Colour and marker of a point for each of `labels`."""
    return {
        label: {"color": colour, "marker": _MARKERS[i % len(_MARKERS)]}
        for i, (label, colour) in enumerate(zip(labels, _colours(len(labels)), strict=True))
    }


def _colours(count: int) -> list[str]:
    return _gradual(count) if count > MOST else [COLOURS[i % len(COLOURS)] for i in range(count)]


def _gradual(count: int) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](_BRIGHTEST * i / (count - 1))) for i in range(count)]


def faint(colour: str, alpha: float = 0.5) -> tuple[float, ...]:
    """`colour`, partly transparent: a line that lies exactly below shows in the gaps."""
    from matplotlib.colors import to_rgba

    return to_rgba(colour, alpha=alpha)


def ink(colour: Any) -> str:
    """Black or white, whichever can be read on `colour`: by the contrast of WCAG 2.1, relative luminance."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(colour)]
    luminance = sum(share * c for share, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
    return "black" if (luminance + 0.05) ** 2 > 1.05 * 0.05 else "white"
