"""Quantiles of Student's t distribution."""

from __future__ import annotations

import functools
import math


@functools.lru_cache(maxsize=1024)
def t_quantile(level: float, degrees: int) -> float:
    """The t that |T| does not exceed with probability `level`, in (0, 1), for `degrees` >= 1 of freedom.

    That is the quantile at (1 + level) / 2. By P(|T| <= t) = I(t^2 / (degrees + t^2); 1/2, degrees / 2)
    (Abramowitz and Stegun 26.5.27 and 26.7.1), halving an interval until float64 has nothing between.
    """
    low, high = 0.0, 1.0
    while _within(high, degrees) < level:
        low, high = high, high * 2
    while low < (half := (low + high) / 2) < high:
        low, high = (half, high) if _within(half, degrees) < level else (low, half)
    return high


def _within(t: float, degrees: int) -> float:
    """P(|T| <= t)."""
    rest = degrees / (degrees + t * t)
    return _incomplete_beta(1 - rest if t > 1 else t * t / (degrees + t * t), rest, 0.5, degrees / 2)


def _incomplete_beta(x: float, rest: float, a: float, b: float) -> float:
    """I(x; a, b), the regularised incomplete beta function; rest: 1 - x, without its rounding."""
    if x <= 0 or rest <= 0:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):  # there the fraction converges slowly
        return 1 - _incomplete_beta(rest, x, b, a)
    front = a * math.log(x) + b * math.log(rest) + math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)
    return math.exp(front) / a / _fraction(x, a, b)


def _fraction(x: float, a: float, b: float) -> float:
    """1 + d1/(1 + d2/(1 + ...)), whose inverse is in I(x; a, b): Abramowitz and Stegun 26.5.8.

    Evaluated forwards by Lentz's method, until a step changes it by less than 1e-15 of itself.
    """
    value = numerator = 1.0
    denominator = 0.0
    for step in range(1, 100_000):
        m = step // 2
        if step % 2:
            term = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            term = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / (1 + term * denominator)
        numerator = 1 + term / numerator
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < 1e-15:
            break
    return value
