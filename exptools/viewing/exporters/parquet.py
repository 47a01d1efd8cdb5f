"""Every frame of every scalar as one Parquet file: run, the config keys that differ, tag, step (int64),
wall_time and value (float64).

A config key is a column of numbers or of truth values where all of its values are such, of text otherwise;
null where a run has no such key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, BinaryIO

from exptools.viewing import compare
from exptools.viewing.exporters import long

if TYPE_CHECKING:
    import polars as pl

    from exptools.viewing.api import Run, Runs


def write(stream: BinaryIO, runs: Runs, tags: Sequence[str] | None = None) -> None:
    """Write all frames to `stream`, run by run: the memory it takes is that of the largest run.

    Raises:
        ViewError: a tag was asked for that no run has.
    """
    import polars as pl
    from polars.io.plugins import register_io_source

    keys = runs.differing()
    types = [_type([long.value_of(run, key) for run in runs]) for key in keys]
    names = long.key_names(keys)
    schema = {
        **dict.fromkeys(long.BEFORE, pl.String),
        **dict(zip(names, types, strict=True)),
        **dict(zip(long.AFTER, (pl.String, pl.Int64, pl.Float64, pl.Float64), strict=True)),
    }

    def cells(run: Run) -> Mapping[str, pl.Expr]:
        values = {name: _cell(run, key, t) for name, key, t in zip(names, keys, types, strict=True)}
        return {"run": pl.lit(run.name, pl.String), **values}

    def produce(*asked: Any) -> Iterator[pl.DataFrame]:
        return long.tables(runs, tags, cells)

    # A reader of tables made by Python that is written while it is read: nothing is gathered in between.
    register_io_source(io_source=produce, schema=schema).sink_parquet(
        stream, compression="zstd", compression_level=1, maintain_order=True
    )


def _type(values: Sequence[Any]) -> Any:
    """The type of the column that holds `values`: the narrowest that holds them all exactly."""
    import polars as pl

    known = [value for value in values if value is not compare.MISSING and value is not None]
    if not known:
        return pl.String
    for type_, fits in ((pl.Boolean, _is_bool), (pl.Int64, _is_int64), (pl.Float64, _is_float64)):
        if all(map(fits, known)):
            return type_
    return pl.String


def _is_bool(value: Any) -> bool:
    return isinstance(value, bool)


def _is_int64(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and -(2**63) <= value < 2**63


def _is_float64(value: Any) -> bool:
    return isinstance(value, float) or (_is_int64(value) and abs(value) <= 2**53)


def _cell(run: Run, key: str, type_: Any) -> pl.Expr:
    import polars as pl

    value = long.value_of(run, key)
    if type_ is pl.String:
        value = long.text(run, key)
    return pl.lit(None if value is compare.MISSING else value, type_)
