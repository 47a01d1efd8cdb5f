"""Records that are decoded together give what protobuf gives, whatever is mixed in a file."""

from __future__ import annotations

import random
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from google.protobuf.message import DecodeError
from hypothesis import given, settings
from hypothesis import strategies as st
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.compat.proto.tensor_pb2 import TensorProto
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto

from exptools.formats import columns, tfrecord
from exptools.viewing.readers import events

Curves = dict[str, list[tuple[int, float, bytes]]]

TAGS = ["a", "b", "loss", "acc/", "train/loss", "train/lass", "é", "eé"]
STEPS = [0, 1, 5, 127, 128, 300, 16383, 16384, 2**31, 2**62, -1, -(2**63)]


def metadata(plugin: str) -> SummaryMetadata:
    return SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name=plugin))


def a_value(draw: random.Random, kind: str, tag: str) -> Summary.Value:
    number = draw.choice([draw.uniform(-9, 9), 0.0, -0.0, float("nan"), float("inf"), 3.0])
    if kind == "simple":
        return Summary.Value(tag=tag, simple_value=number)
    if kind == "node":
        return Summary.Value(node_name=tag, simple_value=number)
    if kind == "image":
        return Summary.Value(tag=tag, image=Summary.Image(height=1, width=1, encoded_image_string=b"x" * 9))
    if kind == "text":
        return Summary.Value(tag=tag, tensor=make_tensor_proto(["so"]), metadata=metadata("text"))
    if kind == "filled":
        return Summary.Value(tag=tag, tensor=TensorProto(dtype=1, float_val=[number, number]))
    if kind == "content":
        content = TensorProto(dtype=2, tensor_content=struct.pack("<d", number))
        return Summary.Value(tag=tag, tensor=content, metadata=metadata("scalars"))
    dtype = {"tensor": np.float32, "bare": np.float32, "double": np.float64, "half": np.float16}[kind]
    tensor = make_tensor_proto(np.array(number, dtype))
    return Summary.Value(tag=tag, tensor=tensor, metadata=None if kind == "bare" else metadata("scalars"))


KINDS = ["simple", "simple", "tensor", "bare", "double", "half", "content", "node", "image", "text", "filled"]


def a_file(seed: int) -> bytes:
    """Stretches of records that are alike or not, some with a broken byte."""
    draw = random.Random(seed)
    out = [tfrecord.frame(Event(file_version="brain.Event:2", wall_time=1.0).SerializeToString())]
    for _ in range(draw.randint(1, 5)):
        shape = [(draw.choice(KINDS), draw.choice(TAGS)) for _ in range(draw.choice([1, 1, 2, 4]))]
        tags = draw.sample(TAGS, draw.randint(1, 4)) if draw.random() < 0.5 else []
        step = draw.choice(STEPS)
        for i in range(draw.choice([1, 5, 30, 60])):
            values = [a_value(draw, kind, draw.choice(tags) if tags else tag) for kind, tag in shape]
            step_now = max(-(2**63), min(2**63 - 1, step + i * draw.choice([0, 1, 1])))
            time = draw.choice([0.0, draw.random() * 1e9])
            event = Event(wall_time=time, step=step_now, summary=Summary(value=values))
            payload = event.SerializeToString()
            if draw.random() < 0.01:
                payload = payload.replace(b"loss", b"\xff\xfe\xfd\xfc")  # that is no UTF-8
            record = bytearray(tfrecord.frame(payload))
            if draw.random() < 0.02:
                record[draw.randrange(12, len(record))] ^= 1 << draw.randrange(8)
            out.append(bytes(record))
    return b"".join(out)


def by_protobuf(data: bytes) -> tuple[Curves, list[int]]:
    """The scalars, and offsets of what cannot be read, by the simplest code there is."""
    curves: Curves = {}
    bad = []
    found: list[Any] = []
    for at, record in tfrecord.located(data):
        if isinstance(record, tfrecord.Damage):
            bad.append(at)
            continue
        try:
            event = Event.FromString(record)
        except DecodeError:
            bad.append(at)
        else:
            found += [(event, value) for value in event.summary.value]
    known = {v.tag or v.node_name for _, v in found if v.metadata.plugin_data.plugin_name == "scalars"}
    for event, value in found:
        tag, plugin = value.tag or value.node_name, value.metadata.plugin_data.plugin_name
        if value.HasField("simple_value"):
            number = value.simple_value
        elif value.HasField("tensor") and (plugin == "scalars" or (not plugin and tag in known)):
            try:
                number = float(make_ndarray(value.tensor).item())
            except ValueError:
                continue
        else:
            continue
        curves.setdefault(tag, []).append((event.step, event.wall_time, struct.pack("<d", number)))
    return curves, bad


def read(path: Path) -> tuple[Curves, list[int]]:
    reading = events.read(path)
    curves = {
        tag: [(step, time, struct.pack("<d", value)) for step, time, value in curve.rows()]
        for tag, curve in reading.curves.items()
    }
    assert set(reading.tags) == set(curves)
    return curves, [p.offset for p in reading.problems if p.offset is not None]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("events") / "events.out.tfevents.1.host"


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32), block=st.sampled_from([columns.BLOCK, 700]))
def test_what_is_read_is_what_protobuf_reads(place: Path, seed: int, block: int) -> None:
    data = a_file(seed)
    place.write_bytes(data)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(columns, "BLOCK", block)
        found = read(place)

    assert found == by_protobuf(data)


def test_most_of_a_usual_file_is_decoded_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A property test that only ever met the slow way would prove nothing."""
    values = [Summary.Value(tag=f"tag{i}", simple_value=i) for i in range(3)]
    records = [Event(step=step, wall_time=1.0, summary=Summary(value=values)) for step in range(1000)]
    place.write_bytes(b"".join(tfrecord.frame(event.SerializeToString()) for event in records))
    looked_at = []
    monkeypatch.setattr(columns.Reader, "_single", lambda self, block, i: looked_at.append(i))

    curves = events.read(place).curves

    assert looked_at == [0]  # step 0 is not written, so its record is another one
    assert {tag: curve.step.tolist() for tag, curve in curves.items()} == {
        f"tag{i}": list(range(1, 1000)) for i in range(3)
    }


def test_of_a_large_record_only_what_leads_to_its_scalars_is_read(
    place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    image = Summary.Image(height=1, width=1, encoded_image_string=bytes(5_000_000))
    picture = Summary(value=[Summary.Value(tag="image", image=image)])
    both = Summary(value=[Summary.Value(tag="image", image=image), Summary.Value(tag="x", simple_value=7)])
    records = [Event(step=1, summary=picture)] * 5 + [Event(step=2, summary=both), Event(step=3)]
    place.write_bytes(b"".join(tfrecord.frame(event.SerializeToString()) for event in records))
    n_read = 0
    pread = columns.os.pread

    def counted(fd: int, n: int, offset: int) -> bytes:
        nonlocal n_read
        data = pread(fd, n, offset)
        n_read += len(data)
        return data

    monkeypatch.setattr(columns.os, "pread", counted)

    curves, bad = read(place)

    assert {tag: [(step, value) for step, _, value in rows] for tag, rows in curves.items()} == {
        "x": [(2, struct.pack("<d", 7.0))]
    }
    assert bad == []
    assert n_read < 5_100_000 + 8 * 2**20  # of 30 million bytes


@pytest.mark.parametrize("bad", range(8, 40))
def test_the_length_of_each_record_is_checked_among_many_alike(tmp_path: Path, bad: int) -> None:
    place = tmp_path / "events.out.tfevents.1.host"
    records = [
        tfrecord.frame(
            Event(
                step=1000 + step,
                wall_time=1.0,
                summary=Summary(value=[Summary.Value(tag="loss", simple_value=step)]),
            ).SerializeToString()
        )
        for step in range(40)
    ]
    data = bytearray(b"".join(records))
    data[bad * len(records[0]) + 9] ^= 1  # in the checksum of its length
    place.write_bytes(data)

    reading = events.read(place)

    assert reading.curves["loss"].step.tolist() == list(range(1000, 1000 + bad))
    assert [p.offset for p in reading.problems] == [bad * len(records[0])]
