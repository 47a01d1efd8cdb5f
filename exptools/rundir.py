"""The run directory: the contract between launching (makes it), logging (fills it) and viewing (reads it).

Names of its files, its JSON files and how they are written. docs/architecture.md shows a whole tree.
"""

from __future__ import annotations

import contextlib
import dataclasses
import enum
import errno
import fcntl
import functools
import json
import os
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from exptools.errors import RunDirError
from exptools.say import say

STATUS = "status.json"
VARIANT = "variant_config.json"
PROVENANCE = "provenance.json"
SWEEP = "sweep.json"
PROGRESS = "progress.csv"
STDOUT = "stdout.log"
DEBUG_LOG = "debug.log"
HYDRA = ".hydra"
DATA_WAS_LOST = "data was lost"  # in the note of a status: what could not be written follows
SNAPSHOTS = "snapshots"
MEDIA = "media"  # what is rich: images, sounds, tables, ...
MEDIA_INDEX = "media.jsonl"  # a line for each of them: step, wall_time, kind, tag, files, facts
ORPHANED = ".orphaned"  # what earlier attempts measured; hidden, so that no viewer takes it for the run's
EVENTS_INFIX = "tfevents"
OWN_EVENTS_SUFFIX = ".exptools"  # an event file that is a view of progress.csv ends so

HEARTBEAT_S = 5.0
STALE_AFTER_S = 60.0


class State(str, enum.Enum):
    """The states of a run; STALE is never written, it is how an old heartbeat is shown."""

    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    INTERRUPTED = "INTERRUPTED"
    TIMEOUT = "TIMEOUT"
    PREEMPTED = "PREEMPTED"
    STALE = "STALE"

    def __str__(self) -> str:
        return self.value

    @property
    def ended(self) -> bool:
        """Whether a run in this state has come to its end."""
        return self not in (State.QUEUED, State.RUNNING, State.STALE)


@dataclasses.dataclass(frozen=True)
class Status:
    """What status.json says of a run. Times are seconds since the epoch, None where unknown."""

    state: State
    attempt: int = 1
    pid: int | None = None
    host: str | None = None
    job_id: str | None = None  # of the scheduler that gave its place, if one did
    pid_space: str | None = None  # where that pid means that process: a boot, and a namespace of pids
    slot: int | None = None
    affinity_code: str | None = None
    cpus: tuple[int, ...] | None = None  # the mask that really took effect
    gpus: tuple[str, ...] | None = None  # the entries of CUDA_VISIBLE_DEVICES
    start: float | None = None
    heartbeat: float | None = None
    end: float | None = None
    exit_code: int | None = None  # negative: the signal that ended the process
    error: str | None = None  # one line
    note: str | None = None
    returned: Any = None  # what the job returned, if JSON can say it

    def duration_s(self, now: float) -> float | None:
        """Seconds from start to end, to the last sign of life of a stale run, or until `now`."""
        if self.start is None:
            return None
        if self.end is not None:
            return self.end - self.start
        if self.shown(now) is State.STALE and self.heartbeat is not None:
            return self.heartbeat - self.start
        return now - self.start

    def shown(self, now: float) -> State:
        """The state to show at `now`; STALE: RUNNING without a sign of life, or QUEUED without a launcher."""
        if self.state is State.QUEUED:
            return State.STALE if self._is_gone() else self.state
        beat = self.heartbeat or self.start
        if self.state is not State.RUNNING or beat is None:
            return self.state
        # A container may share the host's name and not its processes: a fresh heartbeat counts for more.
        when_gone_s = 0.0 if self.is_of_this_space else 3 * HEARTBEAT_S
        patience_s = when_gone_s if self._is_gone() else STALE_AFTER_S
        return State.STALE if now - beat > patience_s else self.state

    @property
    def is_of_this_space(self) -> bool:
        """Whether its process, if it lives, can be seen from here."""
        return self.pid_space is not None and self.pid_space == pid_space()

    def _is_gone(self) -> bool:
        """Whether the process was on this machine and is not there any more."""
        if self.pid is None or self.host != socket.gethostname():
            return False
        if self.pid_space is not None and self.pid_space.split("/")[0] != pid_space().split("/")[0]:
            return True  # the machine was started anew
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is somebody else's
            return False
        return False


@functools.cache
def pid_space() -> str:
    """The boot of this machine and the pid namespace of this process; "" where that is not known."""
    with contextlib.suppress(OSError):
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot}/{os.stat('/proc/self/ns/pid').st_ino}"
    return ""


def of_this_process() -> dict[str, Any]:
    """The fields of a status that say which process it is."""
    return {"pid": os.getpid(), "host": socket.gethostname(), "pid_space": pid_space() or None}


def queued(attempt: int = 1, *, is_ours: bool = True) -> Status:
    """The status of a run that this process is going to launch, or a scheduler if it is not `is_ours`."""
    return Status(State.QUEUED, attempt, **(of_this_process() if is_ours else {}))


_NUMBER = (int, float)
_TYPES: dict[str, type | tuple[type, ...]] = {
    **dict.fromkeys(("state", "host", "job_id", "pid_space", "affinity_code", "error", "note"), str),
    **dict.fromkeys(("attempt", "pid", "slot", "exit_code"), int),
    **dict.fromkeys(("start", "heartbeat", "end"), _NUMBER),
    **dict.fromkeys(("cpus", "gpus"), list),
    "returned": object,
}


def write_status(run_dir: str | os.PathLike[str], status: Status, dir_fd: int | None = None) -> None:
    """Replace status.json in `run_dir` atomically; on a full disk it is written over in its place.

    dir_fd: `run_dir` opened, so that it may be renamed meanwhile.
    """
    fields = {k: v for k, v in dataclasses.asdict(status).items() if v is not None}
    content = as_json(fields)
    path = Path(run_dir, STATUS)
    try:
        write_atomically(path, content, durable=False, dir_fd=dir_fd)
    except OSError as error:
        if error.errno not in (errno.ENOSPC, errno.EDQUOT):
            raise
        try:
            fd = os.open(STATUS if dir_fd is not None else path, os.O_RDWR, dir_fd=dir_fd)
        except OSError:
            raise error from None
        with open(fd, "r+b", buffering=0) as file:
            file.write(content)
            file.truncate()


def read_status(run_dir: str | os.PathLike[str]) -> Status | None:
    """The status of a run; None where exptools wrote none.

    Raises:
        RunDirError: status.json is not what exptools writes.
    """
    path = Path(run_dir, STATUS)
    try:
        fields = read_json(path)
    except FileNotFoundError:
        return None
    try:
        known = {f.name for f in dataclasses.fields(Status)}
        values = {k: v for k, v in fields.items() if k in known}  # a later version may say more
        for key, value in values.items():
            if not isinstance(value, _TYPES[key]) or (isinstance(value, bool) and key != "returned"):
                raise TypeError(f"{key} is {value!r}")
        values["state"] = State(values["state"])
        for key in ("cpus", "gpus"):
            if key in values:
                values[key] = tuple(values[key])
        return Status(**values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirError(f"{path}: not a status that exptools wrote ({error})") from error


def write_json(path: str | os.PathLike[str], value: Any, *, durable: bool = True) -> None:
    """Write `value` as JSON to `path` atomically; see write_atomically."""
    write_atomically(path, as_json(value), durable=durable)


def as_json(value: Any) -> bytes:
    """`value` as the JSON files have it."""
    return (json.dumps(value, indent=1, default=_jsonable) + "\n").encode()


def read_json(path: str | os.PathLike[str], dir_fd: int | None = None) -> Any:
    """Read a JSON file. dir_fd: its directory, opened, so that that may be renamed meanwhile.

    Raises:
        FileNotFoundError: there is none.
        RunDirError: it cannot be read, or is not JSON.
    """
    try:
        with open(path, "rb", opener=lambda name, flags: os.open(name, flags, dir_fd=dir_fd)) as file:
            return json.loads(file.read())
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error
    except OSError as error:
        raise RunDirError(f"{path}: cannot be read ({error.strerror})") from error
    except RecursionError as error:
        raise RunDirError(f"{path}: not JSON of exptools (it is nested too deeply)") from error
    except ValueError as error:
        raise RunDirError(f"{path}: not JSON, perhaps half written ({error})") from error


def write_atomically(
    path: str | os.PathLike[str], content: bytes, *, durable: bool = True, dir_fd: int | None = None
) -> None:
    """Replace the file at `path` by `content`: a reader sees the old file or the new one, whole.

    durable: that holds after a power cut too, for the price of a disk flush. dir_fd: the directory of `path`,
    opened; without it `path` is found by name.
    """
    path = Path(path)
    directory = Path() if dir_fd is not None else path.parent
    temporary = directory / temporary_name(path.name)
    try:
        fd = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666, dir_fd=dir_fd)
        with open(fd, "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(fd)
        os.replace(temporary, directory / path.name, src_dir_fd=dir_fd, dst_dir_fd=dir_fd)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary, dir_fd=dir_fd)
        raise


def temporary_name(name: str) -> str:
    """A hidden name for what is going to take the place of the file `name` beside it."""
    return f".{name}.{os.getpid()}.{os.urandom(4).hex()}"


def sync(path: Path) -> None:
    """Return when the disk has the file or, for a directory, its names."""
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # a file system that knows no such thing
            raise
    finally:
        os.close(fd)


def _jsonable(value: Any) -> Any:
    """What json cannot say itself: enums by value, numpy scalars by item, everything else by repr."""
    if isinstance(value, enum.Enum):
        return value.value
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    item = getattr(value, "item", None)
    if callable(item) and getattr(value, "ndim", None) == 0:
        return item()
    return repr(value)


def is_run(path: Path) -> bool:
    """Whether `path` is the directory of a run of exptools or of a Hydra job."""
    return (path / VARIANT).exists() or holds_more_than_a_config(path)


def holds_more_than_a_config(path: Path) -> bool:
    """Whether a run has left more in `path` than variant_config.json.

    run_experiments writes that alone into the directory of a setting, above its runs.
    """
    return any(os.path.exists(path / name) for name in (STATUS, PROGRESS, HYDRA))


@contextlib.contextmanager
def claimed(path: Path, *, wait: bool = True) -> Iterator[None]:
    """Let no other process claim the directory `path` inside the block.

    Raises:
        RunDirError: somebody else has claimed it, and we do not `wait`.
    """
    fd, owner = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)), os.getpid()
    try:
        fcntl.flock(fd, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(fd)
        raise RunDirError(f"{path} is in use by another process") from None
    except OSError:
        pass  # a file system without locks
    try:
        yield
    finally:
        if os.getpid() == owner:
            # A child that another thread has just forked has the lock, too, until it executes its command.
            with contextlib.suppress(OSError):
                fcntl.flock(fd, fcntl.LOCK_UN)
        os.close(fd)


@contextlib.contextmanager
def claimed_for_a_sweep(path: Path) -> Iterator[None]:
    """Let no other process run a sweep in the directory `path` inside the block.

    Raises:
        RunDirError: another one does.
    """
    with contextlib.ExitStack() as claim:
        try:
            claim.enter_context(claimed(path, wait=False))
        except RunDirError as error:
            raise RunDirError(
                f"{error} that runs a sweep (two that begin in one second get the same directory "
                "by default); wait for its end, or give this one another by hydra.sweep.dir="
            ) from error
        yield


def trouble(path: Path, *, may_have_measured: bool = False) -> str | None:
    """Why `path` cannot become the directory of a new run, or None if it can.

    may_have_measured: it is a further attempt of the run that lies there.

    A directory that holds measurements is left alone, since the new ones would mix with them, and so is one
    in which a run is going on or about to begin. What only ever said that it had run may run there again.
    """
    try:
        status = read_status(path)
    except RunDirError as error:
        if not may_have_measured:
            return str(error)
        status = None
    if status is not None and _goes_on(status):
        by = f" by process {status.pid} on {status.host}" if status.pid is not None else ""
        return f"{path} is in use{by} ({status.state})"
    measured = next((name for name in (PROGRESS, MEDIA_INDEX, SNAPSHOTS) if (path / name).exists()), None)
    measured = measured or next((p.name for p in sorted(path.glob(f"*{EVENTS_INFIX}*"))), None)
    if measured is not None and not may_have_measured:
        state = f"{status.state}, " if status is not None else ""
        return f"{path} already holds a run ({state}{measured})"
    return None


def at_work(path: Path) -> Status | None:
    """The status of the run that goes on in `path`, or waits for its slot; None if there is no such run."""
    with contextlib.suppress(RunDirError):
        status = read_status(path)
        return status if status is not None and _goes_on(status) else None
    return None


def _goes_on(status: Status) -> bool:
    return status.shown(time.time()) in (State.QUEUED, State.RUNNING)


def wait_for_a_sign_of_life(path: Path) -> None:
    """Return when it is clear whether the process that has the run in `path` lives; a dead one is noted so.

    Only where it is not to be seen on this machine and its last heartbeat is fresh is there anything to wait
    for: it may be in another container.
    """
    status = read_status(path)
    if status is None or status.shown(time.time()) is not State.RUNNING or not status._is_gone():
        return
    patience_s = 1.5 * HEARTBEAT_S
    say(f"{path}: process {status.pid} is gone; waiting {patience_s:.0f} s to be sure of that")
    deadline = time.time() + patience_s
    while time.time() < deadline:
        time.sleep(0.1)
        if read_status(path) != status:
            return
    gone = f"process {status.pid} on {status.host} is gone"
    write_status(path, dataclasses.replace(status, state=State.INTERRUPTED, error=gone, end=status.heartbeat))


def has_failed(path: Path) -> bool:
    """Whether the run in `path` has ended, or died, without completing."""
    try:
        status = read_status(path)
    except RunDirError:
        return False
    shown = State.COMPLETED if status is None else status.shown(time.time())
    return shown is State.STALE or (shown.ended and shown is not State.COMPLETED)


def next_attempt(path: Path) -> int:
    """The number of the next attempt of the run in `path`: 1 where none has begun."""
    try:
        status = read_status(path)
    except RunDirError:
        return 2
    return 1 if status is None else attempt_after(status)


def attempt_after(status: Status) -> int:
    """The number of the next attempt; one that never began is still to come."""
    return status.attempt + (status.start is not None)


def aside(path: Path, attempt: int) -> Path:
    """Where that goes which attempts before `attempt` measured and it measures again."""
    return path / ORPHANED / f"attempt-{max(1, attempt - 1)}"


def put_aside(path: Path, aside: Path) -> None:
    """Move a whole file or directory into `aside`."""
    aside.mkdir(parents=True, exist_ok=True)
    os.replace(path, place_aside(path, aside))


def place_aside(path: Path, aside: Path) -> Path:
    """A free place in `aside`, under a name that TensorBoard, which looks there too, does not know."""
    path = aside / path.name.replace(EVENTS_INFIX, "tf_events")
    n, free = 1, path
    while free.exists():
        n += 1
        free = path.with_name(f"{path.name}-{n}")
    return free


def make(path: Path) -> None:
    """Create a directory that can be written to, with those above it.

    Raises:
        RunDirError: that is not possible.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunDirError(f"{path}: cannot be made ({error.strerror}); choose another directory") from error
    if not os.access(path, os.W_OK | os.X_OK):
        raise RunDirError(f"{path}: no permission to write there; choose another directory")
