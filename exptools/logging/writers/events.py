"""Every scalar, and what is rich, into one TensorBoard event file: a view, scalars in float32."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.formats.events import encode_header, encode_media, encode_row, step_of
from exptools.formats.rows import Row
from exptools.formats.tfrecord import Damage, located
from exptools.logging.kinds.hparams import TAG, HParams, flattened
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Cut, Media, Record, Writer
from exptools.logging.writers.cutting import cut_file
from exptools.say import Once, say


class EventsWriter(Writer):
    """Writes one event a row to `run_dir`/events.out.tfevents.*, from the first one on.

    Each attempt has a file of its own: a TensorBoard that looks on goes from one to the next. It
    begins with the hyperparameters, which are the run's config; TensorBoard shows the first of a run.
    """

    def __init__(self, run_dir: Path) -> None:
        now = time.time()
        name = _name(now, own_files(run_dir))
        self._run_dir = run_dir
        self._name = name
        self._begun = now
        self._hparams: dict[str, bool | float | str] = {}  # what the file says of them
        self._say_once = Once()
        self._file = AppendFile(run_dir / name, self._first)
        self._n_failed = 0
        self._earlier: dict[str, int] = {}  # what earlier attempts left, in bytes

    def write(self, records: Sequence[Record]) -> None:
        """Append the rows and what is rich among the records, in their order."""
        for record in records:
            if isinstance(record, Media) and isinstance(record.value, HParams):
                self._note(record.value)
        rows: list[Row] = []
        for record in records:
            if isinstance(record, Row):
                rows.append(record)
            elif isinstance(record, Media):
                self._append(rows)
                rows = []
                self._file.append(self._encoded(record), 1)  # one by one: they may be large
        self._append(rows)
        self.trouble = self._file.trouble

    def _append(self, rows: Sequence[Row]) -> None:
        self._file.append(b"".join(map(encode_row, rows)), sum(len(row.values) for row in rows))

    def _first(self) -> bytes:
        """What the file begins with."""
        self._hparams = {**_config(self._run_dir), **self._hparams}
        if not self._hparams:
            return encode_header(self._begun)
        values = HParams(self._hparams, self._begun).summaries(TAG)
        return encode_header(self._begun) + encode_media(0, self._begun, values)

    def _note(self, given: HParams) -> None:
        """Let hyperparameters begin the file if it has not begun, else say which of them are not shown."""
        if self._file.size and self._hparams:
            hidden = [k for k, v in given.values.items() if self._hparams.get(k) != v]
            if hidden:
                self._say_once(
                    f"TensorBoard shows the hyperparameters that a run has first, so {', '.join(hidden)} of "
                    "log_hparams() are not seen: log them before all else, or have them in the config"
                )
        self._hparams = {**given.values, **self._hparams}

    def _encoded(self, media: Media) -> bytes:
        """As one event; nothing if it cannot be encoded, which is said."""
        try:
            return encode_media(media.step, media.wall_time, media.value.summaries(media.tag))
        except Exception as error:
            self._n_failed += 1
            say(media.cannot_be_encoded(error))
            return b""

    def position(self) -> Any:
        """How many bytes each file of the run has."""
        return {**self._earlier, **({self._name: self._file.size} if self._file.size else {})}

    def cut_back(self, cut: Cut) -> None:
        """Keep of earlier attempts' files what there was at the snapshot, or what is before the step."""
        for path in own_files(self._run_dir):
            if path.name != self._name:
                data = path.read_bytes()
                header = _header_of(data)
                cut_file(path, cut.aside, header, _judged(data, len(header), path.name, cut))
        self._earlier = {p.name: p.stat().st_size for p in own_files(self._run_dir) if p.name != self._name}

    def lost(self) -> str | None:
        """How many scalars and rich values are lost for good."""
        lost = self._file.lost() + self._n_failed
        return f"{self._name}: {lost:,} values were lost" if lost else None

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        return "; ".join(filter(None, (self.lost(), self._file.close()))) or None


def _name(now: float, earlier: Sequence[Path]) -> str:
    """A name behind those of earlier files, since TensorBoard reads in the order of the names.

    Two attempts may begin in one second, and a clock may be set back.
    """
    seconds = max([int(now), *(int(path.name.split(".")[3]) + 1 for path in earlier)])
    # The pid and nanoseconds: two writers that begin in one second get two files.
    unique = f"{seconds:010d}.{socket.gethostname()}.{os.getpid()}.{time.time_ns()}"
    return f"events.out.{rundir.EVENTS_INFIX}.{unique}{rundir.OWN_EVENTS_SUFFIX}"


def own_files(run_dir: Path) -> list[Path]:
    """The event files that exptools wrote into `run_dir`, the oldest first."""
    return sorted(run_dir.glob(f"events.out.{rundir.EVENTS_INFIX}.*{rundir.OWN_EVENTS_SUFFIX}"))


def _config(run_dir: Path) -> dict[str, bool | float | str]:
    """The config of the run as hyperparameters; none if it has none that can be read."""
    try:
        config = rundir.read_json(run_dir / rundir.VARIANT)
    except (OSError, RunDirError):
        return {}
    return dict(flattened(config)) if isinstance(config, dict) else {}


def _records(data: bytes, start: int = 0) -> Iterator[tuple[bytes | Damage, int, int]]:
    """The payload of each record from an offset on, and where the record begins and ends."""
    before: tuple[bytes | Damage, int] | None = None
    for at, record in located(data, start):
        if before is not None:
            yield *before, at
        before = (record, at)
    if before is not None:
        yield *before, len(data)


def _header_of(data: bytes) -> bytes:
    """The record that a file begins with, if it is that of a file's version."""
    record, _, end = next(_records(data), (None, 0, 0))
    return data[:end] if isinstance(record, bytes) and step_of(record) is None else b""


def _judged(data: bytes, start: int, name: str, cut: Cut) -> Iterator[tuple[bytes, bool]]:
    """The records behind the header, each with whether it is kept; a broken one never is."""
    for record, at, end in _records(data, start):
        if isinstance(record, Damage):
            is_kept = False
        elif cut.position is not None:
            is_kept = end <= cut.position.get(name, 0)
        else:
            is_kept = (step_of(record) or 0) < cut.before_step
        yield data[at:end], is_kept
