"""What passes between launcher, engine and a job's process: frozen values."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from exptools.launching import main_module
from exptools.launching.alike import Packed
from exptools.launching.main_module import MainModule
from exptools.lifecycle import Ending

GRACE_S = 10.0  # between the signals that end a job: from SIGINT to SIGTERM, and from there to SIGKILL


@dataclass(frozen=True)
class Job:
    """One variant that is to run.

    num: its number in the sweep. overrides: what tells it from the others, for people. packed: what a job of
    Hydra gets, pickled by transport. script: a plain script and its words, to be run as `python SCRIPT
    SLOT_CODE WORDS...` instead. environment: what the user wants set (hydra.job.env_set); it wins over the
    slot's.
    """

    num: int
    overrides: tuple[str, ...]
    run_dir: Path
    packed: Packed | None = None
    script: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)
    mask_gpus: bool = True  # whether it sees the slot's GPUs only
    attempt: int = 1
    may_be_forked: bool = True  # not with an environment that libraries may read when they are imported

    @property
    def payload(self) -> bytes:
        """What a job of Hydra gets."""
        return b"" if self.packed is None else self.packed.unpack()


@dataclass(frozen=True)
class Spec:
    """What a job's process is told before it imports anything: plain JSON on its control pipe."""

    num: int
    run_dir: str
    slot: int
    affinity_code: str
    cpus: list[int] | None  # to be pinned to; None: not pinned
    gpus: list[str] | None
    main: dict[str, str | None]
    sys_path: list[str]
    argv: list[str]  # sys.argv of the launcher as it is
    original_argv: list[str]  # and as it was when the script began
    shared: str  # files: what all jobs get, what this one gets, where its result goes
    payload: str
    result: str
    attempt: int
    provenance: str  # a file: what was found out for all jobs
    script: list[str]  # a plain script and its words; empty: a job of Hydra
    job_id: str | None = None  # of a scheduler
    early: int | None = None  # a signal that warns of an end that is near
    rank: int = 0  # of the tasks that run one job together
    rank_end: str = ""  # a file: where one of these says how it ended

    def main_module(self) -> MainModule:
        """The script to import."""
        return MainModule(**self.main)


@dataclass(frozen=True)
class RankEnd:
    """How a task of a job ended. error: None if it did not fail. when: in seconds since the epoch."""

    rank: int
    error: str | None
    when: float

    def __str__(self) -> str:
        return f"rank {self.rank}: {self.error}"


@dataclass(frozen=True)
class Program:
    """What the launcher's process is: its jobs import the same script, and see the same words as theirs.

    main: the fields of a MainModule. original_argv: sys.argv as it was when the script began.
    """

    main: dict[str, str | None]
    sys_path: list[str]
    argv: list[str]
    original_argv: list[str]

    @classmethod
    def of_this_process(cls) -> Program:
        """That of this process."""
        main = main_module.describe()
        return cls(asdict(main), texts(sys.path), list(sys.argv), main_module.original_argv(main))


@dataclass(frozen=True)
class Within:
    """What an engine knows that runs inside an allocation of a scheduler, for a launcher that is elsewhere.

    program: the launcher's. results: where what jobs return is left for it, unread. job_id: what the
    scheduler calls the allocation. early: the signal by which it warns of an end that is near.
    """

    program: Program
    results: Path
    job_id: str
    early: int


def texts(path: list[str]) -> list[str]:
    """sys.path as far as Python's own import reads it: people put Paths in as well."""
    return [entry for entry in path if isinstance(entry, str)]


@dataclass(frozen=True)
class Returned:
    """job_return: Hydra's, without its configs. configs: both, pickled, packed against its payload."""

    job_return: Any
    configs: tuple[bytes, ...]


@dataclass(frozen=True)
class Outcome:
    """How a job ended, and what it returned: a Returned, or None if it did not get that far."""

    ending: Ending
    returned: Any = None
    duration_s: float = 0.0
