"""How far a sweep is: a live view on a terminal; elsewhere the log has a line per change."""

from __future__ import annotations

import contextlib
import logging
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from exptools import words
from exptools.launching import lines
from exptools.launching.job import Outcome
from exptools.launching.slots import Slot
from exptools.rundir import State

if TYPE_CHECKING:
    from rich.console import Console, RenderableType


class Tally:
    """Which jobs run and how many have ended; times are seconds of one clock."""

    def __init__(self, titles: Sequence[str], n_slots: int | None, now: float) -> None:
        """n_slots: how many can run at a time; None: as many as were seen to do so."""
        self._titles = titles
        self._n_slots = min(n_slots or 1, len(titles))
        self._grows = n_slots is None
        self._begun = now
        self._running: dict[int, tuple[Slot, float]] = {}
        self._ended: Counter[State] = Counter()
        self._took_s = 0.0  # all that ended, together
        self._is_stopped = False
        self._lock = threading.Lock()

    def start(self, index: int, slot: Slot, now: float) -> None:
        """A job began."""
        with self._lock:
            self._running[index] = slot, now
            if self._grows:
                self._n_slots = max(self._n_slots, len(self._running))

    def wait(self, index: int) -> None:
        """A job that had begun waits again."""
        with self._lock:
            self._running.pop(index, None)

    def end(self, index: int, state: State, now: float) -> None:
        """A job ended."""
        with self._lock:
            _, began = self._running.pop(index, (None, now))
            self._ended[state] += 1
            self._took_s += now - began

    def stop(self) -> None:
        """No other job will begin."""
        self._is_stopped = True

    def left_s(self, now: float) -> float | None:
        """About how long the rest takes, if jobs take as long as those before did on average; or None."""
        with self._lock:
            n_ended = sum(self._ended.values())
            if not n_ended or self._is_stopped:
                return None
            each = self._took_s / n_ended
            waiting = len(self._titles) - n_ended - len(self._running)
            rest = [max(0.0, each - (now - began)) for _, began in self._running.values()]
            return max([(waiting * each + sum(rest)) / self._n_slots, *rest])

    def elapsed_s(self, now: float) -> float:
        """How long the sweep has run."""
        return now - self._begun

    def counts(self) -> list[tuple[str, int, str]]:
        """What there is to say of how many jobs, and in which style."""
        with self._lock:
            ended = [(state.value, self._ended[state]) for state in State if self._ended[state]]
            n_waiting = len(self._titles) - sum(self._ended.values()) - len(self._running)
            running, rest = ("RUNNING", len(self._running)), "not begun" if self._is_stopped else "waiting"
        return [
            (word.lower(), n, words.STYLES.get(word, "dim"))
            for word, n in [*ended, running, (rest, n_waiting)]
            if n
        ]

    def running(self, now: float) -> list[tuple[Slot, str, float]]:
        """Slot, job and seconds since its start of what runs, by slot."""
        with self._lock:
            rows = [(slot, self._titles[i], now - began) for i, (slot, began) in self._running.items()]
        return sorted(rows, key=lambda row: row[0].number)

    def n_done(self) -> int:
        """How many have ended."""
        with self._lock:
            return sum(self._ended.values())

    def n_all(self) -> int:
        """How many jobs there are."""
        return len(self._titles)


@contextlib.contextmanager
def shown(tally: Tally, log: logging.Logger, clock: Callable[[], float] = time.monotonic) -> Iterator[None]:
    """Show the tally while the block runs, where somebody looks; what is logged stands above it."""
    if not lines.is_terminal(sys.stdout) or not log.isEnabledFor(logging.INFO):
        yield
        return
    from rich.console import Console
    from rich.live import Live

    console = Console(file=lines.until_hung_up(sys.stdout))
    if console.is_dumb_terminal or not console.is_terminal:
        yield
        return
    live = Live(
        console=console,
        get_renderable=lambda: _view(tally, clock(), console),
        refresh_per_second=2,
        redirect_stdout=False,
        redirect_stderr=False,
        vertical_overflow="crop",
    )
    with lines.above(console, log), live:
        yield


def _view(tally: Tally, now: float, console: Console) -> RenderableType:
    """The bar with its counts and times, then what runs, as far as there is room."""
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    rows = tally.running(now)
    room = max(1, console.height - 4)
    table = Table.grid(padding=(0, 2))
    for _ in range(2):
        table.add_column(no_wrap=True, style="dim")
    table.add_column(no_wrap=True, justify="right", style="dim")
    table.add_column(no_wrap=True, overflow="ellipsis")
    for slot, title, seconds in rows[: room if len(rows) <= room else room - 1]:
        gpus = f"GPU {','.join(slot.gpus)}" if slot.gpus else ""
        since = words.duration(seconds, tenths=False)
        table.add_row(slot.where or f"slot {slot.number}", gpus, since, Text(title))
    parts = [_bar(tally, now, console.width), table]
    if len(rows) > room:
        parts.append(Text(f"and {len(rows) - room + 1} more", style="dim"))
    return Group(*parts)


def _bar(tally: Tally, now: float, width: int) -> RenderableType:
    from rich.progress_bar import ProgressBar
    from rich.table import Table
    from rich.text import Text

    done, of = tally.n_done(), tally.n_all()
    counts = Text(", ").join(Text(f"{n} {word}", style=style) for word, n, style in tally.counts())
    left = tally.left_s(now)
    elapsed = words.duration(tally.elapsed_s(now), tenths=False)
    more = "" if left is None or done == of else f", about {words.duration(left, tenths=False)} left"
    line = Table.grid(padding=(0, 2))
    line.add_row(
        f"{done}/{of}",
        ProgressBar(of, done, width=max(8, min(30, width // 4)), complete_style="cyan"),
        counts,
        f"{elapsed}{more}",
    )
    return line


def is_news(outcome: Outcome) -> bool:
    """Whether the end of a job deserves a line of its own beside the live view."""
    return outcome.ending.state is not State.COMPLETED or outcome.ending.note is not None
