"""One file per kind of figure: its panels as values, its sentence in a caption, its table, its drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol

from exptools.viewing.figures.kinds import bars, curves, heatmap, parallel, profile, scatter

if TYPE_CHECKING:
    from exptools.viewing.figures.data import Data, Mark, Panel, Row
    from exptools.viewing.figures.layout import Sheet
    from exptools.viewing.figures.source import Source


class Kind(Protocol):
    """What the module of a kind has."""

    def panels(self, source: Source) -> Sequence[Panel]:
        """What is shown."""

    def caption(self, shown: Data) -> str:
        """A sentence on it."""

    def columns(self, source: Source) -> list[str]:
        """The names of the numbers in its table."""

    def rows(self, mark: Mark, source: Source) -> Iterator[Row]:
        """The rows of a series in its table."""

    def draw(self, sheet: Sheet, shown: Data) -> None:
        """Draw all panels and what belongs to them."""


KINDS: Final[Mapping[str, Kind]] = {
    "curves": curves,
    "bars": bars,
    "scatter": scatter,
    "heatmap": heatmap,
    "parallel": parallel,
    "profile": profile,
}
INCHES: Final[Mapping[str, Callable[[Data], float]]] = {
    "heatmap": heatmap.inches
}  # of a panel, if it matters
