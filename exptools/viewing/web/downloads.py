"""What is shown, as files: CSV, a figure, one HTML page; and the command that makes the same."""

from __future__ import annotations

import os
import re
import shlex
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from exptools.errors import ExptoolsError, ViewError
from exptools.viewing import compare
from exptools.viewing.web import lines, view
from exptools.viewing.web.over import with_over

if TYPE_CHECKING:
    from dash import Dash
    from flask import Response

    from exptools.viewing.api import Runs
    from exptools.viewing.figures.spec import Spec
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.view import View

FIGURES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
_MOST_OF_NAME = 100  # characters of a file's name
_CHUNK = 2**16
_DRAWING = threading.Lock()  # matplotlib draws one figure at a time


def register(app: Dash, board: Board, title: str, given: list[str]) -> None:
    """Answer /download/NAME?VIEW for these names: csv, html, and those of FIGURES; and with the command.

    given: the paths and the choice of runs on this command line.
    """
    from dash import Input, Output
    from flask import Response, request

    @app.server.get("/download/<name>")  # type: ignore[untyped-decorator]
    def download(name: str) -> Response:
        try:
            asked = view.parse(dict(request.args.lists()))
            return _made(name, board, asked, title)
        except ExptoolsError as error:
            return Response(f"{error}\n", 400, mimetype="text/plain")

    @app.callback(Output("command", "children"), Input("view-of-command", "data"), prevent_initial_call=True)
    def told(said: dict[str, Any] | None) -> str:
        try:
            return command(board, view.parse(said or {}), given)
        except ExptoolsError as error:
            return str(error)


def _made(name: str, board: Board, asked: View, title: str) -> Response:
    from flask import Response

    if name not in ("csv", "html", *FIGURES):
        raise ViewError(f"there is no download {name!r}; there are csv, html, {', '.join(FIGURES)}")
    runs, tags = _shown(board, asked)
    if name == "csv":
        made: Any = Response(_piped(lambda stream: _csv(stream, runs, tags)), mimetype="text/csv")
    elif name == "html":
        made = Response(
            _file(".html", lambda path: _page(path, runs, asked, tags, title)), mimetype="text/html"
        )
    else:
        wanted = spec(runs, asked, tags)
        made = Response(
            _file(f".{name}", lambda path: _figure(path, runs, wanted)),
            mimetype=FIGURES[name],
        )
    stem = re.sub(r"[^\w.-]+", "-", Path(title).name, flags=re.ASCII)[:_MOST_OF_NAME].strip("-.") or "runs"
    made.headers["Content-Disposition"] = f'attachment; filename="{stem}.{name}"'
    return made  # type: ignore[no-any-return]


def _shown(board: Board, asked: View) -> tuple[Runs, list[str]]:
    """The runs and tags that are shown.

    Raises:
        ViewError: there are none.
    """
    runs, tags = shown_runs(board, asked), board.shown(asked)
    if not tags:
        raise ViewError("no scalar is shown; choose at least one on the page")
    if not len(runs):
        raise ViewError("no run is shown; change the conditions, the selection or what is hidden on the page")
    return runs, tags


def shown_runs(board: Board, asked: View) -> Runs:
    """The runs whose series are drawn; series are hidden among curves alone."""
    runs = board.runs(asked)
    if not asked.hidden or asked.tab in view.PLOTS:
        return runs
    hidden = {name for label, names in board.labels(asked).items() if label in asked.hidden for name in names}
    return runs.only([run.name for run in runs if run.name not in hidden])


def spec(runs: Runs, asked: View, tags: list[str]) -> Spec:
    """The figure of what is shown: of single runs a series for each.

    Raises:
        ViewError: a value that a figure does not allow; single runs whose configs do not tell them apart.
    """
    kind = asked.tab if asked.tab in view.PLOTS else "curves"
    made = with_over(runs, asked).spec(_exactly(tags), kind)
    if kind == "curves" and asked.has_runs:
        made = made.replaced(by=_one_by_one(runs))
    if kind == "curves" and len(tags) == 1 and tags[0] in asked.zoom:
        zoom = asked.zoom[tags[0]]
        made = made.replaced(xlim=zoom.x, ylim=zoom.y)
    return made


def _one_by_one(runs: Runs) -> tuple[str, ...] | None:
    """The keys by which each run is a series; None for by settings, where nothing is known of configs."""
    differing = tuple(runs.differing())
    for by in (differing, None):
        series = lines.labels(runs, view.View(by=by))
        if all(len(names) == 1 for names in series.values()):
            return by
    alike = next(names for names in lines.labels(runs, view.View(by=differing)).values() if len(names) > 1)
    raise ViewError(
        f"no figure shows runs one by one whose configs are alike, as those of {compare.listed(alike)} are; "
        "choose the mean or median, or select other runs"
    )


def command(board: Board, asked: View, given: list[str]) -> str:
    """The command that draws the same. given: the paths and the choice of runs on this command line.

    Raises:
        ViewError: nothing is shown, or what no figure shows.
    """
    runs, tags = _shown(board, asked)
    words = [f"--where={condition}" for condition in asked.where]
    # The best of those that meet the conditions are not those of the best that meet them.
    is_of_best = bool(words) and any(word.startswith("--best=") for word in given)
    if len(runs) < len(board.runs(view.View(where=asked.where))) or is_of_best:
        words = ["--where=run=" + ",".join(_typed(run.name) for run in runs)]
    wanted = options(spec(runs, asked, tags), tags)
    return " ".join(map(_quoted, ["exptools-view", *given, *words, *wanted]))


def _typed(name: str) -> str:
    """The name of a run in a condition."""
    is_plain = name == name.strip() and name[:1] != "=" and not set(name) & set("[]{},'\"\\")
    return name if is_plain else "'" + re.sub(r"(['\\])", r"\\\1", name) + "'"


def _quoted(word: str) -> str:
    """A word for a shell; bytes of a file name that are not UTF-8 as bash, zsh and ksh write them."""
    try:
        word.encode()
    except UnicodeEncodeError:
        return "$'" + "".join(f"\\x{byte:02x}" for byte in os.fsencode(word)) + "'"
    return shlex.quote(word)


def options(wanted: Spec, tags: list[str]) -> list[str]:
    """The options of the command line that ask for `wanted`."""
    from exptools.viewing.figures.spec import Spec

    usual = Spec()
    words = [f"--plot={tag}" for tag in _exactly(tags)]
    for name in (
        "kind",
        "x",
        "over",
        "by",
        "split",
        "smooth",
        "center",
        "band",
        "stat",
        "xscale",
        "yscale",
        "xlim",
        "ylim",
    ):
        value = getattr(wanted, name)
        if value != getattr(usual, name):
            words.append(f"--{name}={_text(name, value)}")
    return words


def _text(name: str, value: Any) -> str:
    if name in ("xlim", "ylim"):
        return ":".join("" if end is None else repr(end) for end in value)
    return ",".join(value) if isinstance(value, tuple) else str(value)


def _exactly(tags: list[str]) -> list[str]:
    return [compare.exactly(tag) for tag in tags]


def _csv(stream: BinaryIO, runs: Runs, tags: list[str]) -> None:
    from exptools.viewing.exporters import csv

    csv.write(stream, runs, _exactly(tags))


def _page(path: Path, runs: Runs, asked: View, tags: list[str], title: str) -> None:
    """The page of what is shown; its controls say what those here do, as far as it has them."""
    begins_as = {
        "lines": "runs" if asked.has_runs else "means",
        "x": "step" if asked.x not in ("relative", "wall_time") else "hours",
        "smoothing": asked.smooth,
        "log": asked.yscale == "log",
        "tags": tags,
    }
    runs.to_html(path, _exactly(tags), title=title, begins_as=begins_as)


def _figure(path: Path, runs: Runs, wanted: Spec) -> None:
    with _DRAWING, warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the page has its notes
        runs.plot(file=path, beside=False, spec=wanted)


def _file(suffix: str, make: Callable[[Path], object]) -> bytes:
    """What `make` writes into a file."""
    with tempfile.TemporaryDirectory(prefix="exptools-") as scratch:
        path = Path(scratch, f"view{suffix}")
        make(path)
        return path.read_bytes()


def _piped(write: Callable[[BinaryIO], None]) -> Iterator[bytes]:
    """What `write` writes, while it writes; if it fails the answer breaks off."""
    source, sink = os.pipe()  # nothing is open before somebody asks for the first part
    failed: list[BaseException] = []

    def work() -> None:
        try:
            with open(sink, "wb") as stream:
                write(stream)
        except BrokenPipeError:  # nobody wants it any more
            pass
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work, name="exptools-download", daemon=True)
    thread.start()
    with open(source, "rb", buffering=0) as stream:
        while part := stream.read(_CHUNK):
            yield part
    thread.join()
    if failed:
        raise failed[0]
