"""Signals of a scheduler that may come before a process can hear them: they are held back until it can.

Slurm sends its early signal to every process of a job, up to a minute before it is due, and a preemption has
no regard for what has just begun. By default it would kill a Python that still starts.
"""

from __future__ import annotations

import contextlib
import signal
from collections.abc import Iterator

WARNING = signal.SIGUSR2  # what a scheduler sends some time before it ends a job
HELD = (signal.SIGUSR2, signal.SIGTERM)


@contextlib.contextmanager
def held_back(do: bool = True) -> Iterator[None]:
    """Let what this thread starts inside the block begin without hearing them."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD if do else ())
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def let_through() -> None:
    """Hear them from now on, those that have come meanwhile first."""
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
