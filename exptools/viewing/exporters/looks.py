"""What each line of a figure looks like: as easy to tell apart as their number allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Look: TypeAlias = Mapping[str, Any]  # keyword arguments of matplotlib's lines

# Okabe and Ito's colours, which the colour-blind can tell apart, but for the yellow that paper swallows.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", (0, (9, 1.5)), (0, (7, 1.2, 1.5, 1.2)), (0, (3, 1)))  # long: noise makes short ones a blur
_BRIGHTEST = 0.9  # of the colour map: beyond it paper swallows the lines

MOST = len(_COLOURS) * len(_DASHES)  # lines that differ at a glance: 7 and 4 have no common divisor


def looks(labels: Sequence[str]) -> dict[str, Look]:
    """Colour and dashes for each of `labels`; of more than MOST the colour goes with their order."""
    colours = [_COLOURS[i % len(_COLOURS)] for i in range(len(labels))]
    if len(labels) > MOST:
        colours = _gradual(len(labels))
    return {
        label: {
            "color": colour,
            "linestyle": _DASHES[i % len(_DASHES)],
            "gapcolor": _faint(colour),  # a dashed line through noise stays one line
        }
        for i, (label, colour) in enumerate(zip(labels, colours, strict=True))
    }


def _gradual(count: int) -> list[str]:
    from matplotlib import colormaps
    from matplotlib.colors import to_hex

    return [to_hex(colormaps["viridis"](_BRIGHTEST * i / (count - 1))) for i in range(count)]


def _faint(colour: str) -> tuple[float, ...]:
    """`colour`, half transparent: a line that lies exactly below shows in the gaps."""
    from matplotlib.colors import to_rgba

    return to_rgba(colour, alpha=0.5)
