"""Cost of logging scalars: exptools (progress.csv and event file) beside other writers, in one run.

    python benchmarks/log_scalars.py [STEPS]

10 scalars a step. Prints microseconds a scalar, median of three, and the ratio to exptools; torch's writer is
measured where torch is installed. Only the ratios mean something on a shared machine.
"""

from __future__ import annotations

import csv
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

TAGS = [f"tag{i}" for i in range(10)]
Log = Callable[[Path, int], None]


def exptools(directory: Path, steps: int) -> None:
    """progress.csv, flushed every second, and the event file."""
    from exptools.logging import logger, logger_context

    with logger_context(directory, 0, "bench"):
        for step in range(steps):
            for tag in TAGS:
                logger.log_scalar(tag, step * 0.1, step)


def bare_csv(directory: Path, steps: int) -> None:
    """csv.writer with a flush per row: the floor."""
    with open(directory / "bare.csv", "w", newline="") as file:
        writer = csv.writer(file)
        for step in range(steps):
            writer.writerow([step, time.time(), *(step * 0.1 for _ in TAGS)])
            file.flush()


def _summary_writer(make: Callable[[str], Any]) -> Log:
    def log(directory: Path, steps: int) -> None:
        writer = make(str(directory))
        for step in range(steps):
            for tag in TAGS:
                writer.add_scalar(tag, step * 0.1, step)
        writer.close()

    return log


def peers() -> dict[str, Log]:
    """What is measured, by name."""
    import tensorboardX

    found: dict[str, Log] = {
        "exptools": exptools,
        "csv.writer": bare_csv,
        "tensorboardX": _summary_writer(tensorboardX.SummaryWriter),
    }
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        return found
    return {**found, "torch": _summary_writer(SummaryWriter)}


def seconds(log: Log, steps: int) -> float:
    """Median of three runs, each in a directory of its own, opening and closing included."""
    taken = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            begun = time.perf_counter()
            log(Path(directory), steps)
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main() -> None:
    """Measure all, print a line each."""
    steps = int(sys.argv[1]) if len(sys.argv) > 1 else 20_000
    ours = seconds(exptools, steps)
    print(f"{steps} steps x {len(TAGS)} scalars")
    for name, log in peers().items():
        taken = ours if log is exptools else seconds(log, steps)
        print(f"{name:14} {taken / steps / len(TAGS) * 1e6:8.2f} us a scalar {taken / ours:8.2f} x exptools")


if __name__ == "__main__":
    main()
