"""exptools: many runs of a Hydra application, leased to cores and GPUs, logged to the last frame, compared.

The public names are imported when they are first asked for, so `import exptools` costs milliseconds.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from exptools.collections import AttrDict as AttrDict
    from exptools.errors import ExptoolsError as ExptoolsError
    from exptools.launching.affinity import affinity_from_code as affinity_from_code
    from exptools.launching.affinity import decode_affinity as decode_affinity
    from exptools.launching.affinity import encode_affinity as encode_affinity
    from exptools.launching.affinity import full_resource_affinity as full_resource_affinity
    from exptools.launching.affinity import get_n_run_slots as get_n_run_slots
    from exptools.launching.affinity import make_affinity as make_affinity
    from exptools.launching.affinity import prepend_run_slot as prepend_run_slot
    from exptools.launching.affinity import quick_affinity_code as quick_affinity_code
    from exptools.launching.affinity import remove_run_slot as remove_run_slot
    from exptools.launching.exp_launcher import run_experiments as run_experiments
    from exptools.launching.in_job import affinity as affinity
    from exptools.launching.variant import VariantLevel as VariantLevel
    from exptools.launching.variant import load_variant as load_variant
    from exptools.launching.variant import make_variants as make_variants
    from exptools.launching.variant import save_variant as save_variant
    from exptools.launching.variant import update_config as update_config
    from exptools.logging import logger_context as logger_context
    from exptools.viewing.api import load as load

__version__ = "0.1.0"

_HOMES = {
    "AttrDict": "exptools.collections",
    "ExptoolsError": "exptools.errors",
    "affinity_from_code": "exptools.launching.affinity",
    "decode_affinity": "exptools.launching.affinity",
    "encode_affinity": "exptools.launching.affinity",
    "full_resource_affinity": "exptools.launching.affinity",
    "get_n_run_slots": "exptools.launching.affinity",
    "make_affinity": "exptools.launching.affinity",
    "prepend_run_slot": "exptools.launching.affinity",
    "quick_affinity_code": "exptools.launching.affinity",
    "remove_run_slot": "exptools.launching.affinity",
    "affinity": "exptools.launching.in_job",
    "run_experiments": "exptools.launching.exp_launcher",
    "VariantLevel": "exptools.launching.variant",
    "load_variant": "exptools.launching.variant",
    "make_variants": "exptools.launching.variant",
    "save_variant": "exptools.launching.variant",
    "update_config": "exptools.launching.variant",
    "logger_context": "exptools.logging",
    "load": "exptools.viewing.api",
}
__all__ = [
    # what everything uses
    "AttrDict",
    "ExptoolsError",
    "__version__",
    # launching
    "VariantLevel",
    "affinity",
    "affinity_from_code",
    "decode_affinity",
    "encode_affinity",
    "full_resource_affinity",
    "get_n_run_slots",
    "load_variant",
    "make_affinity",
    "make_variants",
    "prepend_run_slot",
    "quick_affinity_code",
    "remove_run_slot",
    "run_experiments",
    "save_variant",
    "update_config",
    # logging
    "logger_context",
    # viewing
    "load",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'exptools' has no attribute {name!r}; it has {', '.join(__all__)}")
    value = getattr(importlib.import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
