"""The writers beside csv, tensorboard and text: which are chosen, what they get, how they fail."""

from __future__ import annotations

import csv
import json
import math
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from runs import APP, status

from exptools.errors import LoggingError
from exptools.formats.rows import Row
from exptools.logging import Logger, logger, logger_context
from exptools.logging.settings import Settings
from exptools.logging.spool import Spool
from exptools.logging.writers import appendfile, console
from exptools.logging.writers.base import Record, Writer
from exptools.logging.writers.console import ConsoleWriter


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_jsonl_has_a_line_a_row_and_says_nan_as_a_text(tmp_path: Path) -> None:
    with Logger(tmp_path / "run", writers=["jsonl"]) as mine:
        mine.log_scalars({"a": 1, 'b "ü"\n': math.nan, "c": -math.inf}, 3)
        mine.log_text("said", with_timestamp=False)

    [row, text] = lines(tmp_path / "run" / "progress.jsonl")
    assert row.pop("wall_time") > 1.7e9
    assert row == {"step": 3, "scalars": {"a": 1.0, 'b "ü"\n': "nan", "c": "-inf"}}
    assert text == {"text": "said"}
    assert not (tmp_path / "run" / "progress.csv").exists()


def test_a_writer_does_not_get_what_is_excluded(tmp_path: Path) -> None:
    with Logger(tmp_path / "run", writers=["csv", "jsonl"], exclude={"jsonl": ["debug/*", "?"]}) as mine:
        mine.log_scalars({"debug/x": 1, "loss": 2, "y": 3}, 0)
        mine.log_scalars({"debug/x": 1, "y": 3}, 1)
        mine.log_scalar("grad", 4.0, 2, exclude=["jsonl"])
        mine.log_scalar("grad", 5.0, 3)

    assert [row["scalars"] for row in lines(tmp_path / "run" / "progress.jsonl")] == [{"loss": 2.0}]
    with open(tmp_path / "run" / "progress.csv", newline="") as file:
        assert [row["grad"] for row in csv.DictReader(file)] == ["", "", "4.0", "5.0"]


def test_a_writer_to_exclude_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with (
        Logger(tmp_path / "run", writers=["csv"]) as mine,
        pytest.raises(LoggingError, match="there is no writer 'stdout' to exclude; there are csv"),
    ):
        mine.log_scalar("x", 1.0, exclude=["stdout"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"writer": ["csv"]}, "there is no setting 'writer'; there are writers, exclude"),
        ({"writers": ["cvs"]}, "there is no writer 'cvs'; there are csv, tensorboard, text"),
        ({"writers": "csv"}, "writers must be a list of names, not 'csv'"),
        ({"exclude": {"jsonl": ["*"]}}, "exclude names the writer 'jsonl', which is not among writers"),
        ({"exclude": {"csv": "*"}}, "exclude.csv must be a list of globs, not '*'"),
        ({"exclude": ["csv"]}, r"exclude must be a mapping from writers to lists of globs, not \['csv'\]"),
        ({"console_every_s": "often"}, "console_every_s must be a number of seconds, not 'often'"),
        ({"console_every_s": math.nan}, "console_every_s must be a number of seconds, not nan"),
        ({"ranks": 1}, "ranks must be one of zero, all, not 1"),
        ({"resume": True}, "resume must be one of auto, always, never, not True"),
        ({"on_write_error": "raise"}, "on_write_error must be one of continue, stop, not 'raise'"),
    ],
)
def test_a_setting_that_is_wrong_is_told_before_anything_is_made(
    tmp_path: Path, given: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoggingError, match=message), logger_context(tmp_path / "logs", 0, "name", **given):
        pass

    assert not (tmp_path / "logs").exists()


def test_all_complaints_come_at_once() -> None:
    with pytest.raises(LoggingError, match=r"the logger cannot be opened: .*'colour'.*; ranks must be"):
        Settings.of(colour="red", ranks="none")


def test_hydra_apps_choose_by_the_callback_s_settings(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "app.py").write_text(APP)

    done = python(
        "app.py",
        "hydra.run.dir=out",
        "hydra.callbacks.exptools.writers=[csv,jsonl]",
        "hydra/job_logging=none",
    )

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert (tmp_path / "out" / "progress.jsonl").exists()
    assert not list((tmp_path / "out").glob("events*"))


def test_a_wrong_setting_ends_a_hydra_app_with_one_line(tmp_path: Path, python: Callable[..., Any]) -> None:
    (tmp_path / "app.py").write_text(APP)

    done = python("app.py", "hydra.run.dir=out", "hydra.callbacks.exptools.writers=[cvs]")

    assert done.returncode == 2
    assert done.stderr.startswith(
        "exptools: error: the logger cannot be opened: there is no writer 'cvs'; there"
    )
    assert done.stderr.count("\n") == 1


OTHER = """
from exptools.logging.writers.base import Writer

class Shout(Writer):
    def __init__(self, run_dir):
        self.path = run_dir / "shout.txt"

    def write(self, records):
        with open(self.path, "a") as file:
            for record in records:
                print(record.tags, file=file)

def broken(run_dir):
    raise KeyError("token")

class NoWriter:
    def __init__(self, run_dir):
        pass
"""

ENTRY_POINTS = """[exptools.writers]
shout = other_package:Shout
broken = other_package:broken
nowriter = other_package:NoWriter
"""


@pytest.fixture
def other_package(tmp_path: Path) -> Path:
    """A package of somebody else, as it looks when it is installed."""
    (tmp_path / "other_package.py").write_text(OTHER)
    info = tmp_path / "other_package-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: other-package\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    return tmp_path


def run(directory: Path, writer: str) -> subprocess.CompletedProcess[str]:
    program = (
        "from exptools.logging import Logger\n"
        f"with Logger('run', writers=['csv', '{writer}']) as mine:\n"
        "    mine.log_scalar('x', 1.0, 0)\n"
    )
    (directory / "run.py").write_text(program)
    return subprocess.run(
        [sys.executable, "run.py"], cwd=directory, capture_output=True, text=True, check=False
    )


def test_another_package_adds_a_writer_by_an_entry_point(other_package: Path) -> None:
    done = run(other_package, "shout")

    assert done.returncode == 0, done.stderr
    assert (other_package / "run" / "shout.txt").read_text() == "('x',)\n"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("broken", "the writer 'broken' (other_package:broken) could not be made: KeyError('token')"),
        ("nowriter", "(other_package:NoWriter) is not a subclass of exptools.logging.writers.base.Writer"),
        ("shuot", "there is no writer 'shuot'; there are csv, tensorboard, text, "),
    ],
)
def test_a_writer_of_another_package_that_cannot_be_made(
    other_package: Path, name: str, message: str
) -> None:
    done = run(other_package, name)

    assert done.returncode == 1
    assert message in done.stderr


class Broken(Writer):
    """A writer that raises until it is mended."""

    def __init__(self) -> None:
        self.broken = True
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        if self.broken:
            raise RuntimeError("no such luck")
        self.records += records


def test_a_writer_that_fails_stops_the_run_if_that_was_asked_for(capsys: Any) -> None:
    mine = Logger()
    mine.attach({"mine": Broken()}, stop_on_failure=True)
    mine.log_scalar("x", 1.0, 0)
    mine.flush()

    with pytest.raises(LoggingError) as raised:
        mine.log_scalar("x", 2.0, 1)
    mine.detach("the test has ended")

    assert str(raised.value) == (
        "the run is stopped, as it was asked for: mine failed (RuntimeError: no such luck)"
    )


def test_a_full_disk_stops_the_run_if_that_was_asked_for(tmp_path: Path, monkeypatch: Any) -> None:
    def no_room(*args: Any) -> int:
        raise OSError(28, "No space left on device")

    with (
        pytest.raises(LoggingError, match=r"the run is stopped.*progress.csv \(No space left on device\)"),
        logger_context(tmp_path, 0, "name", on_write_error="stop"),
    ):
        monkeypatch.setattr(appendfile.os, "write", no_room)
        logger.log_scalar("x", 1.0, 0)
        logger.flush()
        logger.log_scalar("x", 1.0, 1)

    assert status(tmp_path / "run_0")["state"] == "FAILED"


def test_what_waits_is_bounded_and_what_is_lost_is_counted_and_told_while_it_runs(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setattr(appendfile, "MOST_WAITING_BYTES", 2_000)
    monkeypatch.setattr("exptools.rundir.HEARTBEAT_S", 0.2)
    write = appendfile.os.write
    full = [True]

    def disk(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return write(fd, data)

    with logger_context(tmp_path, 0, "name", writers=["csv"]):
        monkeypatch.setattr(appendfile.os, "write", disk)
        for step in range(100):
            logger.log_scalar("x", step, step)
            logger.flush()
        import time

        time.sleep(0.6)
        note = status(tmp_path / "run_0")["note"]
        full[0] = False
        logger.log_scalar("x", 100, 100)

    with open(tmp_path / "run_0" / "progress.csv", newline="") as file:
        kept = [int(row["step"]) for row in csv.DictReader(file)]
    lost = 101 - len(kept)
    assert kept == [*range(len(kept) - 1), 100]
    assert 20 < len(kept) < 100
    assert note == f"data was lost: progress.csv: {lost} scalars did not find room in memory"
    assert status(tmp_path / "run_0")["note"] == note
    said = capsys.readouterr().err
    assert (
        "progress.csv could not be written for so long that 0 MiB wait in memory, the most that may" in said
    )
    assert f"progress.csv can be written again; {lost} measurements were lost meanwhile" in said


def test_where_what_is_long_is_lost_nothing_short_is_kept(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(appendfile, "MOST_WAITING_BYTES", 20)
    write, full = appendfile.os.write, [True]

    def disk(fd: int, data: bytes) -> int:
        if full[0]:
            raise OSError(28, "No space left on device")
        return write(fd, data)

    monkeypatch.setattr(appendfile.os, "write", disk)
    file = appendfile.AppendFile(tmp_path / "file")
    for data in (b"first-", b"second-", b"much too long-", b"short-"):
        file.append(data, 1)
    full[0] = False
    file.append(b"later", 1)
    file.close()

    assert (tmp_path / "file").read_bytes() == b"first-second-later"
    assert file.lost() == 2


def test_records_that_a_writer_does_not_take_are_bounded(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("exptools.logging.outlet.MOST_RECORDS", 10)
    writer = Broken()
    spool = Spool({"mine": writer})
    for step in range(25):
        spool.scalars.append((step, 0.0, "x", 1.0))
    spool.flush()
    writer.broken = False

    assert spool.close() == "15 records were not taken by mine"
    assert writer.records == [Row(step, 0.0, ("x",), (1.0,)) for step in range(10)]
    assert "mine: 10 records wait; from now on they are lost" in capsys.readouterr().err


class Hangs(Broken):
    """A writer whose disk hangs until `goes_on` is set."""

    def __init__(self) -> None:
        super().__init__()
        self.goes_on = threading.Event()

    def write(self, records: Sequence[Record]) -> None:
        self.goes_on.wait(30)
        self.records += records


def test_a_disk_that_hangs_bounds_the_memory_and_does_not_stop_the_run(monkeypatch: Any, capsys: Any) -> None:
    monkeypatch.setattr("exptools.logging.spool.PATIENCE_S", 0.2)
    monkeypatch.setattr("exptools.logging.spool.MOST_SCALARS_OF_A_STUCK_DISK", 300)
    monkeypatch.setattr("exptools.logging.core.MOST_SCALARS", 100)
    mine, writer = Logger(), Hangs()
    mine.attach({"mine": writer})
    for step in range(1000):
        mine.log_scalar("x", step, step)
    writer.goes_on.set()
    lost = mine.detach("the test has ended")

    kept = [record.step for record in writer.records if isinstance(record, Row)]
    assert lost == f"{1000 - len(kept)} scalars did not find room in memory"
    assert 300 <= len(kept) <= 402
    assert kept == list(range(len(kept)))
    assert "what is logged cannot be written; from now on it is lost" in capsys.readouterr().err


def test_the_table_shows_the_last_values_at_most_every_so_many_seconds(capsys: Any, monkeypatch: Any) -> None:
    clock = [0.0]
    monkeypatch.setattr(console.time, "monotonic", lambda: clock[0])
    writer = ConsoleWriter(every_s=10)
    for step, now in enumerate((1.0, 5.0, 12.0, 13.0)):
        clock[0] = now
        writer.write([Row(step, 0.0, ("loss [x]",), (step / 3,)), Row(step, 0.0, (f"only{step}",), (1e9,))])
        writer.dump(step)
    writer.close()

    shown = capsys.readouterr().out
    assert [line.strip() for line in shown.splitlines() if "step" in line] == [
        "step 0 after 1.0 s",
        "step 2 after 12 s",
        "step 3 after 13 s",
    ]
    assert shown.count("loss [x]") == 3
    assert "0.666667" in shown
    assert "0.333333" not in shown  # that of step 1 was overtaken
    assert "only1" in shown


def test_the_title_of_a_narrow_table_is_one_line() -> None:
    assert console.table({"a": 1.0}, 1234, 1.0) == (
        "step 1,234 after 1.0 s\n  tag   value\n ─────────────\n  a         1\n"
    )


def test_a_long_tag_is_broken_and_not_cut_off(capsys: Any) -> None:
    tag = "a/very/long/" * 20
    shown = console.table({tag: 1.0}, 0, 1.0)

    assert (
        "".join(line.strip().removesuffix("1").strip() for line in shown.splitlines()).count("a/very/long/")
        == 20
    )
    assert max(map(len, shown.splitlines())) <= 100
