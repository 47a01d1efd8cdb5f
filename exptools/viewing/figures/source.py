"""What the panels of a figure are made from: runs, their curves, which keys are series, panels, axes."""

from __future__ import annotations

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.figures import measured, series
from exptools.viewing.figures.measured import Measured
from exptools.viewing.figures.series import Cell, Series
from exptools.viewing.figures.spec import AXES, TAG, WITHOUT_SERIES, Spec
from exptools.viewing.groups import Group, Member, grouped
from exptools.viewing.statistics import reductions
from exptools.viewing.statistics.curves import Aggregate, aggregate

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs


@dataclass(frozen=True)
class Scored:
    """A run as one number. n_nan: how many of its frames that count are nan."""

    run: str
    value: float
    n_nan: int


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


def source_of(runs: Runs, spec: Spec) -> Source:
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


def values_name(cell: Cell, source: Source) -> str:
    """What the runs of a cluster share: `small`."""
    return ", ".join(source.spec.shown(compare.text(value)) for value in cell.split.values())


def panel_name(cell: Cell, source: Source) -> str:
    """What the runs of a panel share: `model: small`."""
    spec = source.spec
    return ", ".join(f"{source.short[k]}: {spec.shown(compare.text(v))}" for k, v in cell.split.items())


def label_of(one: Series, tag: str, source: Source) -> str:
    """What a series is called; its tag comes first where several share a panel."""
    tags = [tag] if not source.by_tag and len(source.tags) > 1 else []
    return ", ".join([*tags, *([one.label] if one.label else [])])
