"""A mean and its interval, as many digits of them as are known. Pure functions."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Context, Decimal

_DIGITS = 5  # significant, where nothing says how many are known
_SMALLEST, _LARGE, _LARGEST = -4, 5, 12  # powers of ten
_EXACT = Context(prec=1000)  # a float64 has no more digits


@dataclass(frozen=True)
class Rounded:
    """Texts without an exponent; all are to be multiplied by 10 to the `exponent`.

    half: half the width of the interval. half, low, high: None where it is unknown.
    """

    mean: str
    half: str | None = None
    low: str | None = None
    high: str | None = None
    exponent: int = 0


def rounded(mean: float, low: float, high: float) -> Rounded:
    """`mean` and the interval from `low` to `high`, rounded to the second digit of half its width.

    0.91234 with 0.8994 to 0.9252 is 0.912, 0.013. Where the interval is unknown the mean has five digits.
    """
    half = (high - low) / 2
    if not (math.isfinite(mean) and math.isfinite(half)):
        return _alone(mean)
    if half == 0:
        alone = _alone(mean)
        return Rounded(alone.mean, "0", alone.mean, alone.mean, alone.exponent)
    size = _power(max(abs(mean), half), _DIGITS)
    last = _power(half, 2) - 1
    exponent = _exponent(size, last)
    place = last - exponent
    return Rounded(
        _at(mean, exponent, place),
        _at(half, exponent, place),
        _at(low, exponent, place),
        _at(high, exponent, place),
        exponent,
    )


def _alone(mean: float) -> Rounded:
    if not math.isfinite(mean) or mean == 0:
        return Rounded(f"{mean:g}")
    size = _power(abs(mean), _DIGITS)
    last = size + 1 - _DIGITS
    exponent = _exponent(size, last)
    text = _at(mean, exponent, last - exponent)
    return Rounded(text.rstrip("0").rstrip(".") if "." in text else text, exponent=exponent)


def _exponent(first: int, last: int) -> int:
    """The exponent to write a number with, whose digits go from 10 to the `first` to 10 to the `last`."""
    is_large = first > _LARGEST or (first > _LARGE and last > 0)
    return first if is_large or first < _SMALLEST else 0


def _power(number: float, digits: int) -> int:
    """The power of ten of the first digit, after rounding to `digits` digits."""
    return int(f"{number:.{digits - 1}e}".partition("e")[2])


def _at(number: float, exponent: int, place: int) -> str:
    """`number`, over 10 to the `exponent`, rounded at the digit of 10 to the `place`."""
    scaled = Decimal(number).scaleb(-exponent, _EXACT)
    text = f"{scaled.quantize(Decimal(1).scaleb(place), context=_EXACT):f}"
    return text.lstrip("-") if Decimal(text) == 0 else text
