"""What can be chosen when the logger is opened, checked before anything is."""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exptools.configs import DEFAULT_WRITERS
from exptools.errors import LoggingError

if TYPE_CHECKING:
    from exptools.logging.snapshots.policy import Policy


_NOT_OF_THE_POLICY = ("format", "rng")


@dataclasses.dataclass(frozen=True)
class Settings:
    """How a run is recorded.

    writers: names of what is written: csv, tensorboard, text, media, console, jsonl, and what other packages
    add.
    exclude: of a writer's name, globs of the tags that it does not get.
    console_every_s: seconds between two tables on the terminal.
    on_write_error: "continue": what cannot be written waits in memory up to a bound; "stop": the next use
    raises.
    ranks: "zero": of a distributed training only rank 0 records; "all": the others do into rank_N/.
    resume: "auto": a directory whose run has ended without completing is gone on with; "always": one that has
    completed, too; "never".
    provenance: provenance.json tells with which code, on what and how asked a run was made.
    provenance_env: globs of variables that it tells besides those in exptools.provenance.environment.
    tee_stdout: what is printed goes to stdout.log as well.
    python_logging: from which level on records of Python's `logging` are kept in debug.log, too; None: none.
    snapshot_mode and snapshot: see exptools.logging.snapshots.Policy; format and rng besides.
    """

    writers: tuple[str, ...] = DEFAULT_WRITERS
    exclude: Mapping[str, tuple[str, ...]] = dataclasses.field(default_factory=dict)
    console_every_s: float = 10.0
    on_write_error: str = "continue"
    ranks: str = "zero"
    resume: str = "auto"
    tee_stdout: bool = False
    python_logging: str | None = "INFO"
    provenance: bool = True
    provenance_env: tuple[str, ...] = ()
    snapshot_mode: Any = "last"
    snapshot: Mapping[str, Any] = dataclasses.field(default_factory=dict)

    @functools.cached_property
    def policy(self) -> Policy:
        """Which snapshots are taken and kept."""
        from exptools.logging.snapshots.policy import Policy

        own = {k: v for k, v in self.snapshot.items() if k not in _NOT_OF_THE_POLICY}
        return Policy.of({**own, "mode": self.snapshot_mode})

    @property
    def snapshot_format(self) -> Any:
        """pickle, torch, safetensors, joblib, or a pair of functions."""
        return self.snapshot.get("format", "pickle")

    @property
    def keeps_rng(self) -> bool:
        """Whether snapshots hold the state of the random generators."""
        return bool(self.snapshot.get("rng", False))

    @classmethod
    def of(cls, **given: Any) -> Settings:
        """Of what a user wrote.

        Raises:
            LoggingError: a setting is not known, or its value is not allowed; all complaints at once.
        """
        known = [field.name for field in dataclasses.fields(cls)]
        wrong = [
            f"there is no setting {name!r}; there are {', '.join(known)}"
            for name in given
            if name not in known
        ]
        wrong += [
            f"{name} must be one of {', '.join(map(str, allowed))}, not {given[name]!r}"
            for name, allowed in _CHOICES.items()
            if name in given and given[name] not in allowed
        ]
        every_s = given.get("console_every_s", 10.0)
        if not isinstance(every_s, int | float) or not 0 <= every_s < math.inf:
            wrong.append(f"console_every_s must be a number of seconds, not {every_s!r}")
        globs = given.get("provenance_env", ())
        if isinstance(globs, str) or not isinstance(globs, Sequence):
            wrong.append(f"provenance_env must be a list of globs of variables, not {globs!r}")
        wrong += _wrong_names(given.get("writers"), given.get("exclude"))
        if wrong:
            raise LoggingError("the logger cannot be opened: " + "; ".join(wrong))
        plain = dict(given)
        if "writers" in plain:
            plain["writers"] = tuple(plain["writers"])
        if "provenance_env" in plain:
            plain["provenance_env"] = tuple(map(str, plain["provenance_env"]))
        if "exclude" in plain:
            plain["exclude"] = {name: tuple(globs) for name, globs in (plain["exclude"] or {}).items()}
        chosen = cls(**plain)
        chosen.check_snapshots()
        return chosen

    def check_snapshots(self) -> None:
        """Raises LoggingError if snapshots cannot be kept as asked."""
        from exptools.logging.snapshots.formats import chosen

        chosen(self.snapshot_format)
        _ = self.policy


_CHOICES = {
    "on_write_error": ("continue", "stop"),
    "ranks": ("zero", "all"),
    "resume": ("auto", "always", "never"),
    "tee_stdout": (True, False),
    "python_logging": ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL", None),
    "provenance": (True, False),
}


def _wrong_names(writers: Any, exclude: Any) -> list[str]:
    from exptools.logging.writers.registry import BUILT_IN, names

    wrong: list[str] = []
    if writers is not None and (isinstance(writers, str) or not isinstance(writers, Sequence)):
        return [f"writers must be a list of names, not {writers!r}"]
    unknown = [name for name in writers or () if name not in BUILT_IN and name not in names()]
    if unknown:
        wrong.append(f"there is no writer {unknown[0]!r}; there are {', '.join(names())}")
    if exclude is not None and not isinstance(exclude, Mapping):
        return [*wrong, f"exclude must be a mapping from writers to lists of globs, not {exclude!r}"]
    for name, globs in (exclude or {}).items():
        if name not in (writers or DEFAULT_WRITERS):
            wrong.append(f"exclude names the writer {name!r}, which is not among writers")
        if isinstance(globs, str) or not isinstance(globs, Sequence):
            wrong.append(f"exclude.{name} must be a list of globs, not {globs!r}")
    return wrong
