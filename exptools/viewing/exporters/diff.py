"""What differs between two runs: for eyes on a terminal, tab-separated or as JSON for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exptools import words
from exptools.viewing import compare
from exptools.viewing.difference import Difference, Differences
from exptools.viewing.exporters import json
from exptools.viewing.exporters.table import DIGITS, one_line

if TYPE_CHECKING:
    from rich.console import Console

_TITLES = {"run": "run", "config": "config", "provenance": "code and machine", "scalar": "last values"}


def tab_separated(found: Differences) -> str:
    """A line per difference: part, name, both values, and of scalars their difference and ratio."""
    lines = [["part", "name", found.one, found.other, "change", "ratio"]]
    lines += [
        [row.part, row.name, _raw(row.one), _raw(row.other), _raw(row.change, ""), _raw(row.ratio, "")]
        for row in found.rows
    ]
    return "".join("\t".join(map(one_line, line)) + "\n" for line in lines)


def as_json(found: Differences) -> str:
    """An array with an object per difference; see exporters.json."""
    return json.array(
        {
            "part": row.part,
            "name": row.name,
            "one": row.one,
            "other": row.other,
            **{k: v for k, v in (("change", row.change), ("ratio", row.ratio)) if v is not None},
        }
        for row in found.rows
    )


def show(found: Differences, console: Console) -> None:
    """Print the differences, if there are any, on a terminal, part by part; long values are folded."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    if not found.rows:
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    has_scalars = any(row.change is not None for row in found.rows)
    table.add_column("", overflow="fold")
    for name, style in ((found.one, "red"), (found.other, "green")):
        table.add_column(Text(one_line(name), style=f"bold {style}"), style=style, overflow="fold")
    for name in ("change", "ratio") if has_scalars else ():
        table.add_column(name, justify="right", no_wrap=True)
    part = None
    for row in found.rows:
        if row.part != part:
            table.add_row(Text(_TITLES[row.part], style="bold"))
            part = row.part
        numbers = [_signed(row.change), _times(row.ratio)] if has_scalars else []
        values = [Text(_nice(row, value), style=_style(value)) for value in (row.one, row.other)]
        table.add_row(Text(f"  {one_line(row.name)}"), *values, *numbers)
    console.print(table)


def _style(value: Any) -> str:
    return "dim" if isinstance(value, compare.Absent) else ""


def _raw(value: Any, nothing: str = "null") -> str:
    if value is None:
        return nothing
    return repr(value) if isinstance(value, float) else compare.text(value)


def _nice(row: Difference, value: Any) -> str:
    if row.name == "duration_s" and row.part == "run" and isinstance(value, float):
        return words.duration(value)
    is_scalar = row.part == "scalar" and isinstance(value, float)
    return f"{value:.{DIGITS}g}" if is_scalar else one_line(compare.text(value))


def _signed(number: float | None) -> str:
    return "" if number is None else f"{number:+.3g}"


def _times(number: float | None) -> str:
    return "" if number is None else f"{number:.4g}"
