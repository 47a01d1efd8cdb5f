"""Bands around a curve: how they are called, and what they are."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from exptools.errors import ViewError

_PLAIN: Final = {"none": "", "sd": "1 sd", "se": "1 standard error", "minmax": "minimum to maximum"}
_NUMBER: Final = r"([0-9]+(?:\.[0-9]+)?)"
_LEVEL = re.compile(rf"(t|ci|bootstrap){_NUMBER}")
_PERCENTILES = re.compile(rf"p{_NUMBER}-{_NUMBER}")
_ALLOWED: Final = (
    "give none, sd, se, minmax, ci95 (bootstrap) or t95 at any level between 0 and 100, or percentiles "
    "such as p25-75"
)


@dataclass(frozen=True)
class Band:
    """kind: "none", "sd", "se", "t", "ci" (bootstrap), "percentiles" or "minmax".

    low, high: the fractions, in [0, 1], between which it lies, for t, ci and percentiles; else 0 and 1.
    words: for a caption, such as "95 % bootstrap CI"; "" for none.
    """

    kind: str
    words: str
    low: float = 0.0
    high: float = 1.0

    @property
    def level(self) -> float:
        """The share, in [0, 1], that lies between low and high."""
        return self.high - self.low


def parse(text: str) -> Band:
    """The band that is called `text`: none, sd, se, minmax, t95, ci95 or bootstrap95, p25-75.

    Raises:
        ViewError: there is no such band.
    """
    if text in _PLAIN:
        return Band(text, _PLAIN[text])
    if level := _LEVEL.fullmatch(text):
        return _interval(text, *level.groups())
    if ends := _PERCENTILES.fullmatch(text):
        return _percentiles(text, *ends.groups())
    raise ViewError(f"there is no band {text!r}; {_ALLOWED}")


def _interval(text: str, kind: str, percent: str) -> Band:
    level = float(percent)
    if not 0 < level < 100:
        raise ViewError(f"a band cannot be of {percent} %, as {text!r} says; {_ALLOWED}")
    kind, name = ("t", "t interval") if kind == "t" else ("ci", "bootstrap CI")
    return Band(kind, f"{level:.15g} % {name}", (100 - level) / 200, (100 + level) / 200)


def _percentiles(text: str, first: str, second: str) -> Band:
    low, high = float(first), float(second)
    if not low < high <= 100:
        raise ViewError(f"percentiles go from the lower to the higher, at most 100, not {text!r}; {_ALLOWED}")
    return Band("percentiles", f"{_ordinal(low)} to {_ordinal(high)} percentile", low / 100, high / 100)


def _ordinal(number: float) -> str:
    whole = number == int(number) and int(number) % 100 not in (11, 12, 13)
    return f"{number:.15g}" + ({1: "st", 2: "nd", 3: "rd"}.get(int(number) % 10, "th") if whole else "th")
