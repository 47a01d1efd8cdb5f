"""The file in which TensorBoard's Projector looks for embeddings, in protobuf's text format.

Its message is ProjectorConfig (tensorboard/plugins/projector/projector_config.proto); paths in it are
relative to its directory and may not lead out of it.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

CONFIG = "projector_config.pbtxt"
POINTS, LABELS, SPRITE = ".tsv", ".labels.tsv", ".sprite.png"  # how the names of its files end


def projector_config(entries: Iterable[Mapping[str, Any]]) -> str:
    """What the Projector reads, for lines of media.jsonl.

    entries: each with tag, step, files and the facts of an embedding.
    """
    parts = []
    for entry in entries:
        path = {suffix: _ending(entry["files"], suffix) for suffix in (LABELS, SPRITE)}
        points = next(f for f in entry["files"] if f not in path.values())
        name = f"{entry['tag']} step {entry['step']}"
        lines = [f"tensor_name: {_quoted(name)}"]
        lines += [f"tensor_shape: {n}" for n in (entry["points"], entry["dimensions"])]
        lines.append(f"tensor_path: {_quoted(points)}")
        if path[LABELS]:
            lines.append(f"metadata_path: {_quoted(path[LABELS])}")
        if path[SPRITE]:
            dimensions = " ".join(f"single_image_dim: {n}" for n in entry["image"])
            lines.append(f"sprite {{ image_path: {_quoted(path[SPRITE])} {dimensions} }}")
        parts.append("embeddings {\n  " + "\n  ".join(lines) + "\n}\n")
    return "".join(parts)


def _ending(files: Sequence[str], suffix: str) -> str:
    return next((file for file in files if file.endswith(suffix)), "")


def _quoted(text: str) -> str:
    """A text as protobuf's text format has it: what JSON says of ASCII is the same there."""
    plain = text.encode(errors="backslashreplace")
    if all(32 <= byte < 127 for byte in plain):
        return json.dumps(plain.decode())
    return '"' + "".join(f"\\{byte:03o}" for byte in plain) + '"'
