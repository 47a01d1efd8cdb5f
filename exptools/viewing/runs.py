"""Finding runs: which directories below the given paths are runs, and which files are theirs.

The tree may change while it is walked: what has vanished since it was listed was never there.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from exptools import rundir
from exptools.errors import ViewError
from exptools.viewing.problem import Problem
from exptools.viewing.readers import registry
from exptools.viewing.readers.format import Format, always
from exptools.viewing.seen import Seen, Stamp, Tree, is_settled, stamp, stamps_of

_SWEEP_MARKS = (rundir.SWEEP, "multirun.yaml")  # ours, and Hydra's own


@dataclass(frozen=True)
class Source:
    """A file that holds scalars, and its format."""

    path: Path
    format: Format


@dataclass(frozen=True)
class Place:
    """Where one run lies.

    path: the directory the run is known by. home: the directory whose config and status are the run's; it
    differs from `path` for files in a sub-directory of a run, and `part` is that sub-directory then. sweep:
    the directory of the sweep it is of. sources: its files with scalars, by format (see registry.formats),
    those of one format oldest first (as far as their names tell).
    """

    name: str
    path: Path
    home: Path
    part: str
    sweep: Path
    sources: tuple[Source, ...]


@dataclass(frozen=True)
class Found:
    """The runs below some paths, in natural order of their names, and what could not be looked into."""

    places: tuple[Place, ...]
    problems: tuple[Problem, ...]


@dataclass
class _Home:
    """A run while its directory is being walked; parts are sub-directories with scalars."""

    path: Path
    sources: list[Source]
    is_whole: bool
    parts: list[tuple[Path, list[Source]]] = field(default_factory=list)


@dataclass
class _Walk:
    """seen: of the last walk. listings: of this one, for the next. is_same: whether it is like the last."""

    seen: Seen
    listings: dict[Path, tuple[Stamp, Listing]] = field(default_factory=dict)
    is_same: bool = True
    homes: list[_Home] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    visited: set[tuple[int, int]] = field(default_factory=set)  # device and inode
    links: list[tuple[Path, _Home | None]] = field(default_factory=list)


@dataclass
class Listing:
    """What a directory holds. judged: the files whose beginnings were looked at, as they were before that.

    is_plain: whether all this is the same as long as the directory and those files are.
    """

    marks: set[Format] = field(default_factory=set)
    sources: list[Source] = field(default_factory=list)
    directories: list[Path] = field(default_factory=list)
    links: list[Path] = field(default_factory=list)
    judged: dict[Path, Stamp] = field(default_factory=dict)
    is_plain: bool = True


def find(paths: Sequence[str | os.PathLike[str]], seen: Seen | None = None) -> Found:
    """The runs at and below `paths`, at any depth.

    A directory is a run if it holds a mark of a format (see Format), or files with scalars and no directory
    above it is a run. Scalars in a sub-directory of a run are the run's if they are all it has; otherwise
    each such sub-directory is a run of its own, named run/sub, with the config and status of the enclosing
    run. Hidden directories and a run's snapshots are passed over; symbolic links are followed, each directory
    is visited once.

    seen: what was seen at the last look, and then at this one; directories that have not changed are not
    listed again.

    Raises:
        ViewError: a path does not exist or is not a directory, or there is no run at all.
    """
    if not paths:
        raise ViewError("no path was given; give a directory that holds runs, for example multirun/")
    if any(not os.fspath(path) for path in paths):
        raise ViewError("the path is empty; give a directory that holds runs, for example multirun/")
    roots = [_existing(Path(path)) for path in paths]
    seen = Seen() if seen is None else seen
    walk = _Walk(seen)
    for root in roots:
        _visit(walk, root, None)
    while walk.links:  # last, so that a run is known by its real directory where that was walked too
        _visit(walk, *walk.links.pop(0))
    if not walk.homes:
        given = ", ".join(map(str, roots))
        held = f"; {walk.problems[0]}" if walk.problems else ""
        raise ViewError(
            f"no runs below {given}: a run is a directory with the files of one of "
            f"{', '.join(format_.name for format_ in registry.formats())}; give a directory above some{held}"
        )
    seen.listings = walk.listings
    tree = seen.tree
    if tree is None or not walk.is_same or tree.roots != tuple(roots) or not _are_sweeps(tree.sweeps):
        sweeps: dict[Path, Path] = {}
        places = tuple(_named(roots, _without_settings(walk.homes), sweeps))
        tree = seen.tree = Tree(tuple(roots), Found(places, tuple(walk.problems)), sweeps)
    return tree.found


def natural(text: str) -> list[list[tuple[int, int, str, str]]]:
    """A sort key under which 2 comes before 10, path component by path component."""
    return [[_token(t) for t in re.split(r"(\d+)", part) if t] for part in text.split("/")]


def _token(text: str) -> tuple[int, int, str, str]:
    """Digits by how many they are and which: there may be more than Python takes for a number."""
    digits = text.lstrip("0")
    return (0, len(digits), digits, text) if text.isdecimal() else (1, 0, text, text)


def _existing(path: Path) -> Path:
    example = "give a directory that holds runs, for example multirun/"
    try:
        mode = os.stat(path).st_mode
    except (FileNotFoundError, NotADirectoryError):
        raise ViewError(f"{path} does not exist; {example}") from None
    except OSError as error:
        raise ViewError(f"{path} cannot be looked at ({error.strerror or error}); {example}") from error
    if not stat.S_ISDIR(mode):
        raise ViewError(f"{path} is a file; give the directory that holds it ({path.parent})")
    return path


def _visit(walk: _Walk, top: Path, home: _Home | None) -> None:
    stack = [(top, home)]
    while stack:
        path, above = stack.pop()
        listing = _list(walk, path)
        if listing is None:
            continue
        here = _belonging(walk, path, listing, above)
        walk.links += [(link, here) for link in listing.links]
        inside = here is not None and here.path == path
        stack += [(d, here) for d in listing.directories if not (inside and d.name == rundir.SNAPSHOTS)]


def _without_settings(homes: list[_Home]) -> list[_Home]:
    """`homes` without the directories that only hold the config of the runs below them."""
    above = {parent for home in homes for parent in home.path.parents}

    def is_setting(home: _Home) -> bool:
        has_data = home.sources or home.parts or rundir.holds_more_than_a_config(home.path)
        return home.path in above and not has_data

    return [home for home in homes if not is_setting(home)]


def _belonging(walk: _Walk, path: Path, listing: Listing, above: _Home | None) -> _Home | None:
    """The run that `path` and what is below it belongs to."""
    of = {*listing.marks, *(source.format for source in listing.sources)}
    is_whole = any(format_.is_whole for format_ in of)
    has_own_config = bool(listing.marks and listing.sources)
    if (
        is_whole
        or (above is None and (listing.marks or listing.sources))
        or (above is not None and not above.is_whole and has_own_config)
    ):
        home = _Home(path, listing.sources, is_whole)
        walk.homes.append(home)
        return home
    if listing.sources and above is not None:
        above.parts.append((path, listing.sources))
    return above


def _list(walk: _Walk, path: Path) -> Listing | None:
    """What `path` holds; None if it was visited before, has vanished or cannot be looked into."""
    try:
        found = os.stat(path)
        if (found.st_dev, found.st_ino) in walk.visited:
            return None
        walk.visited.add((found.st_dev, found.st_ino))
        before = walk.seen.listings.get(path)
        if before is not None and before[0] == stamp(found) and _is_as_it_was(before[1]):
            walk.listings[path] = before
            return before[1]
        walk.is_same = False
        listing = _listed(walk, path)
    except FileNotFoundError:
        walk.is_same = False
        return None
    except OSError as error:
        walk.is_same = False
        walk.problems.append(Problem.of_os(path, error))
        return None
    if listing.is_plain and is_settled(found):
        walk.listings[path] = stamp(found), listing
    return listing


def _is_as_it_was(listing: Listing) -> bool:
    return stamps_of(listing.judged) == tuple(listing.judged.values())


def _listed(walk: _Walk, path: Path) -> Listing:
    listing = Listing()
    with os.scandir(path) as entries:
        for entry in entries:
            marks, scalars = registry.of_name(entry.name)
            listing.is_plain &= not entry.is_symlink() and all(f.proves is always for f in marks)
            listing.marks |= {format_ for format_ in marks if format_.proves(path / entry.name)}
            if not entry.name.startswith("."):
                _sort_in(walk, listing, path / entry.name, entry, scalars)
    order = {format_: i for i, format_ in enumerate(registry.formats())}
    listing.sources.sort(key=lambda source: (order[source.format], natural(source.path.name)))
    return listing


def _sort_in(
    walk: _Walk, listing: Listing, path: Path, entry: os.DirEntry[str], scalars: Sequence[Format]
) -> None:
    """scalars: the formats that have files of that name."""
    try:
        if entry.is_dir(follow_symlinks=False):
            listing.directories.append(path)
        elif entry.is_symlink() and entry.is_dir():
            listing.links.append(path)
        elif scalars and entry.is_file():
            before = stamps_of([path])
            listing.is_plain &= before is not None
            listing.judged |= dict(zip([path], before or (), strict=False))
            for format_ in scalars:
                listing.is_plain &= format_.claims is always or format_.stamp is not None
                if format_.claims(path):
                    listing.sources.append(Source(path, format_))
                    break
    except OSError as error:  # a link to itself, for one; the others in the directory are unharmed
        listing.is_plain = False
        walk.problems.append(Problem.of_os(path, error))


def below(paths: Iterable[str | os.PathLike[str]]) -> dict[str, str]:
    """Each of `paths` by the part of it that tells it from the others; of one alone, its last component."""
    absolute = {os.fspath(path): os.path.abspath(path) for path in paths}
    if not absolute:
        return {}
    base = os.path.commonpath(absolute.values())
    base = os.path.dirname(base) if base in absolute.values() else base
    return {given: _name(path, base) for given, path in absolute.items()}


def _named(roots: list[Path], homes: list[_Home], sweeps: dict[Path, Path]) -> list[Place]:
    """The places of `homes`, named by their path below the root (below what several roots share).

    sweeps: gets the sweep of each directory that runs lie in: one has many.
    """
    absolute = [os.path.abspath(root) for root in roots]
    base = os.path.commonpath(absolute)
    if any(os.path.abspath(home.path) == base for home in homes):
        base = os.path.dirname(base)  # a run that was itself given is known by its own name

    def sweep_of(directory: Path) -> Path:
        if directory not in sweeps:
            sweeps[directory] = _sweep(directory)
        return sweeps[directory]

    places = (place for home in homes for place in _places(home, base, sweep_of(_absolute(home.path).parent)))
    return sorted(places, key=lambda place: natural(place.name))


def _are_sweeps(sweeps: Mapping[Path, Path]) -> bool:
    return all(_sweep(directory) == sweep for directory, sweep in sweeps.items())


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))


def _places(home: _Home, base: str, sweep: Path) -> Iterator[Place]:
    own, parts = home.sources, home.parts
    if not own and len(parts) == 1:
        own, parts = parts[0][1], []
    name = _name(home.path, base)
    yield Place(name, home.path, home.path, "", sweep, tuple(own))
    for path, sources in parts:
        part = _name(path, os.path.abspath(home.path))
        yield Place(f"{name}/{part}", path, home.path, part, sweep, tuple(sources))


def _sweep(directory: Path) -> Path:
    """The directory that a sweep left its mark in, for a run that lies in `directory`: that or one above it;
    where there is none, `directory`.
    """
    above = (directory, *directory.parents)
    marked = (path for path in above if any(os.path.exists(path / mark) for mark in _SWEEP_MARKS))
    return next(marked, directory)


def _name(path: str | Path, base: str) -> str:
    """`path` below `base`; bytes of a file name that are not UTF-8 are written as escapes."""
    relative = Path(os.path.relpath(os.path.abspath(path), base)).as_posix()
    return relative.encode("utf-8", "backslashreplace").decode()
