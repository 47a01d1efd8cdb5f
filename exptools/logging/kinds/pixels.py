"""Pixels in any layout that has a name, as arrays (..., H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from exptools.errors import LoggingError
from exptools.logging.kinds.arrays import Array, copied, within

_RANGE = "uint8 of 0 to 255, floats of 0 to 1, or bool"


def pixels(what: str, data: Any, dataformats: str, lead: str = "") -> Array:
    """`data` copied as (..., H, W, C), with its dtype.

    Args:
        what: how it is called in errors.
        dataformats: the axes: `lead` and then HWC, CHW or HW. Without a channel it is gray in any case.
        lead: the axes in front, such as "T".

    Raises:
        LoggingError: no such layout; another shape; another dtype or range of values.
    """
    layouts = [lead + layout for layout in ("HWC", "CHW", "HW")]
    if dataformats not in layouts:
        raise LoggingError(f"{what}: dataformats must be one of {', '.join(layouts)}, not {dataformats!r}")
    given = copied(what, data)
    array = given
    if given.ndim == len(lead) + 2:
        array = given[..., None]
    elif given.ndim == len(lead) + 3 and dataformats.endswith("CHW"):
        array = np.moveaxis(given, -3, -1)
    if array.ndim != len(lead) + 3 or array.shape[-1] not in (1, 3, 4) or 0 in array.shape:
        raise LoggingError(
            f"{what} has shape {given.shape}, dataformats={dataformats!r}; allowed: {_allowed(lead)}; no "
            "axis is empty"
        )
    if array.dtype != np.uint8 and array.dtype.kind not in "bf":
        raise LoggingError(f"{what} has dtype {array.dtype}; allowed: {_RANGE}")
    return within(what, array, 0, 1, _RANGE) if array.dtype.kind == "f" else array


def _allowed(lead: str) -> str:
    front = "".join(f"{axis}, " for axis in lead)
    last, first, none = (f"({front}{axes})" for axes in ("H, W, C", "C, H, W", "H, W"))
    return f"{last} by '{lead}HWC', {first} by '{lead}CHW', with C 1, 3 or 4, and {none}"


def as_uint8(pixels: Array) -> NDArray[np.uint8]:
    """Pixels of 0 to 255: floats of 0 to 1 are rounded to the nearest, True is 255."""
    if pixels.dtype.kind == "b":
        marks: NDArray[np.uint8] = np.where(pixels, np.uint8(255), np.uint8(0))
        return marks
    if pixels.dtype.kind == "f":
        wide = pixels.astype(np.promote_types(pixels.dtype, np.float32), copy=False)
        scaled: NDArray[np.uint8] = np.rint(np.clip(wide, 0, 1) * 255).astype(np.uint8)
        return scaled
    return np.ascontiguousarray(pixels, np.uint8)
