"""Which variables are written down: those that change what a training computes, or how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

NAMES = frozenset(
    (
        *("RANK", "WORLD_SIZE", "LOCAL_RANK", "MASTER_ADDR", "MASTER_PORT", "VIRTUAL_ENV", "LANG", "TZ"),
        *("CONDA_DEFAULT_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD", "MUJOCO_GL"),
        *("PYOPENGL_PLATFORM", "WANDB_MODE", "WANDB_PROJECT"),
    )
)
PREFIXES = (
    *("CUDA_", "CUDNN_", "CUBLAS_", "NVIDIA_", "NCCL_", "HIP_", "ROCR_", "HSA_", "TORCH", "PYTORCH_", "XLA_"),
    *("JAX_", "TF_", "OMP_", "MKL_", "OPENBLAS_", "BLIS_", "NUMEXPR_", "KMP_", "GOMP_", "VECLIB_"),
    *("MALLOC_", "SLURM_", "OMPI_COMM_WORLD_", "PMI_", "HOROVOD_", "PYTHON", "HYDRA_", "EXPTOOLS_", "HF_"),
    *("TRANSFORMERS_", "LC_"),
)


def chosen(environ: Mapping[str, str], globs: Sequence[str] = ()) -> dict[str, str]:
    """The variables in NAMES, those that begin with one of PREFIXES, and those that match `globs`; sorted."""
    return {
        name: environ[name]
        for name in sorted(environ)
        if name in NAMES or name.startswith(PREFIXES) or any(fnmatchcase(name, glob) for glob in globs)
    }
