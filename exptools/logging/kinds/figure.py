"""Figures of matplotlib or plotly: PNG files, and TensorBoard's Images."""

from __future__ import annotations

import io
import reprlib
import struct
from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.libraries import require


@dataclass(frozen=True)
class Figure:
    """A figure as it was when it was logged. png: the file. plotly: plotly's JSON, if it is one of those."""

    png: bytes
    plotly: bytes | None = None
    kind: ClassVar[str] = "figure"

    @classmethod
    def of(cls, tag: str, figure: Any, close: bool, dpi: float | None) -> Figure:
        """Of what a user gave: drawn at once, as it may change afterwards.

        Raises:
            LoggingError: it is no figure, or cannot be drawn.
        """
        what = f"figure {tag!r}"
        if callable(getattr(figure, "savefig", None)):
            drawn = cls(_by_matplotlib(what, figure, dpi))
            if close:
                import matplotlib.pyplot as plt

                plt.close(figure)
            return drawn
        if callable(getattr(figure, "to_image", None)) and callable(getattr(figure, "to_json", None)):
            require("log_figure of a plotly figure", "kaleido", "kaleido")
            return cls(_drawn(what, lambda: figure.to_image(format="png")), figure.to_json().encode())
        raise LoggingError(
            f"{what} must be a matplotlib Figure or a plotly one, not {reprlib.repr(figure)}; of an Axes "
            "give `.figure`, of pyplot `plt.gcf()`"
        )

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return len(self.png) + len(self.plotly or b"")

    def summaries(self, tag: str) -> list[bytes]:
        """The figure as an image."""
        return [summaries.images(tag, *self._size, [self.png])]

    def files(self) -> dict[str, bytes]:
        """The figure; of plotly what makes it alive, too: `plotly.io.read_json`."""
        return {".png": self.png, **({".plotly.json": self.plotly} if self.plotly else {})}

    def facts(self) -> dict[str, Any]:
        """Its size in pixels."""
        width, height = self._size
        return {"height": height, "width": width}

    @property
    def _size(self) -> tuple[int, int]:
        width, height = struct.unpack_from(">II", self.png, 16)  # behind the signature and IHDR's head
        return width, height


def _by_matplotlib(what: str, figure: Any, dpi: float | None) -> bytes:
    out = io.BytesIO()
    # savefig gives the figure its own canvas back afterwards, so a window stays one.
    _drawn(what, lambda: figure.savefig(out, format="png", dpi=figure.dpi if dpi is None else dpi))
    return out.getvalue()


def _drawn(what: str, draw: Any) -> Any:
    try:
        return draw()
    except Exception as error:  # whatever the library raises
        raise LoggingError(f"{what} cannot be drawn ({type(error).__name__}: {error})") from error
