"""Comparing runs: what differs, and how it is called. Pure functions."""

from __future__ import annotations

import difflib
import enum
import fnmatch
import functools
import glob
import json
import re
from collections.abc import Collection, Hashable, Iterable, Mapping, Sequence
from typing import Any, Final, TypeAlias

from exptools.flat import flatten as flatten
from exptools.flat import last as _last_part
from exptools.flat import parts as parts
from exptools.seeds import is_seed_name

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
_JSON = json.JSONEncoder(default=str, ensure_ascii=False)


# --- what differs ---------------------------------------------------------------------------------------


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
    return _JSON.encode(value)


def differing(configs: Iterable[FlatConfig]) -> list[str]:
    """The keys whose values are not the same in all `configs`, in order of first appearance."""
    configs = list(configs)
    keys = dict.fromkeys(key for config in configs for key in config)
    return [key for key in keys if len({identity(config.get(key, MISSING)) for config in configs}) > 1]


def is_seed(key: str) -> bool:
    """Whether `key` is a random seed: `seed`, `*.seed`, `*_seed`, whatever the case."""
    return is_seed_name(_last(key))


def is_bookkeeping(key: str) -> bool:
    """Whether `key` only says which run this is (run_id, log_dir, job_num ...)."""
    return _last(key).lower() in _PLACES | _JOB_NUMBERS


def is_seed_like(key: str) -> bool:
    """Whether runs that differ in `key` alone are repetitions of one setting."""
    return is_seed(key) or is_bookkeeping(key)


@functools.lru_cache(maxsize=4096)  # all runs of a sweep have the same keys
def _last(key: str) -> str:
    return _last_part(key)


# --- names ---------------------------------------------------------------------------------------------


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
    return {key: next((s for s in shorter(key) if _only(s, key, keys)), key) for key in keys}


def shorter(key: str) -> list[str]:
    """What may stand for `key` where it is the only one: its end, the shortest first; `a` for `a.name`."""
    names = parts(key)
    parents = [names[-2]] if len(names) > 1 and names[-1] in _SAY_NOTHING else []
    return parents + [".".join(names[-n:]) for n in range(1 + len(parents), len(names) + 1)]


def _only(short: str, key: str, keys: Sequence[str]) -> bool:
    return not any(k != key and (k == short or short in shorter(k)) for k in keys)


def shortened(name: str, most: int) -> str:
    """`name` with its middle left out if it is longer than `most` characters."""
    return name if len(name) <= most else f"{name[: most // 2 - 1]}…{name[-(most // 2) :]}"


# --- choosing by name -----------------------------------------------------------------------------------


def exactly(name: str) -> str:
    """A pattern that stands for `name`, whatever characters of globs it holds."""
    return glob.escape(name)


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
