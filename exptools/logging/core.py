"""Logger: prefixes, step and rows, fanned out to writers. No globals and no files here."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import reprlib
import sys
import time
from collections.abc import Iterator, Sequence
from typing import Any, SupportsFloat

from exptools.errors import LoggingError
from exptools.logging.numbers import as_float64, as_step, batch_statistics
from exptools.logging.spool import Spool
from exptools.logging.writers.base import Text, Writer
from exptools.say import say

_HOW_TO_OPEN = (
    "the logger is not open, so {what} would be lost. Open it by the default `exptools` in the defaults list "
    "of your Hydra app, or by `with logger_context(log_dir, run_id, name, config):`"
)
_IN_A_CHILD = (
    "the logger is not open in this child process, so {what} would be lost: the run is recorded by its "
    "parent. Hand the numbers over to the parent, or record a run of the child's own: "
    "`with logger_context(log_dir, run_id, name, config):`"
)


class Logger:
    """Takes what a run says and hands it to its writers.

    Scalars of one step make a row. A row closes when the step changes, when one of its tags is logged
    again, at `dump` and every second; nothing is merged, dropped or rounded. All methods may be called from
    any thread, and from signal handlers. A prefix belongs to the thread or asyncio task that set it; the step
    that is used where none is given is one for all of them.
    """

    def __init__(self) -> None:
        self._spool: Spool | None = None
        self._why_closed: str | None = None
        self._says_once: str | None = None  # in a forked child: uses are no errors there
        self._prefix: contextvars.ContextVar[str] = contextvars.ContextVar("exptools_prefix", default="")
        self._known_tags: set[str] = set()
        self._step = 0

    # --- what a run says ------------------------------------------------------------------------------

    def log_scalar(self, tag: str, data: SupportsFloat, step: int | None = None) -> None:
        """Record one number under the current prefix.

        Args:
            tag: any text; it becomes a column of progress.csv and a tag of TensorBoard.
            data: a number, or anything with one element that `float` takes (numpy, torch, jax). It is kept
                as float64.
            step: the x of the curve, an int64; need not be monotone. None: the step that was used last.

        Raises:
            LoggingError: the logger is not open, `data` is not one number, or it is an integer that
                float64 cannot hold.
        """
        spool = self._spool
        if spool is None:
            return self._refuse(f"scalar '{self._prefix.get()}{tag}'")
        value = data if type(data) is float else as_float64(tag, data)
        tag = self._tagged(tag)
        if step is None:
            step = self._step
        elif type(step) is not int or step != self._step:
            step = self._step = as_step(step)
        spool.scalars.append((step, time.time(), tag, value))
        if spool.closed:
            self._refuse(f"scalar {tag!r}")

    def log_scalar_batch(self, tag: str, data: Any, step: int | None = None) -> None:
        """Record Average, Std, Median, Min, Max and Len of a batch as six scalars `tag/Average`, ....

        Args:
            data: numbers of any shape. NaN are left out of the statistics; Len counts the others.
            step: as in log_scalar.

        An empty batch (or one of NaN alone) records Len 0 and NaN for the rest.
        """
        spool = self._spool
        if spool is None:
            return self._refuse(f"batch '{self._prefix.get()}{tag}'")
        statistics = batch_statistics(tag, data)
        tag = self._tagged(tag)
        step = self._step = self._step if step is None else as_step(step)
        now = time.time()
        spool.scalars.extend([(step, now, f"{tag}/{name}", value) for name, value in statistics.items()])
        if spool.closed:
            self._refuse(f"batch {tag!r}")

    def log_text(self, data: str, step: int | None = None, with_timestamp: bool = True) -> None:
        """Print a text, with the current prefix, and keep it in debug.log.

        Args:
            data: the text; may have several lines.
            step: written in front of the text if given.
            with_timestamp: put the local date and time in front.
        """
        spool = self._spool
        if spool is None and self._says_once is None:
            return self._refuse(f"text {reprlib.repr(data)}")  # before it is printed
        now = datetime.datetime.now().astimezone()
        stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f %z") + " | " if with_timestamp else ""
        at = "" if step is None else f"step {as_step(step)} | "
        line = f"{stamp}{at}{self._prefix.get()}{data}"
        if spool is not None:
            spool.texts.append(Text(line))
        _show(line)
        if spool is None or spool.closed:
            self._refuse(f"text {reprlib.repr(data)}")

    # --- prefix and step ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def prefix(self, prefix: str) -> Iterator[None]:
        """Put `prefix` in front of every tag and text inside the block; nested: the outer one first."""
        if not isinstance(prefix, str):
            raise LoggingError(f"a prefix must be a text, not {reprlib.repr(prefix)}")
        token = self._prefix.set(self._prefix.get() + prefix)
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):  # an abandoned async generator is closed in another context
                self._prefix.reset(token)

    @property
    def step(self) -> int:
        """The step that is used where none is given: the one that was used last, by any thread."""
        return self._step

    def set_step(self, step: int) -> None:
        """Set the step that is used where none is given, for all threads."""
        if self._spool is None:
            return self._refuse("set_step()")
        self._step = as_step(step)

    def dump(self) -> None:
        """Close the open row and return when the writers have all that was logged before."""
        spool = self._spool
        if spool is None:
            return self._refuse("dump()")
        spool.flush()

    # --- opening and closing --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether what is logged is being recorded."""
        return self._spool is not None

    def attach(self, writers: Sequence[Writer]) -> None:
        """Open the logger onto `writers`; the step starts at 0."""
        if self._spool is not None:
            raise LoggingError("the logger is open already; close the first run before opening another")
        self._step = 0
        self._known_tags = set()
        self._why_closed = self._says_once = None
        self._spool = Spool(writers)

    def detach(self, because: str) -> str | None:
        """Write what is left and close the writers; returns what was lost in one line, None if nothing was.

        because: what the next use of the logger is told.
        """
        self._why_closed = because
        spool = self._spool
        lost = None if spool is None else spool.close()
        self._spool = None
        return lost

    def abandon(self, because: str) -> None:
        """Stop recording without writing anything: in a forked child, whose parent owns the files.

        The first use after that says so on stderr; later ones are silent. Texts are still printed.
        """
        self._spool = None
        self._says_once = because

    def refuse_with(self, reason: str) -> None:
        """Let every use raise with `reason`: the logger could not be opened."""
        self._why_closed = reason

    # --- inside ---------------------------------------------------------------------------------------

    def _tagged(self, tag: str) -> str:
        """`tag` under the current prefix.

        Raises:
            LoggingError: it is no tag.
        """
        try:
            whole = self._prefix.get() + tag
        except TypeError:
            raise LoggingError(f"a tag must be a text that is not empty, not {reprlib.repr(tag)}") from None
        if whole not in self._known_tags:
            if not tag:
                raise LoggingError("a tag must be a text that is not empty, not ''")
            try:
                whole.encode()
            except UnicodeEncodeError as error:
                raise LoggingError(f"tag {tag!r} is not valid unicode ({error.reason})") from None
            self._known_tags.add(whole)
        return whole

    def _refuse(self, what: str) -> None:
        if self._says_once is None:
            import multiprocessing

            how = _HOW_TO_OPEN if multiprocessing.parent_process() is None else _IN_A_CHILD
            raise LoggingError(self._why_closed or how.format(what=what))
        if self._says_once:
            say(f"{what} is not recorded: {self._says_once}")
            self._says_once = ""


def _show(line: str) -> None:
    """Print a text that is recorded: stdout may be closed, a broken pipe, or unable to say it."""
    with contextlib.suppress(OSError, ValueError):
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding
            print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
