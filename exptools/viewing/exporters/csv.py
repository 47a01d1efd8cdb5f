"""Every frame of every scalar as one long CSV: run, the config keys that differ, tag, step, wall_time, value.

A float64 is written so that it reads back bit for bit; what is not finite is `inf`, `-inf` and `NaN`. A
config key that a run does not have is an empty cell, an empty string is "", null is the word.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from exptools.viewing import compare

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs
    from exptools.viewing.curves import Curve

    _Piece: TypeAlias = tuple[str, Curve]  # a tag and some of its frames

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
        for pieces in _batches(reading.curves):
            stream.write(head)
            head = b""
            stream.write(_lines(run, keys, pieces))
    stream.write(head)


def header(keys: Sequence[str]) -> bytes:
    """The first line; a config key named like another column gets `config.` before it."""
    names = compare.distinct(keys, {*_BEFORE, *_AFTER}, "config.")
    line = io.StringIO(newline="")
    csv.writer(line, lineterminator="\n").writerow([*_BEFORE, *names, *_AFTER])
    return line.getvalue().encode()


def _batches(curves: Mapping[str, Curve]) -> Iterator[list[_Piece]]:
    """The frames of all tags, some _ROWS_AT_ONCE at a time: short tags together, long ones in pieces."""
    batch: list[_Piece] = []
    height = 0
    for tag, curve in curves.items():
        for at in range(0, len(curve), _ROWS_AT_ONCE):
            batch.append((tag, curve.part(slice(at, at + _ROWS_AT_ONCE))))
            height += len(batch[-1][1])
            if height >= _ROWS_AT_ONCE:
                yield batch
                batch, height = [], 0
    if batch:
        yield batch


def _lines(run: Run, keys: Sequence[str], pieces: Sequence[_Piece]) -> bytes:
    import numpy as np
    import polars as pl

    from exptools.viewing.curves import concatenated

    cells = [run.name, *(_cell(run, key) for key in keys)]
    constant = [pl.lit(cell, pl.String).alias(str(i)) for i, cell in enumerate(cells)]
    which = np.repeat(np.arange(len(pieces)), [len(rows) for _, rows in pieces])
    tags = pl.Series("tag", [tag for tag, _ in pieces], pl.String).gather(which)
    frames = concatenated([rows for _, rows in pieces])
    rows = pl.DataFrame({"step": frames.step, "wall_time": frames.wall_time, "value": frames.value})
    lines = rows.select(*constant, tags, "step", "wall_time", "value")
    return lines.write_csv(include_header=False).encode()


def _cell(run: Run, key: str) -> str | None:
    value = (run.flat or {}).get(key, compare.MISSING)
    return None if value is compare.MISSING else compare.text(value)
