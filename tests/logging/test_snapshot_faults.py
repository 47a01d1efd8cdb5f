"""When the disk fails or the process dies, at any moment of a save: there is always a whole snapshot."""

from __future__ import annotations

import contextlib
import functools
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from conftest import Command

from exptools.errors import LoggingError
from exptools.logging.snapshots import Policy, Store

CALLS = ("mkdir", "open", "write", "fsync", "rename", "unlink", "rmdir")  # all that changes a disk


class Died(BaseException):
    """The process is no more: nothing that it would still do happens."""


class Disk:
    """The calls that change a disk, one of which goes wrong.

    at: which, counted from 1. how: "error": it fails, once; "death": the process dies before it; "torn": it
    dies inside of it, so that half of what was to be written is there.
    """

    def __init__(self, at: int, how: str) -> None:
        self.calls: list[str] = []
        self._at = at
        self._how = how

    @property
    def was_reached(self) -> bool:
        return len(self.calls) >= self._at

    def __enter__(self) -> Disk:
        self._patch = pytest.MonkeyPatch()
        for name in CALLS:
            self._patch.setattr(os, name, functools.partial(self._call, name, getattr(os, name)))
        return self

    def __exit__(self, *_: Any) -> None:
        self._patch.undo()

    def _call(self, name: str, real: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        self.calls.append(name)
        n = len(self.calls)
        if n == self._at and self._how == "error":
            raise OSError(5, "Input/output error")
        if n >= self._at and self._how != "error":
            if n == self._at and self._how == "torn" and name == "write":
                real(args[0], args[1][: len(args[1]) // 2])
            raise Died
        return real(*args, **kwargs)


def save_parts(state: Any, path: Path) -> None:
    path.mkdir()
    for name in ("a", "b"):
        (path / name).write_text(str(state))


def load_parts(path: Path) -> Any:
    a, b = ((path / name).read_text() for name in ("a", "b"))
    assert a == b
    return int(a)


PARTS = (save_parts, load_parts)
# The steps of a store's life; the last one is the save that goes wrong. States are the number of the save.
LIVES: dict[str, tuple[list[int], Any, Any]] = {
    "the first": ([1], "last", "pickle"),
    "the third, and one goes": ([1, 2, 3], "last", "pickle"),
    "the same step again": ([1, 2, 2], "last", "pickle"),
    "a milestone again": ([1, 2, 1], "all", "pickle"),
    "a directory": ([1, 2, 3], "last", PARTS),
}


def live(tmp_path: Path, life: str, disk: Disk) -> tuple[Store, list[Path | None]]:
    """Save as `life` says, the last one on `disk`."""
    steps, policy, format = LIVES[life]
    store = Store(tmp_path, Policy.of(policy), format)
    for number, step in enumerate(steps[:-1]):
        store.save(step, number, rng=True)
    with disk:
        return store, [store.save(steps[-1], len(steps) - 1, rng=True)]


def fresh(tmp_path: Path, name: str) -> Path:
    path = tmp_path / name
    path.mkdir()
    return path


def hidden(run_dir: Path) -> list[str]:
    home = run_dir / "snapshots"
    return [name for name in os.listdir(home) if name.startswith(".")] if home.exists() else []


@pytest.mark.parametrize("how", ["death", "torn"])
@pytest.mark.parametrize("life", LIVES)
def test_a_process_that_dies_at_any_call_leaves_the_previous_or_the_new_one_whole(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], life: str, how: str
) -> None:
    steps, policy, format = LIVES[life]
    old, new = len(steps) - 2, len(steps) - 1
    outcomes = []
    while True:
        disk = Disk(len(outcomes) + 1, how)
        run_dir = fresh(tmp_path, str(len(outcomes)))
        with contextlib.suppress(Died):
            live(run_dir, life, disk)
        if not disk.was_reached:
            break
        after = Store(run_dir, Policy.of(policy), format)
        latest = after.latest()
        outcomes.append(None if latest is None else latest.state)
        assert outcomes[-1] in (old if old >= 0 else None, new)
        assert latest is None or latest.step == steps[outcomes[-1]]
        # Whoever comes next removes what was left, and saves as if nothing had been.
        assert hidden(run_dir) == []
        assert "damaged" not in capsys.readouterr().err
        assert after.save(steps[-1], 99) is not None
        again = after.latest()
        assert again is not None
        assert again.state == 99
        assert len(os.listdir(run_dir / "snapshots")) <= 3

    # It was tried before the new one was there and, where there is something to clear away, after.
    assert outcomes == sorted(outcomes, key=lambda state: -1 if state is None else state)
    assert outcomes[0] != new
    assert outcomes[-1] == new
    assert {"mkdir", "open", "write", "fsync", "rename"} <= set(disk.calls)
    assert len(outcomes) > 15


@pytest.mark.parametrize("life", LIVES)
def test_a_disk_that_fails_at_any_call_stops_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], life: str
) -> None:
    steps, policy, format = LIVES[life]
    old, new = len(steps) - 2, len(steps) - 1
    n_calls = 0
    while True:
        disk = Disk(n_calls + 1, "error")
        run_dir = fresh(tmp_path, str(n_calls))
        store, (saved,) = live(run_dir, life, disk)
        if not disk.was_reached:
            break
        n_calls += 1
        said = capsys.readouterr().err
        latest = Store(run_dir, Policy.of(policy), format).latest()
        state = None if latest is None else latest.state
        assert state in (old if old >= 0 else None, new)
        if saved is not None:
            assert state == new
        else:
            assert said.startswith("exptools: the snapshot of step ")
            assert said.count("\n") == 1
        capsys.readouterr()
        # The disk is well again, and so is the store.
        assert store.save(50, 99) is not None
        again = store.latest()
        assert again is not None
        assert again.state == 99
        assert "damaged" not in capsys.readouterr().err

    assert n_calls > 15
    assert hidden(run_dir) == []


@pytest.mark.parametrize("format", ["pickle", PARTS])
def test_everything_is_on_the_disk_before_the_step_that_relies_on_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: Any
) -> None:
    """After a power cut a disk has what was flushed, and perhaps more: so what is renamed must be flushed."""
    dirty: set[str] = set()  # paths that a power cut may take back
    clean: set[str] = set()
    broken = []
    real_open, real_mkdir, real_write = os.open, os.mkdir, os.write
    real_fsync, real_rename = os.fsync, os.rename

    def path_of(fd: int) -> str:
        return os.readlink(f"/proc/self/fd/{fd}")

    def opened(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        fd = real_open(path, flags, *args, **kwargs)
        if flags & os.O_CREAT:
            dirty.update((path_of(fd), os.path.dirname(path_of(fd))))
        return fd

    def made(path: Any, *args: Any, **kwargs: Any) -> None:
        real_mkdir(path, *args, **kwargs)
        dirty.update((str(path), os.path.dirname(path)))

    def written(fd: int, data: Any) -> int:
        dirty.add(path_of(fd))
        return real_write(fd, data)

    def flushed(fd: int) -> None:
        real_fsync(fd)
        dirty.discard(path_of(fd))
        clean.add(path_of(fd))

    def renamed(old: Any, new: Any) -> None:
        old, new = str(old), str(new)
        home = os.path.dirname(new)
        if os.path.basename(old).startswith(".saving"):  # it becomes one that counts
            broken.extend(path for path in dirty if path.startswith(old))
            files = [str(path) for path in Path(old).rglob("*")]  # others than os.open may have made them
            broken.extend(path for path in files if path not in clean)
        elif os.path.basename(new).startswith(".deleting"):  # one that counted goes
            broken.extend(path for path in dirty if path.startswith(home))
        real_rename(old, new)
        dirty.add(home)

    store = Store(tmp_path, format=format)
    for name, call in (
        ("open", opened),
        ("mkdir", made),
        ("write", written),
        ("fsync", flushed),
        ("rename", renamed),
    ):
        monkeypatch.setattr(os, name, call)
    store.save(1, 1, rng=True)
    assert dirty == set()
    for step in (2, 3, 3):
        store.save(step, step, rng=True)

    assert broken == []
    assert sorted(os.listdir(tmp_path / "snapshots")) == ["step-000000000002", "step-000000000003"]


def test_a_failing_disk_is_said_once_until_it_changes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path)
    store.save(1, 1)
    real, trouble = os.write, OSError(28, "No space left on device")

    def write(fd: int, data: Any) -> int:
        if trouble is not None:
            raise trouble
        return real(fd, data)

    monkeypatch.setattr(os, "write", write)
    assert [store.save(step, step) for step in (2, 3, 4)] == [None] * 3
    trouble = OSError(5, "Input/output error")
    assert [store.save(step, step) for step in (5, 6)] == [None] * 2
    trouble = None
    assert store.save(7, 7) is not None

    home = tmp_path / "snapshots"
    assert capsys.readouterr().err.splitlines() == [
        f"exptools: the snapshot of step 2 cannot be saved in {home} (No space left on device); the one of "
        "step 1 stays; free space there or keep fewer; the training goes on and the next one is tried",
        f"exptools: the snapshot of step 5 cannot be saved in {home} (Input/output error); the one of "
        "step 1 stays; look at that disk; the training goes on and the next one is tried",
        "exptools: snapshots are saved again",
    ]
    assert hidden(tmp_path) == []


def test_a_strict_store_raises_where_the_disk_fails(tmp_path: Path) -> None:
    store = Store(tmp_path, strict=True)
    with Disk(3, "error"), pytest.raises(LoggingError) as error:
        store.save(1, 1)

    assert str(error.value) == (
        f"the snapshot of step 1 cannot be saved in {tmp_path}/snapshots (Input/output error); "
        "there is none before it; look at that disk"
    )


@pytest.mark.parametrize("format", ["pickle", "torch", "joblib", "safetensors", PARTS])
def test_a_disk_that_is_really_full(tmp_path: Path, capsys: pytest.CaptureFixture[str], format: Any) -> None:
    if isinstance(format, str):
        pytest.importorskip(format)
    import numpy as np

    state: Any = {"a": np.zeros(3_000_000, np.uint8)}
    small: Any = {"a": np.zeros(3, np.uint8)}
    if format is PARTS:
        state, small = "7" * 1_500_000, 7
    disk = fresh(tmp_path, "disk")
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=2m", "none", disk], check=False).returncode:
        pytest.skip("only root can make a disk that is full")
    try:
        store = Store(disk, format=format)
        first = store.save(1, small)
        assert first is not None
        assert [store.save(2, state), store.save(3, state)] == [None, None]
        assert os.listdir(disk / "snapshots") == [first.name]
        latest = store.latest()
        assert latest is not None
        assert latest.step == 1
        assert store.save(4, small) is not None
        store.close()
    finally:
        subprocess.run(["umount", disk], check=True)

    said = capsys.readouterr().err.splitlines()
    assert len(said) == 2
    assert "cannot be saved in" in said[0]
    assert "(No space left on device); the one of step 1 stays; free space there" in said[0]
    assert said[1] == "exptools: snapshots are saved again"


KILLED = """
import sys
from exptools.logging.snapshots import Policy, Store
store = Store(".", Policy("last+gap", gap=5))
snapshot = store.latest(restore_rng=True)
step = 0 if snapshot is None else snapshot.step + 1
print("began", step, flush=True)
while True:
    if store.save(step, {"step": step, "blob": bytes([step % 256]) * 3_000_000}, rng=True) is not None:
        print("saved", step, flush=True)
    step += 1
"""


@pytest.mark.slow
def test_a_process_that_is_killed_at_any_moment(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rng = random.Random(0)
    saved = -1
    moments = set()
    for _ in range(30):
        command = [sys.executable, "-c", KILLED]
        with subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        ) as process:
            assert process.stdout is not None
            began = process.stdout.readline()
            time.sleep(rng.uniform(0, 0.15))
            process.kill()
            out, err = process.communicate()
            assert process.returncode == -signal.SIGKILL
        assert began.split()[0] == "began", err
        assert int(began.split()[1]) > saved  # it went on behind what had been saved
        assert "damaged" not in err
        saved = max([saved, *(int(line.split()[1]) for line in out.splitlines() if line.count(" "))])
        moments.update(name.split("-")[0] for name in hidden(tmp_path))

        latest = Store(tmp_path).latest()
        assert latest is not None or saved < 0
        if latest is not None:
            assert saved <= latest.step <= saved + 1
            assert latest.state == {
                "step": latest.step,
                "blob": bytes([latest.step % 256]) * 3_000_000,
            }
            saved = latest.step
        assert hidden(tmp_path) == []
        assert "damaged" not in capsys.readouterr().err

    assert saved > 30
    assert ".saving" in moments  # some were killed in the midst of a save


HOLDING = """
import sys, time
from exptools.logging.snapshots import Store
def save(state, path):
    path.write_text("half")
    print("half", flush=True)
    sys.stdin.readline()
    path.write_text("whole")
Store(".", format=(save, open)).save(2, 0)
"""


def holding(directory: Path) -> subprocess.Popen[str]:
    """A process that is in the middle of saving a snapshot."""
    return subprocess.Popen(
        [sys.executable, "-c", HOLDING],
        cwd=directory,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def test_another_process_may_be_saving(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    loading = (lambda state, path: None, lambda path: path.read_text())
    with holding(tmp_path) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        assert Store(tmp_path, format=loading).latest() is None
        (there,) = hidden(tmp_path)
        assert capsys.readouterr().err == ""

        process.communicate("\n")
    latest = Store(tmp_path, format=loading).latest()
    assert latest is not None
    assert latest.state == "whole"
    assert there.startswith(f".saving-step-000000000002.{process.pid}.")


def test_what_a_dead_process_left_is_named_and_removed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with holding(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        process.kill()
    (left,) = hidden(tmp_path)

    assert Store(tmp_path).latest() is None

    assert hidden(tmp_path) == []
    assert capsys.readouterr().err == (
        f"exptools: {tmp_path}/snapshots/{left} was left unfinished by a process that is dead, "
        "and is removed\n"
    )


@pytest.mark.parametrize(("minutes", "stays"), [(5, True), (90, False)])
def test_what_another_machine_left_goes_when_it_has_been_quiet_for_an_hour(
    tmp_path: Path, minutes: float, stays: bool
) -> None:
    left = tmp_path / "snapshots" / f".saving-step-000000000001.{os.getpid()}.0123abcd.node-7.cluster.edu"
    left.mkdir(parents=True)
    (left / "state.pkl").write_bytes(b"half")
    for path in (left / "state.pkl", left):
        os.utime(path, (time.time() - 60 * minutes,) * 2)

    Store(tmp_path).latest()

    assert left.exists() == stays


def test_what_is_locked_stays_wherever_its_owner_seems_to_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As that of another container, whose processes cannot be seen."""
    with holding(tmp_path) as process:
        assert process.stdout is not None
        process.stdout.readline()
        (there,) = (tmp_path / "snapshots").iterdir()
        for path in (*there.iterdir(), there):
            os.utime(path, (0, 0))
        monkeypatch.setattr(socket, "gethostname", lambda: "elsewhere")
        Store(tmp_path).latest()
        assert there.exists()
        process.communicate("\n")


def test_what_a_living_process_has_not_locked_yet_stays(tmp_path: Path) -> None:
    host = socket.gethostname()
    theirs = tmp_path / "snapshots" / f".saving-step-000000000001.{os.getppid()}.0123abcd.{host}"
    theirs.mkdir(parents=True)

    Store(tmp_path).latest()

    assert theirs.exists()


@pytest.mark.parametrize(
    "name",
    [
        ".nfs0123456789",
        ".saving-mine",
        f".other-step-1.99999999.ab.{socket.gethostname()}",
        ".DS_Store.1.2.3",
    ],
)
def test_hidden_things_of_others_stay(tmp_path: Path, name: str) -> None:
    theirs = tmp_path / "snapshots" / name
    theirs.mkdir(parents=True)

    Store(tmp_path).latest()

    assert theirs.exists()


def test_an_interrupt_leaves_nothing_half_done(tmp_path: Path, python: Command) -> None:
    """Ctrl-C in the midst of a save: the exception comes through, and the previous snapshot is there."""
    script = """
import os, signal
from exptools.logging.snapshots import Store
class Slow:
    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGINT)
        return (int, ())
store = Store(".")
store.save(1, "one")
try:
    store.save(2, [bytes(200_000), Slow(), bytes(200_000)])
except KeyboardInterrupt:
    print(store.latest().state, sorted(os.listdir("snapshots")), store.save(3, "three").name)
"""
    done = python("-c", script)

    assert (done.stdout, done.stderr) == ("one ['step-000000000001'] step-000000000003\n", "")
