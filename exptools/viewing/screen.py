"""What a terminal shows of a text that was written to it, as lines. Pure.

A log has what a program wrote to a terminal: a bar writes over itself after each carriage return, several
bars go up and down, words are coloured. This plays it onto a screen without borders. Absolute positions and
the clearing of the whole screen are not followed: nothing of a log is lost by them.
"""

from __future__ import annotations

import re

_WIDEST = 400  # columns: no further a cursor goes to the right but by what is written
_TAB = 8
_CONTROL = re.compile(
    r"""
      \x1b\[ (?P<number>[0-9]{0,6}) [0-9;]* (?P<command>[A-GJK])  # moves, and what is erased
    | (?P<character>[\n\r\b\t\v\f])
    | (?:\x1b\[|\x9b) [0-?]* [ -/]* (?:[@-~]|\Z)                # colours, and all else that begins so
    | \x1b[\]PX^_] [^\x07\x1b\n]* (?:\x07|\x1b\\)?               # titles, links
    | \x1b [ -/]* (?:[0-~]|\Z)
    | [\x00-\x1f\x7f-\x9f]
    """,
    re.VERBOSE,
)


def shown(text: str) -> str:
    """The lines that are there when all of `text` has been written, without colours.

    A line end leads to the beginning of the next line, as where a terminal gets it. Each character takes one
    column.
    """
    screen = _Screen()
    at = 0
    for control in _CONTROL.finditer(text):
        screen.put(text[at : control.start()])
        at = control.end()
        if control["character"]:
            screen.obey(control["character"])
        elif control["command"]:
            screen.command(control["command"], control["number"])
    screen.put(text[at:])
    return "\n".join(screen.rows)


class _Screen:
    """Rows without an end, and where the cursor is. A row is there when it is first written to or begun."""

    def __init__(self) -> None:
        self.rows = [""]
        self._row = self._column = 0
        self._lowest = 0  # no further down a cursor goes but by a line end

    def put(self, text: str) -> None:
        """Write over what is there."""
        if text:
            self._reach()
            row, end = self.rows[self._row], self._column + len(text)
            self.rows[self._row] = row[: self._column].ljust(self._column) + text + row[end:]
            self._column = end

    def obey(self, character: str) -> None:
        """A character that only moves the cursor."""
        if character == "\r":
            self._column = 0
        elif character == "\b":
            self._column = max(0, self._column - 1)
        elif character == "\t":
            self._column += _TAB - self._column % _TAB
        else:
            self._row += 1
            self._column = 0
            self._reach()

    def command(self, command: str, number: str) -> None:
        """One of ECMA-48's. number: its first argument, as it was written."""
        if command in "JK":
            self._erase(command, int(number or 0))
            return
        n = max(1, int(number or 1))
        if command in "AF":
            self._row = max(0, self._row - n)
        elif command in "BE":
            self._row = min(self._lowest, self._row + n)
        elif command == "C":
            self._column = max(self._column, min(self._column + n, _WIDEST))
        elif command == "D":
            self._column = max(0, self._column - n)
        elif command == "G":
            self._column = min(n - 1, _WIDEST)
        if command in "EF":
            self._column = 0

    def _reach(self) -> None:
        self._lowest = max(self._lowest, self._row)
        self.rows += [""] * (self._row + 1 - len(self.rows))

    def _erase(self, command: str, which: int) -> None:
        """which: 0, from the cursor on; 1, up to the cursor; 2, all. Of J, the screen, only the first."""
        if command == "J" and which != 0:
            return
        self._reach()
        row = self.rows[self._row]
        if which == 0:
            self.rows[self._row] = row[: self._column]
        elif which == 1:
            self.rows[self._row] = " " * min(self._column + 1, len(row)) + row[self._column + 1 :]
        elif which == 2:
            self.rows[self._row] = ""
        if command == "J":
            del self.rows[self._row + 1 :]
