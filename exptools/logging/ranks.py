"""Which process of a distributed training this is: by default only rank 0 records."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass

# Of each launcher the number of this process and how many there are; the first that is complete counts.
_VARIABLES = (
    ("RANK", "WORLD_SIZE"),  # torchrun, and what imitates it
    ("SLURM_PROCID", "SLURM_STEP_NUM_TASKS"),  # srun
    ("SLURM_PROCID", "SLURM_NTASKS"),
    ("HOROVOD_RANK", "HOROVOD_SIZE"),
    ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"),  # mpirun of Open MPI
    ("PMI_RANK", "PMI_SIZE"),  # mpirun of MPICH and Intel
    ("LOCAL_RANK", "WORLD_SIZE"),  # Lightning's processes, before they have met; on one machine
)


@dataclass(frozen=True)
class Rank:
    """number: from 0 on. size: how many there are. source: where that is from."""

    number: int
    size: int
    source: str


def find() -> Rank | None:
    """The rank of this process; None if it is alone.

    torch.distributed is asked if it is imported and initialised, and is never imported here.
    """
    distributed = sys.modules.get("torch.distributed")
    if distributed is not None and distributed.is_available() and distributed.is_initialized():
        return Rank(distributed.get_rank(), distributed.get_world_size(), "torch.distributed")
    for number, size in _VARIABLES:
        try:
            found = Rank(int(os.environ[number]), int(os.environ[size]), number)
        except (KeyError, ValueError):
            continue
        if found.size > 1:
            return found
    return None
