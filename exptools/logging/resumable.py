"""Snapshots of a run: saved where the logger stands, loaded where the next attempt goes on."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import lifecycle, rundir
from exptools.errors import LoggingError
from exptools.logging.core import Core
from exptools.say import say, say_once

if TYPE_CHECKING:
    from exptools.logging.settings import Settings
    from exptools.logging.snapshots import Policy, Snapshot, Store
    from exptools.logging.spool import Spool


class Resumable(Core):
    """The part of the logger that saves and loads the state of a training."""

    def __init__(self) -> None:
        super().__init__()
        self._store: Store | None = None
        self._make_store: Callable[[], Store] | None = None
        self._keeps_rng = False

    def save_snapshot(
        self,
        step: int,
        state: Any,
        metric: float | None = None,
        force: bool = False,
    ) -> Path | None:
        """Save the state of the training if a snapshot of this step is wanted; returns its directory, else
        None.

        What was logged before belongs to it: an attempt that goes on from it has one clean curve. When the
        run should stop, it is saved in any case.

        Args:
            step: of the training, an int64; need not be monotone.
            state: what the format takes (pickle: nearly everything); or a function without arguments that
                gives it, called only if a snapshot is taken. Such a function is called once more if a
                preemption (or, with on_exception, an exception) ends the run, for what was not saved.
            metric: by which mode "best" ranks it; None: the last value of the tag that is `metric` of the
                settings.
            force: save it whatever the mode, unless that is "none".

        Raises:
            LoggingError: the logger is not open, or the state cannot be stored.
        """
        spool, store = self._spool, self._open_store("a snapshot")
        if spool is None or store is None:
            return None
        if store.policy.mode == "none":
            say_once(
                "save_snapshot() saves nothing: snapshot_mode is none; give last, all, gap, last+gap or best"
            )
            return None
        aside = spool.begin_anew()
        if aside is not None:
            store.put_aside(aside)
        if metric is None and store.policy.mode == "best" and store.policy.metric is not None:
            metric = spool.last(store.policy.metric)
        force = force or self.stop_reason is not None
        return store.save(
            step, state, facts=self._facts_in(spool), metric=metric, force=force, rng=self._keeps_rng
        )

    def load_snapshot(self, step: int | None = None, best: bool = False) -> Snapshot | None:
        """The newest whole snapshot of this run, None if there is none: `.step` and `.state`.

        In a further attempt, before the first measurement: the files are cut back to where they were when it
        was saved, and the step that is used where none is given is again that of then. What is cut goes to
        `.orphaned/`. If the random generators were saved, they go on.

        Args:
            step: that of another one. best: the one with the best metric, to be looked at; nothing is cut
                for it.

        Raises:
            LoggingError: the logger is not open; there is none of that step; or it cannot be loaded.
        """
        spool, store = self._spool, self._open_store("load_snapshot()")
        if spool is None or store is None:
            return None
        if best:
            return store.best()
        found = store.latest(restore_rng=True) if step is None else store.at(step, restore_rng=True)
        if found is not None and self._keeps_rng and not found.has_generators:
            say(f"{found.path} was saved without the random generators; they are left as they are")
        if found is not None and found.facts.get("attempt") != self._attempt_number:
            try:
                spool.go_on_from(found.step, found.facts.get("positions", {}))
            except OSError as error:
                raise LoggingError(
                    f"the run cannot go on from {found.path}: its files cannot be cut back ({error})"
                ) from error
            self._step = found.facts.get("default_step", found.step)
        return found

    @property
    def snapshot_policy(self) -> Policy:
        """Which snapshots are taken and kept.

        Raises:
            LoggingError: the logger is not open.
        """
        from exptools.logging.snapshots import Policy

        store = self._open_store("the snapshot policy")
        return Policy("none") if store is None else store.policy

    def set_snapshots(self, **changes: Any) -> None:
        """Change which snapshots are taken and kept. changes: fields of Policy; mode may be a number: the
        gap.

        Raises:
            LoggingError: the logger is not open, or a value is wrong.
        """
        from exptools.logging.snapshots import Policy

        store = self._open_store("set_snapshots()")
        if store is not None:
            store.policy = Policy.of({**dataclasses.asdict(store.policy), **changes})

    def keep_snapshots(self, settings: Settings, attempt: int) -> None:
        """Let snapshots be saved as the settings say; `attempt` is the number of this one."""
        run_dir = self._run_dir
        assert run_dir is not None
        self._attempt_number = attempt
        self._keeps_rng = settings.keeps_rng

        def make() -> Store:
            from exptools.logging.snapshots import Store

            strict = settings.on_write_error == "stop"
            return Store(run_dir, settings.policy, settings.snapshot_format, strict=strict)

        self._make_store = make

    def save_at_the_end(self, is_preempted: bool, is_exception: bool) -> None:
        """Save what `save_snapshot` was given last and did not take, if it was given as a function.

        After an exception only if the policy says so: the state may be half changed.
        """
        if self._store is None or self._spool is None:
            return
        if is_preempted or (is_exception and self._store.policy.on_exception):
            try:
                self._store.save_offered(facts=self._facts_in(self._spool))
            except Exception as error:  # the run has a failure of its own to tell
                say(f"the snapshot at the end was not saved: {lifecycle.one_line(error)}")

    # --- inside ---------------------------------------------------------------------------------------

    _attempt_number = 1

    def _open_store(self, what: str) -> Store | None:
        if self._opened(what) is None:
            return None
        if self._store is None:
            if self._make_store is None:
                raise LoggingError(f"this logger has no directory for {what}")
            self._store = self._make_store()
        return self._store

    def _facts_in(self, spool: Spool) -> Callable[[], Mapping[str, Any]]:
        """What belongs to a snapshot: where the files and the step are when it is saved."""
        return lambda: {
            "attempt": self._attempt_number,
            "default_step": self._step,
            "positions": spool.positions(),
        }

    def _newest(self) -> tuple[int, Mapping[str, Any]] | None:
        """The step of the newest snapshot and where the files were; asked by the writing thread."""
        if self._store is None:
            if (
                self._make_store is None
                or self._run_dir is None
                or not (self._run_dir / rundir.SNAPSHOTS).is_dir()
            ):
                return None
            self._store = self._make_store()
        entry = self._store.newest()
        return None if entry is None else (entry.step, entry.facts.get("positions", {}))

    def detach(self, because: str) -> str | None:
        """As Core."""
        lost = super().detach(because)
        store, self._store, self._make_store = self._store, None, None
        if store is not None:
            store.close()
        return lost
