"""Curves for a paper: per tag the mean over seeds with a band, one line per variant, as PDF, PNG or SVG."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import compare
from exptools.viewing.compare import Aggregate, Group
from exptools.viewing.exporters import output
from exptools.viewing.runs import natural

if TYPE_CHECKING:
    import numpy as np
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from exptools.viewing.api import Run, Runs

FORMATS = (".pdf", ".png", ".svg")

# Okabe and Ito's colours, which the colour-blind can tell apart, but for the yellow that paper swallows.
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_DASHES = ("-", (0, (9, 1.5)), (0, (7, 1.2, 1.5, 1.2)), (0, (3, 1)))  # long: noise makes short ones a blur
_STYLE: Any = {
    "font.size": 9,
    "axes.labelsize": 9,
    "axes.titlesize": 8,
    "legend.fontsize": 8,
    "legend.title_fontsize": 8,
    "xtick.labelsize": 8,
    "ytick.labelsize": 8,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "text.parse_math": False,  # a tag may hold a $
    "pdf.fonttype": 42,  # TrueType: conferences refuse the Type 3 fonts that are the default
    "ps.fonttype": 42,
    "svg.fonttype": "none",
}
_PANEL_INCHES = (4.1, 2.9)
_LEGEND_INCHES = 1.4  # a single panel with its legend is as wide as the text of most conferences: 5.5
_DOTS_PER_INCH = 300
_FEW = 25  # points: so few are marked, for a single point has no line
_SLICES = 2000  # of the x axis, about two a dot: what lies inside one is drawn by its extremes


@dataclass(frozen=True)
class Line:
    """One line: a group and its aggregate."""

    group: Group
    aggregate: Aggregate


@dataclass(frozen=True)
class Panel:
    """One tag. missing, partial, odd: the runs that lack the tag, did not complete, or hold nan."""

    tag: str
    lines: tuple[Line, ...]
    missing: tuple[str, ...] = ()
    partial: tuple[str, ...] = ()
    odd: tuple[str, ...] = ()
    runs: int = 0  # all that were looked at


def panels(runs: Runs, patterns: Sequence[str]) -> list[Panel]:
    """One panel for each tag that `patterns` name, in their order.

    Raises:
        ViewError: a tag that no run has.
    """
    curves: dict[str, dict[str, tuple[NDArray[np.int64], NDArray[np.float64]]]] = {}
    for run, reading in runs.readings(patterns):
        for tag, frame in reading.curves.items():
            if frame.height:
                curves.setdefault(tag, {})[run.name] = frame["step"].to_numpy(), frame["value"].to_numpy()
    if not curves:
        raise ViewError(
            f"{', '.join(map(repr, patterns))}: no run has logged a value of it yet; try again later"
        )
    tags = sorted(curves, key=natural)
    chosen = dict.fromkeys(tag for pattern in patterns for tag in tags if compare.matches(tag, [pattern]))
    groups = sorted(runs.groups(), key=compare.by_settings)
    return [_panel(tag, curves[tag], groups, runs.runs) for tag in chosen]


def _panel(tag: str, curves: dict[str, Any], groups: Sequence[Group], runs: Sequence[Run]) -> Panel:
    lines = [
        Line(group, compare.aggregate([curves[name] for name in group.runs if name in curves]))
        for group in groups
        if any(name in curves for name in group.runs)
    ]
    homes = {run.place.home for run in runs if run.name in curves}
    return Panel(
        tag,
        tuple(lines),
        missing=tuple(_with_state(run) for run in runs if run.place.home not in homes and not run.place.part),
        partial=tuple(
            _with_state(run)
            for run in runs
            if run.name in curves and run.state not in (None, State.COMPLETED)
        ),
        odd=tuple(_odd(name, values) for name, (_, values) in curves.items() if _not_finite(values)),
        runs=len({run.place.home for run in runs}),
    )


def _with_state(run: Run) -> str:
    return run.name if run.state is None else f"{run.name} ({run.state})"


def _not_finite(values: NDArray[np.float64]) -> int:
    import numpy as np

    return int(np.count_nonzero(~np.isfinite(values)))


def _odd(name: str, values: NDArray[np.float64]) -> str:
    return f"{name} ({_not_finite(values)} of {len(values)})"


def notes(drawn: Sequence[Panel]) -> list[str]:
    """What a reader of the figure cannot see in it, one line each."""
    return [note for panel in drawn for note in _notes(panel)]


def _notes(panel: Panel) -> Iterator[str]:
    of = f"of {panel.runs} runs"
    if panel.missing:
        yield f"{panel.tag}: missing in {len(panel.missing)} {of}: {compare.listed(panel.missing)}"
    if panel.partial:
        names = compare.listed(panel.partial)
        yield f"{panel.tag}: {len(panel.partial)} {of} not completed, drawn as far as they go: {names}"
    if panel.odd:
        yield f"{panel.tag}: values that are not finite leave gaps in {compare.listed(panel.odd)}"


def draw(drawn: Sequence[Panel]) -> tuple[Figure, list[Axes]]:
    """The figure of some panels, without touching pyplot: nothing is shown, nothing needs to be closed."""
    import matplotlib
    from matplotlib.figure import Figure

    columns = min(len(drawn), 2)
    rows = -(-len(drawn) // columns)
    looks = _looks(drawn)
    legend = _LEGEND_INCHES if any(looks) else 0.0
    with matplotlib.rc_context(_STYLE):
        figure = Figure(
            figsize=(_PANEL_INCHES[0] * columns + legend, _PANEL_INCHES[1] * rows), layout="constrained"
        )
        axes = [figure.add_subplot(rows, columns, i + 1) for i in range(len(drawn))]
        for panel, ax in zip(drawn, axes, strict=True):
            _draw_panel(ax, panel, looks)
        if any(looks):
            _draw_legend(figure, drawn, looks)
    return figure, axes


def _looks(drawn: Sequence[Panel]) -> dict[str, dict[str, Any]]:
    """Colour and dashes of each label, the same in all panels."""
    labels = dict.fromkeys(line.group.label for panel in drawn for line in panel.lines)
    return {
        label: {
            "color": _COLOURS[i % len(_COLOURS)],
            "linestyle": _DASHES[i % len(_DASHES)],
            "gapcolor": _tint(_COLOURS[i % len(_COLOURS)]),  # a dashed line through noise stays one line
        }
        for i, label in enumerate(labels)
    }


def _tint(colour: str) -> tuple[float, ...]:
    """`colour`, half way to white."""
    from matplotlib.colors import to_rgb

    return tuple((1 + part) / 2 for part in to_rgb(colour))


def _draw_panel(ax: Axes, panel: Panel, looks: dict[str, dict[str, Any]]) -> None:
    alpha = 0.2 if len(panel.lines) <= 6 else 0.1
    for line in panel.lines:
        _draw_line(ax, line.aggregate, looks[line.group.label], alpha)
    ax.set_xlabel("step")
    ax.set_ylabel(panel.tag)
    ax.set_title(caption(panel), loc="left", color="0.35")
    ax.grid(visible=True, color="0.92", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.margins(x=0.02)


def _draw_line(ax: Axes, line: Aggregate, look: dict[str, Any], alpha: float) -> None:
    marker: dict[str, Any] = {"marker": "o", "markersize": 2.5} if len(line.step) <= _FEW else {}
    x, low, high = extremes(line.step, line.mean - line.sd, line.mean + line.sd)
    ax.fill_between(x, low, high, color=look["color"], alpha=alpha, linewidth=0, zorder=2)
    x, low, high = extremes(line.step, line.mean, line.mean)
    if len(x) < len(line.step):  # from the bottom of each slice to its top
        x, low = x.repeat(2), _alternating(low, high)
    ax.plot(x, low, linewidth=1.0, zorder=3, **look, **marker)


def extremes(
    step: NDArray[np.float64], low: NDArray[np.float64], high: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """What can be seen of a long curve: the least of `low` and the greatest of `high` in each slice.

    step: increasing. All arrays of shape (points,); the results of shape (slices,), or as they came if there
    are not more points than could be drawn. Without this a long run makes a PDF that no viewer opens.
    """
    import numpy as np

    if len(step) <= 2 * _SLICES:
        return step, low, high
    slices = np.floor((step - step[0]) / (step[-1] - step[0]) * _SLICES)
    starts = np.flatnonzero(np.diff(slices, prepend=-1))
    return step[starts], np.fmin.reduceat(low, starts), np.fmax.reduceat(high, starts)


def _alternating(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:
    import numpy as np

    return np.stack([one, other], axis=1).reshape(-1)


def _draw_legend(figure: Figure, drawn: Sequence[Panel], looks: dict[str, dict[str, Any]]) -> None:
    from matplotlib.lines import Line2D

    groups = [line.group for panel in drawn for line in panel.lines]
    keys = next((list(group.settings) for group in groups if group.settings), [])
    names = compare.short_names(keys)
    figure.legend(
        [Line2D([], [], linewidth=1.2, **look) for look in looks.values()],
        [_shown(label) for label in looks],
        title=", ".join(names[key] for key in keys),
        loc="outside right upper",
        frameon=False,
        handlelength=3.0,
        alignment="left",
        ncols=-(-len(looks) // 25),
    )


def caption(panel: Panel) -> str:
    """What the lines and bands of `panel` are, such as `mean and sd over 3 seeds`."""
    counts = [int(line.aggregate.n.max()) for line in panel.lines]
    low, high = min(counts), max(counts)
    if high == 1:
        return "one run" if len(panel.lines) == 1 else "one run per line"
    what = "seeds" if any(line.group.seeds for line in panel.lines) else "runs"
    return f"mean and sd over {high if low == high else f'{low} to {high}'} {what}"


def _shown(label: str) -> str:
    """A label that begins with an underscore would be hidden by matplotlib."""
    return f" {label}" if label.startswith("_") else label


def default_file(tags: Sequence[str]) -> Path:
    """Where the figure of `tags` goes if nobody says: <tag>.pdf in the current directory."""
    return Path("-".join(re.sub(r"[^\w.=+-]+", "_", tag).strip("_.") or "tag" for tag in tags)[:100] + ".pdf")


def checked(file: Path) -> Path:
    """`file`, if a figure can be saved there.

    Raises:
        ViewError: its ending names no format, or it cannot be written.
    """
    if file.suffix.lower() not in FORMATS:
        given = f"the ending {file.suffix!r}" if file.suffix else "no ending"
        raise ViewError(f"cannot write {file}: {given}; a figure can be {', '.join(FORMATS)}")
    return output.writable(file)


def save(figure: Figure, file: Path) -> list[str]:
    """Save `figure` to `file`, whose ending says the format. Returns what the font could not show.

    Raises:
        ViewError: `file` cannot be written.
    """
    import matplotlib

    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context(_STYLE):
        warnings.simplefilter("always")
        with output.replacing(checked(file)) as stream:
            figure.savefig(stream, format=file.suffix.lower()[1:], dpi=_DOTS_PER_INCH)
    return list(dict.fromkeys(str(warning.message) for warning in caught))
