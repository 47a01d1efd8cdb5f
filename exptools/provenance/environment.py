"""Which variables are written down: those that change what a training computes, or how fast."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase

GLOBS = (
    *(
        "CUDA_*",
        "CUDNN_*",
        "CUBLAS_*",
        "NVIDIA_*",
        "NCCL_*",
        "HIP_*",
        "ROCR_*",
        "HSA_*",
        "TORCH*",
        "PYTORCH_*",
        "XLA_*",
    ),
    *(
        "JAX_*",
        "TF_*",
        "OMP_*",
        "MKL_*",
        "OPENBLAS_*",
        "BLIS_*",
        "NUMEXPR_*",
        "KMP_*",
        "GOMP_*",
        "VECLIB_*",
        "MALLOC_*",
    ),
    *(
        "RANK",
        "WORLD_SIZE",
        "LOCAL_RANK",
        "MASTER_ADDR",
        "MASTER_PORT",
        "SLURM_*",
        "OMPI_COMM_WORLD_*",
        "PMI_*",
        "HOROVOD_*",
    ),
    *(
        "PYTHON*",
        "VIRTUAL_ENV",
        "CONDA_DEFAULT_ENV",
        "CONDA_PREFIX",
        "LD_LIBRARY_PATH",
        "LD_PRELOAD",
        "LANG",
        "LC_*",
        "TZ",
    ),
    *(
        "HYDRA_*",
        "EXPTOOLS_*",
        "HF_*",
        "TRANSFORMERS_*",
        "WANDB_MODE",
        "WANDB_PROJECT",
        "MUJOCO_GL",
        "PYOPENGL_PLATFORM",
    ),
)


def chosen(environ: Mapping[str, str], more: Sequence[str] = ()) -> dict[str, str]:
    """The variables whose names match one of GLOBS or `more`, sorted."""
    globs = (*GLOBS, *more)
    return {name: environ[name] for name in sorted(environ) if any(fnmatchcase(name, glob) for glob in globs)}
