"""The table of runs, as the page asks for it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, no_update
from dash.exceptions import PreventUpdate

from exptools import words
from exptools.errors import ExptoolsError
from exptools.viewing.web import figure, rows, view

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board


def register(app: Dash, board: Board) -> None:
    """Answer with columns and rows."""

    @app.callback(
        Output("grid", "columnDefs"),
        Output("grid", "rowData"),
        Output("selected", "children"),
        Output("grid", "style"),
        Output("unselect", "hidden"),
        Input("view-of-table", "data"),
        Input("look", "data"),
        Input("spark", "value"),
        Input("theme", "data"),
        State("grid", "columnDefs"),
        State("view", "data"),
    )
    def table(
        said: dict[str, Any] | None, look: Any, spark: str | None, theme: str, before: Any, whole: Any
    ) -> tuple[Any, ...]:
        if said is None or look is None:
            raise PreventUpdate
        try:
            asked = view.parse(said)
            wanted = [*board.shown(asked), *_sorted_by(whole), *([spark] if spark else [])]
            found, left_out = rows.fewer(board.table(asked), wanted)
            labels = board.labels(asked)
            small = board.sparks(asked, spark) if spark else {}
        except ExptoolsError as error:
            raise PreventUpdate from error  # said beside the conditions, or above the cards
        looks = figure.swatches(list(labels), dark=theme == "dark")
        colors = {name: looks[label]["color"] for label, names in labels.items() for name in names}
        columns = rows.columns(found, spark or "")
        made = rows.rows(found, colors, small)
        every = words.count(len(made), "run")
        selected = set(asked.runs) & {row["id"] for row in made}  # conditions may leave some out
        text = f"{len(selected)} of {every} selected" if asked.runs else every
        if left_out:
            text += f"; last values of scalars that have a card ({left_out} others have none)"
        hidden = ", ".join(found.hidden)
        title = f"; not shown, as it only says which run it is: {hidden}" if hidden else ""
        style = {"height": f"min({rows.height(len(made))}px, 16.5rem, 34vh)"}
        return (no_update if columns == before else columns), made, text + title, style, not asked.runs


def _json(text: str) -> Any:
    try:
        return json.loads(text) if text else None
    except ValueError:
        return None


def _sorted_by(said: Mapping[str, Any] | None) -> list[str]:
    """The columns that rows are sorted or filtered by."""
    sort, filters = (_json(str((said or {}).get(name, ""))) for name in ("sort", "filter"))
    by = [one.get("colId") for one in sort if isinstance(one, dict)] if isinstance(sort, list) else []
    return [str(name) for name in [*by, *(filters if isinstance(filters, dict) else ())]]
