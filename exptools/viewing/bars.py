"""A bar on stderr for what takes long: on a terminal only, after two seconds, gone in the end."""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

T = TypeVar("T")

AFTER_S = 2.0


class _Bar:
    """Comes up by itself, in a thread, for the work itself may stand still in one large file."""

    def __init__(self, what: str, total: int | None) -> None:
        self._what, self._total, self._done = what, total, 0
        self._progress: tuple[Progress, TaskID] | None = None
        self._lock = threading.Lock()
        self._timer = threading.Timer(AFTER_S, self._begin)
        self._timer.daemon = True
        self._timer.start()

    def _begin(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

        shape = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn()) if self._total else ()
        columns = (TextColumn("{task.description}"), *shape)
        progress = Progress(*columns, console=Console(stderr=True), transient=True)
        with self._lock:
            task = progress.add_task(self._what, total=self._total, completed=self._done)
            self._progress = progress, task
            progress.start()

    def advance(self) -> None:
        """One more is done."""
        with self._lock:
            self._done += 1
            if self._progress is not None:
                progress, task = self._progress
                progress.update(task, completed=self._done)

    def end(self) -> None:
        """Takes it away."""
        self._timer.cancel()
        self._timer.join()
        if self._progress is not None:
            self._progress[0].stop()


@contextlib.contextmanager
def shown(what: str, total: int | None, *, wanted: bool) -> Iterator[Callable[[], None]]:
    """A bar while the block runs, if it is `wanted` and stderr is a terminal; call what it gives for each of
    the `total` that is done.
    """
    if not wanted or sys.stderr is None or not sys.stderr.isatty():
        yield lambda: None
        return
    bar = _Bar(what, total)
    try:
        yield bar.advance
    finally:
        bar.end()


def over(items: Sequence[T], what: str, *, wanted: bool) -> Iterable[T]:
    """`items`, with a bar while they are gone through."""
    with shown(what, len(items), wanted=wanted) as advance:
        for item in items:
            yield item
            advance()
