"""Hydra demands that the sweeper's class lives here; it only delegates, and imports nothing heavy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from hydra.plugins.launcher import Launcher
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig, OmegaConf

from exptools.configs import register, register_resolver
from exptools.say import ends_the_command


def _variant_name() -> str:
    from exptools.launching import names

    return names.current()


register()
register_resolver("exptools.variant_name", _variant_name)


class ExptoolsSweeper(Sweeper):
    """`hydra/sweeper=exptools`: as Hydra's basic one, with levels, seeds last, and no batch left out."""

    def __init__(
        self,
        max_batch_size: int | None = None,
        params: Mapping[str, str] | None = None,
        levels: Sequence[Any] | None = None,
    ) -> None:
        self._settings: dict[str, Any] = {
            "max_batch_size": max_batch_size,
            "params": dict(params or {}),
            "levels": OmegaConf.to_container(levels) if OmegaConf.is_config(levels) else levels or [],
        }
        self._launcher: Launcher | None = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra tells what to run; the launcher is made."""
        from hydra.core.plugins import Plugins

        self.config, self.hydra_context = config, hydra_context
        self._launcher = Plugins.instance().instantiate_launcher(
            hydra_context=hydra_context, task_function=task_function, config=config
        )

    def sweep(self, arguments: list[str]) -> Any:
        """Run all jobs; a usage error ends the command with one line and exit code 2."""
        from exptools.launching.sweeper import sweep

        if self.config is None or self.hydra_context is None or self._launcher is None:
            raise RuntimeError("the sweeper was not set up")
        with ends_the_command():
            return sweep(
                arguments,
                context=self.hydra_context,
                config=self.config,
                launcher=self._launcher,
                validate=self.validate_batch_is_legal,
                **self._settings,
            )
