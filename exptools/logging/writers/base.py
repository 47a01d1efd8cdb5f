"""What a writer is: one method that counts; the breadth is in the records."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from exptools.formats.rows import Row
from exptools.lifecycle import one_line


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it was printed, without its last line end.

    output: the additional output that it is for; None: the run's own.
    """

    line: str
    output: str | None = None


class Value(Protocol):
    """Something rich, checked and copied when it was logged: an image, a histogram, ... (logging/kinds).

    It is encoded by the writing thread, when its methods are called.
    """

    @property
    def kind(self) -> str:
        """What it is: image, histogram, ..."""

    @property
    def nbytes(self) -> int:
        """How much memory it holds."""

    def summaries(self, tag: str) -> list[bytes]:
        """What TensorBoard is given: encoded messages Summary.Value (exptools/formats/summaries.py)."""

    def files(self) -> dict[str, bytes]:
        """What lies in media/: contents by the end of the file's name (".png")."""

    def facts(self) -> dict[str, Any]:
        """What media.jsonl says of it besides, as JSON can say it."""


@dataclass(frozen=True, slots=True)
class Media:
    """A rich value at a step (int64); wall_time in seconds since the epoch; the tag with its prefix."""

    step: int
    wall_time: float
    tag: str
    value: Value

    def cannot_be_encoded(self, error: Exception) -> str:
        """What is said if that failed. It would fail again, so a writer passes it over."""
        return f"{self.value.kind} {self.tag!r} of step {self.step} could not be encoded ({one_line(error)})"


Record = Row | Text | Media


@dataclass(frozen=True)
class Cut:
    """What of earlier attempts stays in the run's files; the rest goes to `aside`, where nothing is lost.

    position: what the writer's own `position` said at the snapshot that the run goes on from; None if it
    goes on from none, or the writer was not there. before_step: then what has a smaller step stays.
    """

    aside: Path
    before_step: int
    position: Any = None


class Writer:
    """A destination. A new one overrides `write`, and what it needs of the others.

    All methods are called by the logger's writing thread alone, `write` about once a second.
    """

    trouble: str | None = None  # what is wrong with it now, in one line

    def write(self, records: Sequence[Record]) -> None:
        """Take records in the order in which they were logged; pass over kinds that it does not keep.

        If it raises, it has kept nothing of `records`, and gets them again.
        """
        raise NotImplementedError

    def close(self) -> str | None:
        """Write what is left and close; returns what was lost in one line, None if nothing was."""
        return self.lost()

    def dump(self, step: int) -> None:
        """An iteration has ended; all that was logged in it has been written."""

    def lost(self) -> str | None:
        """What is lost for good so far in one line, None if nothing is."""
        return None

    def position(self) -> Any:
        """How far it has written, as JSON can say it: kept with a snapshot."""
        return None

    def cut_back(self, cut: Cut) -> None:
        """Put aside what earlier attempts wrote and this one writes again.

        Called before the first `write`; and once more if the run turns out to begin anew: what was written
        since then stays.
        """
