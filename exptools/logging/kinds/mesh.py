"""Meshes and point clouds: TensorBoard's Mesh, and PLY files that 3D programs read."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.arrays import Array, as_float32, copied, of_shape, within
from exptools.logging.kinds.pixels import as_uint8


@dataclass(frozen=True, eq=False)
class Mesh:
    """Points, and triangles between them.

    vertices: (V, 3) float32. faces: (F, 3) int32, numbers of vertices from 0 on. colors: (V, 3) uint8.
    """

    vertices: Array
    faces: Array | None
    colors: Array | None
    kind: ClassVar[str] = "mesh"

    @classmethod
    def of(cls, tag: str, vertices: Any, faces: Any, colors: Any, name: str = "vertices") -> Mesh:
        """Of what a user gave. Raises LoggingError: a wrong shape or range. name: of vertices."""
        what = f"mesh {tag!r}"
        points = copied(f"{what}: {name}", vertices)
        of_shape(f"{what}: {name}", points, "(V, 3): x, y and z", (None, 3))
        points = as_float32(f"{what}: {name}", points)
        triangles = None if faces is None else _faces(f"{what}: faces", faces, len(points))
        paint = None if colors is None else _colors(f"{what}: colors", colors, len(points))
        return cls(points, triangles, paint)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(part.nbytes for part in (self.vertices, self.faces, self.colors) if part is not None)

    def summaries(self, tag: str) -> list[bytes]:
        """A value for each part, as a batch of one."""
        parts = {"VERTEX": self.vertices, "FACE": self.faces, "COLOR": self.colors}
        given = {name: part[None] for name, part in parts.items() if part is not None}
        return summaries.mesh(tag, given, {} if self.faces is not None else self._dots())

    def files(self) -> dict[str, bytes]:
        """A binary PLY file."""
        return {".ply": self._ply()}

    def facts(self) -> dict[str, Any]:
        """How many vertices and faces."""
        return {"vertices": len(self.vertices), "faces": 0 if self.faces is None else len(self.faces)}

    def _dots(self) -> dict[str, Any]:
        """How points are drawn: a hundredth of the cloud is to be seen, TensorBoard's 0.005 often is not."""
        size = float(np.ptp(self.vertices.astype(np.float64), axis=0).max()) / 100 or 0.01
        return {"material": {"cls": "PointsMaterial", "size": size}}

    def _ply(self) -> bytes:
        """The format of Stanford's scanning repository (http://paulbourke.net/dataformats/ply)."""
        head = ["ply", "format binary_little_endian 1.0", f"element vertex {len(self.vertices)}"]
        head += [f"property float {axis}" for axis in "xyz"]
        columns: list[Any] = [("xyz", "<f4", 3)]
        if self.colors is not None:
            head += [f"property uchar {color}" for color in ("red", "green", "blue")]
            columns.append(("rgb", "u1", 3))
        points = np.empty(len(self.vertices), columns)
        points["xyz"] = self.vertices
        if self.colors is not None:
            points["rgb"] = self.colors
        body = points.tobytes()
        if self.faces is not None:
            head += [f"element face {len(self.faces)}", "property list uchar int vertex_indices"]
            triangles = np.empty(len(self.faces), [("n", "u1"), ("corners", "<i4", 3)])
            triangles["n"], triangles["corners"] = 3, self.faces
            body += triangles.tobytes()
        return "\n".join([*head, "end_header\n"]).encode() + body


def _faces(what: str, data: Any, n_vertices: int) -> Array:
    faces = of_shape(what, copied(what, data), "(F, 3): numbers of vertices", (None, 3))
    if faces.dtype.kind not in "iu":
        raise LoggingError(f"{what} has dtype {faces.dtype}; allowed: integers, the numbers of vertices")
    if faces.min() < 0 or faces.max() >= n_vertices:
        raise LoggingError(
            f"{what} has numbers from {faces.min()} to {faces.max()}; allowed: 0 to {n_vertices - 1}, as "
            f"there are {n_vertices} vertices"
        )
    return faces.astype(np.int32)


def _colors(what: str, data: Any, n_vertices: int) -> Array:
    colors = copied(what, data)
    of_shape(what, colors, f"({n_vertices}, 3): one color for each vertex", (n_vertices, 3))
    if colors.dtype.kind == "f":
        within(what, colors, 0, 1, "uint8 of 0 to 255, floats of 0 to 1")
    elif colors.dtype.kind not in "iu" or colors.min() < 0 or colors.max() > 255:
        raise LoggingError(
            f"{what} has values of dtype {colors.dtype} from {colors.min()} to {colors.max()}; allowed: "
            "integers of 0 to 255, floats of 0 to 1"
        )
    return as_uint8(colors) if colors.dtype.kind == "f" else colors.astype(np.uint8)
