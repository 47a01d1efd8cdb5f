"""A WSGI application, served to a browser until Ctrl-C."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import logging
import os
import secrets
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from exptools.errors import ViewError
from exptools.signals import catching
from exptools.viewing.options import PROGRAM
from exptools.viewing.web.guard import POLICY, TOKEN, Guard, guarded
from exptools.viewing.web.listening import DEFAULT_PORT, Listening, listen

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

__all__ = ["DEFAULT_PORT", "check_installed", "serve"]

_NEEDED = ("dash", "dash_ag_grid", "waitress")
_THREADS = 8
_LARGEST_BODY = 32 << 20  # bytes; a request's body is kept on the disk before anybody asks who sent it
_PATIENCE_S = 0.3  # for requests that are being answered at the end
_TURN_S = 1e-4
_NEW_OBJECTS = 50_000  # before it is looked which of them are garbage


def check_installed() -> None:
    """Whether what the web viewer needs is installed; nothing is imported.

    Raises:
        ViewError: it is not.
    """
    if any(importlib.util.find_spec(name) is None for name in _NEEDED):
        raise ViewError("--web needs more packages; install them: pip install 'exptools[web]'")


def serve(
    make_app: Callable[[str], WSGIApplication],
    *,
    host: str | None,
    port: int,
    say: Callable[[str], None],
    query: str = "",
    policy: str = POLICY,
) -> int:
    """Serve what `make_app` makes until a signal ends it; the exit code: 0 after Ctrl-C.

    make_app: is given the address, http://HOST:PORT/, without the token: that is for the user alone.
    host: None for this user on this machine; else a name or an address, and a token that is in what is said.
    port: 0 for any; if it is in use one of the next ones.
    say: gets the lines for the user: the address, when the server answers.
    query: of the address that is said.
    policy: the Content-Security-Policy of answers that set none themselves.

    SIGTERM and SIGHUP stop the server, and then do what they would have done. If a request is still being
    answered, Ctrl-C ends the process here: it may use threads that Python would wait for.

    Raises:
        ViewError: packages are missing, or it cannot listen there.
    """
    check_installed()
    listening = listen(host, port, say)
    with contextlib.closing(listening.sock):
        token = None if host is None else secrets.token_urlsafe(24)
        app = guarded(make_app(listening.address), Guard(host, token, policy))
        lines = [_told(listening.address, token, query), *_from_elsewhere(listening, token)]
        end = _run(app, listening, lambda: say("\n".join(lines)))
    if end.signal != signal.SIGINT:
        signal.raise_signal(end.signal)
        return 128 + end.signal  # whoever called has a handler for it that lets us go on
    if not end.is_idle:
        _leave(0)
    return 0


def _told(address: str, token: str | None, query: str) -> str:
    parts = [query] if token is None else [f"{TOKEN}={token}", query]
    asked = "&".join(filter(None, parts))
    return f"{address}{'?' if asked else ''}{asked}  (Ctrl-C ends it)"


def _from_elsewhere(listening: Listening, token: str | None) -> list[str]:
    """How to get here, for who is on this machine by ssh."""
    if token is not None or not os.environ.get("SSH_CONNECTION"):
        return []
    port = listening.sock.getsockname()[1]
    tunnel = f"ssh -L {port}:127.0.0.1:{port} {socket.gethostname()}"
    return [f"from the machine that you sit at: {tunnel}, and open that address there"]


def _leave(code: int) -> NoReturn:
    """Without what Python does at the end: threads that others have started, it waits for."""
    for stream in (sys.stdout, sys.stderr):
        if stream is not None:
            with contextlib.suppress(OSError, ValueError):
                stream.flush()
    os._exit(code)


@dataclass(frozen=True)
class _End:
    signal: signal.Signals  # that came first
    is_idle: bool  # whether no request is being answered any more


def _run(app: WSGIApplication, listening: Listening, begun: Callable[[], None]) -> _End:
    """Answer requests until a signal comes. `begun` is called when it may come."""
    from waitress.server import create_server  # type: ignore[import-untyped]

    sockets: dict[int, Any] = {}
    server = create_server(
        app,
        map=sockets,
        sockets=[listening.sock],
        threads=_THREADS,
        ident=None,  # no header that tells who we are
        log_socket_errors=False,  # a browser that goes away is none
        max_request_body_size=_LARGEST_BODY,
    )
    noted: list[signal.Signals] = []

    def note(number: int) -> None:
        """An exception instead would be lost: the server's loop takes every one for that of a connection."""
        noted.append(signal.Signals(number))
        server.pull_trigger()

    with _own_log(), _quick_answers(), catching(note):
        try:
            begun()
            while not noted:
                # poll: select does not take files with high numbers.
                server.asyncore.loop(timeout=30, use_poll=True, map=sockets, count=1)
        finally:
            is_idle = _close(server, sockets)
    return _End(noted[0], is_idle)


def _close(server: Any, sockets: dict[int, Any]) -> bool:
    """Requests that are being answered have a moment more; then connections are closed.

    Whether all are answered. Threads that still work are daemons.
    """
    listening = server.socket
    server.del_channel()
    listening.close()
    server.task_dispatcher.shutdown(timeout=_PATIENCE_S)
    for channel in list(server.active_channels.values()):
        channel.handle_close()
    is_idle = not server.task_dispatcher.threads
    if is_idle:  # else one may still pull it
        server.trigger.close()
    sockets.clear()
    return is_idle


@contextlib.contextmanager
def _quick_answers() -> Iterator[None]:
    """Threads take turns after a tenth of a millisecond, and not five, and garbage is looked for less often.

    numpy lets go of Python's lock in each of its many short calls; who computes meanwhile would keep it for
    so long each time, and the card waits. What is known of a thousand runs is no garbage, and much to look
    through.
    """
    usual_s, usual = sys.getswitchinterval(), gc.get_threshold()
    sys.setswitchinterval(_TURN_S)
    gc.set_threshold(_NEW_OBJECTS, *usual[1:])
    try:
        yield
    finally:
        sys.setswitchinterval(usual_s)
        gc.set_threshold(*usual)


class _Lines(logging.Handler):
    """One line on stderr for each error of the server."""

    def emit(self, record: logging.LogRecord) -> None:
        from exptools.viewing.exporters.table import one_line

        error = record.exc_info[1] if record.exc_info else None
        more = "" if error is None else f": {type(error).__name__}: {error}"
        if sys.stderr is not None:
            with contextlib.suppress(OSError, ValueError):
                print(one_line(f"{PROGRAM}: error: {record.getMessage()}{more}"), file=sys.stderr)


@contextlib.contextmanager
def _own_log() -> Iterator[None]:
    """What waitress logs is for nobody, but errors; and those not when all is being closed."""
    logger = logging.getLogger("waitress")
    logger.propagate = False
    logger.handlers = [_Lines(logging.ERROR)]
    try:
        yield
    finally:
        logger.handlers = [logging.NullHandler()]  # and no propagation: threads may still work
