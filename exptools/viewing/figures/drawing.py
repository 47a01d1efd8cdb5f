"""A figure from its data, without touching pyplot: nothing is shown, nothing needs to be closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from exptools.viewing.figures import layout, styles
from exptools.viewing.figures.kinds import INCHES, KINDS
from exptools.viewing.figures.spec import WITHOUT_SERIES

if TYPE_CHECKING:
    from exptools.viewing.figures.canvas import Plotted
    from exptools.viewing.figures.data import Data


def draw(shown: Data) -> Plotted:
    """The figure of `shown`, and the axes of its panels.

    Raises:
        ViewError: there is no such style.
    """
    import matplotlib

    from exptools.viewing.figures.canvas import Plotted

    style = styles.find(shown.spec.style)
    rc: Any = style.rc
    with matplotlib.rc_context(rc):
        kind = shown.spec.kind
        inches = INCHES[kind](shown) if kind in INCHES else None
        sheet = layout.sheet(shown, style, share=kind not in WITHOUT_SERIES, inches=inches)
        KINDS[kind].draw(sheet, shown)
    return Plotted(sheet.figure, sheet.axes)
