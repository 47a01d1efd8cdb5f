"""Where in an event file what is not scalar lies: records with images, histograms and the like.

Of those records only the beginning is read, and of a picture nothing but its length, if it is large. Records
of one length are told from scalars together, as formats/columns.py decodes them.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from exptools.formats import layout
from exptools.formats.columns import BLOCK, FEW, MOST_LAYOUTS, WIDE, Far, has_layout, walk
from exptools.formats.layout import Data, NotSimple
from exptools.formats.tfrecord import Damage, masked_crc

if TYPE_CHECKING:
    import numpy.typing as npt

    Ints = npt.NDArray[np.int64]

LARGE = 2**12  # bytes of a record that is not read to be passed over
_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")
FRAME = 16  # bytes that a record has besides its payload
_BEHIND = 12  # of those before it


class Record(NamedTuple):
    """A record that has more than scalars, or is understood by nobody here.

    offset: where it begins in the file. payload: gives bytes by its slices; read as they are asked for if it
    is large, and then its checksum was not looked at.
    """

    offset: int
    payload: Data


class Walk:
    """Walks an event file once, by `records`; what is wrong with it is kept."""

    def __init__(self, fd: int, start: int = 0) -> None:
        """fd: of the file. start: where to begin."""
        self.damages: list[Damage] = []
        self.end = start  # of the last whole record
        self._fd = fd

    def records(self) -> Iterator[Record]:
        """The records that are not scalars alone, in their order."""
        size = LARGE  # more is read at once while there is nothing to pass over
        while data := os.pread(self._fd, size, self.end):
            starts, lengths, stop, is_broken = walk(data)
            yield from self._of_block(data, np.array(starts, np.int64), np.array(lengths, np.int64))
            self.end += stop
            size = LARGE if any(length > LARGE for length in lengths) else min(2 * size, BLOCK)
            if is_broken:
                reason = "the record's length fails its checksum; what follows cannot be read"
                self.damages.append(Damage(self.end, reason))
                return
            left = len(data) - stop
            in_file = os.fstat(self._fd).st_size - self.end
            if left < _HEADER.size:
                if left and in_file <= left:
                    reason = "the file ends inside a record's header"
                    self.damages.append(Damage(self.end, reason, torn=True))
                    return
                continue
            length: int = _HEADER.unpack_from(data, stop)[0]
            if length + FRAME > in_file:
                self.damages.append(Damage(self.end, "the file ends inside a record", torn=True))
                return
            if length + FRAME > LARGE:
                far = Far(self._fd, self.end + _BEHIND, length)
                if _is_rich(far):
                    yield Record(self.end, far)
                self.end += length + FRAME
                size = LARGE

    def _of_block(self, data: bytes, starts: Ints, lengths: Ints) -> Iterator[Record]:
        by_length = np.argsort(lengths, kind="stable")
        ends = np.flatnonzero(np.diff(lengths[by_length])) + 1
        found: list[int] = []
        for group in np.split(by_length, ends) if len(starts) else ():
            length = int(lengths[group[0]])
            if len(group) >= FEW and length <= WIDE:
                group = _without_scalars(data, starts, group, length)
            found += (i for i in group.tolist() if _is_rich(data[int(starts[i]) : int(starts[i]) + length]))
        for i in sorted(found):
            start, stop = int(starts[i]), int(starts[i] + lengths[i])
            payload, offset = data[start:stop], self.end + start - _BEHIND
            if masked_crc(payload) == _CRC.unpack_from(data, stop)[0]:
                yield Record(offset, payload)
            else:
                self.damages.append(Damage(offset, "the record fails its checksum and was passed over"))


def read_record(fd: int, offset: int, length: int) -> bytes | None:
    """The payload of the record at `offset`, of that `length`; None if no such record is there (any more)."""
    data = os.pread(fd, length + FRAME, offset)
    if len(data) < length + FRAME:
        return None
    stated, crc = _HEADER.unpack_from(data)
    payload = data[_BEHIND : _BEHIND + length]
    if stated != length or masked_crc(data[:8]) != crc:
        return None
    return payload if masked_crc(payload) == _CRC.unpack_from(data, _BEHIND + length)[0] else None


def _is_rich(payload: Any) -> bool:
    try:
        return layout.of_event(payload).has_more
    except NotSimple:
        return True


def _without_scalars(data: bytes, starts: Ints, group: Ints, length: int) -> Ints:
    """Those of records of one length that are not known to be scalars."""
    buffer = np.frombuffer(data, np.uint8)
    rows = np.lib.stride_tricks.sliding_window_view(buffer, length)[starts[group]]
    kept: list[Ints] = []
    for _ in range(MOST_LAYOUTS):
        if len(group) < FEW:
            break
        same = np.zeros(len(group), np.bool_)
        try:
            found = layout.of_event(rows[0].tobytes())
            same = has_layout(rows, rows ^ rows[0], found)
            is_rich = found.has_more
        except NotSimple:
            is_rich = True
        same[0] = True
        if is_rich:
            kept.append(group[same])
        rows, group = rows[~same], group[~same]
    return np.concatenate([*kept, group])
