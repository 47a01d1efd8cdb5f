"""Where the scalars of one encoded Event lie, without protobuf: for decoding many alike at once.

Fields are those of tensorboard/compat/proto/{event,summary,tensor}.proto; the wire format is protobuf's: a
key (number << 3 | type), then a varint (type 0), 8 bytes (1), a length and so many bytes (2), or 4 bytes (5).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple, TypeAlias

Data: TypeAlias = Any  # bytes, or what gives bytes by its indices and slices as they do

_TENSOR_TYPES = {1: "<f4", 2: "<f8", 3: "<i4", 9: "<i8"}  # DataType of types.proto: numpy's dtype


class Field(NamedTuple):
    """A field of a message. value: of type 0. start, stop: where its bytes lie, of type 0 the varint's."""

    number: int
    type: int
    value: int
    start: int
    stop: int


class Value(NamedTuple):
    """A scalar. tag: where its name lies. at: where its number does, of numpy's dtype.

    plugin: of a tensor; "" where this record does not tell. None: a simple_value.
    """

    tag: tuple[int, int]
    at: int
    dtype: str
    plugin: str | None


class Layout(NamedTuple):
    """wall_time: where its 8 bytes begin. step: where its varint lies. None: the field is not there, so 0.

    has_more: whether it has values that are no scalars.
    """

    wall_time: int | None
    step: tuple[int, int] | None
    values: tuple[Value, ...]
    has_more: bool


class NotSimple(Exception):
    """Only protobuf knows what this record says."""


def of_event(data: Data) -> Layout:
    """The layout of an encoded Event; values that are no scalars (images, texts, ...) are left out.

    Raises:
        NotSimple: it has something that is not looked at here.
    """
    wall_time: int | None = None
    step: tuple[int, int] | None = None
    values: list[Value | None] = []
    seen: set[int] = set()
    for field in fields(data, 0, len(data)):
        if field.number in (1, 2, 5):
            if field.number in seen or field.type != {1: 1, 2: 0, 5: 2}[field.number]:
                raise NotSimple
            seen.add(field.number)
        if field.number == 1:
            wall_time = field.start
        elif field.number == 2:
            step = (field.start, field.stop)
        elif field.number == 5:
            values = list(_values(data, field.start, field.stop))
    scalars = tuple(value for value in values if value is not None)
    return Layout(wall_time, step, scalars, len(scalars) < len(values))


def _values(data: Data, start: int, stop: int) -> Iterator[Value | None]:
    for field in fields(data, start, stop):
        if field.number == 1 and field.type == 2:
            yield _value(data, field.start, field.stop)


def _value(data: Data, start: int, stop: int) -> Value | None:
    """The scalar of a Summary.Value; None if it is none."""
    found = _each_once(data, start, stop)
    if 1 not in found or found[1].type != 2:
        raise NotSimple
    tag = (found[1].start, found[1].stop)
    _text(data, *tag)
    kinds = found.keys() & {2, 3, 4, 5, 6, 8}
    if not kinds & {2, 8}:
        return None
    if len(kinds) > 1:
        raise NotSimple
    if 2 in found:
        if found[2].type != 5:
            raise NotSimple
        return Value(tag, found[2].start, "<f4", None)
    plugin = _plugin(data, found[9]) if 9 in found else ""
    if plugin not in ("", "scalars"):
        return None
    return Value(tag, *_number(data, found[8]), plugin)


def _plugin(data: Data, metadata: Field) -> str:
    if metadata.type != 2:
        raise NotSimple
    name = ""
    for field in fields(data, metadata.start, metadata.stop):
        if field.number == 1 and field.type == 2:
            for inner in fields(data, field.start, field.stop):
                if inner.number == 1 and inner.type == 2:
                    name = _text(data, inner.start, inner.stop)
    return name


def _number(data: Data, tensor: Field) -> tuple[int, str]:
    """Where a TensorProto of no dimensions has its one number, and of which dtype."""
    if tensor.type != 2:
        raise NotSimple
    found = _each_once(data, tensor.start, tensor.stop)
    dtype = _TENSOR_TYPES.get(found[1].value if 1 in found and found[1].type == 0 else 0)
    shape = found.get(2)
    if dtype is None or (shape is not None and shape.stop > shape.start):
        raise NotSimple
    size = int(dtype[2])
    holders = [found[n] for n in found.keys() - {1, 2, 3}]  # 3: its version
    fits = {"<f4": (4, 5), "<f8": (4, 6), "<i4": (4,), "<i8": (4,)}[dtype]
    if len(holders) != 1 or holders[0].number not in fits:
        raise NotSimple
    if holders[0].type != 2 or holders[0].stop - holders[0].start != size:
        raise NotSimple
    return holders[0].start, dtype


def _each_once(data: Data, start: int, stop: int) -> dict[int, Field]:
    """The fields of a message by their numbers. Raises NotSimple: one comes twice."""
    found: dict[int, Field] = {}
    for field in fields(data, start, stop):
        if field.number in found:
            raise NotSimple
        found[field.number] = field
    return found


def _text(data: Data, start: int, stop: int) -> str:
    try:
        return str(data[start:stop], "utf-8")
    except UnicodeDecodeError:
        raise NotSimple from None


def fields(data: Data, at: int, stop: int) -> Iterator[Field]:
    """The fields of a message in data[at:stop].

    Raises:
        NotSimple: it is not one, or uses groups.
    """
    while at < stop:
        key, at = _varint(data, at, stop)
        number, type_ = key >> 3, key & 7
        value = 0
        if type_ == 0:
            value, end = _varint(data, at, stop)
        elif type_ in (1, 5):
            end = at + (8 if type_ == 1 else 4)
        elif type_ == 2:
            length, at = _varint(data, at, stop)
            end = at + length
        else:
            raise NotSimple
        if end > stop:
            raise NotSimple
        yield Field(number, type_, value, at, end)
        at = end


def signed(data: Data, start: int, stop: int) -> int:
    """The int64 that a varint holds."""
    value = _varint(data, start, stop)[0] & (2**64 - 1)
    return value - 2**64 if value >= 2**63 else value


def _varint(data: Data, at: int, stop: int) -> tuple[int, int]:
    value = shift = 0
    while at < stop and shift < 70:
        byte = data[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7
    raise NotSimple
