"""Messages that are written without protobuf are those that TensorBoard's own functions make."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from google.protobuf.json_format import MessageToDict
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary, SummaryMetadata
from tensorboard.plugins.audio import metadata as audio
from tensorboard.plugins.histogram import metadata as histogram
from tensorboard.plugins.hparams import metadata as hparams
from tensorboard.plugins.image import metadata as image
from tensorboard.plugins.mesh import metadata as mesh
from tensorboard.plugins.mesh.plugin_data_pb2 import MeshPluginData
from tensorboard.plugins.pr_curve import metadata as pr_curve
from tensorboard.plugins.text import metadata as text
from tensorboard.util import tensor_util

from exptools.formats import protobuf, summaries
from exptools.formats.events import encode_media
from exptools.formats.tfrecord import records

TENSOR, BLOBS = 2, 3


def parsed(value: bytes) -> Summary.Value:
    return Summary.Value.FromString(value)


def array_of(value: Summary.Value) -> Any:
    return tensor_util.make_ndarray(value.tensor)


def with_class(metadata: SummaryMetadata, data_class: int) -> SummaryMetadata:
    metadata.data_class = data_class
    return metadata


@pytest.mark.parametrize("number", [0, 1, 127, 128, 300, 2**31, 2**63 - 1, -1, -(2**63)])
def test_integers_are_protobuf_s(number: int) -> None:
    event = Event.FromString(protobuf.integer(2, number) + protobuf.double(1, 0.1))

    assert (event.step, event.wall_time) == (number, 0.1)


def test_images() -> None:
    value = parsed(summaries.images("a/ü", 3, 2, [b"one", b"\xfftwo"]))

    assert value.tag == "a/ü"
    assert array_of(value).tolist() == [b"3", b"2", b"one", b"\xfftwo"]
    assert value.metadata == with_class(image.create_summary_metadata(None, None), BLOBS)


def test_audio() -> None:
    value = parsed(summaries.audio("a", b"RIFF"))

    assert array_of(value).tolist() == [[b"RIFF", b""]]
    wav = audio.Encoding.Value("WAV")
    assert value.metadata == with_class(audio.create_summary_metadata(None, None, wav), BLOBS)


def test_text() -> None:
    value = parsed(summaries.text("a", "# ü"))

    assert array_of(value).item() == "# ü".encode()
    assert value.metadata == with_class(text.create_summary_metadata(None, None), TENSOR)


def test_histogram() -> None:
    buckets = np.array([[0.1, 0.2, 3.0], [0.2, 0.3, 4.0]])
    value = parsed(summaries.histogram("a", buckets))

    assert np.array_equal(array_of(value), buckets)
    assert array_of(value).dtype == np.float64
    assert value.metadata == with_class(histogram.create_summary_metadata(None, None), TENSOR)


def test_pr_curve() -> None:
    counts = np.arange(6 * 200, dtype=np.float32).reshape(6, 200)
    value = parsed(summaries.pr_curve("a", counts))

    assert np.array_equal(array_of(value), counts)
    assert value.metadata == with_class(pr_curve.create_summary_metadata("a", None, 200), TENSOR)


def test_mesh() -> None:
    parts: dict[str, Any] = {
        "VERTEX": np.random.default_rng(0).random((1, 200, 3)).astype(np.float32),
        "FACE": np.array([[[0, 1, 199]]], np.int32),
        "COLOR": np.full((1, 200, 3), 255, np.uint8),
    }
    values = [parsed(v) for v in summaries.mesh("a/b", parts, {"x": 1})]

    types = {name: MeshPluginData.ContentType.Value(name) for name in parts}
    components = mesh.get_components_bitmask(types.values())
    for value, (name, array) in zip(values, parts.items(), strict=True):
        assert value.tag == mesh.get_instance_name("a/b", types[name])
        assert np.array_equal(array_of(value), array)
        assert array_of(value).dtype == array.dtype
        wanted = mesh.create_summary_metadata(
            "a/b", "a/b", types[name], components, array.shape, json_config='{"x": 1}'
        )
        assert value.metadata == with_class(wanted, TENSOR)


def test_hyperparameters() -> None:
    value = parsed(summaries.session_start({"lr": 0.1, "deep": False, "name": "ü"}, 12.5))

    info = hparams.parse_session_start_info_plugin_data(value.metadata.plugin_data.content)
    assert value.tag == hparams.SESSION_START_INFO_TAG
    assert {k: MessageToDict(v) for k, v in info.hparams.items()} == {"lr": 0.1, "deep": False, "name": "ü"}
    assert info.start_time_secs == 12.5
    assert array_of(value).shape == (0,)


def test_all_of_one_moment_is_one_event() -> None:
    values = [summaries.text("a", "x"), summaries.text("b", "y")]
    [record] = records(encode_media(-3, 1.5, values))

    assert isinstance(record, bytes)
    event = Event.FromString(record)
    assert (event.step, event.wall_time, [v.tag for v in event.summary.value]) == (-3, 1.5, ["a", "b"])
