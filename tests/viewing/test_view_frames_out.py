"""Frames leave as Parquet and as wide CSV: all of them, as they were measured."""

from __future__ import annotations

import csv
import io
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from view_files import bits, progress_text, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.viewing.api import load
from exptools.viewing.cli import main
from exptools.viewing.curves import Curve
from exptools.viewing.exporters import wide

NAN = float("nan")


def logged(
    path: Path, tags: list[str], rows: list[tuple[int, float, list[float | None]]], **config: object
) -> Path:
    run = write_run(path, config=dict(config))
    (run / rundir.PROGRESS).write_text(progress_text(tags, rows))
    return run


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    first = [(0, 10.0, [0.1, None]), (5, 11.0, [0.2, NAN]), (5, 12.0, [None, 1e-300])]
    logged(tmp_path / "tree" / "0", ["loss", "a,b"], first, lr=1, model="x", seed=0)  # type: ignore[arg-type]
    logged(tmp_path / "tree" / "1", ["loss"], [(3, 20.0, [-0.0])], lr=0.5, seed=1)
    return tmp_path / "tree"


# --- Parquet --------------------------------------------------------------------------------------------


def test_parquet_has_every_frame_and_the_types_of_the_keys(tree: Path, tmp_path: Path) -> None:
    load(tree).to_parquet(tmp_path / "out.parquet")

    frame = pl.read_parquet(tmp_path / "out.parquet")
    assert frame.schema == {
        "run": pl.String,
        "lr": pl.Float64,
        "model": pl.String,
        "seed": pl.Int64,
        "tag": pl.String,
        "step": pl.Int64,
        "wall_time": pl.Float64,
        "value": pl.Float64,
    }
    assert frame.drop("value").rows() == [
        ("0", 1.0, "x", 0, "loss", 0, 10.0),
        ("0", 1.0, "x", 0, "loss", 5, 11.0),
        ("0", 1.0, "x", 0, "a,b", 5, 11.0),
        ("0", 1.0, "x", 0, "a,b", 5, 12.0),
        ("1", 0.5, None, 1, "loss", 3, 20.0),
    ]
    assert bits(frame["value"]) == bits([0.1, 0.2, NAN, 1e-300, -0.0])


@pytest.mark.parametrize(
    ("values", "type_", "cells"),
    [
        ([1, 2.5], pl.Float64, [1.0, 2.5]),
        ([2**60 + 1, 0.5], pl.String, [str(2**60 + 1), "0.5"]),  # no float64 has it
        ([2**60 + 1, 3], pl.Int64, [2**60 + 1, 3]),
        ([2**70, 3], pl.String, [str(2**70), "3"]),
        ([True, False], pl.Boolean, [True, False]),
        ([True, 1], pl.String, ["true", "1"]),
        ([1, "1"], pl.String, ["1", "1"]),
        ([1, None], pl.Int64, [1, None]),
        ([[1, 2], None], pl.String, ["[1, 2]", "null"]),
    ],
)
def test_a_config_key_is_a_column_that_holds_its_values_exactly(
    tmp_path: Path, values: list[object], type_: object, cells: list[object]
) -> None:
    for i, value in enumerate(values):
        write_run(tmp_path / "runs" / str(i), {"loss": [1.0]}, config={"key": value})

    load(tmp_path / "runs").to_parquet(tmp_path / "out.parquet")

    column = pl.read_parquet(tmp_path / "out.parquet")["key"]
    assert (column.dtype, column.to_list()) == (type_, cells)


def test_a_failed_parquet_leaves_what_was_there(tree: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.parquet"
    out.write_text("before")

    with pytest.raises(ViewError, match=r"^no run has a tag 'los'; did you mean 'loss'\?"):
        load(tree).to_parquet(out, "los")

    assert out.read_text() == "before"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["out.parquet", "tree"]


def test_runs_without_frames_make_a_parquet_of_no_rows(tmp_path: Path) -> None:
    write_run(tmp_path / "0", config={"lr": 1})

    load(tmp_path).to_parquet(tmp_path / "out.parquet")

    assert pl.read_parquet(tmp_path / "out.parquet").shape == (0, 5)


# --- wide CSV ---------------------------------------------------------------------------------------------


def test_wide_is_a_row_per_step_and_a_column_per_tag(tree: Path, tmp_path: Path) -> None:
    load(tree).to_csv(tmp_path / "out.csv", wide=True)

    assert (tmp_path / "out.csv").read_text() == (
        'run,lr,model,seed,step,wall_time,loss,"a,b"\n'
        "0,1,x,0,0,10.0,0.1,\n"
        "0,1,x,0,5,11.0,0.2,NaN\n"
        "0,1,x,0,5,12.0,,1e-300\n"
        "1,0.5,,1,3,20.0,-0.0,\n"
    )


def test_a_file_per_run_has_its_own_tags(tree: Path, tmp_path: Path) -> None:
    files = load(tree).to_csvs(tmp_path / "deep" / "out")

    assert [str(f.relative_to(tmp_path)) for f in files] == ["deep/out/0.csv", "deep/out/1.csv"]
    assert files[1].read_text() == "step,wall_time,loss\n3,20.0,-0.0\n"
    frame = pd.read_csv(files[0])
    assert list(frame) == ["step", "wall_time", "loss", "a,b"]
    assert bits(frame["loss"]) == bits([0.1, 0.2, NAN])


def test_runs_whose_names_would_be_one_file_have_two(tmp_path: Path) -> None:
    for name in ("a b", "a_b", "c/d"):
        write_run(tmp_path / "runs" / name, {"loss": [1.0]})

    files = load(tmp_path / "runs").to_csvs(tmp_path / "out")

    assert [f.name for f in files] == ["a_b~0.csv", "a_b~1.csv", "c_d.csv"]


def test_runs_whose_names_are_too_long_for_a_file_have_shorter_ones(tmp_path: Path) -> None:
    for name in ("é" * 100 + "/lr=1", "é" * 100 + "/lr=2", "x" * 250 + "/" + "y" * 250 + "/" + "z" * 80):
        logged(tmp_path / "runs" / name, ["x"], [(0, 1.0, [2.0])])
    for i in (1, 2):
        logged(tmp_path / "runs" / ("m" * 120) / (str(i) * 200) / ("n" * 120), ["x"], [(0, 1.0, [2.0])])

    files = load(tmp_path / "runs").to_csvs(tmp_path / "out")

    ends = "m" * 100 + "__" + "n" * 100
    assert [f.name for f in files] == [
        *(f"{ends}~0.csv", f"{ends}~1.csv", "x" * 100 + "__" + "y" * 19 + "_" + "z" * 80 + ".csv"),
        *("é" * 50 + "__" + "é" * 47 + "_lr=1.csv", "é" * 50 + "__" + "é" * 47 + "_lr=2.csv"),
    ]


def test_a_tag_called_like_a_column_is_told_from_it(tmp_path: Path) -> None:
    logged(tmp_path / "runs" / "0", ["step", "lr", "wall_time"], [(1, 2.0, [3.0, 4.0, 5.0])], lr=1)
    logged(tmp_path / "runs" / "1", ["step"], [(1, 2.0, [3.0])], lr=2)

    load(tmp_path / "runs").to_csv(tmp_path / "out.csv", wide=True)
    (file, _) = load(tmp_path / "runs").to_csvs(tmp_path / "out")

    assert (tmp_path / "out.csv").read_text().splitlines()[:2] == [
        "run,lr,step,wall_time,tag.step,tag.lr,tag.wall_time",
        "0,1,1,2.0,3.0,4.0,5.0",
    ]
    assert file.read_text().splitlines()[0] == "step,wall_time,tag.step,lr,tag.wall_time"


def test_names_that_hold_carriage_returns_are_one_cell(tmp_path: Path) -> None:
    for i in range(2):
        write_run(tmp_path / "runs" / str(i), {"a\rb": [0.5]}, config={"k\rx": i})
    runs = load(tmp_path / "runs")

    runs.to_csv(tmp_path / "long.csv")
    runs.to_csv(tmp_path / "wide.csv", wide=True)
    texts = [(tmp_path / name).read_bytes().decode() for name in ("long.csv", "wide.csv")]
    long, wide, results = [
        list(csv.reader(io.StringIO(t, newline=""))) for t in (*texts, runs.results().text("csv"))
    ]

    assert long[0] == ["run", "k\rx", "tag", "step", "wall_time", "value"]
    assert wide[0] == ["run", "k\rx", "step", "wall_time", "a\rb"]
    assert results[0] == ["k\rx", "runs", "a\rb.mean", "a\rb.low", "a\rb.high", "a\rb.n"]
    assert [len(rows) for rows in (long, wide, results)] == [3, 3, 3]


frames = st.lists(st.tuples(st.integers(-3, 5), st.floats(width=32)), max_size=8)


@given(st.dictionaries(st.sampled_from("abc"), frames, max_size=3))
def test_no_frame_is_lost_or_merged_in_a_wide_table(logged: dict[str, list[tuple[int, float]]]) -> None:
    curves = {
        tag: Curve(
            np.array([s for s, _ in rows], np.int64),
            np.arange(len(rows), dtype=np.float64),
            np.array([v for _, v in rows], np.float64),
        )
        for tag, rows in logged.items()
    }

    found = wide.table(curves, list("abc"))

    steps = found["0"].to_list()
    assert steps == sorted(steps)
    for i, tag in enumerate("abc", start=2):
        column = found[str(i)]
        there = [(s, v) for s, v in zip(steps, column.to_list(), strict=True) if v is not None]
        wanted = sorted(logged.get(tag, []), key=lambda row: row[0])  # stable: as they were logged
        assert [s for s, _ in there] == [s for s, _ in wanted]
        assert bits(v for _, v in there) == bits(v for _, v in wanted)


def test_the_memory_does_not_grow_with_the_tree(tmp_path: Path) -> None:
    """Peak memory of a process that writes 80 runs is that of one that writes 4 of them."""
    rng = np.random.default_rng(0)
    tags = [f"t{i}" for i in range(5)]
    table = pl.DataFrame({"step": np.arange(10_000), "wall_time": rng.random(10_000)}).with_columns(
        *(pl.Series(tag, rng.random(10_000)) for tag in tags)
    )
    for n in (4, 80):
        for i in range(n):
            write_run(tmp_path / str(n) / str(i))
            table.write_csv(tmp_path / str(n) / str(i) / rundir.PROGRESS)
    code = (
        "import resource, sys, exptools\n"
        "runs = exptools.load(sys.argv[1], cache=False)\n"
        "getattr(runs, sys.argv[2])(sys.argv[3], **({'wide': True} if sys.argv[4] == 'wide' else {}))\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)\n"
    )

    def peak_mb(n: int, method: str, option: str) -> int:
        arguments = [tmp_path / str(n), method, tmp_path / "out", option]
        done = subprocess.run(
            [sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True
        )
        return int(done.stdout)

    for method, option in [("to_csv", "long"), ("to_csv", "wide"), ("to_parquet", "long")]:
        few, many = peak_mb(4, method, option), peak_mb(80, method, option)
        assert many < few + 40, (
            f"{method} {option}: {few} MB for 4 runs, {many} MB for 40"
        )  # their frames: 48 MB

    with (tmp_path / "out").open("rb") as file:
        assert file.read(4) == b"PAR1"
    load(tmp_path / "4").to_csv(tmp_path / "out.csv", "t3")
    with (tmp_path / "out.csv").open() as text:
        assert sum(1 for _ in csv.reader(text)) == 1 + 4 * 10_000


# --- the command line -------------------------------------------------------------------------------------


def test_the_command_line_writes_wide_and_parquet(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree.parent)

    assert main(["tree", "--csv", "wide.csv", "--wide", "--parquet", "x.parquet"]) == 0
    assert main(["tree", "--csv", "each/", "--wide", "--tags", "loss"]) == 0
    assert main(["tree", "--csv", "--wide", "--where", "seed=1"]) == 0

    out, err = capsys.readouterr()
    assert err.splitlines() == [
        "exptools-view: wrote x.parquet",
        "exptools-view: wrote wide.csv",
        "exptools-view: wrote 2 files into each/",
        "exptools-view: 1 of 2 runs chosen",
    ]
    assert out == "run,step,wall_time,loss\n1,3,20.0,-0.0\n"
    assert (tree.parent / "wide.csv").read_text().count("\n") == 5
    assert pl.read_parquet(tree.parent / "x.parquet").height == 5
    assert (tree.parent / "each" / "0.csv").read_text() == "step,wall_time,loss\n0,10.0,0.1\n5,11.0,0.2\n"


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--wide"], "--wide is for --csv [FILE], which was not given"),
        (["--parquet", "no/x"], "cannot write no/x: there is no directory no; make it first"),
        (["--parquet", "x", "--keys"], "--parquet and --keys cannot be made at once; give one of them"),
    ],
)
def test_wrong_usage_is_one_line(
    tree: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    error: str,
) -> None:
    monkeypatch.chdir(tree.parent)

    assert main(["tree", *words]) == 2

    assert capsys.readouterr().err == f"exptools-view: error: {error}\n"


def test_a_directory_that_cannot_be_made_is_one_line(
    tree: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tree.parent)
    (tree.parent / "file").touch()

    assert main(["tree", "--csv", "file/each/", "--wide"]) == 1

    error = "exptools-view: error: cannot write file/each: Not a directory; give another file\n"
    assert capsys.readouterr().err == error


def test_a_file_that_is_replaced_keeps_who_may_read_it(tree: Path) -> None:
    out = tree.parent / "private.csv"
    out.touch(mode=0o600)

    load(tree).to_csv(out)

    assert (out.stat().st_mode & 0o777, out.stat().st_size > 0) == (0o600, True)
