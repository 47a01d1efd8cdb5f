"""Every frame of every scalar as one long CSV: run, the config keys that differ, tag, step, wall_time, value.

A float64 is written so that it reads back bit for bit; what is not finite is `inf`, `-inf` and `NaN`. A
config key that a run does not have is an empty cell, an empty string is "", null is the word.
"""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING, BinaryIO

from exptools.formats.progress import line
from exptools.viewing.exporters import long

if TYPE_CHECKING:
    import polars as pl

    from exptools.viewing.api import Runs


def write(stream: BinaryIO, runs: Runs, tags: Sequence[str] | None = None) -> None:
    """Write all frames to `stream`, run by run: the memory it takes is that of the largest run.

    The header is written with the first run, so a tag that no run has leaves nothing behind but the error.

    Raises:
        ViewError: a tag was asked for that no run has.
    """
    keys = runs.differing()
    head = header([*long.BEFORE, *long.key_names(keys), *long.AFTER])
    for table in long.tables(runs, tags, long.texts(keys)):
        stream.write(head)
        head = b""
        stream.write(lines(table))
    stream.write(head)


def header(names: Sequence[str]) -> bytes:
    """The first line."""
    return line(names).encode()


def lines(table: pl.DataFrame) -> memoryview:
    """The rows of `table`, without a header."""
    text = io.BytesIO()
    table.write_csv(text, include_header=False)
    return text.getbuffer()
