"""Every scalar into one TensorBoard event file: a view, in float32."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from pathlib import Path

from exptools import rundir
from exptools.formats.events import encode_header, encode_row
from exptools.formats.rows import Row
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Record


class EventsWriter:
    """Writes one event a row to `run_dir`/events.out.tfevents.*, from the first one on."""

    def __init__(self, run_dir: Path) -> None:
        now = time.time()
        # The pid and nanoseconds: two writers that begin in one second get two files.
        unique = f"{int(now):010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
        name = f"events.out.{rundir.EVENTS_INFIX}.{unique}{rundir.OWN_EVENTS_SUFFIX}"
        self._file = AppendFile(run_dir / name, lambda: encode_header(now))

    def write(self, records: Sequence[Record]) -> None:
        """Append the rows among the records."""
        self._file.append(b"".join(encode_row(r) for r in records if isinstance(r, Row)))

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        return self._file.close()
