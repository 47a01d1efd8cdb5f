"""Lines to the user: what went wrong beside the work itself, and must not end it; and what ends a command."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

from exptools.errors import ExptoolsError


def say(text: str) -> None:
    """Print `exptools: text` on stderr, if there is one that takes it."""
    if sys.stderr is not None:
        with contextlib.suppress(OSError, ValueError):  # closed, a broken pipe, a full disk
            print(f"exptools: {text}", file=sys.stderr, flush=True)


_said: set[str] = set()


def say_once(text: str) -> None:
    """The same, but only once in this process: of what is so in every batch of a sweep."""
    if text not in _said:
        _said.add(text)
        say(text)


@contextlib.contextmanager
def ends_the_command() -> Iterator[None]:
    """Let what the user did wrong end the command with one line and exit code 2.

    In a callback too, where Hydra would make a warning of the exception and go on.
    """
    try:
        yield
    except ExptoolsError as error:
        say(f"error: {error}")
        raise SystemExit(2) from error
