"""The table of runs, as values: one row per run, before anything is printed. Pure functions."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from exptools.rundir import Status
from exptools.viewing import compare, names
from exptools.viewing.columns import Column, Kind, Summary, all_columns, cell
from exptools.viewing.groups import in_order


@dataclass(frozen=True)
class Table:
    """rows: one cell per column, MISSING or UNKNOWN where there is nothing; None is a null of the config.

    hidden: config keys that differ but only say which run it is.
    """

    columns: tuple[Column, ...]
    rows: tuple[tuple[Any, ...], ...]
    hidden: tuple[str, ...] = ()


def tabulate(
    summaries: Sequence[Summary],
    chosen: Sequence[str] | None = None,
    tags: Sequence[str] | None = None,
    sort: str | None = None,
    descending: bool = False,
) -> Table:
    """The table of `summaries`: state, duration, the config keys that differ, the last value of each tag.

    chosen: names of columns, whole, as globs or in short (see names.resolve), to show instead, in that order,
    after the run's name; config keys that do not differ can be chosen too, and other statistics of tags, as
    `max(acc)`. tags: names or globs of those to show if nothing is chosen. sort: the column that rows are
    sorted by, numbers by size; what is missing is always last.

    Raises:
        ViewError: a column does not exist.
    """
    available = all_columns(summaries)
    shown, hidden = _shown(summaries, available, tags), [c.name for c in available if _is_hidden(c)]
    if chosen is not None:
        shown, hidden = _chosen(available, chosen), []
    if sort is not None:
        summaries = in_order_of(summaries, names.resolve(sort, available), descending)
    rows = tuple(tuple(cell(summary, column) for column in shown) for summary in summaries)
    return Table(tuple(shown), rows, tuple(hidden))


def in_order_of(summaries: Sequence[Summary], column: Column, descending: bool = False) -> list[Summary]:
    """`summaries` sorted by a column; what is missing or nan is last in either direction."""
    keys = [(in_order(cell(summary, column)), summary) for summary in summaries]
    there = [(key, summary) for key, summary in keys if key[0] < 2]
    there.sort(key=lambda pair: pair[0], reverse=descending)
    absent = sorted((pair for pair in keys if pair[0][0] >= 2), key=lambda pair: pair[0])
    return [summary for _, summary in (*there, *absent)]


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


def _shown(
    summaries: Sequence[Summary], available: Sequence[Column], tags: Sequence[str] | None
) -> list[Column]:
    """What is shown if nothing is chosen."""
    measured = {tag for summary in summaries for _, tag in summary.measured}
    failed = any(summary.error for summary in summaries)

    def is_shown(column: Column) -> bool:
        if column.kind is Kind.KEY:
            return column.differs and not compare.is_bookkeeping(column.source)
        if column.kind is Kind.TAG:
            return column.source in measured and (tags is None or compare.matches(column.source, tags))
        return failed if column.kind is Kind.ERROR else True

    return [column for column in available if is_shown(column)]


def _is_hidden(column: Column) -> bool:
    return column.kind is Kind.KEY and column.differs and compare.is_bookkeeping(column.source)


def _chosen(available: Sequence[Column], patterns: Sequence[str]) -> list[Column]:
    ordered = [column for p in ("run", *patterns) for column in names.matching(p, available)]
    return list(dict.fromkeys(ordered))
