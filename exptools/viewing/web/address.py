"""The address of the page: what its controls say when it is opened."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.figures import series
from exptools.viewing.web import view
from exptools.viewing.web.choices import LISTS, options
from exptools.viewing.web.layout import CONTROLS, X
from exptools.viewing.web.view import View

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board


def register(app: Dash, board: Board) -> None:
    """Answer when the page is opened."""

    @app.callback(
        *(Output(name, "value") for name in CONTROLS),
        Output("zoom", "data", allow_duplicate=True),
        Output("hidden", "data", allow_duplicate=True),
        Output("pins", "data", allow_duplicate=True),
        Output("grid", "selectedRows"),
        Output("problem-of-address", "children"),
        Output("restored", "data"),
        Output("step", "options", allow_duplicate=True),
        *(Output(name, "options", allow_duplicate=True) for name in LISTS),
        Input("url", "search"),
        prevent_initial_call="initial_duplicate",
    )
    def restore(search: str | None) -> tuple[Any, ...]:
        problem = ""
        try:
            found = _resolved(view.from_query(search or ""), board)
        except ViewError as error:
            problem, found = f"{error}. Shown is what is usual.", View()
        problem = problem or "; ".join(_lacking(found, board))
        board.prepare(found, board.shown(found))
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


def _lacking(found: View, board: Board) -> Iterator[str]:
    """What the view asks for that there is not, or not yet, a line each."""
    tags = board.tags()
    asked = [*(found.tags or ()), *found.pins, *([found.spark] if found.spark else [])]
    asked += [found.x] if found.x not in X else []
    yield from filter(None, (compare.unmatched("scalar", [tag], tags) for tag in dict.fromkeys(asked)))
    names = [run.name for run in board.look().runs]
    if found.run and found.run not in names:
        yield f"there is no run {found.run!r}"


def _options(board: Board, found: View) -> tuple[list[dict[str, str]], ...]:
    """What can be chosen; of all runs where a condition is wrong, which is said beside the conditions."""
    try:
        return options(board, found)
    except ViewError:
        return options(board, replace(found, where=()))


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
