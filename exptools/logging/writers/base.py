"""What a writer is: two methods; the breadth is in the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from exptools.formats.rows import Row


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was printed, without its last line end."""

    line: str


class Value(Protocol):
    """Something rich, checked and copied when it was logged: an image, a histogram, ... (logging/kinds)."""

    @property
    def kind(self) -> str:
        """What it is: image, histogram, ..."""

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""

    def summaries(self, tag: str) -> list[Any]:
        """What TensorBoard is given: messages Summary.Value."""

    def files(self) -> dict[str, bytes]:
        """What lies in media/: contents by the end of the file's name (".png")."""


@dataclass(frozen=True, slots=True)
class Media:
    """A rich value at a step (int64); wall_time in seconds since the epoch; the tag with its prefix."""

    step: int
    wall_time: float
    tag: str
    value: Value


Record = Row | Text | Media


class Writer(Protocol):
    """A destination. Both methods are called under the logger's lock, `write` about once a second."""

    def write(self, records: Sequence[Record]) -> None:
        """Take records in the order in which they were logged; pass over kinds that it does not keep.

        Must not raise for a failing disk: it keeps what it could not write and tries again. If it raises, it
        has kept nothing of `records`, and gets them again.
        """

    def close(self) -> str | None:
        """Write what is left and close; returns what was lost in one line, None if nothing was."""
