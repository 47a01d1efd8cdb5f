"""A figure that a notebook shows though nobody asked pyplot; only imported where one is drawn."""

from __future__ import annotations

import io
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.figure import Figure


class PaperFigure(Figure):
    """A figure as it will be printed."""

    def _repr_png_(self) -> bytes:
        """What a notebook shows."""
        stream = io.BytesIO()
        self.savefig(stream, format="png", dpi=200)
        return stream.getvalue()


class Plotted(NamedTuple):
    """What is drawn: unpack it, or let it be the last expression of a notebook's cell, which shows it."""

    figure: Figure
    axes: list[Axes]

    def _repr_png_(self) -> bytes | None:
        """What a notebook shows."""
        return self.figure._repr_png_() if isinstance(self.figure, PaperFigure) else None
