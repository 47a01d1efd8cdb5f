"""Which runs are repetitions of one setting, and what a setting is called. Pure functions."""

from __future__ import annotations

import functools
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from exptools import words
from exptools.viewing import compare
from exptools.viewing.compare import MISSING, FlatConfig
from exptools.viewing.runs import below, natural


@dataclass(frozen=True)
class Member:
    """What of a run decides its group. config: None where it is unknown. part, sweep: see runs.Place."""

    name: str
    config: FlatConfig | None
    part: str = ""
    sweep: str = ""

    @functools.cached_property
    def seed(self) -> Hashable:
        """The values of all its seeds; None if it has none, or none that is written down (null, ${...})."""
        known = {
            key: value
            for key, value in (self.config or {}).items()
            if compare.is_seed(key) and _written(value)
        }
        return frozenset((key, compare.identity(value)) for key, value in known.items()) or None


def _written(value: Any) -> bool:
    return value is not None and not (isinstance(value, str) and "${" in value)


@dataclass(frozen=True)
class Group:
    """Runs with equal config but for the seed-like keys.

    label: short, made of what tells this group from the others; "" if it is the only one. settings: the
    keys of the label and their values. sweep: the name of the sweep that all its runs are of, where the
    same seeds were run in several; else "".
    """

    label: str
    settings: Mapping[str, Any]
    members: tuple[Member, ...]
    sweep: str = ""

    @property
    def runs(self) -> tuple[str, ...]:
        """The names of its runs."""
        return tuple(member.name for member in self.members)

    @property
    def seeds(self) -> int:
        """How many different seeds its runs have."""
        return len({member.seed for member in self.members if member.seed is not None})

    @property
    def repeats(self) -> bool:
        """Whether several of its runs have the same seed."""
        return self.seeds < sum(member.seed is not None for member in self.members)

    @property
    def told(self) -> str:
        """Its label, and how many runs and seeds it has."""
        seeds = words.count(self.seeds, "seed")
        return f"{self.label or 'all'} ({words.count(len(self.runs), 'run')}, {seeds})"

    def only(self, names: Collection[str]) -> Group:
        """This group, of the runs in `names` alone."""
        return replace(self, members=tuple(member for member in self.members if member.name in names))


def grouped(members: Sequence[Member]) -> list[Group]:
    """The groups of `members`, in the order of their first members.

    A run whose config is unknown is a group of its own: nothing says that it repeats another. So are the
    event files in different sub-directories of a run: they are different measurements.
    """
    bins: dict[Hashable, list[Member]] = {}
    for member in members:
        bins.setdefault(_setting(member), []).append(member)
    firsts = [group[0] for group in bins.values()]
    keys = compare.telling([_without_seeds(first.config) for first in firsts if first.config is not None])
    return [
        Group(
            label,
            {} if group[0].config is None else {k: group[0].config.get(k, MISSING) for k in keys},
            tuple(group),
        )
        for label, group in zip(_labels(firsts, keys), bins.values(), strict=True)
    ]


def by_sweep(groups: Iterable[Group]) -> list[Group]:
    """`groups`, but one whose seeds were run in several sweeps is divided into a group per sweep.

    Such runs are seldom repetitions: between two runs of one sweep somebody has changed the code. Seeds that
    were added by a second sweep are no reason.
    """
    groups = list(groups)
    names = below([member.sweep for group in groups if _mixed(group) for member in group.members])
    return [part for group in groups for part in (_divided(group, names) if _mixed(group) else [group])]


def _mixed(group: Group) -> bool:
    origins = {(member.seed, member.sweep) for member in group.members if member.seed is not None}
    return len(origins) > group.seeds


def _divided(group: Group, names: Mapping[str, str]) -> list[Group]:
    return [
        Group(
            ", ".join(filter(None, [group.label, names[sweep]])),
            group.settings,
            tuple(member for member in group.members if member.sweep == sweep),
            names[sweep],
        )
        for sweep in dict.fromkeys(member.sweep for member in group.members)
    ]


def _setting(member: Member) -> Hashable:
    if member.config is None:
        return ("unknown", member.name)
    return (
        "known",
        member.part,
        frozenset((k, compare.identity(v)) for k, v in _without_seeds(member.config).items()),
    )


def _without_seeds(config: FlatConfig) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not compare.is_seed_like(key)}


def by_settings(group: Group) -> list[tuple[Any, ...]]:
    """A sort key for groups: their settings one after the other, numbers by size, then words, then labels."""
    return [*map(in_order, group.settings.values()), (4, natural(group.label))]


def in_order(value: Any) -> tuple[Any, ...]:
    """A sort key for the cells of a table: numbers by size, then words, nan, and what is missing."""
    if isinstance(value, compare.Absent):
        return (3, value.value)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return (0, value) if value == value else (2,)
    return (1, natural(compare.text(value)))


def _labels(firsts: Sequence[Member], keys: Sequence[str]) -> list[str]:
    """A label for each group, given the first member of each; no two are the same."""
    if len(firsts) == 1:
        return [""]
    values = [[(first.config or {}).get(key, MISSING) for first in firsts] for key in keys]
    parted = len({first.part for first in firsts}) > 1
    labels = [
        first.name if first.config is None else ", ".join([*cells, *_part(first, parted)]) or first.name
        for first, *cells in zip(firsts, *map(brief, values), strict=True)
    ]
    return [
        label if labels.count(label) == 1 else f"{label} ({first.name})"
        for label, first in zip(labels, firsts, strict=True)
    ]


def _part(first: Member, parted: bool) -> list[str]:
    return [first.part] if parted and first.part else []


def brief(values: Sequence[Any]) -> list[str]:
    """Each value as a text so short that those which differ can still be told apart."""
    whole = list(map(compare.text, values))
    forms = ([_rounded(value, digits) for value in values] for digits in (4, 6, 9, 12))
    return next((form for form in forms if len(set(form)) == len(set(whole))), whole)


def _rounded(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else compare.shortened(compare.text(value), 24)
