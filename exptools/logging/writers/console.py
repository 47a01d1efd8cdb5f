"""The last values as a table on stdout, at the end of an iteration."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Sequence

from exptools import words
from exptools.formats.rows import Row
from exptools.logging.writers.base import Record, Writer

EVERY_S = 10.0


class ConsoleWriter(Writer):
    """Shows what was logged since the table before, at `dump`, at most every `every_s` seconds."""

    def __init__(self, every_s: float = EVERY_S) -> None:
        self._every_s = every_s
        self._begun = time.monotonic()
        self._shown: float | None = None
        self._last: dict[str, float] = {}
        self._dumped: int | None = None  # a step whose table was left out

    def write(self, records: Sequence[Record]) -> None:
        """Remember the last value of each tag."""
        for record in records:
            if isinstance(record, Row):
                self._last.update(zip(record.tags, record.values, strict=True))

    def dump(self, step: int) -> None:
        """Show the table, unless one was shown just now."""
        now = time.monotonic()
        self._dumped = step
        if self._shown is None or now - self._shown >= self._every_s:
            self._show(step, now)

    def close(self) -> str | None:
        """Show the table that was left out last."""
        if self._dumped is not None:
            self._show(self._dumped, time.monotonic())
        return None

    def _show(self, step: int, now: float) -> None:
        if self._last:
            with contextlib.suppress(OSError, ValueError, AttributeError):  # stdout may be closed
                print(table(self._last, step, now - self._begun), flush=True)
        self._shown, self._dumped, self._last = now, None, {}


def table(values: dict[str, float], step: int, seconds: float) -> str:
    """Tags and values, as wide as the terminal allows: a tag that is too long is broken, never cut off.

    The title is a line of its own: rich would break that of a narrow table.
    """
    import shutil

    import rich.box
    import rich.console
    import rich.table

    grid = rich.table.Table(box=rich.box.SIMPLE_HEAD)
    grid.add_column("tag", overflow="fold")
    grid.add_column("value", justify="right", no_wrap=True)
    for tag, value in values.items():
        grid.add_row(rich.markup.escape(tag), f"{value:.6g}")
    on_terminal = sys.stdout.isatty()
    width = shutil.get_terminal_size().columns if on_terminal else 100
    console = rich.console.Console(width=width, force_terminal=on_terminal, file=sys.stdout)
    with console.capture() as captured:
        console.print(grid)
    lines = [line.rstrip() for line in captured.get().splitlines()]
    return "\n".join([f"step {step:,} after {words.duration(seconds)}", *filter(None, lines), ""])
