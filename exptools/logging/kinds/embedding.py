"""Points in a space of many dimensions: TensorBoard's Projector."""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.formats.projector import LABELS, POINTS, SPRITE
from exptools.logging.kinds import png
from exptools.logging.kinds.arrays import Array, as_float32, copied, of_shape
from exptools.logging.kinds.pixels import as_uint8, pixels

MOST_SPRITE_PIXELS = 8192  # a side of the image that has all images, as the Projector allows


@dataclass(frozen=True, eq=False)
class Embedding:
    """Points. data: (N, D) float32. labels: columns of N texts by their names. images: (N, H, W, C)."""

    data: Array
    labels: Mapping[str, Sequence[str]]
    images: Array | None
    kind: ClassVar[str] = "embedding"

    @classmethod
    def of(cls, tag: str, data: Any, labels: Any, images: Any, dataformats: str) -> Embedding:
        """Of what a user gave. Raises LoggingError: a wrong shape or range, or not one label a point."""
        what = f"embedding {tag!r}"
        points = of_shape(what, copied(what, data), "(N, D): N points in D dimensions", (None, None))
        points = as_float32(what, points)
        columns = _columns(what, labels, len(points))
        sprites = None
        if images is not None:
            sprites = pixels(f"{what}: image_label", images, dataformats, "N")
            if len(sprites) != len(points):
                raise LoggingError(
                    f"{what}: {len(points)} points, but {len(sprites)} images; one for each point"
                )
            side = math.ceil(math.sqrt(len(points))) * max(sprites.shape[1:3])
            if side > MOST_SPRITE_PIXELS:
                raise LoggingError(
                    f"{what}: {len(points)} images of {sprites.shape[1]} x {sprites.shape[2]} make a "
                    f"sprite of {side} pixels a side; allowed: {MOST_SPRITE_PIXELS}. Give smaller images or "
                    "fewer points"
                )
        return cls(points, columns, sprites)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        labels = sum(len(label) for column in self.labels.values() for label in column)
        return self.data.nbytes + labels + (0 if self.images is None else self.images.nbytes)

    def summaries(self, tag: str) -> list[bytes]:
        """A text that says where it is to be seen; the points are in files."""
        n, dimensions = self.data.shape
        said = f"{n} points in {dimensions} dimensions: see the Projector, under the name `{tag}`"
        return [summaries.text(tag, said)]

    def files(self) -> dict[str, bytes]:
        """The points, their labels and their images, as the Projector reads them."""
        return self._files

    @functools.cached_property
    def _files(self) -> dict[str, bytes]:
        found = {POINTS: b"".join("\t".join(row.astype(str)).encode() + b"\n" for row in self.data)}
        if self.labels:
            found[LABELS] = _table(self.labels).encode(errors="backslashreplace")
        if self.images is not None:
            found[SPRITE] = png.encode(_tiled(as_uint8(self.images)))
        return found

    def facts(self) -> dict[str, Any]:
        """How many points, dimensions, and the size of an image."""
        n, dimensions = self.data.shape
        size = {} if self.images is None else {"image": [self.images.shape[2], self.images.shape[1]]}
        return {"points": n, "dimensions": dimensions, **size}


def _columns(what: str, labels: Any, n: int) -> dict[str, tuple[str, ...]]:
    if labels is None:
        return {}
    given = labels if isinstance(labels, Mapping) else {"label": labels}
    columns = {}
    for name, column in given.items():
        if isinstance(column, str | bytes) or not hasattr(column, "__len__") or len(column) != n:
            has = f"{len(column)} labels" if hasattr(column, "__len__") else repr(column)
            raise LoggingError(f"{what}: {n} points, but {has} in {name!r}; a list with one for each point")
        columns[_cell(name)] = tuple(map(_cell, column.tolist() if hasattr(column, "tolist") else column))
    return columns


def _cell(value: Any) -> str:
    return " ".join(str(value).splitlines()).replace("\t", " ") or " "


def _table(columns: Mapping[str, Sequence[str]]) -> str:
    """One column is without a name, as the Projector wants it."""
    rows = list(zip(*columns.values(), strict=True))
    if len(columns) > 1:
        rows.insert(0, tuple(columns))
    return "".join("\t".join(row) + "\n" for row in rows)


def _tiled(images: Any) -> Any:
    """All images in one, in rows of as many as there are rows."""
    n, height, width, channels = images.shape
    side = math.ceil(math.sqrt(n))
    sheet = np.zeros((side * side, height, width, channels), np.uint8)
    sheet[:n] = images
    sheet = sheet.reshape(side, side, height, width, channels).swapaxes(1, 2)
    return sheet.reshape(side * height, side * width, channels)
