"""What a figure shows, as values: per tag the mean over seeds, a line per variant; and what it cannot."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.compare import Aggregate
from exptools.viewing.exporters import looks
from exptools.viewing.groups import Group, by_settings
from exptools.viewing.runs import natural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from exptools.viewing.api import Run, Runs

    Curve: TypeAlias = tuple[NDArray[np.int64], NDArray[np.float64]]  # steps and values, shape (frames,)

_LARGEST = 1e150  # the square of what is larger, and so the sd, is beyond float64; so is soon the axis


@dataclass(frozen=True)
class Line:
    """One line: the runs of a group that have the tag, and their aggregate."""

    group: Group
    aggregate: Aggregate

    @property
    def whole(self) -> NDArray[np.bool_]:
        """Where all of its runs count, shape (points,)."""
        import numpy as np

        return np.equal(self.aggregate.n, len(self.group.runs))


@dataclass(frozen=True)
class Panel:
    """One tag. missing, partial, short, odd: runs that lack the tag, did not complete, do not reach as far
    as the others of their line, or hold values that cannot be drawn.
    """

    tag: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    short: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    runs: int = 0  # all that were looked at


def panels(runs: Runs, patterns: Sequence[str]) -> list[Panel]:
    """One panel for each tag that `patterns` name, in their order.

    Raises:
        ViewError: a tag that no run has.
    """
    curves: dict[str, dict[str, Curve]] = {}
    for run, reading in runs.readings(patterns):
        for tag, curve in reading.curves.items():
            if len(curve):
                curves.setdefault(tag, {})[run.name] = curve.step, _drawable(curve.value)
    if not curves:
        raise ViewError(
            f"{', '.join(map(repr, patterns))}: no run has logged a value of it yet; try again later"
        )
    tags = sorted(curves, key=natural)
    chosen = dict.fromkeys(tag for pattern in patterns for tag in tags if compare.matches(tag, [pattern]))
    measured = {name for by_run in curves.values() for name in by_run}
    groups = sorted(runs.groups(measured), key=by_settings)
    return [_panel(tag, curves[tag], groups, runs.runs) for tag in chosen]


def _drawable(values: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.where(np.abs(values) <= _LARGEST, values, np.nan)


def _panel(tag: str, curves: Mapping[str, Curve], groups: Sequence[Group], runs: Sequence[Run]) -> Panel:
    drawn = [group for group in (group.only(curves) for group in groups) if group.runs]
    lines = [Line(group, compare.aggregate([curves[name] for name in group.runs])) for group in drawn]
    homes = {run.place.home for run in runs if run.name in curves}
    return Panel(
        tag,
        tuple(lines),
        missing=tuple(run.told for run in runs if run.place.home not in homes and not run.place.part),
        partial=tuple(
            run.told for run in runs if run.name in curves and run.state not in (None, State.COMPLETED)
        ),
        short=tuple(name for line in lines for name in _short(line, curves)),
        odd=tuple(_odd(name, values) for name, (_, values) in curves.items() if _gaps(values)),
        runs=len({run.place.home for run in runs}),
    )


def _short(line: Line, curves: Mapping[str, Curve]) -> Iterator[str]:
    first, last = line.aggregate.step[[0, -1]]
    for name in line.group.runs:
        steps = curves[name][0]
        if steps.min() > first or steps.max() < last:
            yield f"{name} (steps {steps.min()} to {steps.max()} of {first:.0f} to {last:.0f})"


def _gaps(values: NDArray[np.float64]) -> int:
    import numpy as np

    return int(np.count_nonzero(np.isnan(values)))


def _odd(name: str, values: NDArray[np.float64]) -> str:
    return f"{name} ({_gaps(values)} of {len(values)})"


def groups_of(drawn: Sequence[Panel]) -> list[Group]:
    """The groups that have a line in some panel, in the order of their settings."""
    by_label = {line.group.label: line.group for panel in drawn for line in panel.lines}
    return sorted(by_label.values(), key=by_settings)


def notes(drawn: Sequence[Panel]) -> list[str]:
    """What a reader of the figure cannot see in it, one line each."""
    return [*_notes_on_groups(groups_of(drawn)), *(note for panel in drawn for note in _notes(panel))]


def _notes_on_groups(groups: Sequence[Group]) -> Iterator[str]:
    sweeps = list(dict.fromkeys(group.sweep for group in groups if group.sweep))
    if sweeps:
        yield (
            f"the same seeds were run in {len(sweeps)} sweeps, which are drawn apart: "
            f"{compare.listed(sweeps)}; give the directory of one to draw it alone"
        )
    if len(groups) > looks.MOST:
        yield (
            f"{len(groups)} lines are more than can be told apart at a glance: their colours go from dark to "
            "bright in the order of the legend"
        )


def _notes(panel: Panel) -> Iterator[str]:
    of = f"of {panel.runs} runs"
    if panel.missing:
        yield f"{panel.tag}: missing in {len(panel.missing)} {of}: {compare.listed(panel.missing)}"
    if panel.partial:
        names = compare.listed(panel.partial)
        yield f"{panel.tag}: {len(panel.partial)} {of} not completed, drawn as far as they go: {names}"
    if panel.short:
        names = compare.listed(panel.short)
        yield f"{panel.tag}: the mean is of fewer runs, and dotted, where one has no values: {names}"
    repeated = [line.group.told for line in panel.lines if line.group.repeats]
    if repeated:
        names = compare.listed(repeated)
        yield f"{panel.tag}: runs of the same seed are averaged like those of others: {names}"
    if panel.odd:
        names = compare.listed(panel.odd)
        yield f"{panel.tag}: values that are not finite, or beyond 1e150, leave gaps in {names}"
    if _nothing(panel):
        yield f"{panel.tag}: nothing is drawn, for there is no value without a gap"


def _nothing(panel: Panel) -> bool:
    return all(_gaps(line.aggregate.mean) == len(line.aggregate.mean) for line in panel.lines)


def caption(panel: Panel) -> str:
    """What the lines and bands of `panel` are, such as `mean and sd over 3 seeds`."""
    if _nothing(panel):
        return "nothing that can be drawn"
    low = min(int(line.aggregate.n.min()) for line in panel.lines)
    high = max(int(line.aggregate.n.max()) for line in panel.lines)
    if high == 1:
        return "one run" if len(panel.lines) == 1 else "one run per line"
    dotted = "" if all(line.whole.all() for line in panel.lines) else " (dotted: fewer)"
    return f"mean and sd over {_range(low, high)} {_what(panel)}{dotted}"


def _what(panel: Panel) -> str:
    several = [line.group for line in panel.lines if len(line.group.runs) > 1]
    if all(group.seeds == len(group.runs) for group in several):
        return "seeds"
    if not any(group.repeats for group in several):
        return "runs"
    seeds = [group.seeds for group in several]
    return f"runs ({_range(min(seeds), max(seeds))} {'seed' if max(seeds) == 1 else 'seeds'})"


def _range(low: int, high: int) -> str:
    return str(high) if low == high else f"{low} to {high}"
