"""What figure is asked for, as one value that goes to YAML and back without loss."""

from __future__ import annotations

import dataclasses
import difflib
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from exptools.errors import ViewError
from exptools.viewing import compare

KINDS: Final = ("curves", "bars", "scatter", "heatmap", "parallel", "profile")
WITHOUT_SERIES: Final = ("heatmap", "parallel")
SCALES: Final = ("linear", "log", "symlog")
AXES: Final = {"step": "step", "wall_time": "wall time (UTC)", "relative": "time"}  # what x can be but a tag
TAG: Final = "tag"  # in `split`, beside config keys
_WIDTHS: Final = ("column", "text")
_LEGENDS: Final = ("below", "none")
_VERSION: Final = "exptools"  # the field of the file that says who wrote it
_REFERENCE = re.compile(r"([xy])=([^:]+)(?::(.*))?", re.DOTALL)

Limits: TypeAlias = tuple[float | None, float | None]


@dataclass(frozen=True)
class Reference:
    """A straight line at a value of x or y."""

    axis: str
    value: float
    label: str


@dataclass(frozen=True)
class Spec:
    """A figure. The fields are called like the options of the command line, but for tags (--plot TAG).

    tags: scalars, names or globs. kind: one of KINDS. x: "step", "wall_time", "relative" (time since the
    first of the run's frames that are drawn) or a tag, whose value at the same step of the same run counts.
    over: config keys: the axis of a scatter, the two of a heat map (across, up), those of parallel
    coordinates; empty for what varies. by: "tag" and config keys whose values are a series; None for the
    settings, all that differs but the seed. split: the same for panels (keys of bars: clusters).

    smooth: weight of the debiased moving average of each run, in [0, 1). running: "max" or "min" for the best
    so far. center, band: see statistics; None for what is usual. points: None for every x of some run.
    min_runs: a point of fewer runs is not drawn. stat: the one number that a run is, see
    statistics.reductions. best_of, best_by: of a series only the setting with the "max" or "min" of `stat` of
    the tag best_of is drawn. task: the config key that is the task of a profile. normalize: "minmax",
    "LOW:HIGH", or "TASK=LOW:HIGH" for each task: what becomes 0 and 1.

    xscale, yscale: one of SCALES; None for what suits. xlim, ylim: a least and a greatest, None for what the
    data have. lines: reference lines such as "y=0.9:human". rename: label, key or tag -> text. order: labels
    that come first. style: see styles. width: "column", "text" or inches; None for what is usual. height:
    inches of a row of panels. panel_columns: panels beside each other. legend: "below" or "none". title:
    above all. caption: whether each panel says what it shows; None for unless a style is chosen.

    file: where the figure goes. paths: the runs. select: arguments of Runs.select.

    Raises:
        ViewError: a value that is not allowed.
    """

    tags: tuple[str, ...] = ()
    kind: str = "curves"
    x: str = "step"
    over: tuple[str, ...] = ()
    by: tuple[str, ...] | None = None
    split: tuple[str, ...] = (TAG,)
    smooth: float = 0.0
    running: str | None = None
    center: str = "mean"
    band: str | None = None
    points: int | None = None
    min_runs: int = 1
    stat: str = "final"
    best_of: str | None = None
    best_by: str = "max"
    task: str | None = None
    normalize: tuple[str, ...] = ()
    xscale: str | None = None
    yscale: str | None = None
    xlim: Limits | None = None
    ylim: Limits | None = None
    lines: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    order: tuple[str, ...] = ()
    style: str | None = None
    width: str | float | None = None
    height: float | None = None
    panel_columns: int | None = None
    legend: str = "below"
    title: str | None = None
    caption: bool | None = None
    file: str | None = None
    paths: tuple[str, ...] = ()
    select: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Checks every value, and makes tuples of lists."""
        for name in ("tags", "normalize", "lines", "order", "paths"):
            self._set(name, _texts(name, getattr(self, name)))
        for name in ("over", "by", "split"):
            if getattr(self, name) is not None:
                self._set(name, _keys(name, getattr(self, name)))
        for name in ("xlim", "ylim"):
            self._set(name, _limits(name, getattr(self, name)))
        for name in ("rename", "select"):
            self._set(name, _mapping(name, getattr(self, name)))
        self._set("rename", {_text("rename", k): _text("rename", v) for k, v in self.rename.items()})
        for name in ("file", "title", "style", "best_of", "task"):
            if getattr(self, name) is not None:
                self._set(name, _text(name, getattr(self, name)))
        self._choose("kind", KINDS)
        self._choose("legend", _LEGENDS)
        self._choose("best_by", ("max", "min"))
        for name, allowed in (("running", ("max", "min")), ("xscale", SCALES), ("yscale", SCALES)):
            if getattr(self, name) is not None:
                self._choose(name, allowed)
        self._check_numbers()
        self._check_statistics()
        for line in self.lines:
            reference(line)
        self._check_together()

    def _set(self, name: str, value: Any) -> None:
        object.__setattr__(self, name, value)

    def _choose(self, name: str, allowed: Sequence[str]) -> None:
        value = getattr(self, name)
        if value not in allowed:
            raise ViewError(f"{name} cannot be {value!r}; give {', '.join(allowed[:-1])} or {allowed[-1]}")

    def _check_numbers(self) -> None:
        self._set("smooth", _number("smooth", self.smooth))
        if not 0 <= self.smooth < 1:
            raise ViewError(f"smooth cannot be {self.smooth:g}; give 0 (none) or more, but less than 1")
        for name, least in (("points", 2), ("min_runs", 1), ("panel_columns", 1)):
            value = getattr(self, name)
            if value is not None and (isinstance(value, bool) or not isinstance(value, int) or value < least):
                raise ViewError(f"{name} cannot be {value!r}; give a whole number, {least} or more")
        if self.height is not None:
            self._set("height", _inches("height", self.height))
        if self.width is not None and self.width not in _WIDTHS:
            self._set("width", _inches("width", self.width))
        if self.caption not in (None, True, False):
            raise ViewError(f"caption cannot be {self.caption!r}; give true or false")

    def _check_statistics(self) -> None:
        if not isinstance(self.x, str) or not self.x:
            raise ViewError(f"x cannot be {self.x!r}; give {', '.join(AXES)} or a tag")
        from exptools.viewing.statistics import bands, order, reductions

        order.kept(self.center, 1)
        reductions.words(self.stat)
        chosen = bands.parse(self.usual_band)
        if self.kind == "profile" and chosen.kind not in ("ci", "none"):
            raise ViewError(f"a profile has no band {self.band!r}; give ci95 (bootstrap) or none")
        if chosen.kind in ("se", "t") and self.center != "mean":
            raise ViewError(
                f"band {self.band!r} says how well the mean is known, not the {order.CENTERS[self.center]}; "
                "give ci95 (bootstrap) or percentiles such as p25-75, or take the mean"
            )

    def _check_together(self) -> None:
        """What only some kinds have."""
        if self.by is not None and self.kind in WITHOUT_SERIES:
            raise ViewError(
                f"kind {self.kind} has no series, so there is nothing to do by; give split for panels"
            )
        only = {
            "best_of": ("curves", "bars"),
            "running": ("curves",),
            "band": ("curves", "bars", "heatmap", "profile"),
            "xscale": ("curves", "scatter", "profile"),
            "xlim": ("curves", "scatter", "profile"),
            "points": ("curves", "profile"),
            "over": ("scatter", *WITHOUT_SERIES),
            "task": ("profile",),
            "normalize": ("profile",),
            "lines": ("curves", "bars", "scatter", "profile"),
        }
        for name, kinds in only.items():
            if getattr(self, name) not in (None, ()) and self.kind not in kinds:
                raise ViewError(
                    f"{name} is of no account in kind {self.kind}; it belongs to {', '.join(kinds)}"
                )
        if self.kind == "profile" and self.task is None:
            raise ViewError(
                "a performance profile is over tasks; give the config key that is the task by task"
            )

    @property
    def usual_band(self) -> str:
        """The band, if none was chosen that which goes with the centre."""
        if self.band is not None:
            return self.band
        if self.kind == "profile":
            return "ci95"
        return "sd" if self.center == "mean" else "p25-75"

    def shown(self, name: str) -> str:
        """What a label, key or tag is called in the figure."""
        return self.rename.get(name, name)

    def replaced(self, **changes: Any) -> Spec:
        """This, but for some fields.

        Raises:
            ViewError: there is no such field, or its value is not allowed.
        """
        _known_fields(changes)
        return dataclasses.replace(self, **changes)


def reference(text: str) -> Reference:
    """The line that `text` asks for: y=0.9, x=1e6, y=0.9:human.

    Raises:
        ViewError: it asks for none.
    """
    match = _REFERENCE.fullmatch(text)
    if match is not None:
        axis, value, label = match.groups()
        try:
            if math.isfinite(float(value)):
                return Reference(axis, float(value), label or "")
        except ValueError:
            pass
    raise ViewError(f"a reference line cannot be {text!r}; give y=NUMBER or x=NUMBER, or y=NUMBER:TEXT")


# --- to YAML and back -----------------------------------------------------------------------------------


def to_yaml(spec: Spec) -> str:
    """`spec` as the text of a YAML file: every field, those that were left alone too, for defaults change."""
    import yaml  # type: ignore[import-untyped]  # omegaconf's own parser; it ships no types

    from exptools import __version__

    fields = {name: _plain(value) for name, value in vars(spec).items()}
    text: str = yaml.safe_dump(
        {_VERSION: __version__, **fields}, sort_keys=False, allow_unicode=True, width=1000
    )
    return text


def begins(line: str) -> bool:
    """Whether the first line of a file is that of to_yaml."""
    return line.startswith(f"{_VERSION}:")


def from_yaml(text: str, name: str) -> Spec:
    """The figure that the YAML file called `name`, with the content `text`, asks for.

    Raises:
        ViewError: it is no YAML, has fields that there are not, or a value that is not allowed.
    """
    import yaml

    try:
        found = yaml.safe_load(text)
    except yaml.YAMLError as error:
        where = getattr(error, "problem_mark", None)
        at = "" if where is None else f", line {where.line + 1}"
        raise ViewError(f"{name}{at}: not YAML; give a file that exptools wrote beside a figure") from error
    if not isinstance(found, Mapping):
        raise ViewError(f"{name}: holds no fields; give a file that exptools wrote beside a figure")
    fields = {str(key): value for key, value in found.items() if key != _VERSION}
    try:
        _known_fields(fields)
        return Spec(**fields)
    except ViewError as error:
        raise ViewError(f"{name}: {error}") from error


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value


def _known_fields(names: Mapping[str, Any]) -> None:
    fields = [one.name for one in dataclasses.fields(Spec)]
    for name in names:
        if name not in fields:
            near = difflib.get_close_matches(name, fields, n=3, cutoff=0.5)
            hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
            raise ViewError(f"a figure has no {name!r}{hint} It has: {compare.listed(fields, most=50)}")


# --- values ---------------------------------------------------------------------------------------------


def _text(name: str, value: Any) -> str:
    if not isinstance(value, (str, int, float)) or isinstance(value, bool):
        raise ViewError(f"{name} cannot be {value!r}; give a text")
    return str(value)


def _texts(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return (value,)
    if value is None or isinstance(value, Mapping) or not isinstance(value, Sequence):
        raise ViewError(f"{name} cannot be {value!r}; give a list of texts")
    return tuple(_text(name, one) for one in value)


def _keys(name: str, value: Any) -> tuple[str, ...]:
    """A list, or a text with commas; keys hold none."""
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(dict.fromkeys(_texts(name, value)))


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)  # YAML takes 1e6 for a text
    except (TypeError, ValueError):
        number = math.nan
    if not math.isfinite(number):
        raise ViewError(f"{name} cannot be {value!r}; give a number")
    return number


def _inches(name: str, value: Any) -> float:
    try:
        number = _number(name, value)
    except ViewError:
        number = 0.0
    if not 0.5 <= number <= 100:
        words = f" or {' or '.join(_WIDTHS)}" if name == "width" else ""
        raise ViewError(f"{name} cannot be {value!r}; give inches, from 0.5 to 100{words}")
    return number


def _limits(name: str, value: Any) -> Limits | None:
    if value is None:
        return None
    ends = value.split(":") if isinstance(value, str) else value
    if isinstance(ends, Mapping) or not isinstance(ends, Sequence) or len(ends) != 2:
        raise ViewError(f"{name} cannot be {value!r}; give LEAST:GREATEST, or one of them, such as 0: or :1")
    low, high = (None if end in (None, "") else _number(name, end) for end in ends)
    if low is not None and high is not None and not low < high:
        raise ViewError(f"{name} cannot be {value!r}; the first must be less than the second")
    return low, high


def _mapping(name: str, value: Any) -> dict[Any, Any]:
    if not isinstance(value, Mapping):
        raise ViewError(f"{name} cannot be {value!r}; give a mapping")
    return dict(value)
