"""Idle time of a slot between two jobs, with each launcher, in one run.

    python benchmarks/idle.py [JOBS] [IMPORT...]

The time from the return of a job's task function to the first statement of the next job's on the same slot,
with the application's imports in place, as the jobs themselves see it: each writes down its slot, its begin
and its end. Two slots, jobs that sleep 0.1 s; the modules given (default: torch, or else numpy and scipy) are
imported at the head of the script. The first job of a slot has none before it and is not counted.

Prints milliseconds, median and 90th percentile, and the ratio of the medians to exptools. A slot of joblib is
a worker that is used again, in which nothing is started or ended. Only the ratios mean something on a shared
machine; the goal for exptools is a median of at most 60 ms.
"""

from __future__ import annotations

import collections
import importlib.util
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from launchers import JOBLIB, OURS, SPAWNED

APP = """
import os, time
{imports}
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="app", node={{"x": 0, "times": "times.txt"}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    begun = time.time()
    slot = os.environ.get("EXPTOOLS_AFFINITY_CODE", os.getpid())
    time.sleep(0.1)
    with open(cfg.times, "a") as file:
        file.write(f"{{slot}} {{begun}} {{time.time()}}\\n")

if __name__ == "__main__":
    main()
"""
LAUNCHERS = {"exptools": OURS, "spawned": SPAWNED, "joblib": JOBLIB}


def idle_ms(settings: list[str], jobs: int, imports: list[str]) -> list[float]:
    """Milliseconds between two jobs on one slot, sorted."""
    with tempfile.TemporaryDirectory() as directory:
        app, times = Path(directory, "app.py"), Path(directory, "times.txt")
        app.write_text(APP.format(imports="\n".join(f"import {name}" for name in imports)))
        sweep = ["-m", f"x=range({jobs})", f"times='{times}'", "hydra.sweep.dir=out", *settings]
        command = [sys.executable, str(app), *sweep]
        subprocess.run(command, cwd=directory, check=True, stdout=subprocess.DEVNULL)
        return _between(times.read_text().splitlines())


def _between(lines: list[str]) -> list[float]:
    slots: dict[str, list[tuple[float, float]]] = collections.defaultdict(list)
    for line in lines:
        slot, begun, ended = line.split()
        slots[slot].append((float(begun), float(ended)))
    pairs = [pair for spans in slots.values() for pair in zip(sorted(spans), sorted(spans)[1:], strict=False)]
    return sorted(1e3 * (after[0] - before[1]) for before, after in pairs)


def main() -> None:
    """Measure all, print a line each."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 40
    default = ["torch"] if importlib.util.find_spec("torch") else ["numpy", "scipy.stats"]
    imports = sys.argv[2:] or default
    print(f"idle time between two of {jobs} jobs on 2 slots, each importing {', '.join(imports)}")
    measured = {name: idle_ms(settings, jobs, imports) for name, settings in LAUNCHERS.items()}
    ours = statistics.median(measured["exptools"])
    for name, ms in measured.items():
        median, p90 = statistics.median(ms), statistics.quantiles(ms, n=10)[-1]
        print(f"{name:10} median {median:8.1f} ms   p90 {p90:8.1f} ms {median / ours:8.2f} x exptools")


if __name__ == "__main__":
    main()
