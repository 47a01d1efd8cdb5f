"""Opening the process-global logger onto a run directory, and closing it on every way out."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from exptools import lifecycle, rundir
from exptools.errors import LoggingError, RunDirError
from exptools.lifecycle import Ending, Lifecycle
from exptools.logging.core import Logger
from exptools.logging.writers.base import Writer
from exptools.logging.writers.events import EventsWriter
from exptools.logging.writers.progress import ProgressWriter
from exptools.logging.writers.text import TextWriter

FLUSH_S = 1.0
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
        self._logger = logger
        self._lost: str | None = None
        self._stop = threading.Event()
        life = lifecycle.current(run_dir)
        self._life = life or begin_life(run_dir)
        self._owns_life = life is None
        try:
            self._writers = _open_writers(run_dir)
        except OSError as error:
            if self._owns_life:
                self._life.end(lifecycle.ending(error))
            raise RunDirError(f"{run_dir}: cannot write there ({error.strerror})") from error
        logger.attach(self._writers)
        self._life.before_end(self._shut)
        threading.Thread(target=self._flush_often, name="exptools-flush", daemon=True).start()

    def close(self, how: Ending) -> None:
        """Flush and close the files; a run that began with this session ends as `how` says."""
        if self._owns_life:
            self._life.end(how)
        else:
            self._shut()

    def _shut(self) -> str | None:
        if not self._stop.is_set():
            self._stop.set()
            writers = self._logger.detach("the logger is closed: the run that it recorded has ended")
            self._lost = "; ".join(lost for w in writers if (lost := w.close())) or None
        return self._lost and f"data was lost: {self._lost}"

    def _flush_often(self) -> None:
        while not self._stop.wait(FLUSH_S):
            self._logger.flush()


def begin_life(run_dir: Path) -> Lifecycle:
    """Create `run_dir` and begin the life of a new run in it.

    Raises:
        RunDirError: the directory already holds a run, or cannot be written.
    """
    in_use = rundir.trouble(run_dir)
    if in_use:
        raise RunDirError(f"{in_use}; choose another directory, or move that one away")
    rundir.make(run_dir)
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
    log_params: Mapping[str, Any] | None = None,
) -> Iterator[Logger]:
    """Open the process-global logger for a run without Hydra, in `log_dir`/run_`run_id`.

    Args:
        log_dir: where the runs of one setting lie.
        run_id: which run of the setting, often a seed.
        name: of the experiment; written into variant_config.json with run_id.
        log_params: the config of the run, written to variant_config.json.

    Raises:
        RunDirError: the directory already holds a run, or cannot be written.
    """
    from exptools.logging import logger

    run_dir = Path(log_dir, f"run_{run_id}")
    session = Session(logger, run_dir)
    failure: BaseException | None = None
    try:
        rundir.write_json(run_dir / rundir.VARIANT, {**(log_params or {}), "name": name, "run_ID": run_id})
        yield logger
    except BaseException as error:
        failure = error
        raise
    finally:
        session.close(lifecycle.ending(failure))
