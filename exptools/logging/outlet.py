"""A writer at the end of the spool, and what it has not taken yet."""

from __future__ import annotations

import fnmatch
import functools
from collections.abc import Sequence
from typing import Any

from exptools.lifecycle import one_line
from exptools.logging.attempt import Attempt
from exptools.logging.writers.base import Media, Record, Text, Writer
from exptools.say import Once

# What may wait for a writer that raises.
MOST_RECORDS = 200_000
MOST_MEDIA_BYTES = 2**28


class Outlet:
    """A writer, and what it has not taken: one that raises must not harm the others."""

    def __init__(self, name: str, writer: Writer, takes: str | None = None) -> None:
        """takes: of an additional output, what it is for: "scalar" or "text"."""
        self.name = name
        self.writer = writer
        self.takes = takes
        self.n_given = 0
        self.has_begun = False
        self.globs: tuple[str, ...] = ()
        self.held = False
        self._tags: frozenset[str] = frozenset()
        self._wants = functools.lru_cache(maxsize=20_000)(self._is_wanted)
        self._waiting: list[Record] = []
        self._say_once = Once()
        self._dropped = 0

    def begin(self, attempt: Attempt, step: int, position: Any = None) -> None:
        """Put the file in order before the first measurement, whose step is `step`."""
        if not self.has_begun:
            self.writer.cut_back(attempt.cut(self.name, step, position))
            self.has_begun = True

    def exclude(self, tags: frozenset[str]) -> None:
        if not tags <= self._tags:
            self._tags |= tags
            self._wants.cache_clear()

    def write(self, records: Sequence[Record]) -> str | None:
        """Hand records over; returns what went wrong in one line, None if nothing did."""
        if self.held:
            records = []
        elif self.globs or self._tags:
            records = [r for r in map(self._select, records) if r is not None]
        self._waiting += records
        self.n_given += len(records)
        if not self._waiting and self.writer.trouble is None:
            return None
        try:
            self.writer.write(self._waiting)
        except Exception as error:
            failure = f"{self.name} failed ({one_line(error)})"
            self._say_once(f"{failure}; what is logged waits in memory and is tried again")
            most = _that_may_wait(self._waiting)
            if most < len(self._waiting):
                self._say_once(f"{self.name}: {most:,} records wait; from now on they are lost")
                self._dropped += len(self._waiting) - most
                del self._waiting[most:]
            return failure
        self._waiting = []
        return self.writer.trouble

    def takes_media(self, media: Media) -> bool:
        """Whether the writer is given something rich."""
        return not self.held and self._wants(media.tag)

    def dump(self, step: int) -> None:
        try:
            self.writer.dump(step)
        except Exception as error:
            self._say_once(f"{self.name} failed ({one_line(error)})")

    def lost(self) -> str | None:
        """What is lost for good, so far."""
        own = f"{self._dropped:,} records were not taken by {self.name}" if self._dropped else None
        return "; ".join(filter(None, (own, self.writer.lost()))) or None

    def close(self) -> str | None:
        try:
            lost = self.writer.close()
        except Exception as error:
            lost = f"{self.name} could not be closed ({one_line(error)})"
        untaken = self._dropped + len(self._waiting)
        note = f"{untaken:,} records were not taken by {self.name}" if untaken else None
        return "; ".join(part for part in (lost, note) if part) or None

    def _select(self, record: Record) -> Record | None:
        if isinstance(record, Text):
            return record
        if isinstance(record, Media):
            return record if self._wants(record.tag) else None
        kept = [
            (tag, value) for tag, value in zip(record.tags, record.values, strict=True) if self._wants(tag)
        ]
        if len(kept) == len(record.tags):
            return record
        return (
            record._replace(tags=tuple(t for t, _ in kept), values=tuple(v for _, v in kept))
            if kept
            else None
        )

    def _is_wanted(self, tag: str) -> bool:
        return tag not in self._tags and not any(fnmatch.fnmatchcase(tag, glob) for glob in self.globs)


def _that_may_wait(records: Sequence[Record]) -> int:
    """How many of them, from the first on, find room in memory."""
    media_bytes = 0
    for i, record in enumerate(records[:MOST_RECORDS]):
        if isinstance(record, Media):
            media_bytes += record.value.nbytes
            if media_bytes > MOST_MEDIA_BYTES:
                return i
    return min(len(records), MOST_RECORDS)
