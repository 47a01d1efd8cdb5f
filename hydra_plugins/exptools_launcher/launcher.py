"""Hydra demands that the launcher's class lives here; it only delegates, and imports nothing heavy."""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from typing import Any

from hydra.core.config_search_path import ConfigSearchPath
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.plugins.search_path_plugin import SearchPathPlugin
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from exptools.configs import CALLBACK_TARGET, register
from exptools.launching import imported
from exptools.say import ends_the_command

register()


class ExptoolsSearchPath(SearchPathPlugin):
    """Adds no path: Hydra asks it after its scan of plugins and before it makes the callbacks."""

    def manipulate_search_path(self, search_path: ConfigSearchPath) -> None:
        """Keep Hydra 1.4 from warning of the one callback that we named ourselves, at every command.

        And remember what the application has imported.
        """
        imported.remember()
        named = re.escape(
            f"hydra.utils.instantiate() resolved _target_='{CALLBACK_TARGET}' with no\n_execution"
        )
        warnings.filterwarnings("ignore", message=named, category=UserWarning)


class ExptoolsLauncher(Launcher):
    """`hydra/launcher=exptools`: every job in a fresh process, on a leased slot of cores and GPUs."""

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._setup: dict[str, Any] = {}
        self._so_far: Any = None

    def setup(self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig) -> None:
        """Hydra tells what to run."""
        self._setup = {"context": hydra_context, "task_function": task_function, "config": config}

    def launch(self, job_overrides: Sequence[Sequence[str]], initial_job_idx: int) -> Sequence[JobReturn]:
        """Run the jobs; a usage error ends the command with one line and exit code 2."""
        from exptools.launching.hydra_sweep import launch
        from exptools.launching.study import SoFar

        self._so_far = self._so_far or SoFar()
        with ends_the_command():
            return launch(
                **self._setup,
                settings=self._settings,
                job_overrides=job_overrides,
                initial_job_idx=initial_job_idx,
                so_far=self._so_far,
            )
