"""Slots and their leasing: a free slot takes the next job at once, never two jobs on one slot."""

from __future__ import annotations

import collections
import os
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from exptools.errors import AffinityError
from exptools.launching import machine
from exptools.launching.affinity import (
    affinity_from_code,
    decode_affinity,
    encode_affinity,
    get_n_run_slots,
    prepend_run_slot,
    quick_affinity_code,
    remove_run_slot,
)

JobT = TypeVar("JobT")
ResultT = TypeVar("ResultT")


@dataclass(frozen=True)
class Slot:
    """A place where one job at a time runs.

    cpus: the logical CPUs of this machine that a job is bound to, if pin; else empty. numbers: for each CPU
    of the code this machine's.
    where: what people call it, if it is not one of this machine.
    gpus: the entries of gpu_variable; None where the machine has none. n_threads: how many threads numerical
    libraries may start.
    """

    number: int
    affinity_code: str
    cpus: tuple[int, ...]
    pin: bool
    gpus: tuple[str, ...] | None
    n_threads: int
    gpu_variable: str = "CUDA_VISIBLE_DEVICES"
    numbers: tuple[tuple[int, int], ...] = ()
    where: str = ""

    def environment(self, *, mask_gpus: bool = True) -> dict[str, str]:
        """The variables that a job on this slot gets before anything is imported.

        mask_gpus: let it see the GPUs of the slot only; else it sees all, and picks by its affinity's
        cuda_idx.
        """
        threads = dict.fromkeys(THREAD_VARIABLES, str(self.n_threads))
        numbers = ",".join(f"{ours}:{machines}" for ours, machines in self.numbers)
        # Empty ones too: this process may be a job itself.
        environment = {**threads, "EXPTOOLS_AFFINITY_CODE": self.affinity_code, NUMBERS: numbers, MASKED: ""}
        if self.gpus is None:
            return environment
        environment["CUDA_DEVICE_ORDER"] = os.environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID")
        if mask_gpus:
            environment |= {self.gpu_variable: ",".join(self.gpus), MASKED: "1"}
        return environment


MASKED = "EXPTOOLS_GPUS_MASKED"  # 1 where a job sees only the GPUs of its slot
NUMBERS = "EXPTOOLS_CPU_NUMBERS"  # this machine's number for each CPU of the code, if the job is pinned

THREAD_VARIABLES = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMEXPR_NUM_THREADS",
    "POLARS_MAX_THREADS",
)


class SlotPool(Generic[JobT, ResultT]):
    """Runs jobs on slots, one thread a slot, and tells of every start and end in the order they happen."""

    def __init__(
        self,
        slots: Sequence[Slot],
        run: Callable[[JobT, Slot], ResultT],
        stagger_s: float = 0.0,
        is_enough: Callable[[ResultT], bool] = lambda result: False,
    ) -> None:
        """stagger_s: at least so long between two starts. is_enough: whether to stop after this result."""
        self._is_enough = is_enough
        self._run = run
        self._slots = slots
        self._waiting: collections.deque[tuple[int, JobT]] = collections.deque()
        self._events: queue.SimpleQueue[Event] = queue.SimpleQueue()
        self._n_serving = 0
        self._stopped = threading.Event()
        self._stagger_s = stagger_s
        self._turn = threading.Lock()
        self._next_start = 0.0

    def start(self, jobs: Sequence[JobT]) -> None:
        """Begin to run all jobs."""
        self._waiting.extend(enumerate(jobs))
        for slot in self._slots[: len(jobs)]:
            name = f"exptools-slot-{slot.number}"
            threading.Thread(target=self._serve, args=(slot,), name=name, daemon=True).start()
            self._n_serving += 1

    def events(self) -> Iterator[Event]:
        """Every start and end, until nothing runs any more; may be asked again after an interruption."""
        while self._n_serving:
            event = self._events.get()
            if event.kind == "idle":
                self._n_serving -= 1
            else:
                yield event

    def post(self, event: Event) -> None:
        """Put something that happened elsewhere between the events; signal handlers may do that."""
        self._events.put(event)

    def stop(self) -> None:
        """Lease no slot any more; jobs that run go on."""
        self._stopped.set()

    def _serve(self, slot: Slot) -> None:
        while self._may_start():
            try:
                index, job = self._waiting.popleft()
            except IndexError:
                break
            self._events.put(Event("start", index, slot))
            try:
                result: Any = self._run(job, slot)
                if self._is_enough(result):
                    self.stop()
            except BaseException as error:  # must not end the slot's thread: the others would wait for ever
                result = error
            self._events.put(Event("end", index, slot, result))
        self._events.put(Event("idle", -1, slot))

    def _may_start(self) -> bool:
        """Wait for the turn of the next start; False if there is none any more."""
        if self._stagger_s:
            with self._turn:
                begin = max(time.monotonic(), self._next_start)
                self._next_start = begin + self._stagger_s
            self._stopped.wait(begin - time.monotonic())
        return not self._stopped.is_set()


@dataclass(frozen=True)
class Event:
    """Something that happened to the job with this index: kind is start or end; result is of `end` only.

    With the kind signal, index is the number of a signal that came to this process.
    """

    kind: str
    index: int
    slot: Slot | None = None
    result: Any = None


def make_slots(
    affinity_code: str | None = None,
    n_parallel: int | None = None,
    use_gpu: bool = True,
    contexts_per_gpu: int = 1,
    division: Mapping[str, Any] | None = None,
    n_jobs: int | None = None,
) -> tuple[Slot, ...]:
    """The slots of an affinity code, or of an even division of what this process may use.

    Args:
        affinity_code: as encode_affinity writes it; excludes n_parallel.
        n_parallel: how many slots; None: one a GPU context, or one a core where there are no GPUs.
        division: further arguments of encode_affinity, which decide then; cores and GPUs that are not given
            are all that this process may use.
        n_jobs: with n_parallel None, no more slots than jobs, so that few jobs get more cores each.

    Raises:
        AffinityError: the division is impossible, or names what this process may not use.
    """
    cores = machine.usable_cores()
    gpus = machine.gpus()
    if affinity_code is not None:
        if n_parallel is not None:
            raise AffinityError(
                f"n_parallel={n_parallel} and affinity_code={affinity_code} both say how many jobs run "
                "at a time; give one of them"
            )
        return _slots(affinity_code, cores, gpus)
    if division:
        asked = {"n_cpu_core": len(cores), "n_gpu": len(gpus) if use_gpu else 0, **division}
        return _slots(encode_affinity(contexts_per_gpu=contexts_per_gpu, **asked), cores, gpus)
    if contexts_per_gpu < 1:
        raise AffinityError(f"contexts_per_gpu={contexts_per_gpu} jobs cannot share a GPU; use 1 or more")
    wanted = n_wanted(n_parallel, len(cores), len(gpus) * contexts_per_gpu if use_gpu else 0, n_jobs)
    if not (gpus and use_gpu):
        return _slots(quick_affinity_code(wanted, use_gpu=False), cores, gpus)
    n_gpu = min(len(gpus), wanted)
    contexts = min(contexts_per_gpu, -(-wanted // n_gpu))
    return _slots(quick_affinity_code(n_gpu, contexts_per_gpu=contexts), cores, gpus)[:wanted]


def n_wanted(n_parallel: int | None, n_core: int, n_context: int, n_jobs: int | None) -> int:
    """How many slots: what is asked for, or all there can be, but no more than there are jobs.

    Raises:
        AffinityError: more are asked for than there can be.
    """
    can_be, of = (n_context, "GPU context") if n_context else (n_core, "core")
    if n_parallel is not None and not 1 <= n_parallel <= can_be:
        shared = "contexts_per_gpu=2 or more, so that jobs share a GPU"
        unpinned = "an affinity_code with 0saf, which divides without pinning"
        raise AffinityError(
            f"n_parallel={n_parallel} jobs at a time cannot each have a {of}: {machine.describe()}; "
            f"use n_parallel=1{f' to {can_be}' if can_be > 1 else ''}, or {shared if n_context else unpinned}"
        )
    return min(n_parallel or can_be, n_jobs or can_be)


def _slots(code: str, cores: Sequence[machine.Core], gpus: Sequence[machine.Gpu]) -> tuple[Slot, ...]:
    parts = decode_affinity(code)
    offset = parts.get("hto", parts["cpu"])  # rlpyt's: siblings follow the cores, unless it is said otherwise
    codes = [prepend_run_slot(number, code) for number in range(get_n_run_slots(code))]
    affinities = [_as_list(affinity_from_code(slot_code)) for slot_code in codes]
    wishes = {_core(cpu, offset): node for cpu, node in _wanted_nodes(affinities, gpus).items()}
    near = machine.arrange(cores, wishes)
    return tuple(
        _slot(number, code, offset, affinities[number], near, gpus) for number, code in enumerate(codes)
    )


def _core(cpu: int, offset: int) -> int:
    """The core that a CPU of a code belongs to."""
    return cpu - offset if cpu >= offset > 0 else cpu


def _wanted_nodes(affinity: Any, gpus: Sequence[machine.Gpu]) -> dict[int, int | None]:
    """For each CPU of an affinity, or of many, the NUMA node of the GPU that it works for, where it is known.

    Samplers without a GPU want the node of the optimizers' GPUs, if these are on one.
    """
    wanted: dict[int, int | None] = {}
    if isinstance(affinity, Mapping):
        nodes = {gpus[i].node for i in cuda_indices(affinity) if i < len(gpus)}
        if len(nodes) == 1:
            wanted = dict.fromkeys(affinity.get("all_cpus", affinity.get("cpus", ())), nodes.pop())
        affinity = list(affinity.values())
    if isinstance(affinity, list):
        for part in affinity:
            wanted |= _wanted_nodes(part, gpus)
    return wanted


def _slot(
    number: int,
    slot_code: str,
    offset: int,
    affinities: Sequence[Any],
    cores: Sequence[machine.Core],
    gpus: Sequence[machine.Gpu],
) -> Slot:
    named = [cpu for affinity in affinities for cpu in affinity["all_cpus"]]
    pin = all(affinity["set_affinity"] for affinity in affinities)
    numbers = [(cpu, *machine.physical((cpu,), cores, offset)) for cpu in dict.fromkeys(named) if pin]
    n_cores = len({_core(cpu, offset) for cpu in named})
    return Slot(
        number=number,
        affinity_code=slot_code,
        cpus=tuple(dict.fromkeys(cpu for _, cpu in numbers)),
        pin=pin,
        gpus=_entries(affinities, gpus, remove_run_slot(slot_code)[1]),
        n_threads=max(1, n_cores),
        gpu_variable=_gpu_variable(gpus),
        numbers=tuple(numbers),
    )


def _as_list(affinity: Any) -> list[Any]:
    """The affinities of a run: a run on several GPUs has one for each."""
    return affinity if isinstance(affinity, list) else [affinity]


def _gpu_variable(gpus: Sequence[machine.Gpu]) -> str:
    """The variable by which a job is given its GPUs: ROCm's, if that is where they were found."""
    source = gpus[0].source if gpus else ""
    return source if source.endswith("_VISIBLE_DEVICES") else "CUDA_VISIBLE_DEVICES"


def _entries(affinities: Sequence[Any], gpus: Sequence[machine.Gpu], code: str) -> tuple[str, ...] | None:
    """The GPUs of a slot, as CUDA_VISIBLE_DEVICES names them: slot k takes the k-th entry; None without any.

    Raises:
        AffinityError: the code names more GPUs than there are.
    """
    indices = sorted(set(cuda_indices(affinities)))
    if indices and indices[-1] >= len(gpus):
        raise AffinityError(
            f"the affinity code {code} names GPU {indices[-1]} (counted from 0), but this process may use "
            f"{machine.describe()}; {'name fewer GPUs' if gpus else 'use a code without GPUs'}"
        )
    return tuple(gpus[i].id for i in indices) if gpus else None


def cuda_indices(affinity: Any) -> Iterator[int]:
    """Every cuda_idx anywhere in an affinity: its own, its optimizers', its samplers'."""
    if isinstance(affinity, Mapping):
        own = affinity.get("cuda_idx")
        yield from [] if own is None else [own] if isinstance(own, int) else own
        affinity = list(affinity.values())
    if isinstance(affinity, list):
        for part in affinity:
            if isinstance(part, Mapping | list):
                yield from cuda_indices(part)
