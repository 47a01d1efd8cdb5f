"""The engine `joblib`: the jobs of a slot share one process, one after the other, for thousands of tiny jobs.

The processes are those that hydra-joblib-launcher uses: workers of joblib's loky. Here each slot has one of
its own, so that it has the slot's cores and GPUs, and so that a job that takes its process along takes no
other: the slot gets a new one. Jobs of one process share what is global: imported modules, their state, a
GPU's context.
"""

from __future__ import annotations

import dataclasses
import os
import signal
import threading
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any

from joblib.externals.loky import ProcessPoolExecutor
from joblib.externals.loky.process_executor import BrokenProcessPool

from exptools.launching import reused_worker
from exptools.launching.engines.base import Engine, Exit, begin_log, signal_group
from exptools.launching.job import GRACE_S, Job, Spec
from exptools.launching.slots import Slot


class JoblibEngine(Engine):
    """Hands jobs to one reused worker a slot."""

    def __init__(self, shared: bytes, scratch: Path, timeout_s: float | None = None) -> None:
        super().__init__(shared, scratch, timeout_s)
        self._workers: dict[int, _Worker] = {}
        self._lifeline = scratch / "lifeline"
        os.mkfifo(self._lifeline)
        # A worker that reads it hears the end of this process, however that came.
        self._held_open = os.open(self._lifeline, os.O_RDWR | os.O_CLOEXEC)

    def close(self) -> None:
        """End the workers, which are idle now."""
        closing = [threading.Thread(target=worker.close) for worker in self._workers.values()]
        for thread in closing:
            thread.start()
        for thread in closing:
            thread.join()
        os.close(self._held_open)

    def _run(self, job: Job, slot: Slot, spec: Spec, late: threading.Event) -> Exit:
        worker, group = self._worker(job, slot, spec)
        with self._lock:
            self._refuse_if_interrupted()
            begin_log(job)
            if group is not None:
                self._running[job.num] = group
        if group is None:
            return worker.exit()
        try:
            with self._stopped_in_time(group, late):
                return worker.run(spec, job.environment)
        finally:
            with self._lock:
                del self._running[job.num]

    def _worker(self, job: Job, slot: Slot, spec: Spec) -> tuple[_Worker, int | None]:
        """The worker of a slot and its group: a new one if there is none, or if it died while it was idle."""
        self._refuse_if_interrupted()
        worker = self._workers.get(slot.number)
        group = worker.group(spec) if worker is not None and worker.lives() else None
        if worker is not None and group is not None:
            return worker, group
        if worker is not None:
            worker.close()
        worker = self._workers[slot.number] = _Worker(slot, str(self._lifeline), job.mask_gpus)
        return worker, worker.group(spec)


class _Worker:
    """The process of a slot."""

    def __init__(self, slot: Slot, lifeline: str, mask_gpus: bool) -> None:
        self._lifeline = lifeline
        self._executor = ProcessPoolExecutor(max_workers=1, env=slot.environment(mask_gpus=mask_gpus))
        self._process: Any = None
        self._broken = False
        self._is_done = False

    def lives(self) -> bool:
        """Whether it may be given a job."""
        return not (self._broken or self._is_done)

    def group(self, spec: Spec) -> int | None:
        """Its number, which is that of its group; None if it does not come up."""
        # Until it has a group of its own it must not hear a Ctrl-C: it inherits what this thread blocks.
        resource_tracker.ensure_running()  # loky needs it, and its start would end the blocking
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            pid = self._ask(reused_worker.begin, self._lifeline, spec.cpus)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        # loky keeps its processes under this name; without it only exit codes would be unknown.
        self._process = getattr(self._executor, "_processes", {}).get(pid, self._process)
        return pid  # type: ignore[no-any-return]

    def run(self, spec: Spec, environment: dict[str, str]) -> Exit:
        """Run a job; its exit code is 0 where the process outlives it."""
        self._is_done = not self._ask(reused_worker.run, dataclasses.asdict(spec), environment)
        return self.exit() if self._broken else Exit(0)

    def exit(self) -> Exit:
        """How it ended."""
        self.close()
        return Exit(getattr(self._process, "exitcode", None))

    def close(self) -> None:
        """End it: it may tidy up, for a while."""
        # A thread that a job left running would hold it for ever.
        killer = threading.Timer(GRACE_S, self._kill)
        killer.daemon = True
        killer.start()
        self._executor.shutdown(wait=True)
        killer.cancel()

    def _kill(self) -> None:
        if self._process is not None:
            signal_group(self._process.pid, signal.SIGKILL)

    def _ask(self, what: Any, *words: Any) -> Any:
        try:
            return self._executor.submit(what, *words).result()
        except BrokenProcessPool:
            self._broken = True
            return None
