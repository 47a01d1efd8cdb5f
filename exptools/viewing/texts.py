"""What a run printed last, and why it failed."""

from __future__ import annotations

import codecs
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from exptools import rundir, words
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import screen
from exptools.viewing.inside import open_inside
from exptools.viewing.summary import why_failed

if TYPE_CHECKING:
    from exptools.viewing.api import Run

_LINE_END = re.compile(rb"\r?\n|\r")


@dataclass(frozen=True)
class Text:
    """The end of a log, as a terminal would show it.

    name: of the file, in the run's directory; "" where there is none. size: bytes of all of it. from_offset:
    where in it the text begins. missing: why there is no text, in one line; "" if there may be.
    """

    name: str
    text: str
    size: int
    from_offset: int
    missing: str = ""


def tail(run: Run, most_bytes: int = 200_000) -> Text:
    """The last `most_bytes` of the log of a run (see Run.log), from the beginning of a line on.

    Bars are in their last state and colours are left out; what is not UTF-8 is shown as U+FFFD, but for half
    of a character at the end, which is being written. Nothing is raised: what cannot be read is `missing`.
    """
    path, home = run.log, run.place.home
    if path == home:
        return Text("", "", 0, 0, f"{home} has no {rundir.STDOUT}, and no other file *.log")
    try:
        with open_inside(path, [home]) as file:
            size = os.fstat(file.fileno()).st_size
            start = max(0, size - max(0, most_bytes))
            file.seek(start)
            data = file.read(size - start)
    except ViewError as error:
        return Text(path.name, "", 0, 0, str(error))
    except OSError as error:
        return Text(path.name, "", 0, 0, f"{path} cannot be read ({error.strerror or error})")
    begin = _beginning(data) if start else 0
    text = codecs.getincrementaldecoder("utf-8")("replace").decode(data[begin:])
    return Text(path.name, screen.shown(text), size, start + begin)


def _beginning(data: bytes) -> int:
    """Where the first line begins that is whole; where there is none, the first character."""
    end = _LINE_END.search(data)
    if end is not None and end.end() < len(data):
        return end.end()
    return next((i for i, byte in enumerate(data[:4]) if byte & 0xC0 != 0x80), 0)


def error(run: Run) -> str | None:
    """Why a run ended badly, as its status says: what was raised, or how the process ended, and what was
    noted. A traceback is not kept there: it is at the end of the log. None: it did not, or nothing is known.
    """
    if run.status is None or run.state is State.COMPLETED:
        return None
    if run.state is State.STALE:
        beat = run.status.heartbeat or run.status.start
        silent = None if beat is None else f"no sign of life since {words.moment(beat)}"
        return _lines(why_failed(run.status) or silent, run.status.note)
    return _lines(why_failed(run.status), run.status.note) if run.state and run.state.ended else None


def _lines(*parts: str | None) -> str | None:
    return "\n".join(part for part in parts if part) or None
