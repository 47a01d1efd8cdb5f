"""The runs as they are now: looked at again and again while somebody looks at the page."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from exptools.errors import ExptoolsError

if TYPE_CHECKING:
    from exptools.viewing.api import Runs

EVERY_S = 1.0  # between two looks, if they are cheap
_SHARE = 0.25  # of the time goes into looking at most


@dataclass(frozen=True)
class Look:
    """What was seen. version: another one whenever anything has changed. frames: another one when there are
    other runs, frames or configs. problem: why there is no newer look.
    """

    version: int
    frames: int
    runs: Runs
    problem: str | None = None


class Live:
    """Runs that are looked at in the background, as long as somebody asks for them."""

    def __init__(self, load: Callable[[], Runs]) -> None:
        """load: looks at them. What it raises the first time is raised."""
        self._load = load
        began = time.monotonic()
        runs = load()
        first = time.time_ns() // 10**6  # a page that is open knows numbers of the server before this one
        self._look, self._seen = Look(first, first, runs), _seen(runs)
        self._lock = threading.Lock()
        self._busy = False
        self._ended(began)

    def now(self) -> Look:
        """The last look; if it is old, another one begins."""
        with self._lock:
            age = time.monotonic() - self._looked_at
            if not self._busy and age >= max(EVERY_S, self._took / _SHARE):
                self._busy = True
                threading.Thread(target=self._again, name="exptools-look", daemon=True).start()
            return self._look

    def _again(self) -> None:
        began = time.monotonic()
        before, seen = self._look, self._seen
        try:
            runs = self._load()
            seen = _seen(runs)
            look = self._next(runs, seen)
        except Exception as error:  # the directory has gone, for one; the page stays up
            text = str(error) if isinstance(error, ExptoolsError) else f"{type(error).__name__}: {error}"
            look = replace(before, version=before.version + (before.problem != text), problem=text)
        with self._lock:
            self._look, self._seen = look, seen
            self._busy = False
            self._ended(began)

    def _next(self, runs: Runs, seen: tuple[list[Any], list[Any]]) -> Look:
        before = self._look
        if seen == self._seen and before.problem is None:
            return before
        return Look(before.version + 1, before.frames + (seen[0] != self._seen[0]), runs)

    def _ended(self, began: float) -> None:
        self._looked_at = time.monotonic()
        self._took = self._looked_at - began


def _seen(runs: Runs) -> tuple[list[Any], list[Any]]:
    """What tells one look from another: of its frames, and of the rest."""
    of_frames = [(run.name, run.path, runs.stamp(run), hash(repr(run.flat))) for run in runs]
    return of_frames, [(run.state, run.status) for run in runs]
