"""Between the logger and its writers: any thread fills the spool without a lock, one thread empties it."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence
from typing import TypeVar

from exptools.formats.rows import Scalar, rows
from exptools.lifecycle import one_line
from exptools.logging.writers.base import Record, Text, Writer
from exptools.say import say

FLUSH_S = 1.0

ItemT = TypeVar("ItemT")


class Spool:
    """What has been logged and not been handed to the writers yet.

    `append` and `extend` of its two lists are the whole way in: single steps of the interpreter, so that
    signal handlers, destructors and threads may log in the middle of each other's logging and nothing is lost
    or mixed up. All writing is done by the spool's own thread, which no KeyboardInterrupt reaches.
    """

    def __init__(self, writers: Sequence[Writer]) -> None:
        self.scalars: list[Scalar] = []
        self.texts: list[Text] = []
        self.closed = False  # what is added after this was set may not be recorded
        self._outlets = [_Outlet(writer) for writer in writers]
        self._lost: list[str] = []
        # SimpleQueue.put is reentrant; the queue carries locks to release when all is written, None to end.
        self._requests: queue.SimpleQueue[threading.Lock | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="exptools-flush", daemon=True)
        self._thread.start()

    def flush(self) -> None:
        """Return when the writers have all that was added before."""
        if threading.current_thread() is self._thread:
            return  # a writer that logs: it cannot wait for itself
        written = threading.Lock()
        written.acquire()
        self._requests.put(written)
        while not written.acquire(timeout=1.0) and self._thread.is_alive():
            pass

    def close(self) -> str | None:
        """Hand over what is left and close the writers; what was lost in one line, None if nothing was.

        May be called again, by another thread too, when an interrupt has broken the first call off.
        """
        self.closed = True
        self._requests.put(None)
        self._thread.join()
        return "; ".join(self._lost) or None

    def _serve(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=FLUSH_S)
            except queue.Empty:
                self._hand_over()
                continue
            self._hand_over()
            if request is None:
                break
            request.release()
        self._lost = [lost for outlet in self._outlets if (lost := outlet.close())]

    def _hand_over(self) -> None:
        records: list[Record] = [*rows(taken(self.scalars)), *taken(self.texts)]
        for outlet in self._outlets:
            outlet.write(records)


def taken(items: list[ItemT]) -> list[ItemT]:
    """What is in the list now, taken out of it: a single step, so what is appended meanwhile stays."""
    found = items[:]
    del items[: len(found)]
    return found


class _Outlet:
    """A writer, and what it has not taken: one that raises must not harm the others."""

    def __init__(self, writer: Writer) -> None:
        self._writer = writer
        self._waiting: list[Record] = []
        self._failed = False

    def write(self, records: Sequence[Record]) -> None:
        self._waiting += records
        if not self._waiting:
            return
        try:
            self._writer.write(self._waiting)
        except Exception as error:
            if not self._failed:
                self._failed = True
                waits = "what is logged waits in memory and is tried again"
                say(f"{self._name()} failed ({one_line(error)}); {waits}")
            return
        self._waiting = []

    def close(self) -> str | None:
        try:
            lost = self._writer.close()
        except Exception as error:
            lost = f"{self._name()} could not be closed ({one_line(error)})"
        untaken = f"{len(self._waiting)} records were not taken by {self._name()}" if self._waiting else None
        return "; ".join(part for part in (lost, untaken) if part) or None

    def _name(self) -> str:
        return type(self._writer).__name__
