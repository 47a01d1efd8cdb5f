"""The engine `slurm`: a sweep is one job array, submitted by submitit, watched by squeue."""

from __future__ import annotations

import contextlib
import difflib
import importlib.util
import os
import re
import shlex
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeVar

from exptools import slurm
from exptools.errors import LaunchError
from exptools.launching import early
from exptools.launching.engines.queue import Given, Queue, Stop
from exptools.say import say_once
from exptools.slurm import Refused, SchedulerAway, Seen

if TYPE_CHECKING:
    from submitit import SlurmExecutor

T = TypeVar("T")
LOGS = "slurm"  # in the directory of a submission: what submitit writes, and what Slurm says
_SAME = {"name": "job_name", "timeout_min": "time", "tasks_per_node": "ntasks_per_node"}
_UNSEEN = 66  # the exit code of a job on a node that does not see the directory; EX_NOINPUT of sysexits.h
# The early signal would end Python while it starts; whoever runs in it listens as soon as it can.
_DEAF = """sh -c 'trap "" USR2; exec "$0" "$@"'"""
_NEAR_S = 60.0  # a signal that comes so long before the early one is due is that of the time limit
_TELLS_NOTHING = re.compile("submitit |srun: error: .* Exited with exit code|srun: launch/slurm: ")  # a line
_EARLY_S = 90.0  # submitit's signal_delay_s


class SlurmQueue(Queue):
    """Slurm, through submitit."""

    name: ClassVar[str] = "slurm"

    def __init__(self, executor: Mapping[str, Any]) -> None:
        self._given = dict(executor)

    def check(self) -> None:
        """Whether submitit and Slurm's commands are there, and submitit knows all that is given."""
        if importlib.util.find_spec("submitit") is None:
            raise LaunchError("engine=slurm needs submitit: pip install 'exptools[slurm]'")
        for command in ("sbatch", "srun", "squeue", "scancel", "scontrol"):
            if shutil.which(command) is None:
                raise LaunchError(
                    f"engine=slurm needs Slurm's commands, but there is no {command} on the PATH; "
                    "run this on a login node of the cluster, or use engine=local"
                )
        self._executor(Path(), "")  # complains of what it does not know

    @property
    def n_tasks(self) -> int:
        """How many processes srun starts in one allocation."""
        per_node = self._given.get("tasks_per_node", self._given.get("ntasks_per_node")) or 1
        return int(self._given.get("nodes") or 1) * int(per_node)

    # --- from outside -------------------------------------------------------------------------------------

    def submit(self, directory: Path, indices: range, title: str) -> list[str]:
        """Submit them as one job array, or as several where Slurm allows no array as long as that.

        What submitit would run in each imports numpy and submitit first, as long as an allocation takes to
        start its job. So the command is ours.
        """
        if set(str(directory)) & set("%\\"):  # sbatch puts numbers of jobs into names of logs by them
            raise LaunchError(
                f"{directory}: Slurm takes no % and no backslash in the name of a directory; choose another "
                "(hydra.sweep.dir=)"
            )
        self._tell_of_a_short_limit()
        longest = self._longest_array() if len(indices) > 1 else 1
        ids: list[str] = []
        for first in range(0, len(indices), longest):
            some = indices[first : first + longest]
            with _outside_of_jobs(), _said_on_one_line():
                (directory / LOGS).mkdir(exist_ok=True)
                executor = self._executor(directory / LOGS, title, seen=directory)
                index = str(some[0])
                if len(indices) > 1:
                    executor.parameters["map_count"] = len(some)
                    index = f"$(({index} + SLURM_ARRAY_TASK_ID))"
                command = f"-u -m exptools.launching.allocation {shlex.quote(str(directory))} {index}"
                id_ = executor._submit_command(f"{executor.python} {command}").job_id
            ids += [f"{id_}_{number}" for number in range(len(some))] if len(indices) > 1 else [id_]
        return ids

    def submitted(self, directory: Path) -> list[str]:
        """Those whose script lies in the directory, in the order of their indices.

        squeue soon forgets those that have ended. Their scripts stay, under their ids.
        """
        rows = _ask_squeue(["-t", "all", "-r", "-o", "%i|%o", "--me"])
        logs = str(directory / LOGS) + os.sep
        found = [id_ for id_, _, script in rows if script.startswith(logs)]
        last: dict[int, int | None] = {}
        for array, _, task in (id_.partition("_") for id_ in found):
            last[int(array)] = max(last.get(int(array)) or 0, int(task)) if task else None
        for path in (directory / LOGS).glob("*_submission.sh"):
            of_array = re.search(r"^#SBATCH --array=0-(\d+)", path.read_text(errors="replace"), re.MULTILINE)
            last[int(path.name.partition("_")[0])] = int(of_array[1]) if of_array else None
        return [id_ for array in sorted(last) for id_ in _ids_of(array, last[array])]

    def look(self, ids: Iterable[str]) -> dict[str, Seen]:
        """By squeue, which needs no accounting."""
        return slurm.look(ids)

    def cancel(self, ids: Sequence[str], *, only_waiting: bool = False) -> None:
        """By scancel, some hundred at a time."""
        for first in range(0, len(ids), 200):
            words = ["--state=PENDING"] if only_waiting else []
            with contextlib.suppress(Refused):  # they have ended
                slurm.ask(["scancel", "--quiet", *words, *ids[first : first + 200]])

    def final_state(self, id_: str) -> str | None:
        """By sacct, if there is accounting."""
        with contextlib.suppress(Refused, SchedulerAway):
            said = slurm.ask(["sacct", "-X", "-n", "-P", "-o", "State", "-j", id_]).split()
            return said[0] if said else None
        return None

    def last_words(self, directory: Path, index: int, id_: str) -> str:
        """The last line of its log; if there is no log, that the node may not see the directory."""
        if _exit_code(id_) == _UNSEEN:
            choose = "choose a directory that all nodes share (hydra.sweep.dir=)"
            return f"{_node(id_)} does not see {directory}: {choose}"
        logs = [directory / LOGS / f"{id_}_0_log.{kind}" for kind in ("err", "out")]
        for log in (log for log in logs if log.exists()):
            lines = log.read_text(errors="replace").splitlines()
            telling = [line.strip() for line in lines if line.strip() and not _TELLS_NOTHING.match(line)]
            if telling:
                return telling[-1]
        if any(log.exists() for log in logs):
            code = _exit_code(id_)
            return f"its script ended with exit code {code}, and said nothing" if code else ""
        return f"it wrote nothing to {directory / LOGS}; do the nodes see that directory?"

    def _executor(self, folder: Path, title: str, seen: Path | None = None) -> SlurmExecutor:
        """submitit's, with what the user has given as it was given. seen: what the nodes must see."""
        import submitit

        words: dict[str, Any] = {
            "job_name": re.sub(r"[^\w.-]+", "_", title) or "exptools",
            "time": None,  # the partition's own limit; submitit's would be 5 minutes
            **_as_sbatch_calls_it(self._given),
        }
        words["setup"] = [*_setup(seen), *(words.get("setup") or [])]
        if self.n_tasks > 1:
            words["srun_args"] = ["--kill-on-bad-exit=1", *(words.get("srun_args") or [])]
        python = _without_hearing(words.pop("python", None) or shlex.quote(sys.executable))
        with _outside_of_jobs():
            executor = submitit.SlurmExecutor(folder=folder, python=python)
        try:
            executor.update_parameters(**words)
        except ValueError as error:
            raise LaunchError(_unknown(self._given, str(error))) from error
        except TypeError as error:
            raise LaunchError(f"executor: {' '.join(str(error).split())}") from error
        return executor

    def _tell_of_a_short_limit(self) -> None:
        minutes = self._given.get("timeout_min")
        early_s = self._given.get("signal_delay_s", _EARLY_S)
        if minutes and minutes * 60 <= early_s:
            say_once(
                f"executor.timeout_min={minutes} is not longer than executor.signal_delay_s={early_s:g}: "
                "jobs are asked to stop as soon as they begin; give a longer limit, or a shorter delay"
            )

    @staticmethod
    def _longest_array() -> int:
        with contextlib.suppress(Refused):
            said = slurm.ask(["scontrol", "show", "config"])
            match = re.search(r"^MaxArraySize\s*=\s*(\d+)", said, re.MULTILINE)
            if match:
                return max(1, int(match[1]) - 1)
        return 1000

    # --- inside an allocation -----------------------------------------------------------------------------

    def given(self) -> Given:
        """What Slurm's variables say."""
        n_cpus = os.environ.get("SLURM_CPUS_PER_TASK") or os.environ.get("SLURM_CPUS_ON_NODE")
        return Given(
            id=slurm.id_of_this_job() or "?",
            node=os.environ.get("SLURMD_NODENAME", ""),
            rank=int(os.environ.get("SLURM_PROCID", "0")),
            n_ranks=int(os.environ.get("SLURM_STEP_NUM_TASKS") or os.environ.get("SLURM_NTASKS") or 1),
            n_cpus=int(n_cpus) if n_cpus else None,
            has_gpus=Given.has_gpus_in(),
        )

    def why_stopped(self) -> Stop:
        """By the state of the job: it still runs when it is preempted, and its time is short at the limit."""
        shown: dict[str, str] = {}
        with contextlib.suppress(Refused, SchedulerAway):
            shown = _insist(lambda: _told(slurm.id_of_this_job() or ""))
        if int(shown.get("Restarts", "0")) > int(os.environ.get("SLURM_RESTART_COUNT") or 0):
            return Stop.REQUEUED
        word = shown.get("JobState", "RUNNING")
        has, may = (slurm.seconds(shown.get(name, "")) for name in ("RunTime", "TimeLimit"))
        seconds = None if has is None or may is None else may - has
        warned = float(self._given.get("signal_delay_s", _EARLY_S))
        if word == "TIMEOUT" or (
            seconds is not None and seconds <= (warned + _NEAR_S if word == "RUNNING" else 1)
        ):
            return Stop.LIMIT
        if word == "RUNNING" and shown.get("PreemptTime", "None" if shown else "") == "None":
            return Stop.ASKED
        return Stop.PREEMPTED if word in ("RUNNING", "PREEMPTED") else Stop.CANCELLED

    def requeue(self) -> None:
        """By scontrol."""
        try:
            # Not SLURM_JOB_ID: that of one task of an array is that of the whole array, too.
            _insist(lambda: slurm.ask(["scontrol", "requeue", slurm.id_of_this_job() or ""]))
        except (Refused, SchedulerAway) as error:
            raise LaunchError(f"Slurm does not requeue the job: {error}") from error


def _as_sbatch_calls_it(given: Mapping[str, Any]) -> dict[str, Any]:
    """What submitit calls the same for all schedulers, under its names for Slurm."""
    found = {_SAME.get(name, name): value for name, value in given.items() if name != "mem_gb"}
    if "mem_gb" in given:
        found["mem"] = f"{round(float(given['mem_gb']) * 1024)}MB"
    return found


def _setup(directory: Path | None) -> list[str]:
    """Lines of bash in front of the user's.

    Since Slurm 22.05 srun gives a task one core, however many the job asked for, unless it is told.
    """
    cores = 'if [ -n "${SLURM_CPUS_PER_TASK:-}" ]; then export SRUN_CPUS_PER_TASK=$SLURM_CPUS_PER_TASK; fi'
    if directory is None:
        return [cores]
    return [f"[ -e {shlex.quote(str(directory))} ] || exit {_UNSEEN}", cores]


def _without_hearing(python: str) -> str:
    """The command that starts Python, so that early signals wait until allocation.run listens.

    env of coreutils 8.31 and later can do that; else the early signal is ignored for that time.
    """
    held = ",".join(number.name.removeprefix("SIG") for number in early.HELD)
    # Ignored as well: some shells, which such a command may be a script of, let all signals through at once.
    hold = f"env --block-signal={held} --ignore-signal={early.WARNING.name.removeprefix('SIG')}"
    try:
        can = subprocess.run([*hold.split(), "true"], capture_output=True, check=False).returncode == 0
    except OSError:
        can = False
    return f"{hold if can else _DEAF} {python}"


def _unknown(given: Mapping[str, Any], said: str) -> str:
    """What submitit does not know, and what it knows that is like it."""
    named = re.search(r"Unavailable parameter\(s\): \[(.*)\]", said)
    if named is None:
        return f"executor: {' '.join(said.split())}"
    known = [
        *re.findall(r"^\s*- (\w+) \(default", said, re.MULTILINE),
        "timeout_min",
        "mem_gb",
        "tasks_per_node",
    ]
    wrong = [name for name in given if f"'{name}'" in named[1]]
    parts = []
    for name in wrong or [named[1]]:
        plain = name.removeprefix("slurm_")
        near = [plain] if plain in known and plain != name else difflib.get_close_matches(name, known, 1)
        advice = f"did you mean executor.{near[0]}?" if near else f"it knows {', '.join(sorted(set(known)))}"
        parts.append(f"executor.{name} is no setting of submitit's Slurm executor; {advice}")
    return "; ".join(parts)


@contextlib.contextmanager
def _said_on_one_line() -> Iterator[None]:
    """What sbatch has against a submission.

    Raises:
        SchedulerAway: the controller does not answer.
        LaunchError: it does not take the jobs.
    """
    from submitit.core.utils import FailedJobError, FailedSubmissionError

    try:
        yield
    except (FailedJobError, FailedSubmissionError) as error:
        lines = [line for line in str(error).splitlines() if "sbatch: error" in line]
        said = slurm.one_line("\n".join(lines)) or " ".join(str(error).split())
        if slurm.is_away(said):
            raise SchedulerAway(said) from error
        raise LaunchError(f"Slurm does not take the jobs: {said}; nothing was submitted") from error
    except OSError as error:
        raise LaunchError(f"{error.filename}: cannot write there ({error.strerror})") from error


@contextlib.contextmanager
def _outside_of_jobs() -> Iterator[None]:
    """Let a submission from inside of a job be as one from outside: it would inherit some of its settings."""
    if "SLURM_JOB_ID" not in os.environ:
        yield
        return
    before = dict(os.environ)
    for name in before:
        if name.startswith(("SLURM_", "SLURMD_", "SRUN_")) and name != "SLURM_CONF":
            del os.environ[name]
    try:
        yield
    finally:
        os.environ.update(before)


def _ids_of(array: int, last: int | None) -> list[str]:
    """Of a job; if it is an array those up to its last: squeue may have forgotten some that have ended."""
    return [str(array)] if last is None else [f"{array}_{task}" for task in range(last + 1)]


def _ask_squeue(words: Sequence[str]) -> list[tuple[str, str, str]]:
    """Rows of two cells, parted as by str.partition."""
    try:
        said = slurm.ask(["squeue", "-h", *words])
    except Refused as error:
        raise SchedulerAway(str(error)) from error
    return [line.strip().partition("|") for line in said.splitlines()]


def _exit_code(id_: str) -> int | None:
    """The exit code of a job's script, as long as Slurm remembers it."""
    code = _shown(id_).get("ExitCode", "").partition(":")[0]
    return int(code) if code.isdigit() else None


def _node(id_: str) -> str:
    """Where a job ran, as long as Slurm remembers it."""
    host = _shown(id_).get("BatchHost")
    return f"node {host}" if host else "its node"


def _shown(id_: str) -> dict[str, str]:
    """What scontrol tells of a job; nothing where it has forgotten it."""
    with contextlib.suppress(Refused, SchedulerAway):
        return _told(id_)
    return {}


def _told(id_: str) -> dict[str, str]:
    said = slurm.ask(["scontrol", "show", "job", "-o", id_])
    return {name: value for name, _, value in (word.partition("=") for word in said.split())}


def _insist(ask: Callable[[], T]) -> T:
    """What a command of Slurm says that is given inside a job which is being stopped.

    Slurm signals every process of the job, one after the other: also a command that has just begun.
    """
    for _ in range(4):
        with contextlib.suppress(Refused, SchedulerAway):
            return ask()
        time.sleep(0.5)
    return ask()
