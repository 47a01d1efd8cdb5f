"""The log's lines on their way to the user: above a live view, or on stderr when nobody reads stdout."""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, TextIO

from exptools.say import say

if TYPE_CHECKING:
    from rich.console import Console

# In a record's `extra`: the live view shows that too.
SEEN_LIVE = {"exptools_seen_live": True}


def is_terminal(stream: TextIO | None) -> bool:
    """Whether somebody looks at this stream."""
    try:
        return stream is not None and stream.isatty()
    except ValueError:  # closed
        return False


def open_what_is_closed() -> None:
    """Let this process have stdin, stdout and stderr, if on nothing: a daemon may close them.

    Else a pipe to a job would be taken for one of them.
    """
    while (fd := os.open(os.devnull, os.O_RDWR)) <= 2:  # the lowest number that is free
        os.set_inheritable(fd, True)
    os.close(fd)
    if sys.stderr is None:
        sys.stderr = os.fdopen(2, "w", closefd=False)
    if sys.stdout is None:
        sys.stdout = sys.stderr


def outlive_the_reader(log: logging.Logger) -> None:
    """Let what `log` says on stdout go to stderr once that is gone: Ctrl-C ends the tee behind it too.

    Where it is a terminal, both are gone with it.
    """
    for handler in _stream_handlers(log):
        if handler.stream is sys.stdout:
            handler.setStream(until_hung_up(sys.stdout) if is_terminal(sys.stdout) else _OrStderr(sys.stdout))


def until_hung_up(terminal: TextIO) -> TextIO:
    """The same terminal; when nobody is there any more, what is written is dropped instead of an error."""
    return _UntilHungUp(terminal)  # type: ignore[return-value]


@contextlib.contextmanager
def above(console: Console, log: logging.Logger) -> Iterator[None]:
    """Let what goes to the console's terminal meanwhile stand above its live view."""
    stream = _Above(console)
    handlers = [handler for handler in _stream_handlers(log) if is_terminal(handler.stream)]
    before = [handler.stream for handler in handlers]
    outputs = sys.stdout, sys.stderr
    for handler in handlers:
        handler.setStream(stream)
        handler.addFilter(_not_seen_live)
    sys.stdout, sys.stderr = (stream if is_terminal(output) else output for output in outputs)
    try:
        yield
    finally:
        sys.stdout, sys.stderr = outputs
        stream.end_line()
        for handler, old in zip(handlers, before, strict=True):
            handler.removeFilter(_not_seen_live)
            handler.setStream(old)


def _stream_handlers(log: logging.Logger | None) -> Iterator[logging.StreamHandler[Any]]:
    """The handlers that a record of this logger comes to and that write to a stream, but not to a file."""
    while log is not None:
        for handler in log.handlers:
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler):
                yield handler
        log = log.parent if log.propagate else None


def _not_seen_live(record: logging.LogRecord) -> bool:
    return not any(hasattr(record, name) for name in SEEN_LIVE)


class _Above(io.TextIOBase):
    """A stream onto the terminal of a live view; a line that has come whole is printed."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._begun = ""
        self._lock = threading.Lock()

    def write(self, text: str) -> int:
        from rich.text import Text

        with self._lock:
            *lines, self._begun = (self._begun + text).split("\n")
        for line in lines:
            self._console.print(Text.from_ansi(line), soft_wrap=True)
        return len(text)

    def end_line(self) -> None:
        """Print what has come of a line that was not ended."""
        if self._begun:
            self.write("\n")

    def isatty(self) -> bool:
        return True


class _UntilHungUp(io.TextIOBase):
    def __init__(self, terminal: TextIO) -> None:
        self._terminal = terminal

    @property
    def encoding(self) -> str:  # type: ignore[override]
        """Rich asks which characters there are."""
        return self._terminal.encoding

    def fileno(self) -> int:
        """And how wide it is."""
        return self._terminal.fileno()

    def isatty(self) -> bool:
        return self._terminal.isatty()

    def write(self, text: str) -> int:
        try:
            self._terminal.write(text)
        except OSError:
            _hang_up(self._terminal)
        return len(text)

    def flush(self) -> None:
        try:
            self._terminal.flush()
        except OSError:
            _hang_up(self._terminal)


def _hang_up(terminal: TextIO) -> None:
    """Let what goes to this terminal go nowhere: what is written later, also at the end of the program."""
    device = os.fstat(terminal.fileno()).st_rdev
    for fd in (1, 2):
        if os.fstat(fd).st_rdev == device:
            _to_nothing(fd)


def _to_nothing(fd: int) -> None:
    nothing = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nothing, fd)
    os.close(nothing)


class _OrStderr(io.TextIOBase):
    """A stream that goes on as stderr when it takes no more."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._is_read = True

    def write(self, text: str) -> int:
        if self._is_read:
            try:
                self._stream.write(text)
                self._stream.flush()
                return len(text)
            except OSError as error:  # a broken pipe, a full disk
                self._is_read = False
                # What it still holds must not fail again at the end of the program.
                _to_nothing(self._stream.fileno())
                say(f"stdout takes no more ({error.strerror}); what follows is on stderr")
        return sys.stderr.write(text)

    def flush(self) -> None:
        if not self._is_read:
            sys.stderr.flush()
