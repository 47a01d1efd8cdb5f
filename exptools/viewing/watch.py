"""The table of runs, live on a terminal."""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from exptools import words
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing.columns import Kind
from exptools.viewing.exporters import table
from exptools.viewing.scheduled import Scheduled
from exptools.viewing.summary import Table

if TYPE_CHECKING:
    from rich.console import Console, RenderableType

    from exptools.viewing.api import Runs

# Which runs are seen where there is no room for all.
_FIRST = (State.RUNNING, State.STALE, State.FAILED, State.TIMEOUT)
_BESIDES = 5  # lines: the counts, two for the head of the table, how many more, and where the cursor stands


def watch(
    look: Callable[[], tuple[Runs, Table]], console: Console, seconds: float, *, keep_order: bool
) -> None:
    """Show what `look` gives, again and again, until Ctrl-C; what was shown last stays.

    keep_order: whether the first rows are shown where there is no room for all; else what runs or failed.
    What cannot be looked at any more (a directory has gone) is told below, and tried again.

    Raises:
        ViewError: there is nothing to be seen at first.
    """
    from rich.console import Group
    from rich.live import Live
    from rich.text import Text

    scheduled = Scheduled()
    seen = _seen(*look(), console, keep_order, scheduled)
    live = Live(seen, console=console, auto_refresh=False, vertical_overflow="crop")
    with contextlib.suppress(KeyboardInterrupt), live:
        console.show_cursor(True)  # a signal may end this at any time
        while True:
            live.update(seen, refresh=True)
            time.sleep(seconds)
            try:
                seen = _seen(*look(), console, keep_order, scheduled)
            except ViewError as error:
                live.update(Group(seen, Text(table.one_line(str(error)), "red")), refresh=True)
                time.sleep(seconds)


def _seen(
    runs: Runs, summary: Table, console: Console, keep_order: bool, scheduled: Scheduled
) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    room = max(1, console.height - _BESIDES - bool(runs.problems))
    cut = _with_words(_cut(summary, room, keep_order), scheduled.told(runs))
    drawn, _ = table.draw(cut, console.width)
    below = []
    if len(summary.rows) > room:
        below.append(Text(f"and {words.count(len(summary.rows) - room, 'more run')}", "dim"))
    if runs.problems:
        first = table.one_line(str(runs.problems[0]))
        more = f" and {len(runs.problems) - 1} more" if len(runs.problems) > 1 else ""
        below.append(Text(f"{first}{more}", "yellow", no_wrap=True, overflow="ellipsis"))
    return Group(_counts(runs), drawn, *below)


def _with_words(summary: Table, told: Mapping[str, str]) -> Table:
    """`summary` with what a scheduler says of a run, by its name, in place of its state."""
    if not told:
        return summary
    rows = tuple(
        tuple(
            told.get(row[0], cell) if column.kind is Kind.STATE else cell
            for column, cell in zip(summary.columns, row, strict=True)
        )
        for row in summary.rows
    )
    return replace(summary, rows=rows)


def _counts(runs: Runs) -> RenderableType:
    from rich.text import Text

    counts = Counter(run.state for run in runs if not run.place.part)
    parts = [
        Text(f"{counts[state]} {state.lower()}", words.STYLES.get(state, ""))
        for state in State
        if counts[state]
    ]
    if counts[None]:
        parts.append(Text(f"{counts[None]} unknown", "dim"))
    now = Text(time.strftime("%H:%M:%S  "), "dim")
    return now + Text(", ").join(parts or [Text("no runs")])


def _cut(summary: Table, room: int, keep_order: bool) -> Table:
    """`summary` of at most `room` runs, in their order."""
    if len(summary.rows) <= room:
        return summary
    chosen = list(range(len(summary.rows)))
    at = next((i for i, column in enumerate(summary.columns) if column.kind is Kind.STATE), None)
    if at is not None and not keep_order:
        rank = {state: i for i, state in enumerate(_FIRST)}
        chosen.sort(key=lambda i: rank.get(summary.rows[i][at], len(rank)))
    return replace(summary, rows=tuple(summary.rows[i] for i in sorted(chosen[:room])))
