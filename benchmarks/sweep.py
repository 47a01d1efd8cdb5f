"""Cost of a sweep of empty jobs: the whole command with each launcher, in one run.

    python benchmarks/sweep.py [JOBS] [IMPORT...]

Every job imports the modules given (default: numpy) and returns. Prints seconds for the command, median of
three, and the ratio to exptools. Only the ratios mean something on a shared machine.
"""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from launchers import BASIC, JOBLIB, OURS, REUSED, SPAWNED

APP = """
import {imports}
import hydra
from hydra.core.config_store import ConfigStore

ConfigStore.instance().store(name="app", node={{"x": 0}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    return cfg.x

if __name__ == "__main__":
    main()
"""
LAUNCHERS = {
    "exptools": OURS,
    "spawned": SPAWNED,
    "engine=joblib": REUSED,
    "joblib": JOBLIB,
    "basic": BASIC,
}


def seconds(settings: list[str], jobs: int, imports: str) -> float:
    """Median of three commands, each in a directory of its own."""
    taken = []
    for _ in range(3):
        with tempfile.TemporaryDirectory() as directory:
            Path(directory, "app.py").write_text(APP.format(imports=imports))
            sweep = ["-m", f"x=range({jobs})", "hydra.sweep.dir=out", *settings]
            begun = time.perf_counter()
            subprocess.run(
                [sys.executable, "app.py", *sweep], cwd=directory, check=True, stdout=subprocess.DEVNULL
            )
            taken.append(time.perf_counter() - begun)
    return statistics.median(taken)


def main() -> None:
    """Measure all, print a line each."""
    jobs = int(sys.argv[1]) if len(sys.argv) > 1 else 20
    imports = ", ".join(sys.argv[2:]) or "numpy"
    print(f"{jobs} empty jobs on 2 slots, each importing {imports}")
    ours = seconds(LAUNCHERS["exptools"], jobs, imports)
    for name, settings in LAUNCHERS.items():
        taken = ours if name == "exptools" else seconds(settings, jobs, imports)
        print(f"{name:13} {taken:8.2f} s {taken / ours:8.2f} x exptools")


if __name__ == "__main__":
    main()
