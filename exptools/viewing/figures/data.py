"""What a figure shows, as values: panels of lines, bars, points or cells."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.figures import notes
from exptools.viewing.figures.series import Cell, Series
from exptools.viewing.figures.source import Scored, Source, label_of, panel_name, source_of
from exptools.viewing.figures.spec import Spec
from exptools.viewing.groups import Group, by_settings

if TYPE_CHECKING:
    from exptools.viewing.api import Runs

Row: TypeAlias = tuple[Mapping[str, Any], list[Any]]  # config keys and values, then numbers


@dataclass(frozen=True)
class Mark:
    """One series of one tag in a panel. found: what its kind makes of it. label: of the series.

    cell: its panel; of bars its cluster.
    """

    label: str
    tag: str
    cell: Cell
    series: Series
    found: Any

    @property
    def group(self) -> Group:
        """The runs that count."""
        return self.series.group


@dataclass(frozen=True)
class Panel:
    """One panel. notes: what a reader cannot see in it, a line each."""

    cell: Cell
    marks: tuple[Mark, ...]
    notes: tuple[str, ...] = ()

    @property
    def tag(self) -> str:
        """Its tags."""
        return ", ".join(self.cell.tags)


@dataclass(frozen=True)
class Data:
    """A figure before it is drawn.

    labels: of all series, in their order. keys: what the parts of a label are, for the title of a legend.
    used: per run the series that it counts in; why_not: per other run the reason. remarks: what holds for the
    whole figure, a line each.
    """

    spec: Spec
    panels: tuple[Panel, ...]
    labels: tuple[str, ...]
    keys: tuple[str, ...]
    source: Source
    used: Mapping[str, tuple[str, ...]]
    why_not: Mapping[str, str]
    remarks: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Panel]:
        return iter(self.panels)

    def __len__(self) -> int:
        return len(self.panels)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a reader of the figure cannot see in it, one line each."""
        return tuple(dict.fromkeys([*self.remarks, *(note for panel in self.panels for note in panel.notes)]))


def build(runs: Runs, spec: Spec) -> Data:
    """What the figure `spec` of `runs` shows.

    Raises:
        ViewError: a tag, key or label that there is not; nothing that could be drawn.
    """
    from exptools.viewing.figures.kinds import KINDS

    source = source_of(runs, spec)
    panels = tuple(KINDS[spec.kind].panels(source))
    labels = _in_order([mark for panel in panels for mark in panel.marks], spec)
    used = _used(panels, source)
    return Data(
        spec,
        panels,
        tuple(labels),
        _label_keys(panels),
        source,
        used,
        _why_not(source, used),
        tuple(notes.remarks(source, panels, labels)),
    )


def marked(source: Source, cell: Cell, make: Callable[[Group, str], Any]) -> tuple[Mark, ...]:
    """A mark for each series and tag of a panel that has a run which measured it."""
    return tuple(
        Mark(label_of(one, tag, source), tag, cell, one, make(one.group, tag))
        for tag in cell.tags
        for one in source.series(cell, tag)
        if one.group.members
    )


def scores_of(marks: Sequence[Mark], tag: str) -> list[Scored]:
    """The runs of some marks of `tag`, as one number each."""
    return [score for mark in marks if mark.tag == tag for score in mark.found.scores]


def _in_order(marks: Sequence[Mark], spec: Spec) -> list[str]:
    """The labels: those that the spec names first, then by tag and settings."""
    tags = list(dict.fromkeys(mark.tag for mark in marks))
    by_label = {mark.label: mark for mark in marks}
    labels = sorted(
        by_label,
        key=lambda label: (
            tags.index(by_label[label].tag) if by_label[label].label != by_label[label].series.label else 0,
            by_settings(by_label[label].group),
        ),
    )
    shown = {shown_label(label, spec): label for label in labels}
    first = [shown.get(name, name) for name in spec.order]
    for name in first:
        if name not in labels:
            known = compare.listed([label for label in labels if label] or ["(one without a label)"])
            raise ViewError(f"order: no series is called {name!r}; the series are: {known}")
    return [*dict.fromkeys(first), *(label for label in labels if label not in first)]


def shown_label(label: str, spec: Spec) -> str:
    """A label as it is drawn: renamed as a whole, or part by part."""
    if label in spec.rename:
        return spec.rename[label]
    return ", ".join(spec.shown(part) for part in label.split(", "))


def _label_keys(panels: Sequence[Panel]) -> tuple[str, ...]:
    groups = [mark.group for panel in panels for mark in panel.marks if mark.series.label]
    keys = next((tuple(group.settings) for group in groups if group.settings), ())
    return (*keys, *(["sweep"] if any(group.sweep for group in groups) else []))


def _used(panels: Sequence[Panel], source: Source) -> dict[str, tuple[str, ...]]:
    found: dict[str, dict[str, None]] = {}
    for panel in panels:
        for mark in panel.marks:
            where = ", ".join(filter(None, [panel_name(mark.cell, source), mark.tag, mark.series.label]))
            for name in mark.group.runs:
                found.setdefault(name, {})[where] = None
    return {name: tuple(places) for name, places in found.items()}


def _why_not(source: Source, used: Mapping[str, Sequence[str]]) -> dict[str, str]:
    every = [one for cell in source.whole_cells() for tag in cell.tags for one in source.series(cell, tag)]
    reasons = {**source.lacks, **{run: reason for one in every for run, reason in one.left.items()}}
    nothing = f"has no value of {', '.join(source.tags)}"
    return {run.name: reasons.get(run.name, nothing) for run in source.runs if run.name not in used}


def in_order(marks: Sequence[Mark], shown: Data) -> list[Mark]:
    """`marks` in the order of the legend."""
    return sorted(marks, key=lambda mark: shown.labels.index(mark.label))


def tag_names(spec: Spec, tags: Sequence[str]) -> str:
    """What `tags` are called, in one line."""
    return ", ".join(map(spec.shown, tags))
