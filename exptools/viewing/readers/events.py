"""TensorBoard event files, of any writer: their scalars.

A scalar is a `simple_value` (tensorboardX, torch, TensorFlow 1, exptools) or a tensor of the plugin "scalars"
(TensorFlow 2, JAX, tensorboard's own writer). A float32 becomes the float64 of exactly the same value.
"""

from __future__ import annotations

import struct
from array import array
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from exptools.viewing.problem import Problem
from exptools.viewing.scalars import Reading, Wanted, everything

if TYPE_CHECKING:
    import polars as pl

_PLUGIN = "scalars"
_DT_BFLOAT16 = 14  # tensorboard/compat/proto/types.proto


def read(path: Path, wanted: Wanted = everything, *, live: bool = False) -> Reading:
    """The scalars of one event file, every one.

    A record that cannot be read is named with its offset and those after it are still read. A file that
    ends inside a record is named too, unless the run is `live`. A file that has vanished held nothing.
    """
    try:
        data = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        return Reading({}, ())
    except OSError as error:
        return Reading({}, (), (Problem.of_os(path, error),))
    sink = _Sink(wanted)
    problems: list[Problem] = []
    for event in _events(path, data, problems, live):
        if event.HasField("summary"):
            sink.take(path, event, problems)
    return Reading(sink.curves(), sink.tags, tuple(problems))


def _events(path: Path, data: bytes, problems: list[Problem], live: bool) -> Iterator[Any]:
    """The Event messages of the file's intact records."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    from exptools.formats import tfrecord

    for at, record in tfrecord.located(data):
        if isinstance(record, tfrecord.Damage):
            if not (record.torn and live):
                problems.append(Problem(path, record.reason, at))
            continue
        try:
            yield Event.FromString(record)
        except DecodeError:
            problems.append(Problem(path, "the record holds no TensorBoard event and was passed over", at))


_Columns: TypeAlias = "tuple[array[int], array[float], array[float]]"  # steps, wall times, values


class _Sink:
    """Collects the scalars of one file as columns."""

    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._plugins: dict[str, str] = {}  # writers may name a tag's plugin in its first summary only
        self._columns: dict[str, _Columns | None] = {}  # None: the tag is not wanted

    def take(self, path: Path, event: Any, problems: list[Problem]) -> None:
        step, wall_time = event.step, event.wall_time
        for summary in event.summary.value:
            if summary.HasField("simple_value"):
                self._add(summary.tag or summary.node_name, step, wall_time, summary.simple_value)
            elif summary.HasField("tensor") and self._plugin(summary) == _PLUGIN:
                value = _number(summary.tensor)
                if value is None:
                    reason = f"the scalar {summary.tag!r} at step {step} is not one number and was left out"
                    problems.append(Problem(path, reason))
                else:
                    self._add(summary.tag or summary.node_name, step, wall_time, value)

    @property
    def tags(self) -> tuple[str, ...]:
        """All that were met, wanted or not."""
        return tuple(self._columns)

    def curves(self) -> dict[str, pl.DataFrame]:
        import numpy as np
        import polars as pl

        wanted = {tag: columns for tag, columns in self._columns.items() if columns is not None}
        return {
            tag: pl.DataFrame(
                {
                    "step": np.frombuffer(steps, np.int64),
                    "wall_time": np.frombuffer(wall_times, np.float64),
                    "value": np.frombuffer(values, np.float64),
                }
            )
            for tag, (steps, wall_times, values) in wanted.items()
        }

    def _plugin(self, summary: Any) -> str | None:
        if summary.metadata.plugin_data.plugin_name:
            self._plugins.setdefault(summary.tag, summary.metadata.plugin_data.plugin_name)
        return self._plugins.get(summary.tag)

    def _add(self, tag: str, step: int, wall_time: float, value: float) -> None:
        if tag not in self._columns:
            self._columns[tag] = (array("q"), array("d"), array("d")) if self._wanted(tag) else None
        columns = self._columns[tag]
        if columns is not None:
            columns[0].append(step)
            columns[1].append(wall_time)
            columns[2].append(value)


def _number(tensor: Any) -> float | None:
    """The number that a TensorProto of one element holds; None if it holds anything else."""
    if len(tensor.half_val) == 1:
        return _half(tensor.half_val[0], is_bfloat16=tensor.dtype == _DT_BFLOAT16)
    from tensorboard.util import tensor_util

    try:
        value = tensor_util.make_ndarray(tensor)
        return float(value.item()) if value.size == 1 else None
    except (TypeError, ValueError):
        return None


def _half(bits: int, *, is_bfloat16: bool) -> float:
    """A 16-bit float. tensorboard decodes one in a way that numpy 2.5 deprecates, and no bfloat16 at all."""
    as_bytes = struct.pack("<I", bits << 16) if is_bfloat16 else struct.pack("<H", bits)
    value: float = struct.unpack("<f" if is_bfloat16 else "<e", as_bytes)[
        0
    ]  # bfloat16: a float32's upper half
    return value
