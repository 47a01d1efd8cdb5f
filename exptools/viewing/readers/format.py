"""Format: one way in which somebody keeps runs on a disk, as the viewer needs to know it.

A package adds one through the entry point group "exptools.readers", whose entries name a Format.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from exptools.rundir import Status
from exptools.viewing.problem import Problem

if TYPE_CHECKING:
    from exptools.viewing.curves import Reading, Since, Wanted


@dataclass(frozen=True)
class ConfigReading:
    """config: nested dicts, lists and scalars; None where none was written or it cannot be read."""

    config: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()


@dataclass(frozen=True)
class StatusReading:
    """status: None where it is unknown."""

    status: Status | None
    problems: tuple[Problem, ...] = ()


class ReadScalars(Protocol):
    """Reads the scalars of a file, every frame of each wanted tag.

    What cannot be read is in the reading's problems, with its offset, and the rest is read nevertheless.
    While the run is `live` a last record that is only half written is no problem. A file that has vanished
    held nothing. Nothing is raised.
    """

    def __call__(self, path: Path, wanted: Wanted, *, live: bool) -> Reading: ...


class ReadOn(Protocol):
    """Reads what a file has got since it was read, as ReadScalars does; may raise ReadAgain."""

    def __call__(self, path: Path, wanted: Wanted, *, live: bool, since: Since) -> Reading: ...


def always(path: Path) -> bool:
    """Claims every file."""
    return True


@dataclass(frozen=True)
class Format:
    """How runs of one kind are recognised and read. Names of files are shell globs, of their last component.

    marks: files and directories that show that the directory they lie in is a run, though there may be no
    scalar yet; `proves` says of one whether it really does. is_whole: its runs are so wherever they lie;
    others, inside a run that is, are parts of it and have its config. scalars: files that hold scalars;
    `claims` says of one whether it really is of this format, and `read` reads it. exact: whether its values
    are what was measured; False: rounded to float32 or so, and only taken where no exact file has a frame.
    read_on: reads a file that has grown from where it ended; None if it must be read anew. is_cut: whether
    its writer takes back what a resumed run measures again; of others, steps that go back in a file are taken
    for a resume. config, status: of the run in a directory. stamp: of that directory, what config and status
    are read from is like; None where that cannot be told. A format that has one claims a file by nothing but
    its beginning and the names beside it.
    """

    name: str
    marks: tuple[str, ...] = ()
    proves: Callable[[Path], bool] = always
    is_whole: bool = False
    scalars: tuple[str, ...] = ()
    claims: Callable[[Path], bool] = always
    read: ReadScalars | None = None
    exact: bool = True
    read_on: ReadOn | None = None
    is_cut: bool = False
    config: Callable[[Path], ConfigReading] | None = None
    status: Callable[[Path], StatusReading] | None = None
    stamp: Callable[[Path], Hashable | None] | None = None
