"""One line to the user that must never end a training: what went wrong beside the work itself."""

from __future__ import annotations

import contextlib
import sys


def say(text: str) -> None:
    """Print `exptools: text` on stderr, if there is one that takes it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # closed, a broken pipe, a full disk
            print(f"exptools: {text}", file=sys.stderr, flush=True)
