"""What a user sees of a sweep while it runs."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, clean_environment
from sweeps import said_by, states, wait_until, write_app
from terminal import Terminal

from exptools import words
from exptools.launching.progress import Tally
from exptools.launching.slots import Slot
from exptools.rundir import State


def slot(number: int) -> Slot:
    return Slot(number, f"{number}slt_2cpu_1cpr", (), False, None, 1)


def tally(n_jobs: int, n_slots: int) -> Tally:
    return Tally([f"#{i}" for i in range(n_jobs)], n_slots, now=100.0)


def test_before_a_job_has_ended_nobody_knows_how_long_it_takes() -> None:
    t = tally(3, 2)
    t.start(0, slot(0), 100.0)

    assert t.left_s(110.0) is None
    assert t.counts() == [("running", 1, "cyan"), ("waiting", 2, "dim")]


def test_the_rest_takes_as_long_as_what_ended_did() -> None:
    t = tally(5, 2)
    t.start(0, slot(0), 100.0)
    t.start(1, slot(1), 100.0)
    t.end(0, State.COMPLETED, 110.0)
    t.start(2, slot(0), 110.0)

    # Two wait, 10 s each; #1 and #2 need 6 s and 6 s more if they take 10 s too: 32 s on two slots.
    assert t.left_s(114.0) == pytest.approx((20 + 0 + 6) / 2)
    assert t.left_s(110.0) == pytest.approx((20 + 0 + 10) / 2)
    assert t.running(114.0) == [(slot(0), "#2", 4.0), (slot(1), "#1", 14.0)]


def test_the_last_job_takes_its_own_time_however_many_slots_there_are() -> None:
    t = tally(2, 8)
    t.start(0, slot(0), 100.0)
    t.end(0, State.FAILED, 110.0)
    t.start(1, slot(1), 110.0)

    assert t.left_s(112.0) == 8.0
    assert t.counts() == [("failed", 1, "bold red"), ("running", 1, "cyan")]


def test_a_sweep_that_was_stopped_has_no_rest(tmp_path: Path) -> None:
    t = tally(3, 1)
    t.start(0, slot(0), 100.0)
    t.end(0, State.INTERRUPTED, 110.0)
    t.stop()

    assert t.left_s(110.0) is None
    assert t.counts() == [("interrupted", 1, "yellow"), ("not begun", 2, "dim")]


def test_a_job_that_never_began_has_ended_as_well() -> None:
    t = tally(1, 1)
    t.end(0, State.INTERRUPTED, 130.0)

    assert (t.n_done(), t.left_s(130.0)) == (1, 0.0)


@pytest.mark.parametrize(
    ("seconds", "text", "whole"),
    [(0.84, "0.8 s", "0 s"), (59.9, "1 m 00 s", "59 s"), (7265, "2 h 01 m", "2 h 01 m")],
)
def test_durations_are_told_in_two_units(seconds: float, text: str, whole: str) -> None:
    assert words.duration(seconds) == text
    assert words.duration(seconds, tenths=False) == whole


def sweep(app: Path, *more: str) -> list[str]:
    return [sys.executable, str(app), "-m", "hydra.sweep.dir=out", *more]


def test_on_a_terminal_a_live_view_tells_what_runs_where_and_how_long_it_will_take(tmp_path: Path) -> None:
    app = write_app(
        tmp_path,
        """
        while cfg.x >= 2 and not os.path.exists("go"):
            time.sleep(0.01)
        if cfg.x == 3:
            raise ValueError("boom")
        """,
    )
    terminal = Terminal(sweep(app, "x=0,1,2,3,4", "hydra.launcher.n_parallel=2"), tmp_path)

    seen = terminal.wait_until(  # the screen may have been read in the middle of being painted
        lambda lines: (
            len(lines) > 3
            and "about" in lines[-3]
            and "#2 x=2" in "".join(lines)
            and "#3 x=3" in "".join(lines)
        )
    )
    (tmp_path / "go").touch()
    code = terminal.wait()

    bar = next(line for line in seen if "/5" in line)
    assert re.fullmatch(r"2/5  [━╸╺]+  2 completed, 2 running, 1 waiting  \d+ s, about \d+ s left", bar), bar
    slots = seen[seen.index(bar) + 1 :]
    assert len(slots) == 2, seen
    assert sorted(line.split("#")[1] for line in slots) == ["2 x=2", "3 x=3"]
    assert all(re.match(rf"slot {i}    \d+ s  #", line) for i, line in enumerate(slots)), slots

    last = "\n".join(terminal.screen())
    assert code == 1
    assert re.search(r"\n5/5  ━+  4 completed, 1 failed  \d+ s\n", last), last
    assert last.count("/5  ━") == 1, "the live view was printed more than once"
    assert "#3 x=3 FAILED in" in last
    assert "COMPLETED in" not in last
    assert "started on slot" not in last
    assert "1 of 5 jobs did not complete:" in last


def test_more_slots_than_the_terminal_has_lines(tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(300)")
    command = sweep(app, "x=range(30)", "hydra.launcher.affinity_code=30cpu_1cpr_0saf")
    terminal = Terminal([*command, "hydra.launcher.engine=joblib"], tmp_path, lines=10)

    seen = terminal.wait_until(
        lambda lines: any("30 running" in line for line in lines) and lines[-1].startswith("and")
    )
    terminal.type("\x03\x03")

    assert terminal.wait() == 130
    bar = next(i for i, line in enumerate(seen) if "30 running" in line)
    assert [line.split(" ")[0] for line in seen[bar + 1 :]] == ["slot"] * 5 + ["and"]
    assert seen[-1] == "and 25 more"


def test_ctrl_c_on_a_terminal_tells_how_to_go_on(tmp_path: Path) -> None:
    app = write_app(tmp_path, "print('up'); time.sleep(300)")
    terminal = Terminal(sweep(app, "x=0,1,2", "hydra.launcher.n_parallel=1"), tmp_path, columns=200)
    terminal.wait_until(lambda lines: said_by(tmp_path / "out" / "0") == "up\n")

    terminal.type("\x03")
    code = terminal.wait()

    last = "\n".join(terminal.screen())
    assert code == 130
    assert "interrupted: ending the jobs that run (interrupt again to kill them)" in last
    assert re.search(r"1/3  ━.*  1 interrupted, 2 not begun  \d+ s\n", last), last
    assert f"to go on: exptools-resume {tmp_path}/out" in last
    assert "Traceback" not in last


def test_lines_that_a_library_prints_meanwhile_stand_above(tmp_path: Path) -> None:
    app = write_app(tmp_path, "time.sleep(1)")
    (tmp_path / "chatty.py").write_text(
        "import sys, threading, time\nfrom hydra.experimental.callback import Callback\n"
        "def chat():\n    for i in range(8):\n        time.sleep(0.2)\n"
        "        print('out', i)\n        print('err', i, file=sys.stderr)\n"
        "    print('a line without an end', end='')\n"
        "class Chatty(Callback):\n    def on_multirun_start(self, config, **kwargs):\n"
        "        threading.Thread(target=chat, daemon=True).start()\n"
    )
    terminal = Terminal(
        sweep(app, "x=0,1", "hydra.launcher.n_parallel=1", "+hydra.callbacks.c._target_=chatty.Chatty"),
        tmp_path,
        lines=40,
    )

    code = terminal.wait()

    last = terminal.screen()
    assert code == 0
    shown = [line for line in last if line.startswith(("out", "err"))]
    assert shown == [f"{where} {i}" for i in range(8) for where in ("out", "err")], "\n".join(last)
    assert "a line without an end" in last
    assert sum("/2  " in line for line in last) == 1, "\n".join(last)


def test_elsewhere_the_log_has_a_line_per_change(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    lines = [line.split("[HYDRA] ")[1] for line in done.stdout.splitlines()]
    assert lines[0].startswith("Launching 1 job on 1 slot (")
    assert lines[1] == "started on slot 0: #0 x=0"
    assert re.fullmatch(r"\[1/1\] #0 x=0 COMPLETED in \d\.\d s", lines[2])
    assert len(lines) == 3
    assert "\x1b" not in done.stdout


def test_when_nobody_reads_the_log_any_more_it_goes_on_on_stderr(tmp_path: Path) -> None:
    app = write_app(tmp_path, "print('up')\nwhile not os.path.exists('go'):\n    time.sleep(0.01)")
    launcher = subprocess.Popen(
        sweep(app, "x=0,1", "hydra.launcher.n_parallel=1"),
        cwd=tmp_path,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    wait_until(lambda: said_by(tmp_path / "out" / "0") == "up\n")
    assert launcher.stdout is not None
    launcher.stdout.close()
    (tmp_path / "go").touch()
    launcher.stdout = None
    _, said = launcher.communicate(timeout=60)

    assert launcher.returncode == 0, said
    assert said.splitlines()[0] == "exptools: stdout takes no more (Broken pipe); what follows is on stderr"
    assert "[2/2] #1 x=1 COMPLETED" in said
    assert "Traceback" not in said
    assert states(tmp_path / "out") == ["COMPLETED"] * 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="this system has no /dev/full")
def test_where_the_log_has_no_room_it_goes_on_on_stderr(tmp_path: Path) -> None:
    app = write_app(tmp_path, "pass")
    with open("/dev/full", "w") as full:
        done = subprocess.run(
            sweep(app, "x=0,1"),
            cwd=tmp_path,
            env=clean_environment(),
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert done.returncode == 0, done.stderr
    first = "exptools: stdout takes no more (No space left on device); what follows is on stderr"
    assert done.stderr.splitlines()[0] == first
    assert "COMPLETED" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("before", "code", "found"),
    [("", 129, ["COMPLETED", *["INTERRUPTED"] * 3]), ("trap '' HUP;", 0, ["COMPLETED"] * 4)],
    ids=["plain", "as with nohup"],
)
@pytest.mark.parametrize("words", ["", "hydra.hydra_logging.root.level=WARNING"], ids=["live", "silent"])
def test_a_terminal_that_goes_away_leaves_no_job_behind(
    tmp_path: Path, before: str, code: int, found: list[str], words: str
) -> None:
    app = write_app(tmp_path, "time.sleep(2 * (cfg.x == 1))")
    command = f"{before} exec {sys.executable} {app} -m x=0,1,2,3 hydra.sweep.dir=out {words}"
    seen = Terminal(["bash", "-c", f"{command} hydra.launcher.n_parallel=1"], tmp_path)
    out = tmp_path / "out"
    wait_until(lambda: len(list(out.glob("*/status.json"))) == 4 and "RUNNING" in states(out)[1:])

    seen.hang_up()

    assert seen.process.wait(timeout=60) == code
    assert states(out) == found
