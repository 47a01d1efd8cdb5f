"""Logger: all that a run can say, in one class. Each part is in a file of its own."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

from exptools.errors import LoggingError
from exptools.logging.aliases import Aliases
from exptools.logging.settings import Settings

if TYPE_CHECKING:
    from exptools.logging.context import Session


class Logger(Aliases):
    """Records what a run says into its directory.

    The one that all layers of a program share is `exptools.logging.logger`, opened by the Hydra callback or
    by `logger_context`. Another one is made by hand: `with Logger("runs/other") as other:
    other.log_scalar(...)`.
    """

    def __init__(
        self, log_dir: str | os.PathLike[str] | None = None, refresh: bool = False, **settings: Any
    ) -> None:
        """Without a directory the logger is closed until somebody opens it.

        Args:
            log_dir: the run directory, which is created.
            refresh: put aside what lies there, into `.orphaned/`, and begin anew.
            settings: fields of exptools.logging.settings.Settings.

        Raises:
            RunDirError: the directory already holds a run, or cannot be written.
            LoggingError: a setting is wrong.
        """
        super().__init__()
        self._session: Session | None = None
        if log_dir is not None:
            from exptools.logging.context import Session

            self._session = Session(
                self, Path(log_dir).expanduser(), Settings.of(**settings), refresh=refresh, is_global=False
            )
            self._session.record()

    @contextlib.contextmanager
    def child_context(self, name: str | None = None, **settings: Any) -> Iterator[Logger]:
        """In a forked child process: record into `children/NAME` of the run, as a run of its own.

        Without it a child does not record. name: that of the directory; None: the process's number.

        Raises:
            LoggingError: this is no forked child of a process whose run this logger records.
        """
        if self.run_dir is None or self.is_open:
            raise LoggingError(
                "child_context() is for a forked child of the process that records the run; a process that "
                "was started anew records by logger_context(log_dir, run_id, name)"
            )
        from exptools.logging.context import Session

        home = self.run_dir
        own = home / "children" / (name or str(os.getpid()))
        session = Session(self, own, Settings.of(**settings))
        session.record()
        try:
            with session:
                yield self
        finally:
            self.abandon("the child's own run has ended")
            self._run_dir = home

    def close(self) -> None:
        """End the run of a logger that was made by hand, as completed; may be called again."""
        self.__exit__(None, None, None)

    def __enter__(self) -> Logger:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.__exit__(kind, error, trace)
