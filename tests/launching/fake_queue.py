"""A scheduler in one file, as another package would add one: allocations are processes of this machine.

What it knows lies in files: STATE/ID holds the pid of an allocation, which leads a group.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from exptools.errors import LaunchError
from exptools.launching.engines.queue import Given, Queue, Stop
from exptools.slurm import Phase, SchedulerAway, Seen


class FakeQueue(Queue):
    """Starts each allocation at once."""

    name: ClassVar[str] = "fake"

    def __init__(self, executor: Mapping[str, Any]) -> None:
        self._given = dict(executor)
        self._state = Path(os.environ["FAKE_QUEUE"])
        self._state.mkdir(exist_ok=True)

    def check(self) -> None:
        unknown = set(self._given) - {"partition"}
        if unknown:
            raise LaunchError(f"executor.{min(unknown)} is unknown to the fake queue; it knows partition")

    def submit(self, directory: Path, indices: range, title: str) -> list[str]:
        self._must_answer()
        started = [self._start(directory, index) for index in indices]
        if (self._state / "slow").exists():
            time.sleep(60)
        if (self._state / "lost").exists():  # the answer, and the next one, too
            (self._state / "lost").rename(self._state / "lost again")
            raise SchedulerAway("timed out")
        return started

    def _start(self, directory: Path, index: int) -> str:
        id_ = str(len(list(self._state.glob("*.pid"))) + 1)
        process = subprocess.Popen(
            [sys.executable, "-m", "exptools.launching.allocation", str(directory), str(index)],
            env={**os.environ, "FAKE_ID": id_},
            start_new_session=True,
            stdout=open(self._state / f"{id_}.log", "wb"),  # noqa: SIM115 - the child's
            stderr=subprocess.STDOUT,
        )
        (self._state / f"{id_}.pid").write_text(f"{process.pid} {directory}")
        return id_

    def submitted(self, directory: Path) -> list[str]:
        if (self._state / "lost again").exists():
            (self._state / "lost again").unlink()
            raise SchedulerAway("timed out")
        self._must_answer()
        found = [
            path.stem for path in self._state.glob("*.pid") if path.read_text().split()[1] == str(directory)
        ]
        return sorted(found, key=int)

    def look(self, ids: Iterable[str]) -> dict[str, Seen]:
        self._must_answer()
        return {id_: self._seen(id_) for id_ in ids if (self._state / f"{id_}.pid").exists()}

    def _seen(self, id_: str) -> Seen:
        if _lives(self._pid(id_)):
            return Seen(Phase.RUNNING, "RUNNING", "", "here")
        return Seen(Phase.ENDED, "CANCELLED" if (self._state / f"{id_}.cancelled").exists() else "FAILED")

    def cancel(self, ids: Sequence[str], *, only_waiting: bool = False) -> None:
        self._must_answer()
        for id_ in [] if only_waiting else ids:
            (self._state / f"{id_}.cancelled").touch()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid(id_), signal.SIGTERM)

    def last_words(self, directory: Path, index: int, id_: str) -> str:
        lines = (self._state / f"{id_}.log").read_text().splitlines()
        return lines[-1] if lines else ""

    def given(self) -> Given:
        return Given(id=os.environ["FAKE_ID"], node="here", has_gpus=Given.has_gpus_in())

    def why_stopped(self) -> Stop:
        if (self._state / f"{os.environ['FAKE_ID']}.cancelled").exists():
            return Stop.CANCELLED
        return Stop.LIMIT if (self._state / "limit").exists() else Stop.PREEMPTED

    def requeue(self) -> None:
        if not (self._state / "limit").exists():
            raise LaunchError("the fake queue starts nothing again")
        lives = f"grep -qv ') Z' /proc/{os.getpid()}/stat"
        command = f'while {lives}; do sleep 0.1; done 2>/dev/null; exec "$@"'
        again = [sys.executable, "-m", "exptools.launching.allocation", *sys.argv[1:]]
        id_ = os.environ["FAKE_ID"]
        process = subprocess.Popen(["sh", "-c", command, "sh", *again], start_new_session=True)
        (self._state / f"{id_}.pid").write_text(f"{process.pid} {sys.argv[1]}")

    def _pid(self, id_: str) -> int:
        return int((self._state / f"{id_}.pid").read_text().split()[0])

    def _must_answer(self) -> None:
        if (self._state / "away").exists():
            raise SchedulerAway("nobody is there")


def _lives(pid: int) -> bool:
    """Whether a process is there and not only waits for its parent to look."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def install(site: Path) -> dict[str, str]:
    """What pip would write for a package with this engine, below `site`; the environment that finds it."""
    info = site / "fake_queue-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: fake-queue\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[exptools.engines]\nfake = fake_queue:FakeQueue\n")
    path = os.pathsep.join(
        [str(site), str(Path(__file__).parent), *filter(None, [os.environ.get("PYTHONPATH")])]
    )
    return {"PYTHONPATH": path, "FAKE_QUEUE": str(site / "queue")}
