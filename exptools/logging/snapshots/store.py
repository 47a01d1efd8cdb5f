"""The snapshots of one run on the disk: saved, thinned out by a policy, loaded."""

from __future__ import annotations

import contextlib
import dataclasses
import errno
import functools
import math
import os
import re
import threading
import time
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LoggingError, RunDirError
from exptools.logging.numbers import as_step
from exptools.logging.snapshots import disk, formats, generators, loading, manifest, writing
from exptools.logging.snapshots.loading import Snapshot
from exptools.logging.snapshots.manifest import Entry
from exptools.logging.snapshots.policy import Policy
from exptools.say import say

_NAME = re.compile(r"step-+\d+(\.\d+)?")
_FUNCTIONS = (types.FunctionType, types.MethodType, types.BuiltinFunctionType, functools.partial)
_ATTEMPTS = 20  # to load one, while another process saves and throws away


Facts = Mapping[str, Any] | Callable[[], Mapping[str, Any]]


@dataclasses.dataclass(frozen=True)
class _Offer:
    """What `save` was given."""

    step: int
    state: Any
    metric: float | None
    rng: bool


class Store:
    """The snapshots of the run in `run_dir`, in its directory `snapshots/`.

    One process at a time saves; others may load meanwhile. The run directory may be renamed.
    """

    def __init__(
        self,
        run_dir: str | os.PathLike[str],
        policy: Policy | None = None,
        format: str | formats.Functions = "pickle",
        *,
        strict: bool = False,
    ) -> None:
        """Nothing is read or written yet.

        Args:
            policy: which snapshots are taken and stay; None: the last two.
            format: pickle, torch, safetensors, joblib, or a pair (save(state, path), load(path)).
            strict: raise where the disk fails, instead of saying so and going on.

        Raises:
            LoggingError: there is no such directory or format, or the format's package is not installed.
        """
        self.policy = Policy() if policy is None else policy
        self._format = formats.chosen(format)
        self._strict = strict
        self._run_dir = Path(run_dir).absolute()
        self._entries: list[Entry] | None = None  # in the order of their commits, without damaged ones
        self._damaged: dict[str, str] = {}  # what is wrong with the others, by the names of their directories
        self._number = 0
        self._offer: _Offer | None = None
        self._trouble: str | None = None
        self._has_told_of_rank = False
        self._lock = threading.RLock()
        try:
            self._directory = os.open(run_dir, os.O_RDONLY | os.O_DIRECTORY | getattr(os, "O_CLOEXEC", 0))
        except OSError as error:
            raise LoggingError(f"snapshots: {run_dir} cannot be opened ({error.strerror})") from None

    def close(self) -> None:
        """Give back what the store holds: a file descriptor, and what was offered last."""
        self._offer = None
        directory, self._directory = self._directory, -1
        if directory >= 0:
            os.close(directory)

    # --- saving ---------------------------------------------------------------------------------------

    def save(
        self,
        step: int,
        state: Any,
        *,
        facts: Facts | None = None,
        metric: float | None = None,
        force: bool = False,
        rng: bool = False,
    ) -> Path | None:
        """Save `state` if the policy wants a snapshot of this step; gives back its directory, else None.

        Args:
            step: an int64; need not be monotone. A step that was saved before is replaced.
            state: what the format takes; or a function (a method or partial too) without arguments that gives
                it, called only if a snapshot is taken. Another object that can be called, such as a torch
                module, is a state.
            facts: plain JSON, given back with the state; or a function that gives it, called with the
                state's.
            metric: the value by which mode best ranks this snapshot; without a finite one it has no rank.
            force: take it whatever the policy says, unless its mode is none.
            rng: keep the state of the global random generators too.

        Raises:
            LoggingError: the format cannot store the state; snapshots/ is not this user's own; or the disk
                does not take it and the store is `strict`. If it is not, that is said in a line, once until
                it changes, and what was saved before stays.
        """
        offer = _Offer(as_step(step), state, metric, rng)
        with self._lock:
            # Only a function: a state that was made would be kept in memory, and be old.
            self._offer = offer if isinstance(state, _FUNCTIONS) else None
            return self._save(offer, facts or {}, force)

    def save_offered(self, *, facts: Facts | None = None) -> Path | None:
        """Save what `save` was given last and did not take, as it is now: when an exception or a preemption
        ends the training.

        That needs a state that was given as a function. None if what was given last has been saved.

        Raises:
            LoggingError: as save.
        """
        with self._lock:
            return None if self._offer is None else self._save(self._offer, facts or {}, force=True)

    def _save(self, offer: _Offer, facts: Facts, force: bool) -> Path | None:
        if self.policy.mode == "none":
            return None
        try:
            taken = self._known()
        except OSError as error:
            self._complain(offer.step, None, error)
            return None
        if not force and not self.policy.wants(offer.step, time.time(), taken):
            return None
        before = taken[-1].step if taken else None
        state = offer.state() if isinstance(offer.state, _FUNCTIONS) else offer.state
        states = generators.captured() if offer.rng else None  # after the state, which may draw numbers
        home = self._home()
        try:
            entry = writing.write(home, self._described(offer, facts), self._format, state, states)
            taken.append(entry)
            self._number = entry.number
            self._damaged.pop(entry.name, None)  # that one has gone, if its name was free
            rundir.sync(home)
        except OSError as error:
            self._complain(offer.step, before, error)
            return None
        self._offer = None
        self._thin_out(home, taken)
        return home / taken[-1].name

    def _described(self, offer: _Offer, facts: Facts) -> Entry:
        """The snapshot that is to be written, still without name and files."""
        value = offer.metric if self.policy.mode == "best" else None
        ranked = value is not None and math.isfinite(value)
        if self.policy.mode == "best" and value is None and not self._has_told_of_rank:
            self._has_told_of_rank = True
            metric = f"{self.policy.metric!r} has no value yet"
            say(f"the snapshot of step {offer.step} has no rank among the best: {metric}")
        return Entry(
            name="",
            step=offer.step,
            number=self._number + 1,
            time=time.time(),
            milestone=self.policy.is_milestone(offer.step, self._known()),
            metric=self.policy.metric if ranked else None,
            value=float(value) if value is not None and ranked else None,
            format=self._format.name,
            files={},
            facts=facts() if callable(facts) else facts,
        )

    def _thin_out(self, home: Path, taken: list[Entry]) -> None:
        """Remove what the policy does not keep, now that the last of `taken` is on the disk."""
        try:
            for entry in self.policy.surplus(taken):
                taken.remove(entry)
                with contextlib.suppress(FileNotFoundError):  # somebody else has removed it
                    disk.discard(home / entry.name)
            taken[-1] = writing.tidy_name(home, taken[-1])
        except OSError as error:
            self._say_trouble(
                error, f"an old snapshot cannot be removed ({error.strerror}: {error.filename})"
            )
            return
        if self._trouble is not None:
            self._trouble = None
            say("snapshots are saved again")

    def _complain(self, step: int, before: int | None, error: OSError) -> None:
        kept = "there is none before it" if before is None else f"the one of step {before} stays"
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        what_to_do = "free space there or keep fewer" if full else "look at that disk"
        text = (
            f"the snapshot of step {step} cannot be saved in {self._home()} ({error.strerror}); "
            f"{kept}; {what_to_do}"
        )
        if self._strict:
            raise LoggingError(text) from error
        self._say_trouble(error, f"{text}; the training goes on and the next one is tried")

    def _say_trouble(self, error: OSError, text: str) -> None:
        if self._trouble != error.strerror:
            self._trouble = error.strerror
            say(text)

    # --- loading --------------------------------------------------------------------------------------

    def latest(self, *, restore_rng: bool = False) -> Snapshot | None:
        """The snapshot that was saved last, or None if none was.

        Its files are compared with their sizes and checksums before any is loaded; one that is damaged is
        named on stderr, and the one before it is taken. What a process that is dead left unfinished is named
        and removed.

        restore_rng: let the random generators go on as they were when it was saved, if they were saved.

        Raises:
            LoggingError: none is whole; the files are whole and cannot be loaded, or were saved by another
                format; they are not this user's own.
        """
        return self._one_of(lambda taken: taken[::-1], restore_rng)

    def best(self, *, restore_rng: bool = False) -> Snapshot | None:
        """The snapshot with the best value of the policy's metric, None if none has one; else as `latest`."""
        if self.policy.metric is None or self.policy.goal is None:
            raise LoggingError("to load the best snapshot the policy needs a metric and a goal (max or min)")
        return self._one_of(self.policy.ranked, restore_rng)

    def at(self, step: int, *, restore_rng: bool = False) -> Snapshot:
        """The snapshot of `step`; else as `latest`.

        Raises:
            LoggingError: there is none; or as `latest`.
        """
        step = as_step(step)
        found = self._one_of(lambda taken: [e for e in reversed(taken) if e.step == step], restore_rng)
        if found is None:
            steps = ", ".join(map(str, sorted({e.step for e in self._known()}))) or "none"
            raise LoggingError(f"there is no snapshot of step {step} in {self._home()}; there are: {steps}")
        return found

    def _one_of(self, choose: Callable[[list[Entry]], list[Entry]], restore_rng: bool) -> Snapshot | None:
        """The first whole one of those that `choose` makes of all, in the order of their commits."""
        with self._lock:
            for _ in range(_ATTEMPTS):
                try:
                    candidates = choose(self._scan(to_load=True))
                    found = self._first_whole(candidates, restore_rng)
                except loading.Gone:
                    continue
                except OSError as error:
                    raise LoggingError(f"{self._home()} cannot be read ({error.strerror})") from error
                break
            else:
                raise LoggingError(f"{self._home()}: snapshots go faster than they can be loaded; try again")
            if found is None and self._damaged and not self._entries:
                raise LoggingError(
                    f"no snapshot in {self._home()} is whole ({next(reversed(self._damaged.values()))}); "
                    "to begin anew, move that directory away"
                )
            return found

    def _first_whole(self, candidates: list[Entry], restore_rng: bool) -> Snapshot | None:
        for entry in candidates:
            path = self._home() / entry.name
            wrong = loading.damage(path, entry)
            if wrong is None:
                loading.check_format(path, entry, self._format)
                return loading.load(path, entry, self._format, restore_rng=restore_rng)
            self._pass_over(path, f"{path}: {wrong}")
            self._known().remove(entry)  # it must not count as one of those that are kept
        return None

    def _pass_over(self, path: Path, wrong: str) -> None:
        self._damaged[path.name] = wrong
        say(f"{wrong}; this snapshot is damaged and passed over")

    def newest(self) -> Entry | None:
        """What is known of the snapshot that was saved last, without loading its state; None if there is
        none.

        Raises:
            LoggingError: snapshots/ is not this user's own.
        """
        with self._lock:
            known = self._known()
            return known[-1] if known else None

    def put_aside(self, aside: Path) -> None:
        """Move all snapshots into `aside`: the run has begun anew."""
        with self._lock:
            if self._home().exists():
                rundir.put_aside(self._home(), aside)
            self._entries, self._damaged = [], {}

    # --- what is there --------------------------------------------------------------------------------

    def _home(self) -> Path:
        """The directory of the snapshots, also when the run directory was renamed."""
        try:
            return Path(os.readlink(f"/proc/self/fd/{self._directory}"), rundir.SNAPSHOTS)
        except OSError:  # there is no /proc
            return self._run_dir / rundir.SNAPSHOTS

    def _known(self) -> list[Entry]:
        return self._scan() if self._entries is None else self._entries

    def _scan(self, *, to_load: bool = False) -> list[Entry]:
        """What is on the disk, in the order of its commits; also removes what was left unfinished.

        Raises:
            LoggingError: snapshots/, or a snapshot that is going to be loaded, is not this user's own.
            Gone: one that is going to be loaded went while they were looked at.
            OSError: the directory cannot be read.
        """
        home = self._home()
        found = []
        if os.path.lexists(home):
            manifest.check_owner(home)
            for path in disk.remove_abandoned(home):
                say(f"{path} was left unfinished by a process that is dead, and is removed")
            for path in sorted(p for p in home.iterdir() if _NAME.fullmatch(p.name)):
                if path.name in self._damaged:
                    continue
                try:
                    manifest.check_owner(path)
                    found.append(manifest.read(path))
                except FileNotFoundError:
                    if to_load:  # the process that saves has just thrown it away
                        raise loading.Gone from None
                except LoggingError:
                    if to_load:
                        raise
                except RunDirError as error:
                    if to_load:
                        self._pass_over(path, str(error))
        self._entries = sorted(found, key=lambda e: (e.number, e.time))
        self._number = max([self._number, *(e.number for e in found)])
        return self._entries
