"""Edges and counts of histograms, from what their writers keep. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Bins: TypeAlias = tuple[NDArray[np.float64], NDArray[np.float64]]


def of_line(found: Mapping[str, Any]) -> Bins:
    """Of a line of media.jsonl. Raises ValueError: it has no bins."""
    import numpy as np

    try:
        edges, counts = (np.array(found[key], np.float64) for key in ("edges", "counts"))
    except (KeyError, TypeError, ValueError, OverflowError):
        raise ValueError("edges and counts are not numbers") from None
    return _checked(edges, counts)


def of_event(payload: bytes, which: int) -> Bins:
    """Of one value of an encoded Event. Raises ValueError: it has no bins."""
    from google.protobuf.message import DecodeError
    from tensorboard.compat.proto.event_pb2 import Event

    try:
        value = Event.FromString(payload).summary.value[which]
    except (DecodeError, IndexError):
        raise ValueError("no TensorBoard event") from None
    return _of_message(value.histo) if value.HasField("histo") else _of_tensor(value.tensor)


def _of_message(histo: Any) -> Bins:
    """Of a HistogramProto: the right edge of each bin, and the least and the greatest number.

    As TensorBoard does, empty bins at both ends are left out, since the outermost limits are often the
    greatest of all floats; the ends are the least and the greatest number.
    """
    import numpy as np

    limits, counts = np.array(histo.bucket_limit, np.float64), np.array(histo.bucket, np.float64)
    if len(limits) != len(counts):
        raise ValueError(f"{len(limits)} limits of {len(counts)} bins")
    filled = np.flatnonzero(counts > 0)
    if not len(filled):
        return np.zeros(1), np.zeros(0)
    first, last = int(filled[0]), int(filled[-1])
    inner = limits[first:last]
    # Some writers leave least and greatest out, which are 0 then.
    low = np.fmin(histo.min, inner[0]) if len(inner) else histo.min
    high = np.fmax(histo.max, inner[-1] if len(inner) else low)
    return _checked(np.concatenate([[low], inner, [high]]), counts[first : last + 1])


def _of_tensor(tensor: Any) -> Bins:
    """Of a tensor (k, 3): left edge, right edge and count of each bin."""
    import numpy as np
    from tensorboard.util import tensor_util

    try:
        rows = np.asarray(tensor_util.make_ndarray(tensor), np.float64)
    except (TypeError, ValueError):
        raise ValueError("not a tensor of numbers") from None
    if rows.ndim != 2 or rows.shape[1] != 3:
        raise ValueError(f"a tensor of shape {rows.shape} and not (bins, 3)")
    if not len(rows):
        return np.zeros(1), np.zeros(0)
    return _checked(*_contiguous(*rows.T))


def _contiguous(left: NDArray[np.float64], right: NDArray[np.float64], counts: NDArray[np.float64]) -> Bins:
    """Bins as edges; an empty one is put where there is a gap."""
    import numpy as np

    apart, nearly = left[1:] - right[:-1], 1e-6 * (np.abs(left[1:]) + np.abs(right[:-1]))
    if (apart < -nearly).any():
        raise ValueError("bins that overlap")
    gaps = np.flatnonzero(apart > nearly) + 1
    edges = np.concatenate([left[:1], np.insert(right, gaps, left[gaps])])
    return edges, np.insert(counts, gaps, 0.0)


def _checked(edges: NDArray[np.float64], counts: NDArray[np.float64]) -> Bins:
    import numpy as np

    if edges.ndim != 1 or counts.ndim != 1 or len(edges) != len(counts) + 1:
        raise ValueError(f"edges of shape {edges.shape} and counts of shape {counts.shape}")
    if not (np.isfinite(edges).all() and np.isfinite(counts).all() and (np.diff(edges) >= 0).all()):
        raise ValueError("edges that do not grow, or are not finite")
    return edges, counts
