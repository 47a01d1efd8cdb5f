"""Cost of logging scalars: exptools (progress.csv and event file) beside other writers, in one run.

    python benchmarks/log_scalars.py [STEPS]

10 scalars a step. Each writer works in a fresh process of its own, three times; the medians are printed:
microseconds a scalar (opening and closing are not counted, the last flush is), the median time of a call,
bytes on the disk a scalar, how much memory grew from the first tenth of the steps to the end, and what it
takes to import and open it. torch's writer and wandb (offline) are measured where they are installed. Only
the ratios mean something on a shared machine.
"""

from __future__ import annotations

import csv
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

N_TAGS = 10
TAGS = [f"tag{i}" for i in range(N_TAGS)]
N_TIMED_CALLS = 20_000

# How a writer is opened: gives back what logs a scalar, what ends a step, and what closes it.
Opened = tuple[Callable[[str, float, int], Any], Callable[[int], Any], Callable[[], Any]]


def _nothing(step: int) -> None:
    pass


def exptools(directory: str) -> Opened:
    """progress.csv and the event file, flushed every second."""
    from exptools.logging import logger, logger_context

    context = logger_context(directory, 0, "bench")
    context.__enter__()
    return logger.log_scalar, _nothing, lambda: context.__exit__(None, None, None)


def bare_csv(directory: str) -> Opened:
    """csv.writer with a flush per row: the floor."""
    file = open(f"{directory}/bare.csv", "w", newline="")  # noqa: SIM115
    writer = csv.writer(file)
    row: list[float] = []

    def log(tag: str, value: float, step: int) -> None:
        row.append(value)

    def end(step: int) -> None:
        writer.writerow([step, time.time(), *row])
        file.flush()
        row.clear()

    return log, end, file.close


def tensorboardx(directory: str) -> Opened:
    """tensorboardX.SummaryWriter."""
    from tensorboardX import SummaryWriter

    writer = SummaryWriter(directory)
    return writer.add_scalar, _nothing, writer.close


def torch(directory: str) -> Opened:
    """torch.utils.tensorboard.SummaryWriter."""
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(directory)  # type: ignore[no-untyped-call]
    return writer.add_scalar, _nothing, writer.close


def wandb(directory: str) -> Opened:
    """wandb offline, one log call a step, as it is meant to be used."""
    import wandb as w

    run = w.init(mode="offline", dir=directory, project="bench", settings=w.Settings(silent=True))
    row: dict[str, float] = {}

    def end(step: int) -> None:
        run.log(row, step=step)
        row.clear()

    def log(tag: str, value: float, step: int) -> None:
        row[tag] = value

    return log, end, run.finish


PEERS = {
    "exptools": exptools,
    "csv.writer": bare_csv,
    "tensorboardX": tensorboardx,
    "torch": torch,
    "wandb": wandb,
}


def measure(name: str, steps: int) -> dict[str, float]:
    """All figures of one writer, in this process."""
    with tempfile.TemporaryDirectory() as directory:
        begun = time.perf_counter()
        log, end, close = PEERS[name](directory)
        opening = time.perf_counter() - begun
        process = psutil.Process()
        begun, memory = time.perf_counter(), 0
        for step in range(steps):
            for tag in TAGS:
                log(tag, step * 0.1, step)
            end(step)
            if step == steps // 10:
                memory = process.memory_info().rss
        grown = process.memory_info().rss - memory
        close()
        taken = time.perf_counter() - begun
        size = sum(path.stat().st_size for path in Path(directory).rglob("*") if path.is_file())
        n = steps * N_TAGS
        return {
            "us": taken / n * 1e6,
            "call": _time_of_a_call(name) * 1e6,
            "bytes": size / n,
            "grown": grown / 2**20,
            "opening": opening * 1e3,
        }


def _time_of_a_call(name: str) -> float:
    """Median seconds of a call, without what the clock itself takes; NaN of one that logs whole steps."""
    if name in ("csv.writer", "wandb"):
        return float("nan")
    taken, clock = [], time.perf_counter
    with tempfile.TemporaryDirectory() as directory:
        log, _, close = PEERS[name](directory)
        for i in range(N_TIMED_CALLS):
            begun = clock()
            log(TAGS[i % N_TAGS], 0.1, i // N_TAGS)
            ended = clock()
            taken.append(ended - begun - (clock() - ended))
        close()
    return statistics.median(taken)


def in_a_process(name: str, steps: int) -> dict[str, float] | None:
    """`measure` in a fresh process; None if its library is not installed."""
    command = [sys.executable, __file__, str(steps), name]
    done = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "WANDB_SILENT": "true"})
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Measure all in turns, print a line each."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    if len(sys.argv) > 2:
        print(json.dumps(measure(sys.argv[2], steps)))
        return
    rounds = [{name: in_a_process(name, steps) for name in PEERS} for _ in range(3)]
    print(f"{steps:,} steps x {N_TAGS} scalars; medians of three")
    print(f"{'':14}{'us/scalar':>10}{'ratio':>8}{'call us':>9}{'bytes':>8}{'grown MB':>10}{'open ms':>9}")
    ours = statistics.median(found["exptools"]["us"] for found in rounds if found["exptools"])
    for name in PEERS:
        found = [one[name] for one in rounds]
        figures = [one for one in found if one is not None]
        if not figures:
            print(f"{name:14}  not installed")
            continue
        mid = {key: statistics.median(one[key] for one in figures) for key in figures[0]}
        print(
            f"{name:14}{mid['us']:10.2f}{mid['us'] / ours:7.1f}x{mid['call']:9.2f}"
            f"{mid['bytes']:8.1f}{mid['grown']:10.1f}{mid['opening']:9.0f}"
        )


if __name__ == "__main__":
    main()
