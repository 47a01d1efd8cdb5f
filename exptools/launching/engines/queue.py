"""What exptools needs of a place that has a scheduler of its own, such as Slurm.

An allocation is what the scheduler gives for one of its jobs: cores and GPUs of a node, for a time. In it
launching.allocation runs as many jobs of the sweep as `pack` says, over slots, as on one machine. The queue
submits allocations, tells what has become of them, and cancels them; inside one it tells what was given.
"""

from __future__ import annotations

import abc
import enum
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from exptools.slurm import Seen


class Stop(enum.Enum):
    """Why an allocation is asked to stop."""

    LIMIT = "its time limit"
    PREEMPTED = "preemption"
    ASKED = "a signal"  # from people, or from what only looks so
    TASK = "the end of another of its tasks"
    REQUEUED = "being queued again"  # already, by the scheduler or by people
    CANCELLED = "a cancellation"


@dataclass(frozen=True)
class Given:
    """What an allocation is, seen from inside.

    id: as the scheduler calls it. rank, n_ranks: which of its tasks this process is, and of how many.
    n_cpus: how many logical CPUs this task was given, None if nobody says. has_gpus: whether it got any.
    """

    id: str
    node: str
    rank: int = 0
    n_ranks: int = 1
    n_cpus: int | None = None
    has_gpus: bool = False

    @classmethod
    def has_gpus_in(cls, environ: Mapping[str, str] = os.environ) -> bool:
        """Whether a variable names GPUs, as schedulers set it."""
        names = ("CUDA_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES")
        return any(environ.get(name) for name in names)


class Queue(abc.ABC):
    """A scheduler. An engine of this kind is one class, registered under its name (see engines.find)."""

    name: ClassVar[str]

    @abc.abstractmethod
    def __init__(self, executor: Mapping[str, Any]) -> None:
        """executor: hydra.launcher.executor, as the user has written it. Every allocation does this, too."""

    @abc.abstractmethod
    def check(self) -> None:
        """Complain of what is wrong before anything is submitted; an allocation need not ask again.

        Raises:
            LaunchError: something in executor is wrong, or the scheduler's commands are missing.
        """

    @property
    def n_tasks(self) -> int:
        """How many processes the scheduler starts in one allocation."""
        return 1

    @abc.abstractmethod
    def submit(self, directory: Path, indices: range, title: str) -> list[str]:
        """Submit allocations that run `python -m exptools.launching.allocation DIRECTORY INDEX`; their ids.

        Raises:
            SchedulerAway: the scheduler does not answer; whether it took them, `submitted` tells later.
            LaunchError: the scheduler does not take them.
        """

    @abc.abstractmethod
    def submitted(self, directory: Path) -> list[str]:
        """The ids of what was submitted for `directory` a short time ago, perhaps not for all of its indices.

        Raises:
            SchedulerAway: the scheduler does not answer.
        """

    @abc.abstractmethod
    def look(self, ids: Iterable[str]) -> dict[str, Seen]:
        """What the scheduler knows of allocations, by one call; those that it has forgotten are missing.

        Raises:
            SchedulerAway: the scheduler does not answer.
        """

    @abc.abstractmethod
    def cancel(self, ids: Sequence[str], *, only_waiting: bool = False) -> None:
        """Cancel allocations that have not ended.

        Raises:
            SchedulerAway: the scheduler does not answer.
        """

    def final_state(self, id_: str) -> str | None:
        """How an allocation ended that `look` has forgotten, in the scheduler's words; None: unknown."""
        return None

    def last_words(self, directory: Path, index: int, id_: str) -> str:
        """What the scheduler left of an allocation that ended without a word of ours; "" if nothing."""
        return ""

    # --- inside an allocation -----------------------------------------------------------------------------

    @abc.abstractmethod
    def given(self) -> Given:
        """What this allocation is."""

    @abc.abstractmethod
    def why_stopped(self) -> Stop:
        """Why this allocation was sent a signal just now."""

    @abc.abstractmethod
    def requeue(self) -> None:
        """Let this allocation be run again, from the beginning; this process may be ended by it.

        Raises:
            LaunchError: the scheduler does not do that.
        """
