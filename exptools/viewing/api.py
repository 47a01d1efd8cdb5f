"""load(*paths) -> Runs: what the command line shows, from Python and notebooks."""

from __future__ import annotations

import functools
import os
import time
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

from exptools import rundir
from exptools.collections import AttrDict
from exptools.errors import ViewError
from exptools.rundir import State, Status
from exptools.viewing import compare, parallel, runs, scalars
from exptools.viewing.compare import FlatConfig
from exptools.viewing.curves import Curve, Reading, concatenated
from exptools.viewing.groups import Group, Member, by_sweep, grouped
from exptools.viewing.problem import Problem
from exptools.viewing.readers import registry
from exptools.viewing.runs import Place
from exptools.viewing.scalars import Finals
from exptools.viewing.summary import Summary, Table, tabulate, why_failed

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from exptools.viewing.exporters.panels import Panel

Found = TypeVar("Found", Reading, Finals)
Names: TypeAlias = str | Sequence[str] | None  # tags or columns, or globs of them; None: all


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
    def live(self) -> bool:
        """Whether somebody may be writing its files right now."""
        return self.state in (State.QUEUED, State.RUNNING)

    @property
    def log(self) -> Path:
        """The file to read when it failed: the process's output, else Hydra's log, else the directory."""
        home = self.place.home
        candidates = [home / rundir.STDOUT, *sorted(home.glob("*.log"))]
        return next((path for path in candidates if path.is_file()), home)


@dataclass(frozen=True)
class Settings:
    """How runs are read; see load."""

    cache: bool = True
    keep_superseded: bool = False


def load(*paths: str | os.PathLike[str], cache: bool = True, keep_superseded: bool = False) -> Runs:
    """The runs at and below `paths`: their configs and states; scalars are read when they are asked for.

    cache: whether columns that were read are kept, and read instead of the files; see viewing/cache.
    keep_superseded: whether frames are kept that a resumed run measured again at the same step; see
    scalars.read.

    Raises:
        ViewError: a path does not exist or is not a directory, or there is no run at all.
    """
    found = runs.find(paths)
    return Runs(map(_load, found.places), found.problems, Settings(cache, keep_superseded))


class Runs:
    """Runs, in natural order of their names, and what they say.

    Tags are chosen by name or shell glob. What could not be read is in `problems`; the rest is unharmed.
    """

    def __init__(
        self, runs: Iterable[Run], problems: Iterable[Problem] = (), settings: Settings | None = None
    ) -> None:
        self.runs: tuple[Run, ...] = tuple(runs)
        self._settings = settings or Settings()
        self._problems = dict.fromkeys(problems)  # a dict, so that what is read twice is named once
        self._problems |= dict.fromkeys(problem for run in self.runs for problem in run.problems)
        self._superseded: dict[str, dict[str, int]] = {}
        self._tags: dict[str, None] = {}

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
        return tuple(self._problems)

    @property
    def superseded(self) -> dict[str, dict[str, int]]:
        """By run and tag, how many frames so far were left out because a resumed run measured them again."""
        return {run: dict(by_tag) for run, by_tag in self._superseded.items()}

    def config(self, run: str | Run) -> AttrDict:
        """The config of a run, nested; empty where it is unknown."""
        return AttrDict((self[run] if isinstance(run, str) else run).config or {})

    def differing(self) -> list[str]:
        """The dotted config keys that are not the same in all runs whose config is known."""
        return compare.differing(run.flat for run in self.runs if run.flat is not None)

    def groups(self, among: Collection[str] | None = None) -> list[Group]:
        """The runs by setting: equal config but for the seed; see groups.grouped and groups.by_sweep.

        among: the names of the runs to take; a setting has the same label whichever they are.
        """
        members = [Member(r.name, r.flat, r.place.part, str(r.place.sweep)) for r in self.runs]
        groups = grouped(members)
        if among is not None:
            groups = [group for group in (group.only(among) for group in groups) if group.members]
        return by_sweep(groups)

    def readings(self, tags: Names = None) -> Iterator[tuple[Run, Reading]]:
        """Each run with its scalars, one run in memory at a time.

        Raises:
            ViewError: after the last run, if a tag was asked for that no run has.
        """
        return self._read(scalars.read, tags)

    def finals(self, tags: Names = None) -> Iterator[tuple[Run, Finals]]:
        """Each run with the last value of each of its tags.

        Raises:
            ViewError: after the last run, if a tag was asked for that no run has.
        """
        return self._read(scalars.finals, tags)

    def _read(self, read: Callable[[scalars.Job], Found], tags: Names) -> Iterator[tuple[Run, Found]]:
        patterns = None if tags is None else tuple(_names(tags) or ())
        how = (self._settings.keep_superseded, self._settings.cache)
        jobs = [scalars.Job(run.place, patterns, run.live, *how) for run in self.runs]
        is_python = scalars.decoded_by_python(jobs)
        for run, found in zip(self.runs, parallel.mapped(read, jobs, in_processes=is_python), strict=True):
            self._problems |= dict.fromkeys(found.problems)
            if found.superseded:
                self._superseded.setdefault(run.name, {}).update(found.superseded)
            self._tags |= dict.fromkeys(found.tags)
            yield run, found
        wrong = compare.unmatched("tag", patterns or (), self._tags)
        if wrong is not None:
            raise ViewError(wrong)

    def summary(self, tags: Names = None, columns: Names = None) -> Table:
        """The table of runs as plain values; see summary.tabulate.

        Raises:
            ViewError: a tag or column was asked for that does not exist.
        """
        return tabulate([_summary(run, finals) for run, finals in self.finals(tags)], _names(columns))

    def table(self, tags: Names = None, columns: Names = None) -> pd.DataFrame:
        """One row per run: run, state, duration_s, the config keys that differ, the last value of each tag.

        What is unknown or missing is NaN or None.
        """
        import pandas as pd

        table = self.summary(tags, columns)
        frame: pd.DataFrame = pd.DataFrame(
            {column.name: [_plain(row[i]) for row in table.rows] for i, column in enumerate(table.columns)}
        )
        return frame

    def scalars(self, tags: Names = None) -> pd.DataFrame:
        """Every frame of every scalar, long: run, tag (str), step (int64), wall_time and value (float64).

        wall_time is in seconds since the epoch.

        Raises:
            ViewError: a tag was asked for that no run has.
        """
        import numpy as np
        import pandas as pd

        curves = [(run.name, tag, c) for run, r in self.readings(tags) for tag, c in r.curves.items()]
        heights = [len(curve) for _, _, curve in curves]
        none = Curve(np.empty(0, np.int64), np.empty(0), np.empty(0))
        all_of_them = concatenated([none, *(curve for _, _, curve in curves)])
        frame: pd.DataFrame = pd.DataFrame(
            {
                "run": np.repeat(np.array([run for run, _, _ in curves], dtype=object), heights),
                "tag": np.repeat(np.array([tag for _, tag, _ in curves], dtype=object), heights),
                "step": all_of_them.step,
                "wall_time": all_of_them.wall_time,
                "value": all_of_them.value,
            }
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

    def panels(self, *tags: str) -> list[Panel]:
        """What `plot` draws: per tag one line per group, mean and sd over its runs.

        Raises:
            ViewError: no tag was given, or one that no run has.
        """
        from exptools.viewing.exporters import panels

        if not tags:
            raise ViewError("no tag was given; name at least one, for example 'loss'")
        return panels.panels(self, tags)

    def plot(self, *tags: str, file: str | os.PathLike[str] | None = None) -> tuple[Figure, list[Axes]]:
        """Curves of `tags`: the mean over seeds with a band of one sd, a line per group, a panel per tag.

        file: where to save it, .pdf, .png or .svg. Runs that are missing or did not complete are warned of.

        Raises:
            ViewError: no tag was given, or one that no run has; `file` cannot be written.
        """
        from exptools.viewing.exporters import figure, panels

        target = None if file is None else figure.checked(Path(file))
        shown = self.panels(*tags)
        drawn, axes = figure.draw(shown)
        for note in panels.notes(shown):
            warnings.warn(note, stacklevel=2)
        if target is not None:
            figure.save(drawn, target)
        return drawn, axes


def _load(place: Place) -> Run:
    status = registry.status(place.home)
    config = registry.config(place.home)
    flat = None if config.config is None else compare.flatten(config.config)
    return Run(place, status.status, config.config, flat, time.time(), (*status.problems, *config.problems))


def _summary(run: Run, finals: Finals) -> Summary:
    duration_s = None if run.status is None else run.status.duration_s(run.loaded_at)
    error = None if run.status is None else why_failed(run.status)
    return Summary(run.name, run.state, duration_s, run.flat, finals.values, error)


def _plain(value: Any) -> Any:
    """A cell as pandas takes it."""
    if isinstance(value, compare.Absent):
        return None
    return str(value) if isinstance(value, State) else value


def _names(names: Names) -> Sequence[str] | None:
    return [names] if isinstance(names, str) else names
