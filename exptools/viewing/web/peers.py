"""Whose process is at the other end of a connection inside this machine.

An address like 127.0.0.1 keeps other machines out, not other users of this one. Linux tells whose a socket
is; elsewhere nobody does, and nobody is taken for a stranger.
"""

from __future__ import annotations

import ipaddress
import os
import struct
from collections.abc import Iterator

_TABLES = ("/proc/net/tcp", "/proc/net/tcp6")
_ROOT = 0


def is_stranger(address: str, port: int, server_port: int) -> bool:
    """Whether the client at `address`:`port` is a process of another user (root is none).

    Where this process is root's, there are no strangers: root in a container is not who sits at the browser,
    and what root writes others mostly may read.
    Not known, thus False: a client of another machine; a system without /proc/net/tcp.
    """
    me = os.geteuid()
    if me == _ROOT:
        return False
    return any(user not in (me, _ROOT) for user in _users(address, port, server_port))


def _users(address: str, port: int, server_port: int) -> Iterator[int | None]:
    """Of each socket that fits: its user; None if its process has let go of it, whose it was is then lost."""
    ends = {f"{written}:{port:04X}" for written in _written(address)}
    mine, there = f":{port:04X} ", f":{server_port:04X}"
    for table in _TABLES:
        try:
            with open(table) as file:
                lines = file.readlines()[1:]
        except OSError:
            continue
        for line in lines:
            if mine not in line:  # most, where many work
                continue
            _, here, remote, _, _, _, _, user, _, inode, *_ = line.split()
            if here in ends and remote.endswith(there):
                yield int(user) if int(inode) else None


def _written(address: str) -> list[str]:
    """How the tables write an address: words of 32 bits in the order of this machine, IPv4 in IPv6, too."""
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return []
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    if isinstance(found, ipaddress.IPv4Address):
        return [_hex(found.packed), _hex(bytes(10) + b"\xff\xff" + found.packed)]
    return [_hex(found.packed)]


def _hex(packed: bytes) -> str:
    return "".join(f"{word:08X}" for word in struct.unpack(f"={len(packed) // 4}I", packed))
