"""What the launcher's own process costs when very many jobs wait: its memory and its CPU time, by phase.

    python benchmarks/many_jobs.py [JOBS...]             # default: 1000 3000 10000; one of them runs
    python benchmarks/many_jobs.py --run [JOBS...]       # default: 300 1000; all run, beside joblib

Without --run the first job fails and hydra.launcher.max_failures=1 ends the sweep: all are composed, get
their directories, wait, and are told that they never began; that takes a minute. With --run every job runs,
empty, on 2 slots, and the smallest sweep runs by hydra-joblib-launcher too.

Prints the peak of the launcher's memory (VmHWM) and its CPU milliseconds a job: those of its phases (first
composing, with the start of the command; making directories; running; ending), their sum, and the ratio of
the sum to that of the first line. joblib's phases are not told apart, and all is in the first. What the
processes of the jobs use is not in it. The goals: less than 300 MB for 10,000 jobs, and a ratio that does
not grow with them.
"""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

from launchers import JOBLIB, OURS

APP = """
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="app", node={"x": 0, "fail": False, "model": {"width": 64}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    assert not cfg.fail
    return cfg.x

if __name__ == "__main__":
    main()
"""
ONE_FAILS = ["fail=true", "hydra.launcher.max_failures=1", "hydra.launcher.start=spawn"]
TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True)
class Cost:
    """peak_mb: of the launcher's memory. phases_s: its CPU time. wall_s: of the whole command."""

    peak_mb: float
    phases_s: tuple[float, ...]
    wall_s: float


class Watched:
    """A launcher as /proc shows it."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._proc = Path("/proc", str(process.pid))
        self.cpu_s = self.peak_mb = 0.0

    def look(self) -> None:
        """Take its CPU time, without that of its jobs, and its peak of memory, as long as it is there."""
        user, system = (self._proc / "stat").read_text().rpartition(")")[2].split()[11:13]
        peak = [line for line in (self._proc / "status").read_text().splitlines() if "VmHWM" in line]
        if peak:
            self.cpu_s, self.peak_mb = (int(user) + int(system)) / TICKS, int(peak[0].split()[1]) / 1024


def cost(settings: list[str], jobs: int) -> Cost:
    """Run a sweep of so many jobs and watch its launcher."""
    with tempfile.TemporaryDirectory() as directory:
        Path(directory, "app.py").write_text(APP)
        sweep = ["-m", f"x=range({jobs})", "hydra.sweep.dir=out", *settings]
        begun = time.perf_counter()
        process = subprocess.Popen(
            [sys.executable, "app.py", *sweep],
            cwd=directory,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        ends = _phases(process, Path(directory, "out", "sweep.json"), jobs)
        wall_s = time.perf_counter() - begun
        if process.returncode != (settings[-3:] == ONE_FAILS):
            sys.exit(f"{' '.join(sweep)} ended with {process.returncode}")
    times = [0.0, *(cpu_s for cpu_s, _ in ends)]
    phases_s = tuple(after - before for before, after in itertools.pairwise(times))
    return Cost(ends[-1][1], phases_s, wall_s)


def _phases(process: subprocess.Popen[str], sweep: Path, jobs: int) -> list[tuple[float, float]]:
    """CPU seconds and peak of memory at the end of each phase."""
    watched, ended = Watched(process), threading.Event()
    ends: list[tuple[float, float]] = []

    def follow() -> None:
        assert process.stdout is not None
        for line in process.stdout:
            if "Launching" in line:
                marks["ready"].set()
            if f"/{jobs}]" in line and (f"[{jobs}/" in line or "fail=true" in line):
                marks["ran"].set()
        ended.set()

    marks = {"ready": threading.Event(), "ran": threading.Event()}
    threading.Thread(target=follow, daemon=True).start()
    for is_over in (sweep.exists, marks["ready"].is_set, marks["ran"].is_set, ended.is_set):
        while not (is_over() or ended.is_set()):
            time.sleep(0.01)
            try:
                watched.look()
            except (FileNotFoundError, ProcessLookupError):
                break
        ends.append((watched.cpu_s, watched.peak_mb))
    process.wait()
    return ends


def main() -> None:
    """Measure all, print a line each."""
    words = sys.argv[1:]
    runs = words[:1] == ["--run"]
    sizes = [int(word) for word in words[runs:]] or ([300, 1000] if runs else [1000, 3000, 10_000])
    rows = [("exptools", n, OURS if runs else [*OURS, *ONE_FAILS]) for n in sizes]
    if runs:
        rows.append(("joblib", min(sizes), JOBLIB))
    print("launcher      jobs   peak MB   CPU ms a job: composing directories running ending = all   x first")
    first = None
    for name, n, settings in rows:
        found = cost(settings, n)
        each = [1e3 * s / n for s in found.phases_s]
        first = first or sum(each)
        parts = " ".join(f"{ms:8.2f}" for ms in each)
        print(
            f"{name:10} {n:7} {found.peak_mb:9.0f} {parts} = {sum(each):8.2f} {sum(each) / first:8.2f}"
            f"   ({found.wall_s:.0f} s)",
            flush=True,
        )


if __name__ == "__main__":
    main()
