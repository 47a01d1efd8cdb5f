"""`make demo`: a sweep of real trainings, then the table, the CSV and the figure that come out of it.

It runs the same commands that you would type, and prints them.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

HERE = Path(__file__).parent
BIN = Path(sys.executable).parent
SWEEP = ["model=small,large", "lr=1e-1,1e-2", "seed=0,1,2"]


def main() -> int:
    """Run the sweep and the viewer; the exit code is the first that is not 0."""
    sweep = Path(sys.argv[1] if len(sys.argv) > 1 else "multirun/demo")
    csv, figure = sweep / "scalars.csv", sweep / "train_loss.png"
    if sweep.exists():
        # The demo before this one: kept, never overwritten.
        kept = sweep.with_name(f"{sweep.name}-before-{time.strftime('%Y%m%d-%H%M%S')}")
        shutil.move(sweep, kept)
        print(f"The demo before this one is kept: {kept}")
    commands = [
        [sys.executable, str(HERE / "train.py"), "-m", *SWEEP, f"hydra.sweep.dir={sweep}"],
        [str(BIN / "exptools-view"), str(sweep)],
        [str(BIN / "exptools-view"), str(sweep), "--csv", str(csv)],
        [str(BIN / "exptools-view"), str(sweep), "--plot", "train/loss", "-o", str(figure)],
    ]
    # Ctrl-C reaches the command that runs as well; it ends its jobs in order, and we wait for that.
    signal.signal(signal.SIGINT, lambda *_: None)
    for command in commands:
        print(f"\n$ {shlex.join([_short(command[0]), *map(_short, command[1:])])}", flush=True)
        code = subprocess.run(command, check=False).returncode
        if code:
            return code
    rows = sum(1 for _ in csv.open()) - 1
    print(f"\nthe runs    {sweep}/\nevery frame {csv} ({rows:,} rows)\nthe figure  {figure}")
    print(f"\nTensorBoard shows the same runs:  {_short(str(BIN / 'tensorboard'))} --logdir {sweep}")
    print(f"Explore them on a page of your own:  {_short(str(BIN / 'exptools-view'))} {sweep} --web")
    return 0


def _short(word: str) -> str:
    """A path as you would type it from here."""
    path = Path(word)
    return (
        str(path.relative_to(Path.cwd())) if path.is_absolute() and path.is_relative_to(Path.cwd()) else word
    )


if __name__ == "__main__":
    sys.exit(main())
