"""Viewing: what runs said."""

from __future__ import annotations

from exptools.viewing.api import Run, Runs, load

__all__ = ["Run", "Runs", "load"]
