"""PNG files, written by zlib alone (https://www.w3.org/TR/png)."""

from __future__ import annotations

import struct
import zlib

import numpy as np
from numpy.typing import NDArray

_COLOR_TYPES = {1: 0, 3: 2, 4: 6}  # gray, RGB, RGBA, by channels
_UP = 2  # each row is kept as its difference to the one above: cheap, and smaller for most images
_LEVEL = 4  # of 9: higher ones cost much time for little


def encode(pixels: NDArray[np.uint8]) -> bytes:
    """An image without loss. pixels: (H, W, C), C 1 (gray), 3 (RGB) or 4 (RGBA)."""
    height, width, channels = pixels.shape
    rows = pixels.reshape(height, width * channels)
    filtered = np.empty((height, 1 + width * channels), np.uint8)
    filtered[:, 0] = _UP
    filtered[0, 1:] = rows[0]
    np.subtract(rows[1:], rows[:-1], out=filtered[1:, 1:])  # modulo 256, as the standard wants
    head = struct.pack(">IIBBBBB", width, height, 8, _COLOR_TYPES[channels], 0, 0, 0)
    body = zlib.compress(filtered.data, _LEVEL)
    return b"\x89PNG\r\n\x1a\n" + _chunk(b"IHDR", head) + _chunk(b"IDAT", body) + _chunk(b"IEND", b"")


def _chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
