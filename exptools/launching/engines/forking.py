"""The launcher's end of the fork server: starting it, asking it for processes, hearing how they ended."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import select
import site
import socket
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

from exptools.errors import LaunchError
from exptools.launching import imported
from exptools.launching.engines.base import peak_bytes
from exptools.launching.slots import THREAD_VARIABLES

# Imported in every job anyway.
_BASE = (
    "exptools.launching.worker",
    "exptools.launching.main_module",
    "exptools.launching.application",
    "exptools.launching.transport",
    "exptools.logging.callback",
    "hydra.main",
    "hydra._internal.logging_config",
    "hydra_plugins.exptools_launcher.launcher",
    "hydra_plugins.exptools_sweeper.sweeper",
    "psutil",
)
# What starts threads or opens GPUs when it is imported, or may not be forked: each job imports it itself.
_NEVER = {
    *("jax", "jaxlib", "flax", "optax", "tensorflow", "keras", "cupy", "pycuda", "grpc", "ray"),
    *("debugpy", "pydevd", "IPython", "ipykernel", "pytest", "_pytest"),
}


def auto_preload() -> list[str]:
    """The libraries that this process has imported: what the application imports but for its own code."""
    known = imported.packages() | sys.stdlib_module_names
    roots = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    roots |= {*site.getsitepackages(), site.getusersitepackages()}
    within = tuple(os.path.realpath(root) + os.sep for root in roots if root)
    return [
        name
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in known - _NEVER
        and name == getattr(getattr(module, "__spec__", None), "name", None)
        and os.path.realpath(getattr(module, "__file__", None) or "").startswith(within)
    ]


def is_possible() -> bool:
    """Whether this system has what a fork server needs."""
    return sys.platform == "linux" and hasattr(os, "memfd_create")


class Forked:
    """A process that the fork server made; what Popen is for one that was started anew."""

    def __init__(self, pid: int) -> None:
        self.pid = pid
        self.told = threading.Event()
        self.code: int | None = None
        self.peak_bytes: int | None = None

    def wait(self) -> int | None:
        """Wait for its end; its exit code, negative for a signal, or None if the server died before it."""
        self.told.wait()
        if self.code is None:
            _wait_for_end(self.pid)
        return self.code


def _wait_for_end(pid: int) -> None:
    """Wait for the end of a process that is nobody's child here."""
    try:
        end = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    except OSError:  # a kernel before 5.3, a sandbox
        while _lives(pid):
            time.sleep(0.1)
        return
    select.select([end], [], [])
    os.close(end)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def kept_server(python: Sequence[str], sys_path: Sequence[str], preload: Sequence[str]) -> ForkServer:
    """The fork server of this process, started if there is none yet that was started in the same way.

    The environment counts: libraries read it when they are imported. The server serves all batches of a
    sweep, one after the other, and ends with this process. One that turned out to be unusable stays so.
    """
    global _kept
    asked = (os.getcwd(), dict(os.environ), tuple(python), tuple(sys_path), tuple(preload))
    if _kept is None or _kept[0] != asked:
        if _kept is None:
            atexit.register(_close_kept)
        else:
            _kept[1].close()
        _kept = asked, ForkServer(python, sys_path, preload)
    return _kept[1]


_kept: tuple[tuple[object, ...], ForkServer] | None = None


def _close_kept() -> None:
    if _kept is not None:
        _kept[1].close()


class ForkServer:
    """A fork server that is starting, or is at work.

    unusable: why no process can be had from it, None if it works; known when it has imported everything.
    """

    def __init__(self, python: Sequence[str], sys_path: Sequence[str], preload: Sequence[str]) -> None:
        """python: the command that calls forkserver.main."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            self._process = subprocess.Popen(
                [*python, str(theirs.fileno()), "exptools-fork-server"],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,  # what libraries print on import was seen in this process
                stderr=subprocess.DEVNULL,
                env={**os.environ, **dict.fromkeys(THREAD_VARIABLES, "1")},
                pass_fds=(theirs.fileno(),),
                start_new_session=True,
            )
        self._socket = ours
        self._owner = os.getpid()
        self._asking = threading.Lock()
        self._started: dict[int, Forked] = {}
        self._answers: list[Forked] = []
        self._changed = threading.Condition()
        self._ready = threading.Event()
        self.unusable: str | None = "the fork server did not start"
        self._send({"sys_path": list(sys_path), "preload": [*_BASE, *preload]})
        threading.Thread(target=self._listen, name="exptools-fork-server", daemon=True).start()

    def is_ready(self, timeout_s: float) -> bool:
        """Wait so long until it has imported everything, or is known to be unusable; whether it has."""
        return self._ready.wait(timeout_s)

    def start(self, name: str, environ: Mapping[str, str], pipe: int, log: int) -> Forked:
        """A new process with this environment, whose control pipe and log are these files.

        Raises:
            LaunchError: the server is gone.
        """
        with self._asking:  # one request and its answer at a time
            try:
                self._send({"name": name, "environ": dict(environ)}, pipe, log)
            except OSError as error:
                raise LaunchError(f"the fork server ended ({error.strerror})") from error
            with self._changed:
                self._changed.wait_for(lambda: self._answers or self.unusable)
                if not self._answers:
                    raise LaunchError(self.unusable or "the fork server ended")
                return self._answers.pop()

    def _send(self, words: dict[str, Any], *fds: int) -> None:
        """Send them in a file: a message has no room for every environment, or every list of modules."""
        with os.fdopen(os.memfd_create("exptools"), "w+b") as file:
            file.write(json.dumps(words).encode())
            file.seek(0)
            socket.send_fds(self._socket, [b"words"], [file.fileno(), *fds])

    def close(self) -> None:
        """End it, if that was not done before; what it has started goes on."""
        if os.getpid() != self._owner:
            return  # a fork of the launcher ends
        if not self._ready.is_set():
            self._process.kill()  # it would not listen before it has imported everything
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._process.wait()
        self._socket.close()

    def _listen(self) -> None:
        while True:
            try:
                message = self._socket.recv(1 << 16)
            except OSError:
                message = b""
            if not message:
                break
            self._hear(json.loads(message))
        with self._changed:
            self.unusable = self.unusable or "the fork server ended"
            for process in self._started.values():
                process.told.set()
            self._changed.notify_all()
        self._ready.set()

    def _hear(self, told: dict[str, Any]) -> None:
        if "unsafe" in told:
            self.unusable = told["unsafe"]
            self._ready.set()
            return
        with self._changed:
            if "started" in told:
                process = self._started[told["started"]] = Forked(told["started"])
                self._answers.append(process)
            else:
                process = self._started.pop(told["ended"])
                process.code = os.waitstatus_to_exitcode(told["status"])
                process.peak_bytes = peak_bytes(told["ru_maxrss"])
                process.told.set()
            self._changed.notify_all()
