"""Many files are read at once, over the cores of the machine; what comes out keeps its order.

In threads: reading a CSV or a cache is the work of libraries that let go of Python's lock. In processes where
much has to be decoded by Python itself (event files), for that is worth their start. They are no children of
multiprocessing, which would run the user's script again, and Ctrl-C is not told to them: they end with this
process, without a word.
"""

from __future__ import annotations

import contextlib
import operator
import os
import pickle
import subprocess
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # items per worker that may wait for their turn: more would only take memory


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(
    function: Callable[[T], R],
    items: Iterable[T],
    *,
    in_processes: bool = False,
    is_light: Callable[[T], bool] = lambda _: False,
) -> Iterator[R]:
    """`function` of each item, in their order, several at a time.

    An item is asked for when there is room for it. in_processes: `function` and what it takes and gives can
    be pickled. is_light: of which items it is so little work that another thread would only take time. What
    it raises is raised here.
    """
    n_workers = min(cores(), operator.length_hint(items, cores()))
    if n_workers < 2:
        yield from map(function, items)
        return
    with contextlib.ExitStack() as stack:
        executor = stack.enter_context(ThreadPoolExecutor(n_workers, thread_name_prefix="exptools-view"))
        if in_processes:  # ended before the threads, which wait for them
            function = stack.enter_context(_elsewhere(function))
        yield from _in_order(executor, function, items, n_workers * _AHEAD, is_light)


def _in_order(
    executor: Executor,
    function: Callable[[T], R],
    items: Iterable[T],
    most: int,
    is_light: Callable[[T], bool],
) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            if not waiting and is_light(item):
                yield function(item)
                continue
            waiting.append(executor.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextlib.contextmanager
def _elsewhere(function: Callable[[T], R]) -> Iterator[Callable[[T], R]]:
    """`function`, done in a process of its own for each thread that calls it."""
    of_thread = threading.local()
    started: list[_Worker] = []
    is_over = threading.Event()

    def ask(item: T) -> R:
        try:
            if not hasattr(of_thread, "worker"):
                of_thread.worker = _Worker(function)
                started.append(of_thread.worker)
            answer: R = of_thread.worker.ask(item)
        except (EOFError, OSError, pickle.UnpicklingError):  # it was killed, or there may be no more of them
            if is_over.is_set():
                raise
            return function(item)
        return answer

    try:
        yield ask
    finally:
        is_over.set()
        for worker in started:
            worker.end()


class _Worker:
    """A process that applies one function to what it is asked."""

    def __init__(self, function: Callable[[Any], Any]) -> None:
        import cloudpickle  # takes functions that have no name

        self._dumps = cloudpickle.dumps
        self._process = subprocess.Popen(
            [sys.executable, "-c", f"from {__name__} import answer; answer()"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            start_new_session=True,
        )
        self._send(function)

    def _send(self, value: Any) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(self._dumps(value))
        self._process.stdin.flush()

    def ask(self, item: Any) -> Any:
        """The function of `item`; what that raises is raised.

        Raises:
            EOFError, OSError: the process has died.
        """
        self._send(item)
        assert self._process.stdout is not None
        is_well, answer = pickle.load(self._process.stdout)
        if not is_well:
            raise answer
        return answer

    def end(self) -> None:
        """Whatever it is doing, nobody waits for it."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            with contextlib.suppress(OSError):
                pipe.close()
        self._process.wait()


def answer() -> None:
    """What the process does: take a function, then items, until nobody asks any more."""
    asked, answers = sys.stdin.buffer, os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # a print is no answer
    function = pickle.load(asked)
    while True:
        try:
            item = pickle.load(asked)
        except EOFError:
            return
        try:
            said = True, function(item)
        except Exception as error:
            said = False, error
        try:
            pickle.dump(said, answers, protocol=pickle.HIGHEST_PROTOCOL)
            answers.flush()
        except BrokenPipeError:
            os._exit(0)
