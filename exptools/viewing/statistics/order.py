"""Centres and quantiles of a few numbers, many times over: all from their order. Last axes are reduced."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from exptools.errors import ViewError

Floats: TypeAlias = NDArray[np.float64]

BUDGET: Final = 1_000_000  # numbers that are held at once where the work is done in pieces: 8 MB

CENTERS: Final = {"mean": "mean", "median": "median", "iqm": "IQM"}  # name -> words for a caption


def at_least(least: int, name: str, number: int) -> None:
    """Refuses a `number` that is less.

    Raises:
        ViewError: it is.
    """
    if number < least:
        raise ViewError(f"{name} of {number} is too few; give {least} or more")


def kept(center: str, n: int) -> slice:
    """The ranks, of `n` numbers in order, whose mean is their `center`.

    iqm: without the int(n / 4) least and as many greatest, as scipy.stats.trim_mean(..., 0.25), and so
    rliable, cuts them; no number counts in part.

    Raises:
        ViewError: there is no such centre.
    """
    if center not in CENTERS:
        raise ViewError(f"there is no center {center!r}; give one of {', '.join(CENTERS)}")
    cut = {"mean": 0, "median": (n - 1) // 2, "iqm": n // 4}[center]
    return slice(cut, n - cut)


def middle(ordered: Floats, center: str) -> Floats:
    """The centre of `ordered`, shape (..., n), each row in order; nan where one is nan.

    It never lies outside the numbers that it is of, as by rounding a sum of equal ones could.
    """
    ranks = kept(center, ordered.shape[-1])
    with np.errstate(all="ignore"):  # inf - inf is nan here, and means to be
        found: Floats = ordered[..., ranks].mean(axis=-1)
    return within(found, ordered[..., 0], ordered[..., -1])  # nan is the last in order


def quantiles(values: Floats, fractions: Sequence[float]) -> list[Floats]:
    """For each of `fractions` the quantile of `values`, shape (..., n), in any order; nan where one is nan.

    Between two ranks it is interpolated linearly, like numpy's default; between inf and inf it is inf.
    """
    last = values.shape[-1] - 1
    places = [last * fraction for fraction in fractions]
    ranks = {rank for place in places for rank in (int(place), min(int(place) + 1, last))}
    parted = np.partition(values, sorted({*ranks, last}), axis=-1)
    return [np.where(np.isnan(parted[..., -1]), np.nan, _between(parted, place)) for place in places]


def _between(parted: Floats, place: float) -> Floats:
    rank = int(place)
    low, share = parted[..., rank], place - rank
    if share == 0:
        return low
    high = parted[..., rank + 1]
    with np.errstate(all="ignore"):
        return within((1 - share) * low + share * high, low, high)


def within(values: Floats, low: Floats, high: Floats) -> Floats:
    """`values`, but none less than `low` or greater than `high`; nan where one of the three is nan."""
    return np.minimum(np.maximum(values, low), high)  # np.clip of older numpy warns of a nan, or ignores it
