"""progress.csv is read bit for bit, and what cannot be read is named."""

from __future__ import annotations

import random
import struct
import time
from pathlib import Path

import pytest
from view_files import bits, progress_text

from exptools.viewing.readers import progress

NAN, INF = float("nan"), float("inf")
HARD = [1e-310, 5e-324, -0.0, 0.0, NAN, INF, -INF, 16777217.0, 0.1 + 0.2, 1.7976931348623157e308, 1e22, -1e-5]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "progress.csv"


def problems(reading: object) -> list[str]:
    return [str(p) for p in reading.problems]  # type: ignore[attr-defined]


def test_values_are_read_bit_for_bit(path: Path) -> None:
    source = random.Random(0)
    anything = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(20_000)]
    values = HARD + anything
    path.write_text(progress_text(["a"], [(i, 1e9 + i / 7, [v]) for i, v in enumerate(values)]))

    curve = progress.read(path).curves["a"]

    assert bits(curve.value) == bits(values)
    assert bits(curve.wall_time) == bits(1e9 + i / 7 for i in range(len(values)))
    assert curve.step.tolist() == list(range(len(values)))
    assert [str(a.dtype) for a in (curve.step, curve.wall_time, curve.value)] == [
        "int64",
        "float64",
        "float64",
    ]


def test_steps_are_int64_in_any_order(path: Path) -> None:
    steps = [3, 3, -(2**63), 2**63 - 1, 2**53 + 1, 0]
    path.write_text(progress_text(["a"], [(s, 1.0, [0.0]) for s in steps]))

    assert progress.read(path).curves["a"].step.tolist() == steps


def test_an_empty_cell_is_no_frame_and_a_nan_is_one(path: Path) -> None:
    path.write_text(
        progress_text(["a", "b", "c"], [(0, 1.0, [1.0, None, None]), (1, 2.0, [None, NAN, None])])
    )

    reading = progress.read(path)

    assert reading.tags == ("a", "b", "c")
    assert {tag: curve.rows() for tag, curve in reading.curves.items() if tag != "b"} == {
        "a": [(0, 1.0, 1.0)],
        "c": [],
    }
    assert bits(reading.curves["b"].rows()[0]) == bits([1, 2.0, NAN])


def test_tags_may_be_called_anything(path: Path) -> None:
    tags = ["step", "wall_time", "value", "", 'a "b", c', "new\nline", "cr\rx", "é中", "0", "1", "x,y\n\n"]
    path.write_text(progress_text(tags, [(7, 1.5, [float(i) for i in range(len(tags))])]), newline="")

    reading = progress.read(path)

    assert {tag: f.rows() for tag, f in reading.curves.items()} == {
        tag: [(7, 1.5, float(i))] for i, tag in enumerate(tags)
    }
    assert problems(reading) == []


def test_only_what_is_wanted_is_kept_but_all_tags_are_known(path: Path) -> None:
    path.write_text(progress_text(["a", "b"], [(0, 1.0, [1.0, 2.0])]))

    reading = progress.read(path, lambda tag: tag == "b")

    assert (list(reading.curves), reading.tags) == (["b"], ("a", "b"))


@pytest.mark.parametrize("live", [True, False])
@pytest.mark.parametrize("cut", [1, 5, 12])
def test_a_torn_last_row_is_left_out(path: Path, live: bool, cut: int) -> None:
    whole = progress_text(["a"], [(0, 1.0, [0.25]), (1, 2.0, [0.125])])
    path.write_text(whole[:-cut])

    reading = progress.read(path, live=live)

    assert reading.curves["a"].rows() == [(0, 1.0, 0.25)]
    offset = whole.index("1,2.0")
    torn = f"{path}, offset {offset}: the last row is torn: it has no line end and was left out"
    assert problems(reading) == ([] if live else [torn] if cut != 12 else problems(reading))


BAD = [
    b"x,1.0,2.0,3.0",
    b"1.0,1.0,2.0,3.0",
    b"9223372036854775808,1.0,2.0,3.0",
    b",1.0,2.0,3.0",
    b"1,,2.0,3.0",
    b"1,1.0,2.0",
    b"1,1.0,2.0,3.0,4.0",
    b"1,1.0,2.0,3.0x",
    b"1,1.0,1_0,3.0",
    b'1,1.0,"2.0",3.0',
    b"\0\0\0\0\0",
    b"\xff\xfe",
    b"",
]


@pytest.mark.parametrize("bad", BAD)
def test_a_row_that_cannot_be_read_is_named_and_the_others_are_kept(path: Path, bad: bytes) -> None:
    rows = [(i, 1.0 + i, [i / 8, None]) for i in range(50)]
    lines = progress_text(["a", "b"], rows).encode().splitlines(keepends=True)
    offset = sum(map(len, lines[:20]))
    path.write_bytes(b"".join([*lines[:20], bad + b"\n", *lines[20:]]))

    reading = progress.read(path)

    assert reading.curves["a"].rows() == [(s, w, v[0]) for s, w, v in rows]
    assert reading.curves["b"].rows() == []
    assert problems(reading) == [f"{path}, offset {offset}: not a row of 4 numbers; it was left out"]


def test_several_bad_rows_and_a_torn_one_are_all_named(path: Path) -> None:
    path.write_bytes(b"step,wall_time,a\nbad\n1,1.0,2.0\nworse\n\n2,1.0,3.0\n3,1.")

    reading = progress.read(path)

    assert reading.curves["a"].rows() == [(1, 1.0, 2.0), (2, 1.0, 3.0)]
    assert [p.offset for p in reading.problems] == [17, 31, 37, 48]


@pytest.mark.parametrize("content", [b"", b"step,wall_time,a", b'step,wall_time,"a\n'])
def test_a_file_without_its_whole_header_is_not_usable(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    dead, live = progress.read(path), progress.read(path, live=True)

    assert (dead.usable, live.usable, problems(live)) == (False, False, [])
    assert problems(dead) == ([f"{path}, offset 0: the file ends inside its header"] if content else [])


def test_a_large_file_of_zeros_is_looked_through_once(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.write_bytes(b"\0" * 2**20)
    looks = []
    monkeypatch.setattr(progress, "has_header", lambda data: looks.append(len(data)))

    assert [p.reason for p in progress.read(path).problems] == ["the file ends inside its header"]
    assert sum(looks) <= 2**20


@pytest.mark.parametrize("content", [b"a,b\n1,2\n", b"wall_time,step,a\n", b"\xff\xfe\n", b"\n", b'"a"b\n'])
def test_a_table_of_somebody_else_is_named(path: Path, content: bytes) -> None:
    path.write_bytes(content)

    reading = progress.read(path)

    reason = "not a progress.csv of exptools (its header does not begin with step,wall_time)"
    assert (reading.usable, problems(reading)) == (False, [f"{path}, offset 0: {reason}"])


def test_no_file_is_nothing_and_an_unreadable_one_is_named(path: Path) -> None:
    assert problems(progress.read(path)) == []

    path.mkdir()

    assert problems(progress.read(path)) == [f"{path}: cannot be read (Is a directory)"]


def test_a_header_without_rows_is_usable(path: Path) -> None:
    path.write_text("step,wall_time,a\n")

    reading = progress.read(path)

    assert (reading.usable, reading.tags, reading.curves["a"].rows()) == (True, ("a",), [])


def test_a_table_without_tags_is_usable(path: Path) -> None:
    path.write_text("step,wall_time\n")

    reading = progress.read(path)

    assert (reading.usable, reading.tags, dict(reading.curves)) == (True, (), {})


def test_many_tags_that_are_seldom_logged_take_a_time_that_goes_with_the_size_of_the_file(path: Path) -> None:
    # 3,000 tags are 9 MB of commas: 0.5 s; some 18 s when each tag was selected from the whole frame.
    count = 3000
    tags = [f"tag{i}" for i in range(count)]
    header = ",".join(["step", "wall_time", *tags])
    rows = [f"{i},{1.5 + i}{',' * (i + 1)}{i / 8}{',' * (count - i - 1)}" for i in range(count)]
    path.write_text("\n".join([header, *rows]) + "\n")

    start = time.process_time()
    reading = progress.read(path)
    took_s = time.process_time() - start

    assert [curve.rows() for curve in reading.curves.values()] == [
        [(i, 1.5 + i, i / 8)] for i in range(count)
    ]
    assert took_s < 6
