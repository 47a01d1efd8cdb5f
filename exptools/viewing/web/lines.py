"""The lines of a card: of every panel and series, whole, as arrays; thinned only when they are sent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from exptools.viewing import compare
from exptools.viewing.figures import data, measured, notes, series
from exptools.viewing.figures.data import Panel as Drawn
from exptools.viewing.figures.kinds import curves as bands
from exptools.viewing.figures.source import Source, panel_name, source_of
from exptools.viewing.figures.spec import TAG

if TYPE_CHECKING:
    from exptools.viewing.api import Runs
    from exptools.viewing.groups import Group
    from exptools.viewing.statistics.order import Floats
    from exptools.viewing.web.view import View


@dataclass(frozen=True, eq=False)
class Line:
    """One line over increasing x; all arrays float64 of shape (points,), or None.

    label: of its series. runs: whose it is. raw: before smoothing. low, high: of the band. n: how many runs
    count at each point, if not all do everywhere.
    """

    label: str
    runs: tuple[str, ...]
    x: Floats
    y: Floats
    raw: Floats | None = None
    low: Floats | None = None
    high: Floats | None = None
    n: Floats | None = None

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        arrays = (self.x, self.y, self.raw, self.low, self.high, self.n)
        return sum(array.nbytes for array in arrays if array is not None)


@dataclass(frozen=True)
class Panel:
    """name: what its runs share, such as `model: small`; "" if there is one panel."""

    name: str
    lines: tuple[Line, ...]


@dataclass(frozen=True)
class Card:
    """All of one tag. frames: that its runs have logged. notes: what cannot be seen, a line each."""

    tag: str
    panels: tuple[Panel, ...]
    frames: int
    notes: tuple[str, ...] = ()

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return sum(line.nbytes for panel in self.panels for line in panel.lines)


def card(runs: Runs, view: View, tag: str, names: Mapping[str, str]) -> Card:
    """The lines of `tag`. names: by run the label of its series on the page, where more runs may be known.

    Raises:
        ViewError: a key or an x that there is not; no run has a value of the tag.
    """
    source = source_of(runs, view.spec((compare.exactly(tag),)))
    frames = sum(source.found.frames.get(tag, {}).values())
    # The pattern of a tag can be the name of another one, such as `a*` and `a[*]`.
    found = _singles(source) if view.has_runs else bands.panels(source)
    of_line = _lines_of_runs if view.has_runs else _lines
    of_tag = [panel for panel in found if panel.cell.tags == (tag,)]
    panels = tuple(Panel(panel_name(p.cell, source), tuple(of_line(source, p, names))) for p in of_tag)
    said = [note for panel in of_tag for note in panel.notes]
    if view.has_runs:
        said += _not_on_log(view, [line for panel in panels for line in panel.lines])
    return Card(tag, panels, frames, tuple(dict.fromkeys(said)))


def _lines(source: Source, panel: Drawn, names: Mapping[str, str]) -> Iterator[Line]:
    return (_line(names.get(m.group.runs[0], m.label), m.group.runs, m.found) for m in panel.marks)


def _singles(source: Source) -> Iterator[Drawn]:
    """The panels of single runs, with what cannot be seen in them."""
    for cell in source.cells():
        marks = data.marked(source, cell, lambda group, tag: None)
        yield Drawn(cell, marks, notes.notes(source, cell, marks, {}, averaged=False))


def _lines_of_runs(source: Source, panel: Drawn, names: Mapping[str, str]) -> Iterator[Line]:
    smooth = source.spec.smooth
    of_mark = [(one, name) for one in panel.marks for name in one.group.runs]
    logged = [source.found.curves[one.tag][name] for one, name in of_mark]
    raw = measured.all_treated(logged, 0.0, None)
    drawn = measured.all_treated(raw, smooth, None) if smooth else raw
    for (one, name), (x, y), (_, before) in zip(of_mark, drawn, raw, strict=True):
        yield Line(names.get(name, one.label), (name,), x, y, before if smooth else None)


def _not_on_log(view: View, lines: Sequence[Line]) -> Iterator[str]:
    for name, scale in (("x", view.xscale), ("y", view.yscale)):
        columns = [getattr(line, name) for line in lines]
        lost = sum(int((column <= 0).sum()) for column in columns)
        if lost and scale == "log":
            every, have = sum(column.size for column in columns), "has" if lost == 1 else "have"
            yield f"{lost} of {every} points {have} {name} <= 0, which a log axis cannot show"


def _line(label: str, runs: tuple[str, ...], line: bands.Line) -> Line:
    a = line.aggregate
    has_band = not np.isnan(a.low).all()
    return Line(
        label,
        runs,
        a.x,
        a.center,
        None if line.raw is None else line.raw.center,
        a.low if has_band else None,
        a.high if has_band else None,
        None if line.whole.all() else a.n.astype(np.float64),
    )


def labels(runs: Runs, view: View) -> dict[str, tuple[str, ...]]:
    """The series of all cards, in their order, each with its runs.

    Raises:
        ViewError: a key that there is not.
    """
    found: dict[str, tuple[str, ...]] = {}
    for label, group in _series(runs, view):
        found[label] = (*found.get(label, ()), *group.runs)
    return found


def label_keys(runs: Runs, view: View) -> list[str]:
    """What the parts of a label are, in short."""
    found = _series(runs, view)
    keys = next((list(group.settings) for label, group in found if label or view.by is not None), [])
    return list(compare.short_names(keys).values())


def _series(runs: Runs, view: View) -> list[tuple[str, Group]]:
    """Labels, and which runs have them."""
    members = runs.members
    if view.by is None:
        split = series.resolved([key for key in view.split if key != TAG], members)
        found = series.settings(members, {member.name for member in members}, split)
        return [(one.label, one.whole) for one in found]
    keys = series.resolved([key for key in view.by if key != TAG], members)
    return [(group.label, group) for group in series.by_keys(members, keys)]


def by_run(found: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """The label of each run."""
    return {name: label for label, names in found.items() for name in names}
