"""exptools-resume: run the command of a sweep again, for what has not completed."""

from __future__ import annotations

import os
import re
import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError, RunDirError
from exptools.say import ends_the_command, say

USAGE = """\
usage: exptools-resume SWEEP [OVERRIDE ...]

Go on with the sweep in the directory SWEEP: runs that have completed are skipped, the others run again in the
directories that they had. What a scheduler such as Slurm still has is waited for. It runs the command that
sweep.json tells, with the overrides added to it, such as hydra.launcher.n_parallel=2. What earlier attempts
measured is kept, in .orphaned/ of each run.
"""


_OURS = ("hydra.sweep.dir=", "hydra.launcher.resume=", "hydra.launcher.detach=")


def main(argv: Sequence[str] | None = None) -> None:
    """Become the command of the sweep."""
    words = list(sys.argv[1:] if argv is None else argv)
    if words[:1] in (["-h"], ["--help"]):
        print(USAGE, end="")
        return
    with ends_the_command():
        if not words or words[0].startswith("-"):
            raise LaunchError("no sweep was given; usage: exptools-resume SWEEP [OVERRIDE ...]")
        sweep_dir = Path(words[0]).absolute()
        launched = _launched(sweep_dir)
        if launched.is_of_scripts:
            _resume_scripts(sweep_dir, launched, words[1:])
            return
    command = [word for word in launched.command if not word.startswith(_OURS)]
    # A sweep that was left running is waited for now, unless that is asked for again.
    attach = [f"{_OURS[2]}false"] if launched.is_detached else []
    command += [*attach, *words[1:], f"{_OURS[0]}{_quoted(sweep_dir)}", f"{_OURS[1]}true"]
    say(f"in {launched.cwd}: {shlex.join(command)}")
    os.chdir(launched.cwd)
    os.execv(command[0], command)


def _resume_scripts(sweep_dir: Path, launched: _Launched, words: Sequence[str]) -> None:
    """Run what run_experiments has launched, without the script that called it.

    Raises:
        LaunchError: there are overrides, which a plain script has not; or as run_experiments.
    """
    from exptools.launching.exp_launcher import RunsFailed, resume

    if words:
        raise LaunchError(
            f"{sweep_dir}: launched by run_experiments, which has no overrides such as {words[0]}"
        )
    os.chdir(launched.cwd)
    try:
        resume(sweep_dir)
    except RunsFailed as error:
        say(str(error))
        raise SystemExit(1) from error


@dataclass(frozen=True)
class _Launched:
    """How a sweep was launched: by which command, and where.

    is_detached: its jobs were left to a scheduler. is_of_scripts: by run_experiments.
    """

    command: list[str]
    cwd: str
    is_detached: bool
    is_of_scripts: bool


def _launched(sweep_dir: Path) -> _Launched:
    """What sweep.json tells of that.

    Raises:
        LaunchError: sweep.json does not tell, or tells of something that cannot be resumed.
    """
    path = sweep_dir / rundir.SWEEP
    try:
        sweep: Any = rundir.read_json(path)
        command, cwd = [str(word) for word in sweep["command"]], str(sweep["cwd"])
        can_resume, is_script = "resume" in sweep["launcher"], sweep.get("script", True)
        is_detached = bool(sweep["launcher"].get("detach"))
        is_of_scripts = any("script" in job for job in sweep.get("jobs", []))
    except FileNotFoundError:
        raise LaunchError(no_sweep(sweep_dir)) from None
    except (RunDirError, KeyError, TypeError) as error:
        raise LaunchError(f"{path}: not what exptools writes ({error})") from error
    if not can_resume:
        raise LaunchError(f"{path}: launched by an older run_experiments; run its script again")
    if not os.path.isdir(cwd):
        raise LaunchError(f"{path}: launched in {cwd}, which does not exist any more")
    if is_of_scripts:
        return _Launched(command, cwd, is_detached, is_of_scripts)
    if not is_script or len(command) < 2 or command[1] in ("-", "-c"):
        given = shlex.join(command[: 3 if command[1:2] == ["-m"] else 2])
        again = f"run that again, with hydra.launcher.resume=true and {_OURS[0]}{_quoted(sweep_dir)}"
        raise LaunchError(f"{path}: not launched by a script, but by {given}; {again}")
    return _Launched(command, cwd, is_detached, is_of_scripts)


def no_sweep(given: Path) -> str:
    """Why the directory is not that of a sweep, and which is, if one is near."""
    if not given.is_dir():
        missing = "is a file" if given.exists() else "does not exist"
        return f"{given} {missing}; give the directory of a sweep, such as multirun/DATE/TIME"
    above = next((path for path in given.parents if (path / rundir.SWEEP).exists()), None)
    if above is None and (given / rundir.STATUS).exists():
        is_hydra = (given / rundir.HYDRA).is_dir()
        again = f"again, with hydra.run.dir={_quoted(given)}" if is_hydra else "again"
        return f"{given} is a run by itself and not a sweep; to go on with it start its own command {again}"
    below = sorted(path.parent for path in given.glob(f"*/*/{rundir.SWEEP}"))
    near = above or (below[-1] if below else "multirun/DATE/TIME")
    return f"{given} is no sweep: there is no {rundir.SWEEP} in it; give the directory of one, such as {near}"


def _quoted(path: Path) -> str:
    """A path as Hydra's overrides write it: in quotes if it has more than letters and the like."""
    if re.fullmatch(r"[\w/.-]+", str(path), re.ASCII):
        return str(path)
    return "'" + str(path).replace("'", "\\'") + "'"


if __name__ == "__main__":
    main()
