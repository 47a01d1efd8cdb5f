"""TFRecord framing, both directions: the container of TensorBoard's event files.

A record is: uint64 length, uint32 masked CRC-32C of those 8 bytes, the payload, uint32 masked CRC-32C of
the payload; all little-endian (tensorflow/core/lib/io/record_writer.h).
"""

from __future__ import annotations

import functools
import struct
from collections.abc import Iterator
from dataclasses import dataclass

from google_crc32c import value as crc32c

_LENGTH = struct.Struct("<Q")
_CRC = struct.Struct("<I")
_HEADER = struct.Struct("<QI")
_MASK_DELTA = 0xA282EAD8  # as in tensorflow/core/lib/hash/crc32c.h


@dataclass(frozen=True)
class Damage:
    """A place in a file of records that cannot be read.

    offset: bytes from the start of the file. torn: the file just ends inside a record, as it does while
    somebody is still writing it.
    """

    offset: int
    reason: str
    torn: bool = False


def masked_crc(data: bytes) -> int:
    """CRC-32C of `data`, rotated and shifted as TFRecord stores it."""
    crc: int = crc32c(data)
    return (((crc >> 15) | (crc << 17)) + _MASK_DELTA) & 0xFFFFFFFF


@functools.lru_cache(maxsize=4096)
def _header(length: int) -> bytes:
    packed = _LENGTH.pack(length)
    return packed + _CRC.pack(masked_crc(packed))


def frame(payload: bytes) -> bytes:
    """`payload` as one record."""
    return b"%b%b%b" % (_header(len(payload)), payload, _CRC.pack(masked_crc(payload)))


def records(data: bytes | memoryview, start: int = 0) -> Iterator[bytes | Damage]:
    """Walk the records of `data` from offset `start`; yields each payload, or what is wrong at that place.

    A payload that fails its checksum is named and passed over; after a broken length nothing more can
    be found, so that is the last that is yielded.
    """
    return (record for _, record in located(data, start))


def located(data: bytes | memoryview, start: int = 0) -> Iterator[tuple[int, bytes | Damage]]:
    """As records, each with the offset at which it begins."""
    view = memoryview(data)
    end = len(view)
    at = start
    while at < end:
        if at + 12 > end:
            yield at, Damage(at, "the file ends inside a record's header", torn=True)
            return
        length, length_crc = _HEADER.unpack_from(view, at)
        if masked_crc(bytes(view[at : at + 8])) != length_crc:
            yield at, Damage(at, "the record's length fails its checksum; what follows cannot be read")
            return
        stop = at + 12 + length
        if stop + 4 > end:
            yield at, Damage(at, "the file ends inside a record", torn=True)
            return
        payload = bytes(view[at + 12 : stop])
        if masked_crc(payload) != _CRC.unpack_from(view, stop)[0]:
            yield at, Damage(at, "the record fails its checksum and was passed over")
        else:
            yield at, payload
        at = stop + 4
