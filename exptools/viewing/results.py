"""The results of a sweep, as values: per setting and scalar the mean over its runs, and its interval."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from exptools import words
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.columns import FINAL
from exptools.viewing.groups import Group, brief, by_settings
from exptools.viewing.runs import natural

if TYPE_CHECKING:
    import pandas as pd

    from exptools.viewing.api import Run, Runs
    from exptools.viewing.curves import Curve
    from exptools.viewing.statistics.bands import Band

_LESS: Final = frozenset(
    {
        *("loss", "error", "err", "nll", "perplexity", "ppl", "mse", "mae", "rmse"),
        *("regret", "cost", "fid", "wer", "cer"),
    }
)
_MORE: Final = frozenset(
    {
        *("acc", "accuracy", "reward", "return", "score", "f1", "auc", "auroc", "map", "iou", "miou"),
        *("bleu", "psnr", "ssim", "success", "precision", "recall", "r2"),
    }
)
_WAYS: Final = ("max", "min")


@dataclass(frozen=True)
class Cell:
    """A scalar in the runs of one setting.

    n: how many of its `runs` have it; nan: in how many of those it is nan. mean: nan then, and where n is 0.
    low, high: the interval; nan where it is unknown, as it is of one run.
    """

    n: int
    runs: int
    nan: int
    mean: float
    low: float
    high: float

    @property
    def is_known(self) -> bool:
        """Whether there is an interval."""
        return math.isfinite(self.low) and math.isfinite(self.high)


@dataclass(frozen=True)
class Row:
    """One setting. cells: one for each scalar."""

    group: Group
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class Results:
    """A table with a row per setting and a column per scalar.

    heads: what stands above the columns that say which setting it is, and `labels` what stands in them, a
    tuple per row. keys: the config keys that these columns are, if they are. better: by scalar "max" or
    "min", None where nobody said which is better. notes: what a reader cannot see in the table, one line
    each; hints: what who made it may want to say. what: what the numbers are, where they are not means over
    runs.
    """

    heads: tuple[str, ...]
    keys: tuple[str, ...]
    labels: tuple[tuple[str, ...], ...]
    tags: tuple[str, ...]
    rows: tuple[Row, ...]
    statistic: str
    band: Band
    better: Mapping[str, str | None]
    notes: tuple[str, ...] = ()
    hints: tuple[str, ...] = ()
    what: str = ""

    @property
    def titles(self) -> tuple[str, ...]:
        """What stands above the columns of scalars."""
        return tuple(t if self.statistic == FINAL else f"{self.statistic}({t})" for t in self.tags)

    @functools.cached_property
    def n(self) -> int | None:
        """The number of runs behind every cell, if it is one number and no run lacks a scalar."""
        cells = [cell for row in self.rows for cell in row.cells if cell.n or not self.what]
        numbers = {cell.n for cell in cells}
        return numbers.pop() if len(numbers) == 1 and all(c.n == c.runs for c in cells) else None

    @property
    def is_symmetric(self) -> bool:
        """Whether low and high are equally far from the mean."""
        return self.band.kind in ("sd", "se", "t")

    def is_best(self, row: Row, i: int) -> bool:
        """Whether in column `i` no other row is better. Nobody is best alone, or where it is nan."""
        return row.cells[i].mean == self._best[i]

    @functools.cached_property
    def _best(self) -> list[float | None]:
        """The best mean of each column; None where nobody is best."""
        best: list[float | None] = []
        for i, tag in enumerate(self.tags):
            means = [row.cells[i].mean for row in self.rows if row.cells[i].mean == row.cells[i].mean]
            ways = {"max": max, "min": min} if len(self.rows) > 1 and means else {}
            way = ways.get(self.better[tag] or "")
            best.append(None if way is None else way(means))
        return best

    def text(self, format_: str) -> str:
        """The table as "md", "latex", "html" or "csv"; see exporters.result_table."""
        from exptools.viewing.exporters import result_table

        return result_table.written(self, format_)

    def to_frame(self) -> pd.DataFrame:
        """A row per setting: what stands left, `runs`, and per scalar its mean, low, high and n (TAG.n)."""
        import pandas as pd

        from exptools.viewing.exporters import result_table

        heads, rows = result_table.exact(self)
        frame: pd.DataFrame = pd.DataFrame(rows, columns=heads)
        return frame

    def _repr_html_(self) -> str:
        from exptools.viewing.exporters import result_table

        return result_table.fragment(self)

    def caption(self) -> str:
        """What the numbers are, such as `final value: mean ± 95 % t interval of 5 runs`."""
        from exptools.viewing.statistics import reductions

        best = any(self.is_best(row, i) for row in self.rows for i in range(len(self.tags)))
        bold = "; the best is bold" if best else ""
        if self.what:
            return f"{self.what}{f', {self.n} runs each' if self.n else ''}{bold}"
        which = f"± {self.band.words}" if self.is_symmetric else f"[{self.band.words}]"
        how = "mean" if self.band.kind == "none" else f"mean {which}"
        most = max((cell.n for row in self.rows for cell in row.cells), default=0)
        if most < 2:
            how = "one run each" if most else "no values"
        elif self.n is not None:
            how += f" of {self.n} runs"
        else:
            how += " of n runs"
        return f"{reductions.words(self.statistic)}: {how}{bold}"


def results(
    runs: Runs,
    tags: Sequence[str] | None = None,
    statistic: str = FINAL,
    interval: str = "t95",
    better: Sequence[str] = (),
) -> Results:
    """The results of `runs`: one row per group of them, by its settings.

    tags: names or globs; None: all. statistic: what of each curve counts, see statistics.reductions.
    interval: of the mean, see statistics.bands. better: `max` or `min` for all, or `TAG=max`
    with a name or glob; where nothing is said a name such as loss or accuracy decides, and a hint says so.

    Raises:
        ViewError: an argument that is not allowed, a tag that no run has.
    """
    from exptools.viewing.statistics import bands, reductions

    band = bands.parse(interval)
    reductions.words(statistic)
    said = [_preference(text) for text in better]
    values: dict[str, dict[str, float]] = {}
    every: dict[str, None] = {}
    for run, reading in runs.readings(tags):
        every |= dict.fromkeys(reading.tags)
        for tag, curve in reading.curves.items():
            if len(curve):
                values.setdefault(tag, {})[run.name] = value(curve, statistic)
    wrong = compare.unmatched("tag", [glob for glob, _ in said if glob != "*"], every) if len(runs) else None
    if wrong is not None:
        raise ViewError(wrong)
    measured = {name for by_run in values.values() for name in by_run}
    homes = {run.place.home for run in runs if run.name in measured}
    among = {r.name for r in runs if r.name in measured or (r.place.home not in homes and not r.place.part)}
    groups = sorted(runs.groups(among), key=by_settings)
    columns = _chosen(sorted(values, key=natural), tags)
    rows = tuple(Row(g, tuple(_cell(g, values[tag], interval) for tag in columns)) for g in groups)
    ways = {tag: _way(tag, said) for tag in columns}
    notes = (
        *notes_on_runs([run for run in runs if run.name in among], groups),
        *(note for tag in columns for note in _notes_on_tag(tag, values[tag], groups)),
    )
    keys, heads, labels = labelled(groups)
    hints = tuple(_hints(ways)) if len(rows) > 1 else ()
    better_of = {tag: way for tag, (way, _) in ways.items()}
    return Results(heads, keys, labels, columns, rows, statistic, band, better_of, notes, hints)


def value(curve: Curve, name: str) -> float:
    """One number of a curve; see statistics.reductions."""
    if name == FINAL:
        return curve.final
    from exptools.viewing.statistics.reductions import statistic

    return statistic(curve.step.astype(float), curve.value, name).value


def _chosen(tags: Sequence[str], patterns: Sequence[str] | None) -> tuple[str, ...]:
    """`tags` in the order of `patterns`."""
    if patterns is None:
        return tuple(tags)
    return tuple(dict.fromkeys(tag for p in patterns for tag in tags if compare.matches(tag, [p])))


def _cell(group: Group, by_run: Mapping[str, float], interval: str) -> Cell:
    import numpy as np

    from exptools.viewing.statistics.curves import aggregate

    found = [by_run[name] for name in group.runs if name in by_run]
    if not found:
        return Cell(0, len(group.runs), 0, math.nan, math.nan, math.nan)
    mean = aggregate([(np.zeros(1), np.array([value])) for value in found], band=interval)
    ends = float(mean.low[0]), float(mean.high[0])
    return Cell(len(found), len(group.runs), int(mean.n_nan[0]), float(mean.center[0]), *ends)


_Labelled: TypeAlias = tuple[tuple[str, ...], tuple[str, ...], tuple[tuple[str, ...], ...]]


def labelled(groups: Sequence[Group]) -> _Labelled:
    """Keys, heads and labels: a column for each key of the settings, or, where those do not say it all, one
    with the groups' labels and no keys.
    """
    if len(groups) == 1 and not groups[0].label:
        return (), ("runs",), ((compare.listed(groups[0].runs, most=3),),)
    keys = tuple(dict.fromkeys(key for group in groups for key in group.settings))
    columns = [brief([group.settings.get(key, compare.MISSING) for group in groups]) for key in keys]
    labels = tuple(zip(*columns, strict=True))
    if [", ".join(label) for label in labels] == [group.label for group in groups]:
        names = compare.short_names(keys)
        return keys, tuple(names[key] for key in keys), labels
    return (), ("group",), tuple((group.label,) for group in groups)


# --- which is better -------------------------------------------------------------------------------------


def _preference(text: str) -> tuple[str, str]:
    """A glob of tags, and max or min."""
    glob, _, way = text.rpartition("=")
    if way not in _WAYS or (not glob and "=" in text):
        raise ViewError(f"{text!r} does not say what is better; give max or min, or TAG=max or TAG=min")
    return glob or "*", way


def _way(tag: str, said: Sequence[tuple[str, str]]) -> tuple[str | None, bool]:
    """max, min or None; and whether somebody said so. What was said last counts."""
    for glob, way in reversed(said):
        if compare.matches(tag, [glob]):
            return way, True
    for part in (re.split(r"/", tag)[-1], tag):
        tokens = set(re.split(r"[\W_]+", part.lower()))
        if bool(tokens & _LESS) != bool(tokens & _MORE):
            return ("min" if tokens & _LESS else "max"), False
    return None, False


def _hints(ways: Mapping[str, tuple[str | None, bool]]) -> Iterator[str]:
    guessed = [f"{tag}={way}" for tag, (way, is_said) in ways.items() if way is not None and not is_said]
    unknown = [tag for tag, (way, _) in ways.items() if way is None]
    if guessed:
        yield f"what is better was taken from the names: {compare.listed(guessed)}; --better changes it"
    if unknown:
        yield (
            f"nothing is bold in {compare.listed(unknown)}: say what is better, "
            f"such as --better '{unknown[0]}=max'"
        )


# --- what the table cannot show --------------------------------------------------------------------------


def notes_on_runs(runs: Sequence[Run], groups: Sequence[Group], *, is_merged: bool = False) -> Iterator[str]:
    """What of the runs of `groups` cannot be seen. is_merged: a seed comes again in each task."""
    sweeps = list(dict.fromkeys(group.sweep for group in groups if group.sweep))
    if sweeps:
        yield (
            f"the same seeds were run in {len(sweeps)} sweeps, which have rows of their own: "
            f"{compare.listed(sweeps)}; --latest takes the newest alone"
        )
    partial = [run.told for run in runs if run.state not in (None, State.COMPLETED)]
    if partial:
        names = compare.listed(partial)
        yield f"{len(partial)} of {len(runs)} runs not completed, counted as far as they go: {names}"
    repeated = [group.told for group in groups if group.repeats and not is_merged]
    if repeated:
        yield f"runs of the same seed are averaged like those of others: {compare.listed(repeated)}"


def _notes_on_tag(tag: str, by_run: Mapping[str, float], groups: Iterable[Group]) -> Iterator[str]:
    names = [name for group in groups for name in group.runs]
    missing = [name for name in names if name not in by_run]
    odd = [name for name in names if name in by_run and not math.isfinite(by_run[name])]
    of = f"of {words.count(len(names), 'run')}"
    if missing:
        yield f"{tag}: missing in {len(missing)} {of}: {compare.listed(missing)}"
    if odd:
        yield f"{tag}: nan or infinite in {len(odd)} {of}: {compare.listed(odd)}"
