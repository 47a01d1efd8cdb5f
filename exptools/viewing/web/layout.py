"""The parts of the page, before anything is known of the runs."""

from __future__ import annotations

from typing import Any

import dash_ag_grid as dag  # type: ignore[import-untyped]
from dash import dcc, html

from exptools.viewing.statistics.reductions import NAMES as STATS
from exptools.viewing.web.rows import HEAD_PX, ROW_PX
from exptools.viewing.web.view import TABS

TICK_MS = 1000  # between two questions whether anything is new

_TAB_NAMES = {"parallel": "parallel coordinates", "log": "log and error", "media": "images"}
_BANDS = {"": "as usual", "none": "none", "sd": "1 sd", "se": "standard error", "t95": "95 % t interval"}
_BANDS |= {"ci95": "95 % bootstrap", "p25-75": "quartiles", "minmax": "min to max"}
_LINES = {"mean": "mean", "median": "median", "iqm": "IQM", "runs": "single runs"}
X = {"step": "step", "relative": "time", "wall_time": "wall time"}

# The controls, in the order in which app.js takes their values.
CONTROLS = (
    *(
        "tab",
        "tags",
        "lines",
        "band",
        "by",
        "split",
        "x",
        "smooth",
        "flags",
        "stat",
        "over",
        "where",
        "spark",
    ),
    *("run", "step"),
)


def aria(**names: str) -> Any:
    """Attributes for those who hear the page."""
    return {f"aria-{name}": text for name, text in names.items()}


def layout(title: str) -> html.Div:
    """The whole page. title: what is looked at."""
    return html.Div(
        id="page",
        children=[
            dcc.Location(id="url", refresh=False),
            dcc.Interval(id="tick", interval=TICK_MS),
            dcc.Store(id="restored"),
            dcc.Store(id="arranged"),
            dcc.Store(id="view"),
            dcc.Store(id="view-of-curves"),
            dcc.Store(id="view-of-names"),
            dcc.Store(id="view-of-table"),
            dcc.Store(id="view-of-command"),
            dcc.Store(id="ask-of-other"),
            dcc.Store(id="digest-of-other"),
            dcc.Store(id="is-exporting", data=False),
            dcc.Store(id="look"),
            dcc.Store(id="zoom", data={}),
            dcc.Store(id="hidden", data=[]),
            dcc.Store(id="pins", data=[]),
            dcc.Store(id="theme", data="light"),
            _head(title),
            html.Div(className="body", children=[_side(), _main()]),
            _help(),
            html.Div(id="first", hidden=True),
        ],
    )


def _head(title: str) -> html.Header:
    return html.Header(
        [
            html.H1(title, title=title),
            html.Div(id="states", className="states", role="status"),
            html.Div(
                className="actions",
                children=[
                    _export(),
                    html.Button("◐", id="dark", title="light or dark (d)", **aria(label="light or dark")),
                    html.Button("?", id="ask", title="keys (?)", **aria(label="help")),
                ],
            ),
        ]
    )


def _export() -> html.Details:
    links = [("csv", "CSV, every frame"), ("pdf", "Figure as PDF"), ("svg", "Figure as SVG")]
    links += [("png", "Figure as PNG"), ("html", "This view as one HTML file")]
    return html.Details(
        id="export",
        children=[
            html.Summary("Export"),
            html.Div(
                className="menu",
                children=[
                    *(
                        html.A(text, id=f"export-{name}", href=f"download/{name}", download="")
                        for name, text in links
                    ),
                    html.Div("The same on the command line:", className="faint"),
                    html.Pre(id="command", tabIndex=0),
                    dcc.Clipboard(target_id="command", title="copy the command", className="copy"),
                ],
            ),
        ],
    )


def _labelled(text: str, control: Any, **options: Any) -> html.Div:
    return html.Div(
        [html.Label(text, htmlFor=getattr(control, "id", None)), control], className="control", **options
    )


def _choice(name: str, options: dict[str, str], value: str) -> dcc.Dropdown:
    return dcc.Dropdown(
        id=name,
        options=_options(options),
        value=value,
        clearable=False,
        searchable=False,
    )


def _side() -> html.Aside:
    return html.Aside(
        id="side",
        children=[
            html.Div(
                className="control",
                children=[
                    html.Label("Scalars", htmlFor="search"),
                    dcc.Input(
                        id="search", type="search", placeholder="search, or a glob: test/*", debounce=False
                    ),
                    html.Div(
                        className="buttons",
                        children=[
                            html.Button(
                                "show these", id="add", title="a card for each that is listed (Enter)"
                            ),
                            html.Button("none", id="clear", title="take all cards away"),
                        ],
                    ),
                    dcc.Checklist(id="tags", options=[], value=[], className="tags"),
                    html.Div(id="tags-note", className="faint"),
                ],
            ),
            _labelled("Lines", _choice("lines", _LINES, "mean")),
            _labelled("Band", _choice("band", _BANDS, ""), id="band-control"),
            _labelled(
                "A series for each",
                dcc.Dropdown(id="by", multi=True, placeholder="setting (all but the seed)"),
            ),
            _labelled("A panel for each", dcc.Dropdown(id="split", multi=True, placeholder="one panel")),
            _labelled("Smoothing", _smoothing()),
            _labelled("x axis", dcc.Dropdown(id="x", options=_options(X), value="step", clearable=False)),
            dcc.Checklist(
                id="flags",
                className="flags",
                options=_options({"logx": "log x", "logy": "log y", "inliers": "ignore outliers"}),
                value=[],
            ),
            _labelled(
                "Only runs with",
                dcc.Input(id="where", type="text", placeholder="lr=1e-3 acc>0.9", debounce=True),
            ),
            html.Div(id="where-note", className="problem", role="alert"),
        ],
    )


def _smoothing() -> html.Div:
    return html.Div(
        className="smoothing",
        children=[
            dcc.Input(id="smooth", type="range", min=0, max=0.99, step=0.01, value=0),
            html.Output("0", id="smooth-text"),
        ],
    )


def _options(names: dict[str, str]) -> list[dict[str, str]]:
    return [{"value": value, "label": text} for value, text in names.items()]


def _main() -> html.Main:
    return html.Main(
        [
            html.Section(
                id="runs-part",
                children=[
                    html.Div(
                        className="bar",
                        children=[
                            html.H2("Runs"),
                            html.Span(id="selected", className="faint"),
                            html.Button("show all", id="unselect", title="select no run: curves of all"),
                            html.Span("small curve:", className="faint push"),
                            dcc.Dropdown(id="spark", placeholder="none", className="spark"),
                        ],
                    ),
                    grid(),
                ],
            ),
            dcc.RadioItems(
                id="tab",
                options=_options({t: _TAB_NAMES.get(t, t) for t in TABS}),
                value="curves",
                className="tabs",
            ),
            html.Div(id="problem-of-address", className="problem", role="alert"),
            html.Div(id="problem", className="problem", role="alert"),
            html.Section(
                id="curves-part", children=[html.Div(id="legend", className="legend"), html.Div(id="cards")]
            ),
            html.Section(id="other-part", children=[_other_controls(), html.Div(id="other")]),
        ]
    )


def _other_controls() -> html.Div:
    return html.Div(
        className="bar",
        children=[
            html.Div(
                _labelled("A run is its", _choice("stat", {s: s for s in STATS}, "final")), id="stat-part"
            ),
            html.Div(
                _labelled("over", dcc.Dropdown(id="over", multi=True, placeholder="what varies")),
                id="over-part",
            ),
            html.Div(
                _labelled("Run", dcc.Dropdown(id="run", placeholder="one that has some")),
                id="run-part",
            ),
            html.Div(
                id="step-part",
                className="bar",
                children=[
                    html.Button(
                        "◀", id="step-before", title="the step before", **aria(label="the step before")
                    ),
                    _labelled("Step", dcc.Dropdown(id="step", placeholder="the last")),
                    html.Button("▶", id="step-after", title="the next step", **aria(label="the next step")),
                ],
            ),
        ],
    )


def grid() -> dag.AgGrid:
    """The table of runs."""
    return dag.AgGrid(
        id="grid",
        columnDefs=[],
        rowData=[],
        getRowId="params.data.id",
        defaultColDef={"sortable": True, "resizable": True, "minWidth": 60},
        dashGridOptions={
            "rowSelection": {"mode": "multiRow", "selectAll": "filtered", "enableClickSelection": True},
            "suppressFieldDotNotation": True,
            "animateRows": False,
            "rowHeight": ROW_PX,
            "headerHeight": HEAD_PX,
            "tooltipShowDelay": 400,
            "theme": {"function": "exptoolsTheme(themeQuartz)"},
            "selectionColumnDef": {"pinned": "left", "width": 42},
        },
        style={"height": None},
        className="runs",
    )


KEYS = (
    ("/", "search scalars; Enter: a card for each that is listed"),
    ("1 to 8", "curves, bars, scatter, ..."),
    ("s", "smoothing: the arrows change it"),
    ("l", "log y on and off"),
    ("r", "single runs or the centre over runs"),
    ("t", "the table of runs"),
    ("d", "light or dark"),
    ("Esc", "leave a field, close this"),
    ("?", "this help"),
)


def _help() -> html.Div:
    return html.Div(
        id="help",
        hidden=True,
        role="dialog",
        **aria(label="help"),
        children=html.Div(
            className="sheet",
            children=[
                html.H2("Keys"),
                html.Table([html.Tr([html.Td(html.Kbd(key)), html.Td(text)]) for key, text in KEYS]),
                html.P(
                    "Drag in a card to zoom: frames that were not drawn appear. Double-click shows all. "
                    "Select rows of the table to see their curves alone; filter columns by their menu. "
                    "The address of the page holds all of what you see: reload it, keep it, send it."
                ),
                html.Button("close", id="close-help"),
            ],
        ),
    )
