"""What a job can ask about the slot that it runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from exptools.collections import AttrDict
from exptools.launching.affinity import affinity_from_code, full_resource_affinity
from exptools.launching.slots import MASKED, cuda_indices


def affinity() -> AttrDict | list[AttrDict]:
    """The affinity of this job: `cuda_idx`, `all_cpus`, `workers_cpus`, ..., as affinity_from_code gives it.

    CPU numbers are those of the code, not of the machine: the process is pinned already. `cuda_idx` counts
    among the GPUs that the job sees, under Hydra those of its slot: `torch.cuda.set_device(cuda_idx)` is
    right wherever the job runs.

    A process that no launcher of exptools started may use the whole machine, and gets
    full_resource_affinity().
    """
    code = os.environ.get("EXPTOOLS_AFFINITY_CODE")
    if code is None:
        return full_resource_affinity()
    found = affinity_from_code(code)
    if MASKED not in os.environ:
        return found
    seen = {index: place for place, index in enumerate(sorted(set(cuda_indices(found))))}
    return _renumbered(found, seen)  # type: ignore[no-any-return]


def _renumbered(value: Any, seen: Mapping[int, int]) -> Any:
    """`value` with every cuda_idx in it as its place among the GPUs that are seen."""
    if isinstance(value, list):
        return [_renumbered(inner, seen) for inner in value]
    if not isinstance(value, AttrDict):
        return value
    return AttrDict(
        {
            key: seen.get(inner, inner) if key == "cuda_idx" else _renumbered(inner, seen)
            for key, inner in value.items()
        }
    )
