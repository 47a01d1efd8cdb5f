"""progress.csv: the wide table of every scalar frame that exptools' logger writes.

The first two columns are step and wall_time BY POSITION: a tag may bear those names as well.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from exptools.formats.progress import decode_header, has_header
from exptools.viewing.curves import Curve, ReadAgain, Reading, Since, Wanted, concatenated, everything
from exptools.viewing.problem import Problem
from exptools.viewing.readers.files import nothing, torn_row

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

_HEAD = 2**16  # bytes that are read to find the header
_STEP, _WALL_TIME = "0", "1"  # the columns' names inside this file are their positions


def read(
    path: Path, wanted: Wanted = everything, *, live: bool = False, since: Since | None = None
) -> Reading:
    """The frames of progress.csv, bit for bit; no file, or one without a byte yet, is not usable.

    A row that cannot be read is named with its offset and the others are kept; so is a last row without its
    line end, unless the run is `live`.
    """
    try:
        with open(path, "rb") as file:
            head = _head(file)
            header = decode_header(head)
            if header is not None:
                if since is not None and list(since.tags) != header[0]:
                    raise ReadAgain
                at = header[1] if since is None else since.end
                file.seek(at)
                return _read_rows(path, file.read(), at, header[0], wanted, live)
    except (FileNotFoundError, NotADirectoryError):
        return nothing()
    except OSError as error:
        return nothing(Problem.of_os(path, error))
    except ValueError as error:
        return nothing(Problem(path, str(error), offset=0))
    torn = Problem(path, "the file ends inside its header", offset=0)
    return nothing() if live or not head else nothing(torn)


def _head(file: BinaryIO) -> bytes:
    """The file's beginning with at least its whole first line, if it has one."""
    head = bytearray()
    while more := file.read(_HEAD):
        head += more
        if b"\n" in more and has_header(bytes(head)):  # a crash may leave gigabytes without a line end
            break
    return bytes(head)


def _read_rows(path: Path, data: bytes, at: int, tags: list[str], wanted: Wanted, live: bool) -> Reading:
    """The frames of the rows in `data`, which begins `at` that offset of the file."""
    stop = data.rfind(b"\n") + 1
    problems: list[Problem] = []
    rows = _salvage(path, data if stop == len(data) else data[:stop], at, 2 + len(tags), problems)
    if stop < len(data) and not live:
        problems.append(torn_row(path, at + stop))
    curves: dict[str, list[Curve]] = {}
    for frame in rows:
        step, wall_time = frame[_STEP].to_numpy(), frame[_WALL_TIME].to_numpy()
        for i, tag in enumerate(tags, start=2):
            if wanted(tag):
                curves.setdefault(tag, []).append(_curve(step, wall_time, frame[str(i)]))
    joined = {tag: concatenated(parts) for tag, parts in curves.items() if parts}
    return Reading(joined, tuple(tags), tuple(problems), end=at + stop)


def _curve(step: NDArray[np.int64], wall_time: NDArray[np.float64], value: pl.Series) -> Curve:
    """The frames of one tag: an empty cell is no frame, a nan is one.

    Made of single columns: what polars does to a frame takes a time that grows with all of its columns.
    """
    if not value.null_count():
        return Curve(step, wall_time, value.to_numpy())
    there = value.is_not_null()
    mask = there.to_numpy()
    return Curve(step[mask], wall_time[mask], value.filter(there).to_numpy())


def _parse(body: bytes, width: int) -> pl.DataFrame | None:
    """`body` as columns; None if some row of it is not `width` numbers (an empty value counts as one).

    Shape (rows, width): int64 step, float64 wall_time and values, null where a cell is empty.
    """
    import polars as pl

    schema = {str(i): pl.Int64 if i == 0 else pl.Float64 for i in range(width)}
    try:
        frame = pl.read_csv(body, schema=schema, has_header=False, quote_char=None)
    except pl.exceptions.PolarsError:
        return None
    # Short rows and empty lines come back as nulls, without an error. Where the last cells are filled there
    # are none; otherwise only counting tells them from rows whose last cells are empty.
    full = not frame[str(width - 1)].null_count() or (
        _count(body, ",") == frame.height * (width - 1) and _count(body, "\n") == frame.height
    )
    timed = frame[_STEP].null_count() == 0 and frame[_WALL_TIME].null_count() == 0
    return frame if full and timed else None


def _count(data: bytes, character: str) -> int:
    """How often `character` is in `data`; bytes.count is slow where it is often."""
    import numpy as np

    return int(np.count_nonzero(np.frombuffer(data, np.uint8) == ord(character)))


def _salvage(path: Path, body: bytes, at: int, width: int, problems: list[Problem]) -> list[pl.DataFrame]:
    """The rows of `body` that can be read; the others are named in `problems`. `at`: its offset in the file.

    Halving finds few bad rows fast, and leaves the judgement of what a row is to one parser.
    """
    frame = _parse(body, width)
    if frame is not None:
        return [frame]
    if body.count(b"\n") == 1:
        problems.append(Problem(path, f"not a row of {width} numbers; it was left out", at))
        return []
    half = body.find(b"\n", len(body) // 2, len(body) - 1) + 1 or body.rfind(b"\n", 0, len(body) // 2) + 1
    first = _salvage(path, body[:half], at, width, problems)
    return first + _salvage(path, body[half:], at + half, width, problems)
