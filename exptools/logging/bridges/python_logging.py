"""Records of Python's `logging`, as lines of debug.log."""

from __future__ import annotations

import functools
import logging
import os
import traceback
from collections.abc import Callable
from dataclasses import dataclass

from exptools import words


@dataclass(frozen=True, eq=False)
class _Listener:
    """Who wants the records from a level on; `keep` takes lines from any thread and never waits."""

    level: int
    keep: Callable[[str], None]


_listeners: tuple[_Listener, ...] = ()  # replaced, never changed: records come while runs open and close


def listen(level: str, keep: Callable[[str], None]) -> Callable[[], None]:
    """Give `keep` a line for each record that Python's loggers handle from now on; returns what ends that.

    Loggers, levels and handlers stay as they are: what they leave out (by a level or a filter of the logger)
    is no record, and who prints today prints tomorrow.

    level: DEBUG, INFO, WARNING, ERROR or CRITICAL; records below it are left out.
    """
    global _listeners
    listener = _Listener(getattr(logging, level), keep)
    _watch_loggers()
    _listeners = (*_listeners, listener)

    def end() -> None:
        global _listeners
        _listeners = tuple(one for one in _listeners if one is not listener)

    return end


@functools.cache
def _watch_loggers() -> None:
    """Let `logging.Logger` show us each record that it hands to its handlers.

    A handler at the root would be in the way: `logging.basicConfig` does nothing where there is one, the
    warnings that Python prints when there is none would vanish, `force=True` and `dictConfig` would remove
    it, and it would miss loggers that do not propagate. It would also have a lock, which a signal handler or
    a fork may find taken.
    """
    inner = logging.Logger.callHandlers

    @functools.wraps(inner)
    def watched(self: logging.Logger, record: logging.LogRecord) -> None:
        if _listeners:
            _tell(record)
        inner(self, record)

    logging.Logger.callHandlers = watched  # type: ignore[method-assign]
    if hasattr(os, "register_at_fork"):
        os.register_at_fork(after_in_child=_forget)  # the run is recorded by the parent


def _forget() -> None:
    global _listeners
    _listeners = ()


def _tell(record: logging.LogRecord) -> None:
    listeners = [one for one in _listeners if record.levelno >= one.level]
    if listeners:
        line = _as_line(record)
        for listener in listeners:
            listener.keep(line)


def _as_line(record: logging.LogRecord) -> str:
    """`time | LEVEL logger: message`, its traceback and stack on lines of their own."""
    try:
        head = f"{words.moment(record.created)} | {record.levelname} {record.name}: {_message(record)}"
        return "\n".join(filter(None, (head, _trace(record), record.stack_info)))
    except Exception as error:  # of the user's objects: a record that is in disorder ends no training
        return f"a record of {record.name} cannot be shown ({type(error).__name__})"


def _message(record: logging.LogRecord) -> str:
    try:
        return record.getMessage()
    except Exception as error:
        return f"{record.msg!r} % {record.args!r} ({type(error).__name__}: {error})"


def _trace(record: logging.LogRecord) -> str | None:
    if record.exc_info and record.exc_info[0] is not None:
        return "".join(traceback.format_exception(*record.exc_info)).rstrip("\n")
    return record.exc_text  # of a record that came from another process
