"""The signals that end a program, caught where it has to end something in order first."""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Callable, Iterator
from types import FrameType
from typing import Any


@contextlib.contextmanager
def catching(
    post: Callable[[int], object],
) -> Iterator[Callable[[], contextlib.AbstractContextManager[None]]]:
    """Let `post` be given their numbers, inside a signal handler; gives the context in which they end the
    program again.

    One that is ignored (SIGHUP by nohup, SIGINT by a shell's `command &`) stays so. Only the main thread can
    do this; in another one nothing is caught.
    """
    before: dict[int, Any] = {}

    def handle(number: int, frame: FrameType | None) -> None:
        post(number)

    def catch() -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(number) not in (signal.SIG_IGN, None):  # None: not Python's to give back
                before[number] = signal.signal(number, handle)

    def give_back() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)
        before.clear()

    @contextlib.contextmanager
    def restored() -> Iterator[None]:
        give_back()
        try:
            yield
        finally:
            catch()

    with contextlib.suppress(ValueError):  # not the main thread
        catch()
    try:
        yield restored
    finally:
        give_back()
