"""The names under which a server is asked, as the headers Host and Origin give them."""

from __future__ import annotations

import functools
import ipaddress
import re
import socket
from dataclasses import dataclass

LOCAL = ("localhost", "127.0.0.1", "::1")  # this machine, for whoever asks
_HOST = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?")
_ORIGIN = re.compile(r"(https?)://(.*)", re.DOTALL)
_PORTS = {"http": 80, "https": 443}  # which a browser leaves out


@dataclass(frozen=True)
class Host:
    """A name or an address in its one spelling (small letters, no brackets), and the port if one is given."""

    name: str
    port: int | None

    def at(self, scheme: str) -> tuple[str, int]:
        """Name and port, that of `scheme` if none is given."""
        return self.name, _PORTS[scheme] if self.port is None else self.port


def parsed(text: str) -> Host | None:
    """The host that `text` names as a Host header does; None if it is malformed."""
    found = _HOST.fullmatch(text)
    if found is None:
        return None
    address, name, port = found.groups()
    if port is not None and int(port) > 65535:
        return None
    try:
        name = name or str(ipaddress.IPv6Address(address))
    except ValueError:
        return None
    return Host(name.lower(), None if port is None else int(port))


def is_origin(origin: str, host: Host) -> bool:
    """Whether a page of `origin`, as a browser writes it, came from `host`."""
    found = _ORIGIN.fullmatch(origin)
    if found is None:  # "null", too
        return False
    there = parsed(found[2])
    return there is not None and there.at(found[1]) == host.at(found[1])


def is_address(name: str) -> bool:
    """Whether `name` is an IP address, which nobody's DNS can turn to another machine."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


@functools.cache
def own_names() -> frozenset[str]:
    """What this machine calls itself, with and without its domain. May ask a DNS, so once."""
    names = {name.lower() for name in (socket.gethostname(), socket.getfqdn())}
    return frozenset(names | {name.partition(".")[0] for name in names}) - {""}
