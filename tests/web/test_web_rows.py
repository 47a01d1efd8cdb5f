"""The table of runs as the grid takes it."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view_files import sweep, write_run

from exptools import rundir
from exptools.rundir import State, Status
from exptools.viewing.api import Runs, load
from exptools.viewing.web import rows


@pytest.fixture
def runs(tmp_path: Path) -> Runs:
    return load(sweep(tmp_path / "sweep"))


def grid(runs: Runs, spark: str = "") -> tuple[dict[str, dict[str, Any]], dict[str, dict[str, Any]]]:
    """Columns by their names and rows by their runs."""
    table = runs.summary()
    found = rows.rows(table, {"0": "#123456"}, rows.sparks(runs, spark) if spark else {})
    json.dumps(found, allow_nan=False)
    return {c["headerName"]: c for c in rows.columns(table, spark)}, {row["id"]: row for row in found}


def test_columns_are_those_of_the_table(runs: Runs) -> None:
    columns, _ = grid(runs)

    assert list(columns) == ["run", "state", "duration_s", "model.name", "seed", "loss", "error"]
    filters = {
        name: column["filter"].removeprefix("ag").removesuffix("ColumnFilter")
        for name, column in columns.items()
    }
    assert filters == {
        "run": "Text", "state": "Text", "duration_s": "Number", "model.name": "Text", "seed": "Number",
        "loss": "Number", "error": "Text",
    }  # fmt: skip
    assert {name for name, column in columns.items() if column.get("type") == "rightAligned"} == {
        "duration_s", "seed", "loss",
    }  # fmt: skip
    assert columns["run"]["pinned"] == "left" and columns["run"]["cellRenderer"] == "ExptoolsRun"
    assert all(column["field"] == f"c.{name}" and column["colId"] == name for name, column in columns.items())


def test_a_row_has_what_is_sorted_by_and_what_is_read(runs: Runs) -> None:
    _, found = grid(runs)

    assert list(found) == ["0", "1", "2", "3"]
    assert found["0"]["color"] == "#123456" and found["1"]["color"] == ""
    assert found["3"] == {
        "id": "3", "color": "", "spark": None,
        "c.run": "3", "c.state": "FAILED", "c.duration_s": 2.0, "c.model.name": "large", "c.seed": 1.0,
        "c.loss": 0.375, "c.error": "ValueError: too big",
        "texts": {
            "c.run": "3", "c.state": "FAILED", "c.duration_s": "2.0 s", "c.model.name": "large",
            "c.seed": "1", "c.error": "ValueError: too big",
        },
    }  # fmt: skip
    assert found["0"]["c.error"] is None and found["0"]["texts"]["c.error"] == "-"


def cells(tmp_path: Path, *configs: dict[str, Any], **curves: list[list[float]]) -> Any:
    for i, config in enumerate(configs):
        values = {tag: of_runs[i] for tag, of_runs in curves.items()} or {"loss": [1.0]}
        write_run(tmp_path / "sweep" / str(i), values, config=config)
    return grid(load(tmp_path / "sweep"))


def test_numbers_of_a_config_are_read_as_they_were_written(tmp_path: Path) -> None:
    columns, found = cells(tmp_path, {"seed": 20240501, "lr": 1e-05}, {"seed": 20240502, "lr": 0.0001})

    assert [found[run]["texts"]["c.seed"] for run in "01"] == ["20240501", "20240502"]
    assert [found[run]["texts"]["c.lr"] for run in "01"] == ["1e-05", "0.0001"]
    assert [found[run]["c.seed"] for run in "01"] == [20240501.0, 20240502.0]
    assert columns["seed"]["filter"] == "agNumberColumnFilter"


def test_a_column_of_numbers_and_texts_is_of_texts(tmp_path: Path) -> None:
    columns, found = cells(
        tmp_path, {"batch": 32}, {"batch": "auto"}, {"batch": None}, {"batch": True}, {"lr": 1}
    )

    assert columns["batch"]["filter"] == "agTextColumnFilter"
    assert [found[str(i)]["c.batch"] for i in range(5)] == ["32", "auto", None, "true", None]
    assert [found[str(i)]["texts"]["c.batch"] for i in range(5)] == [
        "32",
        "auto",
        "null",
        "true",
        "(missing)",
    ]


def test_what_json_has_no_number_for_is_a_text(tmp_path: Path) -> None:
    values = [[math.nan], [math.inf], [1e305], [0.5]]

    columns, found = cells(tmp_path, *({"seed": i} for i in range(4)), loss=values)

    assert columns["loss"]["filter"] == "agNumberColumnFilter"
    assert [found[str(i)]["c.loss"] for i in range(4)] == [None, None, None, 0.5]
    assert [found[str(i)]["texts"].get("c.loss") for i in range(4)] == ["nan", "inf", "1e+305", None]


def test_hostile_names_are_values_and_long_ones_are_cut(tmp_path: Path) -> None:
    name, text = "<script>alert(1)</script>", "<img src=x onerror=alert(1)>\n" + "x" * 1000
    columns, found = cells(
        tmp_path, {name: text, "a.b": "1"}, {name: "&amp;", "a.b": "2"}, **{"*[?": [[1.0], [2.0]]}
    )

    assert {name, "*[?"} < set(columns)
    cell = found["0"][f"c.{name}"]
    assert len(cell) == 300 and "\n" not in cell and cell.startswith("<img src=x onerror=alert(1)>")
    assert found["1"][f"c.{name}"] == "&amp;"
    assert columns[name]["width"] <= 300
    assert not any(key in str(columns[name]) for key in ("innerHTML", "dangerously"))


def test_columns_called_like_ours_do_not_take_their_place(tmp_path: Path) -> None:
    _, found = cells(tmp_path, {"id": 5, "color": "red", "texts": 1}, {"id": 6, "color": "blue", "texts": 2})

    assert [found[run]["id"] for run in "01"] == ["0", "1"] and found["0"]["color"] == "#123456"
    assert {"c.id", "c.color", "c.texts"} < set(found["0"])


# --- small curves ------------------------------------------------------------------------------------------


def test_small_curves_are_between_0_and_1_over_all_runs(runs: Runs) -> None:
    columns, found = grid(runs, "loss")

    assert list(columns).index("loss") == 5 and columns["loss"]["field"] == "c.loss"  # both are called so
    assert [c["field"] for c in rows.columns(runs.summary(), "loss")][5:7] == ["spark", "c.loss"]
    assert {run: row["spark"] for run, row in found.items()} == {
        "0": [1.0, 0.5, 0.0], "1": [1.0, 0.5, 0.125], "2": [1.0, 0.5, 0.25], "3": [1.0, 0.5, 0.375],
    }  # fmt: skip


def test_a_small_curve_keeps_the_extremes_and_their_order(tmp_path: Path) -> None:
    y = np.random.default_rng(0).standard_normal(10_000)
    y[1234], y[8000] = 50, -50
    write_run(tmp_path / "sweep" / "0", {"loss": y.tolist()})

    (values,) = rows.sparks(load(tmp_path / "sweep"), "loss").values()

    assert len(values) == rows.SPARK_POINTS
    assert max(values) == 1.0 and values.index(1.0) // 2 == 2  # in the part in which it was
    assert min(values) == 0.0 and values.index(0.0) // 2 == 16


def test_a_small_curve_that_only_falls_only_falls(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "0", {"loss": np.arange(1000.0)[::-1].tolist()})

    (values,) = rows.sparks(load(tmp_path / "sweep"), "loss").values()

    assert values == sorted(values, reverse=True) and len(set(values)) == rows.SPARK_POINTS


def test_small_curves_of_odd_values_are_json(tmp_path: Path) -> None:
    odd = {
        "constant": [2.0, 2.0],
        "nothing": [math.nan] * 100,
        "gaps": [math.nan, 1.0, math.inf, 0.0],
        "huge": [-1.7e308, 0.0, 1.7e308],
    }
    for i, (tag, values) in enumerate(odd.items()):
        write_run(tmp_path / "sweep" / str(i), {tag: values})
    runs = load(tmp_path / "sweep")

    found = {tag: list(rows.sparks(runs, tag).values()) for tag in odd}

    json.dumps(found, allow_nan=False)
    assert found["constant"] == [[0.0, 0.0]] and set(found["nothing"][0]) == {None}
    assert found["gaps"] == [[None, 1.0, None, 0.0]] and found["huge"] == [[0.0, 0.5, 1.0]]


def test_a_run_without_the_tag_has_no_small_curve(tmp_path: Path) -> None:
    root = sweep(tmp_path / "sweep")
    write_run(root / "4", {"a*": [1.0, 2.0], "ab": [5.0, 3.0]})

    assert rows.sparks(load(root), "a*") == {"4": [0.0, 1.0]}


def test_an_error_of_many_lines_is_one(tmp_path: Path) -> None:
    root = sweep(tmp_path / "sweep")
    rundir.write_status(root / "3", Status(State.FAILED, start=1.0, end=2.0, error="one\ntwo\t\x1b[31m"))

    _, found = grid(load(root))

    assert re.fullmatch(r"[^\n\x1b]*", found["3"]["c.error"]) and found["3"]["c.error"].startswith("one")


def test_of_many_scalars_the_table_has_those_that_are_asked_for(tmp_path: Path) -> None:
    names = [f"t/{i}" for i in range(rows.MOST_TAGS + 1)]
    write_run(tmp_path / "0", {name: [1.0, float(i)] for i, name in enumerate(names)}, config={"lr": 0.1})
    whole = load(tmp_path).summary()

    found, left_out = rows.fewer(whole, ["t/3", "t/20", "gone"])

    tags = [
        (column.source, found.rows[0][i]) for i, column in enumerate(found.columns) if column.source in names
    ]
    assert tags == [("t/3", 3.0), ("t/20", 20.0)]
    assert left_out == len(names) - 2
    assert [c.name for c in found.columns if c.source not in names] == [
        c.name for c in whole.columns if c.source not in names
    ]
    few = load(tmp_path).summary(names[: rows.MOST_TAGS])
    assert rows.fewer(few, []) == (few, 0)
