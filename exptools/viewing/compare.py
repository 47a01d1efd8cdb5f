"""Comparing runs: what differs, which runs are seeds of one setting, and their mean. Pure functions."""

from __future__ import annotations

import difflib
import enum
import fnmatch
import functools
import json
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from exptools.viewing.runs import below, natural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

FlatConfig: TypeAlias = Mapping[str, Any]  # dotted key -> scalar or list


class Absent(enum.Enum):
    """What stands where there is no value.

    MISSING: a config key that the run does not have; it differs from every value, None included.
    UNKNOWN: nothing was written about it.
    """

    MISSING = "(missing)"
    UNKNOWN = "-"


MISSING: Final = Absent.MISSING
UNKNOWN: Final = Absent.UNKNOWN

_PLACES = frozenset(
    {"run_id", "run_dir", "run_name", "log_dir", "logdir", "output_dir", "out_dir", "save_dir"}
)
_SAY_NOTHING = frozenset({"name", "_target_", "type", "kind", "id"})  # without what is above them
_JOB_NUMBERS = frozenset({"job_id", "job_num", "job_number"})
_PART = re.compile(r'(?:\A|(?<=\.))("(?:[^"\\]|\\.)*"|[^.]*)(?:\.|\Z)')


# --- what differs ---------------------------------------------------------------------------------------


def flatten(config: Mapping[Any, Any]) -> dict[str, Any]:
    """`config` with dotted keys; lists stay values, and so does an empty mapping.

    A key that itself holds a dot is quoted, as in TOML, so that no two keys fall together; see parts.
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = json.dumps(key) if "." in str(key) or str(key).startswith('"') else str(key)
        if isinstance(value, Mapping) and value:
            flat |= {f"{name}.{k}": v for k, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def parts(key: str) -> list[str]:
    """The parts of a key of flatten, quoted where they were: `a."x.y"` is `a` and `"x.y"`."""
    return [match.group(1) for match in _PART.finditer(key)]


def identity(value: Any) -> Hashable:
    """Equal for values that are the same in a config: 1 and 1.0, nan and nan; but not 1 and True or "1"."""
    if isinstance(value, bool) or value is None or value is MISSING:
        return ("constant", str(value))
    if isinstance(value, (int, float)):
        return ("number", value if value == value else "nan")
    if isinstance(value, str):
        return ("text", value)
    if isinstance(value, (list, tuple)):
        return ("list", *map(identity, value))
    if isinstance(value, Mapping):
        return ("mapping", frozenset((str(k), identity(v)) for k, v in value.items()))
    return ("other", repr(value))


def text(value: Any) -> str:
    """A config value as it is shown: strings as they are, everything else as JSON says it."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, Absent):
        return str(value.value)
    return json.dumps(value, default=str, ensure_ascii=False)


def differing(configs: Iterable[FlatConfig]) -> list[str]:
    """The keys whose values are not the same in all `configs`, in order of first appearance."""
    configs = list(configs)
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({identity(config.get(key, MISSING)) for config in configs}) > 1]


def is_seed(key: str) -> bool:
    """Whether `key` is a random seed: `seed`, `*.seed`, `*_seed`, whatever the case."""
    return re.fullmatch(r"(.*[._-])?(seed|random_state)", _last(key).lower()) is not None


def is_bookkeeping(key: str) -> bool:
    """Whether `key` only says which run this is (run_id, log_dir, job_num ...)."""
    return _last(key).lower() in _PLACES | _JOB_NUMBERS


def is_seed_like(key: str) -> bool:
    """Whether runs that differ in `key` alone are repetitions of one setting."""
    return is_seed(key) or is_bookkeeping(key)


@functools.lru_cache(maxsize=4096)  # all runs of a sweep have the same keys
def _last(key: str) -> str:
    return parts(key)[-1].strip('"')


# --- groups ---------------------------------------------------------------------------------------------


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
        known = {key: value for key, value in (self.config or {}).items() if is_seed(key) and _written(value)}
        return frozenset((key, identity(value)) for key, value in known.items()) or None


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
    keys = telling([_without_seeds(first.config) for first in firsts if first.config is not None])
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
        frozenset((k, identity(v)) for k, v in _without_seeds(member.config).items()),
    )


def _without_seeds(config: FlatConfig) -> dict[str, Any]:
    return {key: value for key, value in config.items() if not is_seed_like(key)}


def telling(configs: Sequence[FlatConfig]) -> list[str]:
    """A few keys that suffice to tell `configs` apart as far as their differing keys do.

    Of keys that say the same (a group option sets several at once) the one with the shortest values is
    taken, and a key with few values before one with many: `model` and `lr` rather than a long run name.
    """
    keys = differing(configs)
    values = {key: [config.get(key, MISSING) for config in configs] for key in keys}

    def cost(key: str) -> tuple[int, int]:
        return len(set(map(identity, values[key]))), max(len(text(value)) for value in values[key])

    chosen: list[str] = []
    apart: list[tuple[Hashable, ...]] = [() for _ in configs]
    for key in sorted(keys, key=cost):
        finer = [(*a, identity(v)) for a, v in zip(apart, values[key], strict=True)]
        if len(set(finer)) > len(set(apart)):
            chosen.append(key)
            apart = finer
    return [key for key in keys if key in chosen]


def short_names(keys: Sequence[str]) -> dict[str, str]:
    """Each key by as few of its parts as tell it from the others: `lr` for `optimizer.lr`, `model` for
    `model.name`.
    """
    return {key: next((s for s in _shorter(key) if _only(s, key, keys)), key) for key in keys}


def _shorter(key: str) -> list[str]:
    names = parts(key)
    parents = [names[-2]] if len(names) > 1 and names[-1] in _SAY_NOTHING else []
    return parents + [".".join(names[-n:]) for n in range(1 + len(parents), len(names) + 1)]


def _only(short: str, key: str, keys: Sequence[str]) -> bool:
    return not any(k != key and (k == short or short in _shorter(k)) for k in keys)


def by_settings(group: Group) -> list[tuple[Any, ...]]:
    """A sort key for groups: their settings one after the other, numbers by size, then words, then labels."""
    return [*(_order(value) for value in group.settings.values()), (2, natural(group.label))]


def _order(value: Any) -> tuple[Any, ...]:
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    return (0, value) if number else (1, natural(text(value)))


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
    whole = list(map(text, values))
    forms = ([_rounded(value, digits) for value in values] for digits in (4, 6, 9, 12))
    return next((form for form in forms if len(set(form)) == len(set(whole))), whole)


def _rounded(value: Any, digits: int) -> str:
    return f"{value:.{digits}g}" if isinstance(value, float) else shortened(text(value), 24)


def shortened(name: str, most: int) -> str:
    """`name` with its middle left out if it is longer than `most` characters."""
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2) :]}"


# --- choosing by name -----------------------------------------------------------------------------------


def matches(name: str, patterns: Iterable[str]) -> bool:
    """Whether `name` is one of `patterns` or matches one as a shell glob (case counts)."""
    return any(name == pattern or fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


def unmatched(kind: str, patterns: Iterable[str], names: Collection[str]) -> str | None:
    """One line about the first of `patterns` that no name matches: near names, and all of them; else None."""
    lost = next((p for p in patterns if not any(matches(name, [p]) for name in names)), None)
    if lost is None:
        return None
    if not names:
        return f"no run has a {kind} {lost!r}: there are no {kind}s at all yet"
    low = {name.lower(): name for name in names}
    near = difflib.get_close_matches(lost.lower(), low, n=3, cutoff=0.5)
    near += [n for n in low if n not in near and _ending(n) == _ending(lost.lower())][: 3 - len(near)]
    hint = f"; did you mean {' or '.join(repr(low[n]) for n in near)}?" if near else "."
    return f"no run has a {kind} {lost!r}{hint} The {kind}s are: {listed(sorted(names))}"


def _ending(name: str) -> str:
    return re.split(r"[./]", name)[-1]


def listed(names: Sequence[str], most: int = 20) -> str:
    """`names` in one line, the first `most` of them and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def distinct(names: Sequence[str], taken: Collection[str], prefix: str) -> list[str]:
    """`names` as column names: `prefix` goes before one that is `taken`, until it collides with none."""
    out: list[str] = []
    for name in names:
        free = name
        while free in taken or free in out or (free != name and free in names):
            free = prefix + free
        out.append(free)
    return out


# --- aggregation ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Aggregate:
    """The mean of several curves over a common grid, all arrays of shape (points,).

    step: float64, increasing. mean, sd: float64; sd (n - 1 in the denominator) is nan where n is 1.
    n: int64, the number of curves whose range holds the point, at least 1.
    """

    step: NDArray[np.float64]
    mean: NDArray[np.float64]
    sd: NDArray[np.float64]
    n: NDArray[np.int64]


def aggregate(curves: Sequence[tuple[NDArray[np.int64], NDArray[np.float64]]]) -> Aggregate:
    """Mean and sd of `curves`, pairs of steps and values of shape (frames,), at least one with a frame.

    The grid is the union of all steps. A curve is interpolated linearly inside its range and counts for
    nothing outside it. Of several frames at one step the last counts. nan stays nan, here and in the mean.
    """
    import numpy as np

    clean = [_increasing(steps, values) for steps, values in curves if len(steps)]
    grid = np.unique(np.concatenate([steps for steps, _ in clean]))
    inside = np.stack([(grid >= steps[0]) & (grid <= steps[-1]) for steps, _ in clean])
    with np.errstate(invalid="ignore", divide="ignore"):  # inf - inf is nan here, and means to be
        values = np.stack([np.interp(grid, steps, values) for steps, values in clean])
        n = inside.sum(axis=0)
        # A gap between the ranges of two runs holds no grid point: the grid is made of their steps.
        mean = np.where(inside, values, 0.0).sum(axis=0) / n
        squares = np.where(inside, (values - mean) ** 2, 0.0).sum(axis=0)
        sd = np.where(n > 1, np.sqrt(squares / (n - 1)), np.nan)
    return Aggregate(grid, mean, sd, n)


def _increasing(
    steps: NDArray[np.int64], values: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    import numpy as np

    backwards, first = np.unique(steps[::-1], return_index=True)
    return backwards.astype(np.float64), values[::-1][first]
