"""The results of a sweep as Markdown, LaTeX, HTML or CSV: what goes into a text, or on to a program."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence
from typing import Any, Final

from exptools.errors import ViewError
from exptools.formats.progress import line
from exptools.viewing import compare
from exptools.viewing.digits import Rounded, rounded
from exptools.viewing.exporters import html
from exptools.viewing.exporters.table import one_line
from exptools.viewing.results import Cell, Results, Row

_LATEX: Final = {
    "\\": r"\textbackslash{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': r"\textquotedbl{}",
}


def written(results: Results, format_: str) -> str:
    """`results` in one of FORMATS.

    Raises:
        ViewError: there is no such format.
    """
    if format_ not in FORMATS:
        raise ViewError(f"a table cannot be {format_!r}; give one of {', '.join(FORMATS)}")
    return FORMATS[format_](results)


# --- Markdown --------------------------------------------------------------------------------------------


def markdown(results: Results) -> str:
    """A table of GitHub's Markdown; the caption and the notes are paragraphs below it."""
    heads = [_markdown(head) for head in (*results.heads, *results.titles)]
    lines = [_row(heads), _row([*["---"] * len(results.heads), *["---:"] * len(results.tags)])]
    for label, row in zip(results.labels, results.rows, strict=True):
        cells = [_plain(cell, results) for cell in row.cells]
        bold = [f"**{c}**" if results.is_best(row, i) else c for i, c in enumerate(cells)]
        lines.append(_row([*map(_markdown, label), *bold]))
    below = [_markdown(text) for text in (results.caption(), *results.notes)]
    return "\n".join(lines) + "\n\n" + "\n\n".join(below) + "\n"


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    return re.sub(r"([\\|`*<\[\]~]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_]))", r"\\\1", one_line(text))


# --- LaTeX -----------------------------------------------------------------------------------------------


def latex(results: Results) -> str:
    """A `table` with booktabs' rules; the notes are comments above it."""
    heads = " & ".join(_latex(head) for head in (*results.heads, *results.titles))
    spec = "l" * len(results.heads) + "r" * len(results.tags)
    lines = []
    for label, row in zip(results.labels, results.rows, strict=True):
        numbers = [_in_latex(c, results, results.is_best(row, i)) for i, c in enumerate(row.cells)]
        lines.append(f"    {' & '.join([*map(_latex, label), *numbers])} \\\\")
    return "\n".join(
        [
            r"% needs \usepackage{booktabs}",
            *(f"% {one_line(note)}" for note in results.notes),
            r"\begin{table}",
            r"  \centering",
            f"  \\caption{{{_latex(results.caption())}.}}",
            f"  \\begin{{tabular}}{{{spec}}}",
            r"    \toprule",
            f"    {heads} \\\\",
            r"    \midrule",
            *lines,
            r"    \bottomrule",
            r"  \end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def _latex(text: str) -> str:
    escaped = "".join(_LATEX.get(character, character) for character in one_line(text))
    escaped = escaped.replace("±", r"$\pm$")
    # Behind the \\ of the line before, these two would be its arguments.
    return f"{{{escaped[0]}}}{escaped[1:]}" if escaped[:1] in ("[", "*") else escaped


def _in_latex(cell: Cell, results: Results, is_best: bool) -> str:
    if not cell.n or not math.isfinite(cell.mean):
        return _latex(_plain(cell, results))
    number = rounded(cell.mean, cell.low, cell.high)
    text = _joined(number, results, r" \pm ", lambda exponent: rf" \times 10^{{{exponent}}}")
    math_ = f"$\\mathbf{{{text}}}$" if is_best else f"${text}$"
    return f"{math_}{_latex(_behind(cell, results))}"


# --- HTML ------------------------------------------------------------------------------------------------


def page(results: Results) -> str:
    """A page of its own."""
    return html.page(results.caption(), fragment(results))


def fragment(results: Results) -> str:
    """A table for a page, or a notebook."""
    rows = [
        [
            *((text, "") for text in label),
            *(
                (_plain(cell, results), "b" if results.is_best(row, i) else "r")
                for i, cell in enumerate(row.cells)
            ),
        ]
        for label, row in zip(results.labels, results.rows, strict=True)
    ]
    return html.table((*results.heads, *results.titles), rows, (results.caption(), *results.notes))


# --- CSV -------------------------------------------------------------------------------------------------


def comma_separated(results: Results) -> str:
    """Numbers at full precision, see exact; what is unknown is empty, a mean that is nan is `nan`."""
    heads, rows = exact(results)
    n = len(results.keys or ("group",))
    texts = [
        [*map(compare.text, row[:n]), *("" if cell is None else str(cell) for cell in row[n:])]
        for row in rows
    ]
    return "".join(map(line, [heads, *texts]))


def exact(results: Results) -> tuple[list[str], list[list[Any]]]:
    """Heads and rows: what stands left, runs, then per scalar its mean, low and high, and n, the runs that
    have it. Nothing is rounded; what is unknown is None.
    """
    numbers = [f"{title}.{end}" for title in results.titles for end in ("mean", "low", "high", "n")]
    before = results.keys or ("group",)
    heads = [*compare.distinct(before, {"runs", *numbers}, "config."), "runs", *numbers]
    rows = [
        [
            *_setting(results, row, label),
            len(row.group.runs),
            *(number for cell in row.cells for number in _exact(cell)),
        ]
        for label, row in zip(results.labels, results.rows, strict=True)
    ]
    return heads, rows


def _setting(results: Results, row: Row, label: tuple[str, ...]) -> list[Any]:
    values = [row.group.settings[key] for key in results.keys]
    return [compare.text(v) if isinstance(v, (list, dict, compare.Absent)) else v for v in values] or [*label]


def _exact(cell: Cell) -> list[float | int | None]:
    ends = [None if math.isnan(end) else end for end in (cell.low, cell.high)]
    return [cell.mean if cell.n else None, *ends, cell.n]


# --- a cell ----------------------------------------------------------------------------------------------


def _plain(cell: Cell, results: Results) -> str:
    if not cell.n:
        return "-"
    number = rounded(cell.mean, cell.low, cell.high)
    return f"{_joined(number, results, ' ± ', lambda power: f'e{power}')}{_behind(cell, results)}"


def _joined(number: Rounded, results: Results, pm: str, power: Callable[[int], str]) -> str:
    times = power(number.exponent) if number.exponent else ""
    if number.half is None or results.band.kind == "none":
        return f"{number.mean}{times}"
    if results.is_symmetric:
        both = f"{number.mean}{pm}{number.half}"
        return f"({both}){times}" if times else both
    return f"{number.mean}{times} [{number.low}{times}, {number.high}{times}]"


def _behind(cell: Cell, results: Results) -> str:
    """n, where it is not the same everywhere."""
    if results.n is not None:
        return ""
    return f" (n={cell.n})" if cell.n == cell.runs else f" (n={cell.n} of {cell.runs})"


FORMATS: Final[dict[str, Callable[[Results], str]]] = {
    "md": markdown,
    "latex": latex,
    "html": page,
    "csv": comma_separated,
}
