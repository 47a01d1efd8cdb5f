"""The run directory: the contract between launching (makes it), logging (fills it) and viewing (reads it).

Names of its files, its JSON files and how they are written. docs/architecture.md shows a whole tree.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import os
import secrets
import socket
import time
from pathlib import Path
from typing import Any

from exptools.errors import RunDirError

STATUS = "status.json"
VARIANT = "variant_config.json"
SWEEP = "sweep.json"
PROGRESS = "progress.csv"
STDOUT = "stdout.log"
DEBUG_LOG = "debug.log"
HYDRA = ".hydra"
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
        """The state to show at `now`: RUNNING with an old heartbeat is STALE."""
        beat = self.heartbeat or self.start
        if self.state is State.RUNNING and beat is not None and now - beat > STALE_AFTER_S:
            return State.STALE
        return self.state


def write_status(run_dir: str | os.PathLike[str], status: Status) -> None:
    """Replace status.json in `run_dir` atomically."""
    fields = {k: v for k, v in dataclasses.asdict(status).items() if v is not None}
    write_json(Path(run_dir, STATUS), fields, durable=False)


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
        values["state"] = State(values["state"])
        for key in ("cpus", "gpus"):
            if key in values:
                values[key] = tuple(values[key])
        return Status(**values)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise RunDirError(f"{path}: not a status that exptools wrote ({error})") from error


def write_json(path: str | os.PathLike[str], value: Any, *, durable: bool = True) -> None:
    """Write `value` as JSON to `path` atomically; see write_atomically."""
    content = json.dumps(value, indent=1, default=_jsonable) + "\n"
    write_atomically(path, content.encode(), durable=durable)


def read_json(path: str | os.PathLike[str]) -> Any:
    """Read a JSON file.

    Raises:
        FileNotFoundError: there is none.
        RunDirError: it cannot be read, or is not JSON.
    """
    try:
        return json.loads(Path(path).read_bytes())
    except FileNotFoundError:
        raise
    except NotADirectoryError as error:
        raise FileNotFoundError(*error.args) from error
    except OSError as error:
        raise RunDirError(f"{path}: cannot be read ({error.strerror})") from error
    except ValueError as error:
        raise RunDirError(f"{path}: not JSON, perhaps half written ({error})") from error


def write_atomically(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Replace the file at `path` by `content`: a reader sees the old file or the new one, whole.

    With `durable` that holds after a power cut too, for the price of a disk flush.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        with open(temporary, "xb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
    return any((path / name).exists() for name in (STATUS, PROGRESS, VARIANT, HYDRA))


def trouble(path: Path) -> str | None:
    """Why `path` cannot become the directory of a new run, or None if it can.

    A directory that holds measurements is left alone, since the new ones would mix with them, and so is one
    in which a run is going on. What only ever said that it had run may run there again.
    """
    try:
        status = read_status(path)
    except RunDirError as error:
        return str(error)
    if status is not None and _lives(status):
        return f"{path} is in use: {status.state} in process {status.pid} on {status.host}"
    measured = [PROGRESS] if (path / PROGRESS).exists() else sorted(path.glob(f"*{EVENTS_INFIX}*"))[:1]
    if measured:
        state = f"{status.state}, " if status is not None else ""
        return f"{path} already holds a run ({state}{Path(measured[0]).name})"
    return None


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


def _lives(status: Status) -> bool:
    """Whether the process of a run is at work, as far as can be told from here."""
    if status.shown(time.time()) is not State.RUNNING:
        return False
    if status.pid is None or status.host != socket.gethostname():
        return True
    import psutil

    return psutil.pid_exists(status.pid)
