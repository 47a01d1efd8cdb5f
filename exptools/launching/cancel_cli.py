"""exptools-cancel: cancel what a scheduler has of a sweep, and nothing else."""

from __future__ import annotations

import logging
import sys
from collections.abc import Sequence
from pathlib import Path

from exptools import rundir, words
from exptools.errors import LaunchError, RunDirError
from exptools.launching import elsewhere, submission
from exptools.launching.resume_cli import no_sweep
from exptools.say import ends_the_command

USAGE = """\
usage: exptools-cancel SWEEP

Cancel the jobs that a scheduler such as Slurm still has of the sweep in the directory SWEEP: those that wait
and those that run. What they have measured stays; exptools-resume SWEEP runs them again.
"""

log = logging.getLogger("exptools.cancel")


def main(argv: Sequence[str] | None = None) -> None:
    """Cancel them, and say how many."""
    given = list(sys.argv[1:] if argv is None else argv)
    if given[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    with ends_the_command():
        if len(given) != 1 or given[0].startswith("-"):
            raise LaunchError("give the directory of one sweep; usage: exptools-cancel SWEEP")
        sweep_dir = Path(given[0]).absolute()
        if not (sweep_dir / rundir.SWEEP).is_file():
            raise LaunchError(no_sweep(sweep_dir))
        print(_cancel(sweep_dir))


def _cancel(sweep_dir: Path) -> str:
    if not submission.directories(sweep_dir):
        return f"{sweep_dir}: no scheduler has jobs of this sweep; nothing was cancelled"
    n, n_left = elsewhere.cancel(sweep_dir, lambda: _is_followed(sweep_dir))
    if not n:
        return f"{sweep_dir}: all of its jobs had ended; nothing was cancelled"
    left = f"; {n_left} have not ended yet" if n_left else ""
    return f"cancelled {words.count(n, 'job')} of {sweep_dir}{left}"


def _is_followed(sweep_dir: Path) -> bool:
    """Whether a launcher follows the sweep, which will write down the ends then."""
    try:
        with rundir.claimed(sweep_dir, wait=False):
            return False
    except RunDirError:
        return True


if __name__ == "__main__":
    main()
