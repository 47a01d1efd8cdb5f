"""With which code, on what, and how asked a run got its numbers: provenance.json, an entry per attempt."""

from __future__ import annotations

from exptools.provenance.files import read

__all__ = ["read"]
