"""What a writer is: two methods; the breadth is in the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from exptools.formats.rows import Row


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was printed, without its last line end."""

    line: str


Record = Row | Text


class Writer(Protocol):
    """A destination. Both methods are called under the logger's lock, `write` about once a second."""

    def write(self, records: Sequence[Record]) -> None:
        """Take records in the order in which they were logged; pass over kinds that it does not keep.

        Must not raise for a failing disk: it keeps what it could not write and tries again. If it raises, it
        has kept nothing of `records`, and gets them again.
        """

    def close(self) -> str | None:
        """Write what is left and close; returns what was lost in one line, None if nothing was."""
