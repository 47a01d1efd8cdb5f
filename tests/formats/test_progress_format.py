"""progress.csv: header and rows, both ways."""

from __future__ import annotations

import csv
import io
import math
import random
import struct

import pytest

from exptools.formats.progress import decode_header, encode_header, encode_rows
from exptools.formats.rows import Row

TAGS = ["loss", "step", "wall_time", "a,b", 'quo"te', "new\nline", "return\r", "ünï", " lead", "5"]


def parsed(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("tags", [[], ["loss"], TAGS])
def test_a_header_comes_back_with_its_length(tags: list[str]) -> None:
    header = encode_header(tags).encode()

    assert decode_header(header + b"0,1.0,2.0\n") == (tags, len(header))


def test_a_header_is_what_other_readers_of_csv_understand() -> None:
    assert parsed(encode_header(TAGS)) == [["step", "wall_time", *TAGS]]


@pytest.mark.parametrize("text", [b"", b"step,wall_time", b'step,wall_time,"half\n'])
def test_a_header_that_is_not_whole_yet_is_no_header_yet(text: bytes) -> None:
    assert decode_header(text) is None


@pytest.mark.parametrize("text", [b"\n", b"a,b,c\n", b'step,wall_time,"x"y\n', b"wall_time,step\n"])
def test_what_is_no_header_is_refused(text: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a progress\.csv of exptools"):
        decode_header(text)


def test_rows_leave_missing_cells_empty() -> None:
    rows = [Row(3, 1.5, ("b",), (2.0,)), Row(4, 1.75, ("a", "b"), (math.nan, -math.inf))]

    assert encode_rows(rows, {"a": 0, "b": 1}) == "3,1.5,,2.0\n4,1.75,nan,-inf\n"


def test_every_float64_comes_back_bit_for_bit() -> None:
    rng = random.Random(0)
    bits = [struct.unpack("<d", rng.randbytes(8))[0] for _ in range(5000)]
    values = [v for v in bits if not math.isnan(v)] + [
        0.1 + 0.2,
        16777217.0,
        5e-324,
        -0.0,
        1.7976931348623157e308,
    ]

    text = encode_rows([Row(i, 0.0, ("x",), (v,)) for i, v in enumerate(values)], {"x": 0})

    back = [float(row[2]) for row in parsed(text)]
    assert [struct.pack("<d", v) for v in back] == [struct.pack("<d", v) for v in values]
