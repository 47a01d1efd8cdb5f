"""The scalars of one run, gathered from all of its files."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from exptools import rundir

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from exptools.viewing.problem import Problem
    from exptools.viewing.runs import Place

Wanted: TypeAlias = Callable[[str], bool]  # which tags to keep


@dataclass(frozen=True, slots=True, eq=False)
class Curve:
    """The frames of one tag in the order in which they were logged, all arrays of shape (frames,).

    step: int64. wall_time: float64, seconds since the epoch; nan where nobody wrote it down. value: float64.
    """

    step: NDArray[np.int64]
    wall_time: NDArray[np.float64]
    value: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.step)

    def rows(self) -> list[tuple[int, float, float]]:
        """The frames one by one, as Python's numbers."""
        return list(zip(self.step.tolist(), self.wall_time.tolist(), self.value.tolist(), strict=True))

    def part(self, which: slice | NDArray[np.bool_] | NDArray[np.int64]) -> Curve:
        """Some of the frames."""
        return Curve(self.step[which], self.wall_time[which], self.value[which])


def concatenated(curves: Sequence[Curve]) -> Curve:
    """The frames of `curves`, one after the other."""
    import numpy as np

    if len(curves) == 1:
        return curves[0]
    return Curve(
        np.concatenate([curve.step for curve in curves]),
        np.concatenate([curve.wall_time for curve in curves]),
        np.concatenate([curve.value for curve in curves]),
    )


@dataclass(frozen=True)
class Reading:
    """What a reader found.

    curves: per wanted tag its frames. tags: all tags, wanted or not. usable: False where there was nothing to
    take frames from, not even an empty table of them.
    """

    curves: Mapping[str, Curve]
    tags: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    usable: bool = True


def everything(tag: str) -> bool:
    """Wants every tag."""
    return True


def read(place: Place, wanted: Wanted = everything, *, live: bool = False) -> Reading:
    """The scalars of the run at `place`.

    progress.csv is the truth where there is one: exptools' own event file is a float32 view of it and is
    read only in its stead. Other event files are read in addition; of a tag that is in several files the
    frames of all are kept, one file after the other. While the run is `live`, a last record that is only
    half written is left out and is no problem.
    """
    from exptools.viewing.readers import events, progress

    truth = progress.read(place.progress, wanted, live=live)
    files = [p for p in place.events if not (truth.usable and p.name.endswith(rundir.OWN_EVENTS_SUFFIX))]
    return joined([truth, *(events.read(path, wanted, live=live) for path in files)])


def joined(readings: Iterable[Reading]) -> Reading:
    """Several files' readings as one; the frames of a tag follow each other in the order of the files."""
    frames: dict[str, list[Curve]] = {}
    tags: dict[str, None] = {}
    problems: list[Problem] = []
    for reading in readings:
        tags |= dict.fromkeys(reading.tags)
        problems += reading.problems
        for tag, frame in reading.curves.items():
            frames.setdefault(tag, []).append(frame)
    curves = {tag: concatenated(parts) for tag, parts in frames.items()}
    return Reading(curves, tuple(tags), tuple(problems))
