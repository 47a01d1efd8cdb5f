"""exptools-cancel: cancel what a scheduler has of a sweep, and nothing else."""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from exptools import rundir, words
from exptools.errors import LaunchError, RunDirError
from exptools.launching import finding, submission
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
    were_submitted = bool(submission.directories(sweep_dir))
    with _claimed_if_free(sweep_dir) as is_claimed:
        n, n_left = finding.cancel(sweep_dir, is_claimed=is_claimed)
    if not were_submitted:
        return f"{sweep_dir}: no scheduler has jobs of this sweep; nothing was cancelled"
    if not n:
        return f"{sweep_dir}: all of its jobs had ended; nothing was cancelled"
    left = f"; {n_left} have not ended yet" if n_left else ""
    return f"cancelled {words.count(n, 'job')} of {sweep_dir}{left}"


@contextlib.contextmanager
def _claimed_if_free(sweep_dir: Path) -> Iterator[bool]:
    """Let no launcher take up the sweep inside the block, unless one has it: whether none had."""
    with contextlib.ExitStack() as claim:
        is_free = True
        try:
            claim.enter_context(rundir.claimed(sweep_dir, wait=False))
        except RunDirError:
            is_free = False
        yield is_free


if __name__ == "__main__":
    main()
