"""CRC-32C of many messages of one length that differ in few bytes.

The checksum is affine over GF(2): what a changed byte adds to it depends on the change and on the distance to
the end alone. So that of a message is that of another one xor what each changed byte adds: a table lookup for
each such byte, for all messages at once, where a call per message would take several times as long.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from google_crc32c import value as crc32c

if TYPE_CHECKING:
    import numpy.typing as npt

_MASK_DELTA = 0xA282EAD8  # as in tensorflow/core/lib/hash/crc32c.h


def masked(base: bytes, changes: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint32]:
    """The masked checksums of N messages. changes, (N, len(base)): each of them xor `base`."""
    crc = np.full(len(changes), crc32c(base), np.uint32)
    length = len(base)
    for at in np.flatnonzero(changes.any(axis=0)):
        crc ^= _table(length - 1 - int(at))[changes[:, at]]
    rotated: Any = (crc >> np.uint32(15)) | (crc << np.uint32(17))
    return rotated + np.uint32(_MASK_DELTA)  # type: ignore[no-any-return]


@functools.lru_cache(maxsize=4096)
def _table(behind: int) -> npt.NDArray[np.uint32]:
    """What each of 256 changes of a byte adds; `behind`: bytes that follow it."""
    zero = crc32c(bytes(behind + 1))
    table = np.zeros(256, np.uint32)
    for bit in range(8):
        one = crc32c(bytes([1 << bit]) + bytes(behind)) ^ zero
        table[1 << bit : 2 << bit] = table[: 1 << bit] ^ np.uint32(one)
    return table
