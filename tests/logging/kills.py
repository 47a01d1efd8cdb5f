"""Kill a training at random moments and look at what is left.

    python tests/logging/kills.py [N]      N kills (100); prints what docs/logging.md says of them

A child logs some 800 steps a second in three tags, and every 400 steps in a new one, which widens
progress.csv. Half of the children save a snapshot every 100 steps. It is ended by SIGKILL at a random moment;
when it logged each step it has written into memory that it shares with us.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import mmap
import random
import statistics
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any, Literal

MOST_STEPS = 20_000
LONGEST_S = 4.0
WRITERS = ["csv", "tensorboard", "jsonl", "text"]
_CELL = struct.Struct("<d")

CHILD = """
import mmap, os, signal, sys, time
from exptools.logging import logger, logger_context

if sys.argv[1] == "between":
    from exptools.logging.writers.events import EventsWriter
    write = EventsWriter.write
    def write_once(self, records):
        os.kill(os.getpid(), signal.SIGKILL) if self.position() else write(self, records)
    EventsWriter.write = write_once

with open("times", "r+b") as file, mmap.mmap(file.fileno(), 0) as shared:
    times = memoryview(shared).cast("d")
    saves = sys.argv[1] == "saves"
    with logger_context("logs", 0, "killed", snapshot_mode="last", writers=sys.argv[2:]):
        for step in range(len(times)):
            times[step] = time.time()
            for name in "abc":
                logger.log_scalar(name, step + 0.25, step)
            if step % 400 == 0:
                logger.log_scalar(f"new{step}", 1.0, step)
            if saves and step % 100 == 0:
                logger.save_snapshot(step, {"step": step})
            time.sleep(0.001)
"""


@dataclasses.dataclass(frozen=True)
class Kill:
    """What one kill left.

    after_s: of the logging, when it came. n_logged: steps by then. lost_s: how old the oldest step was that
    no file has; of none, 0. torn: files whose last record was cut through, before the run went on.
    """

    after_s: float
    n_logged: int
    lost_s: float
    torn: tuple[str, ...]


class Trial:
    """A training that is going to be killed, in `directory`."""

    def __init__(self, directory: Path, kind: Literal["", "saves", "between"] = "") -> None:
        """kind: it saves snapshots, which flush; or it ends itself when it has written progress.csv for the
        second time, and the event file not yet."""
        self.run_dir = directory / "logs" / "run_0"
        self._times = directory / "times"
        self._times.write_bytes(bytes(MOST_STEPS * _CELL.size))
        command = [sys.executable, "-c", CHILD, kind, *WRITERS]
        self._process = subprocess.Popen(command, cwd=directory, stdout=subprocess.DEVNULL)

    def kill(self, after_s: float) -> Kill:
        """Wait until it has logged for `after_s` seconds, kill it, and look; then let the run go on."""
        while not self.times():
            assert self._process.poll() is None, "the training has ended by itself"
            time.sleep(0.005)
        begun = self.times()[0]
        time.sleep(max(0.0, begun + after_s - time.time()))
        killed = time.time()
        self.end()
        times = self.times()
        steps = {"progress.csv": _whole_rows(self.run_dir), "event file": _events(self.run_dir)}
        first_lost = min(len(found) for found in steps.values())
        for name, found in steps.items():
            assert found == list(range(len(found))), f"{name}: {found[-5:]}"  # no gap, nothing twice
        torn = _torn(self.run_dir)
        self._go_on(len(times))
        # The last one may have been on its way.
        lost_s = killed - times[first_lost] if first_lost < len(times) - 1 else 0.0
        return Kill(killed - begun, len(times), lost_s, torn)

    def end(self) -> None:
        """End the training, if it is not dead yet."""
        self._process.kill()
        self._process.wait()

    def times(self) -> list[float]:
        """When each step was logged, in seconds since the epoch."""
        with open(self._times, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as shared:
            data = shared[:]
        found = [value for (value,) in _CELL.iter_unpack(data)]
        return found[: found.index(0.0)]

    def _go_on(self, step: int) -> None:
        """A second attempt repairs the files: each has then what it had, and what this one adds."""
        from exptools.logging import logger, logger_context

        before = _whole_rows(self.run_dir), _events(self.run_dir)
        with logger_context(self.run_dir.parent, 0, "killed", writers=WRITERS):
            snapshot = logger.load_snapshot()
            assert snapshot is None or snapshot.state == {"step": snapshot.step}
            logger.log_scalar("a", step + 0.25, step)
        now = _whole_rows(self.run_dir), _events(self.run_dir)
        for had, has in zip(before, now, strict=True):  # one file may have had a second more than the other
            kept = had if snapshot is None else list(range(snapshot.step + 1))
            assert has == [*kept, step], (had[-3:], snapshot, step, has[-3:])
        assert _torn(self.run_dir) == ()


def _whole_rows(run_dir: Path) -> list[int]:
    """The steps of progress.csv as any reader of CSV sees them, but for a last line that has no end."""
    path = run_dir / "progress.csv"
    if not path.exists():
        return []
    text = path.read_text()
    whole = text[: text.rindex("\n") + 1] if "\n" in text else ""
    rows = list(csv.reader(whole.splitlines()))
    steps = []
    for row in rows[1:]:
        assert len(row) == len(rows[0])
        cells = dict(zip(rows[0], row, strict=True))
        if cells["a"]:  # a flush in the midst of a step makes two rows of it
            steps.append(int(cells["step"]))
        values = {float(cells[tag]) for tag in "abc" if cells.get(tag)}
        assert values <= {int(cells["step"]) + 0.25}
    return steps


def _events(run_dir: Path) -> list[int]:
    """The steps of tag a as TensorBoard's reader sees them."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    accumulator = EventAccumulator(str(run_dir), size_guidance={"scalars": 0})
    accumulator.Reload()
    return [event.step for event in accumulator.Scalars("a")] if "a" in accumulator.Tags()["scalars"] else []


def _torn(run_dir: Path) -> tuple[str, ...]:
    """The files of the run whose last record is cut through."""
    from exptools.formats.tfrecord import Damage, records

    found = []
    for path in sorted(run_dir.glob("*tfevents*")):
        damages = [one for one in records(path.read_bytes()) if isinstance(one, Damage)]
        assert all(one.torn for one in damages), damages
        found += ["event file"] * len(damages)
    for name in ("progress.csv", "progress.jsonl", "debug.log"):
        lines = (run_dir / name).read_text().splitlines(True) if (run_dir / name).exists() else []
        whole = [line for line in lines if line.endswith("\n")]
        found += [name] * (len(lines) - len(whole))
        if name.endswith("jsonl"):
            for line in whole:
                json.loads(line)
    return tuple(found)


def kills(n: int, seed: int, at_once: int = 8) -> list[Kill]:
    """Kill `n` trainings, some at once, each at its own random moment."""
    draw = random.Random(seed)
    found: list[Kill] = []
    while len(found) < n:
        with tempfile.TemporaryDirectory() as directory:
            trials = []
            for i in range(min(at_once, n - len(found))):
                (Path(directory) / str(i)).mkdir()
                trials.append(Trial(Path(directory) / str(i), "saves" if i % 2 == 0 else ""))
            moments = sorted(draw.uniform(0, LONGEST_S) for _ in trials)
            try:
                found += [trial.kill(moment) for trial, moment in zip(trials, moments, strict=True)]
            finally:
                for trial in trials:
                    trial.end()
    return found


def told(found: list[Kill]) -> str:
    """The figures of many kills."""
    lost = sorted(kill.lost_s for kill in found)
    torn: dict[str, Any] = {}
    for kill in found:
        for name in kill.torn:
            torn[name] = torn.get(name, 0) + 1
    when = [kill.after_s for kill in found]
    n_steps = sum(kill.n_logged for kill in found)
    return (
        f"{len(found)} kills after {min(when):.2f} to {max(when):.2f} s, {n_steps:,} steps logged\n"
        f"age of the oldest step that was lost: median {statistics.median(lost):.2f} s, "
        f"90 % {lost[int(0.9 * len(lost))]:.2f} s, most {lost[-1]:.2f} s\n"
        f"torn last records: {torn or 'none'}"
    )


if __name__ == "__main__":
    print(told(kills(int(sys.argv[1]) if len(sys.argv) > 1 else 100, seed=time.time_ns())))
