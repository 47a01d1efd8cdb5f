"""Logging: what a run says. The one global is here: `logger`, the same object in every layer of the code."""

from __future__ import annotations

import os
from typing import Any

from exptools.lifecycle import EXIT_PREEMPTED
from exptools.logging.logger import Logger


class _GlobalLogger(Logger):
    def __reduce__(self) -> str | tuple[Any, ...]:
        # A function that uses the logger can be sent to another process; there it finds that process's.
        return _the_logger, ()


def _the_logger() -> Logger:
    return logger


logger: Logger = _GlobalLogger()


def _leave_to_parent() -> None:
    if logger.is_open:
        logger.abandon("this is a forked child process; the run is recorded by its parent")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)

from exptools.logging.capture import capture  # noqa: E402 - they need the logger above
from exptools.logging.context import logger_context  # noqa: E402

__all__ = ["EXIT_PREEMPTED", "Logger", "capture", "logger", "logger_context"]
