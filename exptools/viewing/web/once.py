"""Things that are made once, however many ask for them at the same time, and kept while there is room."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

T = TypeVar("T")


class Once(Generic[T]):
    """What was made, by key; those that nobody asked for for the longest time go first."""

    def __init__(self, most: int, size: Callable[[T], int] = lambda _: 1) -> None:
        """most: the sum of the sizes of what is kept; the newest is kept in any case."""
        self._most, self._size = most, size
        self._kept: OrderedDict[Hashable, T] = OrderedDict()
        self._making: dict[Hashable, threading.Lock] = {}
        self._lock = threading.Lock()

    def get(self, key: Hashable, make: Callable[[], T]) -> T:
        """What is kept under `key`; if there is nothing, `make` makes it. What that raises is raised."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:  # others who want it wait here
            with self._lock:
                if key in self._kept:
                    return self._kept[key]
            try:
                made = make()
                self._keep(key, made)
            finally:  # behind _keep: who comes in between finds it or waits for it
                with self._lock:
                    self._making.pop(key, None)
            return made

    def _keep(self, key: Hashable, made: T) -> None:
        with self._lock:
            self._kept[key] = made
            while len(self._kept) > 1 and sum(map(self._size, self._kept.values())) > self._most:
                self._kept.popitem(last=False)
