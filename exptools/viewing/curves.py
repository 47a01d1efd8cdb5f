"""Curves: the frames of one tag as columns, and what a reader finds in a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from exptools.viewing.problem import Problem

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

    @property
    def final(self) -> float:
        """The value at the greatest step, of several the last; nan where there is no frame."""
        if not len(self):
            return float("nan")
        return float(self.value[-1 - int(self.step[::-1].argmax())])

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
    """What a reader found in one file, or what was found in all files of a run.

    curves: per wanted tag its frames. tags: all tags, wanted or not. usable: False where there was nothing to
    take frames from, not even an empty table of them. superseded: how many frames of a tag were left out
    because a later session measured it again at the same step. end: so many bytes of the file were read, up
    to the end of its last whole record; None where reading cannot go on from there.
    """

    curves: Mapping[str, Curve]
    tags: tuple[str, ...]
    problems: tuple[Problem, ...] = ()
    usable: bool = True
    superseded: Mapping[str, int] = field(default_factory=dict)
    end: int | None = None


@dataclass(frozen=True)
class Since:
    """From where to read on, and what is known of what is before. tags: the scalars there."""

    end: int
    tags: tuple[str, ...]


class ReadAgain(Exception):
    """What is before is not what it was: read the file from its beginning."""


def everything(tag: str) -> bool:
    """Wants every tag."""
    return True
