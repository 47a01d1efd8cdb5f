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
        dataformats: the axes: `lead` and then HWC, CHW or HW. One image of two axes is gray in any case; of
            several that must be said, as one in color looks like several gray ones.
        lead: the axes in front, such as "T".

    Raises:
        LoggingError: no such layout; another shape; another dtype or range of values.
    """
    layouts = [lead + layout for layout in ("HWC", "CHW", "HW")]
    if dataformats not in layouts:
        raise LoggingError(f"{what}: dataformats must be one of {', '.join(layouts)}, not {dataformats!r}")
    given = copied(what, data)
    array = _channels_last(given, dataformats[len(lead) :], given.ndim - len(lead))
    if array is None:
        raise LoggingError(
            f"{what} has shape {given.shape}, dataformats={dataformats!r}; allowed: {_allowed(lead)}; no "
            f"axis is empty{_fitting(given, lead)}"
        )
    if array.dtype != np.uint8 and array.dtype.kind not in "bf":
        raise LoggingError(f"{what} has dtype {array.dtype}; allowed: {_RANGE}")
    return within(what, array, 0, 1, _RANGE) if array.dtype.kind == "f" else array


def _channels_last(given: Array, layout: str, n_axes: int) -> Array | None:
    """(..., H, W, C); None if the shape does not go with the layout. n_axes: of one image."""
    if n_axes == 2 and (layout == "HW" or given.ndim == 2):
        array = given[..., None]
    elif n_axes == 3 and layout != "HW":
        array = given if layout == "HWC" else np.moveaxis(given, -3, -1)
    else:
        return None
    return array if array.shape[-1] in (1, 3, 4) and array.size else None


def _fitting(given: Array, lead: str) -> str:
    """Which layout to say instead, if only one goes with the shape."""
    layouts = ("HWC", "CHW", "HW")
    if not lead and given.ndim == 4:
        return ". Several images go to log_images"
    fits = [axes for axes in layouts if _channels_last(given, axes, given.ndim - len(lead)) is not None]
    return f". It fits dataformats='{lead}{fits[0]}'" if len(fits) == 1 else ""


def _allowed(lead: str) -> str:
    front = "".join(f"{axis}, " for axis in lead)
    last, first, none = (f"({front}{axes})" for axes in ("H, W, C", "C, H, W", "H, W"))
    return f"{last} by '{lead}HWC', {first} by '{lead}CHW', with C 1, 3 or 4, and {none} by '{lead}HW'"


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
