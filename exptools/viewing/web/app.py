"""The page as a Dash application: what answers when the browser asks."""

from __future__ import annotations

import itertools
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from dash import (
    ALL,
    MATCH,
    ClientsideFunction,
    Dash,
    Input,
    Output,
    Patch,
    State,
    dcc,
    html,
    no_update,
    set_props,
)
from dash.exceptions import PreventUpdate

from exptools import words
from exptools.errors import ExptoolsError, ViewError
from exptools.viewing import compare
from exptools.viewing.exporters.table import one_line
from exptools.viewing.figures import series
from exptools.viewing.options import PROGRAM
from exptools.viewing.web import downloads, figure, other, rows, view
from exptools.viewing.web.layout import CONTROLS, X, aria, layout
from exptools.viewing.web.progress import progress
from exptools.viewing.web.view import View

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.lines import Card
    from exptools.viewing.web.live import Look

_HERE = Path(__file__).parent
_LISTS = ("by", "split", "over", "x", "spark", "run")  # whose options go with the runs
_NUMBERS = itertools.count()
_MOST_LABELS = 60  # in the legend
_MOST_TAGS_LISTED = 400  # in the list of scalars; the search finds the others


def make(board: Board, title: str, given: Sequence[str] = ()) -> Dash:
    """The application.

    title: what is looked at. given: the paths, and how runs were chosen, on the command line.
    """
    app = Dash(
        "exptools",
        assets_folder=str(_HERE / "assets"),
        serve_locally=True,
        suppress_callback_exceptions=True,
        title=title,
        update_title=None,  # type: ignore[arg-type]  # None: the title stays while something loads
        on_error=_say_error,
    )
    app.server.config["PROPAGATE_EXCEPTIONS"] = True  # to who serves it, who says them in one line
    app.layout = layout(title)
    _keep_in_the_browser(app)
    _restore(app, board)
    _live(app, board)
    _lists(app, board)
    _curves(app, board)
    _table(app, board)
    other.register(app, board)
    _export(app, board, list(given))
    downloads.register(app.server, board, title)
    _say_policy(app)
    return app


def _say_error(error: Exception) -> None:
    """A fault of ours: the page stays up and says so, and so does the terminal, in one line."""
    text = f"{type(error).__name__}: {error}"
    print(f"{PROGRAM}: error: {one_line(text)}", file=sys.stderr, flush=True)
    set_props("problem", {"children": f"This could not be shown. {text}"})


def _say_policy(app: Dash) -> None:
    """What the page may load: from here alone, no script but those of files and Dash's own beginning."""
    from flask import Response

    hashes = " ".join(app.csp_hashes())
    policy = (
        f"default-src 'self'; script-src 'self' {hashes}; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; font-src 'self' data:; object-src 'none'; base-uri 'none'; "
        "form-action 'self'; frame-ancestors 'none'"
    )

    @app.server.after_request  # type: ignore[untyped-decorator]
    def add(response: Response) -> Response:
        response.headers["Content-Security-Policy"] = policy
        return response


def _keep_in_the_browser(app: Dash) -> None:
    """What the browser does without asking: controls to view, view to address, zoom, pins, legend."""

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
    local("arrange", Output("arranged", "data"), Input("grid", "columnDefs"))
    local(
        "ofCurves", Output("view-of-curves", "data"), Input("view", "data"), State("view-of-curves", "data")
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
    for name in ("pin", "close"):
        local(
            name,
            Output(
                "pins" if name == "pin" else "tags",
                "data" if name == "pin" else "value",
                allow_duplicate=True,
            ),
            Input({"type": name, "tag": ALL}, "n_clicks"),
            State("pins", "data"),
            State({"type": "card", "tag": ALL}, "id"),
            prevent_initial_call=True,
        )
    local(
        "hide",
        Output("hidden", "data"),
        Input({"type": "series", "label": ALL}, "n_clicks"),
        State("hidden", "data"),
        prevent_initial_call=True,
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


# --- the address -------------------------------------------------------------------------------------------


def _restore(app: Dash, board: Board) -> None:
    @app.callback(
        *(Output(name, "value") for name in CONTROLS),
        Output("zoom", "data", allow_duplicate=True),
        Output("hidden", "data", allow_duplicate=True),
        Output("pins", "data", allow_duplicate=True),
        Output("grid", "selectedRows"),
        Output("problem-of-address", "children"),
        Output("restored", "data"),
        Output("step", "options", allow_duplicate=True),
        *(Output(name, "options", allow_duplicate=True) for name in _LISTS),
        Input("url", "search"),
        prevent_initial_call="initial_duplicate",
    )
    def restore(search: str | None) -> tuple[Any, ...]:
        problem = ""
        try:
            found = _resolved(view.from_query(search or ""), board)
        except ViewError as error:
            problem, found = f"{error}. Shown is what is usual.", View()
        board.prepare(found)
        values = _controls(found, board)
        zoom = _zooms(found)
        return (
            *(values[name] for name in CONTROLS),
            zoom,
            list(found.hidden),
            list(found.pins),
            {"ids": list(found.runs)},
            problem,
            True,
            [{"value": found.step, "label": found.step}] if found.step else [],
            *_options(board, found),
        )


def _resolved(found: View, board: Board) -> View:
    """With whole names of config keys: an address may have been typed."""
    members = board.look().runs.members

    def whole(keys: Sequence[str]) -> tuple[str, ...]:
        return series.resolved(keys, members)

    by = None if found.by is None else whole(found.by)
    return replace(found, by=by, split=whole(found.split), over=whole(found.over))


def _controls(found: View, board: Board) -> dict[str, Any]:
    """What the controls say where the view is `found`."""
    return {
        **{name: getattr(found, name) for name in ("tab", "lines", "x", "smooth", "stat")},
        "tags": list(board.shown(found) if found.tags is None else found.tags),
        **{name: getattr(found, name) or None for name in ("spark", "run", "step")},
        "band": found.band or "",
        "by": [] if found.by is None else list(found.by) or [""],
        "split": list(found.split),
        "over": list(found.over),
        "flags": [
            name
            for name, is_on in (
                ("logx", found.xscale == "log"),
                ("logy", found.yscale == "log"),
                ("inliers", not found.outliers),
            )
            if is_on
        ],
        "where": shlex.join(found.where),
    }


def _zooms(found: View) -> dict[str, str]:
    texts = view.said(found).get("zoom", [])
    return dict(zip(found.zoom, texts, strict=True))


# --- live --------------------------------------------------------------------------------------------------


def _live(app: Dash, board: Board) -> None:
    @app.callback(
        Output("look", "data"),
        Output("states", "children"),
        Input("tick", "n_intervals"),
        State("look", "data"),
    )
    def tick(_: int | None, before: dict[str, int] | None) -> tuple[Any, Any]:
        look = board.look()
        problems = len(look.runs.problems)  # what could not be read is met when it is asked for
        now = {"version": look.version, "frames": look.frames, "problems": problems}
        return (no_update, no_update) if now == before else (now, _states(look))


def _states(look: Look) -> list[Any]:
    """The sweep in one line: how many runs are in which state, how far it is."""
    found = progress(look.runs)
    parts: list[Any] = [html.Span(words.count(sum(found.counts.values()), "run"), className="total")]
    for state, n in found.counts.items():
        name = "unknown" if state is None else str(state)
        parts.append(html.Span([html.I(className=f"dot {name}"), f"{n} {name.lower()}"], className="state"))
    if 0 < found.total != found.ended:
        parts.append(html.Progress(value=str(found.ended), max=str(found.total)))
        left = "" if found.left_s is None else f", about {words.duration(found.left_s, tenths=False)} left"
        parts.append(html.Span(f"{found.ended} of {found.total} ended{left}"))
    if look.problem is not None:
        parts.append(html.Span(f"cannot look again: {look.problem}", className="problem"))
    if look.runs.problems:
        lines = [str(problem) for problem in look.runs.problems]
        parts.append(
            html.Details(
                [
                    html.Summary(words.count(len(lines), "problem")),
                    html.Ul([html.Li(line) for line in lines[:50]]),
                ],
                className="problems",
            )
        )
    return parts


# --- lists of what can be chosen ---------------------------------------------------------------------------


def _lists(app: Dash, board: Board) -> None:
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
        *(Output(name, "options") for name in _LISTS),
        Input("look", "data"),
        Input("view-of-curves", "data"),
        *(State(name, "options") for name in _LISTS),
        prevent_initial_call=True,
    )
    def names(_: Any, said: dict[str, Any] | None, *before: Any) -> tuple[Any, ...]:
        try:
            now = _options(board, view.parse(said or {}))
        except ExptoolsError as error:
            raise PreventUpdate from error  # it is said above the cards
        return tuple(no_update if new == old else new for new, old in zip(now, before, strict=True))


def _options(board: Board, shown: View) -> tuple[list[dict[str, str]], ...]:
    """What can be chosen in the lists of _LISTS: what differs, and what was chosen already."""
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


# --- curves ------------------------------------------------------------------------------------------------


def _curves(app: Dash, board: Board) -> None:
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
        note = "" if len(runs) else "No run is like this; change the conditions."
        children = _changed([card["tag"] for card in there], tags, asked, board, zoom)
        return children, _legend(labels, board.label_keys(asked), asked, theme), "", note

    @app.callback(
        Output({"type": "card", "tag": MATCH}, "figure"),
        Output({"type": "card", "tag": MATCH}, "style"),
        Output({"type": "note", "tag": MATCH}, "children"),
        Output({"type": "pin", "tag": MATCH}, "aria-pressed"),
        Input({"type": "ask", "tag": MATCH}, "data"),
        State({"type": "card", "tag": MATCH}, "id"),
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
    there: Sequence[str], tags: Sequence[str], asked: View, board: Board, zoom: Mapping[str, str]
) -> Any:
    """The cards of `tags`; those that are there already, in this order, stay as they are."""
    if there == tags and tags:
        return no_update
    if not tags or not there:
        return [_card(tag, zoom.get(tag)) for tag in tags] or html.P(_no_cards(board), className="empty")
    kept = _in_both(there, tags)
    changes = Patch()
    for i in reversed(range(len(there))):
        if there[i] not in kept:
            del changes[i]
    for i, tag in enumerate(tags):
        if tag not in kept:
            changes.insert(i, _card(tag, zoom.get(tag)))
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


def _card(tag: str, zoom: str | None) -> html.Div:
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
                figure=_nothing("light"),
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
    text = f"{words.count(len(every), 'line')} of {found.frames:,} frames"
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


# --- the table ---------------------------------------------------------------------------------------------


def _table(app: Dash, board: Board) -> None:
    @app.callback(
        Output("grid", "columnDefs"),
        Output("grid", "rowData"),
        Output("selected", "children"),
        Output("grid", "style"),
        Output("unselect", "hidden"),
        Input("view-of-curves", "data"),
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
        every = words.count(len(found.rows), "run")
        text = f"{len(asked.runs)} of {every} selected" if asked.runs else every
        if left_out:
            text += f"; last values of scalars that have a card ({left_out} others have none)"
        hidden = ", ".join(found.hidden)
        title = f"; not shown, as it only says which run it is: {hidden}" if hidden else ""
        made = rows.rows(found, colors, small)
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


# --- export ------------------------------------------------------------------------------------------------


def _export(app: Dash, board: Board, given: list[str]) -> None:
    @app.callback(Output("command", "children"), Input("view", "data"), prevent_initial_call=True)
    def command(said: dict[str, Any] | None) -> str:
        try:
            return downloads.command(board, view.parse(said or {}), given)
        except ExptoolsError as error:
            return str(error)
