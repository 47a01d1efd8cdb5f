"""The Hydra callback that opens the global logger around a job, in whichever process the job runs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hydra.core.utils import JobReturn, JobStatus
from hydra.experimental.callback import Callback
from omegaconf import DictConfig, OmegaConf, open_dict, read_write

from exptools import lifecycle, rundir
from exptools.configs import CALLBACK_TARGET, as_current, as_plain, resolved
from exptools.lifecycle import Lifecycle
from exptools.logging import logger, ranks
from exptools.logging.context import Session, begin_life, write_variant
from exptools.logging.settings import Settings
from exptools.say import ends_the_command


class LoggerCallback(Callback):
    """Opens `exptools.logging.logger` onto the job's output directory and closes it on every way out."""

    def __init__(self, **settings: Any) -> None:
        """settings: fields of exptools.logging.settings.Settings, as LoggerConf has them."""
        self._given = settings
        self._session: Session | None = None
        self._life: Lifecycle | None = None

    @property
    def _settings(self) -> Settings:
        """What was given, checked where a complaint can end the command."""
        return Settings.of(**as_plain(self._given))

    def _settings_of(self, config: DictConfig) -> Settings:
        """Those of one job: the callback was made before `${model.gap}` had this job's value."""
        node = _node(config)
        if node is None:
            return self._settings
        own = as_plain({"given": node})["given"]
        return Settings.of(**{name: value for name, value in own.items() if not name.startswith("_")})

    def on_run_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A plain run: it begins before anything is overwritten, and every way out is seen."""
        with ends_the_command():
            where = _resolve(config, "hydra.run.dir")
            settings = self._settings
            rank = ranks.find()
            if rank is not None and rank.number:
                return  # the session settles what this one does
            self._life = begin_life(
                Path(where).absolute(),
                settings,
                another="choose another (hydra.run.dir=...)",
                anyway="go on by hydra.callbacks.exptools.resume=always",
            )
        # Hydra would resolve it again, and something like ${random:} would give another directory.
        _pin(config.hydra.run, "dir", where)
        _watch_every_exit("hydra._internal.hydra", self)

    def on_multirun_start(self, config: DictConfig, **kwargs: Any) -> None:
        """A sweep: jobs of Hydra's basic launcher run in this process."""
        with ends_the_command():
            if "${" not in str(_node(config)):  # what a job's config decides is checked in the job
                _ = self._settings  # else each job would be started, and fail
            if OmegaConf.select(config, "hydra.launcher.dry_run"):
                return  # nothing is written then
            sweep_dir = Path(_resolve(config, "hydra.sweep.dir")).absolute()
            rundir.make(sweep_dir)
            with rundir.claimed_for_a_sweep(sweep_dir):
                pass  # nobody is at work there: otherwise Hydra would write over its multirun.yaml
        _watch_every_exit("hydra._internal.core_plugins.basic_launcher", self)

    def on_job_start(self, config: DictConfig, *, task_function: Any, **kwargs: Any) -> None:
        """Open the logger, and keep the resolved config in variant_config.json."""
        run_dir = Path(config.hydra.runtime.output_dir)
        with ends_the_command():
            try:
                self._session = Session(logger, run_dir, self._settings_of(config))
                began = self._session.owns_life or self._life is not None
                if began and logger.run_dir is not None:  # else the launcher has done so
                    write_variant(logger.run_dir, resolved(config))
                self._session.record(list(config.hydra.overrides.task), task_function)
            except Exception as error:
                self.close(error)
                logger.refuse_with(f"the logger could not be opened: {lifecycle.one_line(error)}")
                raise

    def on_job_end(self, config: DictConfig, job_return: JobReturn, **kwargs: Any) -> None:
        """Close the logger, as the job ended."""
        completed = job_return.status is JobStatus.COMPLETED
        self.close(None if completed else job_return._return_value)

    def close(self, error: BaseException | None) -> None:
        """Close the logger and end the run, as far as they are open; `error` is what left the job."""
        how = lifecycle.ending(error)
        session, self._session = self._session, None
        if session is not None:
            session.close(how, error)
        life, self._life = self._life, None
        if life is not None:
            life.end(how)


def _node(config: DictConfig) -> DictConfig | None:
    """What the config says of the callback; None if it was made of something else."""
    nodes = OmegaConf.select(config, "hydra.callbacks") or {}
    mine = [node for node in nodes.values() if node and node.get("_target_") == CALLBACK_TARGET]
    return mine[0] if len(mine) == 1 else None


def _resolve(config: DictConfig, key: str) -> str:
    with as_current(config):
        return str(OmegaConf.select(config, key))


def _pin(node: DictConfig, key: str, value: str) -> None:
    with read_write(node), open_dict(node):
        node[key] = value


def _watch_every_exit(module_name: str, callback: LoggerCallback) -> None:
    """Let `callback` see what Hydra 1.3 does not tell: a job that leaves by SystemExit or KeyboardInterrupt.

    run_job of 1.3 calls on_job_end for Exceptions alone (1.4 for all), so the exit code of such a job could
    not be known. The module's reference to run_job is wrapped once in this process.
    """
    module = sys.modules.get(module_name)
    run_job: Callable[..., Any] | None = getattr(module, "run_job", None)
    if module is None or run_job is None:
        return
    inner = getattr(run_job, "_exptools_inner", run_job)

    def watched(*args: Any, **kwargs: Any) -> Any:
        try:
            return inner(*args, **kwargs)
        except BaseException as error:
            callback.close(error)
            raise

    watched._exptools_inner = inner  # type: ignore[attr-defined]
    module.run_job = watched  # type: ignore[attr-defined]
