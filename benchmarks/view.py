"""From a tree of runs to the table and the CSV: exptools beside polars' CSV reader and tbparse, in one run.

    python benchmarks/view.py [RUNS [LONG]]

- one run of 50 tags x 20,000 steps: our reader beside polars' read_csv of the same file;
- RUNS (default 100) runs x 10 tags x 10,000 steps: `exptools-view --csv` of progress.csv and of event files,
  tbparse's frame written by pandas' to_csv (of 10 runs, times RUNS / 10); peak memory and time for RUNS and
  4 x RUNS;
- the table of 1,000 runs x 5 tags x 200 steps, and of LONG (default RUNS) runs x 50 tags x 10,000 steps, cold
  and from the cache; one tag of all long ones from the cache. 1,000 long ones need 4 GB for their cache.

Each command is a fresh process; medians of three. tbparse is measured where it is installed. Only the ratios
mean something on a shared machine.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from exptools import rundir
from exptools.rundir import State, Status

DISTINCT = 4  # runs of a tree that are made; the others are links to them
VIEW = [sys.executable, "-m", "exptools.viewing.cli"]
READ = """
import sys, time, polars, exptools
from exptools.viewing.api import load
list(load(sys.argv[2], cache=False).readings())  # what is imported on the way is paid for
begun = time.perf_counter()
{what}
print(time.perf_counter() - begun)
"""
POLARS = READ.format(what="polars.read_csv(sys.argv[1] + '/progress.csv')")
OURS = READ.format(what="list(load(sys.argv[1], cache=False).readings())")
TBPARSE = (
    "import sys\nfrom tbparse import SummaryReader\nSummaryReader(sys.argv[1]).scalars.to_csv(sys.argv[2])"
)

ONE_TAG = """
import sys, time, exptools
exptools.load(sys.argv[2]).scalars("train/tag1")  # what is imported on the way is paid for
begun = time.perf_counter()
runs = exptools.load(sys.argv[1])
loaded = time.perf_counter()
frames = len(runs.scalars("train/tag7"))
print(f"{loaded - begun:.2f} {time.perf_counter() - loaded:.2f} {frames:,}")
"""


class Cost(NamedTuple):
    """Of a command: seconds, and the peak of its memory in MB."""

    seconds: float
    peak_mb: float


def cost(*command: object, rounds: int = 3) -> Cost:
    """The median of a few times, and the largest peak."""
    costs = [_once(*map(str, command)) for _ in range(rounds)]
    return Cost(statistics.median(c.seconds for c in costs), max(c.peak_mb for c in costs))


def _once(*command: str) -> Cost:
    begun = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert process.stderr is not None
    said = process.stderr.read().decode()
    _, code, used = os.wait4(process.pid, 0)
    if code:
        sys.exit(f"{' '.join(command)} failed:\n{said}")
    return Cost(time.perf_counter() - begun, used.ru_maxrss / 1024)


def tree(root: Path, runs: int, tags: int, steps: int) -> Path:
    """Runs of exptools, with a config each."""
    rng = np.random.default_rng(0)
    for i in range(runs):
        run = root / str(i)
        run.mkdir(parents=True)
        if i < DISTINCT:
            columns = {"step": np.arange(steps), "wall_time": 1.7e9 + np.arange(steps) * 0.37}
            values = {f"train/tag{j}": rng.normal(size=steps).cumsum() for j in range(tags)}
            pl.DataFrame({**columns, **values}).write_csv(run / rundir.PROGRESS)
        else:
            os.link(root / str(i % DISTINCT) / rundir.PROGRESS, run / rundir.PROGRESS)
        config = {
            "lr": [1e-3, 1e-4][i % 2],
            "model": {"name": ["small", "large"][i // 2 % 2]},
            "seed": i // 4,
        }
        rundir.write_json(run / rundir.VARIANT, config)
        rundir.write_status(run, Status(State.COMPLETED, start=1000.0, end=1012.0))
    return root


def event_tree(root: Path, source: Path) -> Path:
    """The same runs as event files, one value per event, as torch and tensorboardX write them."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    from exptools.formats.tfrecord import frame

    for run in sorted(source.glob("[0-9]*"), key=lambda path: int(path.name)):
        made = root / run.name
        made.mkdir(parents=True)
        if int(run.name) >= DISTINCT:
            shutil.copyfile(root / str(int(run.name) % DISTINCT) / "tfevents.1", made / "tfevents.1")
            continue
        table = pl.read_csv(run / rundir.PROGRESS)
        with open(made / "tfevents.1", "wb") as file:
            file.write(frame(Event(file_version="brain.Event:2", wall_time=1.0).SerializeToString()))
            for step, wall_time, *values in table.iter_rows():
                for tag, value in zip(table.columns[2:], values, strict=True):
                    summary = Summary(value=[Summary.Value(tag=tag, simple_value=value)])
                    event = Event(step=step, wall_time=wall_time, summary=summary)
                    file.write(frame(event.SerializeToString()))
    return root


def line(name: str, found: Cost, base: Cost | None = None, note: str = "") -> None:
    """Print one."""
    ratio = "" if base is None else f"{found.seconds / base.seconds:7.2f} x"
    print(f"  {name:44}{found.seconds:8.2f} s {found.peak_mb:6.0f} MB {ratio} {note}", flush=True)


def reading(root: Path) -> None:
    """Our reader of progress.csv beside polars' of any CSV."""
    print("one run, 50 tags x 20,000 steps; without imports")
    run, small = tree(root / "one", 1, 50, 20_000) / "0", tree(root / "small", 1, 2, 10) / "0"
    taken = {
        name: statistics.median(
            float(subprocess.check_output([sys.executable, "-c", code, run, small])) for _ in range(5)
        )
        for name, code in (("polars.read_csv", POLARS), ("exptools", OURS))
    }
    for name, seconds in taken.items():
        print(f"  {name:44}{seconds:8.3f} s {seconds / taken['polars.read_csv']:17.2f} x")


def exporting(root: Path, runs: int) -> None:
    """--csv of many runs."""
    print(f"CSV of {runs} runs x 10 tags x 10,000 steps ({runs / 10:.0f} M frames)")
    few, many = tree(root / "few", runs, 10, 10_000), tree(root / "many", 4 * runs, 10, 10_000)
    out = root / "out.csv"
    ours = cost(*VIEW, few, "--csv", out, "--no-cache")
    line("exptools-view --csv --no-cache", ours)
    line(f"  4 x {runs} runs", cost(*VIEW, many, "--csv", out, "--no-cache"), ours, "(4.4 allowed)")
    cost(*VIEW, few, rounds=1)
    line("  from the cache", cost(*VIEW, few, "--csv", out), ours)
    line("  --wide", cost(*VIEW, few, "--csv", out, "--wide", "--no-cache"), ours)
    line("  --parquet", cost(*VIEW, few, "--parquet", out, "--no-cache"), ours)
    events = event_tree(root / "events", few)
    line("exptools-view --csv, of event files", cost(*VIEW, events, "--csv", out, "--no-cache"), ours)
    ten = root / "ten"
    for i in range(10):
        shutil.copytree(events / str(i), ten / str(i))
    if not subprocess.run([sys.executable, "-c", "import tbparse"], capture_output=True).returncode:
        peer = cost(sys.executable, "-c", TBPARSE, ten, out, rounds=1)
        scaled = Cost(peer.seconds * runs / 10, peer.peak_mb * runs / 10)
        line("tbparse and pandas, x RUNS / 10", scaled, ours)


def looking(root: Path, runs: int) -> None:
    """The table, and one tag."""
    print("the table")
    short = tree(root / "short", 1000, 5, 200)
    line("1,000 runs x 5 tags x 200 steps, cold", cost(*VIEW, short, "--no-cache"))
    cost(*VIEW, short, rounds=1)
    line("  from the cache", cost(*VIEW, short))
    long = tree(root / "long", runs, 50, 10_000)
    line(f"{runs} runs x 50 tags x 10,000 steps, cold", cost(*VIEW, long, "--no-cache", rounds=1))
    cost(*VIEW, long, rounds=1)
    line("  from the cache", cost(*VIEW, long))
    line("  one tag of them, from the cache", cost(sys.executable, "-c", ONE_TAG, long, short))
    taken = subprocess.check_output([sys.executable, "-c", ONE_TAG, long, short], text=True).split()
    print("    of that without imports: load {} s, scalars {} s, {} frames".format(*taken))


def main() -> None:
    """Measure all, print a line each."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    long = int(sys.argv[2]) if len(sys.argv) > 2 else runs
    with tempfile.TemporaryDirectory() as scratch:
        reading(Path(scratch))
        exporting(Path(scratch), runs)
        looking(Path(scratch), long)
    print(json.dumps({"cpus": os.cpu_count()}))


if __name__ == "__main__":
    main()
