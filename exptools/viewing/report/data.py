"""What the report shows, as values that JSON can say; text stays text, and is never markup.

Single runs are thinned to what a screen can show: of each slice the least and the greatest value are kept, so
no peak is lost. Means are of every k-th frame where a run has very many. The page says so.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exptools.viewing import compare, failures
from exptools.viewing.columns import Kind
from exptools.viewing.groups import Group, by_settings
from exptools.viewing.runs import natural

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from exptools.viewing.api import Run, Runs
    from exptools.viewing.curves import Curve

MOST_POINTS = 200_000  # of single runs, in the whole page: some 6 MB
MOST_PER_CURVE, LEAST_PER_CURVE = 1_000, 50
MOST_SAMPLES, SAMPLES_PER_CURVE = 4_000_000, (100, 3_000)  # frames that means are of, in memory
GRID = 300  # points of a mean
MOST_MEANS = 2_000  # of a setting each: some 40 MB; of more scalars only the first are on the page
CENTER, BAND = "mean", "sd"


def of(runs: Runs, tags: Sequence[str] | None, command: str) -> dict[str, Any]:
    """All that the page needs. command: what made it.

    Raises:
        ViewError: a tag that no run has.
    """
    groups = sorted(runs.groups(), key=by_settings)
    return {
        "command": command,
        "made": time.strftime("%Y-%m-%d %H:%M"),
        "runs": [{"name": run.name, "state": _state(run)} for run in runs],
        "groups": _groups(groups, runs),
        "keys": _keys(groups),
        "center": CENTER,
        "band": BAND,
        "curves": _curves(runs, tags, groups),
        "table": _table(runs, tags),
        "failures": failures.told(runs),
        "keys_that_differ": _differing(runs),
        "provenance": _provenance(runs),
    }


def _keys(groups: Sequence[Group]) -> list[str]:
    """What the parts of a group's label are, in short."""
    keys = next((list(group.settings) for group in groups if group.settings), [])
    return list(compare.short_names(keys).values())


def _state(run: Run) -> str | None:
    return None if run.state is None else str(run.state)


def _groups(groups: Sequence[Group], runs: Runs) -> list[dict[str, Any]]:
    from exptools.viewing.figures.looks import looks

    number = {run.name: i for i, run in enumerate(runs)}
    look_of = looks([group.label for group in groups])
    return [
        {
            "label": group.label or "all runs",
            "runs": [number[name] for name in group.runs],
            "color": str(look_of[group.label]["color"]),
            "dash": ("solid", "dash", "dashdot", "dot")[i % 4],  # as looks has them
        }
        for i, group in enumerate(groups)
    ]


# --- curves -----------------------------------------------------------------------------------------------


def _curves(runs: Runs, tags: Sequence[str] | None, groups: Sequence[Group]) -> dict[str, Any]:
    """Per tag its single runs and the means of groups; how they were made of how many frames."""
    held = [finals.values.keys() for _, finals in runs.finals(tags)]
    every = sorted({tag for of_run in held for tag in of_run}, key=natural)
    shown = set(every[: max(1, MOST_MEANS // max(1, len(groups)))])
    n_curves = max(1, sum(len(shown & of_run) for of_run in held))
    most = min(MOST_PER_CURVE, MOST_POINTS // n_curves)
    samples = max(SAMPLES_PER_CURVE[0], min(SAMPLES_PER_CURVE[1], MOST_SAMPLES // n_curves))
    singles: dict[str, dict[int, dict[str, str]]] = {}
    sampled: dict[str, dict[str, Curve]] = {}
    n_frames = longest = 0
    # Names that say nothing of themselves: a tag may hold a glob's characters.
    chosen = tags if len(shown) == len(every) else [compare.exactly(tag) for tag in shown]
    for i, (run, reading) in enumerate(runs.readings(chosen)):
        for tag, curve in reading.curves.items():
            if tag in shown and len(curve):
                n_frames += len(curve)
                longest = max(longest, len(curve))
                sampled.setdefault(tag, {})[run.name] = every_kth(curve, samples)
                if most >= LEAST_PER_CURVE:
                    singles.setdefault(tag, {})[i] = _packed(extremes(curve, most))
    return {
        "left_out": len(every) - len(shown),
        "frames": n_frames,
        "longest": longest,
        "most": most if most >= LEAST_PER_CURVE else 0,
        "samples": samples,
        "tags": [
            {
                "tag": tag,
                "runs": singles.get(tag, {}),
                "means": [_means(group, sampled[tag]) for group in groups],
            }
            for tag in sorted(sampled, key=natural)
        ],
    }


def _packed(curve: Curve) -> dict[str, str]:
    return {
        "step": packed(curve.step.astype(float)),
        "hours": packed(hours(curve)),
        "value": packed(curve.value),
    }


def hours(curve: Curve) -> NDArray[np.float64]:
    """Since the first frame; nan where nobody wrote the time down."""
    import numpy as np

    known = curve.wall_time[~np.isnan(curve.wall_time)]
    first = known.min() if len(known) else 0.0
    return (curve.wall_time - first) / 3600


def _means(group: Group, by_run: Mapping[str, Curve]) -> dict[str, Any]:
    """The group's mean and band over steps and over hours; nothing where no run has the tag."""
    curves = [by_run[name] for name in group.runs if name in by_run]
    return {
        "n": len(curves),
        "of": len(group.runs),
        "step": _mean([(curve.step.astype(float), curve.value) for curve in curves]),
        "hours": _mean([(hours(curve), curve.value) for curve in curves]),
    }


def _mean(curves: Sequence[tuple[NDArray[np.float64], NDArray[np.float64]]]) -> dict[str, str]:
    from exptools.viewing.statistics.curves import aggregate

    if not curves:
        return {}
    whole = aggregate(curves, center=CENTER, band="none")
    points = None if len(whole.x) <= 2 * GRID else GRID
    found = aggregate(curves, center=CENTER, band=BAND, points=points)
    columns = {"x": found.x, "center": found.center, "low": found.low, "high": found.high}
    return {**{name: packed(column) for name, column in columns.items()}, "n": packed(found.n.astype(float))}


def every_kth(curve: Curve, most: int) -> Curve:
    """At most `most` frames of `curve`, at equal distances, the first and the last among them."""
    import numpy as np

    if len(curve) <= most:
        return curve
    return curve.part(np.linspace(0, len(curve) - 1, most).astype(np.int64))


def extremes(curve: Curve, most: int) -> Curve:
    """At most some `most` frames of `curve`: of each slice the least, the greatest, and a nan if there is."""
    import numpy as np

    n = len(curve)
    if n <= most:
        return curve
    begins = np.linspace(0, n, max(1, most // 2) + 1).astype(np.int64)[:-1]
    which = np.searchsorted(begins, np.arange(n), side="right") - 1
    missing = np.isnan(curve.value)
    kept = [np.array([0, n - 1]), _first_of_each(np.flatnonzero(missing), which)]
    for values in (np.where(missing, np.inf, curve.value), np.where(missing, np.inf, -curve.value)):
        is_least = values == np.minimum.reduceat(values, begins)[which]
        kept.append(_first_of_each(np.flatnonzero(is_least), which))
    return curve.part(np.unique(np.concatenate(kept)))


def _first_of_each(frames: NDArray[np.int64], which: NDArray[np.int64]) -> NDArray[np.int64]:
    """The first of `frames` in each slice. which: the slice of each frame of the curve."""
    import numpy as np

    _, first = np.unique(which[frames], return_index=True)
    return frames[first]


def packed(column: NDArray[np.float64]) -> str:
    """Float64s, little-endian, as base64."""
    return base64.b64encode(column.astype("<f8").tobytes()).decode()


# --- tables -----------------------------------------------------------------------------------------------


def _table(runs: Runs, tags: Sequence[str] | None) -> dict[str, Any]:
    """The table of runs: columns, and cells as texts with what they sort by."""
    from exptools.viewing.exporters.table import nice

    found = runs.summary(tags)
    return {
        "columns": [
            {"name": c.name, "is_number": c.kind in (Kind.TAG, Kind.DURATION)} for c in found.columns
        ],
        "rows": [
            [{"text": nice(c, cell), "by": _by(cell)} for c, cell in zip(found.columns, row, strict=True)]
            for row in found.rows
        ],
    }


def _by(cell: Any) -> float | str | None:
    """What a cell sorts by: numbers by size, everything else as text, nothing last."""
    if isinstance(cell, compare.Absent) or cell is None or cell != cell:
        return None
    if isinstance(cell, (int, float)) and not isinstance(cell, bool):
        return float(cell) if abs(cell) < 1e300 else None
    return str(cell)


def _differing(runs: Runs) -> list[dict[str, Any]]:
    from exptools.viewing.exporters.keys import values

    keys = runs.keys()
    return [{"key": key.name, "role": key.role, "values": values(key, _MOST_VALUES)} for key in keys]


def _provenance(runs: Runs) -> list[dict[str, Any]]:
    """What is not the same in the provenance of all runs: each value with the number of its runs."""
    from exptools.viewing.difference import of_attempt, repeats

    counts: dict[str, dict[str, int]] = {}
    facts = [
        {name: value for name, value in of_attempt(runs.attempt(run)).items() if not repeats(name)}
        for run in runs
    ]
    for name in dict.fromkeys(name for fact in facts for name in fact):
        for fact in facts:
            text = compare.text(fact.get(name, compare.MISSING))
            counts.setdefault(name, {})[text] = counts.get(name, {}).get(text, 0) + 1
    return [{"name": name, "values": _counted(of)} for name, of in counts.items() if len(of) > 1]


_MOST_VALUES = 12  # of a key that are named


def _counted(counts: Mapping[str, int]) -> str:
    most = sorted(counts.items(), key=lambda item: -item[1])
    return compare.listed([f"{compare.shortened(text, 60)} ({n})" for text, n in most], most=6)
