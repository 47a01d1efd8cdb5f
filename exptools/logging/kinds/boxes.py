"""Images with boxes drawn into them, as detectors see things."""

from __future__ import annotations

import functools
import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds import png
from exptools.logging.kinds.arrays import Array, copied, of_shape
from exptools.logging.kinds.libraries import require
from exptools.logging.kinds.pixels import as_uint8, pixels

# Okabe and Ito's colors without black: they can be told apart by the color-blind, too.
_COLORS = ((230, 159, 0), (86, 180, 233), (0, 158, 115), (240, 228, 66), (0, 114, 178), (213, 94, 0))


@dataclass(frozen=True, eq=False)
class BoxedImage:
    """An image and boxes. pixels: (H, W, C). boxes: (N, 4) float64: left, top, right, bottom in pixels."""

    pixels: Array
    boxes: Array
    labels: tuple[str, ...] | None
    kind: ClassVar[str] = "image"

    @classmethod
    def of(
        cls, tag: str, data: Any, boxes: Any, labels: Sequence[str] | None, dataformats: str
    ) -> BoxedImage:
        """Of what a user gave. Raises LoggingError: a wrong shape or range; labels without Pillow."""
        what = f"image {tag!r}"
        image = pixels(what, data, dataformats)
        corners = copied(f"{what}: boxes", boxes).astype(np.float64)
        if corners.size == 0:
            corners = corners.reshape(0, 4)
        allowed = "(N, 4): left, top, right and bottom in pixels"
        of_shape(f"{what}: boxes", corners, allowed, (None, 4), (0, 4))
        if not np.isfinite(corners).all():
            raise LoggingError(f"{what}: boxes must be finite")
        wrong = (corners[:, 2] < corners[:, 0]) | (corners[:, 3] < corners[:, 1])
        if wrong.any():
            n = int(np.argmax(wrong))
            raise LoggingError(
                f"{what}: box {n} is {corners[n].tolist()}; allowed: left, top, right, bottom "
                "with left <= right and top <= bottom"
            )
        return cls(image, corners, _labels(what, labels, len(corners)))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.pixels.nbytes + self.boxes.nbytes

    @functools.cached_property
    def _encoded(self) -> bytes:
        image = as_uint8(self.pixels)
        if image.shape[-1] == 1:
            image = np.repeat(image, 3, axis=-1)
        image = image.copy()
        color_of = {label: i for i, label in enumerate(dict.fromkeys(self.labels or ()))}
        for i, box in enumerate(self.boxes):
            label = self.labels[i] if self.labels else None
            color = _COLORS[(color_of[label] if label is not None else 0) % len(_COLORS)]
            _draw(image, box, color)
            if label:
                image = _written(image, box, label, color)
        return png.encode(image)

    def summaries(self, tag: str) -> list[bytes]:
        """The image with its boxes."""
        height, width, _ = self.pixels.shape
        return [summaries.images(tag, width, height, [self._encoded])]

    def files(self) -> dict[str, bytes]:
        """The image with its boxes, the image alone, and the boxes as numbers."""
        boxes = {"boxes": self.boxes.tolist(), "labels": self.labels}
        bare = png.encode(as_uint8(self.pixels))
        return {".png": self._encoded, ".bare.png": bare, ".json": json.dumps(boxes).encode() + b"\n"}

    def facts(self) -> dict[str, Any]:
        """Its size in pixels, and how many boxes."""
        height, width, channels = self.pixels.shape
        return {"height": height, "width": width, "channels": channels, "boxes": len(self.boxes)}


def _labels(what: str, labels: Sequence[str] | None, n: int) -> tuple[str, ...] | None:
    if labels is None:
        return None
    given = tuple(str(label) for label in ([labels] if isinstance(labels, str) else labels))
    if len(given) != n:
        raise LoggingError(f"{what}: {n} boxes, but {len(given)} labels; one for each box, or None")
    require("log_image_with_boxes with labels", "PIL", "pillow")
    return given


def _draw(image: NDArray[np.uint8], box: Array, color: tuple[int, int, int]) -> None:
    """A frame of the box, as far as it lies in the image; in place."""
    height, width, _ = image.shape
    thick = max(1, round(min(height, width) / 200))
    left, right = np.clip(np.rint(box[[0, 2]]), -thick, width + thick).astype(int)
    top, bottom = np.clip(np.rint(box[[1, 3]]), -thick, height + thick).astype(int)

    def fill(y0: int, y1: int, x0: int, x1: int) -> None:
        area = image[max(y0, 0) : max(y1, 0), max(x0, 0) : max(x1, 0)]
        area[..., :3] = color
        area[..., 3:] = 255

    fill(top, min(top + thick, bottom + 1), left, right + 1)
    fill(max(bottom - thick + 1, top), bottom + 1, left, right + 1)
    fill(top, bottom + 1, left, min(left + thick, right + 1))
    fill(top, bottom + 1, max(right - thick + 1, left), right + 1)


def _written(
    image: NDArray[np.uint8], box: Array, label: str, color: tuple[int, int, int]
) -> NDArray[np.uint8]:
    """The image with a label above the box, or in it where there is no room above."""
    from PIL import Image, ImageDraw

    canvas = Image.fromarray(image)
    draw = ImageDraw.Draw(canvas)
    at = (max(0.0, float(box[0])), max(0.0, float(box[1]) - 12))
    draw.rectangle(draw.textbbox(at, label), fill=color)
    draw.text(at, label, fill=(0, 0, 0))
    return np.array(canvas)
