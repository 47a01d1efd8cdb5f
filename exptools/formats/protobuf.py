"""Protobuf's wire format, the few pieces that TensorBoard's messages are made of; written, not read.

A message is a sequence of fields; a field is a varint of number * 8 + wire type, and its value
(https://protobuf.dev/programming-guides/encoding). A field that is left out has its default.
"""

from __future__ import annotations

import struct

_DOUBLE = struct.Struct("<d")


def varint(number: int) -> bytes:
    """The base-128 varint; a negative int64 is its two's complement."""
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def integer(field: int, value: int) -> bytes:
    """A field of an integer, a bool or an enum."""
    return varint(field << 3) + varint(value)


def double(field: int, value: float) -> bytes:
    """A field of a float64."""
    return varint(field << 3 | 1) + _DOUBLE.pack(value)


def chunk(field: int, value: bytes | str) -> bytes:
    """A field of bytes, of a text or of another message."""
    data = value.encode() if isinstance(value, str) else value
    return varint(field << 3 | 2) + varint(len(data)) + data
