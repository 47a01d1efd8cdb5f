"""The entry of one attempt in provenance.json, from its beginning to its end."""

from __future__ import annotations

import contextlib
import dataclasses
import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.flat import flatten, last
from exptools.lifecycle import Lifecycle, one_line
from exptools.provenance import environment, facts, files, machine, patches
from exptools.provenance.facts import Facts
from exptools.provenance.files import Entry
from exptools.provenance.patches import Kept
from exptools.provenance.secrets import Hider
from exptools.rundir import State, Status
from exptools.say import say
from exptools.seeds import is_seed_name

PATIENCE_S = 12.0  # at the end of a run, for what is still being found out
PATIENCE_IF_STOPPED_S = 1.0  # who stopped it may send SIGKILL soon
MAX_CONFIG_BYTES = 1_000_000


@dataclasses.dataclass(frozen=True)
class Asked:
    """How this attempt was asked for, as it was when the logger was opened."""

    argv: list[str]
    overrides: list[str] | None
    environ: dict[str, str]
    cwd: str | None
    module: str | None  # of `python -m`
    globs: tuple[str, ...]  # further variables to be written down
    code: Path

    @classmethod
    def now(
        cls, overrides: Sequence[str] | None, globs: Sequence[str], function: Callable[..., Any] | None
    ) -> Asked:
        """What this process knows of it."""
        cwd = None
        with contextlib.suppress(OSError):
            cwd = os.getcwd()
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        return cls(
            argv=[str(word) for word in sys.argv],
            overrides=None if overrides is None else list(overrides),
            environ=dict(os.environ),
            cwd=cwd,
            module=None if spec is None else spec.name,
            globs=tuple(globs),
            code=facts.code_of(function),
        )


class Record:
    """Writes the entry in a thread of its own, so that the training does not wait, and in the end its end.

    A run that ends sooner waits for it. What cannot be found or written never ends a training.
    """

    def __init__(
        self,
        life: Lifecycle,
        overrides: Sequence[str] | None = None,
        globs: Sequence[str] = (),
        function: Callable[..., Any] | None = None,
    ) -> None:
        """overrides: of a Hydra job. globs: of further variables. function: of the user's code."""
        self._run_dir = life.run_dir
        self._asked = Asked.now(overrides, globs, function)
        self._hider = Hider()
        self._entries: list[Entry] = []
        self._devices: list[machine.Device] = []
        self._patches: dict[str, bytes] = {}
        self._pool: Path | None = None
        self._entry: Entry = {"attempt": life.attempt, "start": life.start}
        self._directory = os.open(life.run_dir, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        life.is_recorded = True
        life.after_end(self._end)
        self._thread = threading.Thread(target=self._begin, name="exptools-provenance", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        try:
            self._entries = files.read_or_put_aside(self._run_dir, self._entry["attempt"])
            self._close_what_is_open()
            self._entries = [e for e in self._entries if e["attempt"] != self._entry["attempt"]]
            self._entries.append(self._entry)
            self._tell_what_was_asked()
            self._tell_config()
            self._write()  # git may take long, and the run may be killed meanwhile
            self._tell_facts(facts.find(self._asked.code))
            self._keep_patches()
            self._write()
        except Exception as error:
            say(f"{self._run_dir}: {rundir.PROVENANCE} is not complete ({one_line(error)})")

    def _close_what_is_open(self) -> None:
        for entry in self._entries:
            if "end" not in entry:
                entry.update(files.gone())

    def _tell_what_was_asked(self) -> None:
        asked, hider = self._asked, self._hider
        hider.learn_from(asked.environ)
        config = self._config()
        if config is not None:
            hider.nested(config)  # what it finds there it finds in the command line
        if asked.overrides is not None:
            self._entry["overrides"] = hider.words(asked.overrides)
        self._entry["argv"] = hider.words(asked.argv)
        if asked.module is not None:
            self._entry["module"] = asked.module
        self._entry["cwd"] = asked.cwd
        self._entry["environment"] = hider.named(environment.chosen(asked.environ, asked.globs))
        self._entry["python"] = machine.python()
        self._entry["machine"] = machine.host()

    def _tell_facts(self, found: Facts) -> None:
        plain, kept = found.plain, {}
        for name, content in found.patches.items():
            again = patches.clean(content, self._hider)  # of secrets that only this run's config names
            kept[again.name] = again.content
            if again.name != name:
                plain = _renamed(plain, name, again)
        self._patches, self._pool = kept, found.pool
        plain = self._hider.nested_texts(plain)
        gpus = plain.pop("gpus", {})
        self._entry.update(plain)
        if gpus:
            self._entry["driver"] = gpus["driver"]
            self._devices = gpus["devices"]
            self._entry["gpus"] = machine.visible(self._devices, self._asked.environ)

    def _config(self) -> Any:
        with contextlib.suppress(OSError, RunDirError):
            return rundir.read_json(rundir.VARIANT, dir_fd=self._directory)
        return None

    def _tell_config(self) -> None:
        """The resolved config, unless it is that of an attempt before."""
        config = self._config()
        if config is None:
            return
        hidden = self._hider.nested(config)
        if len(rundir.as_json(hidden)) > MAX_CONFIG_BYTES:
            self._entry["config"] = f"larger than {MAX_CONFIG_BYTES:,} bytes: see {rundir.VARIANT}"
            return
        same = next((e for e in self._entries if e is not self._entry and e.get("config") == hidden), None)
        for key in ("config", "config_of_attempt", "seeds"):
            self._entry.pop(key, None)
        if same is None:
            self._entry["config"] = hidden
        else:
            self._entry["config_of_attempt"] = same["attempt"]
        seeds = _seeds(config)
        if seeds:
            self._entry["seeds"] = seeds

    def _end(self, status: Status) -> None:
        by_itself = status.state in (State.COMPLETED, State.FAILED)
        self._thread.join(PATIENCE_S if by_itself else PATIENCE_IF_STOPPED_S)
        if self._thread.is_alive():
            say(f"{self._run_dir}: {rundir.PROVENANCE} is not complete (git takes too long)")
            self._entry.update(self._hider.nested_texts(files.ending(status)))
            self._write()
            return  # the thread has the directory
        try:
            self._tell_config()
            self._entry.update(self._hider.nested_texts(files.ending(status)))
            self._tell_late_facts()
            self._keep_patches()
            self._write()
        finally:
            os.close(self._directory)

    def _tell_late_facts(self) -> None:
        """What became known, or was changed, after the logger was opened."""
        torch = machine.torch()
        if torch is not None:
            self._entry["torch"] = torch
            with contextlib.suppress(Exception):
                self._entry.setdefault("seeds", {})["torch"] = sys.modules["torch"].initial_seed()
        now = self._hider.named(environment.chosen(os.environ, self._asked.globs))
        before = self._entry.get("environment", {})
        changed = {name: now.get(name) for name in {**before, **now} if now.get(name) != before.get(name)}
        if changed:
            self._entry["environment_at_end"] = changed
            if self._devices:
                self._entry["gpus"] = machine.visible(self._devices, os.environ)

    def _keep_patches(self) -> None:
        """Write those that are not there yet: a disk that was full at first may have room at the end."""
        try:
            files.keep_patches(self._directory, self._patches, self._pool)
        except OSError as error:
            say(f"{self._run_dir}: the patch of the code is not written ({error.strerror})")

    def _write(self) -> None:
        try:
            files.write(self._directory, self._entries)
        except OSError as error:
            say(f"{self._run_dir}: {rundir.PROVENANCE} not written ({error.strerror})")


def _renamed(value: Any, name: str, kept: Kept) -> Any:
    """Facts of a repository whose patch has become another."""
    if not isinstance(value, Mapping):
        return value
    changed = {key: _renamed(inside, name, kept) for key, inside in value.items()}
    if changed.get("patch") == name:
        changed["patch"] = kept.name
        changed["hidden_lines"] = changed.get("hidden_lines", 0) + kept.n_hidden
        if kept.left_out:
            changed["left_out"] = {**changed.get("left_out", {}), **kept.left_out}
    return changed


def _seeds(config: Any) -> dict[str, Any]:
    """The keys of a config that name seeds, with dots, and their values."""
    flat = flatten(config) if isinstance(config, Mapping) else {}
    return {key: value for key, value in flat.items() if is_seed_name(last(key))}
