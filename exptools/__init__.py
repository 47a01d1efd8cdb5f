"""exptools: many runs of a Hydra application, leased to cores and GPUs, logged to the last frame, compared.

The public names are imported when they are first asked for, so `import exptools` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exptools.collections import AttrDict as AttrDict
    from exptools.errors import ExptoolsError as ExptoolsError

__version__ = "0.1.0"

_HOMES = {
    "AttrDict": "exptools.collections",
    "ExptoolsError": "exptools.errors",
}
__all__ = ["AttrDict", "ExptoolsError", "__version__"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'exptools' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
