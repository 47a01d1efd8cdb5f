"""Who may ask the web server: a WSGI middleware around any application.

A page of the web that runs in the user's browser can reach what listens on the user's machine. What it must
not do is read it or act on it:

- under a name of its own that its DNS has turned to this machine: the Host header has to be one of ours;
- as the other site that it is: what is no visit in a tab of its own is refused, by Sec-Fetch-* and Origin;
- in a frame, as a script or an image of its own: response headers forbid that to the browser.

Other machines need the token. Other users of this machine are told by peers.
"""

from __future__ import annotations

import contextlib
import hmac
import html
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote_plus

from exptools.viewing.options import PROGRAM
from exptools.viewing.web import hosts, peers

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

TOKEN = "token"  # the name of the query parameter
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
_METHODS = ("GET", "HEAD", "POST", "OPTIONS")
_HEADERS = (
    ("X-Content-Type-Options", "nosniff"),
    ("X-Frame-Options", "DENY"),
    ("Referrer-Policy", "no-referrer"),
    ("Cross-Origin-Resource-Policy", "same-origin"),
    ("Cross-Origin-Opener-Policy", "same-origin"),
)
_OURS = {name.lower() for name, _ in _HEADERS} | {"server"}
_PRINTED = f"open the address that {PROGRAM} printed on its terminal"
# A visit that another site began carries no cookie that is SameSite=Strict, and neither does where it is
# redirected to. What this page asks for does: it is of our own site.
_ONWARDS = """\
<!doctype html><title>exptools</title>
<meta http-equiv="refresh" content="0;url={0}"><a href="{0}">on</a>
"""


@dataclass(frozen=True)
class Guard:
    """Under which names the server is asked, and by whom.

    host: the name or address given by --host; None if the server listens on 127.0.0.1 only.
    token: what a browser has to know; None: whoever is this user on this machine may ask. A server with a
        token also answers under this machine's own names and any IP address.
    policy: the Content-Security-Policy of answers that set none themselves.
    """

    host: str | None = None
    token: str | None = field(default=None, repr=False)
    policy: str = POLICY


@dataclass(frozen=True)
class _Refusal:
    status: str
    reason: str  # one line, for whoever asked
    headers: tuple[tuple[str, str], ...] = ()


def guarded(app: WSGIApplication, guard: Guard) -> WSGIApplication:
    """`app`, asked only by those who may, with the headers of `_HEADERS` on each answer.

    An exception of `app` is answered with 500 and one line on wsgi.errors; of an answer that has begun the
    connection is closed. Forms that POST are refused, as a browser does not say which page they are of
    (Origin: null, by Referrer-Policy no-referrer): use fetch. The query parameter `token` is taken.
    A GET of `app` should change nothing: any site may open its addresses in a tab of their own.
    """

    def answer(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        start = _with_headers(start_response, guard.policy)
        for check in _CHECKS:
            if refusal := check(environ, guard):
                return _line(environ, start, refusal.status, refusal.reason, refusal.headers)
        if _asks_with_token(environ, guard):
            return _let_in(environ, start, guard)
        return _answered(app, environ, start, guard)

    return answer


# --- checks: each gives a reason to refuse, or None ------------------------------------------------------


def _target(environ: WSGIEnvironment, _: Guard) -> _Refusal | None:
    """A path, and no whole address: which host would hold then, that or the header's?"""
    target = environ.get("REQUEST_URI", "/")  # not every server tells it
    if target.startswith("/") and environ.get("PATH_INFO", "/").startswith("/"):
        return None
    return _Refusal("400 Bad Request", "ask for a path that begins with /")


def _host(environ: WSGIEnvironment, guard: Guard) -> _Refusal | None:
    text = environ.get("HTTP_HOST", "")
    if not text or "," in text:  # of two headers servers make one with a comma
        return _Refusal("403 Forbidden", f"one Host header is needed: {_PRINTED}")
    host = hosts.parsed(text)
    if host is None:
        return _Refusal("400 Bad Request", f"the Host header is malformed: {_PRINTED}")
    if not _is_ours(host.name, guard):
        return _Refusal("403 Forbidden", f"there is no answer under the name {host.name}: {_PRINTED}")
    return None


def _is_ours(name: str, guard: Guard) -> bool:
    given = guard.host is not None and name == guard.host.strip("[]").lower()
    beyond = guard.token is not None and (hosts.is_address(name) or name in hosts.own_names())
    return given or name in hosts.LOCAL or beyond


def _method(environ: WSGIEnvironment, _: Guard) -> _Refusal | None:
    if environ["REQUEST_METHOD"] in _METHODS:
        return None
    allowed = ", ".join(_METHODS)
    return _Refusal("405 Method Not Allowed", f"allowed are {allowed}", (("Allow", allowed),))


def _site(environ: WSGIEnvironment, _: Guard) -> _Refusal | None:
    refusal = _Refusal("403 Forbidden", f"this is not for other sites: {_PRINTED}")
    origin, host = environ.get("HTTP_ORIGIN"), hosts.parsed(environ["HTTP_HOST"])
    if origin is not None and (host is None or not hosts.is_origin(origin, host)):
        return refusal
    if environ.get("HTTP_SEC_FETCH_SITE", "none") in ("none", "same-origin"):  # none: the user typed it
        return None
    mode, dest = environ.get("HTTP_SEC_FETCH_MODE"), environ.get("HTTP_SEC_FETCH_DEST")
    visits = environ["REQUEST_METHOD"] == "GET" and (mode, dest) == ("navigate", "document")
    return None if visits else refusal


def _user(environ: WSGIEnvironment, guard: Guard) -> _Refusal | None:
    if guard.token is not None:
        return None
    try:
        ends = environ["REMOTE_ADDR"], int(environ["REMOTE_PORT"]), int(environ["SERVER_PORT"])
    except (KeyError, ValueError):  # not every server tells the port
        return None
    if not peers.is_stranger(*ends):
        return None
    way = "who started it can give a token by --host 127.0.0.1"
    return _Refusal("403 Forbidden", f"another user of this machine has started this {PROGRAM}: {way}")


def _token(environ: WSGIEnvironment, guard: Guard) -> _Refusal | None:
    if guard.token is None or _has_cookie(environ, guard.token) or _asks_with_token(environ, guard):
        return None
    return _Refusal("403 Forbidden", f"the token is missing or wrong: {_PRINTED}, with its ?{TOKEN}=...")


_CHECKS: tuple[Callable[[WSGIEnvironment, Guard], _Refusal | None], ...]
_CHECKS = (_target, _host, _method, _site, _user, _token)


# --- the token -------------------------------------------------------------------------------------------


def _same(given: str, token: str) -> bool:
    """Compared in a time that does not tell how much of it is right."""
    return hmac.compare_digest(given.encode("utf-8", "replace"), token.encode())


def _cookie(environ: WSGIEnvironment) -> str:
    """The cookie's name. Ports share their cookies, so it has the port that the browser sees."""
    host = hosts.parsed(environ["HTTP_HOST"])
    assert host is not None  # _host has seen it
    return f"exptools_{host.at('http')[1]}"


def _has_cookie(environ: WSGIEnvironment, token: str) -> bool:
    pairs = (cookie.strip().partition("=") for cookie in environ.get("HTTP_COOKIE", "").split(";"))
    wanted = _cookie(environ)
    return any(_same(value, token) for name, _, value in pairs if name == wanted)


def _query(environ: WSGIEnvironment) -> tuple[list[str], list[str]]:
    """The parameters as they were sent, but the tokens; and the tokens."""
    parts = [part for part in environ.get("QUERY_STRING", "").split("&") if part]
    is_token = [unquote_plus(part.partition("=")[0]) == TOKEN for part in parts]
    rest = [part for part, found in zip(parts, is_token, strict=True) if not found]
    given = [part for part, found in zip(parts, is_token, strict=True) if found]
    return rest, [unquote_plus(part.partition("=")[2]) for part in given]


def _asks_with_token(environ: WSGIEnvironment, guard: Guard) -> bool:
    """Whether this is a visit with a token in its address, and may be answered: by it or by the cookie."""
    if guard.token is None or environ["REQUEST_METHOD"] not in ("GET", "HEAD"):
        return False
    given, token = _query(environ)[1], guard.token
    return bool(given) and (any(_same(one, token) for one in given) or _has_cookie(environ, token))


def _let_in(environ: WSGIEnvironment, start: StartResponse, guard: Guard) -> Iterable[bytes]:
    """Sets the cookie and sends on to the same address without the token."""
    address = _without_token(environ)
    cookie = f"{_cookie(environ)}={guard.token}; Path=/; HttpOnly; SameSite=Strict"
    headers = (("Set-Cookie", cookie), ("Cache-Control", "no-store"))
    by_link = environ.get("HTTP_SEC_FETCH_SITE") not in ("none", "same-origin")  # or the browser did not tell
    if by_link and "text/html" in environ.get("HTTP_ACCEPT", ""):
        page = _ONWARDS.format(html.escape(address)).encode()
        return _text(environ, start, "200 OK", page, (*headers, ("Content-Type", "text/html; charset=utf-8")))
    return _line(environ, start, "303 See Other", f"on to {address}", (*headers, ("Location", address)))


def _without_token(environ: WSGIEnvironment) -> str:
    """Path and query, with nothing in them that a header or a browser could take for something else."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "/")
    path = "/" + quote(path.lstrip("/").encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~")
    query = quote("&".join(_query(environ)[0]).encode("latin-1", "replace"), safe="/:@!$&'()*+,;=~?%")
    return f"{path}?{query}" if query else path


# --- answers ---------------------------------------------------------------------------------------------


def _with_headers(start_response: StartResponse, policy: str) -> StartResponse:
    def start(status: str, headers: list[tuple[str, str]], exc_info: Any = None, /) -> Callable[[bytes], Any]:
        kept = [(name, value) for name, value in headers if name.lower() not in _OURS]
        has_policy = any(name.lower() == "content-security-policy" for name, _ in kept)
        added = [*_HEADERS] if has_policy else [*_HEADERS, ("Content-Security-Policy", policy)]
        return start_response(status, [*kept, *added], exc_info)

    return start


def _line(
    environ: WSGIEnvironment,
    start: StartResponse,
    status: str,
    line: str,
    headers: Iterable[tuple[str, str]] = (),
    exc_info: Any = None,
) -> list[bytes]:
    """An answer of one line of text."""
    more = [*headers, ("Content-Type", "text/plain; charset=utf-8")]
    if not any(name == "Cache-Control" for name, _ in more):
        more.append(("Cache-Control", "no-store"))
    return _text(environ, start, status, f"{line}\n".encode(), more, exc_info)


def _text(
    environ: WSGIEnvironment,
    start: StartResponse,
    status: str,
    text: bytes,
    headers: Iterable[tuple[str, str]],
    exc_info: Any = None,
) -> list[bytes]:
    start(status, [*headers, ("Content-Length", str(len(text)))], exc_info)
    return [] if environ["REQUEST_METHOD"] == "HEAD" else [text]


def _answered(
    app: WSGIApplication, environ: WSGIEnvironment, start: StartResponse, guard: Guard
) -> Iterable[bytes]:
    """What `app` answers; lists and files as they are, as a server knows better ways to send these."""

    def failed(error: BaseException) -> list[bytes]:
        _tell(environ, guard, error)
        told = f"this could not be answered; why is on the terminal of {PROGRAM}"
        exc_info = (type(error), error, error.__traceback__)
        return _line(environ, start, "500 Internal Server Error", told, exc_info=exc_info)

    try:
        parts = app(environ, start)
    except (Exception, SystemExit) as error:
        return failed(error)
    file = environ.get("wsgi.file_wrapper")
    if isinstance(parts, list | tuple) or (isinstance(file, type) and isinstance(parts, file)):
        return parts
    return _Parts(parts, failed)


class _Parts:
    """The parts of an answer as they come; an exception before the first is answered, too."""

    def __init__(self, parts: Iterable[bytes], failed: Callable[[BaseException], list[bytes]]) -> None:
        self._made = parts
        self._failed = failed
        self._parts: Iterator[bytes] | None = None

    def __iter__(self) -> Iterator[bytes]:
        return self

    def __next__(self) -> bytes:
        try:
            if self._parts is None:
                self._parts = iter(self._made)
            return next(self._parts)
        except StopIteration:
            raise
        except (Exception, SystemExit) as error:
            self._parts = iter(self._instead(error))
        return next(self._parts)

    def _instead(self, error: BaseException) -> list[bytes]:
        try:
            return self._failed(error)
        except BaseException:  # the server raises what it is given, if it has sent the status
            raise ConnectionAbortedError("an answer ended before its end") from error

    def close(self) -> None:
        """Lets the application free what it holds."""
        if hasattr(self._made, "close"):
            self._made.close()


def _tell(environ: WSGIEnvironment, guard: Guard, error: BaseException) -> None:
    """One line on wsgi.errors: the path, but no query; no token, whatever the error says."""
    from exptools.viewing.exporters.table import one_line

    path = environ.get("PATH_INFO", "").encode("latin-1", "replace").decode("utf-8", "replace")
    asked = f"{environ['REQUEST_METHOD']} {path}"
    line = one_line(f"{PROGRAM}: error: {asked}: {type(error).__name__}: {error}")
    if guard.token is not None:
        line = line.replace(guard.token, "...")
    if environ.get("wsgi.errors") is not None:
        with contextlib.suppress(OSError, ValueError):  # closed, a full disk
            environ["wsgi.errors"].write(f"{line}\n")
            environ["wsgi.errors"].flush()
