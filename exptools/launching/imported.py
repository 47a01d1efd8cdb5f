"""The packages that the application had imported when Hydra began: those that its jobs may need.

What comes later is Hydra's business in the launcher alone, such as the libraries of a sweeper.
"""

from __future__ import annotations

import sys

_packages: frozenset[str] | None = None


def remember() -> None:
    """Hydra begins: the application has been imported."""
    global _packages
    _packages = _now()


def packages() -> frozenset[str]:
    """The names of top-level packages; all there are where Hydra began in no way that we know."""
    return _now() if _packages is None else _packages


def _now() -> frozenset[str]:
    return frozenset(name.partition(".")[0] for name in tuple(sys.modules))
