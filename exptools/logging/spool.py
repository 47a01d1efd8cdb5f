"""Between the logger and its writers: any thread fills the spool without a lock, one thread empties it."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Generic, TypeVar

from exptools import rundir
from exptools.errors import LoggingError
from exptools.formats.rows import Row, Scalar, rows
from exptools.lifecycle import one_line
from exptools.logging.attempt import Attempt
from exptools.logging.outlet import MOST_MEDIA_BYTES, Outlet
from exptools.logging.writers.base import Media, Record, Text, Writer
from exptools.say import Once, say

FLUSH_S = 1.0
# What may wait for the writers. Who logs more waits for them; if they do not come on, what is more is lost.
MOST_SCALARS = 200_000
MOST_SCALARS_OF_A_STUCK_DISK = 2_000_000
MOST_TEXTS = 1_000_000
PATIENCE_S = 10.0
MEDIA_PATIENCE_S = 60.0  # encoding them takes time, too
LIGHT_BYTES = 2**20  # of something rich that is encoded in no time

ItemT = TypeVar("ItemT")


class Spool:
    """What has been logged and not been handed to the writers yet.

    `append` and `extend` of its lists are the whole way in: single steps of the interpreter, so that
    signal handlers, destructors and threads may log in the middle of each other's logging and nothing is lost
    or mixed up. All writing is done by the spool's own thread, which no KeyboardInterrupt reaches.
    """

    def __init__(
        self,
        writers: Mapping[str, Writer],
        *,
        run_dir: Path | None = None,
        exclude: Mapping[str, Sequence[str]] | None = None,
        attempt: Attempt | None = None,
        stop_on_failure: bool = False,
        keep_last: bool = False,
    ) -> None:
        """exclude: of a writer's name, globs of the tags that it does not get.

        attempt: what becomes of what earlier attempts of the run measured.
        keep_last: `last` can be asked. stop_on_failure: a writer that fails makes every later use of the
        logger raise.
        """
        self.scalars: list[Scalar] = []
        self.elsewhere: list[tuple[str, Scalar]] = []  # for additional outputs
        self.texts: list[Text] = []
        self.media: list[Media] = []
        self.refuses = False  # what is added after this was set may not be recorded
        self.failure: str | None = None  # why, if a writer failed and that shall stop the run
        self._run_dir = run_dir
        self._attempt = attempt or Attempt.first()
        self._stop_on_failure = stop_on_failure
        self._outlets = {name: Outlet(name, writer) for name, writer in writers.items()}
        self._outputs: dict[str, Outlet] = {}  # by their file's name
        self._closed: dict[str, Any] = {}  # where those were that have been closed
        self._keeps_last = keep_last
        self._last: dict[str, float] = {}
        self._media_bytes = 0
        self._dropped = self._dropped_media = self._dropped_texts = 0
        self._stuck = False
        self._lost: str | None = None
        self._say_once = Once()
        for name, globs in (exclude or {}).items():
            if name in self._outlets:
                self._outlets[name].globs = tuple(globs)
        # SimpleQueue.put is reentrant; None ends the thread.
        self._requests: queue.SimpleQueue[_Request[Any] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._serve, name="exptools-flush", daemon=True)
        self._thread.start()

    # --- from any thread ------------------------------------------------------------------------------

    def flush(self) -> None:
        """Return when the writers have all that was added before."""
        self.do(lambda: None)

    @property
    def is_writing_here(self) -> bool:
        """Whether this is the writing thread, which cannot wait for itself."""
        return threading.get_ident() == self._thread.ident

    def do(self, action: Callable[[], ItemT], *, first: bool = False) -> ItemT | None:
        """Let the writing thread write all and then do `action`; returns or raises what that does.

        first: do it before all is written. None if the spool is closed.
        """
        if self.is_writing_here:
            return action()  # a writer that logs
        request = _Request(action, first=first)
        self._requests.put(request)
        while not request.is_done(1.0) and self._thread.is_alive():
            pass
        return request.outcome()

    def dump(self, step: int) -> None:
        """Write all, and let those writers that show a table show it."""

        def show() -> None:
            for outlet in list(self._outlets.values()):
                outlet.dump(step)

        self.do(show)

    def add_media(self, media: Media) -> None:
        """Add something rich; where too much of it waits, wait for the writers as long as there is hope."""
        if self._is_full() and not self._has_room(MEDIA_PATIENCE_S) and self._is_full():
            self._dropped_media += 1
            self._say_once("what is logged cannot be written; from now on images and the like are LOST")
            return
        self.media.append(media)
        self._media_bytes += media.value.nbytes  # about: two threads may count over each other

    def wait_for_room(self) -> None:
        """Wait until what was added is written, as long as there is hope."""
        if not self._stuck:
            if not self._has_room(PATIENCE_S):
                most = f"{MOST_SCALARS_OF_A_STUCK_DISK:,} scalars"
                say(
                    f"what is logged could not be written for {PATIENCE_S:.0f} s; up to {most} wait in memory"
                )
        else:
            for waiting in (self.scalars, self.elsewhere):
                self._drop_behind(waiting, MOST_SCALARS_OF_A_STUCK_DISK)

    def _drop_behind(self, waiting: list[Any], most: int) -> None:
        if len(waiting) > most:
            if not self._dropped:
                say("what is logged cannot be written; from now on it is lost, until it can be again")
            self._dropped += len(waiting) - most
            del waiting[most:]

    @property
    def is_crowded(self) -> bool:
        """Whether more scalars wait than the writers take at once: who logs them waits for room."""
        return len(self.scalars) > MOST_SCALARS or len(self.elsewhere) > MOST_SCALARS

    def add_text(self, text: Text) -> None:
        """Add a text; never waits. What is more than MOST_TEXTS is lost, which is said."""
        if len(self.texts) < MOST_TEXTS:
            self.texts.append(text)
            return
        self._dropped_texts += 1
        if self._dropped_texts == 1:
            say(f"{MOST_TEXTS:,} texts wait to be written, the most that may; what is more is LOST")

    @property
    def names(self) -> tuple[str, ...]:
        """Of the writers, additional outputs that get everything among them."""
        return tuple(self._outlets)

    def _is_full(self) -> bool:
        """Whether as much of media waits as may."""
        return self._media_bytes > MOST_MEDIA_BYTES

    def _has_room(self, patience_s: float) -> bool:
        """Whether what was added is written after some time, or may yet be."""
        if not self._stuck and not self.is_writing_here:
            request = _Request(lambda: None)
            self._requests.put(request)
            self._stuck = not request.is_done(patience_s) and self._thread.is_alive()
        return not self._stuck

    def exclude(self, tags: Iterable[str], names: Collection[str]) -> None:
        """Keep these tags from the writers of these names, from now on.

        Raises:
            LoggingError: there is no such writer.
        """
        if isinstance(names, str):
            names = (names,)
        for name in names:
            outlet = self._outlets.get(name)
            if outlet is None:
                there = ", ".join(self._outlets)
                raise LoggingError(f"there is no writer {name!r} to exclude; there are {there}")
            outlet.exclude(frozenset(tags))

    def expect_output(self, filename: str, takes: str) -> None:
        """Raises LoggingError unless an additional output of that name takes "scalar" or "text"."""
        if filename not in self._outputs or self._outputs[filename].takes != takes:
            there = (
                ", ".join(repr(name) for name, one in self._outputs.items() if one.takes == takes) or "none"
            )
            raise LoggingError(
                f"there is no additional {takes} output {filename!r} (open: {there}); open it by "
                f"`with logger.additional_{takes}_output(filename):`"
            )

    def add_output(self, filename: str, takes: str, make: Callable[[Path], Writer], everything: bool) -> None:
        """Open an additional output; `everything`: it gets what the run's own file gets, too.

        Raises:
            LoggingError: it is open already, or the file would not be inside the run directory.
        """
        path = self.path_of(filename)
        if filename in self._outputs or path.name in (rundir.PROGRESS, rundir.DEBUG_LOG):
            raise LoggingError(f"the output {filename!r} is open already")

        def add() -> None:
            path.parent.mkdir(parents=True, exist_ok=True)
            outlet = self._outputs[filename] = Outlet(filename, make(path), takes)
            if (
                takes == "text" and self._attempt.has_begun
            ):  # scalars wait for the first one, which has a step
                outlet.begin(self._attempt, 0, self._closed.get(filename))
            if everything:
                self._outlets[filename] = outlet

        self.do(add)

    def remove_output(self, filename: str, takes: str) -> None:
        """Write what is left for an additional output and close it."""
        self.expect_output(filename, takes)

        def remove() -> None:
            outlet = self._outputs.pop(filename)
            self._outlets.pop(filename, None)
            self._closed[filename] = outlet.writer.position()
            if outlet.n_given == 0:
                say(f"the additional output {filename!r} was given nothing; name it by filename={filename!r}")
            self._keep_note(outlet.close())

        self.do(remove)

    def hold(self, name: str, held: bool) -> None:
        """Let a writer or an additional output pass over what comes, or take it again.

        Raises:
            LoggingError: there is no such writer.
        """
        found = self._outlets.get(name) or self._outputs.get(name)
        if found is None:
            there = ", ".join({**self._outlets, **self._outputs})
            raise LoggingError(f"there is no output {name!r} to hold; there are {there}")
        self.do(lambda: setattr(found, "held", held))

    def is_held(self, name: str) -> bool:
        """Whether an output was held and not released."""
        found = self._outlets.get(name) or self._outputs.get(name)
        return found is not None and found.held

    def positions(self) -> dict[str, Any]:
        """How far each file is written, once all that was added before is in them."""
        open_now = {**self._outlets, **self._outputs}
        written = self.do(lambda: {name: outlet.writer.position() for name, outlet in open_now.items()})
        return {**self._closed, **(written or {})}

    def go_on_from(self, step: int, positions: Mapping[str, Any]) -> None:
        """The run goes on from a snapshot: cut the files back to where they were then, before anything is
        written.

        Once this attempt has written measurements nothing is cut.

        Raises:
            OSError: that is not possible; nothing is written then.
        """

        def begin() -> None:
            if self._attempt.has_begun and not self._attempt.is_presumed:
                return
            was_cut = self._attempt.has_begun
            self._attempt.go_on_from(step, positions)
            if not was_cut:
                self._closed = {k: v for k, v in positions.items() if k not in self._outlets}
                for outlet in {**self._outlets, **self._outputs}.values():
                    outlet.begin(self._attempt, step + 1)

        self.do(begin, first=True)

    def begin_anew(self) -> Path | None:
        """If this attempt was only taken for one that goes on from a snapshot: it does not.

        Returns where earlier snapshots belong then, else None.
        """

        def begin() -> Path | None:
            if not self._attempt.is_presumed:
                return None
            cut = self._attempt.begin_anew()
            for outlet in self._outlets.values():
                outlet.writer.cut_back(cut)
            self._attempt.begin()
            return cut.aside

        return self.do(begin)

    def last(self, tag: str) -> float | None:
        """The value that was written last for a tag, None if there was none."""
        return self.do(lambda: self._last.get(tag))

    def path_of(self, filename: str) -> Path:
        """Where a file of the run lies.

        Raises:
            LoggingError: the run has no directory, or the file would not be inside it.
        """
        if self._run_dir is None:
            raise LoggingError(f"this logger has no directory for {filename!r}")
        path = (self._run_dir / filename).absolute()
        if (
            not filename
            or path == self._run_dir
            or not path.resolve().is_relative_to(self._run_dir.resolve())
        ):
            raise LoggingError(f"{filename!r} must be a file inside the run directory {self._run_dir}")
        return path

    def lost(self) -> str | None:
        """What is lost so far in one line, None if nothing is."""
        outlets = {**self._outlets, **self._outputs}.values()
        counts = {
            "scalars": self._dropped,
            "images and the like": self._dropped_media,
            "texts": self._dropped_texts,
        }
        dropped = [f"{n:,} {what} did not find room in memory" for what, n in counts.items() if n]
        lost = (self._lost, *dropped, *(outlet.lost() for outlet in outlets))
        return "; ".join(filter(None, lost)) or None

    def close(self) -> str | None:
        """Hand over what is left and close the writers; what was lost in one line, None if nothing was.

        May be called again, by another thread too, when an interrupt has broken the first call off.
        """
        self.refuses = True
        self._requests.put(None)
        self._thread.join()
        return self.lost()

    # --- in the writing thread ------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                request = self._requests.get(timeout=FLUSH_S)
            except queue.Empty:
                self._hand_over()
                continue
            if request is None or not request.first:
                self._hand_over()
            if request is None:
                break
            request.run()
        for outlet in {**self._outlets, **self._outputs}.values():
            self._keep_note(outlet.close())
        self._outlets, self._outputs = {}, {}

    def _keep_note(self, lost: str | None) -> None:
        self._lost = "; ".join(filter(None, (self._lost, lost))) or None

    def _hand_over(self) -> None:
        if not self._may_begin():
            return
        self._media_bytes = 0
        media = taken(self.media)
        n = next((i for i, m in enumerate(media) if m.value.nbytes > LIGHT_BYTES), len(media))
        # Hyperparameters come before all: they begin the event file.
        later = [m for m in media[n:] if m.value.kind != "hparams"]
        self._hand_over_numbers([*media[:n], *(m for m in media[n:] if m.value.kind == "hparams")])
        flushed = time.monotonic()
        for one in later:
            for _ in self._encoding(one, flushed):
                self._hand_over_numbers()
                flushed = time.monotonic()
            for outlet in list(self._outlets.values()):
                self._write(outlet, [one])
        self._stuck = False

    def _encoding(self, media: Media, flushed: float) -> Iterator[None]:
        """Let a thread encode something rich; comes back each time when numbers have waited long enough.

        A video takes a minute, and numbers must not wait for it.
        """
        wanted = {outlet.name for outlet in self._outlets.values() if outlet.takes_media(media)}
        thread = threading.Thread(target=_encode, args=(media, wanted), name="exptools-encode", daemon=True)
        try:
            thread.start()
        except RuntimeError:  # the interpreter ends, or there are too many: the writers do it
            return
        while True:
            thread.join(max(0.0, flushed + FLUSH_S - time.monotonic()))
            if time.monotonic() >= flushed + FLUSH_S:
                yield
                flushed = time.monotonic()
            if not thread.is_alive():
                return

    def _hand_over_numbers(self, media: Sequence[Media] = ()) -> None:
        """Hand over scalars and texts, and these media behind them."""
        scalars = taken(self.scalars)
        if scalars and self._keeps_last:
            self._last.update((tag, value) for _, _, tag, value in scalars)
        texts = taken(self.texts)
        records: list[Record] = [*rows(scalars), *(t for t in texts if t.output is None), *media]
        for outlet in list(self._outlets.values()):
            self._write(outlet, records)
        for filename, theirs in self._elsewhere([t for t in texts if t.output is not None]).items():
            if filename in self._outputs:
                self._write(self._outputs[filename], theirs)

    def _elsewhere(self, texts: Sequence[Text]) -> dict[str, list[Record]]:
        """What is for additional outputs alone, by their names."""
        found: dict[str, list[Record]] = {}
        scalars: dict[str, list[Scalar]] = {}
        for filename, scalar in taken(self.elsewhere):
            scalars.setdefault(filename, []).append(scalar)
        for filename, theirs in scalars.items():
            found[filename] = list(rows(theirs))
        for text in texts:
            found.setdefault(str(text.output), []).append(text)
        return found

    def _may_begin(self) -> bool:
        """Whether what is there can be written: before the first measurement the files are put in order."""
        if self._attempt.has_begun:
            return True
        steps = [s[0] for s in self.scalars[:1]] + [m.step for m in self.media[:1]]
        if not steps:
            return True
        try:
            self._attempt.decide(min(steps))
            for outlet in self._outlets.values():
                outlet.begin(self._attempt, min(steps))
            self._attempt.begin()
        except Exception as error:
            self._fail(
                f"the files of the last attempt could not be put aside ({one_line(error)})", say_it=True
            )
            return False
        return True

    def _write(self, outlet: Outlet, records: Sequence[Record]) -> None:
        rows = [r for r in records[:1] if isinstance(r, Row)]
        if outlet.name in self._outputs and rows and not outlet.has_begun:
            outlet.begin(self._attempt, rows[0].step, self._closed.get(outlet.name))
        failure = outlet.write(records)
        if failure is not None:
            self._fail(failure)

    def _fail(self, failure: str, say_it: bool = False) -> None:
        if say_it:
            self._say_once(f"{failure}; what is logged waits in memory and is tried again")
        if self._stop_on_failure and self.failure is None:
            self.failure = f"the run is stopped, as it was asked for: {failure}"
            self.refuses = True


def _encode(media: Media, wanted: Collection[str]) -> None:
    """Let a rich value make what writers will ask it for, and keep it; errors come again when they ask."""
    with contextlib.suppress(Exception):
        if "tensorboard" in wanted:
            media.value.summaries(media.tag)
        if "media" in wanted:
            media.value.files()


def taken(items: list[ItemT]) -> list[ItemT]:
    """What is in the list now, taken out of it: a single step, so what is appended meanwhile stays."""
    found = items[:]
    del items[: len(found)]
    return found


class _Request(Generic[ItemT]):
    """Something to be done by the writing thread; `first`: before what waits is written."""

    def __init__(self, action: Callable[[], ItemT], *, first: bool = False) -> None:
        self.first = first
        self._action = action
        self._error: BaseException | None = None
        self._result: ItemT | None = None
        self._done = threading.Lock()
        self._done.acquire()

    def run(self) -> None:
        try:
            self._result = self._action()
        except BaseException as error:
            self._error = error
        self._done.release()

    def is_done(self, timeout_s: float) -> bool:
        return self._done.acquire(timeout=timeout_s)

    def outcome(self) -> ItemT | None:
        if self._error is not None:
            raise self._error
        return self._result
