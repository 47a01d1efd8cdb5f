"""The cards of curves, and their legend."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from dash import ALL, MATCH, Dash, Input, Output, Patch, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from exptools import words
from exptools.errors import ExptoolsError
from exptools.viewing.web import figure, view
from exptools.viewing.web.layout import aria
from exptools.viewing.web.view import View

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.lines import Card

_NUMBERS = itertools.count()
_MOST_LABELS = 60  # in the legend


def register(app: Dash, board: Board) -> None:
    """Answer with cards and their curves."""

    @app.callback(
        Output("cards", "children"),
        Output("legend", "children"),
        Output("problem", "children"),
        Output("where-note", "children"),
        Input("view-of-curves", "data"),
        Input("look", "data"),
        Input("theme", "data"),
        State({"type": "card", "tag": ALL}, "id"),
        State("zoom", "data"),
    )
    def cards(
        said: dict[str, Any] | None, look: Any, theme: str, there: list[dict[str, str]], zoom: dict[str, str]
    ) -> tuple[Any, ...]:
        if said is None or look is None:
            raise PreventUpdate
        try:
            asked = view.parse(said)
            runs = board.runs(asked)
            labels = board.labels(asked)
        except ExptoolsError as error:
            is_where = "where" in said and _is_of_conditions(board, said)
            return no_update, no_update, "" if is_where else str(error), str(error) if is_where else ""
        tags = board.shown(asked)
        known = {card["tag"] for card in there}
        board.prepare(asked, [tag for tag in tags if tag not in known])
        note = "" if len(runs) else "No run is like this; change the conditions or the selection."
        children = _changed([card["tag"] for card in there], tags, asked, board, zoom, theme)
        return children, _legend(labels, board.label_keys(asked), asked, theme), "", note

    @app.callback(
        Output({"type": "card", "tag": MATCH}, "figure"),
        Output({"type": "card", "tag": MATCH}, "style"),
        Output({"type": "note", "tag": MATCH}, "children"),
        Output({"type": "pin", "tag": MATCH}, "aria-pressed"),
        Input({"type": "ask", "tag": MATCH}, "data"),
        State({"type": "card", "tag": MATCH}, "id"),
        prevent_initial_call=True,
    )
    def card(ask: dict[str, Any] | None, name: dict[str, str]) -> tuple[Any, ...]:
        if ask is None:
            raise PreventUpdate
        said, zoom, theme = ask["view"], ask["zoom"], ask["theme"]
        tag = name["tag"]
        asked_for = {**said, **({"zoom": [zoom]} if zoom else {})}
        try:
            asked = view.parse(asked_for)
            found = board.card(asked, tag)
            made = figure.figure(found, asked, list(board.labels(asked)), dark=theme == "dark")
        except ExptoolsError as error:
            return _nothing(theme), no_update, html.Span(str(error), className="problem"), "false"
        style = {"height": f"{made.figure['layout']['height']}px"}
        return made.figure, style, _note(found, asked, made), str(tag in asked.pins).lower()


def _is_of_conditions(board: Board, said: Mapping[str, Any]) -> bool:
    """Whether it is the conditions on runs that are wrong."""
    try:
        board.runs(view.parse({"where": said["where"]}))
    except ExptoolsError:
        return True
    return False


def _changed(
    there: Sequence[str], tags: Sequence[str], asked: View, board: Board, zoom: Mapping[str, str], theme: str
) -> Any:
    """The cards of `tags`; those that are there already, in this order, stay as they are."""
    if there == tags and tags:
        return no_update
    if not tags or not there:
        return [_card(tag, zoom.get(tag), theme) for tag in tags] or html.P(
            _no_cards(board), className="empty"
        )
    kept = _in_both(there, tags)
    changes = Patch()
    for i in reversed(range(len(there))):
        if there[i] not in kept:
            del changes[i]
    for i, tag in enumerate(tags):
        if tag not in kept:
            changes.insert(i, _card(tag, zoom.get(tag), theme))
    return changes


def _in_both(there: Sequence[str], tags: Sequence[str]) -> set[str]:
    """Tags that need not move: many that have the same order in both."""
    kept: list[str] = []
    last = -1
    for tag in there:
        if tag in tags and tags.index(tag) > last:
            last = tags.index(tag)
            kept.append(tag)
    return set(kept)


def _no_cards(board: Board) -> str:
    if board.tags():
        return "Choose scalars on the left; / searches."
    return "No run has logged a scalar yet. Curves appear here by themselves when one does."


def _card(tag: str, zoom: str | None, theme: str) -> html.Div:
    def named(kind: str) -> dict[str, str]:
        return {"type": kind, "tag": tag}

    return html.Div(
        className="card",
        key=f"{tag} {next(_NUMBERS)}",  # a new one is never taken for one that was there
        children=[
            html.Div(
                className="card-head",
                children=[
                    html.H3(tag, title=tag),
                    html.Button(
                        "⚲",
                        id=named("pin"),
                        title="pin: this card comes first",
                        **aria(label=f"pin {tag}", pressed="false"),
                    ),
                    html.Button(
                        "✕", id=named("close"), title="take this card away", **aria(label=f"close {tag}")
                    ),
                ],
            ),
            dcc.Graph(
                id=named("card"),
                style={"height": f"{figure.height(1)}px"},
                figure=_nothing(theme),
                config={
                    "responsive": True,
                    "displayModeBar": False,
                    "doubleClick": "reset+autosize",
                },
            ),
            html.Div("reading …", id=named("note"), className="note"),
            dcc.Store(id=named("zoom"), data=zoom),
            dcc.Store(id=named("seen"), data=False),
            dcc.Store(id=named("ask")),
        ],
    )


def _nothing(theme: str) -> dict[str, Any]:
    dark = theme == "dark"
    look = {**figure.axis_look(dark=dark), "showticklabels": False}
    return {
        "data": [],
        "layout": {**figure.theme(dark=dark), "height": figure.height(1), "xaxis": look, "yaxis": look},
    }


def _note(found: Card, asked: View, made: figure.Drawn) -> list[Any]:
    """What a card does not show, below it."""
    every = [line for panel in found.panels for line in panel.lines]
    n_hidden = sum(line.label in asked.hidden for line in every)
    text = f"{words.count(len(every), 'line')} of {found.frames:,} frame{'s' * (found.frames != 1)}"
    if n_hidden == len(every) > 0:
        text += "; all are hidden: click a name above the cards to show it"
    elif n_hidden:
        text += f"; {n_hidden} of them hidden"
    if not made.whole:
        text += f"; drawn are {made.points:,} points, the extremes among them: zoom in for more"
    parts: list[Any] = [html.Span(text)]
    if found.notes:
        summary = html.Summary(words.count(len(found.notes), "note"))
        parts.append(html.Details([summary, html.Ul([html.Li(note) for note in found.notes])]))
    return parts


def _legend(labels: Mapping[str, Sequence[str]], keys: Sequence[str], asked: View, theme: str) -> list[Any]:
    looks = figure.swatches(list(labels), dark=theme == "dark")
    chosen = set(asked.runs)
    parts: list[Any] = [html.Span(f"{', '.join(keys)}:", className="faint")] if keys else []
    for label in list(labels)[:_MOST_LABELS]:
        n = len(labels[label])
        is_off = label in asked.hidden or (chosen and not chosen & set(labels[label]))
        parts.append(
            html.Button(
                [
                    html.I(
                        className=f"line {looks[label]['dash']}", style={"--color": looks[label]["color"]}
                    ),
                    html.Span(label or "all runs"),
                    html.Small(f"{n}", title=words.count(n, "run")),
                ],
                id={"type": "series", "label": label},
                className="series off" if is_off else "series",
                title="hide or show",
                **aria(pressed=str(label not in asked.hidden).lower()),
            )
        )
    if len(labels) > _MOST_LABELS:
        parts.append(html.Span(f"and {len(labels) - _MOST_LABELS} more", className="faint"))
    return parts
