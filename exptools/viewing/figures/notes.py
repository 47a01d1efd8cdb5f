"""What a figure cannot show, in words: what is missing, unfinished, repeated, not a number, without an x."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.figures import looks, series
from exptools.viewing.figures.source import Source, panel_name, x_in_words
from exptools.viewing.figures.spec import AXES
from exptools.viewing.statistics.curves import ordered

if TYPE_CHECKING:
    from exptools.viewing.api import Run
    from exptools.viewing.figures.data import Mark, Panel
    from exptools.viewing.figures.series import Cell


def remarks(source: Source, panels: Sequence[Panel], labels: Sequence[str]) -> Iterator[str]:
    """What holds for the whole figure, a line each."""
    groups = [mark.group for panel in panels for mark in panel.marks]
    sweeps = list(dict.fromkeys(group.sweep for group in groups if group.sweep))
    if sweeps:
        yield (
            f"the same seeds were run in {len(sweeps)} sweeps, which are drawn apart: "
            f"{compare.listed(sweeps)}; give the directory of one to draw it alone"
        )
    if len(labels) > looks.MOST:
        what = "lines" if source.spec.kind == "curves" else "series"
        yield (
            f"{len(labels)} {what} are more than can be told apart at a glance: their colours go from dark "
            "to bright in the order of the legend"
        )
    names = _names(source, labels) if source.spec.rename else set()
    lost = [name for name in source.spec.rename if name not in names]
    if lost:
        yield f"rename: nothing in the figure is called {compare.listed(list(map(repr, lost)))}"


def _names(source: Source, labels: Sequence[str]) -> set[str]:
    """All that a rename could name."""
    keys = {key for member in source.members for key in member.config or {}}
    values = {compare.text(v) for member in source.members for v in (member.config or {}).values()}
    parts = {part for label in labels for part in label.split(", ")}
    return {
        *labels,
        *parts,
        *values,
        *keys,
        *compare.short_names(sorted(keys)).values(),
        *source.found.frames,
        *AXES,
    }


def notes(
    source: Source,
    cell: Cell,
    marks: Sequence[Mark],
    more: Mapping[str, Sequence[str]],
    *,
    averaged: bool = True,
) -> tuple[str, ...]:
    """What a reader cannot see in a panel: per tag what is missing, unfinished, repeated, not a number.

    more: per tag what its kind adds. averaged: whether the runs of a series are.
    """
    drawn = {tag: [mark for mark in marks if mark.tag == tag] for tag in cell.tags}
    return tuple(
        note
        for tag in cell.tags
        for note in _notes(source, cell, tag, drawn[tag], more.get(tag, ()), averaged)
    )


def where(source: Source, cell: Cell, tag: str) -> str:
    """How a note begins."""
    return ", ".join(filter(None, [tag, panel_name(cell, source)]))


def _notes(
    source: Source, cell: Cell, tag: str, drawn: Sequence[Mark], more: Sequence[str], averaged: bool
) -> Iterator[str]:
    names = {member.name for member in cell.members}
    runs = [run for run in source.runs if run.name in names]
    homes = {run.place.home for run in runs if run.name in source.found.frames.get(tag, {})}
    used = {name for mark in drawn for name in mark.group.runs}
    begin, of = where(source, cell, tag), f"of {len({run.place.home for run in runs})} runs"
    missing = [with_state(run) for run in runs if run.place.home not in homes and not run.place.part]
    partial = [with_state(r) for r in runs if r.name in used and r.state not in (None, State.COMPLETED)]
    if missing:
        yield f"{begin}: missing in {len(missing)} {of}: {compare.listed(missing)}"
    if partial:
        listed = compare.listed(partial)
        yield f"{begin}: {len(partial)} {of} not completed, drawn as far as they go: {listed}"
    yield from _about_x(source, tag, begin, names)
    yield from (f"{begin}: {note}" for note in more)
    repeated = [_repeated(mark) for mark in drawn if averaged and series.repeated(mark.group)]
    if repeated:
        listed = compare.listed(repeated)
        yield f"{begin}: runs of the same seed are averaged like those of others: {listed}"
    yield from _about_gaps(source, tag, begin, used)


def _about_x(source: Source, tag: str, begin: str, runs: set[str]) -> Iterator[str]:
    lost = {run: n for run, n in source.found.without_x.get(tag, {}).items() if run in runs}
    if lost:
        every = source.found.frames[tag]
        names = compare.listed([f"{run} ({n} of {every[run]})" for run, n in lost.items()])
        yield f"{begin}: frames without {x_in_words(source.spec.x)} are left out: {names}"
    curves = source.found.curves.get(tag, {})
    replaced = sum(ordered(*curves[run]).replaced for run in curves if run in runs)
    if replaced:
        frames = counted(replaced, "frame")
        yield f"{begin}: {frames} had the x of a later one of the same run, which alone counts"


def _about_gaps(source: Source, tag: str, begin: str, used: set[str]) -> Iterator[str]:
    curves = {name: y for name, (_, y) in source.found.curves.get(tag, {}).items() if name in used}
    odd = [f"{name} ({_gaps(y)} of {len(y)})" for name, y in curves.items() if _gaps(y)]
    if odd:
        yield f"{begin}: values that are not finite, or beyond 1e150, leave gaps in {compare.listed(odd)}"


def _gaps(values: Any) -> int:
    return int(np.count_nonzero(np.isnan(values)))


def with_state(run: Run) -> str:
    """A run's name, and its state where it is known."""
    return run.name if run.state is None else f"{run.name} ({run.state})"


def _repeated(mark: Mark) -> str:
    group = mark.group
    return f"{mark.label or 'all'} ({counted(len(group.runs), 'run')}, {counted(group.seeds, 'seed')})"


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ranged(low: int, high: int) -> str:
    """`3`, or `2 to 3`."""
    return str(high) if low == high else f"{low} to {high}"
