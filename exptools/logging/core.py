"""Logger: what a run says, under the prefix and at the step that hold, on its way to the spool. No files."""

from __future__ import annotations

import contextlib
import os
import reprlib
import sys
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, SupportsFloat

from exptools import lifecycle, rundir, words
from exptools.errors import LoggingError
from exptools.logging.numbered import Numbered
from exptools.logging.numbers import as_float64, as_step, batch_statistics
from exptools.logging.prefixes import KINDS, Frame, Place, prefixed
from exptools.logging.spool import MOST_SCALARS, Spool
from exptools.logging.writers.base import Media, Text, Value, Writer
from exptools.say import say, say_once

_HOW_TO_OPEN = (
    "the logger is not open, so {what}. Open it by the default `exptools` in the defaults list "
    "of your Hydra app, or by `with logger_context(log_dir, run_id, name, config):`; or say "
    "`logger.disable()` if nothing shall be recorded"
)
_IN_A_CHILD = (
    "the logger is not open in this child process, so {what}: the run is recorded by its "
    "parent. Hand the numbers over to the parent, or record a run of the child's own: "
    "`with logger_context(log_dir, run_id, name, config):`"
)
COLORS = {  # ANSI's codes
    "gray": 90,
    "red": 31,
    "green": 32,
    "yellow": 33,
    "blue": 34,
    "magenta": 35,
    "cyan": 36,
    "white": 37,
}


class Core:
    """Takes what a run says and hands it to its writers.

    Scalars of one step make a row. A row closes when the step changes, when one of its tags is logged
    again, at `dump` and every second; nothing is merged, dropped or rounded. All methods may be called from
    any thread, and from signal handlers. Prefixes, and the step inside `step()`, belong to the thread or
    asyncio task that set them; the step that is used where none is given is otherwise one for all of them.
    """

    def __init__(self) -> None:
        self._spool: Spool | None = None  # None: closed, or disabled
        self._paused: Spool | None = None  # while disabled
        self._disabled = False
        self._is_silent = False
        self._why_closed: str | None = None
        self._says_once: str | None = None  # in a forked child: uses are no errors there
        self._run_dir: Path | None = None
        self._place = Place()
        self._here = self._place.get
        self._kinds: dict[str, str] = {}  # of each tag that was used
        self._numbered = Numbered()
        self._step = 0

    # --- scalars and text -----------------------------------------------------------------------------

    def log_scalar(
        self,
        tag: str,
        data: SupportsFloat,
        step: int | None = None,
        filename: str | None = None,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record one number under the current prefix.

        Args:
            tag: any text; it becomes a column of progress.csv and a tag of TensorBoard.
            data: a number, or anything with one element that `float` takes (numpy, torch, jax). It is kept
                as float64.
            step: the x of the curve, an int64; need not be monotone. None: the step that was used last.
            filename: record it in this additional output (`add_scalar_output`) and nowhere else.
            with_prefix: put the current prefix in front of the tag.
            exclude: names of writers that shall not get this tag, from now on, such as "tensorboard".

        Raises:
            LoggingError: the logger is not open, `data` is not one number, or it is an integer that
                float64 cannot hold.
        """
        spool = self._spool
        if spool is None or filename is not None or not with_prefix or exclude:
            return self._log_scalars([(tag, data)], step, filename, with_prefix, exclude)
        value = data if type(data) is float else as_float64(tag, data)
        here = self._here()
        try:
            whole = here.scalar + tag
        except TypeError:
            raise _no_tag(tag) from None
        if self._kinds.get(whole) != "scalar":
            self._meet(tag, whole, "scalar")
        if step is None:
            step = self._step if here.step is None else here.step
        elif type(step) is not int or step != self._step:
            step = self._step = as_step(step)
        spool.scalars.append((step, time.time(), whole, value))
        if spool.refuses or len(spool.scalars) > MOST_SCALARS:
            self._relieve(spool, f"scalar {whole!r}")

    def log_scalars(
        self,
        data: Mapping[str, SupportsFloat],
        step: int | None = None,
        filename: str | None = None,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record several numbers of one moment: they become one row, whatever other threads log.

        Args:
            data: numbers by their tags, each as in log_scalar; step and the others as there too.
        """
        if not isinstance(data, Mapping):
            raise LoggingError(f"log_scalars takes a mapping from tags to numbers, not {reprlib.repr(data)}")
        self._log_scalars(list(data.items()), step, filename, with_prefix, exclude)

    def log_scalar_batch(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        filename: str | None = None,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record Average, Std, Median, Min, Max and Len of a batch as six scalars `tag/Average`, ....

        Args:
            data: numbers of any shape. NaN and what is masked are left out of the statistics; Len counts
                the others.
            step and the others: as in log_scalar.

        An empty batch (or one of NaN alone) records Len 0 and NaN for the rest.
        """
        if self._opened(f"batch '{self._here().scalar}{tag}'") is None:
            return
        if not isinstance(tag, str) or not tag:
            raise _no_tag(tag)
        statistics = [(f"{tag}/{name}", value) for name, value in batch_statistics(tag, data).items()]
        self._log_scalars(statistics, step, filename, with_prefix, exclude)

    def exclude(self, tag: str, writers: Collection[str]) -> None:
        """Keep the scalar of this tag, under the current prefix, from writers of these names, from now on.

        Raises:
            LoggingError: the logger is not open, or has no such writer.
        """
        spool = self._opened(f"exclude({tag!r})")
        if spool is not None and writers:
            spool.exclude([self._here().scalar + tag], writers)

    def log_text(
        self,
        data: str,
        step: int | None = None,
        with_timestamp: bool = True,
        filename: str | None = None,
        with_prefix: bool = True,
        color: str | None = None,
        tag: str | None = None,
    ) -> None:
        """Print a text, with the current prefix, and keep it in debug.log.

        Lines of a log are not for TensorBoard, which shows a text as a page; give a tag to what shall be one.

        Args:
            data: the text; may have several lines.
            step: written in front of the text if given.
            with_timestamp: put the local date and time in front.
            filename: keep it in this additional output (`add_text_output`) instead of debug.log.
            with_prefix: put the current prefix in front of it; if it has a tag, in front of that.
            color: on a terminal; gray, red, green, yellow, blue, magenta, cyan or white. Files stay plain.
            tag: keep it under this tag as well, as Markdown: in TensorBoard's Text, and in media/.
        """
        if color is not None and color not in COLORS:
            raise LoggingError(f"color must be one of {', '.join(COLORS)}, not {color!r}")
        spool = self._spool
        if spool is None and (self._says_once is None or self._disabled or self._is_silent):
            return self._refuse(f"text {reprlib.repr(data)}")  # before it is printed
        stamp = words.moment(time.time()) + " | " if with_timestamp else ""
        at = "" if step is None else f"step {as_step(step)} | "
        title = "" if tag is None else f"{tag}: "  # a prefix before the text would spoil its Markdown
        line = f"{stamp}{at}{self._here().prefix('text') if with_prefix else ''}{title}{data}"
        if spool is not None:
            if filename is not None:
                spool.expect_output(filename, "text")
            spool.add_text(Text(line, filename))
            if tag is not None:
                from exptools.logging.kinds.text import Markdown

                self._record(tag, "text", lambda: Markdown(data), step, with_prefix)
        _show(line, color)
        if spool is None or spool.refuses:
            self._refuse(f"text {reprlib.repr(data)}")

    def log_params(self, params: Any, filename: str = "params.json") -> None:
        """Write a config or any other mapping into the run directory as JSON, atomically.

        params: a mapping, dataclass, argparse.Namespace or OmegaConf config. The config with which the
        logger was opened is in variant_config.json already.

        Raises:
            ExptoolsError: it cannot be kept as JSON, or filename leaves the run directory.
        """
        spool = self._opened(f"the parameters of {filename}")
        if spool is None:
            return
        from exptools.configs import plain

        rundir.write_json(spool.path_of(filename), plain(params, "params"))

    # --- prefixes -------------------------------------------------------------------------------------

    @contextlib.contextmanager
    def prefix(self, prefix: str, *kinds: str) -> Iterator[None]:
        """Put `prefix` in front of every tag and text inside the block; nested: the outer one first.

        kinds: of which it holds (text, scalar, histogram, image, ...); without any, of all.
        """
        with self._place.within(prefixed(prefix, _known(kinds))):
            yield

    def push_prefix(self, prefix: str, *kinds: str) -> None:
        """Put `prefix` in front until `pop_prefix` for the same kinds, in the same thread or task."""
        self._place.push(prefix, _known(kinds))

    def pop_prefix(self, *kinds: str) -> None:
        """Take back the prefix that was pushed last.

        Raises:
            LoggingError: there is none.
        """
        self._place.pop(_known(kinds))

    # --- step -----------------------------------------------------------------------------------------

    @property
    def default_step(self) -> int:
        """The step that is used where none is given: of `step()`, else the one that was used last."""
        here = self._here()
        return self._step if here.step is None else here.step

    def set_step(self, step: int) -> None:
        """Set the step that is used where none is given, for all threads."""
        if self._opened("set_step()") is not None:
            self._step = as_step(step)

    @contextlib.contextmanager
    def step(self, step: int) -> Iterator[None]:
        """Let `step` be used inside the block where none is given, in this thread or task alone."""
        with self._place.within(Frame(step=as_step(step))):
            yield

    def dump(self) -> None:
        """End an iteration: close the row, write all, print the table, and count the step up by one."""
        self.dump_scalar()
        if self._spool is not None:
            self._step += 1

    def dump_scalar(self, filename: str | None = None) -> None:
        """Close the open row, return when the writers have all, and print the table of the last values.

        The table comes at most every so many seconds (`console_every_s`). filename: close the row of this
        additional output; then nothing is printed.
        """
        spool = self._opened("dump()")
        if spool is None:
            return
        if filename is not None:
            spool.expect_output(filename, "scalar")
            spool.flush()
        else:
            spool.dump(self.default_step)

    def flush(self) -> None:
        """Close the open row and return when the writers have all that was logged before."""
        spool = self._opened("flush()")
        if spool is not None:
            spool.flush()

    @property
    def run_dir(self) -> Path | None:
        """The directory of the run that is, or in a forked child was, recorded; None without one."""
        return self._run_dir

    @property
    def writers(self) -> tuple[str, ...]:
        """The names of what is written for the run, such as "csv"; without one none."""
        return () if self._spool is None else self._spool.names

    @property
    def should_stop(self) -> bool:
        """Whether the run is asked to save and end: SIGTERM, SIGUSR1 or SIGUSR2 came (preemption, a time
        limit).

        A loop that asks is trusted to end soon: the signal itself ends it no more. It saves a snapshot and
        leaves by `sys.exit(EXIT_PREEMPTED)` (75), or just returns; the run's state is PREEMPTED. A second
        SIGTERM ends it at once.
        """
        return lifecycle.should_stop()

    @property
    def stop_reason(self) -> str | None:
        """The name of the signal that asked, None if none did."""
        return lifecycle.stop_reason()

    # --- opening and closing --------------------------------------------------------------------------

    @property
    def is_open(self) -> bool:
        """Whether a run is open, though it may be disabled."""
        return self._spool is not None or self._paused is not None

    def disable(self) -> None:
        """Record and print nothing, and let no use be an error, until `enable`."""
        if not self._disabled:
            self._disabled = True
            self._paused, self._spool = self._spool, None

    def enable(self) -> None:
        """Record again, if a run is open."""
        if self._disabled:
            self._disabled = False
            self._spool, self._paused = self._paused, None

    @property
    def enabled(self) -> bool:
        """Whether it was not disabled."""
        return not self._disabled

    def attach(self, writers: Sequence[Writer] | Mapping[str, Writer], **settings: Any) -> None:
        """Open the logger onto `writers`; the step starts at 0. settings: those of Spool."""
        if self.is_open:
            raise LoggingError("the logger is open already; close the first run before opening another")
        self._step = 0
        self._kinds, self._numbered = {}, Numbered()
        self._why_closed = self._says_once = None
        named = writers if isinstance(writers, Mapping) else {type(w).__name__: w for w in writers}
        self._run_dir = settings.get("run_dir")
        self._set_spool(Spool(named, **settings))

    def detach(self, because: str) -> str | None:
        """Write what is left and close the writers; returns what was lost in one line, None if nothing was.

        because: what the next use of the logger is told.
        """
        self._why_closed = because
        self._is_silent = False
        spool = self._spool or self._paused
        lost = None if spool is None else spool.close()
        self._set_spool(None)
        self._run_dir = None
        return lost

    def abandon(self, because: str) -> None:
        """Stop recording without writing anything: in a forked child, whose parent owns the files.

        The first use after that says so on stderr; later ones are silent. Texts are still printed.
        """
        self._set_spool(None)
        self._says_once = because

    def silence(self) -> None:
        """Record and print nothing, and let no use be an error: another rank records the run."""
        self._is_silent = True

    def text_keeper(self) -> Callable[[str], None]:
        """What keeps a line in debug.log of the run that is open, without printing it.

        It may be called from anywhere, and never raises: when the run has ended, or while the logger is
        disabled, it does nothing. What writers say while they write is not kept either: each line would
        make them write again.
        """
        spool = self._spool or self._paused

        def keep(line: str) -> None:
            if spool is not None and not (spool.refuses or self._disabled or spool.is_writing_here):
                spool.add_text(Text(line))

        return keep

    def lost(self) -> str | None:
        """What could not be recorded so far in one line, None if nothing is lost."""
        spool = self._spool or self._paused
        return told_as_lost(None if spool is None else spool.lost())

    def refuse_with(self, reason: str) -> None:
        """Let every use raise with `reason`: the logger could not be opened."""
        self._why_closed = reason

    @contextlib.contextmanager
    def recording_into(self, spool: Spool) -> Iterator[None]:
        """Record into `spool` inside the block and close it; all is as it was afterwards."""
        names = (
            "_spool",
            "_paused",
            "_disabled",
            "_is_silent",
            "_why_closed",
            "_says_once",
            "_kinds",
            "_numbered",
            "_step",
        )
        before = {name: getattr(self, name) for name in names}
        self._spool, self._paused, self._run_dir = spool, None, None
        self._disabled = self._is_silent = False
        self._kinds, self._numbered, self._step = {}, Numbered(), 0
        try:
            with self._place.nowhere():
                yield
        finally:
            spool.close()
            vars(self).update(before)

    # --- inside ---------------------------------------------------------------------------------------

    def _set_spool(self, spool: Spool | None) -> None:
        if self._disabled:
            self._paused = spool
        else:
            self._spool = spool

    def _log_scalars(
        self,
        data: Sequence[tuple[str, SupportsFloat]],
        step: int | None,
        filename: str | None,
        with_prefix: bool,
        exclude: Collection[str],
    ) -> None:
        here = self._here()
        prefix = here.scalar if with_prefix else ""
        spool = self._spool
        if spool is None:
            return self._refuse(f"scalar '{prefix}{data[0][0] if data else ''}'")
        values = [(self._tagged(tag, prefix, "scalar"), as_float64(tag, value)) for tag, value in data]
        if exclude:
            spool.exclude([tag for tag, _ in values], exclude)
        now = time.time()
        if filename is not None:  # its steps are its own
            spool.expect_output(filename, "scalar")
            at = self.default_step if step is None else as_step(step)
            spool.elsewhere.extend([(filename, (at, now, tag, value)) for tag, value in values])
        else:
            at = self._at(step)
            spool.scalars.extend([(at, now, tag, value) for tag, value in values])
        if spool.refuses or spool.is_crowded:
            self._relieve(spool, f"scalars {', '.join(repr(tag) for tag, _ in values[:3])}")

    def _record(
        self,
        tag: str,
        kind: str,
        make: Callable[[], Value],
        step: int | None,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record something rich; `make` checks and copies it, and is called if the logger is open."""
        spool = self._spool
        prefix = self._here().prefix(kind) if with_prefix else ""
        if spool is None:
            return self._refuse(f"{kind} '{prefix}{tag}'")
        value = make()
        whole = self._tagged(tag, prefix, kind)
        if exclude:
            spool.exclude([whole], exclude)
        media = Media(self._at(step), time.time(), whole, value)
        spool.add_media(media)
        if spool.refuses:
            self._refuse(f"{kind} {whole!r}")

    def _at(self, step: int | None) -> int:
        """The step of a record; one that is given is used from then on."""
        if step is None:
            return self.default_step
        self._step = as_step(step)
        return self._step

    def _tagged(self, tag: str, prefix: str, kind: str) -> str:
        """`tag` under its prefix.

        Raises:
            LoggingError: it is no tag.
        """
        if not isinstance(tag, str):
            raise _no_tag(tag)
        whole = prefix + tag
        if self._kinds.get(whole) != kind:
            self._meet(tag, whole, kind)
        return whole

    def _meet(self, tag: str, whole: str, kind: str) -> None:
        """A tag that comes for the first time, or as another kind."""
        if not isinstance(tag, str) or not tag:
            raise _no_tag(tag)
        try:
            whole.encode()
        except UnicodeEncodeError as error:
            raise LoggingError(f"tag {tag!r} is not valid unicode ({error.reason})") from None
        self._numbered.meet(whole, self.default_step)
        before = self._kinds.setdefault(whole, kind)
        if before != kind:
            say_once(
                f"tag {whole!r} is logged as {before} and as {kind}; viewers may show one of them only: "
                "give each kind a tag of its own"
            )

    def _relieve(self, spool: Spool, what: str) -> None:
        """More was logged than is written: wait for the writers."""
        if spool.refuses:
            return self._refuse(what)
        spool.wait_for_room()

    def _opened(self, what: str) -> Spool | None:
        """Where `what` is recorded; None if it is not, and that is allowed; else refuses it."""
        spool = self._spool
        if spool is None:
            self._refuse(what)
        return spool

    def _refuse(self, what: str) -> None:
        if self._disabled or self._is_silent or lifecycle.is_dying():
            return
        if self._spool is not None and self._spool.failure:
            raise LoggingError(self._spool.failure)
        if self._says_once is None:
            import multiprocessing

            how = _HOW_TO_OPEN if multiprocessing.parent_process() is None else _IN_A_CHILD
            so = f"{what} can do nothing" if what.endswith("()") else f"{what} would be lost"
            raise LoggingError(self._why_closed or how.format(what=so))
        if self._says_once:
            say(f"{what} is not recorded: {self._says_once}")
            self._says_once = ""


def told_as_lost(lost: str | None) -> str | None:
    """What a status notes of what was lost, None if nothing was."""
    return lost and f"{rundir.DATA_WAS_LOST}: {lost}"


def _no_tag(tag: Any) -> LoggingError:
    return LoggingError(f"a tag must be a text that is not empty, not {reprlib.repr(tag)}")


def _known(kinds: tuple[str, ...]) -> tuple[str, ...]:
    unknown = [kind for kind in kinds if kind not in KINDS]
    if unknown:
        raise LoggingError(f"there is no kind {unknown[0]!r}; there are {', '.join(KINDS)}")
    return kinds or KINDS


def _show(line: str, color: str | None) -> None:
    """Print a text that is recorded: stdout may be closed, a broken pipe, or unable to say it."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        if color is not None and sys.stdout.isatty() and "NO_COLOR" not in os.environ:
            line = f"\x1b[{COLORS[color]}m{line}\x1b[0m"
        try:
            print(line, flush=True)
        except UnicodeEncodeError:
            encoding = sys.stdout.encoding
            print(line.encode(encoding, "backslashreplace").decode(encoding), flush=True)
