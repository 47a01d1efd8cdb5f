"""Structured configs of exptools, their names in Hydra's ConfigStore, and a config as plain data."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from omegaconf import DictConfig

LAUNCHER_TARGET = "hydra_plugins.exptools_launcher.launcher.ExptoolsLauncher"
CALLBACK_TARGET = "exptools.logging.callback.LoggerCallback"


@dataclasses.dataclass
class LauncherConf:
    """Settings of `hydra/launcher=exptools`. None means: what this process may use."""

    _target_: str = LAUNCHER_TARGET
    n_parallel: int | None = None  # jobs at a time; cores and GPUs are divided evenly
    affinity_code: str | None = None  # an exact division, as encode_affinity writes it; replaces n_parallel
    use_gpu: bool = True
    contexts_per_gpu: int = 1  # jobs that share one GPU


def resolved(config: DictConfig) -> dict[str, Any]:
    """The user's part of a job's config as plain data; a missing value is "???".

    Interpolations are resolved, unless one of them cannot be: Hydra lets a job live with that as long as
    nobody asks for the value, so then all of them stay as they were written.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    user = OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"])
    try:
        plain = OmegaConf.to_container(user, resolve=True, enum_to_str=True)
    except OmegaConfBaseException:
        plain = OmegaConf.to_container(user, resolve=False, enum_to_str=True)
    return plain  # type: ignore[return-value]


@contextlib.contextmanager
def as_current(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` mean this config, as it will inside its job."""
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    HydraConfig.instance().set_config(config)
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def register() -> None:
    """Put the launcher's settings and the one-line default `exptools` into Hydra's ConfigStore, once.

    Hydra's scan of plugins runs a module again that was imported before; Hydra 1.4 warns of a second storing.
    """
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    if "exptools.yaml" in store.repo:
        return
    store.store(group="hydra/launcher", name="exptools", node=LauncherConf, provider="exptools")
    store.store(
        name="exptools",
        package="_global_",
        provider="exptools",
        node={
            "defaults": [{"override /hydra/launcher": "exptools"}],
            "hydra": {"callbacks": {"exptools": {"_target_": CALLBACK_TARGET}}},
        },
    )
