"""Event files of every writer: the scalars, exactly, and what cannot be read is named."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.types_pb2 import DT_BFLOAT16
from tensorboard.plugins.scalar.summary import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_tensor_proto
from tensorboardX import SummaryWriter
from view_files import bits

from exptools.formats import tfrecord
from exptools.viewing.readers import events

Writer = Callable[[Path], None]


def float32(value: float) -> float:
    return float(np.float32(value))


VALUES = [0.1, 1e-40, -0.0, float("nan"), float("inf"), 16777217.0, 3.0]


def by_tensorboardx(directory: Path) -> None:
    writer = SummaryWriter(str(directory))
    for step, value in enumerate(VALUES):
        writer.add_scalar("train/loss", value, step)
        writer.add_scalar("acc é,\"'", value / 2, 10 * step)
    writer.add_text("notes", "no scalar")
    writer.add_image("picture", np.zeros((3, 4, 4)))
    writer.add_histogram("weights", np.arange(10))
    writer.close()


def by_tensorboard_tensors(directory: Path) -> None:
    """As TensorFlow 2 and JAX's writers do: tensor summaries of the plugin `scalars`."""
    writer = EventFileWriter(str(directory))
    for step, value in enumerate(VALUES):
        writer.add_event(Event(step=step, wall_time=100.5 + step, summary=scalar_pb("train/loss", value)))
    writer.close()


def by_tensorboard_simple_values(directory: Path) -> None:
    writer = EventFileWriter(str(directory))
    for step, value in enumerate(VALUES):
        summary = Summary(
            value=[Summary.Value(tag="a", simple_value=value), Summary.Value(tag="b", simple_value=1)]
        )
        writer.add_event(Event(step=-step, wall_time=100.5 + step, summary=summary))
    writer.close()


def accumulated(path: Path) -> dict[str, list[tuple[int, float, float]]]:
    """What TensorBoard itself reads."""
    accumulator = EventAccumulator(str(path), size_guidance={"scalars": 0, "tensors": 0})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of deprecated names is not what is tested here
        accumulator.Reload()
    tags = accumulator.Tags()
    out = {t: [(e.step, e.wall_time, e.value) for e in accumulator.Scalars(t)] for t in tags["scalars"]}
    for tag in tags["tensors"]:
        if accumulator.SummaryMetadata(tag).plugin_data.plugin_name == "scalars":
            frames = accumulator.Tensors(tag)
            out[tag] = [(e.step, e.wall_time, e.tensor_proto.float_val[0]) for e in frames]
    return out


def only_file(directory: Path) -> Path:
    (path,) = directory.iterdir()
    return path


def flat(rows: list[tuple[int, float, float]]) -> list[bytes]:
    return bits(number for row in rows for number in row)


@pytest.mark.parametrize("write", [by_tensorboardx, by_tensorboard_tensors, by_tensorboard_simple_values])
def test_tags_steps_and_values_are_those_of_tensorboard(tmp_path: Path, write: Writer) -> None:
    write(tmp_path)
    path = only_file(tmp_path)

    reading = events.read(path)

    expected = accumulated(path)
    assert {tag: flat(curve.rows()) for tag, curve in reading.curves.items()} == {
        tag: flat(rows) for tag, rows in expected.items()
    }
    assert len(expected) in (1, 2)
    assert reading.problems == ()


@pytest.mark.parametrize("write", [by_tensorboardx, by_tensorboard_tensors])
def test_values_are_the_float64_of_the_float32(tmp_path: Path, write: Writer) -> None:
    write(tmp_path)

    curve = events.read(only_file(tmp_path)).curves["train/loss"]

    assert bits(curve.value) == bits(map(float32, VALUES))
    assert [str(a.dtype) for a in (curve.step, curve.wall_time, curve.value)] == [
        "int64",
        "float64",
        "float64",
    ]


def record(**fields: Any) -> bytes:
    return tfrecord.frame(Event(**fields).SerializeToString())


def scalar(step: int, value: float = 0.5, tag: str = "a") -> bytes:
    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
    return record(step=step, wall_time=1.0, summary=summary)


def tensor(step: int, value: object, dtype: object, *, plugin: str | None = "scalars") -> bytes:
    metadata = (
        None
        if plugin is None
        else SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))
    )
    proto = make_tensor_proto(np.array(value, dtype=dtype))
    value_ = Summary.Value(tag="a", tensor=proto, metadata=metadata)
    return record(step=step, wall_time=1.0, summary=Summary(value=[value_]))


def write(path: Path, *records: bytes) -> Path:
    path.write_bytes(b"".join(records))
    return path


@pytest.mark.parametrize(
    ("dtype", "value", "expected"),
    [
        ("float64", 0.1, 0.1),
        ("float32", 0.1, float32(0.1)),
        ("float16", 0.1, float(np.float16(0.1))),
        ("int64", 7, 7.0),
        ("bool", True, 1.0),
        ("float64", [[0.25]], 0.25),
    ],
)
def test_tensors_of_any_number(tmp_path: Path, dtype: str, value: object, expected: float) -> None:
    path = write(tmp_path / "tfevents", tensor(3, value, dtype))

    assert events.read(path).curves["a"].rows() == [(3, 1.0, expected)]


def test_a_bfloat16_is_the_upper_half_of_a_float32(tmp_path: Path) -> None:
    scalar = tensor(3, 0.0, "float16")
    value = Event.FromString(scalar[12:-4])
    value.summary.value[0].tensor.dtype = DT_BFLOAT16
    value.summary.value[0].tensor.half_val[:] = [0x3FA0]
    path = write(tmp_path / "tfevents", tfrecord.frame(value.SerializeToString()))

    assert events.read(path).curves["a"].rows() == [(3, 1.0, 1.25)]


def test_the_plugin_may_be_named_in_the_first_summary_only(tmp_path: Path) -> None:
    path = write(tmp_path / "tfevents", tensor(0, 1.0, "float32"), tensor(1, 2.0, "float32", plugin=None))

    assert events.read(path).curves["a"].value.tolist() == [1.0, 2.0]


def test_tensors_of_other_plugins_are_no_scalars(tmp_path: Path) -> None:
    path = write(tmp_path / "tfevents", tensor(0, 1.0, "float32", plugin="text"), scalar(1, tag="b"))

    reading = events.read(path)

    assert (reading.tags, reading.problems) == (("b",), ())


@pytest.mark.parametrize(("value", "dtype"), [([1.0, 2.0], "float32"), ("word", "S4"), ([], "float32")])
def test_a_scalar_that_is_not_one_number_is_named(tmp_path: Path, value: object, dtype: str) -> None:
    path = write(tmp_path / "tfevents", tensor(5, value, dtype), scalar(6))

    reading = events.read(path)

    assert reading.curves["a"].rows() == [(6, 1.0, 0.5)]
    assert [str(p) for p in reading.problems] == [
        f"{path}: the scalar 'a' at step 5 is not one number and was left out"
    ]


def test_only_what_is_wanted_is_kept_but_all_tags_are_known(tmp_path: Path) -> None:
    path = write(tmp_path / "tfevents", scalar(0, tag="a"), scalar(0, tag="b"))

    reading = events.read(path, lambda tag: tag == "b")

    assert (list(reading.curves), reading.tags) == (["b"], ("a", "b"))


def test_each_tag_is_judged_once(tmp_path: Path) -> None:
    path = write(tmp_path / "tfevents", *(scalar(i, tag=tag) for i in range(5) for tag in "ab"))
    asked: list[str] = []

    def wanted(tag: str) -> bool:
        asked.append(tag)
        return tag == "b"

    reading = events.read(path, wanted)

    assert (asked, list(reading.curves), reading.tags) == (["a", "b"], ["b"], ("a", "b"))


def test_a_corrupt_record_is_named_and_those_after_it_are_read(tmp_path: Path) -> None:
    rotten = bytearray(scalar(2))
    rotten[20] ^= 0xFF
    nonsense = tfrecord.frame(b"\xff\xff\xff\xff")
    path = write(tmp_path / "tfevents", scalar(1), bytes(rotten), scalar(3), nonsense, scalar(4))
    size = len(rotten)

    reading = events.read(path)

    assert events.read(path, live=True).problems == reading.problems
    assert reading.curves["a"].step.tolist() == [1, 3, 4]
    assert [str(p) for p in reading.problems] == [
        f"{path}, offset {size}: the record fails its checksum and was passed over",
        f"{path}, offset {3 * size}: the record holds no TensorBoard event and was passed over",
    ]


def test_a_large_record_whose_inner_lengths_are_damaged_is_named_and_those_after_it_are_read(
    tmp_path: Path,
) -> None:
    image = Summary.Image(height=1, width=1, encoded_image_string=bytes(2**21))
    large = bytearray(record(step=2, summary=Summary(value=[Summary.Value(tag="p", image=image)])))
    at = large.index(b"\x0a\x01p")  # the tag: how long it is
    large[at + 1 : at + 5] = b"\xc0\x8d\xb7\x01"
    large[at - 4 : at] = b"\xff\xff\xff\x7f"  # and the value
    path = write(tmp_path / "tfevents", scalar(1), bytes(large), scalar(3))

    reading = events.read(path)

    assert reading.curves["a"].step.tolist() == [1, 3]
    assert [(p.offset, p.reason) for p in reading.problems] == [
        (len(scalar(1)), "the record fails its checksum and was passed over")
    ]


def test_after_a_broken_length_nothing_can_be_found(tmp_path: Path) -> None:
    broken = struct.pack("<Q", 10**6) + scalar(1)[8:]
    path = write(tmp_path / "tfevents", scalar(0), broken, scalar(2))

    reading = events.read(path)

    assert reading.curves["a"].step.tolist() == [0]
    reason = "the record's length fails its checksum; what follows cannot be read"
    assert [str(p) for p in reading.problems] == [f"{path}, offset {len(scalar(0))}: {reason}"]


@pytest.mark.parametrize("cut", [1, 5, len(scalar(1)) - 3])
def test_a_file_that_ends_inside_a_record_is_fine_while_it_is_written(tmp_path: Path, cut: int) -> None:
    path = write(tmp_path / "tfevents", scalar(0), scalar(1)[:-cut])

    live, dead = events.read(path, live=True), events.read(path)

    assert live.curves["a"].rows() == dead.curves["a"].rows() == [(0, 1.0, 0.5)]
    assert live.problems == ()
    assert [(p.offset, "the file ends inside a record" in p.reason) for p in dead.problems] == [
        (len(scalar(0)), True)
    ]


def test_a_file_that_has_vanished_or_is_empty_holds_nothing(tmp_path: Path) -> None:
    gone, empty = events.read(tmp_path / "tfevents"), events.read(write(tmp_path / "empty"))

    assert (gone.tags, gone.problems) == (empty.tags, empty.problems) == ((), ())


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    assert [str(p) for p in events.read(tmp_path).problems] == [
        f"{tmp_path}: cannot be read (Is a directory)"
    ]
