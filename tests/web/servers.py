"""Servers in processes of their own, and requests of which every byte is ours."""

from __future__ import annotations

import contextlib
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from conftest import clean_environment

SCRIPT = Path(__file__).parent / "served.py"
SOON_S = 20  # to begin; a machine may be busy


@dataclass
class Server:
    """A running served.py: what it said, and where it listens."""

    process: subprocess.Popen[str]
    said: list[str]
    port: int
    token: str
    directory: Path

    @property
    def address(self) -> str:
        return self.said[-1].split()[0]

    def ended(self, number: int = signal.SIGINT) -> tuple[int, str, float]:
        """Ended by a signal: exit code, all of stderr, seconds that it took."""
        began = time.monotonic()
        self.process.send_signal(number)
        _, err = self.process.communicate(timeout=10)
        return self.process.returncode, err, time.monotonic() - began


@contextlib.contextmanager
def served(directory: Path, *args: object) -> Iterator[Server]:
    """served.py with `args`, answering."""
    process = subprocess.Popen(
        [sys.executable, str(SCRIPT), *map(str, args)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=directory,
        env=clean_environment(),
    )
    try:
        said: list[str] = []
        assert process.stdout is not None
        while not said or "Ctrl-C" not in said[-1]:
            line = process.stdout.readline()
            assert line, f"it ended: {process.communicate()[1]}"
            said.append(line.rstrip("\n"))
        found = re.fullmatch(r"http://\S+:(\d+)/(?:\?token=(\S+))?  \(Ctrl-C ends it\)", said[-1])
        assert found, said
        yield Server(process, said, int(found[1]), found[2] or "", directory)
    finally:
        process.kill()
        process.communicate()


@dataclass(frozen=True)
class Answer:
    """What came back: each header as often as it came, names in small letters."""

    status: int
    headers: list[tuple[str, str]]
    text: str

    def header(self, name: str) -> str | None:
        found = [value for key, value in self.headers if key == name]
        assert len(found) < 2, f"{name} came twice"
        return found[0] if found else None


def raw(port: int, data: bytes, end: str = "127.0.0.1") -> Answer:
    """Send `data` as it is and read until the server closes."""
    with socket.create_connection((end, port), timeout=10) as sock:
        sock.sendall(data)
        sock.shutdown(socket.SHUT_WR)
        got = b"".join(iter(lambda: sock.recv(1 << 16), b""))
    head, _, body = got.decode().partition("\r\n\r\n")
    status, *lines = head.split("\r\n")
    headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(":") for line in lines)]
    return Answer(int(status.split()[1]), headers, body)


def ask(
    server: Server, target: str = "/", *headers: str, method: str = "GET", body: str = "", host: str = ""
) -> Answer:
    """A request with one Host header, that of the server's address if none is given, and `headers`."""
    lines = [f"{method} {target} HTTP/1.1", f"Host: {host or f'127.0.0.1:{server.port}'}", *headers]
    lines += ["Connection: close", *([f"Content-Length: {len(body)}"] if body else [])]
    return raw(server.port, ("\r\n".join(lines) + "\r\n\r\n" + body).encode())
