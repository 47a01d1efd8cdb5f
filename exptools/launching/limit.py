"""How many jobs may fail before no other is begun."""

from __future__ import annotations

import threading

from exptools.launching.job import Outcome
from exptools.rundir import State


class FailureLimit:
    """Counts jobs that did not complete: whether these are as many as may be."""

    def __init__(self, most: int | None, n: int = 0) -> None:
        """n: how many there are already."""
        self.most = most
        self._n = n
        self._told = False
        self._lock = threading.Lock()

    def __call__(self, outcome: Outcome) -> bool:
        """Count an outcome; whether that is enough."""
        with self._lock:
            self._n += outcome.ending.state is not State.COMPLETED
            return self._is_reached()

    def is_news(self) -> bool:
        """Whether it is reached and this was not asked since."""
        with self._lock:
            news, self._told = self._is_reached() and not self._told, self._is_reached()
            return news

    @property
    def told(self) -> str:
        """What is said of jobs that are not begun because of it."""
        return f"max_failures={self.most} was reached"

    def _is_reached(self) -> bool:
        return self.most is not None and self._n >= self.most
