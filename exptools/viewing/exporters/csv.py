"""Every frame of every scalar as one long CSV: run, the config keys that differ, tag, step, wall_time, value.

A float64 is written so that it reads back bit for bit; what is not finite is `inf`, `-inf` and `NaN`. A
config key that a run does not have is an empty cell, an empty string is "", null is the word.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, BinaryIO

from exptools.viewing import compare

if TYPE_CHECKING:
    import polars as pl

    from exptools.viewing.api import Run, Runs

_BEFORE = ("run",)
_AFTER = ("tag", "step", "wall_time", "value")
_ROWS_AT_ONCE = 1 << 18  # what is turned into text at a time: some 20 MB


def write(stream: BinaryIO, runs: Runs, tags: Sequence[str] | None = None) -> None:
    """Write all frames to `stream`, run by run: the memory it takes is that of the largest run.

    The header is written with the first run, so a tag that no run has leaves nothing behind but the error.

    Raises:
        ViewError: a tag was asked for that no run has.
    """
    keys = runs.differing()
    head = header(keys)
    for run, reading in runs.readings(tags):
        for tag, frame in reading.curves.items():
            stream.write(head)
            head = b""
            for rows in _pieces(frame):
                stream.write(_lines(run, keys, tag, rows))
    stream.write(head)


def header(keys: Sequence[str]) -> bytes:
    """The first line; a config key named like another column gets `config.` before it."""
    names = compare.distinct(keys, {*_BEFORE, *_AFTER}, "config.")
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow([*_BEFORE, *names, *_AFTER])
    return line.getvalue().encode()


def _pieces(frame: pl.DataFrame) -> Iterator[pl.DataFrame]:
    return (frame.slice(at, _ROWS_AT_ONCE) for at in range(0, frame.height, _ROWS_AT_ONCE))


def _lines(run: Run, keys: Sequence[str], tag: str, rows: pl.DataFrame) -> bytes:
    import polars as pl

    cells = [run.name, *(_cell(run, key) for key in keys), tag]
    constant = [pl.lit(cell, pl.String).alias(str(i)) for i, cell in enumerate(cells)]
    return rows.select(*constant, "step", "wall_time", "value").write_csv(include_header=False).encode()


def _cell(run: Run, key: str) -> str | None:
    value = (run.flat or {}).get(key, compare.MISSING)
    return None if value is compare.MISSING else compare.text(value)
