"""Where jobs can run: each place one file, found by its name; other packages may add queues of theirs.

An entry point of the group `exptools.engines` names a subclass of queue.Queue.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from exptools.errors import LaunchError
from exptools.words import any_of

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

    from exptools.launching.engines.queue import Queue

GROUP = "exptools.engines"
ON_THIS_MACHINE = ("local", "joblib")


def names() -> list[str]:
    """All engines that there are."""
    return [*ON_THIS_MACHINE, "slurm", *sorted({point.name for point in _added()})]


def find_queue(name: str) -> type[Queue]:
    """The queue of this name.

    Raises:
        LaunchError: there is none, or it cannot be imported.
    """
    if name == "slurm":
        from exptools.launching.engines.slurm import SlurmQueue

        return SlurmQueue
    found = next((point for point in _added() if point.name == name), None)
    if found is None:
        raise LaunchError(f"engine={name} must be {any_of(names())}")
    try:
        return found.load()  # type: ignore[no-any-return]
    except Exception as error:
        raise LaunchError(f"engine={name} ({found.value}) cannot be imported: {error}") from error


def _added() -> Iterable[EntryPoint]:
    """Those of other packages. Its import takes a tenth of what an allocation takes to start."""
    from importlib.metadata import entry_points

    return entry_points(group=GROUP)
