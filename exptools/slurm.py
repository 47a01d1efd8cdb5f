"""What Slurm's own commands tell of jobs. They work with and without accounting."""

from __future__ import annotations

import enum
import os
import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

PATIENCE_S = 60.0  # for one command
# What squeue calls a job that has come to its end; all else waits or runs.
_ENDED = (
    "BOOT_FAIL CANCELLED COMPLETED DEADLINE FAILED LAUNCH_FAILED NODE_FAIL OUT_OF_MEMORY PREEMPTED TIMEOUT"
)
_RUNNING = "RUNNING COMPLETING CONFIGURING SIGNALING STAGE_OUT STOPPED SUSPENDED"


class Phase(enum.Enum):
    """What a scheduler's job is doing."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"


@dataclass(frozen=True)
class Seen:
    """What a scheduler says of a job in its own words: its state, why it waits, where it is."""

    phase: Phase
    word: str
    reason: str = ""
    node: str = ""

    @property
    def waits_for(self) -> str:
        """Why it waits, for people; "" if it does not, or if nobody says why."""
        return self.reason if self.phase is Phase.WAITING and self.reason != "None" else ""


class SchedulerAway(Exception):
    """The scheduler does not answer; the text is its own."""


class Refused(Exception):
    """The scheduler answered no; the text is its own."""


_AWAY = re.compile(
    "unable to contact|connection refused|timed out|connect failure|socket|communication|try again"
    "|zero bytes|unable to establish|temporarily",
    re.I,
)


# What people like to see of their jobs: squeue would hide some of ours, and scancel would ask.
_PREFERENCES = ("SQUEUE_", "SACCT_", "SCANCEL_")


def ask(command: Sequence[str]) -> str:
    """What a command of Slurm prints.

    Raises:
        SchedulerAway: its controller does not answer.
        Refused: the command failed for another reason.
    """
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
            env={name: value for name, value in os.environ.items() if not name.startswith(_PREFERENCES)},
        )
    except subprocess.TimeoutExpired as error:
        raise SchedulerAway(f"{command[0]} did not answer within {PATIENCE_S:g} s") from error
    except OSError as error:
        raise Refused(f"{command[0]}: {error.strerror}") from error
    if done.returncode:
        said = one_line(done.stderr) or f"{command[0]} ended with exit code {done.returncode}"
        raise SchedulerAway(said) if is_away(said) else Refused(said)
    return done.stdout


def is_away(said: str) -> bool:
    """Whether a command complains that the controller does not answer."""
    return _AWAY.search(said) is not None


def one_line(text: str) -> str:
    """What a command complains of, without its name and on one line."""
    lines = [re.sub(r"^\w+: (error: |fatal: )?", "", line.strip()) for line in text.splitlines()]
    return "; ".join(dict.fromkeys(line.rstrip(".") for line in lines if line))


def look(ids: Iterable[str]) -> dict[str, Seen]:
    """What squeue knows of jobs such as "12" or "12_3", by one call; those that it has forgotten are missing.

    Raises:
        SchedulerAway: the controller does not answer.
    """
    wanted = set(ids)
    if not wanted:
        return {}
    arrays = ",".join(sorted({one.partition("_")[0] for one in wanted}, key=int))
    try:
        said = ask(["squeue", "-h", "-r", "-t", "all", "-o", "%i|%T|%r|%N", "-j", arrays])
    except Refused as error:
        if "Invalid job id" in str(error):
            return {}
        raise SchedulerAway(str(error)) from error
    rows = (line.strip().split("|", 3) for line in said.splitlines())
    return {row[0]: _seen(*row[1:]) for row in rows if len(row) == 4 and row[0] in wanted}


def _seen(word: str, reason: str, node: str) -> Seen:
    phase = (
        Phase.ENDED
        if word in _ENDED.split()
        else Phase.RUNNING
        if word in _RUNNING.split()
        else Phase.WAITING
    )
    return Seen(phase, word, reason, node)


def seconds(text: str) -> float | None:
    """A span of time as Slurm writes it (1-02:03:04, 2:03, 45); None for UNLIMITED and the like."""
    match = re.fullmatch(r"(?:(\d+)-)?(?:(?:(\d+):)?(\d+):)?(\d+)", text.strip())
    if match is None:
        return None
    days, hours, minutes, rest = (int(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60.0 + rest


def id_of_this_job() -> str | None:
    """The id of the job that this process is in, as squeue writes it; None outside of jobs."""
    if "SLURM_ARRAY_JOB_ID" in os.environ:
        return f"{os.environ['SLURM_ARRAY_JOB_ID']}_{os.environ['SLURM_ARRAY_TASK_ID']}"
    return os.environ.get("SLURM_JOB_ID")
