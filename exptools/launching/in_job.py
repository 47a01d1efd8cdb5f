"""What a job can ask about the slot that it runs on."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

from exptools.collections import AttrDict
from exptools.launching.affinity import affinity_from_code, full_resource_affinity
from exptools.launching.slots import MASKED, NUMBERS, cuda_indices


def affinity() -> AttrDict | list[AttrDict]:
    """The affinity of this job: `cuda_idx`, `all_cpus`, `workers_cpus`, ..., as affinity_from_code gives it.

    CPU numbers are the machine's, so that workers can be bound to them; those of the code where jobs are not
    pinned. `cuda_idx` counts among the GPUs that the job sees, under Hydra those of its slot:
    `torch.cuda.set_device(cuda_idx)` is right wherever the job runs.

    A process that no launcher of exptools started may use the whole machine, and gets
    full_resource_affinity().
    """
    code = os.environ.get("EXPTOOLS_AFFINITY_CODE")
    if code is None:
        return full_resource_affinity()
    found = affinity_from_code(code)
    pairs = [pair.split(":") for pair in os.environ.get(NUMBERS, "").split(",") if pair]
    cpus = {int(ours): int(machines) for ours, machines in pairs}
    gpus = sorted(set(cuda_indices(found))) if os.environ.get(MASKED) else ()
    return _renumbered(found, cpus, {index: place for place, index in enumerate(gpus)})  # type: ignore[no-any-return]


def _renumbered(value: Any, cpus: Mapping[int, int], gpus: Mapping[int, int]) -> Any:
    """An affinity with every CPU in it, and every cuda_idx, under the number that holds in this job."""
    if isinstance(value, list):
        return [_renumbered(inner, cpus, gpus) for inner in value]
    if isinstance(value, tuple) and all(type(inner) is int for inner in value):
        # Each once: a core stands in for a hyperthread that it does not have.
        return tuple(dict.fromkeys(cpus.get(cpu, cpu) for cpu in value))
    if isinstance(value, tuple):
        return tuple(_renumbered(inner, cpus, gpus) for inner in value)
    if not isinstance(value, AttrDict):
        return value
    return AttrDict(
        {
            key: gpus.get(inner, inner) if key == "cuda_idx" else _renumbered(inner, cpus, gpus)
            for key, inner in value.items()
        }
    )
