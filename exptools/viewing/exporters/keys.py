"""The config keys that differ: for eyes on a terminal, tab-separated or as JSON for programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from exptools.viewing.compare import Absent
from exptools.viewing.exporters import json
from exptools.viewing.exporters.table import one_line
from exptools.viewing.keys import Key
from exptools.viewing.selection import shown

if TYPE_CHECKING:
    from rich.console import Console

_HEADS = ("key", "role", "values")
_MOST = 12  # values that a terminal shows of one key


def tab_separated(keys: Sequence[Key]) -> str:
    """A line per key: its name, its role, and all of its values with how many runs have each."""
    lines = [_HEADS, *((key.name, key.role, values(key)) for key in keys)]
    return "".join("\t".join(map(one_line, line)) + "\n" for line in lines)


def as_json(keys: Sequence[Key]) -> str:
    """An array with an object per key; see exporters.json. A run that has no such key has no value."""
    return json.array(
        {
            "key": key.name,
            "role": key.role,
            "values": [
                {"value": json.plain(v), "runs": n} for v, n in key.values if not isinstance(v, Absent)
            ],
            "missing": sum(n for v, n in key.values if isinstance(v, Absent)),
        }
        for key in keys
    )


def show(keys: Sequence[Key], console: Console) -> None:
    """Print the keys on a terminal, with the first of their values."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for head in _HEADS:
        table.add_column(head, overflow="fold")
    for key in keys:
        style = "dim" if key.role == "bookkeeping" else ""
        table.add_row(*(Text(one_line(t), style=style) for t in (key.name, key.role, values(key, _MOST))))
    console.print(table)


def values(key: Key, most: int | None = None) -> str:
    texts = [f"{shown(value)} ({n})" for value, n in key.values[:most]]
    more = len(key.values) - len(texts)
    return ", ".join(texts) + (f" and {more} more" if more else "")
