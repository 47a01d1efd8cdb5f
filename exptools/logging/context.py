"""Opening the process-global logger onto a run directory, and closing it on every way out."""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from exptools import lifecycle, rundir
from exptools.configs import plain
from exptools.errors import LoggingError, RunDirError
from exptools.lifecycle import Ending, Lifecycle
from exptools.logging import ranks
from exptools.logging.attempt import Attempt
from exptools.logging.core import told_as_lost
from exptools.logging.logger import Logger
from exptools.logging.settings import Settings
from exptools.logging.tee import Tee
from exptools.logging.writers import registry
from exptools.logging.writers.base import Writer
from exptools.provenance.files import settle
from exptools.rundir import State
from exptools.say import say, say_once


class Session:
    """A logger that is open onto a run directory.

    Where nobody began the run's life yet (a plain run), the session begins it, and ends it at `close`.
    """

    def __init__(
        self,
        logger: Logger,
        run_dir: Path,
        settings: Settings | None = None,
        *,
        refresh: bool = False,
        is_global: bool = True,
    ) -> None:
        """Open `logger` onto `run_dir`, which is created.

        refresh: put aside what lies there. is_global: it is the run of this process, which may have begun.

        Raises:
            RunDirError: the directory already holds a run, or cannot be written.
            LoggingError: the logger is open already.
        """
        settings = settings or Settings()
        if logger.is_open:
            raise LoggingError(
                f"the logger is open already; close its run before opening {run_dir}. "
                "A logger has one run at a time"
            )
        self._logger = logger
        self._settings = settings
        self._lost: str | None = None
        self._life: Lifecycle | None = None
        self._owns_life = False
        self._rest = contextlib.ExitStack()
        self._records = contextlib.ExitStack()  # those of Python's logging: until the files are closed
        if is_another_rank(settings):
            logger.silence()
            return
        rank = ranks.find()
        if rank is not None and rank.number:
            run_dir = run_dir / f"rank_{rank.number}"
        self._open(run_dir.absolute(), settings, refresh, is_global)  # the process may change its directory

    def _open(self, run_dir: Path, settings: Settings, refresh: bool, is_global: bool) -> None:
        life = lifecycle.current(run_dir) if is_global else None
        self._life = life or begin_life(run_dir, settings, refresh=refresh)
        self._owns_life = life is None
        try:
            writers = _open_writers(run_dir, settings)
            number, metric = self._life.attempt, settings.policy.metric
            self._logger.attach(
                writers,
                run_dir=run_dir,
                attempt=Attempt(run_dir, number, self._logger._newest),
                keep_last=metric is not None,
                exclude=settings.exclude,
                stop_on_failure=settings.on_write_error == "stop",
            )
            self._logger.keep_snapshots(settings, number)
            self._life.before_end(self._shut)
            if settings.python_logging is not None:
                from exptools.logging.bridges.python_logging import listen

                self._records.callback(listen(settings.python_logging, self._logger.text_keeper()))
            self._life.while_running(self._logger.lost)
            if settings.tee_stdout:
                self._rest.enter_context(Tee(run_dir / rundir.STDOUT))
        except BaseException as error:
            if self._owns_life:
                self._life.end(lifecycle.ending(error))
            if isinstance(error, OSError):
                raise RunDirError(f"{run_dir}: cannot write there ({error.strerror or error})") from error
            raise

    def record(
        self, overrides: Sequence[str] | None = None, function: Callable[..., Any] | None = None
    ) -> None:
        """Begin the attempt's entry in provenance.json; variant_config.json is written.

        overrides: of a Hydra job. function: of the user's code.
        """
        if self._life is None or self._life.is_recorded is not None:
            return
        if not self._settings.provenance:
            self._life.is_recorded = False
            return
        from exptools.provenance.record import Record

        Record(self._life, overrides, self._settings.provenance_env, function)

    @property
    def owns_life(self) -> bool:
        """Whether the run began with the session: nobody launched it."""
        return self._owns_life

    def close(self, how: Ending, error: BaseException | None = None) -> None:
        """Flush and close the files; a run that began with this session ends as `how` says.

        error: what left the run.
        """
        self._rest.close()
        self._logger.save_at_the_end(how.state is State.PREEMPTED, isinstance(error, Exception))
        if self._life is not None and self._owns_life:
            self._life.end(how)
        else:
            self._shut()

    def __enter__(self) -> Session:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(lifecycle.ending(error), error)

    def _shut(self) -> str | None:
        self._records.close()
        if self._logger.is_open:
            lost = self._logger.detach("the logger is closed: the run that it recorded has ended")
            self._lost = told_as_lost(lost)
        return self._lost


def is_another_rank(settings: Settings) -> bool:
    """Whether this process leaves the recording to rank 0."""
    rank = ranks.find()
    if rank is None or rank.number == 0 or settings.ranks == "all":
        return False
    say_once(
        f"rank {rank.number} of {rank.size} ({rank.source}) records nothing, rank 0 does; "
        "ranks=all lets every rank record into a directory of its own"
    )
    return True


def _way_out(run_dir: Path, anyway: str) -> str:
    """What else can be done about a directory that is in use; nothing is begun where a run goes on."""
    goes_on = rundir.at_work(run_dir)
    if goes_on is None:
        return f"{anyway}, or move that one away"
    if all(getattr(goes_on, name) == value for name, value in rundir.of_this_process().items()):
        return "or close() the logger that this process has opened there"
    return "or wait until that one has ended"


def begin_life(
    run_dir: Path,
    settings: Settings | None = None,
    *,
    refresh: bool = False,
    another: str = "choose another directory",
    anyway: str = "begin anew by refresh=True, go on by resume='always'",
) -> Lifecycle:
    """Create `run_dir` and begin the life of a run in it: a new one, or the next attempt of one that has
    ended.

    another, anyway: how to say that the directory shall be another one, or this one all the same.

    Raises:
        RunDirError: the directory holds a run that is going on or has completed, or cannot be written.
    """
    resume = "always" if refresh else (settings or Settings()).resume
    rundir.make(run_dir)
    with rundir.claimed(run_dir):
        with contextlib.suppress(RunDirError):
            rundir.wait_for_a_sign_of_life(run_dir)
        may_go_on = resume == "always" or (resume == "auto" and rundir.has_failed(run_dir))
        in_use = rundir.trouble(run_dir, may_have_measured=may_go_on)
        if in_use:
            raise RunDirError(f"{in_use}; {another}, {_way_out(run_dir, anyway)}")
        attempt = rundir.next_attempt(run_dir)
        if attempt > 1:
            settle(run_dir)
        if refresh:
            _put_all_aside(run_dir, rundir.aside(run_dir, attempt))
        code = os.environ.get("EXPTOOLS_AFFINITY_CODE")
        try:
            return lifecycle.begin(run_dir, attempt=attempt, affinity_code=code)
        except OSError as error:
            raise RunDirError(f"{run_dir}: cannot write there ({error.strerror})") from error


def _put_all_aside(run_dir: Path, aside: Path) -> None:
    kept = (rundir.ORPHANED, rundir.STATUS, rundir.HYDRA)
    for path in sorted(run_dir.iterdir()):
        if path.name not in kept:
            rundir.put_aside(path, aside)


def _open_writers(run_dir: Path, settings: Settings) -> dict[str, Writer]:
    writers: dict[str, Writer] = {}
    try:
        for name in settings.writers:
            writers[name] = registry.make(name, run_dir, settings)
    except BaseException:
        for writer in writers.values():
            writer.close()
        raise
    return writers


@contextlib.contextmanager
def logger_context(
    log_dir: str | os.PathLike[str],
    run_id: int | str,
    name: str,
    log_params: Any = None,
    snapshot_mode: Any = "none",
    itr_i: int = 0,
    refresh: bool = False,
    **settings: Any,
) -> Iterator[Logger]:
    """Open the process-global logger for a run without Hydra, in `log_dir`/run_`run_id`.

    If a run lies there that has ended without completing, this is its next attempt.

    Args:
        log_dir: where the runs of one setting lie.
        run_id: which run of the setting, often a seed.
        name: of the experiment; written into variant_config.json with run_id.
        log_params: the config of the run (a mapping, dataclass, argparse.Namespace or OmegaConf config),
            written to variant_config.json. Its own `name` and `run_ID` win.
        snapshot_mode: which snapshots are kept: none, last, all, gap, last+gap, best, or a number: the gap.
        itr_i: the step that is used where none is given, until another one is.
        refresh: put aside what lies there, into `.orphaned/`, and begin anew, even if it has completed.
        settings: fields of exptools.logging.settings.Settings.

    Raises:
        RunDirError: the directory holds a run that is going on or has completed, or cannot be written; run_id
            is no name.
        LoggingError: a setting is wrong.
        ExptoolsError: log_params cannot be kept as JSON.
    """
    from exptools.logging import logger

    # All that can be wrong with the config is found before the directory is touched.
    chosen = Settings.of(snapshot_mode=snapshot_mode, **settings)
    variant = {"name": name, "run_ID": run_id, **plain(log_params or {}, "log_params")}
    run_dir = Path(log_dir).expanduser() / _run_name(run_id)
    with Session(logger, run_dir, chosen, refresh=refresh) as session:
        if logger.run_dir is not None:
            write_variant(logger.run_dir, variant)
            session.record()
            logger.set_step(itr_i)
        yield logger


def write_variant(run_dir: Path, variant: dict[str, Any]) -> None:
    """Write the config of a run; a further attempt that has another one says what differs."""
    path = run_dir / rundir.VARIANT
    try:
        before = rundir.read_json(path)
    except (FileNotFoundError, RunDirError):
        before = None
    now = json.loads(rundir.as_json(variant))
    if isinstance(before, dict) and before != now:
        keys = ", ".join(_differing(before, now))
        say(f"{run_dir}: the config of this attempt is not that of the one before; what differs: {keys}")
    rundir.write_json(path, variant)


def _differing(before: Any, now: Any, name: str = "") -> list[str]:
    """The keys, joined by dots, whose values are not the same."""
    if before == now:
        return []
    if not isinstance(before, dict) or not isinstance(now, dict):
        return [name]
    return [
        found
        for key in {**before, **now}
        for found in _differing(
            before.get(key, ...), now.get(key, ...), f"{name}.{key}" if name else str(key)
        )
    ]


def _run_name(run_id: int | str) -> str:
    name = f"run_{run_id}"
    if "/" in name or "\0" in name or name == "run_":
        raise RunDirError(f"run_id must be a number or a word without a slash, not {run_id!r}")
    return name
