"""The table of runs: for eyes on a terminal, tab-separated for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from exptools.viewing import compare
from exptools.viewing.summary import Column, Kind, Table

if TYPE_CHECKING:
    from rich.console import Console

_DIGITS = 5  # significant, of a scalar in the table; the CSV rounds nothing
_WIDEST_KEY = 32
_GAP = 2  # spaces between columns; the box draws one of them
_COLOURS = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "QUEUED": "dim",
    "FAILED": "bold red",
    "TIMEOUT": "red",
    "STALE": "yellow",
    "INTERRUPTED": "yellow",
    "PREEMPTED": "yellow",
}


def tab_separated(table: Table) -> str:
    """`table` with a tab between cells and every column in it; durations in seconds."""
    lines = [[column.name for column in table.columns]]
    lines += [[_raw(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    return "".join("\t".join(map(one_line, line)) + "\n" for line in lines)


def show(table: Table, console: Console) -> list[str]:
    """Print `table` on a terminal: as many columns as fit. Returns the names of those left out."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    texts = [[_nice(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    titles = _titles(table.columns)
    widths = [_width(c, [titles[i], *(row[i] for row in texts)]) for i, c in enumerate(table.columns)]
    fitting = fit(table.columns, widths, console.width)
    drawn = RichTable(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, _GAP - 1, 0, 0), show_edge=False)
    for i in fitting:
        right = table.columns[i].kind in (Kind.TAG, Kind.DURATION)
        drawn.add_column(
            Text(titles[i]),
            justify="right" if right else "left",
            no_wrap=True,
            max_width=_WIDEST_KEY if table.columns[i].kind is Kind.KEY else None,
        )
    for row in texts:
        drawn.add_row(*(Text(row[i], style=_COLOURS.get(row[i], "")) for i in fitting))
    console.print(drawn)
    return [c.name for i, c in enumerate(table.columns) if i not in fitting and c.kind is not Kind.ERROR]


def fit(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Positions of the columns that fit into `room` characters.

    What a run is and did always; then the keys that tell the variants apart, the scalars and the other keys.
    The error is not among them: on a terminal it stands below the table, where it is not cut short.
    """
    always = (Kind.RUN, Kind.STATE, Kind.DURATION)
    kept = [i for i, column in enumerate(columns) if column.kind in always]
    room -= sum(widths[i] + _GAP for i in kept) - _GAP
    for i in sorted(range(len(columns)), key=lambda i: (columns[i].spare, columns[i].kind is Kind.TAG)):
        if columns[i].kind in (Kind.KEY, Kind.TAG) and widths[i] + _GAP <= room:
            room -= widths[i] + _GAP
            kept.append(i)
    return sorted(kept)


def one_line(text: str) -> str:
    """`text` without anything that moves the cursor: what cannot be printed is shown as an escape."""
    return "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


def _titles(columns: Sequence[Column]) -> list[str]:
    """What stands above the columns on a terminal: config keys in short, where that is no other column."""
    short = compare.short_names([c.source for c in columns if c.kind is Kind.KEY])
    names = {column.name for column in columns}

    def title(column: Column) -> str:
        if column.kind is Kind.DURATION:
            return "duration"
        is_free = column.kind is Kind.KEY and short[column.source] not in names
        return one_line(short[column.source] if is_free else column.name)

    return [title(column) for column in columns]


def _width(column: Column, cells: Sequence[str]) -> int:
    from rich.cells import cell_len

    widest = max(map(cell_len, cells))
    return min(widest, _WIDEST_KEY) if column.kind is Kind.KEY else widest


def _raw(column: Column, cell: Any) -> str:
    if column.kind is Kind.DURATION and isinstance(cell, float):
        return f"{cell:.3f}"
    return _scalar(cell) if column.kind is Kind.TAG else compare.text(cell)


def _nice(column: Column, cell: Any) -> str:
    if column.kind is Kind.DURATION and isinstance(cell, float):
        return duration(cell)
    return one_line(_scalar(cell) if column.kind is Kind.TAG else compare.text(cell))


def _scalar(cell: Any) -> str:
    return f"{cell:.{_DIGITS}g}" if isinstance(cell, float) else compare.text(cell)


def duration(seconds: float) -> str:
    """A duration in at most two units: 0.8 s, 59 s, 1 m 02 s, 2 h 05 m, 3 d 04 h."""
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours == 0:
        return f"{minutes} m {whole % 60:02d} s"
    return f"{hours} h {minutes % 60:02d} m" if days == 0 else f"{days} d {hours % 24:02d} h"
