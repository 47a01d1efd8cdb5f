"""The life of a run in this process: it owns status.json, from RUNNING to exactly one end."""

from __future__ import annotations

import atexit
import contextlib
import dataclasses
import os
import queue
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any

from exptools import rundir
from exptools.errors import ExptoolsError
from exptools.rundir import State, Status
from exptools.say import say


@dataclasses.dataclass(frozen=True)
class Ending:
    """How a run ended.

    exit_code: as a shell would see it, negative for a signal. error: one line. returned: plain data.
    """

    state: State
    exit_code: int | None = None
    error: str | None = None
    note: str | None = None
    returned: Any = None

    @classmethod
    def told_by(cls, status: Status) -> Ending:
        """The ending that a status tells of."""
        return cls(status.state, status.exit_code, status.error, status.note, status.returned)


EXIT_PREEMPTED = 75  # EX_TEMPFAIL of sysexits.h: come again later


def ending(error: BaseException | None) -> Ending:
    """The ending that belongs to what left the job: None for a normal return.

    PREEMPTED: it was asked to stop, has seen that, and then returned or left by sys.exit(EXIT_PREEMPTED).
    """
    if _stop.seen and (error is None or _left_in_order(error)):
        code = EXIT_PREEMPTED if isinstance(error, SystemExit) and error.code else 0
        return Ending(State.PREEMPTED, code, f"stopped as asked by {_stop.reason}")
    if error is None:
        return Ending(State.COMPLETED, 0)
    if isinstance(error, KeyboardInterrupt):
        return Ending(State.INTERRUPTED, 130, "KeyboardInterrupt")
    if not isinstance(error, SystemExit):
        return Ending(State.FAILED, 1, one_line(error))
    if isinstance(error.__context__, KeyboardInterrupt) and isinstance(error.code, int):
        # `except KeyboardInterrupt: sys.exit(1)`, as Lightning does.
        return Ending(State.INTERRUPTED, error.code, "KeyboardInterrupt")
    if error.code is None or error.code == 0:
        return Ending(State.COMPLETED, 0, note="the job ended by sys.exit(0)")
    if isinstance(error.code, int):
        why = error.__cause__ if isinstance(error.__cause__, ExptoolsError) else None  # see ends_the_command
        return Ending(State.FAILED, error.code, one_line(why) if why else f"SystemExit: {error.code}")
    return Ending(State.FAILED, 1, one_line(error))


def _left_in_order(error: BaseException) -> bool:
    return isinstance(error, SystemExit) and error.code in (None, 0, EXIT_PREEMPTED)


_INTERRUPTS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)


def by_signal(number: int) -> Ending:
    """The ending of a run whose process was ended by a signal."""
    name = signal.Signals(number).name if number in list(signal.Signals) else f"signal {number}"
    if number in _INTERRUPTS:
        return Ending(State.INTERRUPTED, -number, f"ended by {name}")
    return Ending(State.FAILED, -number, f"killed by {name}")


def one_line(error: BaseException, limit: int = 500) -> str:
    """Type and text of an exception on one line of at most `limit` characters."""
    text = " ".join("".join(traceback.format_exception_only(type(error), error)).split())
    text = text.removeprefix("__mp_main__.")  # the script, as it is called in a job
    return text if len(text) <= limit else text[: limit - 3] + "..."


class Lifecycle:
    """Keeps status.json of one run up to date while this process works on it.

    It ends once, by whichever comes first: `end`, an uncaught exception, the exit of the interpreter or
    a signal such as SIGTERM. Functions given to `before_end` run first (the logger closes its files there).
    """

    def __init__(self, run_dir: str | os.PathLike[str], **facts: Any) -> None:
        self.run_dir = Path(run_dir).resolve()
        self._directory = os.open(self.run_dir, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        now = time.time()
        self._status = Status(State.RUNNING, start=now, heartbeat=now, **rundir.of_this_process(), **facts)
        rundir.write_status(self.run_dir, self._status, self._directory)
        self._pid = os.getpid()
        self._lock = threading.RLock()
        self.is_recorded: bool | None = None  # whether its provenance is; None while nobody has decided
        self._said = False
        self._ended = threading.Event()
        self._bell: queue.SimpleQueue[int | None] = queue.SimpleQueue()  # may be rung by signal handlers
        self._closers: list[Callable[[], str | None]] = []
        self._remarks: list[Callable[[], str | None]] = []
        self._told: list[Callable[[Status], None]] = []
        _hooks.add(self)
        self._thread = threading.Thread(target=self._beat, name="exptools-heartbeat", daemon=True)
        self._thread.start()

    def before_end(self, close: Callable[[], str | None]) -> None:
        """Run `close` before the end is written; what it returns becomes a note of the status."""
        self._closers.append(close)

    def while_running(self, remark: Callable[[], str | None]) -> None:
        """Ask `remark` at every heartbeat for what the status shall note, None if there is nothing to say."""
        self._remarks.append(remark)

    def after_end(self, tell: Callable[[Status], None]) -> None:
        """Let `tell` know the end, after it is written; what it takes longer does not make the run longer."""
        self._told.append(tell)

    @property
    def start(self) -> float | None:
        """When it began, in seconds since the epoch."""
        return self._status.start

    @property
    def attempt(self) -> int:
        """Which attempt of its run this is, from 1 on."""
        return self._status.attempt

    def end(self, how: Ending) -> None:
        """Write the end of the run. Only the first call counts, and only in the process that began it."""
        if not self.is_ours:
            return  # before the lock: the parent's may have been held at the fork
        with self._lock:
            if self._ended.is_set():
                return
            lost = [self._close(c) for c in reversed(self._closers)]
            for note in filter(None, lost):
                say(f"{self.run_dir}: {note}")
            notes = [how.note, *lost]
            self._ended.set()
            self._bell.put(None)
            now = time.time()
            self._write(
                state=how.state,
                exit_code=how.exit_code,
                error=how.error,
                returned=how.returned,
                note="; ".join(n for n in notes if n) or None,
                heartbeat=now,
                end=now,
            )
            for tell in self._told:
                self._tell(tell)
        os.close(self._directory)
        _hooks.remove(self)
        _forget(self)

    @property
    def is_ours(self) -> bool:
        """Whether this process began it: not a fork of that one."""
        return os.getpid() == self._pid

    @property
    def ended(self) -> bool:
        """Whether the end has been written."""
        return self._ended.is_set()

    def _tell(self, tell: Callable[[Status], None]) -> None:
        try:
            tell(self._status)
        except Exception as error:
            say(f"{self.run_dir}: {one_line(error)}")

    @staticmethod
    def _close(close: Callable[[], str | None]) -> str | None:
        try:
            return close()
        except Exception as error:
            return f"closing failed: {one_line(error)}"

    def _write(self, **changes: Any) -> None:
        self._status = dataclasses.replace(self._status, **changes)
        try:
            rundir.write_status(self.run_dir, self._status, self._directory)
        except OSError as error:
            # That must not end a training; the next beat tries again.
            if not self._said or self._status.state.ended:
                self._said = True
                say(f"{self.run_dir}: status {self._status.state} not written ({error.strerror})")

    def _beat(self) -> None:
        number: int | None = None
        while not self._ended.is_set():
            with contextlib.suppress(queue.Empty):
                number = self._bell.get(timeout=rundir.HEARTBEAT_S)
            if number is not None:
                _hooks.die(number)
            with self._lock:
                if not self._ended.is_set():
                    said = [remark() for remark in self._remarks]
                    self._write(heartbeat=time.time(), note="; ".join(filter(None, said)) or None)


@dataclasses.dataclass
class _Stop:
    """What was asked of this process by a signal.

    polled: the run asks for it, so a first signal leaves the end to the run. reason: the signal's name.
    seen: the run has been told.
    """

    polled: bool = False
    reason: str | None = None
    seen: bool = False


_stop = _Stop()


def should_stop() -> bool:
    """Whether a signal asks the run to save and end. Who asks once is trusted to ask again.

    SIGTERM, SIGUSR1 and SIGUSR2 are such signals; a second SIGTERM ends the process as it would without
    exptools.
    """
    _stop.polled = True
    _stop.seen = _stop.reason is not None
    return _stop.seen


def stop_reason() -> str | None:
    """The name of the signal that asks the run to end, None if none came."""
    return _stop.reason


_warnings: set[int] = set()


def expect_warning(number: int) -> None:
    """A scheduler sends this signal some time before it ends this process: who does not ask may go on.

    It may also send a signal that the launcher passes on, so that it comes twice.
    """
    if signal.getsignal(number) is signal.SIG_IGN:  # so that it did not end Python while it started
        signal.signal(number, signal.SIG_DFL)
    _warnings.add(number)


def listen() -> None:
    """Let signals ask this process to stop although no run is its own: it is a task beside rank 0."""
    _hooks.listen()


# What ends a process that does not handle it, and can be sent by a shell, a terminal or a scheduler.
_SIGNALS = (signal.SIGTERM, signal.SIGHUP, signal.SIGXCPU, signal.SIGUSR1, signal.SIGUSR2)
_ECHO_S = 1.0
_ASKS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGUSR2)


class _Hooks:
    """What the runs of this process listen to, from the first that begins to the last that ends."""

    def __init__(self) -> None:
        self._lives: list[Lifecycle] = []
        self._uncaught: BaseException | None = None
        self.dying = False  # by a signal: the files are or will be closed, and the process ends soon
        self._excepthook = sys.excepthook
        self._handled: list[signal.Signals] = []
        self._forking = threading.local()
        self._last: tuple[int, float] | None = None  # signal, and when it came

    def add(self, life: Lifecycle) -> None:
        self._lives = [one for one in self._lives if one.is_ours]  # others are those of a parent that forked
        self._lives.append(life)
        if len(self._lives) > 1:
            return
        global _stop
        _stop = _Stop()  # another run of this process is not asked for what the last was
        self._uncaught = None
        self._excepthook = sys.excepthook
        sys.excepthook = self._on_uncaught
        atexit.register(self._at_exit)
        self.listen()

    def listen(self) -> None:
        self._handled = [s for s in _SIGNALS if self._in_main() and signal.getsignal(s) is signal.SIG_DFL]
        for number in self._handled:
            signal.signal(number, self._on_signal)

    def remove(self, life: Lifecycle) -> None:
        self._lives = [one for one in self._lives if one is not life]
        if self._lives:
            return
        if sys.excepthook == self._on_uncaught:
            sys.excepthook = self._excepthook
        atexit.unregister(self._at_exit)
        for number in self._handled:
            if self._in_main() and signal.getsignal(number) == self._on_signal:
                signal.signal(number, signal.SIG_DFL)

    def die(self, number: int) -> None:
        """End all runs, and the process by this signal: as without exptools, only with closed files."""
        self.dying = True
        self._end_all(by_signal(number))
        os.kill(os.getpid(), number)

    def _end_all(self, how: Ending) -> None:
        for life in reversed(self._lives):
            life.end(how)

    def _on_uncaught(
        self, kind: type[BaseException], error: BaseException, trace: TracebackType | None
    ) -> None:
        self._uncaught = error
        self._excepthook(kind, error, trace)

    def _at_exit(self) -> None:
        if self._uncaught is not None:
            self._end_all(ending(self._uncaught))
        elif _stop.seen:
            self._end_all(ending(None))
        else:
            note = "the interpreter exited inside the job; its exit code is not known"
            self._end_all(Ending(State.INTERRUPTED, note=note))

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        # Only flags here: a heartbeat's thread does the work, since this may have interrupted anything.
        if _warnings and self._is_echo(number):
            return
        if number in _warnings and not _stop.polled:
            _stop.reason = _stop.reason or signal.Signals(number).name
            return
        asked_before = _stop.reason == signal.Signals(number).name
        if number in _ASKS and _stop.polled and not (asked_before and number == signal.SIGTERM):
            if _stop.reason is None or number == signal.SIGTERM:
                _stop.reason = signal.Signals(number).name
            return
        signal.signal(number, signal.SIG_DFL)
        life = next((one for one in self._lives if one.is_ours), None)
        if life is None:
            os.kill(os.getpid(), number)  # a forked child has no such thread
        else:
            life._bell.put(number)

    def _is_echo(self, number: int) -> bool:
        """Whether the same signal came a moment ago."""
        now = time.monotonic()
        is_echo = self._last is not None and self._last[0] == number and now - self._last[1] < _ECHO_S
        self._last = self._last if is_echo else (number, now)
        return is_echo

    def before_fork(self) -> None:
        """Hold back SIGTERM: one that came to a child as early as this would be lost with the handler."""
        ours = signal.getsignal(signal.SIGTERM) == self._on_signal
        self._forking.mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM}) if ours else None

    def after_fork_in_child(self) -> None:
        """SIGTERM ends a child at once, as without exptools: only the run's own process is asked to stop.

        multiprocessing ends the processes of a pool by SIGTERM and waits for them; one that only notes it, or
        that waits in a lock where no handler of Python is called, would never end.
        """
        if self._forking.mask is not None:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
        self.after_fork()

    def after_fork(self) -> None:
        """Let SIGTERM through again."""
        if self._forking.mask is not None:
            signal.pthread_sigmask(signal.SIG_SETMASK, self._forking.mask)

    @staticmethod
    def _in_main() -> bool:
        return threading.current_thread() is threading.main_thread()


_hooks = _Hooks()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_hooks.before_fork,
        after_in_parent=_hooks.after_fork,
        after_in_child=_hooks.after_fork_in_child,
    )
_current: Lifecycle | None = None


def begin(run_dir: str | os.PathLike[str], **facts: Any) -> Lifecycle:
    """Begin the life of the run in `run_dir`; `facts` are fields of Status such as slot and cpus.

    Raises:
        OSError: the directory cannot be written.
    """
    global _current
    _current = Lifecycle(run_dir, **facts)
    return _current


def current(run_dir: str | os.PathLike[str]) -> Lifecycle | None:
    """The life that this process began for `run_dir` and that has not ended, or None."""
    if _current is None or _current.ended or _current.run_dir != Path(run_dir).resolve():
        return None
    return _current


def running() -> Lifecycle | None:
    """The life that this process began last, if it has not ended."""
    return _current


def is_dying() -> bool:
    """Whether a signal is ending this process: what is logged now is not recorded, and that is no error."""
    return _hooks.dying


def uncaught() -> BaseException | None:
    """The exception that ends this process, None if there is none."""
    return _hooks._uncaught


def _forget(life: Lifecycle) -> None:
    global _current
    if _current is life:
        _current = None
