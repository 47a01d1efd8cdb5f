"""Snapshots: the state of a training on the disk, whole whenever the process dies, and loaded again.

The public names are imported when they are first asked for: every run checks its policy, few save.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exptools.logging.snapshots.loading import Snapshot as Snapshot
    from exptools.logging.snapshots.policy import Policy as Policy
    from exptools.logging.snapshots.store import Store as Store

__all__ = ["Policy", "Snapshot", "Store"]


def __getattr__(name: str) -> Any:
    homes = {"Policy": "policy", "Snapshot": "loading", "Store": "store"}
    if name not in homes:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{homes[name]}"), name)
