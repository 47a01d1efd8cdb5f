"""How the sweep is, at the top of the page; and whether anything is new."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from dash import Dash, Input, Output, State, html, no_update

from exptools import words
from exptools.viewing.web.progress import progress

if TYPE_CHECKING:
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.live import Look


def register(app: Dash, board: Board) -> None:
    """Answer, every second, whether anything is new."""

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
