"""The cache: the second look finds what the first one did, whatever has happened to the files in between."""

from __future__ import annotations

import os
import random
import shutil
import struct
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pytest
from tensorboardX import SummaryWriter
from view_files import progress_text, sweep, write_run

from exptools import rundir
from exptools.formats import tfrecord
from exptools.rundir import State
from exptools.viewing import cache, known
from exptools.viewing.api import Runs, load
from exptools.viewing.cli import main
from exptools.viewing.curves import ReadAgain, Since, everything
from exptools.viewing.readers import events, progress

NAN = float("nan")


@pytest.fixture(autouse=True)
def caches_of_all_sizes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cache, "SMALLEST", 1)
    monkeypatch.setattr(known, "MANY", 1)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "home"))


def said(runs: Runs) -> Any:
    """All that runs say, bit for bit."""
    frames = [
        (run.name, tag, curve.step.tobytes(), curve.wall_time.tobytes(), curve.value.tobytes())
        for run, reading in runs.readings()
        for tag, curve in reading.curves.items()
    ]
    finals = {
        run.name: (list(f.values), struct.pack(f"{len(f.values)}d", *f.values.values()), f.tags, f.problems)
        for run, f in runs.finals()
    }
    return frames, finals, runs.problems, runs.superseded


def same(root: Path) -> Any:
    """What is below `root`, read with the cache and without: it must be the same."""
    with_cache, without = said(load(root)), said(load(root, cache=False))
    assert with_cache == without
    assert with_cache == said(load(root))
    return without


def nobody_reads(monkeypatch: pytest.MonkeyPatch) -> None:
    def read(*args: Any, **options: Any) -> Any:
        raise AssertionError("the file is read again")

    monkeypatch.setattr(progress, "_read_rows", read)
    monkeypatch.setattr(events, "_read", read)


def event_file(directory: Path, n: int = 20) -> Path:
    with SummaryWriter(str(directory)) as writer:
        for step in range(n):
            writer.add_scalar("loss", step / 7, step)
            if step % 3 == 0:
                writer.add_scalar("acc", -step / 3, step)
    return next(directory.glob("*tfevents*"))


def test_the_second_look_reads_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(tmp_path / "runs")
    event_file(tmp_path / "runs" / "tb")
    first = said(load(tmp_path / "runs"))

    nobody_reads(monkeypatch)

    assert said(load(tmp_path / "runs")) == first
    assert len(first[0]) == 6


def test_one_tag_of_the_cache_is_that_tag_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "0", {"a": [1.0, 2.0], "b": [3.0, NAN]})
    load(run).scalars("b")  # keeps all of it

    nobody_reads(monkeypatch)
    frames = load(run).scalars("a")

    assert frames[["tag", "step", "wall_time", "value"]].to_numpy().tolist() == [
        ["a", 0, 1000.0, 1.0],
        ["a", 1, 1001.0, 2.0],
    ]


def test_columns_of_any_numbers_come_back_bit_for_bit(tmp_path: Path) -> None:
    rows = [
        (-(2**63), 1e9 + 1 / 3, [0.1, None, -0.0]),
        (2**63 - 1, NAN, [NAN, None, 5e-324]),
        (3, -1.0, [float("-inf"), 2.5, None]),
    ]
    run = write_run(tmp_path / "0")
    (run / rundir.PROGRESS).write_text(progress_text(["a", "b,\n", "c"], rows))

    frames, *_ = same(tmp_path)

    assert [tag for _, tag, *_ in frames] == ["a", "b,\n", "c"]


def test_a_table_needs_no_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sweep(tmp_path)
    event_file(tmp_path / "tb")
    first = load(tmp_path).table()

    nobody_reads(monkeypatch)
    monkeypatch.setattr(cache, "_of", None)

    pd.testing.assert_frame_equal(load(tmp_path).table(), first)


@pytest.mark.parametrize("kind", ["progress", "events"])
def test_a_growing_file_is_read_from_where_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    run = write_run(tmp_path / "0", {"loss": [i / 7 for i in range(50)]}, state=State.RUNNING)
    path = run / rundir.PROGRESS
    if kind == "events":
        path.unlink()
        path = event_file(run)
    data = path.read_bytes()
    generator = random.Random(0)
    cuts = sorted(generator.sample(range(30, len(data)), 25))
    read = progress._read_rows if kind == "progress" else events._read
    begins = []

    def spy(*args: Any) -> Any:
        begins.append(args[2] if kind == "progress" else args[4].end)
        return read(*args)

    path.write_bytes(b"")
    for cut in [*cuts, len(data)]:
        with path.open("ab") as file:
            file.write(data[path.stat().st_size : cut])
        same(tmp_path)
        with monkeypatch.context() as patch:
            patch.setattr(
                *((progress, "_read_rows", spy) if kind == "progress" else (events, "_read", spy)),  # type: ignore[arg-type]
            )
            load(tmp_path).scalars()
    assert any(begin > len(data) // 2 for begin in begins)
    assert sorted(begins) == begins


@pytest.mark.parametrize("live", [True, False])
def test_a_torn_end_is_told_each_time_until_it_is_whole(tmp_path: Path, live: bool) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.0, 2.0]}, state=State.RUNNING if live else State.COMPLETED)
    rundir.write_status(
        run, rundir.Status(State.RUNNING, heartbeat=4e9) if live else rundir.Status(State.COMPLETED)
    )
    path = run / rundir.PROGRESS
    with path.open("a") as file:
        file.write("2,1002.0,3.")
    torn = same(tmp_path)
    with path.open("a") as file:
        file.write("5\n")
    whole = same(tmp_path)

    assert [str(p) for p in torn[2]] == (
        [] if live else [f"{path}, offset 46: the last row is torn: it has no line end and was left out"]
    )
    assert whole[2] == ()
    assert len(whole[0][0][2]) == 3 * 8


def changed_in_place(path: Path) -> None:
    path.write_text(path.read_text().replace("1.5", "2.5"))


def cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 17)


def widened(path: Path) -> None:
    path.write_text(progress_text(["loss", "new"], [(i, 1.0, [1.5, None]) for i in range(12)]))


def replaced(path: Path) -> None:
    path.write_text(progress_text(["other"], [(i, 1.0, [i]) for i in range(40)]))


def gone(path: Path) -> None:
    path.unlink()


def emptied(path: Path) -> None:
    path.write_text("")


@pytest.mark.parametrize("change", [changed_in_place, cut, widened, replaced, gone, emptied])
def test_a_file_that_has_changed_is_read_again(tmp_path: Path, change: Callable[[Path], None]) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5] * 10})
    before = same(tmp_path)
    change(run / rundir.PROGRESS)
    os.utime(run, (1, 1))

    assert same(tmp_path)[0] != before[0]


def test_a_row_that_was_corrected_in_the_middle_of_a_large_file_is_read_again(tmp_path: Path) -> None:
    path = write_run(tmp_path / "0", {"loss": [1.5] * 2000}) / rundir.PROGRESS
    before = same(tmp_path)
    path.write_text(path.read_text().replace("\n1000,2000.0,1.5\n", "\n1000,2000.0,9.5\n"))

    assert same(tmp_path)[0] != before[0]


@pytest.mark.parametrize("harm", ["cut", "rubbish", "empty", "other version", "no columns"])
def test_a_damaged_cache_is_no_cache(tmp_path: Path, harm: str, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5] * 1000})
    first = same(tmp_path)
    (place,) = (run / cache.DIRECTORY).iterdir()
    if harm == "other version":
        place.unlink()
        with monkeypatch.context() as patch:
            patch.setattr(cache, "_VERSION", 99)
            load(tmp_path).scalars()
        assert place.exists()
    data = place.read_bytes()
    harmed = {
        "cut": data[: len(data) // 2],
        "rubbish": b"\xff" * len(data),
        "empty": b"",
        "other version": data,
        "no columns": b"PAR1" + b"\0" * (len(data) // 4) + data[4 + len(data) // 4 :],
    }
    place.write_bytes(harmed[harm])

    assert same(tmp_path) == first
    assert place.read_bytes() != harmed[harm]


def test_reading_goes_on_only_under_the_same_header(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5] * 10})

    with pytest.raises(ReadAgain):
        progress.read(run / rundir.PROGRESS, since=Since(40, ("other",)))


@pytest.mark.parametrize("harm", ["{", "[]", "{}", "", "\xff"])
def test_damaged_final_values_are_found_out_again(tmp_path: Path, harm: str) -> None:
    sweep(tmp_path)
    first = same(tmp_path)
    place = tmp_path / cache.DIRECTORY / known.NAME
    harm = harm or place.read_text().replace('"version": 1', '"version": 0').replace("0.125", "7.5")
    place.write_text(harm, encoding="latin-1")

    assert same(tmp_path) == first
    assert place.read_text(encoding="latin-1") != harm


def test_final_values_of_few_small_runs_are_not_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    sweep(tmp_path)

    load(tmp_path).table()

    assert not (tmp_path / cache.DIRECTORY).exists()


def test_final_values_and_problems_move_with_the_sweep(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "a" / "0", {"loss": [1.5, 2.5]})
    with (run / rundir.PROGRESS).open("a") as file:
        file.write("torn")
    load(tmp_path / "a").table()
    (tmp_path / "a").rename(tmp_path / "b")

    nobody_reads(monkeypatch)
    runs = load(tmp_path / "b")

    assert runs.table()["loss"].tolist() == [2.5]
    assert [p.path for p in runs.problems] == [tmp_path / "b" / "0" / rundir.PROGRESS]


def test_of_a_run_that_is_written_nothing_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5]}, state=None)
    rundir.write_status(run, rundir.Status(State.RUNNING, heartbeat=4e9))

    load(tmp_path).table()

    assert not (tmp_path / cache.DIRECTORY).exists()


def test_what_is_kept_with_all_frames_is_not_what_is_kept_without(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path / "0")) as writer:
        for i, step in enumerate([0, 1, 2, 1, 2]):
            writer.add_scalar("loss", i, step)

    for _ in range(2):
        kept, left_out = load(tmp_path, keep_superseded=True), load(tmp_path)
        kept.table()
        left_out.table()
        assert (kept.superseded, left_out.superseded) == ({}, {"0": {"loss": 2}})


def test_some_tags_alone_are_not_kept_as_if_they_were_all(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"a": [1.5], "b": [2.5]})

    load(tmp_path).table("a")

    assert load(tmp_path).table()["b"].tolist() == [2.5]


def test_it_lies_beside_the_runs_and_can_be_deleted(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5]})
    first = same(tmp_path)

    assert [p.name for p in (run / ".exptools_cache").iterdir()] == ["progress.csv.parquet"]
    shutil.rmtree(run / ".exptools_cache")
    assert same(tmp_path) == first


def test_a_run_that_was_moved_takes_its_cache_along(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "a" / "0", {"loss": [1.5]})
    load(tmp_path / "a").scalars()
    (tmp_path / "a").rename(tmp_path / "b")

    nobody_reads(monkeypatch)

    assert load(tmp_path / "b").scalars()["value"].tolist() == [1.5]


@pytest.fixture
def unwritable(tmp_path: Path) -> Path:
    """A run beside which no cache can be written, not even by root."""
    run = write_run(tmp_path / "runs" / "0", {"loss": [1.5]})
    (run / cache.DIRECTORY).touch()
    return run


def test_where_the_tree_cannot_be_written_it_is_in_the_users_directory(
    unwritable: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(unwritable).scalars()

    assert len(list((tmp_path / "home" / "exptools").iterdir())) == 1
    nobody_reads(monkeypatch)
    assert load(unwritable).scalars()["value"].tolist() == [1.5]


def test_where_nothing_can_be_written_there_is_none(unwritable: Path, tmp_path: Path) -> None:
    (tmp_path / "home").touch()

    assert load(unwritable).scalars()["value"].tolist() == [1.5]
    assert load(unwritable).scalars()["value"].tolist() == [1.5]


def test_without_it_nothing_is_left_behind(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5]})

    assert main([str(tmp_path), "--no-cache", "--csv", str(tmp_path / "x.csv")]) == 0

    assert sorted(p.name for p in run.iterdir()) == ["progress.csv", "status.json"]
    assert not (tmp_path / "home").exists()


def test_small_files_have_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    run = write_run(tmp_path / "0", {"loss": [1.5]})

    load(run).scalars()

    assert not (run / cache.DIRECTORY).exists()


def test_what_is_wrong_is_told_at_the_second_look_too(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.5] * 5})
    path = run / rundir.PROGRESS
    path.write_text(path.read_text().replace("2,1002.0,1.5", "2,1002.0,rubbish"))
    events_file = event_file(tmp_path / "1")
    data = bytearray(events_file.read_bytes())
    data[200] ^= 1
    events_file.write_bytes(data)

    looks = []
    for _ in range(3):
        assert main([str(tmp_path)]) == 1
        looks.append(capsys.readouterr())

    assert looks[0] == looks[1] == looks[2]
    assert f"{path}, offset 46: not a row of 3 numbers" in looks[0].err
    assert f"{events_file}, offset " in looks[0].err


def test_superseded_frames_are_counted_at_the_second_look_too(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for i, step in enumerate([0, 1, 2, 1, 2]):
            writer.add_scalar("loss", i, step)

    *_, superseded = same(tmp_path)
    runs = load(tmp_path)
    runs.table()

    assert superseded == runs.superseded == {tmp_path.name: {"loss": 2}}


def test_a_tag_whose_plugin_is_only_named_once_is_known_when_reading_goes_on(tmp_path: Path) -> None:
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.plugins.scalar.summary import scalar_pb

    def record(step: int, *, named: bool) -> bytes:
        summary = scalar_pb("loss", float(step))
        if not named:
            summary.value[0].ClearField("metadata")
        return tfrecord.frame(Event(step=step, wall_time=1.0, summary=summary).SerializeToString())

    path = tmp_path / "events.out.tfevents.1.host"
    path.write_bytes(record(1, named=True))
    same(tmp_path)
    with path.open("ab") as file:
        for step in range(2, 30):
            file.write(record(step, named=False))
    frames, *_ = same(tmp_path)

    assert len(frames[0][2]) == 29 * 8


def test_many_event_files_are_read_in_processes_and_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exptools.viewing import parallel, scalars

    for i in range(12):
        event_file(tmp_path / "runs" / str(i), n=10 + i)
    alone = said(load(tmp_path / "runs", cache=False))
    monkeypatch.setattr(scalars, "_WORTH_PROCESSES", 0)
    monkeypatch.setattr(parallel, "cores", lambda: 3)
    asked = []
    elsewhere = parallel._elsewhere
    monkeypatch.setattr(parallel, "_elsewhere", lambda read: asked.append(read) or elsewhere(read))

    assert said(load(tmp_path / "runs", cache=False)) == alone
    assert asked == [scalars.read, scalars.finals]


def test_a_script_without_a_guard_reads_many_event_files(tmp_path: Path) -> None:
    for i in range(3):
        event_file(tmp_path / "runs" / str(i))
    script = tmp_path / "script.py"
    script.write_text(
        "from exptools.viewing import parallel, scalars\n"
        "import exptools\n"
        "scalars._WORTH_PROCESSES = 0\n"
        "parallel.cores = lambda: 2\n"
        "print('once', len(exptools.load('runs').scalars()))\n"
    )

    done = subprocess.run(
        [sys.executable, "-W", "error", script], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )

    assert (done.returncode, done.stdout, done.stderr) == (0, "once 81\n", "")


def test_of_several_caches_those_of_unchanged_files_are_read_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    paths = [write_run(tmp_path / str(i), {"loss": [1.5 + i] * 9}) / rundir.PROGRESS for i in range(5)]
    same(tmp_path)
    changed_in_place(paths[0])
    shutil.rmtree(paths[1].parent / cache.DIRECTORY)

    kept = cache.several(paths, everything)

    assert {path: reading.curves["loss"].final for path, reading in kept.items()} == dict(
        zip(paths[2:], [3.5, 4.5, 5.5], strict=True)
    )
    monkeypatch.setattr(cache, "_TOGETHER", 3 * 8 * 9 * 2)  # bytes: the columns of two runs
    assert list(cache.several(paths, everything)) == paths[2:4]


def test_several_caches_of_runs_that_measured_different_things_are_each_what_they_are_alone(
    tmp_path: Path,
) -> None:
    for i in range(6):
        columns = {f"tag{j}": [i + j / 8] * (3 + i) for j in range(1 + i % 3)}
        write_run(tmp_path / str(i), columns)
    write_run(tmp_path / "uneven", {"tag1": [1.0, None, 3.0], "tag0": [None, 0.5, NAN]})
    write_run(tmp_path / "other order", {"tag1": [1.0, 2.0], "tag0": [0.5, 0.25]})
    write_run(tmp_path / "nothing", {})

    same(tmp_path)

    for tags in ("tag0", "tag1", ["tag2", "tag0"]):
        each = {run.name: list(load(tmp_path).only([run.name]).readings()) for run in load(tmp_path)}
        for run, reading in load(tmp_path).readings(tags):
            ((_, alone),) = each[run.name]
            for tag, curve in reading.curves.items():
                assert curve.step.tobytes() == alone.curves[tag].step.tobytes()
                assert curve.value.tobytes() == alone.curves[tag].value.tobytes()


def test_a_cache_with_other_rows_than_it_says_is_not_used(tmp_path: Path) -> None:
    paths = [write_run(tmp_path / str(i), {"loss": [1.5 + i] * 9}) / rundir.PROGRESS for i in range(3)]
    before = same(tmp_path)
    (place,) = (paths[1].parent / cache.DIRECTORY).iterdir()
    frame, said_of_it = pl.read_parquet(place), pl.read_parquet_metadata(place)
    frame.head(8).write_parquet(place, metadata={cache._KEY: said_of_it[cache._KEY]})

    assert cache.several(paths, everything) == {}
    assert same(tmp_path) == before


def test_of_several_caches_a_damaged_one_harms_no_other(tmp_path: Path) -> None:
    runs = [write_run(tmp_path / str(i), {"loss": [1.5 + i] * 900}) for i in range(4)]
    before = same(tmp_path)
    (place,) = (runs[1] / cache.DIRECTORY).iterdir()
    data = place.read_bytes()
    harmed = b"PAR1" + bytes(len(data) // 4) + data[4 + len(data) // 4 :]
    place.write_bytes(harmed)

    assert same(tmp_path) == before
    assert place.read_bytes() != harmed
