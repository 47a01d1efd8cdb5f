"""Which runs are one series, and which series are in one panel. Pure functions."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.compare import MISSING, UNKNOWN
from exptools.viewing.groups import Group, Member, brief, by_settings, by_sweep, grouped


@dataclass(frozen=True)
class Cell:
    """A panel to be. split: the config keys and values that its runs share. members: those that may count."""

    tags: tuple[str, ...]
    split: Mapping[str, Any]
    members: tuple[Member, ...]


@dataclass(frozen=True)
class Series:
    """A group of runs, and those of them that measured something. label: "" if it is the only one.

    choice: what tells its setting from others that were not chosen. left: those runs, each with the reason.
    """

    label: str
    whole: Group
    group: Group
    choice: str = ""
    left: Mapping[str, str] = field(default_factory=dict)


def resolved(keys: Iterable[str], members: Sequence[Member]) -> tuple[str, ...]:
    """The dotted config keys that `keys` name, by their whole name or by an end that only one has.

    Raises:
        ViewError: there is no such key, or there are several.
    """
    every = list(dict.fromkeys(key for member in members for key in member.config or {}))
    return tuple(dict.fromkeys(_resolved(key, every) for key in keys))


def _resolved(key: str, every: Sequence[str]) -> str:
    if key in every:
        return key
    ends = [k for k in every if k.endswith(f".{key}")]
    if len(ends) > 1:
        raise ViewError(f"config key {key!r} could be {' or '.join(map(repr, ends))}; give it whole")
    near = ends or [k for k, short in compare.short_names(every).items() if short == key]
    if len(near) == 1:
        return near[0]
    raise ViewError(compare.unmatched("config key", [key], every) or key)


def value(member: Member, key: str) -> Any:
    """What the config of a run says; UNKNOWN if it has none, MISSING if it does not have the key."""
    return UNKNOWN if member.config is None else member.config.get(key, MISSING)


def by_keys(members: Sequence[Member], keys: Sequence[str]) -> list[Group]:
    """The groups of runs of equal values of `keys`, whatever else differs, in the order of the values.

    Event files in different sub-directories of a run are apart: they are different measurements.
    """
    bins: dict[Hashable, list[Member]] = {}
    for member in members:
        at = (member.part, *(_identity(value(member, key)) for key in keys))
        bins.setdefault(at, []).append(member)
    firsts = [group[0] for group in bins.values()]
    columns = [brief([value(first, key) for first in firsts]) for key in keys]
    if len({first.part for first in firsts}) > 1:
        columns.append([first.part for first in firsts])
    groups = [
        Group(
            ", ".join(filter(None, (column[i] for column in columns))) if len(bins) > 1 else "",
            {key: value(group[0], key) for key in keys},
            tuple(group),
        )
        for i, group in enumerate(bins.values())
    ]
    return sorted(groups, key=by_settings)


def _identity(of: Any) -> Hashable:
    return ("unknown",) if of is UNKNOWN else compare.identity(of)


def settings(members: Sequence[Member], measured: Collection[str], apart: Sequence[str]) -> list[Series]:
    """The runs by setting: equal config but for the seed. The keys `apart` are not in the labels.

    The same seeds of several sweeps are several series; see groups.by_sweep.
    """
    named = {member.name: group for group in _without(members, apart) for member in group.members}
    wholes = [
        replace(group, label=named[group.runs[0]].label, settings=named[group.runs[0]].settings)
        for group in grouped(members)
    ]
    whole_of = {name: whole for whole in wholes for name in whole.runs}
    parts = by_sweep(part for part in (whole.only(measured) for whole in wholes) if part.members)
    found = [Series(part.label, _of_sweep(whole_of[part.runs[0]], part), part) for part in parts]
    seen = {name for one in found for name in one.whole.runs}
    found += [Series(whole.label, whole, whole.only(())) for whole in wholes if whole.runs[0] not in seen]
    return sorted(found, key=lambda series: by_settings(series.group))


def _of_sweep(whole: Group, part: Group) -> Group:
    sweep = part.members[0].sweep
    return replace(whole, members=tuple(m for m in whole.members if not part.sweep or m.sweep == sweep))


def _without(members: Sequence[Member], keys: Sequence[str]) -> list[Group]:
    """The runs by setting, as if their configs did not have `keys`."""
    return grouped([replace(m, config=_but(m.config, keys)) for m in members])


def _but(config: Mapping[str, Any] | None, keys: Sequence[str]) -> dict[str, Any] | None:
    return None if config is None else {k: v for k, v in config.items() if k not in keys}


def merged(members: Sequence[Member], keys: Sequence[str]) -> list[Group]:
    """The runs by setting, whatever their values of `keys` are."""
    by_name = {member.name: member for member in members}
    groups = _without(members, keys)
    return sorted(
        (replace(group, members=tuple(by_name[name] for name in group.runs)) for group in groups),
        key=by_settings,
    )


def cells(members: Sequence[Member], tags: Sequence[str], keys: Sequence[str], by_tag: bool) -> list[Cell]:
    """The panels: those of a tag follow each other, in the order of the values of `keys`."""
    groups = by_keys(members, keys) if keys else [Group("", {}, tuple(members))]
    of_tags = [(tag,) for tag in tags] if by_tag else [tuple(tags)]
    return [Cell(some, group.settings, group.members) for some in of_tags for group in groups]


def averaged(members: Iterable[Member]) -> list[str]:
    """The config keys that tell `members` apart, beside seeds and what only says which run it is."""
    return compare.telling([_told(m.config) for m in members if m.config is not None])


def _told(config: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not compare.is_seed_like(key)}


def repeated(group: Group) -> bool:
    """Whether several runs of one setting of `group` have the same seed."""
    return any(setting.repeats for setting in grouped(group.members))
