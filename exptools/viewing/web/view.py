"""What the page shows, as one value that goes to the address of the page and back without loss.

The browser holds it as names with texts, which are the query of the address; here it is checked and typed.
"""

from __future__ import annotations

import dataclasses
import math
import urllib.parse
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from exptools.errors import ViewError
from exptools.viewing.figures.spec import Spec
from exptools.viewing.statistics.order import CENTERS

PLOTS: Final = ("bars", "scatter", "parallel")  # tabs that are figures of one number a run
TABS: Final = ("curves", *PLOTS, "compare", "log", "media", "histograms")
RUNS: Final = "runs"  # in `lines`: no centre, each run by itself
LINES: Final = (*CENTERS, RUNS)
MOST_TAGS: Final = 4  # that are shown where nobody chose
SCALES: Final = ("linear", "log")
_FLAG: Final = ("on", "off")
_MAY_BE_NONE: Final = ("tags", "by")  # where that is not what is usual
_MAY_BE_EMPTY: Final = ("hidden",)  # the label of the only series is the empty text


@dataclass(frozen=True)
class Zoom:
    """The part of a card that is shown; None where it is not bounded."""

    x: tuple[float, float] | None = None
    y: tuple[float, float] | None = None


@dataclass(frozen=True)
class View:
    """The whole state of the page. Names that are also those of a figure (see figures.spec) mean the same.

    tab: one of TABS. tags: scalars with a card, names or globs; None for the first few. pins: tags whose
    cards come first. lines: a centre over the runs of a series, or "runs". outliers: whether y reaches to the
    extremes; else to what 98 % of the values have. hidden: labels of series that are not drawn. runs: the
    names of the runs that are selected; empty for all. where: conditions on runs. spark: the scalar of the
    small curves in the table. zoom: by tag. run, step: what the log, media and histograms are of. sort,
    filter: of the table, as the grid says it.
    """

    tab: str = "curves"
    tags: tuple[str, ...] | None = None
    pins: tuple[str, ...] = ()
    lines: str = "mean"
    band: str | None = None
    by: tuple[str, ...] | None = None
    split: tuple[str, ...] = ()
    x: str = "step"
    smooth: float = 0.0
    xscale: str = "linear"
    yscale: str = "linear"
    outliers: bool = True
    stat: str = "final"
    over: tuple[str, ...] = ()
    hidden: tuple[str, ...] = ()
    runs: tuple[str, ...] = ()
    where: tuple[str, ...] = ()
    spark: str = ""
    zoom: Mapping[str, Zoom] = field(default_factory=dict)
    run: str = ""
    step: str = ""
    sort: str = ""
    filter: str = ""

    @property
    def has_runs(self) -> bool:
        """Whether each run is a line of its own."""
        return self.lines == RUNS

    def spec(self, tags: Sequence[str], kind: str = "curves") -> Spec:
        """The figure of `tags` that the page shows; of single runs their median, as no figure has those.

        Raises:
            ViewError: a value that a figure does not allow.
        """
        from exptools.viewing.figures.spec import WITHOUT_SERIES

        fields: dict[str, Any] = {"tags": tuple(tags), "kind": kind, "split": ("tag", *self.split)}
        if kind not in WITHOUT_SERIES:
            fields["by"] = self.by
        if kind in ("curves", "bars"):
            center = "mean" if self.has_runs else self.lines
            fields |= {"center": center, "band": "none" if self.has_runs else self.band}
        if kind in ("scatter", *WITHOUT_SERIES):
            fields["over"] = self.over
        if kind in ("curves", "scatter"):
            fields["xscale"] = _given_scale(self.xscale)
        if kind == "curves":
            fields["x"] = self.x
        else:
            fields["stat"] = self.stat
        return Spec(**fields, smooth=self.smooth, yscale=_given_scale(self.yscale))


def _given_scale(scale: str) -> str | None:
    return None if scale == "linear" else scale


# --- from and to the query of an address ---------------------------------------------------------------


def parse(said: Mapping[str, str | Sequence[str]]) -> View:
    """The view that names and texts say, as browsers keep it.

    Raises:
        ViewError: a name that there is not, or a value that is not allowed.
    """
    known = {one.name: one for one in dataclasses.fields(View)}
    fields: dict[str, Any] = {}
    for name, value in said.items():
        texts = [value] if isinstance(value, str) else [str(one) for one in value]
        if name not in known:
            raise ViewError(f"the address asks for {name!r}; it may ask for {', '.join(known)}")
        if texts == [""] and name in _MAY_BE_NONE:
            fields[name] = ()  # chosen, and nothing
        elif texts and (texts != [""] or name in _MAY_BE_EMPTY):
            fields[name] = _PARSERS.get(name, _one)(name, texts)
    view = View(**fields)
    for kind in ("curves", "bars"):  # they have all fields between them
        view.spec(("any",), kind)  # refuses what figures refuse
    return view


def from_query(query: str) -> View:
    """The view of the query of an address, with or without its `?`.

    Raises:
        ViewError: see parse.
    """
    return parse(urllib.parse.parse_qs(query.removeprefix("?"), keep_blank_values=True))


def said(view: View) -> dict[str, str | list[str]]:
    """What `parse` makes `view` of: all that is not as usual."""
    usual, found = View(), {}
    for one in dataclasses.fields(View):
        value = getattr(view, one.name)
        if value != getattr(usual, one.name):
            found[one.name] = _said(one.name, value)
    return found


def to_query(view: View) -> str:
    """The query of the address of `view`, without `?`."""
    return urllib.parse.urlencode(said(view), doseq=True)


def _said(name: str, value: Any) -> str | list[str]:
    if name == "zoom":
        return [f"{tag}:{_bounds(zoom.x)}:{_bounds(zoom.y)}" for tag, zoom in value.items()]
    if isinstance(value, tuple):
        return list(value) or [""]
    return _FLAG[not value] if isinstance(value, bool) else str(value)


def _bounds(ends: tuple[float, float] | None) -> str:
    return "" if ends is None else f"{ends[0]!r}~{ends[1]!r}"


def _one(name: str, texts: Sequence[str]) -> str:
    return texts[-1]


def _several(name: str, texts: Sequence[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(texts))


def _of(allowed: Sequence[str]) -> Callable[[str, Sequence[str]], str]:
    def parsed(name: str, texts: Sequence[str]) -> str:
        if texts[-1] not in allowed:
            raise ViewError(f"{name} cannot be {texts[-1]!r}; give {', '.join(allowed)}")
        return texts[-1]

    return parsed


def _smooth(name: str, texts: Sequence[str]) -> float:
    try:
        return float(texts[-1])
    except ValueError:
        raise ViewError(f"smooth cannot be {texts[-1]!r}; give 0 (none) or more, but less than 1") from None


def _zoom(name: str, texts: Sequence[str]) -> dict[str, Zoom]:
    found = {}
    for text in texts:
        tag, _, rest = text.rpartition(":")
        tag, _, x = tag.rpartition(":")
        if not tag:
            raise ViewError(f"zoom cannot be {text!r}; give TAG:FROM~TO:FROM~TO, of x and of y")
        found[tag] = Zoom(_ends(x), _ends(rest))
    return found


def _ends(text: str) -> tuple[float, float] | None:
    if not text:
        return None
    try:
        low, high = map(float, text.split("~"))
    except ValueError:
        raise ViewError(f"zoom cannot be {text!r}; give FROM~TO, or nothing") from None
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise ViewError(f"zoom cannot be {text!r}; the first must be less than the second")
    return low, high


def _flag(name: str, texts: Sequence[str]) -> bool:
    return _of(_FLAG)(name, texts) == "on"


_PARSERS: Final[dict[str, Callable[[str, Sequence[str]], Any]]] = {
    "tab": _of(TABS),
    "lines": _of(LINES),
    "xscale": _of(SCALES),
    "yscale": _of(SCALES),
    "smooth": _smooth,
    "zoom": _zoom,
    "outliers": _flag,
    **dict.fromkeys(("tags", "by", "pins", "split", "over", "hidden", "runs", "where"), _several),
}
