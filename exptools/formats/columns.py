"""The scalars of a TensorBoard event file as numpy columns.

Most records of a file are alike: of one length, with one layout, and they differ in time, step, tag and
number only. Such records are decoded together. One that is like no other is looked at by itself, and what
formats/layout.py does not understand is left to protobuf. The bytes of images and the like are passed over.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from exptools.formats import checksums, layout
from exptools.formats.layout import Layout, NotSimple, Value
from exptools.formats.tfrecord import Damage, masked_crc

if TYPE_CHECKING:
    import numpy.typing as npt

    Bytes = npt.NDArray[np.uint8]
    Ints = npt.NDArray[np.int64]
    Floats = npt.NDArray[np.float64]

BLOCK = 2**20  # bytes that are looked at together: they fit into a core's cache
WIDE = 2**12  # bytes of a record from which on it is looked at by itself
FEW = 12  # records that are not worth being decoded together
MOST_LAYOUTS = 50  # of records of one length in a block; what is left is looked at one by one
_HEADER = struct.Struct("<QI")
_CRC = struct.Struct("<I")


class Part(NamedTuple):
    """Scalars of one tag. at: their order in the file, see `place`. plugin: as layout.Value has it."""

    tag: str
    plugin: str | None
    at: Ints
    step: Ints
    wall_time: Floats
    value: Floats


def place(record: Any, i: int = 0) -> Any:
    """Where the i-th value of a record stands in the order of the file. record: its number, or several."""
    return (record << 24) + min(i, 2**24 - 1)


class Other(NamedTuple):
    """A record that only protobuf understands. at: its number; offset: where it begins in the file."""

    at: int
    offset: int
    payload: bytes


class _Block(NamedTuple):
    """Whole records. offset: of `data` in the file. first: the number of the first record.

    starts, lengths: of their payloads in `data`.
    """

    data: bytes
    offset: int
    first: int
    starts: Ints
    lengths: Ints


class Reader:
    """Walks an event file once, by `parts`; what is wrong with it and what is for protobuf is kept."""

    def __init__(self, fd: int, is_wanted: Callable[[str], bool] = lambda tag: True, start: int = 0) -> None:
        """fd: of the file. is_wanted: which tags are decoded; asked once for each. start: where to begin."""
        self.damages: list[Damage] = []
        self.others: list[Other] = []
        self.met: dict[tuple[str, str | None], int] = {}  # tag and plugin: their first place
        self.end = start  # of the last whole record
        self._fd = fd
        self._is_wanted = is_wanted
        self._wants: dict[str, bool] = {}
        self._singles: dict[tuple[str, str | None], list[tuple[int, int, float, float]]] = {}

    def parts(self) -> Iterator[Part]:
        """The scalars of most records; `singles` gives the others."""
        for block in self._blocks():
            by_length = np.argsort(block.lengths, kind="stable")
            ends = np.flatnonzero(np.diff(block.lengths[by_length])) + 1
            for group in np.split(by_length, ends):
                if len(group) < FEW or block.lengths[group[0]] > WIDE:
                    for i in group.tolist():
                        self._single(block, i)
                else:
                    yield from self._alike(block, group)

    def singles(self) -> Iterator[Part]:
        """The scalars of records that were looked at one by one, and those that were added."""
        for (tag, plugin), rows in self._singles.items():
            at, step, wall_time, value = zip(*rows, strict=True)
            ints, floats = (np.array(at), np.array(step, np.int64)), (np.array(wall_time), np.array(value))
            yield Part(tag, plugin, *ints, *floats)

    # --- records --------------------------------------------------------------------------------------

    def _blocks(self) -> Iterator[_Block]:
        number = 0
        while data := os.pread(self._fd, BLOCK, self.end):
            starts, lengths, stop, is_broken = walk(data)
            if starts:
                yield _Block(data, self.end, number, np.array(starts), np.array(lengths))
                number += len(starts)
                self.end += stop
            if is_broken:
                reason = "the record's length fails its checksum; what follows cannot be read"
                self.damages.append(Damage(self.end, reason))
                return
            if not starts:
                if len(data) < _HEADER.size:
                    reason = "the file ends inside a record's header"
                    self.damages.append(Damage(self.end, reason, torn=True))
                    return
                length: int = _HEADER.unpack_from(data)[0]
                if self.end + length + 16 > os.fstat(self._fd).st_size:
                    self.damages.append(Damage(self.end, "the file ends inside a record", torn=True))
                    return
                self._large(number, length)
                number += 1
                self.end += length + 16

    def _large(self, number: int, length: int) -> None:
        """One that has no room in a block, such as a picture: only if it has scalars all of it is read."""
        try:
            is_empty = not layout.of_event(Far(self._fd, self.end + 12, length)).values
        except NotSimple:
            is_empty = False
        if not is_empty:
            data = os.pread(self._fd, length + 16, self.end)
            self._single(_Block(data, self.end, number, np.array([12]), np.array([length])), 0)

    # --- one record -----------------------------------------------------------------------------------

    def _single(self, block: _Block, i: int) -> None:
        start, length = int(block.starts[i]), int(block.lengths[i])
        payload = block.data[start : start + length]
        offset, number = block.offset + start - 12, block.first + i
        if masked_crc(payload) != _CRC.unpack_from(block.data, start + length)[0]:
            self._fails(offset)
            return
        try:
            found = layout.of_event(payload)
        except NotSimple:
            self.others.append(Other(number, offset, payload))
            return
        if found.values:
            wall_time = 0.0 if found.wall_time is None else _at(payload, found.wall_time, "<f8")
            step = 0 if found.step is None else layout.signed(payload, *found.step)
            for i_value, value in enumerate(found.values):
                tag = payload[slice(*value.tag)].decode()
                said = float(_at(payload, value.at, value.dtype))
                self.add(tag, value.plugin, place(number, i_value), step, wall_time, said)

    def add(self, tag: str, plugin: str | None, at: int, step: int, wall_time: float, value: float) -> None:
        """Keep one scalar, if it is wanted. at: see `place`."""
        if self._wanted(tag, plugin, at):
            self._singles.setdefault((tag, plugin), []).append((at, step, wall_time, value))

    def _wanted(self, tag: str, plugin: str | None, at: int) -> bool:
        self.met[tag, plugin] = min(at, self.met.get((tag, plugin), at))
        if tag not in self._wants:
            self._wants[tag] = self._is_wanted(tag)
        return self._wants[tag]

    def _fails(self, offset: int) -> None:
        self.damages.append(Damage(offset, "the record fails its checksum and was passed over"))

    # --- records of one length ------------------------------------------------------------------------

    def _alike(self, block: _Block, group: Ints) -> Iterator[Part]:
        """Those of one length, decoded together as far as they have layouts in common."""
        length = int(block.lengths[group[0]])
        buffer = np.frombuffer(block.data, np.uint8)
        rows = np.lib.stride_tricks.sliding_window_view(buffer, length + 4)[block.starts[group]]
        stored = rows[:, length:].copy().view("<u4")[:, 0]
        rows = rows[:, :length]
        whole = checksums.masked(rows[0].tobytes(), rows ^ rows[0]) == stored
        for i in group[~whole].tolist():
            self._fails(block.offset + int(block.starts[i]) - 12)
        rows, group = rows[whole], group[whole]
        for _ in range(MOST_LAYOUTS):
            if len(group) < FEW:
                break
            base = rows[0].tobytes()
            try:
                found = layout.of_event(base)
            except NotSimple:
                self._single(block, int(group[0]))
                rows, group = rows[1:], group[1:]
                continue
            same = has_layout(rows, rows ^ rows[0], found)
            if found.values:
                yield from self._columns(block, rows[same], group[same], found)
            rows, group = rows[~same], group[~same]
        for i in group.tolist():
            self._single(block, i)

    def _columns(self, block: _Block, rows: Bytes, group: Ints, found: Layout) -> Iterator[Part]:
        """The scalars of records with one layout."""
        n = len(rows)
        tags = [list(_by_tag(rows, value)) for value in found.values]
        unreadable = np.zeros(n, np.bool_)
        for of_a_value in tags:
            for tag, its in of_a_value:
                unreadable[its] |= tag is None
        if unreadable.any():  # protobuf says what it thinks of them
            for i in group[unreadable].tolist():
                self._single(block, i)
            yield from self._columns(block, rows[~unreadable], group[~unreadable], found)
            return
        wall_time = np.zeros(n) if found.wall_time is None else _column(rows, found.wall_time, "<f8")
        step = np.zeros(n, np.int64) if found.step is None else _varints(rows, *found.step)
        for i_value, value in enumerate(found.values):
            at = place(block.first + group, i_value)
            number = _column(rows, value.at, value.dtype).astype(np.float64)
            for tag, its in tags[i_value]:
                if tag is not None and self._wanted(tag, value.plugin, int(at[its][0])):
                    yield Part(tag, value.plugin, at[its], step[its], wall_time[its], number[its])


def walk(data: bytes) -> tuple[list[int], list[int], int, bool]:
    """Starts and lengths of the payloads of the whole records in front, where they end, and whether what
    follows is no record.
    """
    starts: list[int] = []
    lengths: list[int] = []
    at, stop = 0, len(data) - 12
    known: dict[int, int] = {}  # lengths and their checksums
    unpack = _HEADER.unpack_from
    last, n_same = -1, 0
    while at <= stop:
        length, crc = unpack(data, at)
        n_same = n_same + 1 if length == last else 0
        last = length
        if n_same == FEW and known.get(length) == crc:
            n = _n_alike(data, at, length)
            starts.extend(range(at + 12, at + 12 + n * (length + 16), length + 16))
            lengths.extend([length] * n)
            at += n * (length + 16)
            n_same = 0 if n >= FEW else -10 * FEW  # it was not worth it
            continue
        if known.get(length) != crc:
            if masked_crc(data[at : at + 8]) != crc:
                return starts, lengths, at, True
            known[length] = crc
        end = at + length + 16
        if end > stop + 12:
            break
        starts.append(at + 12)
        lengths.append(length)
        at = end
    return starts, lengths, at, False


def _n_alike(data: bytes, at: int, length: int) -> int:
    """How many whole records from `at` on have the header that is there, as all of one length have."""
    stride = length + 16
    n = (len(data) - at) // stride
    headers = np.lib.stride_tricks.as_strided(
        np.frombuffer(data, np.uint8, offset=at), (n, _HEADER.size), (stride, 1), writeable=False
    )
    others = np.flatnonzero((headers != headers[:1]).any(axis=1))
    return int(others[0]) if len(others) else n


class Far:
    """A payload of which few bytes are read: those that are asked for, and their neighbours."""

    _STEP = 512

    def __init__(self, fd: int, offset: int, length: int) -> None:
        self._fd, self._offset, self._length = fd, offset, length
        self._begin, self._bytes = 0, b""

    def __len__(self) -> int:
        return self._length

    def __getitem__(self, which: Any) -> Any:
        start, stop = (which.start, which.stop) if isinstance(which, slice) else (which, which + 1)
        if not self._begin <= start <= stop <= self._begin + len(self._bytes):
            size = min(max(self._STEP, stop - start), self._length - start)
            self._begin, self._bytes = start, os.pread(self._fd, size, self._offset + start)
        if isinstance(which, slice):
            return self._bytes[start - self._begin : stop - self._begin]
        return self._bytes[which - self._begin]


def has_layout(rows: Bytes, changes: Bytes, found: Layout) -> npt.NDArray[np.bool_]:
    """Which rows have the layout of the first one. changes: of each row against the first."""
    free = np.zeros(rows.shape[1], np.bool_)
    if found.wall_time is not None:
        free[found.wall_time : found.wall_time + 8] = True
    for value in found.values:
        free[slice(*value.tag)] = True
        free[value.at : value.at + int(value.dtype[2])] = True
    same = np.ones(len(rows), np.bool_)
    if found.step is not None:
        free[slice(*found.step)] = True
        same &= (changes[:, slice(*found.step)] < 0x80).all(axis=1)  # a varint of that many bytes
    differ = np.flatnonzero(changes.any(axis=0) & ~free)
    if len(differ):
        same &= ~changes[:, differ].any(axis=1)
    return same


def _by_tag(rows: Bytes, value: Value) -> Iterator[tuple[str | None, Any]]:
    """Each tag, None for what is no text, with the rows that have it, in order."""
    names = rows[:, slice(*value.tag)]
    if not (names != names[0]).any():
        yield _text(names[0]), slice(None)
        return
    weights = np.random.default_rng(0).integers(1, 2**63, names.shape[1], np.uint64)
    hashes = names.astype(np.uint64) @ weights
    _, first, which = np.unique(hashes, return_index=True, return_inverse=True)
    if (names != names[first[which]]).any():  # two names with one hash
        _, first, which = np.unique(names, axis=0, return_index=True, return_inverse=True)
        which = which.reshape(-1)
    order = np.argsort(which, kind="stable")
    for its in np.split(order, np.cumsum(np.bincount(which))[:-1]):
        yield _text(names[its[0]]), its


def _text(name: Bytes) -> str | None:
    try:
        return name.tobytes().decode()
    except UnicodeDecodeError:
        return None


def _column(rows: Bytes, at: int, dtype: str) -> Any:
    return np.ascontiguousarray(rows[:, at : at + int(dtype[2])]).view(dtype)[:, 0]


def _varints(rows: Bytes, start: int, stop: int) -> Ints:
    found = np.zeros(len(rows), np.uint64)
    for place, at in enumerate(range(start, stop)):
        found |= (rows[:, at] & 0x7F).astype(np.uint64) << np.uint64(7 * place)
    return found.view(np.int64)


def _at(payload: bytes, at: int, dtype: str) -> Any:
    return np.frombuffer(payload, dtype, 1, at)[0]
