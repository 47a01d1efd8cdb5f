"""load(*paths) -> Runs: what the command line shows, from Python and notebooks."""

from __future__ import annotations

import functools
import itertools
import os
import time
import warnings
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from exptools import rundir
from exptools.collections import AttrDict
from exptools.errors import RunDirError, ViewError
from exptools.rundir import State, Status
from exptools.viewing import bars, cache, compare, names, parallel, runs, scalars, selection
from exptools.viewing.columns import FINAL, Column, Kind, Summary, all_columns, cell
from exptools.viewing.compare import FlatConfig
from exptools.viewing.curves import Curve, Reading, Wanted, concatenated, everything
from exptools.viewing.difference import Differences, differences
from exptools.viewing.groups import Group, Member, by_sweep, grouped
from exptools.viewing.held import Held
from exptools.viewing.keys import Key, keys
from exptools.viewing.known import Known, stamp_of
from exptools.viewing.problem import Problem
from exptools.viewing.readers import registry
from exptools.viewing.runs import Place
from exptools.viewing.scalars import Finals
from exptools.viewing.seen import Seen
from exptools.viewing.selection import Best, Condition
from exptools.viewing.summary import Table, tabulate, why_failed

if TYPE_CHECKING:
    import pandas as pd

    from exptools.viewing.figures.canvas import Plotted
    from exptools.viewing.figures.data import Data
    from exptools.viewing.figures.spec import Spec
    from exptools.viewing.results import Results

Found = TypeVar("Found", Reading, Finals)
Names: TypeAlias = str | Sequence[str] | None  # tags or columns, or globs of them; None: all
_MOST_IN_HTML = 50  # runs
Conditions: TypeAlias = str | Sequence[str] | None  # such as lr=1e-3, see selection.condition


@dataclass(frozen=True)
class Run:
    """A run as it was when it was loaded. status and config: None where unknown; problems: with those two."""

    place: Place
    status: Status | None
    config: dict[str, Any] | None
    flat: FlatConfig | None
    loaded_at: float  # seconds since the epoch
    problems: tuple[Problem, ...] = ()

    @property
    def name(self) -> str:
        """Its path below what was loaded."""
        return self.place.name

    @property
    def path(self) -> Path:
        """Its directory."""
        return self.place.path

    @functools.cached_property
    def state(self) -> State | None:
        """Its state when it was loaded, STALE if it gave no sign of life for long; None where unknown."""
        return None if self.status is None else self.status.shown(self.loaded_at)

    @property
    def told(self) -> str:
        """Its name, and its state where that is known."""
        return self.name if self.state is None else f"{self.name} ({self.state})"

    @property
    def live(self) -> bool:
        """Whether somebody may be writing its files right now."""
        return self.state in (State.QUEUED, State.RUNNING)

    @property
    def log(self) -> Path:
        """The file to read when it failed: the process's output, else Hydra's log, else the directory."""
        home = self.place.home
        candidates = [home / rundir.STDOUT, *sorted(home.glob("*.log"))]
        return next((path for path in candidates if os.path.isfile(path)), home)


@dataclass(frozen=True)
class Settings:
    """How runs are read; see load. memo: what is kept of runs between two looks at them, by path.

    held: their curves between two looks. seen: what the last look saw of directories, configs and states.
    """

    cache: bool = True
    keep_superseded: bool = False
    progress: bool = False
    memo: dict[Hashable, Remembered] | None = None
    paths: tuple[str, ...] = ()  # where they were looked for, as it was given
    held: Held | None = None
    seen: Seen | None = None


@dataclass(frozen=True)
class Remembered:
    """What was read of a run; it holds as long as the `stamp` of its files is the same."""

    stamp: Hashable
    found: Finals
    measured: Mapping[tuple[str, str], float]


def load(
    *paths: str | os.PathLike[str],
    cache: bool = True,
    keep_superseded: bool = False,
    progress: bool = False,
    memo: dict[Hashable, Remembered] | None = None,
) -> Runs:
    """The runs at and below `paths`: their configs and states; scalars are read when they are asked for.

    cache: whether columns that were read are kept, and read instead of the files; see viewing/cache.
    keep_superseded: whether frames are kept that a resumed run measured again at the same step; see
    scalars.read. progress: whether a bar is shown on stderr of what takes more than two seconds, if that is a
    terminal. memo: a dict that is given again when the same runs are loaded later: for the table only files
    that have changed are read then. The runs stay where they are when the working directory is changed.

    Raises:
        ViewError: a path does not exist or is not a directory, or there is no run at all.
    """
    anchored = [Path(path).absolute() if os.fspath(path) else path for path in paths]
    given = tuple(str(path) for path in paths)
    return loaded(anchored, Settings(cache, keep_superseded, progress, memo, given))


def loaded(paths: Sequence[str | os.PathLike[str]], settings: Settings) -> Runs:
    """The runs at and below `paths`, as load gives them, their files called by `paths` as they are."""
    with bars.shown("looking for runs", None, wanted=settings.progress):
        found = runs.find(paths, settings.seen)
    each = [
        _loaded(place, settings.seen)
        for place in bars.over(found.places, "reading configs", wanted=settings.progress)
    ]
    return Runs(each, found.problems, settings)


@dataclass
class _Found:
    """What has been found out so far; shared by runs and those that were chosen of them."""

    problems: dict[Problem, None]  # dicts, so that what is met twice is named once
    superseded: dict[str, dict[str, int]] = field(default_factory=dict)
    tags: dict[str, None] = field(default_factory=dict)
    stamps: dict[Path, Hashable] = field(default_factory=dict)


class Runs:
    """Runs, in natural order of their names, and what they say.

    Tags are chosen by name or shell glob. What could not be read is in `problems`; the rest is unharmed.
    """

    def __init__(
        self, runs: Iterable[Run], problems: Iterable[Problem] = (), settings: Settings | None = None
    ) -> None:
        self.runs: tuple[Run, ...] = tuple(runs)
        self._settings = settings or Settings()
        self._notes: tuple[str, ...] = ()
        self._keys_by_name: dict[str, str] = {}  # what names in conditions were taken for
        self._found = _Found(dict.fromkeys(problems))
        self._found.problems |= dict.fromkeys(problem for run in self.runs for problem in run.problems)

    def __len__(self) -> int:
        return len(self.runs)

    def __iter__(self) -> Iterator[Run]:
        return iter(self.runs)

    def __repr__(self) -> str:
        return f"Runs({compare.listed([run.name for run in self.runs], most=5)})"

    def __getitem__(self, name: str) -> Run:
        """The run called `name`.

        Raises:
            ViewError: there is none.
        """
        for run in self.runs:
            if run.name == name:
                return run
        names = [run.name for run in self.runs]
        raise ViewError(f"no run is called {name!r}; the runs are: {compare.listed(names)}")

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What could not be read so far."""
        return tuple(self._found.problems)

    @property
    def superseded(self) -> dict[str, dict[str, int]]:
        """By run and tag, how many frames so far were left out because a resumed run measured them again."""
        return {run: dict(by_tag) for run, by_tag in self._found.superseded.items()}

    def config(self, run: str | Run) -> AttrDict:
        """The config of a run, nested; empty where it is unknown."""
        return AttrDict((self[run] if isinstance(run, str) else run).config or {})

    @property
    def members(self) -> list[Member]:
        """What of each run decides its group."""
        return [Member(r.name, r.flat, r.place.part, str(r.place.sweep)) for r in self.runs]

    def differing(self) -> list[str]:
        """The dotted config keys that are not the same in all runs whose config is known."""
        return compare.differing(run.flat for run in self.runs if run.flat is not None)

    def groups(self, among: Collection[str] | None = None) -> list[Group]:
        """The runs by setting: equal config but for the seed; see groups.grouped and groups.by_sweep.

        among: the names of the runs to take; a setting has the same label whichever they are.
        """
        groups = grouped(self.members)
        if among is not None:
            groups = [group for group in (group.only(among) for group in groups) if group.members]
        return by_sweep(groups)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be said of how these runs were chosen, one line each."""
        taken = (
            f"{name} is taken for the config key {key}; last.{name} is the scalar of that name"
            for name, key in self._keys_by_name.items()
            if name in self._found.tags
        )
        return (*self._notes, *taken)

    def select(
        self,
        where: Conditions = None,
        exclude: Conditions = None,
        *,
        states: Names = None,
        latest: bool = False,
        best: int | None = None,
        max: str | None = None,
        min: str | None = None,
    ) -> Runs:
        """Those of the runs for which every condition of `where` holds and none of `exclude`.

        Conditions are as on the command line, `lr=1e-3`, `model!=small`, `acc>0.9`, on config keys and on
        final values of scalars; see selection.condition and names.resolve. states: only runs in these, in any
        case. latest: only runs of the newest sweep, that in which a run began last. best: of all these the so
        many with the greatest `max` or the least `min`, a scalar such as `acc` (its final value) or
        `max(acc)`; they come best first.

        The new Runs share `problems` and `superseded` with these; their `notes` say what was met.

        Raises:
            ViewError: what is no condition or no state; a name that is no column, or several.
        """
        conditions = [selection.condition(text) for text in _names(where) or ()]
        against = [selection.condition(text) for text in _names(exclude) or ()]
        in_states = None if states is None else selection.states(_names(states) or ())
        wanted = selection.best(best, max, min)
        kept = self._with(_of_newest_sweep(self.runs) if latest else self.runs)
        if in_states is not None:
            kept = kept._with(run for run in kept.runs if run.state in in_states)
        kept = kept._meeting(conditions, against)
        return kept if wanted is None else kept._best(wanted)

    def only(self, names: Collection[str]) -> Runs:
        """Those of the runs that have one of these names."""
        return self._with(run for run in self.runs if run.name in names)

    def stamp(self, run: Run) -> Hashable:
        """What the files of a run were like when somebody asked first; None where one could not be asked."""
        if run.path not in self._found.stamps:
            found = stamp_of(run.place)
            self._found.stamps[run.path] = None if found is None else tuple(map(tuple, found))
        return self._found.stamps[run.path]

    @property
    def tags(self) -> tuple[str, ...]:
        """The scalars that were met so far: all, once the table or something else was made of them."""
        return tuple(self._found.tags)

    def _with(
        self, runs: Iterable[Run], notes: Iterable[str] = (), taken: Mapping[str, str] | None = None
    ) -> Runs:
        """Some of these runs, with notes on how they were chosen."""
        chosen = Runs(runs, (), self._settings)
        chosen._found = self._found
        chosen._notes = tuple(dict.fromkeys((*self._notes, *notes)))
        chosen._keys_by_name = {**self._keys_by_name, **(taken or {})}
        return chosen

    def _meeting(self, conditions: Sequence[Condition], against: Sequence[Condition]) -> Runs:
        if not (conditions or against) or not self.runs:
            return self
        summaries, columns, taken = self._named([c.name for c in (*conditions, *against)])
        kept, notes = [True] * len(self.runs), []
        for i, (condition, column) in enumerate(zip((*conditions, *against), columns, strict=True)):
            cells = [cell(summary, column) for summary in summaries]
            notes += selection.told(condition, column, cells)
            is_wanted = i < len(conditions)
            for n, content in enumerate(cells):
                kept[n] = kept[n] and selection.holds(condition, column, content) == is_wanted
        return self._with(itertools.compress(self.runs, kept), notes, taken)

    def _best(self, best: Best) -> Runs:
        if not self.runs:
            return self
        summaries, (column,), _ = self._named([best.name], keys_first=False)
        positions, notes = selection.of_best(best, column, [cell(summary, column) for summary in summaries])
        return self._with((self.runs[i] for i in positions), notes)

    def _named(
        self, texts: Sequence[str], keys_first: bool = True
    ) -> tuple[list[Summary], list[Column], dict[str, str]]:
        """The runs with what the names in `texts` need, the columns that they stand for, and those that are
        config keys. Scalars are read only if a name is none of those.
        """
        summaries = [_summary(run) for run in self.runs]
        columns = all_columns(summaries)
        try:
            found = [names.resolve(text, columns, keys_first=keys_first) for text in texts]
        except names.NoColumn:
            summaries = self._summaries(names.reads(texts), texts, ("named", *texts))
            columns = all_columns(summaries)
            found = [names.resolve(text, columns, keys_first=keys_first) for text in texts]
        taken = {
            text: column.source
            for text, column in zip(texts, found, strict=True)
            if column.kind is Kind.KEY and not text.startswith("config.")
        }
        return summaries, found, taken

    def _summaries(self, wanted: Wanted, asked: Sequence[str] = (), key: Hashable = None) -> list[Summary]:
        """Every run with its final values, and the other statistics that `asked` names.

        key: tells what is wanted and asked; with it what is remembered of a run is taken.
        """
        measures = tuple(
            dict.fromkeys((a.statistic, a.name) for a in map(names.typed, asked) if a.statistic is not None)
        )
        memo = self._settings.memo if key is not None else None
        if memo is None:
            return [_summary(run, found, said) for run, found, said in self._measures(wanted, measures)]
        stamps = {run.path: (run.live, stamp_of(run.place)) for run in self.runs}
        changed = [
            run
            for run in self.runs
            if (key, run.path) not in memo or memo[key, run.path].stamp != stamps[run.path]
        ]
        for run, found, measured in self._with(changed)._measures(wanted, measures):
            memo[key, run.path] = Remembered(stamps[run.path], found, measured)
        known = [memo[key, run.path] for run in self.runs]
        for run, remembered in zip(self.runs, known, strict=True):
            self._note(run, remembered.found)
        return [_summary(run, r.found, r.measured) for run, r in zip(self.runs, known, strict=True)]

    def _measures(
        self, wanted: Wanted, measures: Sequence[tuple[str, str]]
    ) -> Iterator[tuple[Run, Finals, dict[tuple[str, str], float]]]:
        """Each run with its final values, and with those and the other `measures` by statistic and tag."""
        if not measures:
            for run, finals in self._finals(wanted):
                yield run, finals, _named_finals(finals)
            return
        for run, reading in self._readings(wanted):
            finals = scalars.finals_of(reading)
            yield run, finals, {**_named_finals(finals), **_measured(reading, measures)}

    def readings(self, tags: Names = None) -> Iterator[tuple[Run, Reading]]:
        """Each run with its scalars, one run in memory at a time.

        Raises:
            ViewError: after the last run, if a tag was asked for that no run has.
        """
        return self._of_tags(self._readings, tags)

    def _readings(self, wanted: Wanted) -> Iterator[tuple[Run, Reading]]:
        held = self._settings.held
        if held is None:
            yield from self._read(scalars.read, wanted)
            return
        # Before they are read.
        known = {run.name: held.get(run.place, self.stamp(run), wanted) for run in self.runs}
        for run, reading in self._completed(known, scalars.read, wanted):
            if known[run.name] is None:
                held.put(run.place, self.stamp(run), wanted, reading)
            yield run, reading

    def _finals(self, wanted: Wanted) -> Iterator[tuple[Run, Finals]]:
        """Each run with its final values, from where they are kept if they are known."""
        if not self._settings.cache:
            yield from self._read(scalars.finals, wanted)
            return
        known = Known(keep=self._settings.keep_superseded)
        before = {run.name: known.get(run.place, wanted) for run in self.runs if not run.live}
        for run, finals in self._completed(before, scalars.finals, wanted):
            if before.get(run.name) is None and wanted is everything:
                known.put(run.place, finals)
            yield run, finals
        known.save()

    def _completed(
        self, known: Mapping[str, Found | None], read: Callable[[scalars.Job], Found], wanted: Wanted
    ) -> Iterator[tuple[Run, Found]]:
        """What is known of the runs by their names; the others are read."""
        rest = self._with(run for run in self.runs if known.get(run.name) is None)._read(read, wanted)
        for run in self.runs:
            found = known.get(run.name)
            if found is None:
                _, found = next(rest)
            else:
                self._note(run, found)
            yield run, found
        next(rest, None)  # its end: nothing is left running

    def _read(self, read: Callable[[scalars.Job], Found], wanted: Wanted) -> Iterator[tuple[Run, Found]]:
        how = (self._settings.keep_superseded, self._settings.cache)
        jobs = [scalars.Job(run.place, wanted, run.live, *how) for run in self.runs]
        is_python = scalars.decoded_by_python(jobs)
        with bars.shown("reading scalars", len(jobs), wanted=self._settings.progress) as advance:
            given = jobs if is_python else scalars.with_kept(jobs)
            several = parallel.mapped(read, given, in_processes=is_python, is_light=scalars.is_kept)
            for run, found in zip(self.runs, several, strict=True):
                self._note(run, found)
                advance()
                yield run, found

    def meet_caches(self) -> None:
        """Find out what the caches of the runs hold, before somebody waits for their curves."""
        for run in self.runs if self._settings.cache else ():
            for source in run.place.sources:
                cache.meet(source.path)

    def finals(self, tags: Names = None) -> Iterator[tuple[Run, Finals]]:
        """Each run with the last value of each of its tags.

        Raises:
            ViewError: after the last run, if a tag was asked for that no run has.
        """
        return self._of_tags(self._finals, tags)

    def _of_tags(
        self, read: Callable[[Wanted], Iterator[tuple[Run, Found]]], tags: Names
    ) -> Iterator[tuple[Run, Found]]:
        """What `read` gives; after the last run tags that no run has are refused."""
        asked = _names(tags)
        yield from read(_wants(asked))
        self._check(asked)

    def _note(self, run: Run, found: Reading | Finals) -> None:
        self._found.problems |= dict.fromkeys(found.problems)
        if found.superseded:
            self._found.superseded.setdefault(run.name, {}).update(found.superseded)
        self._found.tags |= dict.fromkeys(found.tags)

    def _check(self, tags: Sequence[str] | None) -> None:
        """Refuses tags that no run has; where there are no runs nothing is known of tags."""
        wrong = compare.unmatched("tag", tags or (), self._found.tags)
        if wrong is not None and self.runs:
            raise ViewError(wrong)

    def summary(
        self, tags: Names = None, columns: Names = None, *, sort: str | None = None, descending: bool = False
    ) -> Table:
        """The table of runs as plain values; see summary.tabulate.

        Raises:
            ViewError: a tag or column was asked for that does not exist.
        """
        tags, columns = _names(tags), _names(columns)
        asked = [*(columns or ()), *([] if sort is None else [sort])]
        needed = names.reads(asked)
        is_shown = (
            everything if tags is None and columns is None else lambda tag: compare.matches(tag, tags or ())
        )
        key = "table", None if tags is None else tuple(tags), *asked
        summaries = self._summaries(_either(is_shown, needed), asked, key)
        self._check(tags)
        return tabulate(summaries, columns, tags, sort, descending)

    def table(
        self, tags: Names = None, columns: Names = None, *, sort: str | None = None, descending: bool = False
    ) -> pd.DataFrame:
        """One row per run: run, state, duration_s, the config keys that differ, the last value of each tag.

        What is unknown or missing is NaN or None. columns, sort: see summary.tabulate.
        """
        import pandas as pd

        table = self.summary(tags, columns, sort=sort, descending=descending)
        frame: pd.DataFrame = pd.DataFrame(
            {column.name: [_plain(row[i]) for row in table.rows] for i, column in enumerate(table.columns)}
        )
        return frame

    def keys(self) -> list[Key]:
        """Every config key that differs, with its values and how many runs have each; also those that only
        say which run it is, which the table hides.
        """
        return keys(run.flat for run in self.runs if run.flat is not None)

    def results(
        self,
        tags: Names = None,
        statistic: str = FINAL,
        interval: str = "t95",
        better: Names = None,
    ) -> Results:
        """One row per group of runs, one column per tag: the mean over its runs and its interval.

        See results.results for the arguments; `to_frame()` of what is returned is a DataFrame,
        `text("latex")` a table for a paper.

        Raises:
            ViewError: an argument that is not allowed, a tag that no run has.
        """
        from exptools.viewing.results import results

        return results(self, _names(tags), statistic, interval, _names(better) or ())

    def across_tasks(
        self,
        tag: str,
        task: str,
        statistic: str = FINAL,
        *,
        normalize: Names = None,
        gamma: float = 1.0,
        over: str | None = None,
    ) -> Results:
        """One row per setting, its runs of all tasks together: IQM, mean, median, optimality gap, and the
        probability to beat another setting, with stratified bootstrap intervals.

        See across_tasks.across_tasks for the arguments.

        Raises:
            ViewError: an argument that is not allowed, a tag or key that there is not.
        """
        from exptools.viewing.across_tasks import across_tasks

        return across_tasks(self, tag, task, statistic, _names(normalize) or (), gamma, over)

    def diff(self, one: str | Run, other: str | Run) -> Differences:
        """In what two runs differ: config, provenance and final values.

        Raises:
            ViewError: there is no such run.
        """
        both = self._with(run if isinstance(run, Run) else self[run] for run in (one, other))
        first, second = both._summaries(everything)
        return differences(first, second, (self.attempt(both.runs[0]), self.attempt(both.runs[1])))

    def attempt(self, run: Run) -> dict[str, Any]:
        """What provenance.json says of the last attempt."""
        from exptools.provenance import files

        try:
            entries = files.read(run.place.home)
        except RunDirError as error:
            problem = Problem.of_json(run.place.home / rundir.PROVENANCE, error)
            self._found.problems |= {problem: None}
            return {}
        return entries[-1] if entries else {}

    def _repr_html_(self) -> str:
        """The table, for notebooks; of many runs the first."""
        from exptools.viewing.exporters import table

        return table.as_html(self._with(self.runs[:_MOST_IN_HTML]).summary(), len(self.runs))

    def scalars(self, tags: Names = None, where: Conditions = None) -> pd.DataFrame:
        """Every frame of every scalar, long: run, tag (str), step (int64), wall_time and value (float64).

        wall_time is in seconds since the epoch. where: of those runs alone, see select.

        Raises:
            ViewError: a tag was asked for that no run has.
        """
        import numpy as np
        import pandas as pd

        curves = [
            (run.name, tag, c) for run, r in self.select(where).readings(tags) for tag, c in r.curves.items()
        ]
        heights = [len(curve) for _, _, curve in curves]
        which = np.repeat(np.arange(len(curves)), heights)
        none = Curve(np.empty(0, np.int64), np.empty(0), np.empty(0))
        all_of_them = concatenated([none, *(curve for _, _, curve in curves)])
        frame: pd.DataFrame = pd.DataFrame(
            {
                "run": pd.Series([run for run, _, _ in curves], dtype=str).array.take(which),
                "tag": pd.Series([tag for _, tag, _ in curves], dtype=str).array.take(which),
                "step": all_of_them.step,
                "wall_time": all_of_them.wall_time,
                "value": all_of_them.value,
            },
            copy=False,  # nobody else has these columns
        )
        return frame

    def to_csv(self, file: str | os.PathLike[str], tags: Names = None, *, wide: bool = False) -> None:
        """Write all frames of all scalars to `file`, long as exporters.csv says or `wide` as exporters.wide.

        Raises:
            ViewError: `file` cannot be written, or a tag was asked for that no run has.
        """
        from exptools.viewing.exporters import csv, output
        from exptools.viewing.exporters import wide as wide_csv

        with output.replacing(Path(file)) as stream:
            (wide_csv if wide else csv).write(stream, self, _names(tags))

    def to_csvs(self, directory: str | os.PathLike[str], tags: Names = None) -> list[Path]:
        """Write a wide CSV per run into `directory`, which is made if need be; see exporters.wide.

        Returns the files.

        Raises:
            ViewError: they cannot be written, or a tag was asked for that no run has.
        """
        from exptools.viewing.exporters import wide

        return wide.write_each(Path(directory), self, _names(tags))

    def to_parquet(self, file: str | os.PathLike[str], tags: Names = None) -> None:
        """Write every frame of every scalar to `file`, long; see exporters.parquet.

        Raises:
            ViewError: `file` cannot be written, or a tag was asked for that no run has.
        """
        from exptools.viewing.exporters import output, parquet

        with output.replacing(Path(file)) as stream:
            parquet.write(stream, self, _names(tags))

    def to_html(
        self,
        file: str | os.PathLike[str],
        tags: Names = None,
        *,
        title: str | None = None,
        begins_as: Mapping[str, Any] | None = None,
    ) -> None:
        """Write one self-contained page to `file`: curves to play with, results, runs, what differs.

        It needs no network, so it can be mailed. begins_as: what its controls say at first; see report.write.

        Raises:
            ViewError: `file` cannot be written, or a tag was asked for that no run has.
        """
        from exptools.viewing.exporters import output
        from exptools.viewing.report import write

        with output.replacing(Path(file)) as stream:
            write.write(stream, self, _names(tags), title, begins_as)

    def panels(self, *tags: str, spec: Spec | None = None, **options: Any) -> Data:
        """What `plot` draws, as values: panels, and in each a mark for each series.

        Raises:
            ViewError: see plot.
        """
        from exptools.viewing.figures import data
        from exptools.viewing.figures.spec import Spec

        given = {**({"tags": tags} if tags else {}), **options}
        chosen = (spec or Spec(paths=self._settings.paths)).replaced(**given)
        return data.build(self._selected(chosen), chosen)

    def plot(
        self,
        *tags: str,
        file: str | os.PathLike[str] | None = None,
        beside: bool = True,
        spec: Spec | None = None,
        **options: Any,
    ) -> Plotted:
        """A figure of `tags`: by default curves of the mean over seeds, a line per setting, a panel per tag.

        Returns (figure, axes). What a reader cannot see in it, such as runs that are missing or did not
        complete, is warned of.

        file: where to save it, .pdf, .svg, .png or .pgf. beside: whether the data (.csv), the specification
        (.yaml), the runs (.runs.txt) and a caption (.txt) are written beside it. options: fields of
        figures.spec.Spec, such as kind="bars" or by="lr", in place of those of `spec`.

        Raises:
            ViewError: no tag was given, or one that no run has; an option that there is not, or a value that
                is not allowed; a file cannot be written.
        """
        from exptools.viewing.figures import drawing, save, styles

        if file is None and spec is not None:
            file = spec.file
        target = None if file is None else save.checked(Path(file), with_rest=beside)
        shown = self.panels(*tags, spec=spec, **options)
        style = styles.find(shown.spec.style)
        drawn = drawing.draw(shown)
        lost = [] if target is None else save.save(drawn.figure, target, style.rc)
        if target is not None and beside:
            save.write_beside(shown, target)
        for note in filter(None, [*shown.notes, style.note, *lost]):
            warnings.warn(note, stacklevel=2)
        return drawn

    def _selected(self, spec: Spec) -> Runs:
        """The runs that the figure is of: its `select` holds the arguments of Runs.select."""
        return self.select(**spec.select) if spec.select else self


def _loaded(place: Place, seen: Seen | None) -> Run:
    """The run at `place`; as it was seen before, if what says its config and state has not changed."""
    stamp = None if seen is None else registry.stamp(place.home)
    if seen is None or stamp is None:
        return _load(place)
    before, run = seen.runs.get(place.path, (None, None))
    if run is None or before != stamp or run.place != place:
        run = _load(place)
        if run.config is not None and run.status is not None and not run.problems:
            seen.runs[place.path] = stamp, run
    return (
        run if run.status is not None and run.status.end is not None else replace(run, loaded_at=time.time())
    )


def _load(place: Place) -> Run:
    status = registry.status(place.home)
    config = registry.config(place.home)
    flat = None if config.config is None else compare.flatten(config.config)
    return Run(place, status.status, config.config, flat, time.time(), (*status.problems, *config.problems))


def _summary(
    run: Run, found: Finals | None = None, measured: Mapping[tuple[str, str], float] | None = None
) -> Summary:
    duration_s = None if run.status is None else run.status.duration_s(run.loaded_at)
    error = None if run.status is None else why_failed(run.status)
    tags = () if found is None else found.tags
    return Summary(run.name, run.state, duration_s, run.flat, error, tags, measured or {})


def _measured(reading: Reading, measures: Sequence[tuple[str, str]]) -> dict[tuple[str, str], float]:
    """Statistics of a run by their names and tags. measures: names, each with a name or glob of tags."""
    found: dict[tuple[str, str], float] = {}
    for name, pattern in measures:
        from exptools.viewing.statistics.reductions import statistic

        is_meant = names.reads([pattern])
        found |= {
            (name, tag): statistic(curve.step.astype(float), curve.value, name).value
            for tag, curve in reading.curves.items()
            if len(curve) and is_meant(tag)
        }
    return found


def _named_finals(finals: Finals) -> dict[tuple[str, str], float]:
    return {(FINAL, tag): value for tag, value in finals.values.items()}


def _of_newest_sweep(runs: Sequence[Run]) -> list[Run]:
    """Those of the sweep in which a run began last; where none has begun its directory's time counts."""
    by_sweep: dict[Path, list[Run]] = {}
    for run in runs:
        by_sweep.setdefault(run.place.sweep, []).append(run)
    return max(by_sweep.items(), key=lambda item: _began(*item))[1] if by_sweep else []


def _began(sweep: Path, runs: Sequence[Run]) -> float:
    starts = [run.status.start for run in runs if run.status is not None and run.status.start is not None]
    if starts:
        return max(starts)
    try:
        return sweep.stat().st_mtime
    except OSError:
        return 0.0


def _wants(tags: Sequence[str] | None) -> Wanted:
    return everything if tags is None else _Matching(tuple(tags))


class _Matching:
    """Wants the tags that match patterns; of each it is found out once."""

    def __init__(self, patterns: tuple[str, ...]) -> None:
        self._patterns = patterns
        self._known: dict[str, bool] = {}

    def __call__(self, tag: str) -> bool:
        known = self._known.get(tag)
        if known is None:
            known = self._known[tag] = compare.matches(tag, self._patterns)
        return known


def _either(one: Wanted, other: Wanted) -> Wanted:
    return everything if everything in (one, other) else lambda tag: one(tag) or other(tag)


def _plain(value: Any) -> Any:
    """A cell as pandas takes it."""
    if isinstance(value, compare.Absent):
        return None
    return str(value) if isinstance(value, State) else value


def _names(names: Names) -> Sequence[str] | None:
    return [names] if isinstance(names, str) else names
