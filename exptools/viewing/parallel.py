"""Many files are read at once, over the cores of the machine; what comes out keeps its order.

In threads: reading a CSV or a cache is the work of libraries that let go of Python's lock. In processes where
much has to be decoded by Python itself (event files), for that is worth their start.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")

_AHEAD = 2  # items per worker that may wait for their turn: more would only take memory


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def mapped(function: Callable[[T], R], items: Sequence[T], *, in_processes: bool = False) -> Iterator[R]:
    """`function` of each item, in their order, several at a time.

    in_processes: `function` and what it takes and gives can be pickled. What it raises is raised here.
    """
    n_workers = min(cores(), len(items))
    if n_workers < 2:
        yield from map(function, items)
        return
    with _executor(n_workers, in_processes) as executor:
        yield from _in_order(executor, function, items, n_workers * _AHEAD)


def _in_order(executor: Executor, function: Callable[[T], R], items: Iterable[T], most: int) -> Iterator[R]:
    waiting: deque[Future[R]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(function, item))
            if len(waiting) >= most:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


@contextlib.contextmanager
def _executor(n_workers: int, in_processes: bool) -> Iterator[Executor]:
    if not in_processes:
        with ThreadPoolExecutor(n_workers, thread_name_prefix="exptools-view") as threads:
            yield threads
        return
    # loky's processes do not run the user's script again, as multiprocessing's do where they are not forked.
    from joblib.externals.loky import ProcessPoolExecutor

    processes = ProcessPoolExecutor(n_workers)
    try:
        yield processes
    finally:
        processes.shutdown(kill_workers=True)
