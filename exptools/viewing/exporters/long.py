"""Every frame of every scalar in long tables: run, the config keys that differ, tag, step, wall_time, value.

One table after the other, of some 260,000 rows, so that the memory it takes is that of the largest run.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from exptools.viewing import compare
from exptools.viewing.curves import concatenated

if TYPE_CHECKING:
    import polars as pl

    from exptools.viewing.api import Run, Runs
    from exptools.viewing.curves import Curve

    Piece: TypeAlias = tuple[str, Curve]  # a tag and some of its frames

BEFORE = ("run",)
AFTER = ("tag", "step", "wall_time", "value")
_ROWS_AT_ONCE = 1 << 18  # as text some 20 MB


def key_names(keys: Sequence[str], others: Sequence[str] = (*BEFORE, *AFTER)) -> list[str]:
    """The names of the columns of config keys: one named like another column gets `config.` before it."""
    return compare.distinct(keys, {*others}, "config.")


def tables(
    runs: Runs, tags: Sequence[str] | None, cells: Callable[[Run], Mapping[str, pl.Expr]]
) -> Iterator[pl.DataFrame]:
    """The tables of `runs`, in their order. cells: what stands in each row of a run, beside its frames.

    Raises:
        ViewError: after the last, if a tag was asked for that no run has.
    """
    import numpy as np
    import polars as pl

    for run, reading in runs.readings(tags):
        of_run = cells(run)
        for pieces in _batches(reading.curves):
            which = np.repeat(np.arange(len(pieces)), [len(curve) for _, curve in pieces])
            frames = concatenated([curve for _, curve in pieces])
            columns = {
                "tag": pl.Series("tag", [tag for tag, _ in pieces], pl.String).gather(which),
                "step": frames.step,
                "wall_time": frames.wall_time,
                "value": frames.value,
            }
            yield pl.DataFrame(columns).select(
                *(cell.alias(name) for name, cell in of_run.items()), *(pl.col(name) for name in AFTER)
            )


def _batches(curves: Mapping[str, Curve]) -> Iterator[list[Piece]]:
    """The frames of all tags, some _ROWS_AT_ONCE at a time: short tags together, long ones in pieces."""
    batch: list[Piece] = []
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


def texts(keys: Sequence[str]) -> Callable[[Run], Mapping[str, pl.Expr]]:
    """The run's name and its config keys as text: null where it has no such key."""
    import polars as pl

    names = key_names(keys)

    def cells(run: Run) -> Mapping[str, pl.Expr]:
        values = [run.name, *(text(run, key) for key in keys)]
        return {name: pl.lit(v, pl.String) for name, v in zip([*BEFORE, *names], values, strict=True)}

    return cells


def text(run: Run, key: str) -> str | None:
    """A config value as it is written in a table of texts; None if the run has no such key."""
    value = value_of(run, key)
    return None if value is compare.MISSING else compare.text(value)


def value_of(run: Run, key: str) -> Any:
    """The config value of a run, or MISSING."""
    return (run.flat or {}).get(key, compare.MISSING)
