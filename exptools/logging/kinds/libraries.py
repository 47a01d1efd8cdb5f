"""Libraries that one kind needs: asked for where the user can still read the answer."""

from __future__ import annotations

import importlib.util

from exptools.errors import LoggingError


def require(what: str, module: str, package: str) -> None:
    """Raises LoggingError, with the command that helps, if `module` cannot be imported."""
    try:
        found = importlib.util.find_spec(module) is not None
    except (ImportError, ValueError):
        found = False
    if not found:
        raise LoggingError(f"{what} needs the package {package}: pip install {package}")
