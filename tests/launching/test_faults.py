"""What becomes of a job, of those beside it and of the command, fault by fault: the table in docs/faults.md.

Each fault is tried with each way of starting jobs; all must give the same row. After a change that is meant:

    EXPTOOLS_WRITE_DOCS=1 pytest tests/launching/test_faults.py
"""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from conftest import ROOT, Command, read_progress
from sweeps import gone, said_by, status, wait_until, write_app

DOC = ROOT / "docs" / "faults.md"
WAYS = {
    "forked": "hydra.launcher.start=fork",
    "spawned": "hydra.launcher.start=spawn",
    "joblib": "hydra.launcher.engine=joblib",
}


@dataclass(frozen=True)
class Fault:
    """One of three jobs does `body`; `check` sees its run directory afterwards."""

    name: str
    body: str
    words: tuple[str, ...] = ()
    check: Callable[[Path], object] = lambda run: None
    disk: str | None = None  # where there is a small disk: the run's, or the sweep's
    row: list[str] = field(default_factory=list)


def has_all_its_output(run: Path) -> None:
    assert (run / "stdout.log").stat().st_size == 100 * 2**20


def left_no_child(run: Path) -> None:
    wait_until(lambda: gone(int(said_by(run))))


FAULTS = [
    Fault("raises an exception", 'raise ValueError("loss is nan")'),
    Fault("`sys.exit(0)`", "sys.exit(0)"),
    Fault("`sys.exit(3)`", "sys.exit(3)"),
    Fault("`os._exit(0)`", "os._exit(0)"),
    Fault("SIGKILL, as from the kernel when memory is short", "os.kill(os.getpid(), signal.SIGKILL)"),
    Fault("SIGSEGV", "os.kill(os.getpid(), signal.SIGSEGV)"),
    Fault("SIGTERM", "os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)"),
    Fault(
        "an exception that cannot be pickled",
        """
        class Odd(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")
                self.lock = __import__("threading").Lock()
        raise Odd("this", "that")
        """,
    ),
    Fault("a return value that cannot be pickled", "return __import__('threading').Lock()"),
    Fault("hangs, with `timeout_s=5`", "time.sleep(600)", ("hydra.launcher.timeout_s=5",)),
    Fault(
        "hangs and ignores SIGTERM, with `timeout_s=5`",
        "signal.signal(signal.SIGTERM, signal.SIG_IGN); time.sleep(600)",
        ("hydra.launcher.timeout_s=5",),
    ),
    Fault(
        "prints 100 MiB",
        "for _ in range(100):\n    sys.stdout.write('x' * 2**20)",
        check=has_all_its_output,
    ),
    Fault(
        "leaves a child process behind",
        "print(__import__('subprocess').Popen(['sleep', '600']).pid)",
        check=left_no_child,
    ),
    Fault(
        "its disk is full",
        """
        with contextlib.suppress(OSError):
            open("out/1/ballast", "wb", buffering=0).write(bytes(2**20))
        for step in range(1, 2000):
            logger.log_scalar("x", step, step)
        """,
        disk="out/1",
    ),
    Fault(
        "it fills the disk of the whole sweep",
        """
        while not os.path.exists("out/0/progress.csv"):
            time.sleep(0.01)
        with contextlib.suppress(OSError):
            while True:
                open("out/ballast", "ab", buffering=0).write(bytes(4096))
        """,
        disk="out",
    ),
]


@contextlib.contextmanager
def small_disk(place: Path, size: str) -> Iterator[None]:
    place.mkdir(parents=True)
    mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", place], check=False)
    if mounted.returncode:
        pytest.skip("only root can make a disk that is full")
    try:
        yield
    finally:
        subprocess.run(["umount", place], check=True)


def run_with(fault: Fault, way: str, directory: Path, python: Command) -> list[str]:
    """The row of the table that one way of starting jobs gives."""
    body = "\n            ".join(fault.body.strip().replace("\n        ", "\n").splitlines())
    app = write_app(
        directory,
        f"""
        import contextlib
        logger.log_scalar("x", cfg.x, 0)
        logger.flush()
        if cfg.x == 1:
            {body}
        time.sleep({2 if fault.disk == "out" else 0.5})
        """,
    )
    with contextlib.ExitStack() as stack:
        if fault.disk is not None:
            size = "64k" if fault.disk == "out/1" else "1m"
            stack.enter_context(small_disk(directory / fault.disk, size))
        done = python(app, "-m", "x=0,1,2", "hydra.sweep.dir=out", WAYS[way], *fault.words, cwd=directory)
        out = directory / "out"
        fault.check(out / "1")
        found = status(out / "1")
        beside = [status(out / str(i)) for i in (0, 2)]
        for i, one in zip((0, 2), beside, strict=True):
            assert one["state"] != "COMPLETED" or read_progress(out / str(i))[1][2] == f"{i}.0"
    assert "Traceback" not in done.stderr, done.stderr
    told = found.get("error") or found.get("note") or ""
    told = re.sub(r"\d+ MiB", "N MiB", re.sub(r"\d+ bytes", "N bytes", told))
    told = re.sub(r"tfevents\.\S+\.exptools", "tfevents...", told)
    harmed = [one for one in beside if one["state"] != "COMPLETED"]
    others = "".join(f"; one {one['state']}: {one['error']}" for one in harmed)
    return [
        fault.name,
        found["state"],
        told,
        f"{2 - len(harmed)} of 2 completed{others}",
        str(done.returncode),
    ]


def rows_in_docs() -> dict[str, list[str]]:
    lines = [line for line in DOC.read_text().splitlines() if line.startswith("| ")]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines]
    return {row[0]: row for row in rows}


def write_row(row: list[str]) -> None:
    text = DOC.read_text()
    line = f"| {' | '.join(row)} |\n"
    old = re.search(rf"^\| {re.escape(row[0])} \|.*\n", text, re.MULTILINE)
    DOC.write_text(text.replace(old[0], line) if old else text.rstrip("\n") + "\n" + line)


@pytest.mark.parametrize("fault", FAULTS, ids=[fault.name for fault in FAULTS])
def test_the_table_of_faults(fault: Fault, tmp_path: Path, python: Command) -> None:
    for way in WAYS:
        (tmp_path / way).mkdir()
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(lambda way: run_with(fault, way, tmp_path / way, python), WAYS))
    rows = dict(zip(WAYS, found, strict=True))

    if "SIGKILL" in fault.name:  # joblib's library does not tell how much memory its process had
        rows["joblib"][2] = rows["joblib"][2].replace("memory)", "memory; it had up to N MiB)")
    assert rows["spawned"] == rows["forked"]
    assert rows["joblib"] == rows["forked"]
    if "EXPTOOLS_WRITE_DOCS" in os.environ:
        write_row(rows["forked"])
    assert rows_in_docs()[fault.name] == rows["forked"]


def test_the_table_has_no_other_rows() -> None:
    assert [*rows_in_docs()][1:] == [fault.name for fault in FAULTS]
