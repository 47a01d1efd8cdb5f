"""Runs beside each other: in what their configs, code, machines and last values differ."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import html

from exptools import words
from exptools.viewing import compare
from exptools.viewing.columns import Column, Kind
from exptools.viewing.compare import MISSING
from exptools.viewing.difference import of_attempt, repeats
from exptools.viewing.exporters.table import nice

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs

MOST = 8  # runs beside each other
_NUMBER = Column("", Kind.TAG, "")


def table(runs: Runs, is_chosen: bool) -> html.Div:
    """The runs in columns, what differs in rows. is_chosen: whether the runs were selected by hand."""
    some = runs.only([run.name for run in list(runs)[:MOST]])
    parts: dict[str, list[Mapping[str, Any]]] = {
        "run": [_of_run(run) for run in some],
        "config": [dict(run.flat or {}) for run in some],
        "provenance": [_facts(some, run) for run in some],
        "last value": [dict(finals.values) for _, finals in some.finals()],
    }
    body = [row for part, found in parts.items() for row in _rows(part, found)]
    head = html.Tr([html.Th(""), html.Th(""), *(html.Th(run.name) for run in some)])
    return html.Div(
        [
            html.P(_said(runs, len(some), is_chosen), className="faint"),
            html.Div(html.Table([html.Thead(head), html.Tbody(body)], className="compare"), className="wide")
            if body
            else html.P("They do not differ.", className="empty"),
        ]
    )


def _facts(runs: Runs, run: Run) -> dict[str, Any]:
    return {name: fact for name, fact in of_attempt(runs.attempt(run)).items() if not repeats(name)}


def _said(runs: Runs, n: int, is_chosen: bool) -> str:
    text = f"In what {words.count(n, 'run')} differ{'s' if n == 1 else ''}."
    if n < len(runs):
        text += f" The first {n} of {len(runs)}: select up to {MOST} rows in the table."
    elif not is_chosen:
        text += " Select rows in the table to compare others."
    return text


def _of_run(run: Run) -> dict[str, Any]:
    status = run.status
    duration = None if status is None else status.duration_s(run.loaded_at)
    found = {
        "state": run.state,
        "duration": None if duration is None else words.duration(duration),
        "error": None if status is None else status.error,
    }
    return {name: value for name, value in found.items() if value is not None}


def _rows(part: str, found: list[Mapping[str, Any]]) -> list[html.Tr]:
    keys = compare.differing(found)
    return [
        html.Tr(
            [
                html.Th(part if i == 0 else "", scope="rowgroup"),
                html.Th(key, scope="row"),
                *(html.Td(_text(part, one.get(key, MISSING)), className=_look(one, key)) for one in found),
            ]
        )
        for i, key in enumerate(keys)
    ]


def _text(part: str, value: Any) -> str:
    return nice(_NUMBER, value) if part == "last value" else compare.text(value)


def _look(one: Mapping[str, Any], key: str) -> str:
    if key not in one:
        return "missing"
    return "number" if isinstance(one[key], (int, float)) and not isinstance(one[key], bool) else ""
