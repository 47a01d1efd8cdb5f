"""Bytes that are much like other bytes: ten thousand jobs have ten thousand configs, all but alike."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, field

_WINDOW = 1 << 15  # so far back zlib can see


@dataclass(frozen=True)
class Packed:
    """data: what is in the bytes and not in `like`, which many share."""

    data: bytes
    like: bytes = field(repr=False)

    @classmethod
    def of(cls, content: bytes, like: bytes) -> Packed:
        """Pack `content`."""
        packer = zlib.compressobj(zdict=like[-_WINDOW:])
        return cls(packer.compress(content) + packer.flush(), like)

    def unpack(self) -> bytes:
        """The bytes again."""
        return zlib.decompressobj(zdict=self.like[-_WINDOW:]).decompress(self.data)
