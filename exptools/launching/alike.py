"""Bytes that are much like other bytes: ten thousand jobs have ten thousand configs, all but alike."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

_BLOCK = 1 << 14  # bytes; zlib sees 32 kB: where a block is in `like`, and half a block on either side


@dataclass(frozen=True)
class Packed:
    """blocks: what is in the bytes and not in `like`, which many share."""

    blocks: tuple[bytes, ...]
    like: bytes = field(repr=False)

    @classmethod
    def of(cls, content: bytes, like: bytes) -> Packed:
        """Pack `content`."""
        starts = range(0, len(content), _BLOCK)
        blocks = [_pack(content[start : start + _BLOCK], _around(like, start)) for start in starts]
        return cls(tuple(blocks), like)

    def unpack(self) -> bytes:
        """The bytes again."""
        return b"".join(
            zlib.decompressobj(zdict=_around(self.like, number * _BLOCK)).decompress(block)
            for number, block in enumerate(self.blocks)
        )


def _around(like: bytes, start: int) -> bytes:
    return like[max(0, start - _BLOCK // 2) : start + _BLOCK + _BLOCK // 2]


def _pack(block: bytes, like: bytes) -> bytes:
    packer = zlib.compressobj(zdict=like)
    return packer.compress(block) + packer.flush()
