"""What bytes are, by how they begin; never by a name."""

from __future__ import annotations

import struct

UNKNOWN = "application/octet-stream"
_SIMPLE = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"GIF87a": "image/gif",
    b"GIF89a": "image/gif",
    b"\xff\xd8\xff": "image/jpeg",
}
_RIFF = {b"WEBP": "image/webp", b"WAVE": "audio/wav"}
_MP4 = {b"isom", b"avc1", b"mp41", b"mp42", b"dash", b"M4V ", *(b"iso%d" % n for n in range(2, 10))}
_BMP_HEADERS = (12, 40, 52, 56, 64, 108, 124)  # bytes of the second header, which says which one it is


def mime_type(data: bytes) -> str:
    """The type of an image, video or sound that browsers show; of all else application/octet-stream.

    SVG is all else, too: it may have scripts.
    """
    for magic, name in _SIMPLE.items():
        if data.startswith(magic):
            return name
    if data[:4] == b"RIFF":
        return _RIFF.get(data[8:12], UNKNOWN)
    if data[4:8] == b"ftyp" and data[8:12] in _MP4:
        return "video/mp4"
    return "image/bmp" if _is_bmp(data) else UNKNOWN


def _is_bmp(data: bytes) -> bool:
    """Two letters alone are the beginning of many a text."""
    if data[:2] != b"BM" or len(data) < 18:
        return False
    reserved, _, header = struct.unpack_from("<III", data, 6)
    return reserved == 0 and header in _BMP_HEADERS
