"""Event files of any writer: their images, sounds, texts and histograms.

They are messages of their own (torch, tensorboardX, TensorFlow 1), or tensors of a plugin (TensorFlow 2,
JAX); fields are those of tensorboard/compat/proto/{event,summary,tensor}.proto.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple

from exptools.viewing.media.entry import HISTOGRAM, Entry, Origin
from exptools.viewing.problem import Problem

if TYPE_CHECKING:
    from exptools.formats.layout import Data, Field
    from exptools.formats.rich import Record

_LONGEST_NAME = 2**16  # bytes; a damaged record may say anything
_GIF = (b"GIF87a", b"GIF89a")
_NO_EVENT = "the record holds no TensorBoard event and was passed over"


class _Found(NamedTuple):
    """What a value is. blobs: where its contents lie."""

    kind: str
    blobs: tuple[tuple[int, int], ...]
    facts: dict[str, Any]


def read(
    path: Path, file: BinaryIO, start: int, plugins: dict[str, str], *, live: bool
) -> tuple[list[Entry], list[Problem], int]:
    """The entries of the records from offset `start` on, what could not be read, and where the last one ends.

    plugins: of tags whose plugin was named before; what is named now is added. A file that ends inside a
    record is named, unless the run is `live`. Of a large record the checksum is looked at when it is shown.
    """
    from exptools.formats.rich import Walk

    walk = Walk(file.fileno(), start)
    entries: list[Entry] = []
    problems: list[Problem] = []
    for record in walk.records():
        found = _understood(path, record, plugins)
        if found is None:
            problems.append(Problem(path, _NO_EVENT, record.offset))
        entries += found or ()
    problems += [Problem(path, d.reason, d.offset) for d in walk.damages if not (d.torn and live)]
    return entries, sorted(problems, key=lambda problem: problem.offset or 0), walk.end


def _understood(path: Path, record: Record, plugins: dict[str, str]) -> list[Entry] | None:
    """The entries of one record; None if it is no event."""
    from exptools.formats.layout import NotSimple

    try:
        return _of_record(path, record, plugins)
    except (NotSimple, UnicodeDecodeError):
        return None


def _of_record(path: Path, record: Record, plugins: dict[str, str]) -> list[Entry]:
    """The entries of one record. Raises NotSimple, UnicodeDecodeError: it is no event."""
    from exptools.formats.layout import fields, signed

    data, step, wall_time = record.payload, 0, 0.0
    values: list[Field] = []
    for field in fields(data, 0, len(data)):
        if field.number == 1 and field.type == 1:
            wall_time = struct.unpack("<d", data[field.start : field.stop])[0]
        elif field.number == 2 and field.type == 0:
            step = signed(data, field.start, field.stop)
        elif field.number == 5 and field.type == 2:
            values += (f for f in fields(data, field.start, field.stop) if f.number == 1 and f.type == 2)
    entries = []
    for i, value in enumerate(values):
        held = _held(data, value)
        tag = _text(data, held.get(1) or held.get(7))
        found = _found(data, held, tag, plugins)
        if found is not None:
            origin = Origin(path, record.offset, len(data), i, found.blobs)
            entries.append(Entry(found.kind, tag, step, wall_time, (), origin, found.facts))
    return entries


def _held(data: Data, message: Field) -> dict[int, Field]:
    """The fields of a message by their numbers; of several the last counts, as for protobuf."""
    from exptools.formats.layout import fields

    return {field.number: field for field in fields(data, message.start, message.stop)}


def _place(field: Field | None) -> tuple[int, int]:
    return (0, 0) if field is None or field.type != 2 else (field.start, field.stop)


def _text(data: Data, field: Field | None) -> str:
    """Raises NotSimple: nobody has a name that long."""
    from exptools.formats.layout import NotSimple

    start, stop = _place(field)
    if stop - start > _LONGEST_NAME:
        raise NotSimple
    return str(data[start:stop], "utf-8")


def _found(data: Data, held: dict[int, Field], tag: str, plugins: dict[str, str]) -> _Found | None:
    """What the value is whose fields are `held`; None: nothing that is known here."""
    if 9 in held and held[9].type == 2:
        plugin = _plugin(data, held[9])
        if plugin:
            plugins[tag] = plugin
    for number, of_message in ((4, _image), (6, _audio)):
        if number in held and held[number].type == 2:
            return of_message(data, _held(data, held[number]))
    if 5 in held and held[5].type == 2:
        return _Found(HISTOGRAM, (), {})
    if 8 in held and held[8].type == 2:
        return _of_tensor(data, held[8], plugins.get(tag))
    return None


def _plugin(data: Data, metadata: Field) -> str:
    of_plugin = _held(data, metadata).get(1)
    if of_plugin is None or of_plugin.type != 2:
        return ""
    return _text(data, _held(data, of_plugin).get(1))


def _image(data: Data, held: dict[int, Field]) -> _Found | None:
    if 4 not in held:
        return None
    facts = _numbers(held, {"height": 1, "width": 2, "channels": 3})
    return _Found(_kind_of_image(data, held[4].start), (_place(held[4]),), facts)


def _audio(data: Data, held: dict[int, Field]) -> _Found | None:
    if 4 not in held:
        return None
    facts = _numbers(held, {"channels": 2, "samples": 3})
    if 1 in held and held[1].type == 5:
        facts["sample_rate"] = struct.unpack("<f", data[held[1].start : held[1].stop])[0]
    return _Found("audio", (_place(held[4]),), facts)


def _numbers(held: dict[int, Field], names: dict[str, int]) -> dict[str, Any]:
    return {name: held[n].value for name, n in names.items() if n in held and held[n].type == 0}


def _kind_of_image(data: Data, start: int) -> str:
    return "gif" if bytes(data[start : min(start + 6, len(data))]) in _GIF else "image"


def _of_tensor(data: Data, tensor: Field, plugin: str | None) -> _Found | None:
    if plugin == "histograms":
        return _Found(HISTOGRAM, (), {})
    if plugin not in ("images", "audio", "text"):
        return None
    shape, strings = _strings(data, tensor)
    if plugin == "text":
        return _Found("text", tuple(strings), {"shape": shape})
    if plugin == "audio":  # each with its label, or without
        return _Found("audio", tuple(strings[::2] if len(shape) == 2 else strings), {})
    if len(strings) < 3:  # two of them are width and height
        return None
    sides = [bytes(data[start:stop]) for start, stop in strings[:2] if stop - start < 20]
    is_told = len(sides) == 2 and all(side.isdigit() for side in sides)
    facts = {"height": int(sides[1]), "width": int(sides[0])} if is_told else {}
    return _Found(_kind_of_image(data, strings[2][0]), tuple(strings[2:]), facts)


def _strings(data: Data, tensor: Field) -> tuple[list[int], list[tuple[int, int]]]:
    """The shape of a tensor, and where its strings lie."""
    from exptools.formats.layout import fields

    shape: list[int] = []
    strings: list[tuple[int, int]] = []
    for field in fields(data, tensor.start, tensor.stop):
        if field.number == 8 and field.type == 2:
            strings.append((field.start, field.stop))
        elif field.number == 2 and field.type == 2:
            shape = list(_sizes(data, field))
    return shape, strings


def _sizes(data: Data, shape: Field) -> Iterator[int]:
    from exptools.formats.layout import fields

    for dimension in fields(data, shape.start, shape.stop):
        if dimension.number == 2 and dimension.type == 2:
            size = _held(data, dimension).get(1)
            yield 0 if size is None else size.value
