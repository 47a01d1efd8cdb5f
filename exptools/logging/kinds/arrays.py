"""Arrays of numpy, torch, jax, or nested lists, as copies in memory; nothing but numpy is imported."""

from __future__ import annotations

import reprlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from exptools.errors import LoggingError

Array = NDArray[Any]


def copied(what: str, data: Any) -> Array:
    """A copy of `data` that nothing else changes; floats that numpy does not know become float32.

    what: how it is called in errors, such as "image 'eval/rollout'".

    Raises:
        LoggingError: it does not consist of numbers.
    """
    try:
        array = np.asarray(unmasked(_on_the_host(data)))
        if array.dtype.kind == "V" and array.dtype.names is None:  # bfloat16 and float8 of jax
            array = array.astype(np.float32)
    except Exception as error:  # whatever the library of the array raises
        raise LoggingError(f"{what} must be an array of numbers, not {_short(data)} ({error})") from None
    if array.dtype.kind not in "biuf":
        raise LoggingError(f"{what} must be an array of numbers, not {_short(data)} (dtype {array.dtype})")
    return np.array(array, order="C")


def unmasked(data: Any) -> Any:
    """`data`, with NaN for what is masked: numpy's arrays hold some number there, which nobody measured."""
    if not isinstance(data, np.ma.MaskedArray) or not np.ma.is_masked(data):
        return data
    return np.ma.filled(data if data.dtype.kind == "f" else data.astype(np.float64), np.nan)


def as_float32(what: str, array: Array) -> Array:
    """`array` as float32. Raises LoggingError: a number is NaN, infinite, or too large for it."""
    with np.errstate(over="ignore"):
        narrow: Array = array.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise LoggingError(f"{what} must be finite, and not beyond {np.finfo(np.float32).max:.2g}")
    return narrow


def _on_the_host(data: Any) -> Any:
    """What numpy can read: without a graph, in the main memory, of a dtype that it knows."""
    if isinstance(data, list | tuple):
        return [_on_the_host(item) for item in data] if any(map(_is_no_number, data[:1])) else data
    detach = getattr(data, "detach", None)
    if not callable(detach):
        return data
    tensor = detach()
    if "float8" in str(tensor.dtype) or "bfloat16" in str(tensor.dtype):
        tensor = tensor.float()
    return tensor.cpu().numpy()


def _is_no_number(item: Any) -> bool:
    return not isinstance(item, int | float)


def of_shape(what: str, array: Array, allowed: str, *wanted: tuple[int | None, ...]) -> Array:
    """`array`, if its shape is one of those `wanted`: None is any length from 1 on.

    Raises:
        LoggingError: it is not. allowed: what the error tells.
    """
    if any(_fits(array.shape, shape) for shape in wanted):
        return array
    raise LoggingError(f"{what} has shape {array.shape}; allowed: {allowed}")


def _fits(shape: Sequence[int], wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        n == m or (m is None and n > 0) for n, m in zip(shape, wanted, strict=True)
    )


def within(what: str, array: Array, low: float, high: float, allowed: str) -> Array:
    """`array`, if all of its values are from `low` to `high`, but for rounding.

    Raises:
        LoggingError: one is beyond, or NaN. allowed: what the error tells.
    """
    if array.size:
        least, most = array.min(), array.max()
        if not (least >= low - _ROUNDING and most <= high + _ROUNDING):
            raise LoggingError(
                f"{what} has values of dtype {array.dtype} from {least:g} to {most:g}; allowed: {allowed}"
            )
    return array


_ROUNDING = 1e-5


def one_of_type(what: str, value: Any, kind: type, allowed: str) -> Any:
    """`value`, if it is of that type. Raises LoggingError if not. allowed: what the error tells."""
    if isinstance(value, kind):
        return value
    raise LoggingError(f"{what} must be {allowed}, not {_short(value)}")


def _short(data: Any) -> str:
    try:
        return reprlib.repr(data)
    except Exception:  # a broken __repr__ must not hide the reason
        return f"something of type {type(data).__name__}"
