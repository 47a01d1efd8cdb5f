"""Logging: what a run says. The one global is here: `logger`, the same object in every layer of the code."""

from __future__ import annotations

import os

from exptools.logging.core import Logger

logger = Logger()


def _leave_to_parent() -> None:
    if logger.is_open:
        logger.abandon("this is a forked child process; the run is recorded by its parent")


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_leave_to_parent)

from exptools.logging.context import logger_context  # noqa: E402 - it needs the logger above

__all__ = ["Logger", "logger", "logger_context"]
