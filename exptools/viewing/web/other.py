"""The views beside the curves: bars, scatter, parallel coordinates, comparison, logs, images, histograms."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate
from plotly.io.json import to_json_plotly  # type: ignore[import-untyped]

from exptools.errors import ExptoolsError
from exptools.viewing import texts
from exptools.viewing.web import plots, rich, side_by_side, view
from exptools.viewing.web.over import with_over

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.view import View

_MOST_ASKED = 50  # runs, for images, where none was chosen
_CONFIG: Any = {"displayModeBar": False, "responsive": True}


def register(app: Dash, board: Board) -> None:
    """Answer for these views."""
    rich.register(app.server, board)

    @app.callback(
        Output("step", "options"),
        Input("ask-of-other", "data"),
        State("step", "options"),
        prevent_initial_call=True,
    )
    def steps(ask: dict[str, Any] | None, before: Any) -> Any:
        if ask is None:
            raise PreventUpdate
        try:
            asked = view.parse(ask["view"])
            runs = board.runs(asked)
        except ExptoolsError as error:
            raise PreventUpdate from error
        if asked.tab != "media" or not len(runs):
            raise PreventUpdate
        found = [
            {"value": str(step), "label": f"{step:,}"}
            for step in rich.steps(board, _some(board, runs, asked))
        ]
        kept = [{"value": asked.step, "label": asked.step}] if asked.step and not found else []
        return no_update if found + kept == before else found + kept

    @app.callback(
        Output("other", "children"),
        Output("digest-of-other", "data"),
        Input("ask-of-other", "data"),
        State("digest-of-other", "data"),
        prevent_initial_call=True,
    )
    def other(ask: dict[str, Any] | None, before: str | None) -> tuple[Any, Any]:
        if ask is None:
            raise PreventUpdate
        try:
            shown = _shown(board, view.parse(ask["view"]), dark=ask["theme"] == "dark")
        except ExptoolsError as error:
            shown = html.P(str(error), className="problem")
        now = _digest(shown)
        return (no_update, no_update) if now == before else (shown, now)


def _digest(shown: Any) -> str:
    """Equal for what is equal: to make it anew would lose zoom, selected text and where somebody reads."""
    return hashlib.sha256(to_json_plotly(shown).encode()).hexdigest()


def _shown(board: Board, asked: View, *, dark: bool) -> Any:
    runs = board.runs(asked)
    if not len(runs):
        return html.P("No run is like this; change the conditions or the selection.", className="empty")
    if asked.tab in view.PLOTS:
        tags = board.shown(asked)
        if not tags:
            return html.P("Choose scalars on the left; / searches.", className="empty")
        shown = runs.panels(spec=with_over(runs, asked).spec(tags, asked.tab))
        labels = list(board.labels(asked))
        made = plots.plots(shown, labels, dark=dark)
        return [*(_plot(title, one, i) for i, (title, one) in enumerate(made)), *_notes(shown.notes)]
    if asked.tab == "compare":
        return side_by_side.table(runs, bool(asked.runs))
    if asked.tab == "log":
        return _log(_some(board, runs, asked)[0])
    some = _some(board, runs, asked)
    if asked.tab == "media":
        return rich.images(board, some, int(asked.step) if asked.step.lstrip("-").isdigit() else None)
    made = rich.histograms(board, some, dark=dark)
    return [_plot(title, one, i) for i, (title, one) in enumerate(made)] or rich.no_histograms(some)


def _some(board: Board, runs: Runs, asked: View) -> list[Run]:
    """The run that was chosen; if none was, those that are selected; else the first that has something to
    say: images, histograms, or an error.
    """
    chosen = [run for run in runs if run.name == asked.run]
    if not chosen and asked.runs:
        chosen = list(runs)
    if chosen:
        return chosen[: rich.MOST_RUNS]
    if asked.tab == "log":
        return [min(runs, key=lambda run: texts.error(run) is None)]
    first = list(runs)[:_MOST_ASKED]
    return [next((run for run in first if rich.has(board, run, asked.tab)), first[0])]


def _log(run: Run) -> list[Any]:
    """What a run printed last, and why it failed."""
    error, found = texts.error(run), texts.tail(run)
    parts: list[Any] = []
    if error is not None:
        parts.append(html.Pre(error, className="log error", tabIndex=0))
    if found.missing:
        return [*parts, html.P(f"There is no log: {found.missing}.", className="empty")]
    where = f"{run.place.home / found.name}, {found.size:,} bytes"
    if found.from_offset:
        where += f"; shown is what follows byte {found.from_offset:,}"
    return [*parts, html.P(where, className="faint"), html.Pre(found.text, className="log", tabIndex=0)]


def _plot(title: str, made: dict[str, Any], i: int) -> html.Div:
    head = html.Div(html.H3(title, title=title), className="card-head")
    style = {"height": f"{made['layout']['height']}px"}  # a plot that fits itself to its place needs one
    plot = dcc.Graph(figure=made, config=_CONFIG, style=style)
    return html.Div([head, plot], className="card", key=f"{title}{i}")


def _notes(notes: Sequence[str]) -> list[html.Ul]:
    return [html.Ul([html.Li(note) for note in notes], className="faint notes")] if notes else []
