"""What was logged, in memory: for tests."""

from __future__ import annotations

from collections.abc import Sequence

from exptools.formats.rows import Row
from exptools.logging.writers.base import Media, Record, Text, Writer


class Records(list[Record]):
    """What was logged, in its order: Row, Text and Media."""

    def scalars(self, tag: str) -> list[tuple[int, float]]:
        """Step and value of each scalar of a tag."""
        rows = [r for r in self if isinstance(r, Row)]
        return [(r.step, v) for r in rows for t, v in zip(r.tags, r.values, strict=True) if t == tag]

    @property
    def tags(self) -> list[str]:
        """The tags of all scalars, in the order in which they came first."""
        return list(dict.fromkeys(tag for r in self if isinstance(r, Row) for tag in r.tags))

    @property
    def texts(self) -> list[str]:
        """All texts, as they were printed."""
        return [r.line for r in self if isinstance(r, Text)]

    def media(self, kind: str | None = None) -> list[Media]:
        """What is rich; of one kind, such as "image", or all."""
        return [r for r in self if isinstance(r, Media) and kind in (None, r.value.kind)]


class MemoryWriter(Writer):
    """Keeps what it is given in `records`."""

    def __init__(self) -> None:
        self.records = Records()

    def write(self, records: Sequence[Record]) -> None:
        """Keep the records."""
        self.records += records
