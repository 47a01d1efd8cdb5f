"""What TensorBoard's plugins want to be given for something rich: encoded messages Summary.Value.

Each is a tensor, the name of the plugin that shows it, and a message of that plugin (tensorboard's
summary.proto, tensor.proto, and plugin_data.proto of each plugin). They are written without protobuf, whose
import would cost more than the encoding; the tests read them back by TensorBoard's own readers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exptools.formats.protobuf import chunk, double, integer, varint

if TYPE_CHECKING:
    from numpy.typing import NDArray

_DTYPES = {"<f4": 1, "<f8": 2, "<i4": 3, "|u1": 4}  # types.proto
_STRING = 7
_TENSOR, _BLOBS = 2, 3  # DataClass: what the data servers keep it as
_WAV = 11
MESH_PARTS = {"VERTEX": 1, "FACE": 2, "COLOR": 3}

SESSION_START_TAG = "_hparams_/session_start_info"


def images(tag: str, width: int, height: int, encoded: Sequence[bytes]) -> bytes:
    """Images of one moment. encoded: PNG or GIF files; width and height in pixels."""
    return _value(tag, "images", _strings([str(width).encode(), str(height).encode(), *encoded]), _BLOBS)


def audio(tag: str, wav: bytes) -> bytes:
    """A sound. wav: a WAV file."""
    return _value(tag, "audio", _strings([wav, b""], (1, 2)), _BLOBS, integer(2, _WAV))


def text(tag: str, markdown: str) -> bytes:
    """A text in Markdown."""
    return _value(tag, "text", _strings([markdown.encode()], ()))


def histogram(tag: str, buckets: NDArray[Any]) -> bytes:
    """A histogram. buckets: (k, 3) float64: left edge, right edge, count."""
    return _value(tag, "histograms", _numbers(buckets))


def pr_curve(tag: str, counts: NDArray[Any]) -> bytes:
    """A precision-recall curve.

    counts: (6, thresholds) float32: true positives, false positives, true negatives, false negatives,
    precision, recall, at thresholds that are evenly spaced from 0 to 1.
    """
    return _value(tag, "pr_curves", _numbers(counts), content=integer(2, counts.shape[1]), name=tag)


def mesh(tag: str, parts: Mapping[str, NDArray[Any]], look: Mapping[str, Any]) -> list[bytes]:
    """A mesh or a point cloud: one value a part.

    parts: VERTEX (1, V, 3) float32; FACE (1, F, 3) int32; COLOR (1, V, 3) uint8.
    look: classes of THREE.js and what they are made with, as JSON can say it.
    """
    components = sum(1 << MESH_PARTS[part] for part in parts)
    config = json.dumps(look)
    values = []
    for part, array in parts.items():
        content = chunk(2, tag) + integer(3, MESH_PARTS[part]) + chunk(5, config)
        content += chunk(6, b"".join(varint(n) for n in array.shape)) + integer(7, components)
        values.append(_value(f"{tag}_{part}", "mesh", _numbers(array), content=content, name=tag))
    return values


def session_start(hparams: Mapping[str, bool | float | str], start_s: float) -> bytes:
    """The hyperparameters of a run. start_s: when it began, in seconds since the epoch."""
    info = b"".join(chunk(1, chunk(1, key) + chunk(2, _any(value))) for key, value in hparams.items())
    nothing = integer(1, _DTYPES["<f4"]) + chunk(2, _shape((0,)))
    return _value(SESSION_START_TAG, "hparams", nothing, content=chunk(3, info + double(5, start_s)))


def _any(value: bool | float | str) -> bytes:
    """A message google.protobuf.Value."""
    if isinstance(value, bool):
        return integer(4, value)
    return chunk(3, value) if isinstance(value, str) else double(2, value)


def _value(
    tag: str, plugin: str, tensor: bytes, data_class: int = _TENSOR, content: bytes = b"", name: str = ""
) -> bytes:
    metadata = chunk(1, chunk(1, plugin) + chunk(2, content)) + integer(4, data_class)
    if name:
        metadata += chunk(2, name)
    return chunk(1, tag) + chunk(9, metadata) + chunk(8, tensor)


def _numbers(array: NDArray[Any]) -> bytes:
    head = integer(1, _DTYPES[array.dtype.str]) + chunk(2, _shape(array.shape))
    return head + chunk(4, array.tobytes())


def _strings(values: Sequence[bytes], shape: Sequence[int] | None = None) -> bytes:
    head = integer(1, _STRING) + chunk(2, _shape((len(values),) if shape is None else shape))
    return head + b"".join(chunk(8, value) for value in values)


def _shape(shape: Sequence[int]) -> bytes:
    return b"".join(chunk(2, integer(1, n)) for n in shape)
