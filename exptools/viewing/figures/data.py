"""What a figure shows, as values: panels of lines, bars, points or cells; and what it cannot show."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.figures import measured, series
from exptools.viewing.figures.measured import Measured
from exptools.viewing.figures.series import Cell, Series
from exptools.viewing.figures.spec import AXES, TAG, WITHOUT_SERIES, Spec
from exptools.viewing.groups import Group, Member, grouped
from exptools.viewing.statistics import order, reductions
from exptools.viewing.statistics.curves import Aggregate, aggregate

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs


Row: TypeAlias = tuple[Mapping[str, Any], list[Any]]  # config keys and values, then numbers


@dataclass(frozen=True)
class Scored:
    """A run as one number. n_nan: how many of its frames that count are nan."""

    run: str
    value: float
    n_nan: int


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


@dataclass(frozen=True, eq=False)
class Source:
    """What the panels of a figure are made from. by, split, over, task: whole config keys."""

    spec: Spec
    runs: tuple[Run, ...]
    members: tuple[Member, ...]
    found: Measured
    tags: tuple[str, ...]
    by: tuple[str, ...] | None
    split: tuple[str, ...]
    by_tag: bool
    over: tuple[str, ...]
    task: str | None

    @functools.cached_property
    def state(self) -> dict[str, State | None]:
        """The state of each run."""
        return {run.name: run.state for run in self.runs}

    @functools.cached_property
    def short(self) -> dict[str, str]:
        """What each config key that differs or was asked for is called."""
        differing = compare.differing(member.config for member in self.members if member.config is not None)
        asked = [*(self.by or ()), *self.split, *self.over, *([self.task] if self.task else [])]
        names = compare.short_names(list(dict.fromkeys([*differing, *asked])))
        # A rename may give the key whole.
        return {key: self.spec.rename.get(key, self.spec.shown(name)) for key, name in names.items()}

    @functools.cached_property
    def _by_name(self) -> dict[str, Member]:
        return {member.name: member for member in self.members}

    def value(self, run: str, key: str) -> Any:
        """What the config of a run says of `key`."""
        return series.value(self._by_name[run], key)

    def cells(self) -> list[Cell]:
        """The panels: of bars a panel holds all clusters."""
        split = () if self.spec.kind == "bars" else self.split
        return series.cells(self.members, self.tags, split, self.by_tag)

    def whole_cells(self) -> list[Cell]:
        """The panels, of bars the clusters."""
        return series.cells(self.members, self.tags, self.split, self.by_tag)

    def series(self, cell: Cell, tag: str) -> list[Series]:
        """The series of a panel, of them what best_of chooses. Each has the same label in every panel."""
        curves = self.found.curves.get(tag, {})
        mine = {member.name for member in cell.members}
        found = [
            replace(one, whole=one.whole.only(mine), group=one.group.only(mine & curves.keys()))
            for one in self._every_series
        ]
        if self.spec.best_of is not None:
            found = [self._best(one) for one in found]
        return [one for one in found if one.whole.members or one.left]

    @functools.cached_property
    def lacks(self) -> dict[str, str]:
        """Why runs that have a tag are not in the figure: none of their frames has an x."""
        words = x_in_words(self.spec.x)
        return {
            run: f"none of its frames of {tag} has {words}"
            for tag in self.tags
            for run in self.found.without_x.get(tag, {})
            if not self.found.of(run)
        }

    @functools.cached_property
    def _every_series(self) -> list[Series]:
        measured = {member.name for member in self.members if self.found.of(member.name)}
        by = () if self.spec.best_of is not None and self.by is None else self.by
        merged = () if self.task is None else (self.task, *self.split)
        if by is None and not merged:
            return series.settings(self.members, measured, self.split)
        groups = series.merged(self.members, merged) if by is None else series.by_keys(self.members, by)
        return [Series(group.label, group, group.only(measured)) for group in groups]

    def scored(self, run: str, tag: str) -> Scored:
        """A run as one number."""
        x, y = measured.treated(self.found.curves[tag][run], self.spec.smooth, None)
        one = reductions.statistic(x, y, self.spec.stat)
        return Scored(run, one.value, one.n_nan)

    def scores(self, group: Group, tag: str) -> tuple[Scored, ...]:
        """The runs of a group that have the tag, as one number each."""
        curves = self.found.curves.get(tag, {})
        return tuple(self.scored(name, tag) for name in group.runs if name in curves)

    def centered(self, values: Sequence[float], band: str | None = None) -> Aggregate:
        """Centre and band of several numbers, as an aggregate of one point, or of none if there are none."""
        at = np.zeros(1)
        spec = self.spec
        return aggregate(
            [(at, np.array([value])) for value in values],
            center=spec.center,
            band=spec.usual_band if band is None else band,
            min_runs=spec.min_runs,
        )

    def _best(self, one: Series) -> Series:
        """`one`, of the runs of its best setting alone."""
        tag = self.best_tag
        by_value = []
        for setting in grouped(one.whole.members):
            center = self.centered([s.value for s in self.scores(setting, tag)], "none").center
            if center.size and not np.isnan(center[0]):
                by_value.append((float(center[0]), setting))
        pick = max if self.spec.best_by == "max" else min
        found, best = pick(by_value, key=lambda pair: pair[0], default=(np.nan, None))
        names = set() if best is None else set(best.runs)
        return Series(
            one.label,
            one.whole.only(names),
            one.group.only(names),
            "" if best is None else f"{_in_words(best, one.whole.members, self.short)} ({found:.4g})",
            dict.fromkeys(
                (name for name in one.whole.runs if name not in names),
                f"has no {self.spec.stat} of {tag}"
                if best is None
                else f"its setting is not the best by {tag}",
            ),
        )

    @property
    def best_tag(self) -> str:
        """The tag by which settings are chosen."""
        tags = measured.chosen(self.found, [self.spec.best_of or ""])
        if len(tags) != 1:
            raise ViewError(f"best_of {self.spec.best_of!r} names {len(tags)} tags; give the name of one")
        return tags[0]


def _in_words(setting: Group, among: Sequence[Member], short: Mapping[str, str]) -> str:
    keys = series.averaged(among)
    config = setting.members[0].config or {}
    pairs = [f"{short[key]}={compare.text(config.get(key, compare.MISSING))}" for key in keys]
    return ", ".join(pairs) or "its only setting"


def build(runs: Runs, spec: Spec) -> Data:
    """What the figure `spec` of `runs` shows.

    Raises:
        ViewError: a tag, key or label that there is not; nothing that could be drawn.
    """
    from exptools.viewing.figures.kinds import KINDS

    source = _source(runs, spec)
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
        tuple(_remarks(source, panels, labels)),
    )


def _source(runs: Runs, spec: Spec) -> Source:
    others = [] if spec.best_of is None else [spec.best_of]
    found = measured.measured(runs, spec, others)
    members = tuple(runs.members)
    task = None if spec.task is None else series.resolved([spec.task], members)[0]
    source = Source(
        spec,
        runs.runs,
        members,
        found,
        tuple(measured.chosen(found, spec.tags)),
        None if spec.by is None else series.resolved([key for key in spec.by if key != TAG], members),
        series.resolved([key for key in spec.split if key != TAG], members),
        (TAG in spec.split and TAG not in (spec.by or ())) or spec.kind in WITHOUT_SERIES,
        series.resolved(spec.over, members),
        task,
    )
    if spec.kind in (*WITHOUT_SERIES, "scatter"):
        source = replace(source, by=source.by or (), over=_over(source))
    return source


def _over(source: Source) -> tuple[str, ...]:
    """The keys of the axes: those that were given, or all that vary if they are as many as are needed."""
    kind, but = source.spec.kind, {*source.split, *(source.by or ())}
    varying = [key for key in series.averaged(source.members) if key not in but]
    keys = source.over or tuple(varying)
    needed = {"scatter": 1, "heatmap": 2}.get(kind)
    if kind == "parallel" and not keys:
        raise ViewError("parallel coordinates need config keys that vary, and none does; name some by over")
    if needed is None or len(keys) == needed:
        return keys
    known = compare.listed(varying) or "none"
    words = "1 config key" if needed == 1 else f"{needed} config keys"
    article = "a heat map" if kind == "heatmap" else "a scatter"
    raise ViewError(f"{article} is over {words}, not {len(keys)}; name them by over. Keys that vary: {known}")


def x_in_words(x: str) -> str:
    """What a frame without x lacks."""
    if x == "step":
        return "a step"
    return "a wall time" if x in AXES else f"a value of {x} at its step"


def label_of(one: Series, tag: str, source: Source) -> str:
    """What a series is called; its tag comes first where several share a panel."""
    tags = [tag] if not source.by_tag and len(source.tags) > 1 else []
    return ", ".join([*tags, *([one.label] if one.label else [])])


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


# --- order, labels, runs --------------------------------------------------------------------------------


def _in_order(marks: Sequence[Mark], spec: Spec) -> list[str]:
    """The labels: those that the spec names first, then by tag and settings."""
    from exptools.viewing.groups import by_settings

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


def values_name(cell: Cell, source: Source) -> str:
    """What the runs of a cluster share: `small`."""
    return ", ".join(source.spec.shown(compare.text(value)) for value in cell.split.values())


def panel_name(cell: Cell, source: Source) -> str:
    """What the runs of a panel share: `model: small`."""
    spec = source.spec
    return ", ".join(f"{source.short[k]}: {spec.shown(compare.text(v))}" for k, v in cell.split.items())


# --- what the figure cannot show ------------------------------------------------------------------------


def _remarks(source: Source, panels: Sequence[Panel], labels: Sequence[str]) -> Iterator[str]:
    from exptools.viewing.figures import looks

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


def in_order(marks: Sequence[Mark], shown: Data) -> list[Mark]:
    """`marks` in the order of the legend."""
    return sorted(marks, key=lambda mark: shown.labels.index(mark.label))


def tag_names(spec: Spec, tags: Sequence[str]) -> str:
    """What `tags` are called, in one line."""
    return ", ".join(map(spec.shown, tags))


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


def _about_gaps(source: Source, tag: str, begin: str, used: set[str]) -> Iterator[str]:
    curves = {name: y for name, (_, y) in source.found.curves.get(tag, {}).items() if name in used}
    odd = [f"{name} ({_gaps(y)} of {len(y)})" for name, y in curves.items() if _gaps(y)]
    if odd:
        yield f"{begin}: values that are not finite, or beyond 1e150, leave gaps in {compare.listed(odd)}"


def _about_x(source: Source, tag: str, begin: str, runs: set[str]) -> Iterator[str]:
    lost = {run: n for run, n in source.found.without_x.get(tag, {}).items() if run in runs}
    if lost:
        every = source.found.frames[tag]
        names = compare.listed([f"{run} ({n} of {every[run]})" for run, n in lost.items()])
        yield f"{begin}: frames without {x_in_words(source.spec.x)} are left out: {names}"
    curves = source.found.curves.get(tag, {})
    replaced = sum(len(curves[run][0]) - np.unique(curves[run][0]).size for run in curves if run in runs)
    if replaced:
        frames = counted(replaced, "frame")
        yield f"{begin}: {frames} had the x of a later one of the same run, which alone counts"


def with_state(run: Run) -> str:
    """A run's name, and its state where it is known."""
    return run.name if run.state is None else f"{run.name} ({run.state})"


def _gaps(values: Any) -> int:
    return int(np.count_nonzero(np.isnan(values)))


def _repeated(mark: Mark) -> str:
    group = mark.group
    return f"{mark.label or 'all'} ({counted(len(group.runs), 'run')}, {counted(group.seeds, 'seed')})"


def counted(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def ranged(low: int, high: int) -> str:
    """`3`, or `2 to 3`."""
    return str(high) if low == high else f"{low} to {high}"


def center_words(spec: Spec) -> str:
    """The centre, for a caption."""
    return order.CENTERS[spec.center]
