"""Logger: prefixes, step and rows, fanned out to writers. No globals and no files here."""

from __future__ import annotations

import contextlib
import contextvars
import datetime
import numbers
import operator
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from typing import Any, SupportsFloat

from exptools.errors import LoggingError
from exptools.formats.rows import Row
from exptools.logging.writers.base import Record, Text, Writer

_HOW_TO_OPEN = (
    "the logger is not open, so {what} would be lost. Open it by the default `exptools` in the defaults list "
    "of your Hydra app, or by `with logger_context(log_dir, run_id, name, config):`"
)
_EXACT = 2**53  # integers up to here are float64 without rounding


class Logger:
    """Takes what a run says and hands it to its writers.

    Scalars of one step make a row. A row closes when the step changes, when one of its tags is logged
    again, at `dump` and at `flush`; nothing is merged, dropped or rounded. All methods may be called from
    any thread; a prefix belongs to the thread or asyncio task that set it.
    """

    def __init__(self) -> None:
        self._writers: tuple[Writer, ...] = ()
        self._open = False
        self._closed_because: str | None = None
        self._silent_because: str | None = None
        self._lock = threading.RLock()
        self._prefix: contextvars.ContextVar[str] = contextvars.ContextVar("exptools_prefix", default="")
        self._known_tags: set[str] = set()
        self._records: list[Record] = []
        self._row: dict[str, float] = {}
        self._row_step = 0
        self._row_time = 0.0
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
        value = data if type(data) is float else as_float64(tag, data)
        prefix = self._prefix.get()
        if prefix:
            tag = prefix + tag
        if tag not in self._known_tags:
            self._check_tag(tag)
        with self._lock:
            if not self._open:
                return self._refuse(f"scalar {tag!r}")
            if step is None:
                step = self._step
            elif step != self._step or type(step) is not int:
                step = self._step = as_step(step)
            row = self._row
            if not row or step != self._row_step or tag in row:
                self._close_row()
                row = self._row
                self._row_step = step
                self._row_time = time.time()
            row[tag] = value

    def log_scalar_batch(self, tag: str, data: Any, step: int | None = None) -> None:
        """Record Average, Std, Median, Min, Max and Len of a batch as six scalars `tag/Average`, ....

        Args:
            data: numbers of any shape. NaN are left out of the statistics; Len counts the others.
            step: as in log_scalar.

        An empty batch (or one of NaN alone) records Len 0 and NaN for the rest.
        """
        if not self._open:
            return self._refuse(f"batch {tag!r}")
        for name, value in batch_statistics(tag, data).items():
            self.log_scalar(f"{tag}/{name}", value, step)

    def log_text(self, data: str, step: int | None = None, with_timestamp: bool = True) -> None:
        """Print a text, with the current prefix, and keep it in debug.log.

        Args:
            data: the text; may have several lines.
            step: written in front of the text if given.
            with_timestamp: put the local date and time in front.
        """
        if not self._open:
            return self._refuse(f"text {data[:60]!r}")  # before it is printed
        now = datetime.datetime.now().astimezone()
        stamp = now.strftime("%Y-%m-%d %H:%M:%S.%f %z") + " | " if with_timestamp else ""
        at = "" if step is None else f"step {as_step(step)} | "
        line = f"{stamp}{at}{self._prefix.get()}{data}"
        print(line, flush=True)
        with self._lock:
            if not self._open:
                return self._refuse(f"text {data[:60]!r}")
            self._records.append(Text(line))

    # --- prefix and step ------------------------------------------------------------------------------

    @contextlib.contextmanager
    def prefix(self, prefix: str) -> Iterator[None]:
        """Put `prefix` in front of every tag and text inside the block; nested: the outer one first."""
        token = self._prefix.set(self._prefix.get() + prefix)
        try:
            yield
        finally:
            self._prefix.reset(token)

    @property
    def step(self) -> int:
        """The step that is used where none is given."""
        return self._step

    def set_step(self, step: int) -> None:
        """Set the step that is used where none is given."""
        with self._lock:
            self._step = as_step(step)

    def dump(self) -> None:
        """Close the open row and hand everything to the writers now."""
        if not self._open:
            return self._refuse("dump()")
        self.flush()

    # --- opening and closing --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether what is logged is being recorded."""
        return self._open

    def attach(self, writers: Sequence[Writer]) -> None:
        """Open the logger onto `writers`; the step starts at 0."""
        with self._lock:
            if self._open:
                raise LoggingError("the logger is open already; close the first run before opening another")
            self._writers = tuple(writers)
            self._row, self._records, self._step = {}, [], 0
            self._known_tags = set()
            self._closed_because = self._silent_because = None
            self._open = True

    def detach(self, because: str | None = None) -> tuple[Writer, ...]:
        """Flush, stop recording and give the writers back to be closed.

        because: what the next use of the logger is told.
        """
        with self._lock:
            if self._open:
                self.flush()
            self._open = False
            self._closed_because = because
            writers, self._writers = self._writers, ()
            return writers

    def abandon(self, because: str) -> None:
        """Stop recording without writing anything: in a forked child, whose parent owns the files.

        The first use after that says so on stderr; later ones are silent.
        """
        self._lock = threading.RLock()  # the parent's may have been held at the fork
        self._open = False
        self._writers, self._records, self._row = (), [], {}
        self._silent_because = because

    def refuse_with(self, reason: str) -> None:
        """Let every use raise with `reason`: the logger could not be opened."""
        self._closed_because = reason

    def flush(self) -> None:
        """Close the open row and hand everything to the writers."""
        with self._lock:
            self._close_row()
            records, self._records = self._records, []
            if records:
                for writer in self._writers:
                    writer.write(records)

    # --- inside ---------------------------------------------------------------------------------------

    def _close_row(self) -> None:
        row = self._row
        if row:
            self._records.append(Row(self._row_step, self._row_time, tuple(row), tuple(row.values())))
            self._row = {}

    def _check_tag(self, tag: str) -> None:
        if not isinstance(tag, str) or not tag:
            raise LoggingError(f"a tag must be a text that is not empty, not {tag!r}")
        try:
            tag.encode()
        except UnicodeEncodeError as error:
            raise LoggingError(f"tag {tag!r} is not valid unicode ({error.reason})") from None
        self._known_tags.add(tag)

    def _refuse(self, what: str) -> None:
        if self._silent_because is None:
            raise LoggingError(self._closed_because or _HOW_TO_OPEN.format(what=what))
        if self._silent_because:
            print(f"exptools: {what} is not recorded: {self._silent_because}", file=sys.stderr)
            self._silent_because = ""


def as_float64(tag: str, data: Any) -> float:
    """`data` as a float64 without rounding.

    Raises:
        LoggingError: it is not one number, or an integer that float64 cannot hold.
    """
    if isinstance(data, str | bytes) or data is None:
        raise LoggingError(f"scalar {tag!r} must be one number, not {data!r}")
    size = getattr(data, "size", 1)
    size = size() if callable(size) else size  # torch's is a method that gives the shape
    shape = getattr(data, "shape", ())
    if len(shape) and any(n != 1 for n in shape):
        raise LoggingError(
            f"scalar {tag!r} must be one number, not an array of shape {tuple(shape)}; "
            "log_scalar_batch takes many"
        )
    try:
        value = float(data.item() if len(shape) else data)
    except (TypeError, ValueError, OverflowError) as error:
        raise LoggingError(f"scalar {tag!r} must be one number, not {data!r} ({error})") from None
    if abs(value) >= _EXACT and isinstance(data, numbers.Integral) and int(value) != int(data):
        raise LoggingError(
            f"scalar {tag!r}: the integer {data} cannot be kept as float64 without rounding; "
            "log it as text, or a part of it"
        )
    return value


def as_step(step: Any) -> int:
    """`step` as an int64.

    Raises:
        LoggingError: it is not an integer, or does not fit.
    """
    try:
        number = operator.index(step)
    except TypeError:
        raise LoggingError(f"a step must be an integer, not {step!r}") from None
    if not -(2**63) <= number < 2**63:
        raise LoggingError(f"a step must fit in 64 bits, not {step}")
    return number


def batch_statistics(tag: str, data: Any) -> dict[str, float]:
    """Average, Std (of the population), Median, Min, Max and Len of the numbers in `data` that are not NaN.

    Raises:
        LoggingError: `data` does not consist of numbers.
    """
    import numpy as np

    try:
        values = np.asarray(data, dtype=np.float64).ravel()
    except (TypeError, ValueError) as error:
        raise LoggingError(f"batch {tag!r} must be numbers: {error}") from None
    values = values[~np.isnan(values)]
    if not values.size:
        return {**dict.fromkeys(("Average", "Std", "Median", "Min", "Max"), float("nan")), "Len": 0.0}
    with np.errstate(invalid="ignore"):  # inf - inf: the statistic is nan, and that is what is recorded
        return {
            "Average": float(values.mean()),
            "Std": float(values.std()),
            "Median": float(np.median(values)),
            "Min": float(values.min()),
            "Max": float(values.max()),
            "Len": float(values.size),
        }
