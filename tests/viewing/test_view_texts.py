"""What a run printed last, as a terminal would show it, and why it failed."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pyte
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.logging import logger_context
from exptools.rundir import State
from exptools.viewing import texts
from exptools.viewing.api import Run, load
from exptools.viewing.screen import shown
from exptools.viewing.texts import Text


def run_with(tmp_path: Path, log: bytes, state: State = State.RUNNING, **status: Any) -> Run:
    path = write_run(tmp_path / "run", {"loss": [1.0]}, state=state, **status)
    (path / rundir.STDOUT).write_bytes(log)
    (run,) = load(path)
    return run


def test_a_short_log_is_shown_as_a_whole(tmp_path: Path) -> None:
    log = "epoch 1\nünd 漢字\n".encode()

    assert texts.tail(run_with(tmp_path, log)) == Text("stdout.log", "epoch 1\nünd 漢字\n", len(log), 0)


def test_of_a_million_lines_the_last_ones_are_shown_from_the_beginning_of_a_line_on(tmp_path: Path) -> None:
    log = b"".join(b"step %07d, loss 0.123456789\n" % i for i in range(1_000_000))
    run = run_with(tmp_path, log)

    begun = time.perf_counter()
    text = texts.tail(run)
    seconds = time.perf_counter() - begun

    lines = text.text.splitlines()
    assert lines == [f"step {i:07d}, loss 0.123456789" for i in range(1_000_000 - len(lines), 1_000_000)]
    assert (text.size, text.from_offset) == (len(log), len(log) - len(text.text))
    assert 200_000 - len(lines[0]) <= len(text.text) <= 200_000
    assert seconds < 1


def test_a_bar_is_in_its_last_state(tmp_path: Path) -> None:
    """By rich and by hand, from a process that thinks that it has a terminal."""
    script = """
import sys, time
from rich.console import Console
from rich.progress import Progress
print("begins")
for i in range(101):
    sys.stdout.write(f"\\r{i}%|{'#' * (i // 10):<10}|")
print()
console = Console(force_terminal=True, width=60, file=sys.stdout)
with Progress(console=console, refresh_per_second=100) as progress:
    one, two = progress.add_task("train", total=30), progress.add_task("test", total=30)
    for _ in range(30):
        time.sleep(0.01)
        progress.advance(one)
        progress.advance(two)
print("ends")
"""
    environ = {k: v for k, v in os.environ.items() if k != "NO_COLOR"}
    log = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        check=True,
        env={**environ, "TERM": "xterm-256color"},
    ).stdout

    text = texts.tail(run_with(tmp_path, log)).text

    assert log.count(b"\x1b[1A") > 2  # it went up, again and again
    lines = [line.rstrip() for line in text.splitlines()]
    assert lines[:2] == ["begins", "100%|##########|"]
    assert [line.split()[0] for line in lines[2:]] == ["train", "test", "ends"]
    assert all("100%" in line for line in lines[2:4])


def test_the_middle_of_a_bar_that_is_one_endless_line_is_no_beginning(tmp_path: Path) -> None:
    log = b"".join(b"\r%6d/100000 it" % i for i in range(100_000))

    text = texts.tail(run_with(tmp_path, log), most_bytes=1000)

    assert text.text == " 99999/100000 it"
    assert log[text.from_offset - 1 : text.from_offset] == b"\r"


def test_a_line_that_is_longer_than_what_is_shown_begins_with_a_whole_character(tmp_path: Path) -> None:
    log = "漢".encode() * 1000

    for most in range(300, 306):
        text = texts.tail(run_with(tmp_path, log), most_bytes=most)
        assert text.text == "漢" * (most // 3)
        assert text.from_offset == len(log) - most // 3 * 3


@pytest.mark.parametrize("most", [0, -5])
def test_no_bytes_are_no_text(tmp_path: Path, most: int) -> None:
    assert texts.tail(run_with(tmp_path, b"abc"), most) == Text("stdout.log", "", 3, 3)


def test_what_is_not_utf8_is_replaced_but_half_a_character_at_the_end_is_left_out(tmp_path: Path) -> None:
    log = b"caf\xe9 \xff ok \xe6\xbc"

    assert texts.tail(run_with(tmp_path, log)).text == "caf\ufffd \ufffd ok "


def test_a_log_that_grows_is_shown_as_far_as_it_is(tmp_path: Path) -> None:
    run = run_with(tmp_path, b"")
    path = run.path / rundir.STDOUT
    script = "import sys, time\nfor i in range(50):\n    print(i, flush=True)\n    time.sleep(0.005)\n"
    seen = []
    with open(path, "wb") as file:
        process = subprocess.Popen([sys.executable, "-c", script], stdout=file)
        while process.poll() is None:
            seen.append(texts.tail(run))
            time.sleep(0.01)
    seen.append(texts.tail(run))

    whole = "".join(f"{i}\n" for i in range(50))
    assert all(whole.startswith(text.text) and text.size == len(text.text) for text in seen)
    assert seen[-1].text == whole
    assert len({text.size for text in seen}) > 3


def test_a_run_of_the_logger_has_its_debug_log_where_nobody_captured_its_output(tmp_path: Path) -> None:
    with logger_context(str(tmp_path / "logs"), 0, "x") as logger:
        logger.log("so it went")
    (run,) = load(tmp_path / "logs")

    text = texts.tail(run)

    assert text.name == "debug.log"
    assert "so it went" in text.text


def test_hydras_log_is_taken_where_there_is_no_other(tmp_path: Path) -> None:
    (hydra_run(tmp_path / "0", "lr: 1") / "train.log").write_text("[INFO] hello\n")
    (run,) = load(tmp_path)

    assert texts.tail(run) == Text("train.log", "[INFO] hello\n", 13, 0)


def test_a_run_without_a_log_says_so(tmp_path: Path) -> None:
    home = hydra_run(tmp_path / "0", "lr: 1")
    (run,) = load(tmp_path)

    missing = f"{home} has no stdout.log, and no other file *.log"
    assert texts.tail(run) == Text("", "", 0, 0, missing)


def test_a_log_that_is_a_link_out_of_the_run_is_not_shown(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    run = run_with(tmp_path, b"")
    path = run.path / rundir.STDOUT
    path.unlink()
    path.symlink_to(tmp_path / "secret")

    missing = f"{path} is not below the directories that are shown; only what lies there is opened"
    assert texts.tail(run) == Text("stdout.log", "", 0, 0, missing)


# --- why it failed ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "status", "expected"),
    [
        (State.FAILED, {"error": "ValueError: too big", "exit_code": 1}, "ValueError: too big"),
        (State.FAILED, {"exit_code": -9, "note": "data was lost: 3"}, "killed by SIGKILL\ndata was lost: 3"),
        (State.TIMEOUT, {"exit_code": 2}, "exit code 2"),
        (State.INTERRUPTED, {}, None),
        (State.COMPLETED, {"exit_code": 0, "note": "the job ended by sys.exit(0)"}, None),
        (State.RUNNING, {"heartbeat": 2e10, "note": "disk full"}, None),
    ],
)
def test_why_a_run_failed_is_what_its_status_says(
    tmp_path: Path, state: State, status: dict[str, Any], expected: str | None
) -> None:
    assert texts.error(run_with(tmp_path, b"", state, **status)) == expected


def test_a_run_that_gave_no_sign_of_life_says_since_when(tmp_path: Path) -> None:
    run = run_with(tmp_path, b"", State.RUNNING, end=None, heartbeat=86400.0 * 365)

    said = texts.error(run)

    assert said is not None
    assert said.startswith("no sign of life since 19")


def test_the_error_of_a_run_that_really_failed(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), logger_context(str(tmp_path / "logs"), 0, "x"):
        print(1 / 0)
    (run,) = load(tmp_path / "logs")

    assert texts.error(run) == "ZeroDivisionError: division by zero"


def test_a_run_without_a_status_has_no_error(tmp_path: Path) -> None:
    hydra_run(tmp_path / "0", "lr: 1")
    (run,) = load(tmp_path)

    assert texts.error(run) is None


# --- the terminal -----------------------------------------------------------------------------------------

COLUMNS, LINES, PARTS = 100, 40, 12  # so many parts reach neither border


def by_pyte(text: str) -> list[str]:
    screen = pyte.Screen(COLUMNS, LINES)
    pyte.Stream(screen).feed(text.replace("\n", "\r\n"))
    return without_the_blank(screen.display)


def without_the_blank(rows: list[str]) -> list[str]:
    stripped = [row.rstrip() for row in rows]
    while stripped and not stripped[-1]:
        stripped.pop()
    return stripped


WORDS = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), max_size=8)
MOVES = st.builds(
    lambda n, c: f"\x1b[{n}{c}", st.sampled_from(["", "0", "1", "2", "3"]), st.sampled_from("ABCDEFG")
)
CONTROLS = st.sampled_from(
    ["\r", "\n", "\r\n", "\b", "\t", "\a", "\x1b[J", "\x1b[0J", "\x1b[K", "\x1b[0K", "\x1b[1K", "\x1b[2K"]
)
COLOURS = st.sampled_from(
    ["\x1b[31m", "\x1b[1;38;5;9m", "\x1b[0m", "\x1b[m", "\x1b[?25l", "\x1b]0;title\x07", "\x1b(B"]
)


@settings(max_examples=1000, deadline=None)
@given(st.lists(st.one_of(WORDS, CONTROLS, MOVES, COLOURS), max_size=PARTS))
def test_it_is_what_a_terminal_shows(parts: list[str]) -> None:
    below = "\n" * (LINES - 1) + f"\x1b[{LINES - 1}A"  # down is where something was
    text = below + "".join(parts)

    assert without_the_blank(shown(text).split("\n")) == by_pyte(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain\n", "plain\n"),
        ("abcdef\rXY", "XYcdef"),
        ("abcdef\rXY\x1b[K", "XY"),
        ("windows\r\nlines\r\n", "windows\nlines\n"),
        ("a\x1b[31mred\x1b[0m\x1b[m!", "ared!"),
        ("one\ntwo\n\x1b[2Aup\n", "upe\ntwo\n"),
        ("\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\", "link"),
        ("a\x1b]0;never ended\nb", "a\nb"),
        ("a\x1b[2J\x1b[H\x1b[3;1Hb", "ab"),
        ("torn\x1b[3", "torn"),
        ("torn\x1b", "torn"),
        ("bell\a nul\0 c1\x9b31m\x85", "bell nul c1"),
        ("漢字\rX", "X字"),
        ("a\tb\rc", "c       b"),
    ],
)
def test_what_is_shown_of_a_text(text: str, expected: str) -> None:
    assert shown(text) == expected


@given(st.text(st.characters(blacklist_categories=["Cc", "Cs"])).map(lambda text: text + "\n"))
def test_a_text_without_controls_stays_as_it_is(text: str) -> None:
    assert shown(text) == text


@settings(max_examples=500, deadline=None)
@given(st.text(st.sampled_from("\x1b[]0123456789;?AKCGJm\r\n\b\t\a\x9b\\P ab"), max_size=200))
def test_nothing_that_is_shown_is_a_control(text: str) -> None:
    assert set(shown(text)) <= set("\n []0123456789;?AKCGJm\\Pab")


@pytest.mark.parametrize(
    "text",
    [
        "\x1b[999999C.\n",
        "\x1b[999999999G.\n",
        "\x1b[999999B.",
        "\x1b[999999A.",
        "\x1b[",
        "\x1b]",
        "\x1bP",
        "\r" + "x" * 9,
    ],
)
def test_no_text_is_slow_or_becomes_huge(text: str) -> None:
    many = text * (200_000 // len(text))

    begun = time.perf_counter()
    size = len(shown(many))

    assert time.perf_counter() - begun < 5
    assert size < 10_000_000
