"""Entry: one thing that a run logged that is no number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where it is told of.

    path: media.jsonl, or an event file. offset: where the line or the record begins in it. length: bytes of
    the line, or of the record's payload. value: which one of the record's values it is. blobs: where its
    contents lie in the payload, begin and end.
    """

    path: Path
    offset: int
    length: int
    value: int = 0
    blobs: tuple[tuple[int, int], ...] = ()

    @property
    def is_event(self) -> bool:
        """Whether it is told of by an event file, which has its contents, too."""
        return not self.path.name.endswith(".jsonl")

    def __str__(self) -> str:
        return f"{self.path}, offset {self.offset}"


@dataclass(frozen=True, slots=True)
class Entry:
    """Something rich that was logged.

    kind: image, gif, audio, histogram, figure, table, text, ...; see docs/kinds.md. wall_time: seconds since
    the epoch. files: relative to the run's directory, as the run says; none of what is in an event file.
    facts: what else is said of it, such as height and width; not the bins of a histogram, which are read when
    it is shown.
    """

    kind: str
    tag: str
    step: int
    wall_time: float
    files: tuple[str, ...]
    source: Origin
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def n_contents(self) -> int:
        """How many contents it has: files, or images in one record."""
        return len(self.files) or len(self.source.blobs)

    def __str__(self) -> str:
        return f"{self.kind} {self.tag!r} at step {self.step}"
