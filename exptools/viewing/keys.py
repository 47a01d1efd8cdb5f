"""Which config keys differ between runs, those that only say which run it is too, and how. Pure functions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from exptools.viewing import compare
from exptools.viewing.compare import MISSING, FlatConfig
from exptools.viewing.groups import in_order


@dataclass(frozen=True)
class Key:
    """A config key that differs. values: each with the number of runs, MISSING for those that do not have it.

    role: "setting"; "seed", what a group is averaged over; "bookkeeping", which is hidden in the table.
    """

    name: str
    role: str
    values: tuple[tuple[Any, int], ...]


def keys(configs: Iterable[FlatConfig]) -> list[Key]:
    """The keys that differ between `configs`, in the order of their first appearance."""
    configs = list(configs)
    return [_key(key, [config.get(key, MISSING) for config in configs]) for key in compare.differing(configs)]


def _key(name: str, values: Sequence[Any]) -> Key:
    return Key(name, _role(name), tuple(counts(values)))


def _role(key: str) -> str:
    return "seed" if compare.is_seed(key) else "bookkeeping" if compare.is_bookkeeping(key) else "setting"


def counts(values: Sequence[Any]) -> list[tuple[Any, int]]:
    """The different ones of `values`, in order, and how often each comes."""
    number = Counter(map(compare.identity, values))
    first = {compare.identity(value): value for value in reversed(values)}
    return [(value, number[compare.identity(value)]) for value in sorted(first.values(), key=in_order)]
