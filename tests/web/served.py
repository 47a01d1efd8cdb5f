"""A small application, served as exptools-view serves its page: `served.py [--host H] [--port P]`."""

from __future__ import annotations

import argparse
import encodings.idna  # noqa: F401 - what another user could not read once he is it
import json
import logging
import os
import signal
import sys
import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import waitress.server  # noqa: F401

import exptools.viewing.exporters.table  # noqa: F401
from exptools.errors import ViewError
from exptools.viewing.web import serve

SEEN = "seen.txt"  # method and path of all that reached the application
CLOSED = "closed.txt"  # is written here when an answer of /slow, /stream or /forever is closed


class Closing:
    """An iterable that writes CLOSED when it is closed."""

    def __init__(self, parts: Iterator[bytes]) -> None:
        self._parts = parts

    def __iter__(self) -> Iterator[bytes]:
        return self._parts

    def close(self) -> None:
        Path(CLOSED).write_text("closed")


def stream() -> Iterator[bytes]:
    """The second part comes when the file `go` is there: who waits for it before has to have the first."""
    yield b"first"
    while not Path("go").exists():
        time.sleep(0.01)
    yield b"second"


def forever() -> Iterator[bytes]:
    while True:
        yield bytes(1 << 16)


def broken(after: int) -> Iterator[bytes]:
    for _ in range(after):
        yield b"part"
    raise OSError("the disk\n is gone")


def app(environ: dict[str, Any], start: Any) -> Iterable[bytes]:
    path = environ["PATH_INFO"]
    with open(SEEN, "a") as file:
        file.write(f"{environ['REQUEST_METHOD']} {path}\n")
    headers = [("Content-Type", "text/html"), ("Server", "Toy/1.2.3"), ("X-Frame-Options", "ALLOWALL")]
    if path == "/raises":
        raise ValueError(f"not \x1b[31m today, {environ['QUERY_STRING']}")
    if path == "/leaves":
        sys.exit(3)
    if path == "/policy":
        headers.append(("content-security-policy", "default-src 'none'"))
    start("200 OK", headers)
    if path == "/slow":
        time.sleep(60)
    if path == "/pool":
        with ThreadPoolExecutor(1) as pool:
            pool.submit(time.sleep, 60)
    if path == "/stream":
        return Closing(stream())
    if path == "/forever":
        return Closing(forever())
    if path == "/broken":
        return broken(0)
    if path == "/cut":
        return broken(2)
    if path == "/file":
        return environ["wsgi.file_wrapper"](open(__file__, "rb"))  # type: ignore[no-any-return]
    if path == "/page":
        return [PAGE]
    body = environ["wsgi.input"].read().decode()
    said = {"method": environ["REQUEST_METHOD"], "path": path, "query": environ["QUERY_STRING"], "body": body}
    return [json.dumps(said).encode()]


PAGE = b"""<!doctype html><title>page</title><script>
fetch("/posted", {method: "POST", body: "of the page"}).then(r => r.text()).then(t => document.title = t)
</script>"""
POLICY = "default-src 'self' 'unsafe-inline'"


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--host")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--uid", type=int)
    parser.add_argument("--in-order", action="store_true", help="end as exptools-view does")
    parser.add_argument("--unguarded", action="store_true", help="to see what an attack would do")
    parser.add_argument("--ignore", type=int, help="a signal to ignore")
    given = parser.parse_args()
    if given.unguarded:
        serve.guarded = lambda app, guard: app  # type: ignore[attr-defined]
    logging.basicConfig(level=logging.DEBUG, filename="root.log")
    if given.uid is not None:
        os.setuid(given.uid)
    if given.ignore is not None:
        signal.signal(given.ignore, signal.SIG_IGN)

    def made(address: str) -> Any:
        print(f"made for {address}", flush=True)
        return app

    def run() -> int:
        say = lambda line: print(line, flush=True)  # noqa: E731
        return serve.serve(made, host=given.host, port=given.port, say=say, policy=POLICY)

    try:
        if given.in_order:
            from exptools.viewing.cli import _terminated_in_order

            with _terminated_in_order():
                return run()
        return run()
    except ViewError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2


if __name__ == "__main__":
    sys.exit(main())
