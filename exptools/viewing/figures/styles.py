"""What venues want: widths, fonts and sizes, from the tueplots package, and of our own where it has none."""

from __future__ import annotations

import difflib
import functools
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from exptools.errors import ViewError

_OURS: Final = {"acl": (3.3, 6.8), "ieee": (3.5, 7.16)}  # name -> inches of a column and of the text
_SLIDES: Final = ("dark",)  # what is drawn on a dark page would need other colours
_SIZES: Final = (
    *("font.size", "axes.labelsize", "axes.titlesize", "legend.fontsize", "legend.title_fontsize"),
    *("xtick.labelsize", "ytick.labelsize"),
)
_LEAST_PT, _MOST_PT = 7.0, 9.0  # what is smaller cannot be read in print, what is larger shouts
_IN_PLACE: Final = {"serif": ("STIXGeneral", "DejaVu Serif"), "sans-serif": ("DejaVu Sans",)}
_TIMES: Final = ("Times New Roman", "Times", "TeX Gyre Termes", "Nimbus Roman")

_PLAIN: Final[dict[str, Any]] = {
    "font.size": 8,
    "axes.labelsize": 8,
    "axes.titlesize": 7,
    "legend.fontsize": 7,
    "legend.title_fontsize": 7,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "axes.linewidth": 0.7,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.major.width": 0.7,
    "ytick.major.width": 0.7,
    "xtick.minor.width": 0.4,
    "ytick.minor.width": 0.4,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "hatch.linewidth": 0.5,
    "text.usetex": False,
    "text.parse_math": False,  # a tag may hold a $
    "pdf.fonttype": 42,  # TrueType: conferences refuse the Type 3 fonts that are the default
    "ps.fonttype": 42,
    "svg.fonttype": "none",
    "svg.hashsalt": "exptools",  # the same figure has the same names inside
    "figure.dpi": 200,  # on the screen of a notebook
}


@dataclass(frozen=True)
class Style:
    """rc: matplotlib's parameters. column, text: inches of a column, or None, and of the text.

    note: what could not be had; "" if nothing.
    """

    rc: Mapping[str, Any]
    column: float | None
    text: float
    note: str = ""

    def inches(self, width: str | float | None) -> float:
        """The width of a figure: that of a column where there are columns, unless another is asked for."""
        if isinstance(width, (int, float)):
            return float(width)
        if width == "text" or (width is None and self.column is None):
            return self.text
        return self.column or self.text


_DEFAULT: Final = Style(_PLAIN, None, 5.5)


def find(name: str | None) -> Style:
    """The style called `name`: of a venue and year (neurips2024), or of a venue for the newest; None: ours.

    Raises:
        ViewError: there is none.
    """
    if name is None:
        return _DEFAULT
    if name in _OURS:
        column, text = _OURS[name]
        return _made({"font.family": "serif", "font.serif": list(_TIMES), **_of_size(9, 7)}, column, text)
    bundles = _bundles()
    whole = name if name in bundles else max((n for n in bundles if _venue(n) == name), default=None)
    if whole is None:
        known = sorted({*map(_venue, bundles), *bundles, *_OURS})
        near = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.6)
        hint = f"; did you mean {' or '.join(map(repr, near))}?" if near else "."
        raise ViewError(f"there is no style {name!r}{hint} The styles are: {', '.join(known)}")
    bundle = bundles[whole]
    parameters = inspect.signature(bundle).parameters
    plain = {"usetex": False} if "usetex" in parameters else {}
    if "column" not in parameters:
        found = bundle(**plain)
        return _made(found, None, found["figure.figsize"][0])
    half, full = (bundle(column=column, **plain) for column in ("half", "full"))
    return _made(half, half["figure.figsize"][0], full["figure.figsize"][0])


def _of_size(label: float, small: float) -> dict[str, float]:
    return {name: label if name in ("font.size", "axes.labelsize") else small for name in _SIZES}


def _venue(name: str) -> str:
    return re.sub(r"\d+$", "", name)


@functools.cache
def _bundles() -> dict[str, Callable[..., dict[str, Any]]]:
    try:
        from tueplots import bundles
    except ImportError:
        raise ViewError("styles of venues need the package tueplots: pip install tueplots") from None
    return {
        name: function
        for name, function in vars(bundles).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and not any(word in name for word in _SLIDES)
    }


def _made(found: Mapping[str, Any], column: float | None, text: float) -> Style:
    """A style of what a bundle says of fonts and sizes; LaTeX is never needed."""
    family = found.get("font.family", "serif")
    usual = _TIMES if family == "serif" else ()
    wanted: tuple[str, ...] = tuple(found.get(f"font.{family}") or usual)
    fonts = [font for font in wanted if font in _installed()]
    sizes = {name: min(max(float(found[name]), _LEAST_PT), _MOST_PT) for name in _SIZES if name in found}
    rc = {
        **_PLAIN,
        **sizes,
        "font.family": [family, *_IN_PLACE[family]],  # what one does not have is taken from the next
        f"font.{family}": [*fonts, *_IN_PLACE[family]],
    }
    missing = bool(wanted) and not fonts
    note = f"the font {wanted[0]} is not installed; {_IN_PLACE[family][0]} is in its place" if missing else ""
    return Style(rc, column, text, note)


@functools.cache
def _installed() -> frozenset[str]:
    from matplotlib.font_manager import fontManager

    return frozenset(fontManager.get_font_names())
