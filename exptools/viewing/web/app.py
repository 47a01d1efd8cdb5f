"""The page as a Dash application: what answers when the browser asks."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from dash import Dash, set_props

from exptools.viewing.exporters.table import one_line
from exptools.viewing.options import PROGRAM
from exptools.viewing.web import address, browser, cards, choices, downloads, other, states, table
from exptools.viewing.web.layout import layout

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board

_HERE = Path(__file__).parent


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
    app.index_string = app.index_string.replace("<html>", '<html lang="en">')
    app.layout = layout(title)
    browser.register(app)
    for part in (address, states, choices, cards, table, other):
        part.register(app, board)
    downloads.register(app, board, title, list(given))
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
