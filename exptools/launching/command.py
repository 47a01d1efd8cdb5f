"""The command line of one job of a sweep: as it would run alone."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from omegaconf import DictConfig

_MULTIRUN = ("-m", "--multirun")


def alone(argv: Sequence[str], config: DictConfig) -> list[str]:
    """The words that run the job of this config, made of those of its sweep.

    What starts a program again by its sys.argv, as trainings on several GPUs do, starts the job then and not
    the sweep. Words that Hydra does not understand (of a notebook, of pytest) stay as they are.
    """
    overrides = _overrides(argv[1:])
    if overrides is None:
        return list(argv)
    flags = [word for word in argv[1:] if word not in _MULTIRUN and word not in overrides]
    from omegaconf import OmegaConf

    told = OmegaConf.to_container(config.hydra.overrides, resolve=False)  # with interpolations as written
    assert isinstance(told, dict)
    of_hydra = [word for word in told["hydra"] if not word.startswith("hydra.mode=")]
    return [*argv[:1], *flags, *told["task"], *of_hydra]


def _overrides(words: Sequence[str]) -> set[str] | None:
    """Those that are overrides; None if it is not Hydra that these words are for."""
    from hydra._internal.utils import get_args_parser

    with contextlib.suppress(SystemExit), contextlib.redirect_stderr(io.StringIO()):
        found, unknown = get_args_parser().parse_known_args(words)
        return None if unknown else set(found.overrides)
    return None
