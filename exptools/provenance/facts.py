"""What is found once for all runs of a process or a sweep: the code, the packages, the machine's GPUs."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from exptools import rundir
from exptools.provenance import machine, packages, repository
from exptools.provenance.secrets import Hider

MAX_LIBRARIES = 20  # repositories of editable installations that are looked at


@dataclasses.dataclass(frozen=True)
class Facts:
    """plain: what goes into an entry. taken: when, in seconds since the epoch. roots: of the repositories.

    patches: by name, what they hold. pool: where runs of one sweep share them. kept: it holds for all runs of
    this process, which imports the user's code once.
    """

    plain: dict[str, Any]
    taken: float
    roots: tuple[str, ...] = ()
    patches: dict[str, bytes] = dataclasses.field(default_factory=dict)
    pool: Path | None = None
    kept: bool = False


def code_of(function: Callable[..., Any] | None = None) -> Path:
    """Where the user's code is: the directory of the file with this function, or of the script.

    Where there is neither, as in a notebook, the current one; also where the script is a command that pip has
    made.
    """
    module = sys.modules.get(getattr(function, "__module__", None) or "")
    for candidate in (module, sys.modules.get("__main__")):
        path = getattr(candidate, "__file__", None)
        if path and os.path.isfile(path) and not (candidate is not module and _is_of_the_environment(path)):
            return Path(os.path.realpath(path)).parent
    return Path.cwd()


def _is_of_the_environment(path: str) -> bool:
    """Whether this is where libraries and commands are installed."""
    return any(part in path for part in _OF_LIBRARIES) or path.startswith(_OF_PYTHON)


_OF_LIBRARIES = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
_OF_PYTHON = (
    os.path.dirname(os.__file__) + os.sep,
    *(os.path.join(prefix, "bin") + os.sep for prefix in (sys.prefix, sys.base_prefix)),
)


def gather(code: Path) -> Facts:
    """Find out all. It takes some 50 ms, and up to repository.TIME_LIMIT_S where git is slow."""
    taken = time.time()
    hider = Hider()
    hider.learn_from(os.environ)
    deadline = time.monotonic() + repository.TIME_LIMIT_S
    main = repository.describe(code, hider, deadline)
    found = packages.installed()
    plain: dict[str, Any] = {"code_seen": taken, "repository": main.facts, "packages": found.versions}
    if found.commits:
        plain["package_commits"] = found.commits
    roots, patches = [main.root], dict(main.patches)
    libraries: dict[str, Any] = {}
    for name, directory in list(found.editable.items())[:MAX_LIBRARIES]:
        if main.root is not None and Path(os.path.realpath(directory)).is_relative_to(main.root):
            continue
        library = repository.describe(Path(directory), hider, deadline)
        libraries[name] = library.facts
        patches.update(library.patches)
        roots.append(library.root)
    if libraries:
        plain["editable"] = libraries
    plain["gpus"] = machine.gpus()
    return Facts(plain, taken, tuple(str(root) for root in roots if root is not None), patches)


_lock = threading.Lock()
_found: dict[Path, Facts] = {}
_handed: Path | None = None


def find(code: Path) -> Facts:
    """What is known; it is found out now if nothing is, or if code of this process is newer than that."""
    with _lock:
        known = _found.get(code)
        if known is None and _handed is not None:
            known = _received(_handed)
        if known is None or (not known.kept and _is_outdated(known)):
            fresh = gather(code)
            known = dataclasses.replace(fresh, kept=_handed is not None, pool=known.pool if known else None)
        elif _handed is not None:
            known = dataclasses.replace(known, kept=True)
        _found[code] = known
        return known


def _is_outdated(facts: Facts) -> bool:
    """Whether this process has imported code that was written after the repositories were looked at."""
    within = tuple(f"{root}{os.sep}" for root in facts.roots)
    for module in list(sys.modules.values()):  # an attribute of a lazy one would import it
        path = vars(module).get("__file__") if isinstance(module, ModuleType) else None
        if not isinstance(path, str) or _is_of_the_environment(path):
            continue
        if os.path.realpath(path).startswith(within):
            with contextlib.suppress(OSError):
                if os.stat(path).st_mtime >= facts.taken:
                    return True
    return False


def hand_on(path: Path, code: Path, pool: Path | None) -> None:
    """Find out all in a thread, for the jobs of a sweep, which read it at `path`.

    pool: where the runs share their patches.
    """

    def work() -> None:
        with contextlib.suppress(OSError):  # the sweep is over already: its scratch directory is gone
            write(path, code, pool)

    threading.Thread(target=work, name="exptools-provenance", daemon=True).start()


def write(path: Path, code: Path, pool: Path | None) -> None:
    """Find out all, and write it to `path`; see hand_on."""
    facts = find(code)
    fields = {
        "plain": facts.plain,
        "taken": facts.taken,
        "roots": facts.roots,
        "patches": {name: content.decode("latin-1") for name, content in facts.patches.items()},
        "pool": pool,
        "host": socket.gethostname(),
    }
    rundir.write_json(path, fields, durable=False)


def expect(path: str) -> None:
    """In a job: what the launcher found is or will be there."""
    global _handed
    _handed = Path(path) if path else None


def _received(path: Path) -> Facts | None:
    try:
        told = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return None
    patches = {name: text.encode("latin-1") for name, text in told["patches"].items()}
    pool = None if told["pool"] is None else Path(told["pool"])
    if told["host"] != socket.gethostname():
        told["plain"]["gpus"] = machine.gpus()  # the launcher's machine has others
    return Facts(told["plain"], told["taken"], tuple(told["roots"]), patches, pool)


def _forget_lock() -> None:
    global _lock
    _lock = threading.Lock()  # the parent's thread may have held it


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_lock)
