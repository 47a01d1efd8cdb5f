"""Scalars as wide CSV: a row per step, a column per tag; one file of all runs, or one for each.

A row is a step of a run. Where a tag has several frames at one step there are as many rows of that step.
wall_time is the latest of the frames in the row; where each must have its own the long table has it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from exptools.viewing import compare
from exptools.viewing.exporters import csv, long, output

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from exptools.viewing.api import Runs
    from exptools.viewing.curves import Curve

_FIRST = ("step", "wall_time")
_END = 100  # bytes of a name of a file that are kept of either end, if it is longer than both


def write(stream: BinaryIO, runs: Runs, tags: Sequence[str] | None = None) -> None:
    """Write the rows of all runs to `stream`: run, the config keys that differ, step, wall_time, tags.

    The runs are looked at twice, for the header has the tags of all.

    Raises:
        ViewError: a tag was asked for that no run has.
    """
    import polars as pl

    keys = runs.differing()
    columns = list(dict.fromkeys(tag for _, finals in runs.finals(tags) for tag in finals.values))
    before = [*long.BEFORE, *long.key_names(keys, (*long.BEFORE, *_FIRST))]
    stream.write(csv.header([*before, *_FIRST, *_names(columns, before)]))
    for run, reading in runs.readings(tags):
        cells = [run.name, *(long.text(run, key) for key in keys)]
        texts = [pl.lit(cell, pl.String).alias(f"key {i}") for i, cell in enumerate(cells)]
        stream.write(csv.lines(table(reading.curves, columns).select(*texts, pl.all())))


def write_each(directory: Path, runs: Runs, tags: Sequence[str] | None = None) -> list[Path]:
    """Write a file per run into `directory`, named by the run: step, wall_time and its own tags.

    Returns the files. Runs without a frame have none.

    Raises:
        ViewError: the directory cannot be made or written, or a tag was asked for that no run has.
    """
    files = _files(directory, runs)
    output.made(directory)
    written = []
    for run, reading in runs.readings(tags):
        curves = {tag: curve for tag, curve in reading.curves.items() if len(curve)}
        if curves:
            with output.replacing(files[run.name]) as stream:
                stream.write(csv.header([*_FIRST, *_names(list(curves))]))
                stream.write(csv.lines(table(curves, list(curves))))
            written.append(files[run.name])
    return written


def _names(tags: Sequence[str], others: Sequence[str] = ()) -> list[str]:
    """The names of the tags' columns: one named like another column gets `tag.` before it."""
    return compare.distinct(tags, {*_FIRST, *others}, "tag.")


def _files(directory: Path, runs: Runs) -> Mapping[str, Path]:
    """A file for each run: its name, with what the name of a file cannot have replaced; all different."""
    plain = [_short(re.sub(r"[^\w.=,+-]+", "_", run.name).strip("_.")) or "run" for run in runs]
    names = [f"{name}~{i}" if plain.count(name) > 1 else name for i, name in enumerate(plain)]
    return {run.name: directory / f"{name}.csv" for run, name in zip(runs, names, strict=True)}


def _short(name: str) -> str:
    """`name`, or its two ends: file systems take 255 bytes, and more is added to it."""
    held = name.encode()
    if len(held) <= 2 * _END:
        return name
    return f"{held[:_END].decode(errors='ignore')}__{held[-_END:].decode(errors='ignore')}"


def table(curves: Mapping[str, Curve], columns: Sequence[str]) -> pl.DataFrame:
    """The wide table of a run: step, wall_time and `columns`, null where a tag has no frame in a row.

    The columns are called by their positions, for a tag may have any name.
    """
    import numpy as np
    import polars as pl

    held = {tag: curves[tag] for tag in columns if tag in curves and len(curves[tag])}
    if not held:
        numbers = {str(i): pl.Series([], dtype=pl.Float64) for i in range(1, 2 + len(columns))}
        return pl.DataFrame({"0": pl.Series([], dtype=pl.Int64), **numbers})
    rows, place = _rows(list(held.values()))
    wall_time = np.full(len(rows), -np.inf)
    values: dict[str, pl.Series] = {}
    for (tag, curve), at in zip(held.items(), place, strict=True):
        wall_time[at] = np.fmax(wall_time[at], curve.wall_time)
        values[tag] = _column(len(rows), at, curve.value)
    wall_time[np.isneginf(wall_time)] = np.nan
    nothing = _nulls(len(rows))
    numbers = {str(i): values.get(tag, nothing) for i, tag in enumerate(columns, start=2)}
    return pl.DataFrame({"0": rows, "1": wall_time, **numbers})


def _column(n_rows: int, at: NDArray[np.int64], values: NDArray[np.float64]) -> pl.Series:
    """A column of `values` in the rows `at`, null elsewhere."""
    import numpy as np
    import polars as pl

    if len(at) < n_rows:
        sparse: pl.Series = _nulls(n_rows).scatter(at, values)
        return sparse
    column = np.empty(n_rows)
    column[at] = values
    return pl.Series(column)


def _nulls(n_rows: int) -> pl.Series:
    import polars as pl

    nulls: pl.Series = pl.Series([None], dtype=pl.Float64).new_from_index(0, n_rows)
    return nulls


def _rows(curves: Sequence[Curve]) -> tuple[NDArray[np.int64], list[NDArray[np.int64]]]:
    """The step of each row, and for each curve the rows of its frames."""
    import numpy as np

    first = curves[0].step
    if (first[1:] > first[:-1]).all() and all(np.array_equal(first, curve.step) for curve in curves[1:]):
        return first, [np.arange(len(first))] * len(curves)
    steps = np.unique(np.concatenate([curve.step for curve in curves]))
    step_of = [np.searchsorted(steps, curve.step) for curve in curves]
    nth = [_nth_of_its_kind(at) for at in step_of]
    most = 1 + max(int(n.max()) for n in nth)
    keys = [at * most + n for at, n in zip(step_of, nth, strict=True)]
    rows = np.unique(np.concatenate(keys))
    return steps[rows // most], [np.searchsorted(rows, key) for key in keys]


def _nth_of_its_kind(numbers: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each number how many before it are equal: 0 for the first of its kind."""
    import numpy as np

    order = np.argsort(numbers, kind="stable")
    ordered = numbers[order]
    starts = np.concatenate([[True], ordered[1:] != ordered[:-1]])
    begins = np.maximum.accumulate(np.where(starts, np.arange(len(numbers)), 0))
    nth = np.empty(len(numbers), np.int64)
    nth[order] = np.arange(len(numbers)) - begins
    return nth
