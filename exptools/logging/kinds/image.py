"""Images: PNG files, and TensorBoard's Images."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.formats import summaries
from exptools.logging.kinds import png
from exptools.logging.kinds.arrays import Array
from exptools.logging.kinds.pixels import as_uint8, pixels


@dataclass(frozen=True, eq=False)
class Images:
    """One image or several of one size. pixels: (N, H, W, C), uint8, bool, or floats of 0 to 1."""

    pixels: Array
    is_batch: bool = False
    kind: ClassVar[str] = "image"

    @classmethod
    def one(cls, tag: str, data: Any, dataformats: str) -> Images:
        """Of one image. Raises LoggingError: see pixels.pixels."""
        return cls(pixels(f"image {tag!r}", data, dataformats)[None])

    @classmethod
    def batch(cls, tag: str, data: Any, dataformats: str) -> Images:
        """Of several. Raises LoggingError: see pixels.pixels."""
        return cls(pixels(f"images {tag!r}", data, dataformats, "N"), is_batch=True)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.pixels.nbytes

    @functools.cached_property
    def _encoded(self) -> list[bytes]:
        return [png.encode(as_uint8(image)) for image in self.pixels]

    def summaries(self, tag: str) -> list[bytes]:
        """One value with all images."""
        _, height, width, _ = self.pixels.shape
        return [summaries.images(tag, width, height, self._encoded)]

    def files(self) -> dict[str, bytes]:
        """A PNG for each image, numbered from 0 on if there may be several."""
        if not self.is_batch:
            return {".png": self._encoded[0]}
        return {f".{i}.png": encoded for i, encoded in enumerate(self._encoded)}

    def facts(self) -> dict[str, Any]:
        """Its size in pixels."""
        _, height, width, channels = self.pixels.shape
        return {"height": height, "width": width, "channels": channels}
