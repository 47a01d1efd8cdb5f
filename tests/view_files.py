"""Writes run directories as exptools and others leave them, byte by byte, for the tests of viewing."""

from __future__ import annotations

import csv
import io
import struct
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.formats import events
from exptools.formats.rows import Row
from exptools.rundir import State, Status

Rows = Iterable[tuple[int, float, Sequence[float | None]]]


def progress_text(tags: Sequence[str], rows: Rows) -> str:
    """progress.csv as the logger writes it."""
    out = io.StringIO(newline="")
    csv.writer(out, lineterminator="\n").writerow(["step", "wall_time", *tags])
    for step, wall_time, values in rows:
        cells = ["" if value is None else repr(value) for value in values]
        out.write(",".join([str(step), repr(wall_time), *cells]) + "\n")
    return out.getvalue()


def write_run(
    path: Path,
    curves: dict[str, Sequence[float]] | None = None,
    *,
    config: dict[str, Any] | None = None,
    state: State | None = State.COMPLETED,
    **status: Any,
) -> Path:
    """A run whose curves all begin at step 0 and are of equal length; wall time is 1000 + step."""
    path.mkdir(parents=True, exist_ok=True)
    if curves is not None:
        rows = [(i, 1000.0 + i, row) for i, row in enumerate(zip(*curves.values(), strict=True))]
        (path / rundir.PROGRESS).write_text(progress_text(list(curves), rows))
    if config is not None:
        rundir.write_json(path / rundir.VARIANT, config)
    if state is not None:
        rundir.write_status(path, Status(state, **{"start": 1000.0, "end": 1012.5, **status}))
    return path


def write_events(path: Path, curves: dict[str, Sequence[float]]) -> Path:
    """An event file of these curves in the directory `path`, from step 0, as write_run's."""
    path.mkdir(parents=True, exist_ok=True)
    rows = [
        events.encode_row(Row(i, 1000.0 + i, tuple(curves), row))
        for i, row in enumerate(zip(*curves.values(), strict=True))
    ]
    (path / "events.out.tfevents.1.host").write_bytes(events.encode_header(1000.0) + b"".join(rows))
    return path


def hydra_run(path: Path, config: str) -> Path:
    """The directory of a bare Hydra job."""
    (path / ".hydra").mkdir(parents=True)
    (path / ".hydra" / "config.yaml").write_text(config)
    return path


def sweep(root: Path) -> Path:
    """Two models, two seeds; run 3 failed."""
    for i, (model, seed) in enumerate([("small", 0), ("small", 1), ("large", 0), ("large", 1)]):
        config = {"model": {"name": model}, "seed": seed, "epochs": 3}
        write_run(root / str(i), {"loss": [1.0, 0.5, i / 8]}, config=config)
    rundir.write_status(
        root / "3", Status(State.FAILED, start=1000.0, end=1002.0, exit_code=1, error="ValueError: too big")
    )
    (root / "3" / rundir.STDOUT).write_text("Traceback ...\nValueError: too big\n")
    return root


def bits(values: Iterable[float]) -> list[bytes]:
    """Each float64 by its bytes; all nans are one, for CSV does not tell them apart."""
    return [struct.pack("<d", float("nan") if value != value else value) for value in values]
