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


class Once:
    """Says each text once, until it is told to forget."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def __call__(self, text: str) -> None:
        """Say it, if it was not said before."""
        if text not in self._said:
            self._said.add(text)
            say(text)

    def forget(self) -> None:
        """Let all be news again."""
        self._said.clear()


say_once = Once()  # in this process: of what is so in every batch of a sweep


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
