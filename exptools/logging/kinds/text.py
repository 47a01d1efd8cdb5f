"""Texts that belong to a tag: TensorBoard's Text, as Markdown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.formats import summaries


@dataclass(frozen=True)
class Markdown:
    """A text."""

    text: str
    kind: ClassVar[str] = "text"

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return len(self.text)

    def summaries(self, tag: str) -> list[bytes]:
        """The text."""
        return [summaries.text(tag, _valid(self.text))]

    def files(self) -> dict[str, bytes]:
        """The text."""
        return {".md": _valid(self.text).encode()}

    def facts(self) -> dict[str, Any]:
        """Nothing besides."""
        return {}


def _valid(text: str) -> str:
    """`text` with surrogates said as escapes, which UTF-8 has no bytes for."""
    return text.encode(errors="backslashreplace").decode()
