"""Our own encoding of event files, read back by protobuf and by TensorBoard itself."""

from __future__ import annotations

import math
import random
import struct
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event

from exptools.formats.events import encode_header, encode_row
from exptools.formats.rows import Row
from exptools.formats.tfrecord import Damage, frame, records


def decoded(data: bytes) -> Event:
    (payload,) = records(data)
    assert isinstance(payload, bytes)
    return Event.FromString(payload)


def float32(value: float) -> float:
    return struct.unpack("<f", struct.pack("<f", value))[0]


def test_the_header_is_the_version_that_tensorboard_expects() -> None:
    event = decoded(encode_header(12.5))

    assert (event.wall_time, event.file_version) == (12.5, "brain.Event:2")


@pytest.mark.parametrize("seed", range(20))
def test_a_random_row_is_what_protobuf_reads_back(seed: int) -> None:
    rng = random.Random(seed)
    tags = tuple(
        rng.choice(["loss", "a/b", 'ü,\n"x', "t" * 300, "step"]) + str(i) for i in range(rng.randint(1, 40))
    )
    values = tuple(rng.uniform(-1e6, 1e6) for _ in tags)
    step = rng.choice([0, 1, 127, 128, 2**31, 2**63 - 1, -1, -(2**63)])
    row = Row(step, rng.uniform(0, 2e9), tags, values)

    event = decoded(encode_row(row))

    assert (event.step, event.wall_time) == (step, row.wall_time)
    assert [(v.tag, v.simple_value) for v in event.summary.value] == [
        (t, float32(v)) for t, v in zip(tags, values, strict=True)
    ]


def test_it_is_byte_for_byte_what_protobuf_would_write() -> None:
    event = Event(wall_time=1.5, step=300)
    event.summary.value.add(tag="loss", simple_value=0.25)
    event.summary.value.add(tag="acc", simple_value=-2.0)

    assert encode_row(Row(300, 1.5, ("loss", "acc"), (0.25, -2.0))) == frame(event.SerializeToString())


def test_values_beyond_float32_become_infinite_and_the_others_stay() -> None:
    row = Row(0, 0.0, ("a", "b", "c", "d"), (1e300, -1e300, math.nan, 3.0))

    values = [v.simple_value for v in decoded(encode_row(row)).summary.value]

    assert values[:2] == [math.inf, -math.inf]
    assert math.isnan(values[2])
    assert values[3] == 3.0


def test_a_row_does_not_see_the_values_of_the_one_before() -> None:
    first = encode_row(Row(0, 0.0, ("a", "b"), (1.0, 2.0)))
    encode_row(Row(1, 0.0, ("a", "b"), (3.0, 4.0)))

    assert encode_row(Row(0, 0.0, ("a", "b"), (1.0, 2.0))) == first


def test_records_are_walked_and_a_torn_tail_is_named() -> None:
    data = frame(b"one") + frame(b"two")

    assert list(records(data)) == [b"one", b"two"]
    for cut in range(len(frame(b"one")) + 1, len(data)):
        found = list(records(data[:cut]))
        assert found[0] == b"one"
        assert isinstance(found[1], Damage)
        assert (found[1].offset, found[1].torn) == (len(frame(b"one")), True)


def test_a_broken_payload_is_passed_over_and_named() -> None:
    data = bytearray(frame(b"one") + frame(b"two") + frame(b"three"))
    data[len(frame(b"one")) + 12] ^= 1

    found = list(records(bytes(data)))

    reason = "the record fails its checksum and was passed over"
    assert found == [b"one", Damage(len(frame(b"one")), reason), b"three"]


def test_after_a_broken_length_nothing_more_is_read() -> None:
    data = bytearray(frame(b"one") + frame(b"two"))
    data[len(frame(b"one"))] ^= 1

    found = list(records(bytes(data)))

    reason = "the record's length fails its checksum; what follows cannot be read"
    assert found == [b"one", Damage(len(frame(b"one")), reason)]


def test_tensorboards_own_writer_makes_files_that_we_walk(tmp_path: Path) -> None:
    from tensorboard.summary.writer.event_file_writer import EventFileWriter

    writer = EventFileWriter(str(tmp_path))
    for step in range(5):
        writer.add_event(Event(step=step))
    writer.close()

    (file,) = tmp_path.iterdir()
    events = [Event.FromString(r) for r in records(file.read_bytes()) if isinstance(r, bytes)]

    assert [e.step for e in events[1:]] == [0, 1, 2, 3, 4]
