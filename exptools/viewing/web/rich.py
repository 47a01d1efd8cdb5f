"""Images by step and histograms over steps of single runs."""

from __future__ import annotations

import urllib.parse
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from dash import html

from exptools import words
from exptools.errors import ExptoolsError, ViewError
from exptools.viewing import media
from exptools.viewing.runs import natural
from exptools.viewing.web.figure import axis_look, inert, theme

if TYPE_CHECKING:
    from flask import Flask, Response
    from numpy.typing import NDArray

    from exptools.viewing.api import Run
    from exptools.viewing.media import Entry
    from exptools.viewing.web.board import Board

MOST_RUNS: Final = 6  # beside each other
MOST_STEPS: Final = 200  # of a histogram: more than a screen can tell apart
_BINS: Final = 80
_HEIGHT: Final = 300


def register(server: Flask, board: Board) -> None:
    """Answer /media?run=RUN&n=N&at=OFFSET&when=TIME&which=K: the K-th content of the N-th entry of a run."""
    from flask import Response, request

    @server.get("/media")
    def content() -> Response:
        try:
            data, mime = _content(board, request.args)
        except (ExptoolsError, ValueError) as error:
            return Response(f"{error}\n", 404, mimetype="text/plain")
        kind = mime if mime.startswith(("image/", "video/", "audio/")) else "application/octet-stream"
        made = Response(data, mimetype=kind)
        made.headers["Cache-Control"] = "private, max-age=3600"  # its address says which bytes these are
        return made


def _content(board: Board, asked: Mapping[str, str]) -> tuple[bytes, str]:
    run = board.look().runs[asked.get("run", "")]
    n, at, which = (int(asked.get(name, "-1")) for name in ("n", "at", "which"))
    entries = board.media(run).entries
    is_there = 0 <= n < len(entries) and entries[n].source.offset == at
    if not is_there or repr(entries[n].wall_time) != asked.get("when"):
        raise ViewError(f"run {run.name} has no such image any more; look again")
    return media.content(entries[n], which)


# --- images ------------------------------------------------------------------------------------------------


def has(board: Board, run: Run, tab: str) -> bool:
    """Whether a run has what is shown there: images (media) or histograms."""
    if tab == "media":
        return bool(_images(board, run))
    return any(entry.kind == "histogram" for entry in board.media(run).entries)


def steps(board: Board, runs: Sequence[Run]) -> list[int]:
    """The steps at which one of `runs` has an image."""
    return sorted({entry.step for run in runs for _, entry in _images(board, run)})


def images(board: Board, runs: Sequence[Run], step: int | None) -> Any:
    """The images of each tag at `step`, or at the last one before it; None: the last."""
    by_tag: dict[str, list[tuple[Run, int, Entry]]] = {}
    for run in runs:
        for n, entry in _images(board, run):
            by_tag.setdefault(entry.tag, []).append((run, n, entry))
    if not by_tag:
        return _none(runs, "images")
    parts: list[Any] = []
    for tag in sorted(by_tag, key=natural):
        shown = [figure for run in runs for figure in _figures(run, by_tag[tag], step)]
        parts.append(html.Div([html.H3(tag), html.Div(shown, className="media")], className="tag"))
    return [*parts, *_problems(board, runs)]


def _images(board: Board, run: Run) -> list[tuple[int, Entry]]:
    return [
        (n, entry)
        for n, entry in enumerate(board.media(run).entries)
        if entry.kind in ("image", "images", "gif", "figure", "image_with_boxes", "video")
        and entry.n_contents
    ]


def _figures(run: Run, found: Sequence[tuple[Run, int, Entry]], step: int | None) -> list[html.Figure]:
    mine = [(n, e) for of, n, e in found if of is run and (step is None or e.step <= step)]
    if not mine:
        return []
    last = max(entry.step for _, entry in mine)
    n, entry = [one for one in mine if one[1].step == last][-1]
    return [_figure(run, n, entry, which) for which in range(entry.n_contents)]


def _figure(run: Run, n: int, entry: Entry, which: int) -> html.Figure:
    # When: what a run with this name logged first before it was begun anew has the same place.
    asked = {
        "run": run.name,
        "n": n,
        "at": entry.source.offset,
        "when": repr(entry.wall_time),
        "which": which,
    }
    address = f"media?{urllib.parse.urlencode(asked)}"
    text = f"run {run.name}, step {entry.step:,}"
    width = entry.facts.get("width")
    is_small = isinstance(width, int) and width <= 128
    if entry.kind == "video":
        shown: Any = html.Video(src=address, controls=True, loop=True)
    else:
        shown = html.Img(src=address, alt=f"{entry.tag}, {text}", className="pixels" if is_small else "")
    return html.Figure([shown, html.Figcaption(text)], key=address)


# --- histograms --------------------------------------------------------------------------------------------


def histograms(board: Board, runs: Sequence[Run], *, dark: bool) -> list[tuple[str, dict[str, Any]]]:
    """Of each run and tag a figure: over steps, how the values are spread."""
    made = []
    for run in runs:
        by_tag: dict[str, list[Entry]] = {}
        for entry in board.media(run).entries:
            if entry.kind == "histogram":
                by_tag.setdefault(entry.tag, []).append(entry)
        for tag in sorted(by_tag, key=natural):
            title = tag if len(runs) == 1 else f"{tag}, run {run.name}"
            made.append((title, _over_steps(by_tag[tag], dark=dark)))
    return made


def _over_steps(entries: Sequence[Entry], *, dark: bool) -> dict[str, Any]:
    by_step = {entry.step: entry for entry in entries}  # of several at one step the last
    order = sorted(by_step)
    kept = order if len(order) <= MOST_STEPS else [order[i] for i in _spread(len(order))]
    found = [media.histogram(by_step[step]) for step in kept]
    edges, shares = spread(found)
    look = axis_look(dark=dark)
    x_name = "step" if len(kept) == len(order) else f"step ({len(kept)} of {len(order):,} are drawn)"
    trace = {
        "type": "heatmap",
        "x": kept,
        "y": ((edges[:-1] + edges[1:]) / 2).tolist(),
        "z": [[None if share == 0 else float(share) for share in row] for row in shares.T],
        "colorscale": "Viridis" if dark else "Blues",
        "showscale": False,
        "hovertemplate": "step %{x}<br>near %{y:.4g}: %{z:.2%}<extra></extra>",
    }
    layout = {
        **theme(dark=dark),
        "height": _HEIGHT,
        "uirevision": "kept",
        "xaxis": {**look, "title": {"text": inert(x_name)}},
        "yaxis": look,
    }
    return {"data": [trace], "layout": layout}


def _spread(n: int) -> list[int]:
    return np.unique(np.linspace(0, n - 1, MOST_STEPS).astype(int)).tolist()  # type: ignore[no-any-return]


def spread(
    found: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Several histograms in common bins.

    found: of each its edges (k + 1) and counts (k). Returns common edges (m + 1), and per histogram the share
    of its numbers in each bin (histograms, m). What is in a bin is taken to be spread evenly over it; a bin
    without width is where it is.
    """
    full = [edges[np.flatnonzero(counts)[[0, -1]] + [0, 1]] for edges, counts in found if counts.any()]
    low = min((ends[0] for ends in full), default=0.0)
    high = max((ends[1] for ends in full), default=1.0)
    if not low < high:
        low, high = low - 0.5, high + 0.5
    common = np.linspace(low, high, _BINS + 1)
    shares = np.zeros((len(found), _BINS))
    for i, (edges, counts) in enumerate(found):
        total = counts.sum()
        if total > 0:
            shares[i] = _shares(edges, counts, common) / total
    return common, shares


def _shares(
    edges: NDArray[np.float64], counts: NDArray[np.float64], common: NDArray[np.float64]
) -> NDArray[np.float64]:
    width = np.diff(edges)
    points = counts[width == 0]
    made = np.histogram(edges[:-1][width == 0], common, weights=points)[0] if points.size else 0.0
    below = np.concatenate([[0.0], np.cumsum(np.where(width > 0, counts, 0.0))])
    found: NDArray[np.float64] = np.diff(np.interp(common, edges, below)) + made
    return found


# --- what cannot be shown --------------------------------------------------------------------------------


def _problems(board: Board, runs: Sequence[Run]) -> list[Any]:
    lines = [str(problem) for run in runs for problem in board.media(run).problems]
    return [html.Ul([html.Li(line) for line in lines[:20]], className="problem")] if lines else []


def _none(runs: Sequence[Run], what: str) -> html.P:
    names = ", ".join(run.name for run in runs)
    subject = f"run {names} has" if len(runs) == 1 else f"the {words.count(len(runs), 'run')} {names} have"
    return html.P(f"{subject[0].upper()}{subject[1:]} logged no {what}.", className="empty")


def no_histograms(runs: Sequence[Run]) -> html.P:
    """Says so."""
    return _none(runs, "histograms")
