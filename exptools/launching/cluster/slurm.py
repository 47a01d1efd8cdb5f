"""What is asked of Slurm for every run, under the names of the first exptools."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.launching.cluster import ClusterHandlerBase


@dataclass(frozen=True)
class SlurmHandler(ClusterHandlerBase):
    """Resources of a run.

    mem, time: as sbatch writes them. exclude: nodes. cmd_prefix: lines of bash in front. cuda_module,
    other_modules: what `module load` loads. singularity_img: the path of an image in which runs are started.
    """

    engine: ClassVar[str] = "slurm"

    mem: str = "12G"
    time: str = "24:00:00"
    n_gpus: int = 0
    partition: str | None = None
    cuda_module: str | None = None
    singularity_img: str | None = None
    exclude: str | None = None
    cmd_prefix: str | None = None
    other_modules: Sequence[str] | None = None

    def executor(self) -> dict[str, Any]:
        """The same as hydra.launcher.executor has it."""
        modules = [*filter(None, [self.cuda_module]), *(self.other_modules or ())]
        image = self.singularity_img
        if image is not None:
            modules.append("singularity")
        nv = "--nv " if self.n_gpus else ""
        found: dict[str, Any] = {
            "mem": self.mem,
            "time": self.time,
            "gres": f"gpu:{self.n_gpus}" if self.n_gpus else None,
            "partition": self.partition,
            "exclude": self.exclude,
            "setup": [*filter(None, [self.cmd_prefix]), *(f"module load {name}" for name in modules)] or None,
            "python": None if image is None else f"singularity exec {nv}{shlex.quote(image)} python",
        }
        return {name: value for name, value in found.items() if value is not None}
