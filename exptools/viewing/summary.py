"""The table of runs, as values: one row per run, before anything is printed. Pure functions."""

from __future__ import annotations

import enum
import signal
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exptools.errors import ViewError
from exptools.rundir import State, Status
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


_FIXED = {kind.value: kind for kind in (Kind.RUN, Kind.STATE, Kind.DURATION, Kind.ERROR)}


@dataclass(frozen=True)
class Summary:
    """One run. state and duration_s: None where unknown; config: None where unknown; last: value per tag."""

    run: str
    state: State | None
    duration_s: float | None
    config: FlatConfig | None
    last: Mapping[str, float]
    error: str | None


@dataclass(frozen=True)
class Column:
    """A column; `source` is its config key or tag, `name` is unique in the table.

    spare: a config key that only repeats what others say; the first to go where there is little room.
    """

    name: str
    kind: Kind
    source: str
    spare: bool = False


@dataclass(frozen=True)
class Table:
    """rows: one cell per column, MISSING or UNKNOWN where there is nothing; None is a null of the config.

    hidden: config keys that differ but only say which run it is.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    hidden: tuple[str, ...] = ()


def tabulate(summaries: Sequence[Summary], chosen: Sequence[str] | None = None) -> Table:
    """The table of `summaries`: state, duration, the config keys that differ, the last value of each tag.

    chosen: names of columns or globs to show instead, in that order, after the run's name; config keys that
    do not differ can be chosen too.

    Raises:
        ViewError: a chosen column does not exist.
    """
    known = [s.config for s in summaries if s.config is not None]
    differ = compare.differing(known)
    available = _available(summaries, known)
    if chosen is None:
        shown = [c for c in available if _by_default(c, differ, any(s.error for s in summaries))]
        hidden = [key for key in differ if compare.is_bookkeeping(key)]
    else:
        shown, hidden = _chosen(available, chosen), []
    rows = tuple(tuple(_cell(summary, column) for column in shown) for summary in summaries)
    return Table(tuple(shown), rows, tuple(hidden))


def why_failed(status: Status) -> str | None:
    """One line on why a run failed: its error, else how its process ended; None if nothing is known."""
    if status.error is not None:
        return status.error
    if status.exit_code is None or status.exit_code == 0:
        return None
    if status.exit_code > 0:
        return f"exit code {status.exit_code}"
    try:
        return f"killed by {signal.Signals(-status.exit_code).name}"
    except ValueError:
        return f"killed by signal {-status.exit_code}"


def _available(summaries: Sequence[Summary], known: Sequence[FlatConfig]) -> list[Column]:
    keys = list(dict.fromkeys(key for config in known for key in config))
    telling = compare.telling([{k: v for k, v in c.items() if not compare.is_seed_like(k)} for c in known])
    tags = list(dict.fromkeys(tag for summary in summaries for tag in summary.last))
    tag_names = compare.distinct(tags, _FIXED, "last.")
    key_names = compare.distinct(keys, {*_FIXED, *tag_names}, "config.")
    fixed = [Column(name, kind, name) for name, kind in _FIXED.items()]
    return [
        *fixed[:-1],
        *(
            Column(n, Kind.KEY, k, spare=k not in telling and not compare.is_seed(k))
            for n, k in zip(key_names, keys, strict=True)
        ),
        *(Column(n, Kind.TAG, t) for n, t in zip(tag_names, tags, strict=True)),
        fixed[-1],
    ]


def _by_default(column: Column, differ: Sequence[str], failed: bool) -> bool:
    if column.kind is Kind.KEY:
        return column.source in differ and not compare.is_bookkeeping(column.source)
    return failed if column.kind is Kind.ERROR else True


def _chosen(available: Sequence[Column], patterns: Sequence[str]) -> list[Column]:
    patterns = ["duration_s" if p == "duration" else p for p in patterns]
    wrong = compare.unmatched("column", patterns, [c.name for c in available])
    if wrong is not None:
        raise ViewError(wrong)
    ordered = [c for p in ("run", *patterns) for c in available if compare.matches(c.name, [p])]
    return list(dict.fromkeys(ordered))


def _cell(summary: Summary, column: Column) -> Any:
    if column.kind is Kind.KEY:
        return UNKNOWN if summary.config is None else summary.config.get(column.source, MISSING)
    if column.kind is Kind.TAG:
        return summary.last.get(column.source, UNKNOWN)
    fixed = {
        Kind.RUN: summary.run,
        Kind.STATE: summary.state,
        Kind.DURATION: summary.duration_s,
        Kind.ERROR: summary.error,
    }
    return UNKNOWN if fixed[column.kind] is None else fixed[column.kind]
