"""What was read once: the columns of a file with scalars, kept in Parquet, so that the second look is cheap.

Beside the file, in .exptools_cache/, or in the user's cache directory where that cannot be written. It is
found by the file's name and trusted while size and mtime of the file are those it was made of; of a file that
has grown since, only what is new is read. Nothing is lost with it: what cannot be read or written is done
without.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from exptools import rundir
from exptools.viewing.curves import Curve, ReadAgain, Reading, Since, Wanted, concatenated, everything
from exptools.viewing.problem import Problem

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from exptools.viewing.readers.format import ReadOn, ReadScalars

DIRECTORY = ".exptools_cache"
SMALLEST = 2**20  # bytes; a smaller file is read nearly as fast as its cache would be
LARGEST = 2**30  # all columns of it have to be in memory once
_TOGETHER = 2**25  # bytes of columns that are read at once of several files
_VERSION = 1  # another one where readers find something else in the same file
_KEY = "exptools"
_SAMPLE = 4096  # bytes at the beginning and before the end, to see that a file has only grown


_Numbers: TypeAlias = Mapping[str, tuple[int, int, int, int]]  # see _Index.curves


@dataclass(frozen=True)
class _Index:
    """What stands in the cache beside the columns.

    size, mtime_ns: of the file. end: so many bytes of it were read. sample: a digest of some of them. curves:
    per tag the columns of its step, wall time and value, and how many frames. problems: offset and reason.
    """

    size: int
    mtime_ns: int
    end: int
    sample: str
    tags: list[str]
    curves: _Numbers
    problems: list[tuple[int | None, str]]
    usable: bool

    @functools.cached_property
    def height(self) -> int:
        """How many rows the cache has: as many as its longest column."""
        return max((length for *_, length in self.curves.values()), default=0)


def read(
    path: Path, read_file: ReadScalars, wanted: Wanted, *, live: bool, read_on: ReadOn | None
) -> Reading:
    """What `read_file` finds in `path`, as far as possible from the cache. read_on: see Format."""
    try:
        found = os.stat(path)
    except OSError:
        return read_file(path, wanted, live=live)
    if not SMALLEST <= found.st_size <= LARGEST or (live and read_on is None):
        return read_file(path, wanted, live=live)
    place, index = _look_up(path)
    if index is not None and place is not None:
        is_same = _is_same(index, found)
        has_grown = index.size < found.st_size
        with contextlib.suppress(_Unusable, ReadAgain):
            if is_same and (index.end == index.size or read_on is None):
                return _of(index, path, place, wanted)
            if read_on is not None and (is_same or has_grown) and index.sample == _sample(path, index.end):
                return _grown(index, path, place, read_on, wanted, live, found)
    reading = read_file(path, everything, live=live)
    _keep(path, reading, found)
    return _chosen(reading, wanted)


def several(paths: Iterable[Path], wanted: Wanted) -> dict[Path, Reading]:
    """What is kept of those of `paths` that have not changed since, as far as it is not much.

    It is read in one go, see _together.
    """
    asked: list[_Asked] = []
    room = _TOGETHER
    for path in paths:
        found = _current(path, wanted)
        if found is not None:
            room -= 8 * sum(found.lengths.values())
            if room < 0:
                break
            asked.append(found)
    with contextlib.suppress(_Unusable):
        return {one.path: reading for one, reading in zip(asked, _together(asked), strict=True)}
    return {}  # one of them is damaged: each by itself, then


def _current(path: Path, wanted: Wanted) -> _Asked | None:
    """What is wanted of the cache of `path`, if it has all of the file."""
    with contextlib.suppress(OSError):
        found = os.stat(path)
        if SMALLEST <= found.st_size <= LARGEST:
            place, index = _look_up(path)
            if place is not None and index is not None and _is_same(index, found):
                return _Asked.of(index, path, place, wanted) if index.end == index.size else None
    return None


def meet(path: Path) -> None:
    """Find out what the cache of `path` holds, so that it need not be found out when somebody waits."""
    _look_up(path)


def is_of(path: Path) -> bool:
    """Whether there is a cache of `path` that looks like one of its present content."""
    place = next((place for place in places(path) if os.path.exists(place)), None)
    with contextlib.suppress(OSError):
        return place is not None and place.stat().st_mtime_ns >= path.stat().st_mtime_ns
    return False


def _is_same(index: _Index, found: os.stat_result) -> bool:
    return (index.size, index.mtime_ns) == (found.st_size, found.st_mtime_ns)


class _Unusable(Exception):
    """The cache cannot be read."""


def _grown(
    index: _Index,
    path: Path,
    place: Path,
    read_on: ReadOn,
    wanted: Wanted,
    live: bool,
    found: os.stat_result,
) -> Reading:
    """What was known, and what has been written since."""
    since = Since(index.end, tuple(index.tags))
    is_much = found.st_size - index.end > max(SMALLEST, index.end // 4)  # so that it is seldom written again
    more = read_on(path, everything if is_much else wanted, live=live, since=since)
    if is_much:
        whole = _joined(_of(index, path, place, everything), more)
        _keep(path, whole, found)
        return _chosen(whole, wanted)
    return _joined(_of(index, path, place, wanted), more)


def _joined(old: Reading, new: Reading) -> Reading:
    curves = {
        tag: concatenated([part.curves[tag] for part in (old, new) if tag in part.curves])
        for tag in dict.fromkeys([*old.curves, *new.curves])
    }
    tags = tuple(dict.fromkeys([*old.tags, *new.tags]))
    in_order = {tag: curves[tag] for tag in tags if tag in curves}
    return Reading(in_order, tags, (*old.problems, *new.problems), old.usable or new.usable, end=new.end)


def _chosen(reading: Reading, wanted: Wanted) -> Reading:
    curves = {tag: curve for tag, curve in reading.curves.items() if wanted(tag)}
    return Reading(curves, reading.tags, reading.problems, reading.usable, end=reading.end)


# --- where it lies ----------------------------------------------------------------------------------------


def put(path: Path, suffix: str, write: Callable[[Path], object]) -> None:
    """Let `write` make a file that becomes the cache of `path`, at the first of its places that takes it.

    If none does, for `write` raises OSError, there is no cache.
    """
    for place in places(path, suffix):
        temporary = place.with_name(rundir.temporary_name(place.name))
        try:
            place.parent.mkdir(parents=True, exist_ok=True)
            write(temporary)
            os.replace(temporary, place)
            return
        except OSError:
            with contextlib.suppress(OSError):
                temporary.unlink(missing_ok=True)


def places(path: Path, suffix: str = ".parquet") -> Iterator[Path]:
    """Where the cache of `path` may be: beside it, or in the user's directory."""
    yield path.parent / DIRECTORY / f"{path.name}{suffix}"
    name = hashlib.sha256(os.fsencode(os.path.realpath(path))).hexdigest()[:32]
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    yield Path(base) / "exptools" / f"{name}{suffix}"


def _look_up(path: Path) -> tuple[Path | None, _Index | None]:
    for place in places(path):
        if os.path.exists(place):
            return place, _index(place)
    return None, None


def _index(place: Path) -> _Index | None:
    """What the cache says of itself; None if it cannot be read or was written by another version."""
    try:
        found = os.stat(place)
    except OSError:
        return None
    return _index_of(place, found.st_ino, found.st_size, found.st_mtime_ns)


@functools.lru_cache(maxsize=4096)  # runs that are looked at again and again
def _index_of(place: Path, *stamp: int) -> _Index | None:
    import polars as pl

    try:
        said = json.loads(pl.read_parquet_metadata(place)[_KEY])
        if said.pop("version") != _VERSION:
            return None
        return _Index(**said)
    except (OSError, ValueError, KeyError, TypeError, pl.exceptions.PolarsError):
        return None


def _sample(path: Path, end: int) -> str:
    """A digest of the beginning of a file and of what is before `end`."""
    digest = hashlib.sha256()
    with contextlib.suppress(OSError), open(path, "rb") as file:
        digest.update(file.read(min(_SAMPLE, end)))
        file.seek(max(0, end - _SAMPLE))
        digest.update(file.read(min(_SAMPLE, end)))
    return digest.hexdigest()


# --- reading and writing it -------------------------------------------------------------------------------


def _of(index: _Index, path: Path, place: Path, wanted: Wanted) -> Reading:
    """The reading that was kept.

    Raises:
        _Unusable: the file is damaged, or has gone.
    """
    return _together([_Asked.of(index, path, place, wanted)])[0]


@dataclass(frozen=True)
class _Asked:
    """What is to be read of a cache. lengths: by column."""

    index: _Index
    path: Path
    place: Path
    curves: _Numbers
    lengths: dict[int, int]

    @classmethod
    def of(cls, index: _Index, path: Path, place: Path, wanted: Wanted) -> _Asked:
        """Of the cache at `place` the tags that are `wanted`."""
        curves = {tag: numbers for tag, numbers in index.curves.items() if wanted(tag)}
        lengths = {n: length for *columns, length in curves.values() for n in columns}
        return cls(index, path, place, curves, lengths)

    def reading(self, columns: Mapping[int, NDArray[Any]]) -> Reading:
        """It, made of the columns."""
        index = self.index
        problems = tuple(Problem(self.path, reason, offset) for offset, reason in index.problems)
        curves = {tag: Curve(columns[s], columns[w], columns[v]) for tag, (s, w, v, _) in self.curves.items()}
        return Reading(curves, tuple(index.tags), problems, index.usable, end=index.end)


def _together(asked: Sequence[_Asked]) -> list[Reading]:
    """The readings that were kept of several files.

    Files in which the same columns are wanted are read as one: polars takes three times as long for each file
    of its own.

    Raises:
        _Unusable: a cache is damaged, or has gone.
    """
    import polars as pl

    alike: dict[Hashable, list[_Asked]] = {}
    for one in asked:
        alike.setdefault(frozenset((s, w, v) for s, w, v, _ in one.curves.values()), []).append(one)
    try:
        frames = pl.collect_all([_scan(these) for these in alike.values()])
        parts = [
            part
            for these, frame in zip(alike.values(), frames, strict=True)
            for part in zip(these, _split(frame, these), strict=True)
        ]
    except (OSError, pl.exceptions.PolarsError) as error:
        raise _Unusable from error
    readings = {one.place: one.reading(columns) for one, columns in parts}
    return [readings[one.place] for one in asked]


def _scan(asked: Sequence[_Asked]) -> pl.LazyFrame:
    """The columns that are wanted of files, which have them under the same numbers."""
    import polars as pl

    columns = [str(n) for n in sorted(asked[0].lengths)]
    as_it_is: dict[str, Any] = {"glob": False, "hive_partitioning": False, "credential_provider": None}
    places = [one.place for one in asked]
    return pl.scan_parquet(places, **as_it_is, extra_columns="ignore").select(columns)


def _split(frame: pl.DataFrame, asked: Sequence[_Asked]) -> Iterator[dict[int, NDArray[Any]]]:
    """The columns of each file, without what fills them up: all of a Parquet file are of one length.

    Steps that are the same as those of the file before are the same array: that is so for most runs of a
    sweep, and saves a third of the memory.
    """
    import numpy as np

    heights = [one.index.height for one in asked]
    if frame.columns and len(frame) != sum(heights):
        raise _Unusable
    columns = {int(name): frame[name] for name in frame.columns}
    steps = {s for s, *_ in asked[0].curves.values()}
    before: dict[int, NDArray[Any]] = {}
    start = 0
    for one, height in zip(asked, heights, strict=True):
        found = {n: columns[n].slice(start, length).to_numpy() for n, length in one.lengths.items()}
        for n in steps:
            if n not in before or not np.array_equal(found[n], before[n]):
                before[n] = found[n].copy()  # the column of all files is not needed any more
            found[n] = before[n]
        yield found
        start += height


def _keep(path: Path, reading: Reading, found: os.stat_result) -> None:
    """Write the cache; if that fails there is none."""
    end = found.st_size if reading.end is None else reading.end
    columns, curves = _columns(reading.curves)
    index = {
        "version": _VERSION,
        "size": found.st_size,
        "mtime_ns": found.st_mtime_ns,
        "end": end,
        "sample": _sample(path, end),
        "tags": reading.tags,
        "curves": curves,
        "problems": [(p.offset, p.reason) for p in reading.problems if _stays(p, reading)],
        "usable": reading.usable,
    }
    put(path, ".parquet", lambda temporary: _write(temporary, columns, json.dumps(index)))


def _stays(problem: Problem, reading: Reading) -> bool:
    """Whether it is of what was read: what is behind that is looked at again, and may be whole then."""
    return reading.end is None or problem.offset is None or problem.offset < reading.end


def _columns(
    curves: Mapping[str, Curve],
) -> tuple[list[NDArray[Any]], dict[str, tuple[int, int, int, int]]]:
    """The different columns of `curves`, and which are whose: tags that were logged together have the same
    steps and times, which are kept once.
    """
    columns: list[NDArray[Any]] = []
    numbers: dict[bytes, int] = {}

    def number(array: NDArray[Any]) -> int:
        digest = hashlib.blake2b(array.dtype.char.encode() + array.tobytes(), digest_size=16).digest()
        if digest not in numbers:
            numbers[digest] = len(columns)
            columns.append(array)
        return numbers[digest]

    def new(array: NDArray[Any]) -> int:
        columns.append(array)
        return len(columns) - 1

    which = {
        tag: (number(curve.step), number(curve.wall_time), new(curve.value), len(curve))
        for tag, curve in curves.items()
    }
    return columns, which


def _write(file: Path, columns: list[NDArray[Any]], index: str) -> None:
    import polars as pl

    longest = max(map(len, columns), default=0)
    frame = pl.DataFrame({str(n): _filled(column, longest) for n, column in enumerate(columns)})
    try:
        frame.write_parquet(
            file, compression="zstd", compression_level=1, statistics=False, metadata={_KEY: index}
        )
    except pl.exceptions.PolarsError as error:
        raise OSError(str(error)) from error


def _filled(column: NDArray[np.float64] | NDArray[np.int64], length: int) -> Any:
    import polars as pl

    series = pl.Series(column)
    return series if len(series) == length else series.extend_constant(None, length - len(series))
