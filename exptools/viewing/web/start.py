"""The page of some runs, served: what --web does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from exptools.viewing.web.serve import DEFAULT_PORT, check_installed, serve

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

    from exptools.viewing.api import Runs
    from exptools.viewing.held import Held

__all__ = ["DEFAULT_PORT", "start"]


def start(
    load: Callable[[Held], Runs],
    *,
    title: str,
    given: Sequence[str],
    tags: Sequence[str],
    host: str | None,
    port: int,
    say: Callable[[str], None],
) -> int:
    """Serve the page of what `load` looks at, until Ctrl-C; the exit code.

    given: the paths and the choice of runs, as words of a command line. tags: of the first cards; none for
    the first few scalars.

    Raises:
        ViewError: packages are missing, there are no runs, or it cannot listen there.
    """
    check_installed()
    from exptools.viewing.held import Held
    from exptools.viewing.web.board import HELD, Board
    from exptools.viewing.web.view import View, to_query

    held = Held(HELD)
    board = Board(lambda: load(held))
    board.warm()

    def made(address: str) -> WSGIApplication:
        from exptools.viewing.web import app

        return app.make(board, title, given).server  # type: ignore[no-any-return]

    query = to_query(View(tags=tuple(tags) or None))
    return serve(made, host=host, port=port, say=say, query=query)
