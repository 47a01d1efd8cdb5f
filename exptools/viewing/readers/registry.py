"""Which formats can be read: those of this package, in the order in which they are asked, then others'."""

from __future__ import annotations

import fnmatch
import functools
import importlib
from collections.abc import Hashable
from pathlib import Path
from typing import TYPE_CHECKING

from exptools.errors import ViewError
from exptools.viewing.problem import Problem
from exptools.viewing.readers.format import ConfigReading, Format, StatusReading

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "exptools.readers"

_BUILT_IN = (  # modules of this directory
    *("own", "hydra", "sacred", "json_lines", "stable_baselines3", "lightning", "viskit", "events"),
)


@functools.cache
def formats() -> tuple[Format, ...]:
    """All formats. The first that claims a file reads it, the first that knows a config gives it.

    Raises:
        ViewError: an entry point of another package gives no Format.
    """
    modules = (importlib.import_module(f"exptools.viewing.readers.{name}") for name in _BUILT_IN)
    return (*(module.FORMAT for module in modules), *_others())


def _others() -> list[Format]:
    from importlib import metadata

    found = []
    for entry in metadata.entry_points(group=GROUP):
        try:
            made = entry.load()
        except Exception as error:
            raise ViewError(
                f"{_told(entry)} cannot be loaded: {error!r}; mend or remove its package"
            ) from error
        if not isinstance(made, Format):
            raise ViewError(f"{_told(entry)} is no {Format.__module__}.Format")
        found.append(made)
    return found


def _told(entry: EntryPoint) -> str:
    return f"the reader {entry.name!r} ({entry.value})"


def named(name: str) -> Format:
    """The format called `name`."""
    return next(format_ for format_ in formats() if format_.name == name)


@functools.lru_cache(maxsize=4096)  # a tree has few different names
def of_name(name: str) -> tuple[frozenset[Format], tuple[Format, ...]]:
    """The formats to which a file of that name may belong: as a mark, and as one with scalars."""
    return (
        frozenset(f for f in formats() if _is_one_of(name, f.marks)),
        tuple(f for f in formats() if _is_one_of(name, f.scalars)),
    )


def _is_one_of(name: str, globs: tuple[str, ...]) -> bool:
    return any(fnmatch.fnmatchcase(name, glob) for glob in globs)


def config(home: Path) -> ConfigReading:
    """The config of the run in `home`: that of the first format that finds one there."""
    problems: list[Problem] = []
    for format_ in formats():
        if format_.config is not None:
            found = format_.config(home)
            problems += found.problems
            if found.config is not None:
                return ConfigReading(found.config, tuple(problems))
    return ConfigReading(None, tuple(problems))


def stamp(home: Path) -> Hashable | None:
    """What config and status of a run are read from is like, if the format that is asked first says both."""
    first = formats()[0]
    return None if first.stamp is None else first.stamp(home)


def status(home: Path) -> StatusReading:
    """The status of the run in `home`: that of the first format that finds one there."""
    problems: list[Problem] = []
    for format_ in formats():
        if format_.status is not None:
            found = format_.status(home)
            problems += found.problems
            if found.status is not None:
                return StatusReading(found.status, tuple(problems))
    return StatusReading(None, tuple(problems))
