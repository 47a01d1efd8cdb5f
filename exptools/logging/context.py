"""Opening the process-global logger onto a run directory, and closing it on every way out."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exptools import lifecycle, rundir
from exptools.configs import plain
from exptools.errors import LoggingError, RunDirError
from exptools.lifecycle import Ending, Lifecycle
from exptools.logging.core import Logger
from exptools.logging.writers.base import Writer
from exptools.logging.writers.events import EventsWriter
from exptools.logging.writers.progress import ProgressWriter
from exptools.logging.writers.text import TextWriter

WRITERS = (ProgressWriter, EventsWriter, TextWriter)


class Session:
    """A logger that is open onto a run directory.

    Where nobody began the run's life yet (a plain run), the session begins it, and ends it at `close`.
    """

    def __init__(self, logger: Logger, run_dir: Path) -> None:
        """Open `logger` onto `run_dir`, which is created.

        Raises:
            RunDirError: the directory already holds a run, or cannot be written.
            LoggingError: the logger is open already.
        """
        if logger.is_open:
            raise LoggingError(
                f"the logger is open already; close its run before opening {run_dir}. "
                "A process has one run at a time"
            )
        run_dir = run_dir.absolute()  # the process may change its directory
        self._logger = logger
        self._lost: str | None = None
        life = lifecycle.current(run_dir)
        self._life = life or begin_life(run_dir)
        self._owns_life = life is None
        try:
            writers = _open_writers(run_dir)
        except OSError as error:
            if self._owns_life:
                self._life.end(lifecycle.ending(error))
            raise RunDirError(f"{run_dir}: cannot write there ({error.strerror or error})") from error
        logger.attach(writers)
        self._life.before_end(self._shut)

    def close(self, how: Ending) -> None:
        """Flush and close the files; a run that began with this session ends as `how` says."""
        if self._owns_life:
            self._life.end(how)
        else:
            self._shut()

    def _shut(self) -> str | None:
        if self._logger.is_open:
            lost = self._logger.detach("the logger is closed: the run that it recorded has ended")
            self._lost = lost and f"data was lost: {lost}"
        return self._lost


def begin_life(run_dir: Path, advice: str = "choose another directory") -> Lifecycle:
    """Create `run_dir` and begin the life of a new run in it.

    advice: what to do if it is in use.

    Raises:
        RunDirError: the directory already holds a run, or cannot be written.
    """
    rundir.make(run_dir)
    with rundir.claimed(run_dir):
        in_use = rundir.trouble(run_dir)
        if in_use:
            raise RunDirError(f"{in_use}; {advice}, or move that one away")
        try:
            return lifecycle.begin(run_dir, affinity_code=os.environ.get("EXPTOOLS_AFFINITY_CODE"))
        except OSError as error:
            raise RunDirError(f"{run_dir}: cannot write there ({error.strerror})") from error


def _open_writers(run_dir: Path) -> list[Writer]:
    writers: list[Writer] = []
    try:
        for kind in WRITERS:
            writers.append(kind(run_dir))  # noqa: PERF401 - those that opened are closed if one does not
    except OSError:
        for writer in writers:
            writer.close()
        raise
    return writers


@contextlib.contextmanager
def logger_context(
    log_dir: str | os.PathLike[str],
    run_id: int | str,
    name: str,
    log_params: Any = None,
) -> Iterator[Logger]:
    """Open the process-global logger for a run without Hydra, in `log_dir`/run_`run_id`.

    Args:
        log_dir: where the runs of one setting lie.
        run_id: which run of the setting, often a seed.
        name: of the experiment; written into variant_config.json with run_id.
        log_params: the config of the run (a mapping, dataclass, argparse.Namespace or OmegaConf config),
            written to variant_config.json. Its own `name` and `run_ID` win.

    Raises:
        RunDirError: the directory already holds a run, or cannot be written; run_id is no name.
        ExptoolsError: log_params cannot be kept as JSON.
    """
    from exptools.logging import logger

    # All that can be wrong with the config is found before the directory is touched.
    variant = {"name": name, "run_ID": run_id, **plain(log_params or {}, "log_params")}
    run_dir = Path(log_dir).expanduser() / _run_name(run_id)
    session = Session(logger, run_dir)
    failure: BaseException | None = None
    try:
        rundir.write_json(run_dir.absolute() / rundir.VARIANT, variant)
        yield logger
    except BaseException as error:
        failure = error
        raise
    finally:
        session.close(lifecycle.ending(failure))


def _run_name(run_id: int | str) -> str:
    name = f"run_{run_id}"
    if "/" in name or "\0" in name or name == "run_":
        raise RunDirError(f"run_id must be a number or a word without a slash, not {run_id!r}")
    return name
