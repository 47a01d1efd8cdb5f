"""Figures of the page as a browser has them: the numbers in them as arrays."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


def numbers(column: dict[str, str]) -> Floats:
    """A column of a trace."""
    assert set(column) == {"dtype", "bdata"} and column["dtype"] == "f8"
    return np.frombuffer(base64.b64decode(column["bdata"], validate=True), "<f8")


def pieces(trace: dict[str, Any]) -> list[tuple[Floats, Floats]]:
    """x and y of each line of a trace, as its `starts` divide it for the pointer."""
    x, y = numbers(trace["x"]), numbers(trace["y"])
    assert len(x) == len(y)
    starts = trace["meta"]["starts"]
    assert starts[-1] == len(x) + 1
    for start in starts[1:-1]:
        assert np.isnan(x[start - 1]) and np.isnan(y[start - 1])
    return [(x[a : b - 1], y[a : b - 1]) for a, b in itertools.pairwise(starts)]


def fronts(figure: dict[str, Any]) -> list[dict[str, Any]]:
    """The traces of the lines themselves."""
    return [trace for trace in figure["data"] if "meta" in trace]
