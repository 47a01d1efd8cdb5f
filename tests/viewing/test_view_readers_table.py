"""Tables of other loggers: what a cell says, which column is the step, and what cannot be read."""

from __future__ import annotations

import csv
import json
import math
import random
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from view_files import bits

from exptools.viewing.curves import Reading, everything
from exptools.viewing.readers import json_lines, lightning, viskit

NAN, INF = float("nan"), float("inf")
Write = Callable[..., Reading]


@pytest.fixture
def read(tmp_path: Path) -> Write:
    """Write text as a file and read it."""

    def reading(text: str | bytes, name: str = "progress.csv", *, live: bool = False) -> Reading:
        path = tmp_path / name
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        reader = {
            "metrics.csv": lightning.read,
            "progress.json": json_lines.read,
            "result.json": json_lines.read,
        }
        return reader.get(name, viskit.read)(path, everything, live=live)

    return reading


def rows(reading: Reading, tag: str) -> list[tuple[int, float]]:
    return [(step, value) for step, _, value in reading.curves[tag].rows()]


def told(reading: Reading) -> list[str]:
    """The problems, without the directory."""
    return [str(problem).rpartition("/")[2] for problem in reading.problems]


# --- cells ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("spelling", [repr, "{:.20g}".format])
def test_values_are_read_bit_for_bit(read: Write, spelling: Callable[[float], str]) -> None:
    source = random.Random(0)
    values = [struct.unpack("<d", source.randbytes(8))[0] for _ in range(5000)]
    values += [0.0, -0.0, 5e-324, 0.1 + 0.2, NAN, INF, -INF]

    reading = read("a\n" + "".join(f"{spelling(value)}\n" for value in values))

    assert bits(reading.curves["a"].value) == bits(values)
    assert [str(c.dtype) for c in (reading.curves["a"].step, reading.curves["a"].wall_time)] == [
        "int64",
        "float64",
    ]
    assert all(math.isnan(t) for t in reading.curves["a"].wall_time)


def test_spellings_of_numbers(read: Write) -> None:
    cells = ["nan", "NaN", "NAN", "-nan", "inf", "+Inf", "-Infinity", "INF", " 1.5 ", "+1e3", ".5", "7."]
    cells += ["True", "FALSE", "", "None", "null"]
    numbers = [NAN, NAN, NAN, NAN, INF, INF, -INF, INF, 1.5, 1000.0, 0.5, 7.0, 1.0, 0.0]

    reading = read("a,b\n" + "".join(f"{cell},0\n" for cell in cells))

    assert repr(rows(reading, "a")) == repr(list(enumerate(numbers)))
    assert reading.problems == ()


def test_a_cell_that_is_no_number_is_named_once_a_column_and_text_is_passed_over(read: Write) -> None:
    reading = read('a,b,name\n1,1,x\n1_0,oops,y\n3,"say ""x""",z\n٣,4,\n')

    assert reading.tags == ("a", "b")
    assert rows(reading, "a") == [(0, 1.0), (2, 3.0)]
    assert rows(reading, "b") == [(0, 1.0), (3, 4.0)]
    assert told(reading) == [
        "progress.csv, offset 15: in the column 'a' 2 cells are no numbers and were left out ('1_0')",
        "progress.csv, offset 15: in the column 'b' 2 cells are no numbers and were left out ('oops')",
    ]


def test_one_bad_cell(read: Write) -> None:
    reading = read("a\n1\n" + "x" * 50 + "\n2\n")

    assert told(reading) == [
        f"progress.csv, offset 4: in the column 'a' a cell is no number and was left out ('{'x' * 35}...)"
    ]


# --- rows -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_quotes_and_line_ends(read: Write, tmp_path: Path, end: str) -> None:
    table = [["a,b", 'c"d', "e\nf", "text"], [1, 2, 3, 'x,"y"\nz'], [4, "", 6, ""], [7, 8, 9, '"']]
    with open(tmp_path / "made.csv", "w", newline="") as file:
        csv.writer(file, lineterminator=end).writerows(table)

    reading = read((tmp_path / "made.csv").read_bytes())

    assert reading.problems == ()
    assert {tag: rows(reading, tag) for tag in reading.tags} == {
        "a,b": [(0, 1.0), (1, 4.0), (2, 7.0)],
        'c"d': [(0, 2.0), (2, 8.0)],
        "e\nf": [(0, 3.0), (1, 6.0), (2, 9.0)],
    }


def test_rows_of_another_width_are_named_and_the_others_are_read(read: Write) -> None:
    reading = read("a,b\n0,1\n1\n2,3,4\n5,6\n\n7,8\n9,9,9\n1,2\n")

    assert rows(reading, "b") == [(0, 1.0), (1, 6.0), (2, 8.0), (3, 2.0)]
    assert told(reading) == [
        "progress.csv, offset 8: 2 lines that are no rows of 2 cells; left out",
        "progress.csv, offset 25: not a row of 2 cells; left out",
    ]


@pytest.mark.parametrize(
    ("text", "values", "offsets"),
    [
        ('a,b\n0,1\n1"x,2\n2,3\n3,4\n', [1.0, 3.0, 4.0], [8]),  # never closed
        ('a,b\n0,1\n1"x,2\n2,3\n3,4"\n5,6\n', [1.0, 3.0, 6.0], [8, 18]),  # two that are no pair
        ('a,b\n"x"y,1\n2,3\n', [3.0], [4]),
    ],
)
def test_a_stray_quote_costs_its_row(read: Write, text: str, values: list[float], offsets: list[int]) -> None:
    reading = read(text)

    assert reading.curves["b"].value.tolist() == values
    assert [problem.offset for problem in reading.problems] == offsets


def test_bytes_that_are_no_text_cost_their_cell(read: Write) -> None:
    reading = read(b"a,b\n0,1\n\xff\xfe,2\n2,3\n")

    assert rows(reading, "b") == [(0, 1.0), (1, 2.0), (2, 3.0)]
    assert [problem.offset for problem in reading.problems] == [8]


def test_names_that_a_resumed_run_writes_again_are_no_row(read: Write) -> None:
    reading = read("itr,a\n0,1\n1,2\nitr,a\n1,3\n")

    assert (rows(reading, "a"), reading.problems) == ([(0, 1.0), (1, 2.0), (1, 3.0)], ())


def test_a_name_that_comes_twice_has_all_its_frames_row_by_row(read: Write) -> None:
    assert rows(read("a,a\n1,2\n3,\n4,5\n"), "a") == [(0, 1.0), (0, 2.0), (1, 3.0), (2, 4.0), (2, 5.0)]


def test_a_byte_order_mark_is_no_part_of_a_name(read: Write) -> None:
    assert read("\ufeffa,b\n1,2\n").tags == ("a", "b")


def test_tabs(read: Write) -> None:
    reading = read("Epoch\tTotalEnvInteracts\tx, y\n0\t10\t1\n1\t20\t2\n", "progress.txt")

    assert rows(reading, "x, y") == [(10, 1.0), (20, 2.0)]


def test_a_torn_row_is_left_out(read: Write) -> None:
    dead, live = read("a\n1\n2"), read("a\n1\n2", live=True)

    assert rows(dead, "a") == rows(live, "a") == [(0, 1.0)]
    assert told(dead) == ["progress.csv, offset 4: the last row is torn: it has no line end and was left out"]
    assert live.problems == ()


def test_a_torn_line_of_names(read: Write) -> None:
    dead, live, empty = read("a,b"), read("a,b\xe9".encode()[:-1], live=True), read("")

    assert told(dead) == ["progress.csv, offset 0: the file ends inside its line of names"]
    assert (live.problems, empty.problems, empty.usable) == ((), (), False)
    assert [problem.offset for problem in read(b"\xff\xfe\x00\x00", live=True).problems] == [0]


def test_a_hundred_thousand_rows_are_read_whole(read: Write) -> None:
    lines = [f"{i},{i / 7!r},{'' if i % 3 else i}" for i in range(100_000)]
    lines[70_000] = "70000,oops"

    reading = read("step,loss,val\n" + "\n".join(lines) + "\n", "metrics.csv")

    assert (len(reading.curves["loss"]), len(reading.curves["val"])) == (99_999, 33_334)
    assert [p.offset for p in reading.problems] == [14 + len("\n".join(lines[:70_000])) + 1]


# --- the step, the wall time ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "step"),
    [
        ("Iteration,Diagnostics/CumSteps,CumSteps", "Diagnostics/CumSteps"),
        ("Iteration,CumSteps", "CumSteps"),
        ("Epoch,TotalEnvInteracts", "TotalEnvInteracts"),
        ("training_iteration,timesteps_total", "timesteps_total"),
        ("epoch,step", "step"),
        ("itr,loss", "itr"),
        ("Epoch,x", "Epoch"),
        ("x,time/total_timesteps,step", "time/total_timesteps"),
    ],
)
def test_well_known_steps(read: Write, names: str, step: str) -> None:
    columns = names.split(",")
    values = [[10 * i + j for j in range(len(columns))] for i in range(3)]
    lines = [",".join(map(str, row)) + ",0.5" for row in values]

    reading = read(f"{names},value\n" + "\n".join(lines) + "\n")

    assert [at for at, _ in rows(reading, "value")] == [row[columns.index(step)] for row in values]
    assert set(reading.tags) == {"value", *columns} - {"step" if step == "step" else "value of the step"}


@pytest.mark.parametrize(
    ("column", "steps"),
    [
        (["0", "5", "5"], [0, 5, 5]),
        (["0.0", "1e2", "200.0"], [0, 100, 200]),
        ([str(2**53 + 1), str(2**63 - 1), "0"], [2**53 + 1, 2**63 - 1, 0]),
        (["0", "2", "1"], [0, 2, 1]),  # a resume
        (["0", "1.5", "3"], None),
        (["0", "x", "3"], [0, 3]),  # the row is named
        (["0", "inf", "3"], None),
        (["0", "1e300", "3"], None),
        (["0", "9223372036854775808", "3"], None),
        (["0", "1", "0", "1", "0", "1"], None),  # batches of an epoch
        (["0", "2", "1", "3", "2", "4"], [0, 2, 1, 3, 2, 4]),  # two resumes
    ],
)
def test_a_step_is_whole_and_counts(read: Write, column: list[str], steps: list[int] | None) -> None:
    reading = read("CumSteps,a\n" + "".join(f"{cell},1\n" for cell in column))

    assert [step for step, _ in rows(reading, "a")] == (steps or list(range(len(column))))


def test_a_column_called_step_that_is_not_the_step_is_a_tag(read: Write) -> None:
    reading = read("step,a\n0.5,1\n1.5,2\n", "metrics.csv")

    assert (rows(reading, "step"), rows(reading, "a")) == ([(0, 0.5), (1, 1.5)], [(0, 1.0), (1, 2.0)])


def test_rows_without_a_step_are_named_unless_another_column_has_all(read: Write) -> None:
    some = read("CumSteps,a\n10,1\n,2\nnan,3\n40,4\n")
    whole = read("CumSteps,a,Epoch\n10,1,0\n,2,1\n,3,2\n40,4,3\n")

    assert rows(some, "a") == [(10, 1.0), (40, 4.0)]
    assert told(some) == ["progress.csv, offset 16: 2 rows without 'CumSteps', which is the step, left out"]
    assert rows(whole, "a") == [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0)]
    assert whole.problems == ()


@pytest.mark.parametrize(
    ("name", "cells", "times"),
    [
        ("wall_time", ["1.7e9", "1700000000.25"], [1.7e9, 1700000000.25]),
        ("timestamp", ["1700000000", "1700000001"], [1.7e9, 1700000001.0]),
        ("timestamp", ["1700000000", ""], [1.7e9, NAN]),
        ("wall_time", ["0.5", "1.5"], [NAN, NAN]),  # since the start
        ("timestamp", ["1700000000000", "1700000001000"], [NAN, NAN]),  # milliseconds
        ("timestamp", ["2026-01-01", "2026-01-02"], [NAN, NAN]),
    ],
)
def test_wall_times_are_seconds_since_the_epoch_or_unknown(
    read: Write, name: str, cells: list[str], times: list[float]
) -> None:
    reading = read(f"a,{name}\n" + "".join(f"1,{cell}\n" for cell in cells))

    assert repr(reading.curves["a"].wall_time.tolist()) == repr(times)
    is_time = not math.isnan(times[0])
    is_number = cells[0].replace(".", "").replace("e", "").isdecimal()
    assert (name in reading.tags) == (is_number and not (is_time and name == "wall_time"))


def test_beside_event_files_iterations_are_the_step(read: Write, tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").touch()
    text = "Iteration,CumSteps,a\n0,100,1\n1,200,2\n"

    assert rows(read(text), "a") == [(0, 1.0), (1, 2.0)]
    (tmp_path / "result.json").touch()  # Ray's event files have other tags
    assert rows(read(text), "a") == [(100, 1.0), (200, 2.0)]


# --- lines of JSON --------------------------------------------------------------------------------------


def test_lines_of_json_are_flattened(read: Write) -> None:
    records: list[dict[str, Any]] = [
        {"time/total_timesteps": 5, "a": {"b": {"c": 0.1 + 0.2}}, "config": {"lr": 1}, "text": "x", "l": [1]},
        {"time/total_timesteps": 9, "a": {"b": {"c": NAN}}, "ok": True, "none": None, "huge": 10**400},
    ]
    text = "".join(json.dumps(record) + "\n" for record in records)

    plain, ray = read(text, "progress.json"), read(text, "result.json")

    assert set(plain.tags) - set(ray.tags) == {"config/lr"}
    assert repr(rows(ray, "a/b/c")) == repr([(5, 0.1 + 0.2), (9, NAN)])
    assert rows(ray, "ok") == [(9, 1.0)]
    assert set(ray.tags) == {"time/total_timesteps", "a/b/c", "ok"}


def test_lines_that_are_no_objects_are_named(read: Write) -> None:
    text = '{"step": 0, "a": 1}\n[1]\n{"step": 1, "a"\n\n{"step": 2, "a": "x"}\n{"step": 3, "a": 4}\n'

    reading = read(text, "progress.json")

    assert rows(reading, "a") == [(0, 1.0), (3, 4.0)]
    assert told(reading) == [
        "progress.json, offset 20: not a line of JSON with an object; it was left out",
        "progress.json, offset 24: not a line of JSON with an object; it was left out",
        "progress.json, offset 41: in the column 'a' a cell is no number and was left out ('x')",
    ]


def test_a_last_line_counts_if_it_is_whole(read: Write) -> None:
    whole, torn = read('{"a": 1}\n{"a": 2}', "progress.json"), read('{"a": 1}\n{"a": 2', "progress.json")

    assert (rows(whole, "a"), whole.problems) == ([(0, 1.0), (1, 2.0)], ())
    assert told(torn) == ["progress.json, offset 9: the file ends inside a line; it was left out"]
    assert read('{"a": 1}\n{"a": 2', "progress.json", live=True).problems == ()


def test_deep_json_is_named(read: Write) -> None:
    assert len(read('{"a":' * 10_000 + "1" + "}" * 10_000 + "\n", "progress.json").problems) == 1
