"""A terminal to run commands in, and what stands on its screen."""

from __future__ import annotations

import contextlib
import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pyte
from conftest import clean_environment


def _log_in() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # these tests may run under nohup
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


class Terminal:
    """A command in a terminal of its own; `screen` is what one sees."""

    def __init__(self, command: Sequence[str], cwd: Path, lines: int = 24, columns: int = 100) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
        environment = {k: v for k, v in clean_environment(TERM="xterm-256color").items() if k != "COLUMNS"}
        self.process = subprocess.Popen(
            command,
            cwd=cwd,
            env=environment,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            start_new_session=True,
            preexec_fn=_log_in,
        )
        os.close(theirs)
        self._screen = pyte.Screen(columns, lines)
        self._stream = pyte.ByteStream(self._screen)

    def screen(self) -> list[str]:
        """Its lines, without the empty ones at the end."""
        return "\n".join(line.rstrip() for line in self._screen.display).rstrip().split("\n")

    def cells(self) -> list[list[Any]]:
        """The same, character by character: `data`, `fg` (colour), `bold`, ..."""
        buffer = self._screen.buffer
        return [[buffer[y][x] for x in range(self._screen.columns)] for y in range(len(self.screen()))]

    def type(self, keys: str) -> None:
        """Press keys; "\\x03" is Ctrl-C."""
        os.write(self._ours, keys.encode())

    def hang_up(self) -> None:
        """Go away, as a connection that is lost."""
        os.close(self._ours)

    def wait_until(self, condition: Callable[[list[str]], bool], timeout_s: float = 60) -> list[str]:
        """Read until the screen is so; its lines then."""
        deadline = time.monotonic() + timeout_s
        while not condition(self.screen()):
            assert time.monotonic() < deadline, "did not come:\n" + "\n".join(self.screen())
            self._read()
        return self.screen()

    def wait(self, timeout_s: float = 60) -> int:
        """Read to the end of the command; its exit code."""
        deadline = time.monotonic() + timeout_s
        while self._read():
            assert time.monotonic() < deadline, "did not end:\n" + "\n".join(self.screen())
        os.close(self._ours)
        return self.process.wait(timeout=timeout_s)

    def _read(self) -> bool:
        ready, _, _ = select.select([self._ours], [], [], 0.1)
        data = b"nothing"
        if ready:
            data = b""
            with contextlib.suppress(OSError):  # the last one that had it open has closed it
                data = os.read(self._ours, 65536)
            self._stream.feed(data)
        return bool(data)
