"""The bytes of what was logged, and the bins of histograms: read when they are shown."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools.errors import ViewError
from exptools.viewing.inside import MOST_BYTES, open_inside, read_inside
from exptools.viewing.media import bins, index
from exptools.viewing.media.entry import HISTOGRAM, Entry
from exptools.viewing.media.mime import mime_type
from exptools.words import memory

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def content(
    entry: Entry, which: int = 0, roots: Sequence[Path] | None = None, most_bytes: int = MOST_BYTES
) -> tuple[bytes, str]:
    """One of the contents of `entry`, from 0 on, and its MIME type, which follows from the bytes.

    roots: the directories below which files may be; the run's own if None.

    Raises:
        ViewError: there is no such content, it is not there any more, is damaged, or has more than
            `most_bytes`; it is a file elsewhere.
    """
    if not 0 <= which < entry.n_contents:
        raise ViewError(f"{entry} has {entry.n_contents} contents, counted from 0 on; there is no {which}")
    if entry.files:
        home = entry.source.path.parent
        data = read_inside(home / entry.files[which], [home] if roots is None else roots, most_bytes)
    else:
        data = _record(entry, roots, most_bytes)[slice(*entry.source.blobs[which])]
    return data, mime_type(data)


def histogram(
    entry: Entry, roots: Sequence[Path] | None = None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The edges, (k + 1) float64, and the counts, (k) float64, of an entry of kind histogram.

    roots: see content.

    Raises:
        ViewError: it is no histogram, is not there any more, or is damaged.
    """
    if entry.kind != HISTOGRAM:
        raise ViewError(f"{entry} is no histogram; its content is read by content()")
    try:
        if entry.source.is_event:
            return bins.of_event(_record(entry, roots, MOST_BYTES), entry.source.value)
        return bins.of_line(_line(entry, roots))
    except ValueError as error:
        raise ViewError(f"{entry.source}: not a histogram ({error})") from error


def _record(entry: Entry, roots: Sequence[Path] | None, most_bytes: int) -> bytes:
    """The payload of its record, whose checksum is right."""
    from exptools.formats.rich import read_record

    source = entry.source
    if source.length > most_bytes:
        most, size = memory(most_bytes), memory(source.length)
        raise ViewError(f"{source}: the record has {size}, and {most} is the most that is shown")
    with open_inside(source.path, _roots(source.path, roots)) as file:
        payload = read_record(file.fileno(), source.offset, source.length)
    if payload is None:
        raise ViewError(f"{source}: the record fails its checksum, or the file has changed; look again")
    return payload


def _line(entry: Entry, roots: Sequence[Path] | None) -> dict[str, Any]:
    """What its line says."""
    source = entry.source
    with open_inside(source.path, _roots(source.path, roots)) as file:
        found = index.parsed(os.pread(file.fileno(), source.length, source.offset))
    told = None if found is None else (found["kind"], found["tag"], found["step"], float(found["wall_time"]))
    if found is None or told != (entry.kind, entry.tag, entry.step, entry.wall_time):
        raise ViewError(f"{source}: the file has changed; look again")
    return found


def _roots(path: Path, roots: Sequence[Path] | None) -> Sequence[Path]:
    """Files that were found, and not named by somebody, may be links to elsewhere."""
    return [Path(os.path.realpath(path)).parent] if roots is None else roots
