"""--watch: the table, live on a terminal; and bars for what takes long."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from terminal import Terminal
from view_files import progress_text, write_run

from exptools import rundir
from exptools.rundir import State
from exptools.viewing import bars, cli, load, scalars

COMMAND = [sys.executable, "-m", "exptools.viewing.cli"]


def running(path: Path, loss: list[float], seed: int) -> Path:
    now = time.time()
    config = {"seed": seed}
    live: dict[str, Any] = {"start": now, "heartbeat": now, "end": None}
    return write_run(path, {"loss": loss}, config=config, state=State.RUNNING, **live)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for i in range(3):
        write_run(root / str(i), {"loss": [0.5 + i]}, config={"seed": i})
    running(root / "3", [0.25], 3)
    return root


def watched(tree: Path, *words: str, lines: int = 24) -> Terminal:
    return Terminal([*COMMAND, str(tree), "--watch", "0.2", *words], tree, lines, 80)


def said(screen: list[str]) -> str:
    return "\n".join(screen)


def test_the_table_follows_the_runs_until_control_c(tree: Path) -> None:
    terminal = watched(tree)
    terminal.wait_until(lambda screen: "1 running, 3 completed" in said(screen))

    with open(tree / "3" / rundir.PROGRESS, "a") as file:
        file.write("7,1.0,0.125\n")
    running(tree / "4", [0.75], 4)
    terminal.wait_until(lambda screen: "2 running, 3 completed" in said(screen) and "0.125" in said(screen))
    write_run(tree / "3", state=State.FAILED, error="E")
    shutil.rmtree(tree / "0")
    terminal.wait_until(lambda screen: "1 running, 2 completed, 1 failed" in said(screen))
    terminal.type("\x03")

    assert terminal.wait() == 0
    shown = terminal.screen()
    assert re.fullmatch(r"\d\d:\d\d:\d\d  1 running, 2 completed, 1 failed", shown[0])
    assert [line.split() for line in shown[1:2] + shown[3:7]] == [
        ["run", "state", "duration", "seed", "loss"],
        ["1", "COMPLETED", "12", "s", "1", "1.5"],
        ["2", "COMPLETED", "12", "s", "2", "2.5"],
        ["3", "FAILED", "12", "s", "3", "0.125"],
        ["4", "RUNNING", *shown[6].split()[2:4], "4", "0.75"],
    ]


def test_what_runs_or_failed_is_seen_where_there_is_no_room_for_all(tree: Path) -> None:
    for i in range(4, 30):
        write_run(tree / str(i), {"loss": [1.0]}, config={"seed": i})
    write_run(tree / "20", state=State.FAILED)

    terminal = watched(tree, lines=9)
    shown = terminal.wait_until(lambda screen: "more runs" in said(screen))
    terminal.type("\x03")

    assert terminal.wait() == 0
    assert [line.split()[:2] for line in shown[3:8]] == [
        *(["0", "COMPLETED"], ["1", "COMPLETED"], ["3", "RUNNING"], ["20", "FAILED"], ["and", "26"]),
    ]
    assert terminal.screen()[0][10:] == "1 running, 28 completed, 1 failed"


def test_with_a_sort_the_first_rows_are_seen(tree: Path) -> None:
    terminal = watched(tree, "--sort", "loss", "--desc", lines=7)
    shown = terminal.wait_until(lambda screen: "more runs" in said(screen))
    terminal.type("\x03")

    assert terminal.wait() == 0
    assert [line.split()[0] for line in shown[3:6]] == ["2", "1", "and"]


def test_chosen_runs_are_watched(tree: Path) -> None:
    terminal = watched(tree, "--where", "loss>1", "--columns", "loss")
    shown = terminal.wait_until(lambda screen: "2.5" in said(screen))
    terminal.type("\x03")

    assert terminal.wait() == 0
    assert [line.split() for line in shown[1:2] + shown[3:]] == [["run", "loss"], ["1", "1.5"], ["2", "2.5"]]


def test_a_directory_that_goes_and_comes_back(tree: Path) -> None:
    terminal = watched(tree)
    terminal.wait_until(lambda screen: "3 completed" in said(screen))
    tree.rename(tree.parent / "away")
    terminal.wait_until(lambda screen: "not exist; give a directory" in " ".join(screen))
    (tree.parent / "away").rename(tree)
    shutil.rmtree(tree / "0")
    terminal.wait_until(lambda screen: "2 completed" in said(screen))
    terminal.type("\x03")

    assert terminal.wait() == 0


def test_wrong_usage_is_told_at_once(tree: Path) -> None:
    terminal = watched(tree, "--sort", "los")

    assert terminal.wait() == 2
    assert terminal.screen()[0].startswith("exptools-view: error: no run has a column 'los'; did you mean")


def test_in_a_pipe_there_is_nothing_to_watch(tree: Path, capsys: Any) -> None:
    assert cli.main([str(tree), "--watch"]) == 2
    assert capsys.readouterr() == (
        "",
        "exptools-view: error: --watch draws on a terminal, and stdout is none; ask again and again instead, "
        "for example: while sleep 60; do exptools-view PATH; done\n",
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--watch", "x"], "--watch x: give the seconds between two looks, 0.1 or more"),
        (["--watch", "0"], "--watch 0: give the seconds between two looks, 0.1 or more"),
        (["--watch", "nan"], "--watch nan: give the seconds between two looks, 0.1 or more"),
        (["--csv", "--watch"], "--csv and --watch cannot be made at once; give one of them"),
        (["--json", "--watch"], "--json is for the table of runs, --keys and --diff, not for --watch"),
    ],
)
def test_what_cannot_be_watched(tree: Path, words: list[str], error: str, capsys: Any) -> None:
    assert cli.main([str(tree), *words]) == 2
    assert capsys.readouterr().err == f"exptools-view: error: {error}\n"


def test_a_path_after_watch_is_a_path(tree: Path, capsys: Any) -> None:
    cli.main(["--watch", str(tree)])

    assert "stdout is none" in capsys.readouterr().err


def test_only_what_has_changed_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[str] = []
    really = scalars.read

    def noted(job: scalars.Job) -> Any:
        read.append(job.place.name)
        return really(job)

    monkeypatch.setattr(scalars, "read", noted)
    memo: dict[Any, Any] = {}
    first = load(tree, memo=memo).summary()
    assert (len(first.rows), sorted(read)) == (4, ["0", "1", "2", "3"])

    read.clear()
    with open(tree / "3" / rundir.PROGRESS, "a") as file:
        file.write("7,1.0,0.125\n")
    (tree / "2" / rundir.PROGRESS).write_text(progress_text(["loss"], [(0, 1.0, [9.5])])[:-1])
    again = load(tree, memo=memo)
    assert [row[-1] for row in again.summary().rows] == [0.5, 1.5, compare_unknown(), 0.125]
    assert sorted(read) == ["2", "3"]

    read.clear()
    third = load(tree, memo=memo)
    third.summary()
    assert read == []
    assert third.problems == again.problems != ()
    assert third.select("loss>1")["1"].name == "1"
    assert sorted(read) == ["0", "1", "2", "3"]


def compare_unknown() -> Any:
    from exptools.viewing.compare import UNKNOWN

    return UNKNOWN


SLOW = """
import sys, time
from exptools.viewing import api, bars, cli, scalars
bars.AFTER_S = 0.1
really = scalars.read
def slow(*args, **more):
    time.sleep(0.2)
    return really(*args, **more)
scalars.read = slow
sys.exit(cli.main(sys.argv[1:]))
"""


def test_a_bar_shows_how_far_a_long_reading_is(tree: Path) -> None:
    terminal = Terminal([sys.executable, "-c", SLOW, str(tree)], tree, 24, 80)

    terminal.wait_until(lambda screen: re.search(r"reading scalars .* [1-3]/4 ", said(screen)) is not None)

    assert terminal.wait() == 0
    assert terminal.screen()[0].split() == ["run", "state", "duration", "seed", "loss"]
    assert "reading" not in said(terminal.screen())


@pytest.mark.parametrize("line", ["{} 2>&1 | cat", "{} 2>&1 >/dev/null | cat"])
def test_there_is_no_bar_in_a_pipe(tree: Path, line: str) -> None:
    command = line.format(f'{sys.executable} -c "$SLOW" {tree} --json')

    ran = subprocess.run(
        ["bash", "-c", command],
        capture_output=True,
        text=True,
        env={**os.environ, "SLOW": SLOW, "FORCE_COLOR": "1"},
        check=True,
    )

    assert ran.stderr == "" and "reading" not in ran.stdout


def test_frames_on_a_terminal_are_not_torn_by_a_bar(tree: Path) -> None:
    terminal = Terminal([sys.executable, "-c", SLOW, str(tree), "--csv"], tree, 24, 80)

    assert terminal.wait() == 0
    assert terminal.screen()[1:3] == ["0,0,loss,0,1000.0,0.5", "1,1,loss,0,1000.0,1.5"]
    assert "reading" not in said(terminal.screen())


def test_a_short_reading_shows_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    monkeypatch.setattr(sys, "stderr", stream)

    assert list(bars.over([1, 2, 3], "x", wanted=True)) == [1, 2, 3]
    assert stream.getvalue() == ""
