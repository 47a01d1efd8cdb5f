"""The views beside the curves: bars, scatter, parallel coordinates, comparison, logs, images, histograms."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, dcc, html, no_update
from dash.exceptions import PreventUpdate

from exptools.errors import ExptoolsError
from exptools.viewing.web import plots, side_by_side, view

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.view import View

_PLOTS = ("bars", "scatter", "parallel")
_OF_A_RUN = ("log", "media", "histograms")
_CONFIG = {
    "displaylogo": False,
    "responsive": True,
    "modeBarButtonsToRemove": ["select2d", "lasso2d", "toImage"],
}


def register(app: Dash, board: Board) -> None:
    """Answer for these views."""

    @app.callback(
        Output("other", "children"),
        Input("view", "data"),
        Input("look", "data"),
        Input("theme", "data"),
    )
    def other(said: dict[str, Any] | None, look: Any, theme: str) -> Any:
        if said is None or look is None:
            raise PreventUpdate
        try:
            asked = view.parse(said)
            if asked.tab == "curves":
                return no_update
            return _shown(board, asked, dark=theme == "dark")
        except ExptoolsError as error:
            return html.P(str(error), className="problem")

    @app.callback(
        Output("run", "options"),
        Output("run", "value", allow_duplicate=True),
        Input("view", "data"),
        Input("look", "data"),
        State("run", "options"),
        State("run", "value"),
        prevent_initial_call=True,
    )
    def runs(said: dict[str, Any] | None, look: Any, before: Any, chosen: str | None) -> tuple[Any, Any]:
        if said is None:
            raise PreventUpdate
        try:
            found = board.runs(view.parse(said))
        except ExptoolsError as error:
            raise PreventUpdate from error
        options = [{"value": run.name, "label": run.told} for run in found]
        names = [run.name for run in found]
        usual = (
            next((run.name for run in found if run.status is not None and run.status.error), *names[:1])
            if names
            else None
        )
        value = no_update if chosen in names else usual
        return (no_update if options == before else options), value


def _shown(board: Board, asked: View, *, dark: bool) -> Any:
    runs = board.runs(asked)
    if not len(runs):
        return html.P("No run is like this; change the conditions or the selection.", className="empty")
    if asked.tab in _PLOTS:
        tags = board.shown(asked)
        if not tags:
            return html.P("Choose scalars on the left; / searches.", className="empty")
        shown = runs.panels(spec=asked.spec(tags, asked.tab))
        labels = list(board.labels(asked))
        return [
            _plot(title, made, i) for i, (title, made) in enumerate(plots.plots(shown, labels, dark=dark))
        ] + [_notes(shown.notes)]
    if asked.tab == "compare":
        return side_by_side.table(runs, bool(asked.runs))
    return html.P("…", className="empty")


def _plot(title: str, made: dict[str, Any], i: int) -> html.Div:
    head = html.Div(html.H3(title, title=title), className="card-head")
    return html.Div([head, dcc.Graph(figure=made, config=_CONFIG)], className="card", key=f"{title}{i}")


def _notes(notes: Sequence[str]) -> html.Ul:
    return html.Ul([html.Li(note) for note in notes], className="faint notes")
