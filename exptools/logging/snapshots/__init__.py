"""Snapshots: the state of a training on the disk, whole whenever the process dies, and loaded again."""

from __future__ import annotations

from exptools.logging.snapshots.loading import Snapshot
from exptools.logging.snapshots.policy import Policy
from exptools.logging.snapshots.store import Store

__all__ = ["Policy", "Snapshot", "Store"]
