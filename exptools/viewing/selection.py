"""Choosing runs: conditions such as lr=1e-3 or acc>0.9, and the best of them. Pure functions."""

from __future__ import annotations

import fnmatch
import operator
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from exptools import words
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare, literals
from exptools.viewing.columns import Column, Kind
from exptools.viewing.compare import MISSING, UNKNOWN
from exptools.viewing.keys import counts

_CONDITION = re.compile(
    r"\s*(?P<name>(?:\"(?:[^\"\\]|\\.)*\"|[^\"=!<>~])+?)\s*(?P<op>==|!=|<=|>=|=|<|>|~)(?P<value>.*)",
    re.DOTALL,
)
_ORDER: Final[dict[str, Callable[[float, float], bool]]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_HAS, _LACKS = "has", "lacks"
_FORM = (
    "write NAME=VALUE, with one of = != < <= > >= ~ between them, or NAME or !NAME for its being there or not"
)


@dataclass(frozen=True)
class Condition:
    """op: one of = != < <= > >= ~, or has and lacks. texts: what was typed behind it; values: its meaning."""

    text: str
    name: str
    op: str
    texts: tuple[str, ...] = ()
    values: tuple[Any, ...] = ()


def condition(text: str) -> Condition:
    """A condition as it is typed.

    `NAME=VALUE` or `==`, `!=`; `<`, `<=`, `>`, `>=` for numbers; `~` for a shell glob; NAME alone holds where
    there is such a value, `!NAME` where there is none. Behind = != ~ can be several values, with commas
    between them: any of them (for != none of them). How values are typed: literals.value_of.

    Raises:
        ViewError: it is no condition.
    """
    match = _CONDITION.fullmatch(text)
    if match:
        return _compared(text, match["name"], match["op"].replace("==", "="), match["value"])
    name = text.strip().removeprefix("!").strip()
    if not name or set(name) & set("=<>!"):
        raise ViewError(f"{text!r} is no condition; {_FORM}")
    return Condition(text, name, _LACKS if text.strip().startswith("!") else _HAS)


def _compared(text: str, name: str, op: str, value: str) -> Condition:
    texts = tuple(item.strip() for item in literals.split(value))
    if op in _ORDER:
        numbers = [literals.value_of(value)]
        if not _is_number(numbers[0]):
            raise ViewError(
                f"{text}: {op} compares numbers, and {value.strip()!r} is none; use = or ~ for a text"
            )
        return Condition(text, name, op, texts, tuple(numbers))
    values = texts if op == "~" else tuple(map(literals.value_of, texts))
    return Condition(text, name, op, texts, values)


def holds(condition: Condition, column: Column, cell: Any) -> bool:
    """Whether `condition`, whose name is `column`, holds for a run with that `cell`.

    1 is 1.0, but neither "1" nor true; nan is nan. A missing value equals none, so != holds for it, and is in
    no order; so are texts and nan. Of a run whose config is unknown no condition on a key holds.
    """
    if column.kind is Kind.KEY and cell is UNKNOWN:
        return False
    is_there = cell is not MISSING and cell is not UNKNOWN
    if condition.op in (_HAS, _LACKS):
        return is_there == (condition.op == _HAS)
    if condition.op in _ORDER:
        return _is_number(cell) and _ORDER[condition.op](cell, condition.values[0])
    if condition.op == "~":
        return is_there and any(fnmatch.fnmatchcase(compare.text(cell), glob) for glob in condition.values)
    return _is_one_of(condition, column, cell) == (condition.op == "=")


def _is_one_of(condition: Condition, column: Column, cell: Any) -> bool:
    if column.kind is Kind.RUN:  # a run called 0 is called "0"
        return cell in (*condition.texts, *condition.values)
    if column.kind is Kind.STATE:
        state = "UNKNOWN" if cell is UNKNOWN else str(cell)  # as `states` calls it
        return state in [str(value).upper() for value in condition.values]
    return compare.identity(cell) in set(map(compare.identity, condition.values))


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def states(names: Sequence[str]) -> frozenset[State | None]:
    """The states that are called `names`, in any case; "unknown" is None.

    Raises:
        ViewError: there is no such state.
    """
    known = {**{state.value: state for state in State}, "UNKNOWN": None}
    wrong = next((name for name in names if name.strip().upper() not in known), None)
    if wrong is not None:
        raise ViewError(f"there is no state {wrong!r}; the states are: {', '.join(map(str.lower, known))}")
    return frozenset(known[name.strip().upper()] for name in names)


def told(condition: Condition, column: Column, cells: Sequence[Any]) -> list[str]:
    """What is to be said of a condition, given all cells: that it had no answer, or never held."""
    notes = []
    known = [cell for cell in cells if column.kind is not Kind.KEY or cell is not UNKNOWN]
    if len(known) < len(cells):
        lost = words.count(len(cells) - len(known), "run")
        notes.append(f"{condition.text} holds for none of {lost} whose config is unknown")
    lost = sum(not _is_number(cell) or cell != cell for cell in known)
    if condition.op in _ORDER and lost:
        notes.append(
            f"{condition.text} does not hold for {words.count(lost, 'run')} in which {column.name} is "
            "missing, nan or no number"
        )
    if not any(holds(condition, column, cell) for cell in cells):
        values = "" if column.kind is Kind.RUN else f"; {column.name} is {counted(cells)}"
        notes.append(f"{condition.text} holds for no run{values}")
    return notes


def counted(cells: Sequence[Any], most: int = 8) -> str:
    """The different values of `cells`, as they are typed, and how many runs have each: `0.01 (4), 0.1 (2)`.

    Of more than `most` different ones the range, if all are numbers.
    """
    values = counts(cells)
    if len(values) > most and all(_is_number(value) for value, _ in values):
        return f"{len(values)} values from {shown(values[0][0])} to {shown(values[-1][0])}"
    return compare.listed([f"{shown(value)} ({n})" for value, n in values], most)


def shown(cell: Any) -> str:
    """A cell as it is typed in a condition."""
    return compare.text(cell) if isinstance(cell, compare.Absent) else literals.literal(cell)


@dataclass(frozen=True)
class Best:
    """The `k` runs in which `name` is greatest, or least."""

    k: int
    name: str
    greatest: bool


def best(k: int | None, greatest: str | None, least: str | None) -> Best | None:
    """What is asked for by `best=k` and one of `max=` and `min=`; None if nothing is.

    Raises:
        ViewError: one is there without the other, or k is less than 1.
    """
    if k is None and greatest is None and least is None:
        return None
    named = [name for name in (greatest, least) if name is not None]
    if k is None or len(named) != 1:
        raise ViewError(
            "the best are chosen by a number and one scalar: --best 3 with --max acc or --min loss"
        )
    if k < 1:
        raise ViewError(f"the {k} best cannot be chosen; give 1 or more")
    return Best(k, named[0], greatest is not None)


def of_best(best: Best, column: Column, cells: Sequence[Any]) -> tuple[list[int], list[str]]:
    """The positions of the best of `cells`, the best first, and what is to be said of the others.

    What is missing, nan or no number is never among them.
    """
    there = [i for i, cell in enumerate(cells) if _is_number(cell) and cell == cell]
    ranked = sorted(there, key=lambda i: -cells[i] if best.greatest else cells[i])
    kept, rest = ranked[: best.k], ranked[best.k :]
    what = f"{'greatest' if best.greatest else 'least'} {_what(column)}"
    notes = [f"of {words.count(len(cells), 'run')} the {len(kept)} with the {what}"]
    if len(there) < len(cells):
        n = words.count(len(cells) - len(there), "run")
        notes.append(f"{n} cannot be among the best: {column.name} is missing, nan or no number there")
    ties = sum(cells[i] == cells[kept[-1]] for i in rest) if kept else 0
    if ties:
        notes.append(
            f"{words.count(ties, 'more run')} {'is' if ties == 1 else 'are'} as good as the last of them: "
            f"{column.name} is {shown(cells[kept[-1]])}"
        )
    return kept, notes


def _what(column: Column) -> str:
    if column.kind is not Kind.TAG:
        return column.name
    from exptools.viewing.statistics import reductions

    return f"{reductions.words(column.statistic)} of {column.source}"
