"""What all jobs of a sweep get from the launcher: Hydra's context and state, and the user's function."""

from __future__ import annotations

import contextlib
import pickle
import warnings
from dataclasses import dataclass

from hydra._internal.callbacks import Callbacks
from hydra.core.plugins import Plugins
from hydra.core.singleton import Singleton
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from exptools.errors import LaunchError
from exptools.launching import transport


@dataclass(frozen=True)
class Application:
    """Pickled part by part, so that what cannot be sent can be named.

    callbacks: None where they hold what cannot be sent (a lock, an open file); they are made anew in each job
    then, from the config, as they would be in a plain run. plugins: what Hydra has found, by name, so that no
    job scans for it again; None where that has no names.
    """

    config_loader: bytes
    callbacks: bytes | None
    task_function: bytes
    singletons: bytes
    plugins: bytes | None

    def restore_state(self) -> None:
        """Make Hydra's state that of the launcher, in a job."""
        state = transport.loads(self.singletons)
        if self.plugins is not None:
            with contextlib.suppress(Exception):  # one cannot be imported here: Hydra's scan warns of it
                plugins = object.__new__(Plugins)
                vars(plugins).update(pickle.loads(self.plugins))
                state["instances"][Plugins] = plugins
        Singleton.set_state(state)

    def context(self, config: DictConfig) -> HydraContext:
        """Hydra's context, in a job."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what Hydra has to say of them it has said in the launcher
            callbacks = Callbacks(config) if self.callbacks is None else transport.loads(self.callbacks)
        return HydraContext(config_loader=transport.loads(self.config_loader), callbacks=callbacks)


def pack(context: HydraContext, task_function: TaskFunction) -> bytes:
    """The application of this process.

    Raises:
        LaunchError: a part of it cannot be sent to another process.
    """
    try:
        callbacks: bytes | None = transport.dumps(context.callbacks, "Hydra's callbacks")
    except LaunchError:
        callbacks = None
    application = Application(
        config_loader=transport.dumps(context.config_loader, "Hydra's config loader"),
        callbacks=callbacks,
        task_function=transport.dumps(task_function, "the application's function"),
        singletons=transport.dumps(Singleton.get_state(), "Hydra's state"),
        plugins=_plugins(),
    )
    return transport.dumps(application, "the application")


def _plugins() -> bytes | None:
    try:
        return pickle.dumps(vars(Plugins.instance()))
    except Exception:  # a class that cannot be found by its name
        return None
