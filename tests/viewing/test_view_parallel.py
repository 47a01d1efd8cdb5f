"""Several files at once: in order, in other processes too, and Ctrl-C ends it without a word."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary

from exptools.formats.tfrecord import frame
from exptools.viewing import parallel


@pytest.fixture(autouse=True)
def three_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "cores", lambda: 3)


def slow_first(n: int) -> int:
    time.sleep(0.3 if n == 0 else 0)
    return n * n


def who(n: int) -> int:
    return os.getpid()


def die(n: int) -> int:
    if os.environ.get("MAY_DIE") == "yes":
        os.kill(os.getpid(), signal.SIGKILL)
    return n


@pytest.mark.parametrize("in_processes", [False, True])
def test_what_comes_out_is_in_order(in_processes: bool) -> None:
    found = parallel.mapped(slow_first, range(20), in_processes=in_processes)

    assert list(found) == [n * n for n in range(20)]


def test_processes_are_others_and_few() -> None:
    pids = set(parallel.mapped(who, range(50), in_processes=True))

    assert os.getpid() not in pids
    assert 1 <= len(pids) <= 3
    assert set(parallel.mapped(who, range(50))) == {os.getpid()}


@pytest.mark.parametrize("in_processes", [False, True])
def test_what_is_raised_is_raised_here(in_processes: bool) -> None:
    def fail(n: int) -> int:
        if n == 3:
            raise ValueError(f"{n} is too much")
        return n

    found = parallel.mapped(fail, range(9), in_processes=in_processes)

    assert [next(found) for _ in range(3)] == [0, 1, 2]
    with pytest.raises(ValueError, match=r"^3 is too much$"):
        next(found)


def test_few_are_worked_on_ahead_of_who_takes_them() -> None:
    begun: list[int] = []

    def note(n: int) -> int:
        begun.append(n)
        return n

    found = parallel.mapped(note, range(1000))
    next(found)
    time.sleep(0.2)

    assert len(begun) <= 3 * parallel._AHEAD + 1
    assert list(found) == list(range(1, 1000))


def test_what_a_process_that_was_killed_had_to_do_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MAY_DIE", "yes")
    found = parallel.mapped(_dies_elsewhere(os.getpid()), range(6), in_processes=True)

    assert list(found) == list(range(6))


def _dies_elsewhere(pid: int):  # type: ignore[no-untyped-def]
    def run(n: int) -> int:
        return n if os.getpid() == pid else die(n)

    return run


def test_where_no_process_can_be_started_all_is_done_here(monkeypatch: pytest.MonkeyPatch) -> None:
    def refusing(*args: object, **options: object) -> None:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(subprocess, "Popen", refusing)

    assert list(parallel.mapped(abs, range(6), in_processes=True)) == list(range(6))


def test_what_is_printed_there_is_no_answer(capfd: pytest.CaptureFixture[str]) -> None:
    def loud(n: int) -> int:
        print("loud")
        return n

    assert list(parallel.mapped(loud, range(4), in_processes=True)) == [0, 1, 2, 3]


@pytest.fixture
def many(tmp_path: Path) -> Iterator[Path]:
    records = [
        Event(step=step, wall_time=1.0, summary=Summary(value=[Summary.Value(tag="loss", simple_value=step)]))
        for step in range(2000)
    ]
    file = tmp_path / "events.out.tfevents.1.host"
    file.write_bytes(b"".join(frame(record.SerializeToString()) for record in records) * 100)
    (tmp_path / "tree").mkdir()
    for i in range(40):
        (tmp_path / "tree" / str(i)).mkdir()
        os.link(file, tmp_path / "tree" / str(i) / file.name)
    yield tmp_path / "tree"


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("option", ["--csv", "--parquet"])
def test_what_is_terminated_leaves_nothing_half_written(many: Path, option: str, number: int) -> None:
    out = many.parent / "out"
    out.mkdir()
    command = [sys.executable, "-m", "exptools.viewing.cli", many, option, out / "frames", "--no-cache"]
    process = subprocess.Popen([*command, "--keep-superseded"], stderr=subprocess.PIPE)
    deadline = time.monotonic() + 30
    while not any(path.stat().st_size for path in out.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert [path.name.startswith(".") for path in out.iterdir()] == [True]
    process.send_signal(number)
    _, err = process.communicate(timeout=30)

    assert (process.returncode, err) == (-number, b"")
    assert list(out.iterdir()) == []


def test_ctrl_c_ends_all_of_it_at_once_without_a_word(many: Path) -> None:
    code = (
        "import sys\nfrom exptools.viewing import cli, parallel\nparallel.cores = lambda: 3\n"
        "sys.exit(cli.main(sys.argv[1:]))"
    )
    for after_s in (0.5, 0.8, 1.2, 2.0):
        process = subprocess.Popen(
            [sys.executable, "-c", code, many, "--no-cache"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        time.sleep(after_s)
        os.killpg(process.pid, signal.SIGINT)
        out, err = process.communicate(timeout=20)

        assert (out, err) == (b"", b"") or b"KeyboardInterrupt" in err.splitlines()[
            -1
        ]  # while it is imported
        assert process.returncode in (130, -signal.SIGINT)
    time.sleep(0.3)
    left = subprocess.run(["pgrep", "-f", "viewing.parallel import answer"], capture_output=True).stdout
    assert left == b""
