"""A sweep of empty jobs on a real Slurm of this machine, beside hydra-submitit-launcher, in one run.

    python benchmarks/slurm.py [IMPORT...]        # 24 jobs with each launcher, in three rounds
    python benchmarks/slurm.py --many [JOBS]      # default: 1000; what watching very many costs the launcher

Needs root and Debian's slurmctld, slurmd, slurm-client and munge. There are two nodes of two CPUs, gone
afterwards, so that four jobs run at a time.

Without --many every job imports the modules given (default: none) and returns. hydra-submitit-launcher and
exptools with an allocation of one CPU for each job; exptools with pack=6, so with four allocations; and with
pack=12, so with two allocations of a whole node. Prints seconds for the command, median of the rounds, and
the ratio to submitit's, median of the ratios within a round. The goals: a ratio of at most 1, and with pack
of at most 1/3. Only the ratios mean something on a shared machine; this Slurm looks for jobs to start every
2 s at the latest, so that seconds come in steps of two.

With --many there are two sweeps. In the first every job has an allocation and one runs at a time; the
launcher is told to leave after a minute. The second runs to its end, in ten allocations. Prints the peak of
the launcher's memory (VmHWM), its CPU seconds, and how often it called each of Slurm's commands in how many
seconds. The goals: less than 300 MB, and one call of squeue for all jobs each time that it looks.
"""

from __future__ import annotations

import collections
import contextlib
import os
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from many_jobs import Watched

sys.path.append(str(Path(__file__).resolve().parents[1] / "tests"))
from real_slurm import Cluster, missing

APP = """
{imports}
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="app", node={{"x": 0}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    return cfg.x

if __name__ == "__main__":
    main()
"""
N_JOBS, N_ROUNDS = 24, 3
LEAVES_S = 60.0
WISHES = {"cpus_per_task": "1", "mem_gb": "1", "timeout_min": "5"}
OURS = ["hydra/launcher=exptools", "hydra/sweeper=exptools", "hydra.launcher.engine=slurm"]


def ours(pack: int = 1, **wishes: str) -> list[str]:
    """exptools, with this many jobs in an allocation."""
    executor = [f"hydra.launcher.executor.{name}={value}" for name, value in {**WISHES, **wishes}.items()]
    return [*OURS, f"hydra.launcher.pack={pack}", *executor]


LAUNCHERS = {
    "submitit": [
        "hydra/launcher=submitit_slurm",
        *(f"hydra.launcher.{name}={value}" for name, value in WISHES.items()),
    ],
    "exptools": ours(),
    "pack=6": ours(6),
    "pack=12": ours(12, cpus_per_task="2"),
}


@dataclass(frozen=True)
class Cost:
    """What a launcher cost. calls: of Slurm's commands, by their names."""

    peak_mb: float
    cpu_s: float
    wall_s: float
    calls: Mapping[str, int]


@contextlib.contextmanager
def a_cluster() -> Iterator[Cluster]:
    """Two nodes of two CPUs; whatever happens, nothing of it is left."""
    home = Path(tempfile.mkdtemp(prefix="exptools-slurm-"))
    cluster = Cluster(home)
    try:
        cluster.start()
        yield cluster
    finally:
        cluster.stop()
        shutil.rmtree(home, ignore_errors=True)


def start(
    cluster: Cluster,
    directory: Path,
    settings: Sequence[str],
    jobs: int,
    imports: Sequence[str] = (),
    environ: Mapping[str, str] = MappingProxyType({}),
) -> subprocess.Popen[bytes]:
    """The launcher of a sweep of so many jobs."""
    (directory / "app.py").write_text(APP.format(imports="\n".join(f"import {name}" for name in imports)))
    sweep = ["-m", f"x=range({jobs})", "hydra.sweep.dir=out", *settings]
    with open(directory / "told", "wb") as told:
        return subprocess.Popen(
            [sys.executable, "app.py", *sweep],
            cwd=directory,
            env={**os.environ, **cluster.environ, **environ},
            stdout=told,
            stderr=subprocess.STDOUT,
        )


def end(process: subprocess.Popen[bytes], directory: Path, expected: int = 0) -> None:
    """Wait for a launcher, and fail if it did."""
    if process.wait() != expected:
        told = (directory / "told").read_text()[-3000:]
        sys.exit(f"{told}\n{' '.join(map(str, process.args))} ended with {process.returncode}")  # type: ignore[arg-type]


def seconds(cluster: Cluster, settings: Sequence[str], imports: Sequence[str]) -> float:
    """How long the command of a sweep takes."""
    with tempfile.TemporaryDirectory() as name:
        begun = time.perf_counter()
        end(start(cluster, Path(name), settings, N_JOBS, imports), Path(name))
        taken = time.perf_counter() - begun
        cluster.clear()
    return taken


def cost(cluster: Cluster, settings: Sequence[str], jobs: int, leaves_s: float | None = None) -> Cost:
    """Watch the launcher of a sweep. leaves_s: so long after its start it is told to leave its jobs alone."""
    with tempfile.TemporaryDirectory() as name:
        directory, calls = Path(name), Path(name, "calls")
        path = f"{counting(directory / 'bin', calls)}{os.pathsep}{os.environ['PATH']}"
        begun = time.perf_counter()
        process = start(cluster, directory, settings, jobs, environ={"PATH": path})
        watched, is_left = Watched(process), False
        while process.poll() is None:
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                watched.look()
            if leaves_s is not None and not is_left and time.perf_counter() - begun > leaves_s:
                process.send_signal(signal.SIGTERM)
                is_left = True
            time.sleep(0.02)
        wall_s = time.perf_counter() - begun
        end(process, directory, 128 + signal.SIGTERM if is_left else 0)
        words = (line.split() for line in calls.read_text().splitlines())
        counts = collections.Counter(command for pid, command in words if int(pid) == process.pid)
        cluster.clear()
    return Cost(watched.peak_mb, watched.cpu_s, wall_s, counts)


def counting(directory: Path, calls: Path) -> Path:
    """A directory for the head of PATH, whose commands write down who calls them and are Slurm's then."""
    directory.mkdir()
    for name in ("sbatch", "squeue", "scancel", "scontrol", "sacct"):
        script = directory / name
        script.write_text(f'#!/bin/sh\necho "$PPID {name}" >> {calls}\nexec {shutil.which(name)} "$@"\n')
        script.chmod(0o755)
    return directory


def compare(cluster: Cluster, imports: Sequence[str]) -> None:
    """All launchers in turns; a line each."""
    print(f"{N_JOBS} empty jobs, four at a time, each importing {', '.join(imports) or 'nothing'}")
    taken: dict[str, list[float]] = {name: [] for name in LAUNCHERS}
    for _ in range(N_ROUNDS):
        for name, settings in LAUNCHERS.items():
            taken[name].append(seconds(cluster, settings, imports))
    for name, rounds in taken.items():
        ratio = statistics.median(
            ours / theirs for ours, theirs in zip(rounds, taken["submitit"], strict=True)
        )
        each = " ".join(f"{one:.1f}" for one in rounds)
        print(f"{name:10} {statistics.median(rounds):8.2f} s {ratio:8.2f} x submitit   ({each})")


def watch_many(cluster: Cluster, jobs: int) -> None:
    """The two sweeps of --many; a line each."""
    one_by_one = cost(cluster, ours(1, array_parallelism="1"), jobs, LEAVES_S)
    tell(f"{jobs} waiting", one_by_one)
    tell(f"{jobs} in ten", cost(cluster, ours(-(-jobs // 10)), jobs))


def tell(name: str, found: Cost) -> None:
    """A line of the costs of a launcher."""
    calls = ", ".join(f"{n} {command}" for command, n in sorted(found.calls.items()))
    own = f"peak {found.peak_mb:4.0f} MB   CPU {found.cpu_s:5.1f} s"
    print(f"{name:14} {own}   {calls} in {found.wall_s:.0f} s", flush=True)


def main() -> None:
    """Measure, print a line each."""
    if reason := missing():
        sys.exit(f"no Slurm to measure: {reason}")
    words = sys.argv[1:]
    with a_cluster() as cluster:
        if words[:1] == ["--many"]:
            watch_many(cluster, int(words[1]) if len(words) > 1 else 1000)
        else:
            compare(cluster, words)


if __name__ == "__main__":
    main()
