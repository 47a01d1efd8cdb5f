"""TensorBoard event files, of any writer: their scalars.

A scalar is a `simple_value` (tensorboardX, torch, TensorFlow 1, exptools) or a tensor of the plugin "scalars"
(TensorFlow 2, JAX, tensorboard's own writer). A float32 becomes the float64 of exactly the same value.
"""

from __future__ import annotations

import os
import struct
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import rundir
from exptools.viewing.curves import Curve, Reading, Since, Wanted, everything
from exptools.viewing.problem import Problem
from exptools.viewing.readers.format import Format

if TYPE_CHECKING:
    from exptools.formats.columns import Other, Part, Reader

_PLUGIN = "scalars"
_DT_BFLOAT16 = 14  # tensorboard/compat/proto/types.proto


def read(
    path: Path, wanted: Wanted = everything, *, live: bool = False, since: Since | None = None
) -> Reading:
    """The scalars of one event file, every one.

    A record that cannot be read is named with its offset and those after it are still read. A file that
    ends inside a record is named too, unless the run is `live`. A file that has vanished held nothing.
    """
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    except (FileNotFoundError, NotADirectoryError):
        return Reading({}, ())
    except OSError as error:
        return Reading({}, (), (Problem.of_os(path, error),))
    try:
        return _read(path, fd, wanted, live, since or Since(0, ()))
    except OSError as error:
        return Reading({}, (), (Problem.of_os(path, error),))
    finally:
        os.close(fd)


def _read(path: Path, fd: int, wanted: Wanted, live: bool, since: Since) -> Reading:
    from exptools.formats.columns import Reader

    reader = Reader(fd, wanted, since.end)
    parts = list(reader.parts())
    problems = _look_at_others(path, reader, since) if reader.others else []
    parts += reader.singles()
    problems += [Problem(path, d.reason, d.offset) for d in reader.damages if not (d.torn and live)]
    # Writers may name a tag's plugin in its first summary only.
    known = {*since.tags, *(tag for tag, plugin in reader.met if plugin == _PLUGIN)}
    of_scalars = {key: at for key, at in reader.met.items() if key[1] is None or key[0] in known}
    tags = dict.fromkeys(tag for tag, _ in sorted(of_scalars, key=lambda key: of_scalars[key]))
    by_tag: dict[str, list[Part]] = {}
    for part in parts:
        if (part.tag, part.plugin) in of_scalars:
            by_tag.setdefault(part.tag, []).append(part)
    curves = {tag: _curve(by_tag[tag]) for tag in tags if tag in by_tag}
    in_order = tuple(sorted(problems, key=lambda p: p.offset or 0))
    return Reading(curves, tuple(tags), in_order, end=reader.end)


def _curve(parts: Sequence[Part]) -> Curve:
    """The scalars of one tag in the order in which they were logged."""
    import numpy as np

    at, *columns = (
        getattr(parts[0], name) if len(parts) == 1 else np.concatenate([getattr(p, name) for p in parts])
        for name in ("at", "step", "wall_time", "value")
    )
    if (at[1:] < at[:-1]).any():
        order = np.argsort(at, kind="stable")
        columns = [column[order] for column in columns]
    return Curve(*columns)


def _look_at_others(path: Path, reader: Reader, since: Since) -> list[Problem]:
    """Let protobuf decode what is not simple, and give the reader its scalars."""
    from exptools.formats.columns import place

    events = [(other, _event(other)) for other in reader.others]
    problems = [
        Problem(path, "the record holds no TensorBoard event and was passed over", other.offset)
        for other, event in events
        if event is None
    ]
    summaries = [
        (place(other.at, i), event, summary)
        for other, event in events
        if event is not None and event.HasField("summary")
        for i, summary in enumerate(event.summary.value)
    ]
    known = {*since.tags, *(tag for tag, plugin in reader.met if plugin == _PLUGIN)}
    known |= {_tag(summary) for _, _, summary in summaries if _plugin(summary) == _PLUGIN}
    for at, event, summary in summaries:
        tag, plugin = _tag(summary), _plugin(summary)
        if summary.HasField("simple_value"):
            reader.add(tag, None, at, event.step, event.wall_time, summary.simple_value)
        elif summary.HasField("tensor") and (plugin == _PLUGIN or (not plugin and tag in known)):
            value = _number(summary.tensor)
            if value is None:
                reason = f"the scalar {tag!r} at step {event.step} is not one number and was left out"
                problems.append(Problem(path, reason))
            else:
                reader.add(tag, plugin, at, event.step, event.wall_time, value)
    return problems


def _event(other: Other) -> Any:
    """The Event message of a record; None if it holds none."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        return Event.FromString(other.payload)
    except DecodeError:
        return None


def _tag(summary: Any) -> str:
    return str(summary.tag or summary.node_name)


def _plugin(summary: Any) -> str:
    return str(summary.metadata.plugin_data.plugin_name)


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


FORMAT = Format("tensorboard", scalars=(f"*{rundir.EVENTS_INFIX}*",), read=read, exact=False, read_on=read)
