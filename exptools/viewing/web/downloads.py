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
from exptools.viewing.web import view

if TYPE_CHECKING:
    from flask import Flask, Response

    from exptools.viewing.api import Runs
    from exptools.viewing.figures.spec import Spec
    from exptools.viewing.web.board import Board
    from exptools.viewing.web.view import View

FIGURES = {"pdf": "application/pdf", "svg": "image/svg+xml", "png": "image/png"}
_PLOTS = ("bars", "scatter", "parallel")
_CHUNK = 2**16
_DRAWING = threading.Lock()  # matplotlib draws one figure at a time


def register(server: Flask, board: Board, title: str) -> None:
    """Answer /download/NAME?VIEW for these names: csv, html, and those of FIGURES."""
    from flask import Response, request

    @server.get("/download/<name>")
    def download(name: str) -> Response:
        try:
            asked = view.parse(dict(request.args.lists()))
            return _made(name, board, asked, title)
        except ExptoolsError as error:
            return Response(f"{error}\n", 400, mimetype="text/plain")


def _made(name: str, board: Board, asked: View, title: str) -> Response:
    from flask import Response

    runs, tags = shown_runs(board, asked), board.shown(asked)
    if not tags:
        raise ViewError("no scalar is chosen; choose at least one on the page")
    if name == "csv":
        made: Any = Response(_piped(lambda stream: _csv(stream, runs, tags)), mimetype="text/csv")
    elif name == "html":
        made = Response(
            _file(".html", lambda path: runs.to_html(path, _exactly(tags), title=title)), mimetype="text/html"
        )
    elif name in FIGURES:
        made = Response(
            _file(f".{name}", lambda path: _figure(path, runs, spec(board, asked, tags))),
            mimetype=FIGURES[name],
        )
    else:
        raise ViewError(f"there is no download {name!r}; there are csv, html, {', '.join(FIGURES)}")
    stem = re.sub(r"[^\w.-]+", "-", Path(title).name).strip("-.") or "runs"
    made.headers["Content-Disposition"] = (
        f'attachment; filename="{stem.encode("ascii", "replace").decode()}.{name}"'
    )
    return made  # type: ignore[no-any-return]


def shown_runs(board: Board, asked: View) -> Runs:
    """The runs whose series are drawn."""
    runs = board.runs(asked)
    if not asked.hidden:
        return runs
    hidden = {name for label, names in board.labels(asked).items() if label in asked.hidden for name in names}
    return runs.only([run.name for run in runs if run.name not in hidden])


def spec(board: Board, asked: View, tags: list[str]) -> Spec:
    """The figure of what is shown: of single runs a series for each."""
    kind = asked.tab if asked.tab in _PLOTS else "curves"
    made = asked.spec(_exactly(tags), kind)
    if kind == "curves" and asked.has_runs:
        made = made.replaced(by=tuple(board.runs(asked).differing()))
    if kind == "curves" and len(tags) == 1 and tags[0] in asked.zoom:
        zoom = asked.zoom[tags[0]]
        made = made.replaced(xlim=zoom.x, ylim=zoom.y)
    return made


def command(board: Board, asked: View, given: list[str]) -> str:
    """The command that draws the same. given: the paths and the choice of runs on this command line."""
    tags = board.shown(asked)
    runs = shown_runs(board, asked)
    words = [*given, *(f"--where={condition}" for condition in asked.where)]
    if asked.runs or asked.hidden:  # these by name: a path for each
        words = [min(str(run.path), os.path.relpath(run.path), key=len) for run in runs]
    return shlex.join(["exptools-view", *words, *options(spec(board, asked, tags), tags)])


def options(wanted: Spec, tags: list[str]) -> list[str]:
    """The options of the command line that ask for `wanted`."""
    from exptools.viewing.figures.spec import Spec

    usual = Spec()
    words = [word for tag in _exactly(tags) for word in ("--plot", tag)]
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
    """Patterns of these tags alone; as they are where that says it."""
    import glob

    return [tag if not glob.has_magic(tag) else glob.escape(tag) for tag in tags]


def _csv(stream: BinaryIO, runs: Runs, tags: list[str]) -> None:
    from exptools.viewing.exporters import csv

    csv.write(stream, runs, _exactly(tags))


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
    source, sink = os.pipe()
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

    def parts() -> Iterator[bytes]:
        thread.start()
        with open(source, "rb", buffering=0) as stream:
            while part := stream.read(_CHUNK):
                yield part
        thread.join()
        if failed:
            raise failed[0]

    return parts()
