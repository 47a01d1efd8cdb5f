"""What is a number, a step, a batch of numbers: anything of numpy, torch or jax, without importing them."""

from __future__ import annotations

import math
import numbers
import operator
import reprlib
from typing import Any

from exptools.errors import LoggingError

_EXACT = 2**53  # integers up to here are float64 without rounding


def as_float64(tag: str, data: Any) -> float:
    """`data` as a float64 without rounding.

    Raises:
        LoggingError: it is not one number, or an integer that float64 cannot hold.
    """
    if type(data) is int and -_EXACT <= data <= _EXACT:
        return float(data)
    number = _single(tag, data)
    try:
        value = float(number)
    except (TypeError, ValueError, OverflowError) as error:
        raise _no_number(tag, data, str(error)) from None
    if abs(value) >= _EXACT and isinstance(number, numbers.Integral) and int(value) != int(number):
        raise LoggingError(
            f"scalar {tag!r}: the integer {reprlib.repr(int(number))} cannot be kept as float64 without "
            "rounding; log it as text, or a part of it"
        )
    return value


def _single(tag: str, data: Any) -> Any:
    """The one number that `data` is or, as an array or tensor, holds."""
    shape = tuple(getattr(data, "shape", ()))
    if any(n != 1 for n in shape):
        raise LoggingError(
            f"scalar {tag!r} must be one number, not an array of shape {shape}; log_scalar_batch takes many"
        )
    if type(data).__module__.startswith("numpy.ma") and data.mask.all():
        return math.nan  # such as the mean of nothing; item() gives a number that nobody measured
    item = getattr(data, "item", None)
    number = item() if callable(item) else data
    if number is None or isinstance(number, str | bytes | bytearray | complex):
        raise _no_number(tag, data)
    return number


def _no_number(tag: str, data: Any, why: str = "") -> LoggingError:
    because = f" ({reprlib.repr(why)[1:-1]})" if why else ""
    first = "" if isinstance(tag, str) else "; the tag comes first: log_scalar(tag, number)"
    return LoggingError(f"scalar {tag!r} must be one number, not {reprlib.repr(data)}{because}{first}")


def as_step(step: Any) -> int:
    """`step` as an int64.

    Raises:
        LoggingError: it is not an integer, or does not fit.
    """
    try:
        number = operator.index(step)
    except TypeError:
        given = reprlib.repr(step)
        raise LoggingError(f"a step must be an integer, not {given}; use int(...) if it is one") from None
    if not -(2**63) <= number < 2**63:
        raise LoggingError(f"a step must fit in 64 bits, not {reprlib.repr(number)}")
    return number


def batch_statistics(tag: str, data: Any) -> dict[str, float]:
    """Average, Std (of the population), Median, Min, Max and Len of the numbers in `data` that are not NaN.

    Raises:
        LoggingError: `data` does not consist of numbers.
    """
    import numpy as np

    from exptools.logging.kinds.arrays import copied

    given = copied(f"batch {tag!r}", data).ravel()
    if given.dtype.kind in "iu" and given.size:  # floats become float64 exactly, integers perhaps not
        as_float64(tag, given.min())
        as_float64(tag, given.max())
    values = given.astype(np.float64)
    values = values[~np.isnan(values)]
    if not values.size:
        return {**dict.fromkeys(("Average", "Std", "Median", "Min", "Max"), float("nan")), "Len": 0.0}
    with np.errstate(invalid="ignore"):  # inf - inf: the statistic is nan, and that is what is recorded
        return {
            "Average": float(values.mean()),
            "Std": float(values.std()),
            "Median": float(np.median(values)),
            "Min": float(values.min()),
            "Max": float(values.max()),
            "Len": float(values.size),
        }
