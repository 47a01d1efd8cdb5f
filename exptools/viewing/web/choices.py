"""What can be chosen: scalars, config keys, runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from exptools import words
from exptools.errors import ExptoolsError
from exptools.viewing import compare
from exptools.viewing.web import view
from exptools.viewing.web.layout import X
from exptools.viewing.web.view import View

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board

LISTS = ("by", "split", "over", "x", "spark", "run")  # whose options go with the runs
_MOST_TAGS_LISTED = 400  # in the list of scalars; the search finds the others


def register(app: Dash, board: Board) -> None:
    """Answer with what there is."""

    @app.callback(
        Output("tags", "options"),
        Output("tags-note", "children"),
        Input("look", "data"),
        Input("search", "value"),
        State("tags", "value"),
        State("tags", "options"),
    )
    def tags(_: Any, search: str | None, chosen: list[str] | None, before: Any) -> tuple[Any, Any]:
        every = board.tags()
        found = _searched(every, search or "")
        globs = [name for name in chosen or () if name and name not in every]
        listed = [*globs, *found[:_MOST_TAGS_LISTED]]
        options = [{"label": name, "value": name} for name in listed]
        return (no_update if options == before else options), _note_on_tags(every, found, search)

    @app.callback(
        *(Output(name, "options") for name in LISTS),
        Input("look", "data"),
        Input("view-of-names", "data"),
        *(State(name, "options") for name in LISTS),
        prevent_initial_call=True,
    )
    def names(_: Any, said: dict[str, Any] | None, *before: Any) -> tuple[Any, ...]:
        try:
            now = options(board, view.parse(said or {}))
        except ExptoolsError as error:
            raise PreventUpdate from error  # it is said above the cards
        return tuple(no_update if new == old else new for new, old in zip(now, before, strict=True))


def options(board: Board, shown: View) -> tuple[list[dict[str, str]], ...]:
    """What can be chosen in the lists of LISTS: what differs, and what was chosen already."""
    differing = board.look().runs.differing()
    chosen = dict.fromkeys([*differing, *(shown.by or ()), *shown.split, *shown.over])
    short = compare.short_names(list(chosen))
    keys = [{"value": key, "label": short[key]} for key in chosen]
    tags = [{"value": tag, "label": tag} for tag in board.tags()]
    x = [{"value": value, "label": text} for value, text in X.items()]
    runs = [{"value": run.name, "label": run.told} for run in board.runs(shown)]
    return [{"value": "", "label": "(all runs together)"}, *keys], keys, keys, [*x, *tags], tags, runs


def _searched(every: Sequence[str], search: str) -> list[str]:
    """The tags that a search finds: by a glob, or by words that are all in the tag, in any case."""
    search = search.strip()
    if any(mark in search for mark in "*?["):
        return [tag for tag in every if compare.matches(tag, [search])]
    parts = search.lower().split()
    return [tag for tag in every if all(part in tag.lower() for part in parts)]


def _note_on_tags(every: Sequence[str], found: Sequence[str], search: str | None) -> str:
    if not every:
        return "No run has logged a scalar yet; they appear here when one does."
    if not found:
        return f"No scalar is like {search!r}."
    if len(found) > _MOST_TAGS_LISTED:
        return f"{len(found)} scalars; listed are the first {_MOST_TAGS_LISTED}: search."
    return f"{len(found)} of {words.count(len(every), 'scalar')}" if len(found) < len(every) else ""
