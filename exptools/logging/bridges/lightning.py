"""What Lightning logs, in the run: `Trainer(logger=ExptoolsLogger())`."""

from __future__ import annotations

import atexit
import importlib.util
import multiprocessing
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import lifecycle
from exptools.configs import plain
from exptools.errors import LoggingError
from exptools.logging import Logger
from exptools.logging import logger as the_global
from exptools.logging.settings import Settings
from exptools.rundir import State

if TYPE_CHECKING:
    from exptools.logging.context import Session

HPARAMS = "hparams.json"


def _lightning() -> str:
    """The package of Lightning that the program uses: `lightning.pytorch`, or by its older name.

    Raises:
        ImportError: neither is installed.
    """
    names = ("lightning.pytorch", "pytorch_lightning")
    installed = [name for name in names if importlib.util.find_spec(name.partition(".")[0])]
    if not installed:
        raise ImportError("this bridge needs Lightning: pip install lightning")
    return next((name for name in installed if name in sys.modules), installed[0])


_PACKAGE = _lightning()
_loggers: Any = importlib.import_module(f"{_PACKAGE}.loggers.logger")
_on_rank_zero: Any = importlib.import_module(f"{_PACKAGE}.utilities.rank_zero").rank_zero_only


class ExptoolsLogger(_loggers.Logger):  # type: ignore[misc]  # it may not be installed
    """A logger of Lightning that records into the run, on rank 0.

    Where the run is open (by the Hydra callback or `logger_context`) it is used, and stays open. Else it is
    opened when the training begins, and ends with the process, or by `close()`. Each call of Lightning is a
    row, at the step that Lightning gives: `global_step`, or the metric "step" if the user logs one.
    Checkpoints go to `checkpoints/` of the run directory.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] | None = None, refresh: bool = False, **settings: Any
    ) -> None:
        """Nothing is opened or written yet.

        Args:
            log_dir: the run directory, if no run is open. One whose run did not complete is gone on with.
            refresh: put aside what lies there, and begin anew.
            settings: fields of exptools.logging.settings.Settings, for log_dir.

        Raises:
            LoggingError: a setting is wrong.
        """
        super().__init__()
        self._directory = None if log_dir is None else Path(log_dir).expanduser().absolute()
        self._refresh = refresh
        self._settings = Settings.of(**settings)
        self._session: Session | None = None  # of a run that this logger has opened
        self._hparams: dict[str, Any] = {}
        self._last_status = ""

    @property
    @_loggers.rank_zero_experiment  # type: ignore[untyped-decorator]
    def experiment(self) -> Logger:
        """exptools' logger, for all that Lightning has no name for: `self.logger.experiment.log_text(...)`.

        Raises:
            LoggingError: no run is open and no log_dir was given; another run is open; or it is open in the
                process that this one was forked from.
            RunDirError: log_dir holds a run that is going on or has completed, or cannot be written.
        """
        if self._session is None:
            self._open_if_needed()
        return the_global

    def _open_if_needed(self) -> None:
        if the_global.is_open:
            if self._directory not in (None, the_global.run_dir):
                raise LoggingError(
                    f"the run {the_global.run_dir} is open, so {self._directory} cannot be: leave log_dir "
                    "out to record there, or close that run before"
                )
        elif the_global.run_dir is not None:  # a fork of the process that records it
            raise LoggingError(
                f"this process is a child of the one that records {the_global.run_dir}, and cannot record "
                "there: train by strategy='ddp', or let ExptoolsLogger(log_dir) open the run"
            )
        elif self._directory is not None and the_global.enabled:
            from exptools.logging.context import Session

            self._session = Session(the_global, self._directory, self._settings, refresh=self._refresh)
            atexit.register(self._end_with_the_process)
        else:
            the_global._opened("what Lightning logs")

    @property
    def save_dir(self) -> str | None:
        """The run directory; None on ranks that record nothing."""
        found = the_global.run_dir or self._directory
        return None if found is None else str(found)

    log_dir = root_dir = save_dir

    @property
    def name(self) -> str:
        """Empty: Lightning makes directories of it, and a run has one already."""
        return ""

    @property
    def version(self) -> str:
        """Empty, as `name`."""
        return ""

    @_on_rank_zero  # type: ignore[untyped-decorator]
    def log_metrics(self, metrics: dict[str, float], step: int | None = None) -> None:
        """Record numbers of one moment; called by Lightning.

        step: None: the one that was used last.

        Raises:
            LoggingError: as `experiment`; or a metric is not one number.
        """
        self.experiment.log_scalars(metrics, step)

    @_on_rank_zero  # type: ignore[untyped-decorator]
    def log_hyperparams(self, params: Any, *args: Any, **kwargs: Any) -> None:
        """Write hyperparameters into hparams.json, beside those of earlier calls.

        In a run that this logger has opened they are its config, too: variant_config.json.

        Args:
            params: a mapping, dataclass, argparse.Namespace or OmegaConf config.
            args, kwargs: of other loggers of Lightning; passed over.
        """
        self._hparams.update(plain(params, "hyperparameters"))
        self.experiment.log_params(self._hparams, HPARAMS)
        run_dir = the_global.run_dir
        if self._session is not None and run_dir is not None:
            from exptools.logging.context import write_variant

            write_variant(run_dir, self._hparams)

    @_on_rank_zero  # type: ignore[untyped-decorator]
    def after_save_checkpoint(self, checkpoint_callback: Any) -> None:
        """What was logged before a checkpoint is on the disk with it."""
        self.experiment.flush()

    @_on_rank_zero  # type: ignore[untyped-decorator]
    def finalize(self, status: str) -> None:
        """A fit, validation or test has ended: all is written. The run goes on: another one may follow.

        In a process that Lightning has started (ddp_spawn, ddp_fork) a run that was opened there ends.
        """
        self._last_status = status
        if the_global.is_open:
            the_global.flush()
        if multiprocessing.parent_process() is not None:
            self._close_as(status)

    def close(self) -> None:
        """End the run that this logger has opened, as completed; may be called again."""
        self._close_as("success")

    def _close_as(self, status: str) -> None:
        session, self._session = self._session, None
        if session is not None:
            atexit.unregister(self._end_with_the_process)
            failed = lifecycle.Ending(State.FAILED, 1, "the training failed")
            session.close(failed if status == "failed" else lifecycle.ending(None))

    def _end_with_the_process(self) -> None:
        """At exit, before the run is ended as one whose end is not known."""
        if self._last_status != "failed" and lifecycle.uncaught() is None:
            self.close()
