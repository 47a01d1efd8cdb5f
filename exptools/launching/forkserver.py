"""A warm process that has imported what the application imports, and forks a fresh process for every job.

It imports libraries only, never the user's own code, and it has one thread and no GPU, or it says that it
must not be used: fork copies neither threads nor what a GPU's driver holds. The launcher talks to it over a
socket: each request is three files, one with the job's environment, its control pipe and its log; each answer
is a process number, or that of a process that ended with its exit status.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import select
import signal
import socket
import sys
import threading
import traceback
import weakref
from pathlib import Path
from typing import Any, NoReturn


def main() -> None:
    """Serve the launcher on the socket in argv[1]; in a forked process: run the job."""
    launcher = socket.socket(fileno=int(sys.argv[1]))
    fds = _receive(launcher)
    if not fds:
        return
    first = _read(fds[0])
    sys.path[:] = first["sys_path"]
    for name in first["preload"]:
        with contextlib.suppress(Exception):  # part of a plugin system, say: the job imports it itself
            importlib.import_module(name)
    _rehearse()
    sys.stdout.flush()  # what an import has printed is no job's output
    launcher.send(json.dumps({"unsafe": unsafe()}).encode())
    gc.collect()
    gc.freeze()  # what is there now is nobody's garbage: looking through it would copy its pages
    pipe = _Server(launcher).serve()
    if pipe is not None:
        _run_job(pipe)


def _receive(launcher: socket.socket) -> list[int]:
    """The files of a request; none when the launcher is gone."""
    return socket.recv_fds(launcher, 16, 3)[1]


def _read(fd: int) -> Any:
    """What the launcher has said in a file."""
    with os.fdopen(fd, "rb") as file:
        return json.load(file)


def _run_job(pipe: int) -> NoReturn:
    """Run the job, and leave without taking the libraries down module by module, which takes long."""
    from exptools.launching import worker

    code = 1
    try:
        worker.main(pipe)
    except SystemExit as left:
        code = left.code if isinstance(left.code, int) else 1
    except BaseException:
        traceback.print_exc()
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons, as every exit does
    atexit._run_exitfuncs()
    worker.flush()
    os._exit(code)


def _rehearse() -> None:
    """Do once what each job does beside its function: a parser that has never parsed is slow."""
    from omegaconf import OmegaConf

    from exptools.provenance import machine
    from exptools.provenance.secrets import Hider

    text = "${a.b}/${a.b}.log"
    config = OmegaConf.create({"a": {"b": "x"}, "c": text, "d": [text, "${oc.env:HOME,x}"]})
    OmegaConf.to_yaml(OmegaConf.masked_copy(config, ["a", "c", "d"]), resolve=True)
    Hider().named({"A_KEY": "1", "B": "x"})
    machine.host()
    machine.python()


def unsafe() -> str | None:
    """Why this process must not be forked, or None."""
    n_threads = len(os.listdir("/proc/self/task"))
    if n_threads > 1:
        return f"what the application imports has started threads ({n_threads - 1} of them)"
    if "libcuda.so" in Path("/proc/self/maps").read_text():
        return "what the application imports has loaded the driver of the GPUs"
    return None


class _Server:
    """The loop: requests from the launcher, ends of forked processes."""

    def __init__(self, launcher: socket.socket) -> None:
        self._launcher = launcher
        self._children: set[int] = set()

    def serve(self) -> int | None:
        """None when the launcher is gone; in a forked process: its control pipe."""
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the launcher's business
        wake, self._wake = os.pipe()
        sources: list[Any] = [self._launcher, wake]
        os.set_blocking(self._wake, False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        signal.set_wakeup_fd(self._wake, warn_on_full_buffer=False)
        while True:
            ready, _, _ = select.select(sources, [], [])
            if wake in ready:
                os.read(wake, 4096)
                self._tell_ends()
            if self._launcher in ready:
                fds = _receive(self._launcher)
                if not fds:
                    return None
                leads, leading = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.close(wake)
                    return self._become(_read(fds[0]), leading, *fds[1:])
                self._children.add(pid)
                for fd in (leading, *fds):
                    os.close(fd)
                os.read(leads, 1)  # its own group, to which signals go, is there now
                os.close(leads)
                self._launcher.send(json.dumps({"started": pid}).encode())

    def _tell_ends(self) -> None:
        for pid in tuple(self._children):
            if os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(pid, signal.SIGKILL)  # what the job started and left behind
            _, status, usage = os.wait4(pid, 0)
            self._children.remove(pid)
            end = {"ended": pid, "status": status, "ru_maxrss": usage.ru_maxrss}
            self._launcher.send(json.dumps(end).encode())

    def _become(self, request: dict[str, Any], leading: int, pipe: int, log: int) -> int:
        """Be as if newly started with this environment, with the log as output."""
        signal.set_wakeup_fd(-1)
        os.close(self._wake)
        self._launcher.close()
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        os.close(leading)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for fd, place in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(fd, place)
        os.close(nothing)
        os.close(log)
        os.environ.clear()
        os.environ.update(request["environ"])
        with contextlib.suppress(OSError):
            Path("/proc/self/comm").write_text(request["name"])  # for `ps`
        from exptools.launching import worker

        _disown()
        worker.reseed()
        _limit_threads(int(request["environ"].get("OMP_NUM_THREADS", "1")))
        return pipe


def _limit_threads(n: int) -> None:
    """Let the numerical libraries use `n` threads: they were imported where they had one."""
    if n > 1:
        from threadpoolctl import threadpool_limits

        threadpool_limits(n)
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(n)


def _disown() -> None:
    """Let what libraries have made end with the fork server, not with a job: a temporary directory, say."""
    for finalizer in tuple(getattr(weakref.finalize, "_registry", ())):
        finalizer.atexit = False
