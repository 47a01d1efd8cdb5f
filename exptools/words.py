"""Amounts and states as people read them."""

from __future__ import annotations

import datetime
from collections.abc import Sequence

# The style of a state on a terminal, in rich's words.
STYLES = {
    "COMPLETED": "green",
    "RUNNING": "cyan",
    "QUEUED": "dim",
    "FAILED": "bold red",
    "TIMEOUT": "red",
    "STALE": "yellow",
    "INTERRUPTED": "yellow",
    "PREEMPTED": "yellow",
}


def moment(seconds: float) -> str:
    """A moment in local time, to the microsecond. seconds: since the epoch."""
    return datetime.datetime.fromtimestamp(seconds).astimezone().strftime("%Y-%m-%d %H:%M:%S.%f %z")


def duration(seconds: float, *, tenths: bool = True) -> str:
    """A duration in at most two units: 0.8 s, 59 s, 1 m 02 s, 2 h 05 m, 3 d 04 h.

    tenths: below ten seconds; without them whole ones that have passed.
    """
    if tenths and seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds) if tenths else int(seconds)
    if whole < 60:
        return f"{whole} s"
    minutes, hours, days = whole // 60, whole // 3600, whole // 86400
    if hours == 0:
        return f"{minutes} m {whole % 60:02d} s"
    return f"{hours} h {minutes % 60:02d} m" if days == 0 else f"{days} d {hours % 24:02d} h"


def memory(n_bytes: int) -> str:
    """An amount of memory: 300 MiB, 1.5 GiB."""
    return f"{n_bytes / 2**30:.1f} GiB" if n_bytes >= 2**30 else f"{n_bytes / 2**20:.0f} MiB"


def count(n: int, noun: str) -> str:
    """A number of things: 1 job, 2 jobs."""
    return f"{n} {noun}{'s' * (n != 1)}"


def any_of(words: Sequence[str]) -> str:
    """A choice: a, b or c."""
    return " or ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))
