"""What the browser does without asking: controls to view, view to address, zoom, pins, legend."""

from __future__ import annotations

from typing import Any

from dash import ALL, MATCH, ClientsideFunction, Dash, Input, Output, State

from exptools.viewing.web.layout import CONTROLS


def register(app: Dash) -> None:
    """Let the browser do these; see assets/app.js."""

    def local(name: str, *parts: Any, **options: Any) -> None:
        app.clientside_callback(ClientsideFunction("exptools", name), *parts, **options)  # type: ignore[no-untyped-call]

    local(
        "assemble",
        Output("view", "data"),
        *(Input(name, "value") for name in CONTROLS),
        Input("zoom", "data"),
        Input("hidden", "data"),
        Input("pins", "data"),
        Input("grid", "selectedRows"),
        Input("grid", "columnState"),
        Input("grid", "filterModel"),
        Input("restored", "data"),
        State("view", "data"),
        prevent_initial_call=True,
    )
    local("loadPlotly", Output("first", "children"), Input("grid", "rowData"), prevent_initial_call=True)
    local("arrange", Output("arranged", "data"), Input("grid", "columnDefs"))
    # What no part needs is not asked for: an answer costs the browser some hundredths of a second.
    for name in ("curves", "names", "table"):
        part = f"view-of-{name}"
        local(f"of{name.title()}", Output(part, "data"), Input("view", "data"), State(part, "data"))
    local(
        "ofCommand", Output("view-of-command", "data"), Input("view", "data"), Input("is-exporting", "data")
    )
    local(
        "askOther",
        Output("ask-of-other", "data"),
        Input("view", "data"),
        Input("look", "data"),
        Input("theme", "data"),
        State("ask-of-other", "data"),
    )
    local(
        "zoomed",
        Output("zoom", "data"),
        Input({"type": "card", "tag": ALL}, "relayoutData"),
        State("zoom", "data"),
        prevent_initial_call=True,
    )
    local(
        "zoomOf",
        Output({"type": "zoom", "tag": MATCH}, "data"),
        Input("zoom", "data"),
        State({"type": "zoom", "tag": MATCH}, "data"),
        State({"type": "zoom", "tag": MATCH}, "id"),
    )
    local(
        "ask",
        Output({"type": "ask", "tag": MATCH}, "data"),
        Input("view-of-curves", "data"),
        Input("look", "data"),
        Input({"type": "zoom", "tag": MATCH}, "data"),
        Input({"type": "seen", "tag": MATCH}, "data"),
        Input("theme", "data"),
        State({"type": "ask", "tag": MATCH}, "data"),
    )
    local(
        "add",
        Output("tags", "value", allow_duplicate=True),
        Input("add", "n_clicks"),
        Input("search", "n_submit"),
        State("search", "value"),
        State("tags", "options"),
        prevent_initial_call=True,
    )
    local(
        "turn",
        Output("step", "value", allow_duplicate=True),
        Input("step-before", "n_clicks"),
        Input("step-after", "n_clicks"),
        State("step", "value"),
        State("step", "options"),
        prevent_initial_call=True,
    )
    local(
        "clear",
        Output("tags", "value", allow_duplicate=True),
        Input("clear", "n_clicks"),
        prevent_initial_call=True,
    )
    local(
        "unselect",
        Output("grid", "selectedRows", allow_duplicate=True),
        Input("unselect", "n_clicks"),
        prevent_initial_call=True,
    )
