"""The columns of the table of runs, and what a run has in them. Pure functions."""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.compare import MISSING, UNKNOWN, FlatConfig


class Kind(enum.Enum):
    """What a column of the table says."""

    RUN = "run"
    STATE = "state"
    DURATION = "duration_s"
    KEY = "config key"
    TAG = "tag"
    ERROR = "error"


FINAL = "final"  # the statistic of a scalar that the table shows: the value at its greatest step
_FIXED = {kind.value: kind for kind in (Kind.RUN, Kind.STATE, Kind.DURATION, Kind.ERROR)}


@dataclass(frozen=True)
class Summary:
    """One run. state, duration_s, config: None where unknown. tags: all it has. measured: what is known of
    them, by statistic (see statistics.reductions) and tag.
    """

    run: str
    state: State | None
    duration_s: float | None
    config: FlatConfig | None
    error: str | None
    tags: tuple[str, ...] = ()
    measured: Mapping[tuple[str, str], float] = field(default_factory=dict)


@dataclass(frozen=True)
class Column:
    """A column; `source` is its config key or tag, `name` is unique in the table.

    spare: a config key that only repeats what others say; the first to go where there is little room.
    differs: whether it is a config key that is not the same in all runs. statistic: of a tag.
    """

    name: str
    kind: Kind
    source: str
    spare: bool = False
    differs: bool = False
    statistic: str = FINAL


def all_columns(summaries: Sequence[Summary]) -> list[Column]:
    """All columns that there are, in the order of the table."""
    known = [s.config for s in summaries if s.config is not None]
    keys = list(dict.fromkeys(key for config in known for key in config))
    differ = set(compare.differing(known))
    telling = compare.telling([{k: v for k, v in c.items() if not compare.is_seed_like(k)} for c in known])
    tags = list(dict.fromkeys(tag for summary in summaries for tag in summary.tags))
    tag_names = compare.distinct(tags, _FIXED, "last.")
    key_names = compare.distinct(keys, {*_FIXED, *tag_names}, "config.")
    fixed = [Column(name, kind, name) for name, kind in _FIXED.items()]
    return [
        *fixed[:-1],
        *(
            Column(n, Kind.KEY, k, spare=k not in telling and not compare.is_seed(k), differs=k in differ)
            for n, k in zip(key_names, keys, strict=True)
        ),
        *(Column(n, Kind.TAG, t) for n, t in zip(tag_names, tags, strict=True)),
        fixed[-1],
    ]


def cell(summary: Summary, column: Column) -> Any:
    """What stands in the row of `summary` under `column`."""
    if column.kind is Kind.KEY:
        return UNKNOWN if summary.config is None else summary.config.get(column.source, MISSING)
    if column.kind is Kind.TAG:
        return summary.measured.get((column.statistic, column.source), UNKNOWN)
    fixed = {
        Kind.RUN: summary.run,
        Kind.STATE: summary.state,
        Kind.DURATION: summary.duration_s,
        Kind.ERROR: summary.error,
    }
    return UNKNOWN if fixed[column.kind] is None else fixed[column.kind]
