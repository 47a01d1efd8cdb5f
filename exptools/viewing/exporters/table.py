"""The table of runs: for eyes on a terminal, tab-separated for programs."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from exptools import words
from exptools.viewing import compare
from exptools.viewing.columns import Column, Kind
from exptools.viewing.summary import Table

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table as RichTable

DIGITS = 5  # significant, of a scalar on a terminal; for programs nothing is rounded
_WIDEST_KEY = 32
_NARROWEST_RUN = 6
_GAP = 2  # spaces between columns; the box draws one of them


def tab_separated(table: Table) -> str:
    """`table` with a tab between cells and every column in it; durations in seconds."""
    lines = [[column.name for column in table.columns]]
    lines += [[_raw(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    return "".join("\t".join(map(one_line, line)) + "\n" for line in lines)


def as_html(table: Table, runs: int) -> str:
    """`table` for a notebook; runs: of how many it shows the first."""
    from exptools.viewing.exporters import html

    heads = _titles(table.columns)
    rows = [[_html_cell(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    more = runs - len(rows)
    return html.table(heads, rows, [f"and {words.count(more, 'more run')}"] if more else [])


def _html_cell(column: Column, cell: Any) -> tuple[str, str]:
    return nice(column, cell), "r" if column.kind in (Kind.TAG, Kind.DURATION) else ""


@dataclass(frozen=True)
class Shown:
    """What a terminal had no room for: the names of columns, and whether the runs have their whole names."""

    left_out: tuple[str, ...]
    whole_names: bool


def show(table: Table, console: Console) -> Shown:
    """Print `table` on a terminal: as many columns as fit."""
    drawn, shown = draw(table, console.width)
    console.print(drawn)
    return shown


def draw(table: Table, width: int) -> tuple[RichTable, Shown]:
    """`table` as a terminal of that width shows it."""
    from rich import box
    from rich.table import Table as RichTable
    from rich.text import Text

    texts = [[nice(c, cell) for c, cell in zip(table.columns, row, strict=True)] for row in table.rows]
    titles = _titles(table.columns)
    widths = [_width(c, [titles[i], *(row[i] for row in texts)]) for i, c in enumerate(table.columns)]
    most = _room_for_names(table.columns, widths, width)
    whole_names = widths[0] <= most
    for row, name in zip(texts, run_names([row[0] for row in texts], most), strict=True):
        row[0] = name
    widths[0] = _width(table.columns[0], [titles[0], *(row[0] for row in texts)])
    fitting = fit(table.columns, widths, width)
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
        drawn.add_row(*(Text(row[i], style=_style(row[i])) for i in fitting))
    left_out = (c for i, c in enumerate(table.columns) if i not in fitting and c.kind is not Kind.ERROR)
    return drawn, Shown(tuple(column.name for column in left_out), whole_names)


def _style(text: str) -> str:
    """Of a state, perhaps with words of a scheduler behind it."""
    return words.STYLES.get(text.partition(" ")[0], "")


def _room_for_names(columns: Sequence[Column], widths: Sequence[int], room: int) -> int:
    """A third of `room`, more if all columns fit beside it, less if state and duration would not."""
    others = sum(widths[1:]) + _GAP * (len(widths) - 1)
    fixed = sum(widths[i] + _GAP for i, c in enumerate(columns) if c.kind in (Kind.STATE, Kind.DURATION))
    return max(_NARROWEST_RUN, min(max(room // 3, room - others), room - fixed))


def run_names(names: Sequence[str], most: int) -> list[str]:
    """`names` in at most `most` characters each: without what all have in common at either end, then without
    their middles. If that makes two the same all are numbered.
    """
    if max(map(len, names), default=0) <= most:
        return list(names)
    bare = _without_common_ends(names)
    short = [compare.shortened(name, most) for name in bare]
    if len(set(short)) == len(names):
        return short
    numbers = [f"~{i}" for i in range(1, len(names) + 1)]
    return [compare.shortened(name, most - len(n)) + n for name, n in zip(bare, numbers, strict=True)]


def _without_common_ends(names: Sequence[str]) -> list[str]:
    if len(names) == 1:
        return list(names)
    pieces = [re.split(r"(?<=[/,])", name) for name in names]
    start = _shared(pieces)
    end = _shared([words[start:][::-1] for words in pieces])
    before, after = "…" if start else "", "…" if end else ""
    return [f"{before}{''.join(words[start : len(words) - end])}{after}" for words in pieces]


def _shared(lists: Sequence[Sequence[str]]) -> int:
    """How many items all of `lists` begin with."""
    same = [len(set(items)) == 1 for items in zip(*lists, strict=False)]
    return [*same, False].index(False)


def fit(columns: Sequence[Column], widths: Sequence[int], room: int) -> list[int]:
    """Positions of the columns that fit into `room` characters.

    What a run is and did always; then the first of the keys that tell the variants apart and the first of the
    scalars, the others of both, and the keys that only repeat. The error is not among them: on a terminal it
    stands below the table, where it is not cut short.
    """
    always = (Kind.RUN, Kind.STATE, Kind.DURATION)
    kept = [i for i, column in enumerate(columns) if column.kind in always]
    room -= sum(widths[i] + _GAP for i in kept) - _GAP
    keys = [i for i, column in enumerate(columns) if column.kind is Kind.KEY and not column.spare]
    tags = [i for i, column in enumerate(columns) if column.kind is Kind.TAG]
    spare = [i for i, column in enumerate(columns) if column.kind is Kind.KEY and column.spare]
    for i in (*keys[:1], *tags[:1], *keys[1:], *tags[1:], *spare):
        if widths[i] + _GAP <= room:
            room -= widths[i] + _GAP
            kept.append(i)
    return sorted(kept)


def one_line(text: str) -> str:
    """`text` without anything that moves the cursor: what cannot be printed is shown as an escape."""
    if text.isprintable():
        return text
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
    return repr(cell) if isinstance(cell, float) and column.kind is Kind.TAG else compare.text(cell)


def nice(column: Column, cell: Any) -> str:
    if column.kind is Kind.DURATION and isinstance(cell, float):
        return words.duration(cell)
    return one_line(_scalar(cell) if column.kind is Kind.TAG else compare.text(cell))


def _scalar(cell: Any) -> str:
    return f"{cell:.{DIGITS}g}" if isinstance(cell, float) else compare.text(cell)
