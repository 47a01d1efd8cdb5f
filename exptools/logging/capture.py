"""For tests of programs that log: what they log, in memory."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from exptools.logging.logger import Logger
from exptools.logging.spool import Spool
from exptools.logging.writers.memory import MemoryWriter, Records


@contextlib.contextmanager
def capture(logger: Logger | None = None) -> Iterator[Records]:
    """Let the process-global logger record into a list inside the block, and nowhere else.

        with capture() as records:
            train(steps=3)
        assert records.scalars("loss") == [(0, 0.5), (1, 0.4), (2, 0.3)]

    The list is complete after the block, and after each `logger.flush()` or `logger.dump()` inside. A run
    that is open, a prefix and a step are put back at the end. logger: another one.
    """
    from exptools.logging import logger as the_global

    where = the_global if logger is None else logger
    writer = MemoryWriter()
    spool = Spool({"memory": writer})
    with where.recording_into(spool):
        yield writer.records
