"""TensorBoard's Event messages, written without protobuf.

An Event is (tensorboard/compat/proto/event.proto, summary.proto): field 1 double wall_time, field 2 int64
step, field 3 string file_version, field 5 Summary; a Summary is repeated field 1 Value; a Value is field 1
string tag, field 2 float simple_value. The bytes of one set of tags are the same in every row but for the
floats, so they are made once. tests/formats/test_events.py reads all of it back by protobuf.
"""

from __future__ import annotations

import functools
import math
import struct
from collections.abc import Sequence

from exptools.formats.protobuf import chunk, varint
from exptools.formats.rows import Row
from exptools.formats.tfrecord import frame

_HEAD = struct.Struct("<cdc")
_FLOAT_MAX = 3.4028234663852886e38  # the largest float32


def encode_header(wall_time: float) -> bytes:
    """The record that opens every event file."""
    version = b"brain.Event:2"
    return frame(b"\x09" + struct.pack("<d", wall_time) + b"\x1a" + varint(len(version)) + version)


def encode_row(row: Row) -> bytes:
    """One record with all values of the row as float32; beyond float32's range they become infinite."""
    layout, cells, size = _shape(row.tags)
    cells[1::2] = row.values
    try:
        body = layout.pack(*cells)
    except OverflowError:
        cells[1::2] = [_narrow(v) for v in row.values]
        body = layout.pack(*cells)
    return frame(_HEAD.pack(b"\x09", row.wall_time, b"\x10") + varint(row.step) + size + body)


def encode_media(step: int, wall_time: float, values: Sequence[bytes]) -> bytes:
    """One record with all values of something rich. values: encoded messages Summary.Value."""
    summary = b"".join(chunk(1, value) for value in values)
    return frame(_HEAD.pack(b"\x09", wall_time, b"\x10") + varint(step) + chunk(5, summary))


def step_of(event: bytes) -> int | None:
    """The step of an encoded Event; None of the one that opens a file."""
    if event[:1] == b"\x09" and event[9:10] == b"\x1a":  # a file_version behind the wall_time
        return None
    if event[:1] != b"\x09" or event[9:10] != b"\x10":
        return 0  # protobuf leaves a zero out
    step, at, shift = 0, 10, 0
    while True:
        step |= (event[at] & 0x7F) << shift
        if not event[at] & 0x80:
            return step - 2**64 if step >= 2**63 else step
        at += 1
        shift += 7


@functools.lru_cache(maxsize=256)
def _shape(tags: tuple[str, ...]) -> tuple[struct.Struct, list[bytes | float], bytes]:
    """What rows of these tags share: the layout, its cells with a gap for each float, and field 5's head.

    The list is filled anew for every row; the logger encodes under its lock.
    """
    cells: list[bytes | float] = []
    layout = "<"
    for tag in tags:
        name = tag.encode()
        inner = b"\x0a" + varint(len(name)) + name + b"\x15"
        cell = b"\x0a" + varint(len(inner) + 4) + inner
        cells += [cell, 0.0]
        layout += f"{len(cell)}sf"
    packer = struct.Struct(layout)
    return packer, cells, b"\x2a" + varint(packer.size)


def _narrow(value: float) -> float:
    return math.copysign(math.inf, value) if abs(value) > _FLOAT_MAX else value
