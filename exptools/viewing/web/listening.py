"""Where the web server listens: its socket, bound before anything slow is done, and its address."""

from __future__ import annotations

import contextlib
import errno
import ipaddress
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from exptools.errors import ViewError

DEFAULT_PORT = 6116  # TensorBoard has 6006, Dash 8050, Jupyter 8888
_HERE = "127.0.0.1"
_TRIED = 20  # ports
_LAST = 65535


@dataclass(frozen=True)
class Listening:
    """A socket that listens, and the address by which a browser reaches it."""

    sock: socket.socket
    address: str  # http://HOST:PORT/


def listen(host: str | None, port: int, say: Callable[[str], None]) -> Listening:
    """Listen at `host` (a name, an IPv4 or an IPv6 address; None: this machine only) and `port` (0: any).

    If the port is in use the next one that is free is taken, and said.

    Raises:
        ViewError: the host is not of this machine, the port is not allowed, 20 ports are in use.
    """
    if not 0 <= port <= _LAST:
        raise ViewError(f"--port {port} is not a port; give 1 to {_LAST}, or 0 for any that is free")
    ends = _ends(host)
    for sock in _tried(ends, host, port):
        taken = sock.getsockname()[1]
        if port not in (0, taken):
            say(f"port {port} is in use; taking {taken}")
        return Listening(sock, f"http://{_shown(host, sock)}:{taken}/")
    last = min(port + _TRIED - 1, _LAST)
    raise ViewError(
        f"the ports {port} to {last} are in use; give another with --port, or 0 for any that is free"
    )


def _tried(ends: list[tuple[Any, Any]], host: str | None, port: int) -> Iterator[socket.socket]:
    """The sockets that can be had, one after the other."""
    for number in range(port, min(port + _TRIED, _LAST + 1)):
        with contextlib.suppress(_InUse):
            yield _listening(ends, host, number)


class _InUse(Exception):
    """The port."""


def _ends(host: str | None) -> list[tuple[Any, Any]]:
    """Families and addresses of `host`; IPv4 first, as more can reach it."""
    bare = _HERE if host is None else host.removeprefix("[").removesuffix("]")
    try:
        if not bare:
            raise ValueError("empty")
        found = socket.getaddrinfo(bare, 0, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, ValueError) as error:  # ValueError: what no name can be
        why = getattr(error, "strerror", None) or "it can be no name"
        raise ViewError(
            f"--host {host} is not known ({why}); give a name or an address of this machine, "
            "or 0.0.0.0 for all it has"
        ) from error
    return sorted(((family, end) for family, _, _, _, end in found), key=lambda one: one[0] != socket.AF_INET)


def _listening(ends: list[tuple[Any, Any]], host: str | None, port: int) -> socket.socket:
    """A socket at the first of `ends` that this machine has."""
    for family, end in ends:
        found = _bound(family, (end[0], port, *end[2:]))
        if isinstance(found, socket.socket):
            return found
        why = found
        if why.errno == errno.EADDRINUSE:
            raise _InUse from why
        if why.errno in (errno.EACCES, errno.EPERM):
            raise ViewError(
                f"--port {port} is not allowed ({why.strerror}): the system keeps the ports below 1024; "
                f"give another, like {DEFAULT_PORT}, or 0 for any that is free"
            ) from why
    raise ViewError(
        f"--host {host} cannot be listened at ({why.strerror}); give a name or an address of this machine, "
        "or 0.0.0.0 for all it has"
    ) from why


def _bound(family: int, end: tuple[Any, ...]) -> socket.socket | OSError:
    """A socket that listens at `end`; or why there is none."""
    sock = None
    try:
        sock = socket.socket(family, socket.SOCK_STREAM)
        # A port whose last server has just ended is free; one that another listens at is not (Linux, macOS).
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:  # :: is for IPv4, too
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        sock.bind(end)
        sock.listen()  # of two that have bound the same port the second learns it here
    except OSError as error:
        if sock is not None:
            sock.close()
        return error
    return sock


def _shown(host: str | None, sock: socket.socket) -> str:
    """The host in the address: the name or address that was given, or this machine's name for all it has."""
    name = _HERE if host is None else host.removeprefix("[").removesuffix("]")
    if ipaddress.ip_address(sock.getsockname()[0].partition("%")[0]).is_unspecified:
        name = socket.gethostname()
    return f"[{name}]" if ":" in name else name
