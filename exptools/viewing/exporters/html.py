"""Tables as HTML: without scripts, everything escaped, the look in the elements themselves."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence

from exptools.viewing.exporters.table import one_line

_CELL = "padding:.2em .8em;text-align:{}"
_LOOKS = {"": "left", "r": "right", "b": "right;font-weight:bold"}
_RULES = "border-collapse:collapse;border-top:2px solid;border-bottom:2px solid"


def table(heads: Sequence[str], rows: Iterable[Sequence[tuple[str, str]]], below: Iterable[str] = ()) -> str:
    """A table. rows: cells, each with its look: "" for text, "r" for numbers, "b" for bold ones.

    below: lines under it.
    """
    rows = [list(row) for row in rows]
    looks = [look.replace("b", "r") for _, look in rows[0]] if rows else [""] * len(heads)
    head = "".join(_cell("th", *cell) for cell in zip(heads, looks, strict=True))
    body = "".join(f"<tr>{''.join(_cell('td', *cell) for cell in row)}</tr>\n" for row in rows)
    lines = "".join(f"<p>{_escaped(line)}</p>\n" for line in below)
    top = f'<thead style="border-bottom:1px solid"><tr>{head}</tr></thead>'
    return f'<table style="{_RULES}">\n{top}\n<tbody>\n{body}</tbody>\n</table>\n{lines}'


def page(title: str, content: str) -> str:
    """A page of its own."""
    head = (
        f'<!DOCTYPE html>\n<html>\n<head>\n<meta charset="utf-8">\n<title>{_escaped(title)}</title>\n</head>'
    )
    return f'{head}\n<body style="font-family:sans-serif">\n{content}</body>\n</html>\n'


def _cell(name: str, text: str, look: str) -> str:
    return f'<{name} style="{_CELL.format(_LOOKS[look])}">{_escaped(text)}</{name}>'


def _escaped(text: str) -> str:
    return html.escape(one_line(text))
