"""The division of cores and GPUs among runs that an affinity code means: pure arithmetic, as rlpyt's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NamedTuple

from exptools.collections import AttrDict
from exptools.launching.parts import ABSENT

Cpus = tuple[int, ...]


def plan_of(parts: Mapping[str, int]) -> Plan:
    """A code's numbers with the absent ones filled in."""
    filled = {**ABSENT, "hto": parts["cpu"], "cpr": 1, **parts}
    if filled["ass"]:
        # Only the code's silence means 1 here: encode_affinity's cpu_reserved=0 is not written.
        filled["res"] = parts.get("res", 1)
    return Plan(**filled)


@dataclass(frozen=True)
class Plan:
    """All numbers of a code, under its letters."""

    cpu: int
    gpu: int
    cxg: int
    gpr: int
    cpr: int
    cpw: int
    hto: int
    skt: int
    res: int
    ass: int
    sgr: int
    oss: int
    alt: int
    saf: int

    @property
    def is_async(self) -> bool:
        return self.gpu > 0 and self.ass > 0

    @property
    def n_context(self) -> int:
        return self.gpu * self.cxg

    @property
    def n_block(self) -> int:
        """Equal shares that the cores fall into: one for each run, or for each GPU of a run."""
        if self.is_async:
            return self.n_slot
        return self.n_context if self.gpu else self.cpu // self.cpr

    @property
    def sockets_of_block(self) -> int:
        return max(1, self.skt // self.n_block)

    @property
    def cores_of_block(self) -> int:
        """As many from each of its sockets."""
        return self.cpu // self.n_block // self.sockets_of_block * self.sockets_of_block

    @property
    def n_sampler_gpu(self) -> int:
        return self.gpr if self.oss else self.sgr

    @property
    def gpus_of_run(self) -> int:
        own_sampler_gpus = self.sgr if self.ass and not self.oss else 0
        return self.gpr + own_sampler_gpus

    @property
    def n_slot(self) -> int:
        if not self.gpu:
            return self.n_block
        return (self.gpu if self.ass else self.n_context) // self.gpus_of_run

    @property
    def cores_of_socket(self) -> int:
        # An offset beyond the cores in use tells how many the machine has.
        return max(self.cpu, self.hto) // self.skt

    @property
    def gpus_of_socket(self) -> int:
        return self.gpu // self.skt

    @property
    def in_one_socket(self) -> bool:
        """Asynchronous mode: whether the GPUs of a run are on one socket."""
        return self.gpus_of_run <= self.gpus_of_socket

    @property
    def sockets_of_run(self) -> int:
        return 1 if self.in_one_socket else self.skt // self.n_slot

    @property
    def sampler_cores_of_run(self) -> int:
        """Asynchronous mode: what the optimizer leaves of a run's cores, in whole workers."""
        left = self.cpu // self.n_slot - self.res * self.gpr
        return left // self.cpw * self.cpw

    def affinity(self, run_slot: int) -> AttrDict | list[AttrDict]:
        if self.is_async:
            return _async_affinity(self, run_slot)
        if not self.gpu:
            return _block_affinity(self, run_slot)
        if self.gpr > 1:
            first = run_slot * self.gpr
            return [_gpu_affinity(self, slot) for slot in range(first, first + self.gpr)]
        return _gpu_affinity(self, run_slot)


def _block_affinity(plan: Plan, block: int) -> AttrDict:
    cores = _block_cores(plan, block)
    return _worker_affinity(plan, cores, cores[plan.res :])


def _gpu_affinity(plan: Plan, slot: int) -> AttrDict:
    # Neighbouring slots are on different GPUs, neighbouring blocks of cores belong to the same one.
    context, gpu = divmod(slot, plan.gpu)
    affinity = _block_affinity(plan, gpu * plan.cxg + context)
    return AttrDict(affinity, cuda_idx=gpu)


def _block_cores(plan: Plan, block: int) -> Cpus:
    """The cores of one of the equal shares: in one socket, or evenly in several if there are more sockets."""
    n_socket, n_core = plan.sockets_of_block, plan.cores_of_block
    if plan.n_block < plan.skt:
        sockets = range(block * n_socket, (block + 1) * n_socket)
        return _join(_run_of(socket * plan.cores_of_socket, n_core // n_socket) for socket in sockets)
    socket, place = divmod(block, plan.n_block // plan.skt)
    return _run_of(socket * plan.cores_of_socket + place * n_core, n_core)


def _worker_affinity(plan: Plan, cores: Cpus, worker_cores: Cpus) -> AttrDict:
    cpus = _with_hyperthreads(plan, cores)
    return AttrDict(
        all_cpus=cpus,
        master_cpus=cpus,
        workers_cpus=_workers(plan, worker_cores),
        master_torch_threads=len(cores),
        worker_torch_threads=plan.cpw,
        alternating=bool(plan.alt),
        set_affinity=bool(plan.saf),
    )


def _workers(plan: Plan, cores: Cpus) -> tuple[Cpus, ...]:
    """The CPUs of each worker.

    Alternating workers come in pairs that take turns: on the two hyperthreads of their cores, or on the same
    CPUs where hyperthreads are not used.
    """
    on_cores = _chunks(cores, plan.cpw)
    on_hyperthreads = tuple(_hyperthreads(plan, chunk) for chunk in on_cores)
    if plan.alt:
        return on_cores + (on_hyperthreads if plan.hto else on_cores)
    return tuple(first + second for first, second in zip(on_cores, on_hyperthreads, strict=True))


def _hyperthreads(plan: Plan, cores: Cpus) -> Cpus:
    return tuple(core + plan.hto for core in cores) if plan.hto else ()


def _with_hyperthreads(plan: Plan, cores: Cpus) -> Cpus:
    return cores + _hyperthreads(plan, cores)


def _chunks(cores: Cpus, size: int) -> tuple[Cpus, ...]:
    """Whole chunks only: no worker has fewer cores than the others."""
    return tuple(cores[end - size : end] for end in range(size, len(cores) + 1, size))


def _run_of(first: int, length: int) -> Cpus:
    return tuple(range(first, first + length))


def _join(tuples: Iterable[Cpus]) -> Cpus:
    return tuple(cpu for cpus in tuples for cpu in cpus)


# --- asynchronous mode: optimizer and sampler beside each other ---------------------------------------------


def _async_affinity(plan: Plan, run_slot: int) -> AttrDict:
    place = _Place.within_socket(plan, run_slot) if plan.in_one_socket else _Place.across(plan, run_slot)
    optimizer = [_optimizer_affinity(plan, gpu, first) for gpu, first in place.optimizer]
    sampler: AttrDict | list[AttrDict]
    if plan.n_sampler_gpu:
        n_core = plan.sampler_cores_of_run // plan.n_sampler_gpu
        sampler = [_sampler_affinity(plan, gpu, _run_of(first, n_core)) for gpu, first in place.sampler]
        sampler_cpus = _join(one.all_cpus for one in sampler)
    else:
        n_core = plan.sampler_cores_of_run // plan.sockets_of_run
        sampler = _sampler_affinity(plan, None, _join(_run_of(first, n_core) for first in place.cpu_sampler))
        sampler_cpus = sampler.all_cpus
    return AttrDict(
        all_cpus=_join(one.cpus for one in optimizer) + sampler_cpus,
        optimizer=optimizer,
        sampler=sampler,
        set_affinity=bool(plan.saf),
    )


def _optimizer_affinity(plan: Plan, gpu: int, first_core: int) -> AttrDict:
    return AttrDict(
        cpus=_with_hyperthreads(plan, _run_of(first_core, plan.res)),
        cuda_idx=gpu,
        torch_threads=plan.res,
        set_affinity=bool(plan.saf),
    )


def _sampler_affinity(plan: Plan, gpu: int | None, cores: Cpus) -> AttrDict:
    return AttrDict(_worker_affinity(plan, cores, cores), cuda_idx=gpu)


class _Place(NamedTuple):
    """Where an asynchronous run is."""

    optimizer: tuple[tuple[int, int], ...]  # (GPU, first core) each
    sampler: tuple[tuple[int, int], ...]  # (GPU, first core) each
    cpu_sampler: Cpus  # first core on each socket, of a sampler without GPUs

    @classmethod
    def within_socket(cls, plan: Plan, run_slot: int) -> _Place:
        """Runs stand in a row on each socket; within a run the optimizers' cores come first."""
        socket, in_socket = divmod(run_slot, plan.n_slot // plan.skt)
        gpu = socket * plan.gpus_of_socket + in_socket * plan.gpus_of_run
        core = socket * plan.cores_of_socket + in_socket * (plan.cpu // plan.n_slot)
        sampler_gpu = gpu if plan.oss else gpu + plan.gpr
        sampler_core = core + plan.gpr * plan.res
        n_core = plan.sampler_cores_of_run // max(1, plan.n_sampler_gpu)
        return cls(
            tuple((gpu + i, core + i * plan.res) for i in range(plan.gpr)),
            tuple((sampler_gpu + i, sampler_core + i * n_core) for i in range(plan.n_sampler_gpu)),
            (sampler_core,),
        )

    @classmethod
    def across(cls, plan: Plan, run_slot: int) -> _Place:
        """A run takes several sockets and the same number of GPUs on each.

        Samplers that share the optimizers' GPUs get cores BEFORE the optimizers' here, down to negative
        numbers. That is what rlpyt computes, and codes mean here what they mean there; a number that is no
        core is refused where a process is pinned.
        """
        n_socket = plan.sockets_of_run
        sockets = range(run_slot * n_socket, (run_slot + 1) * n_socket)
        n_optimizer, n_sampler = plan.gpr // n_socket, plan.n_sampler_gpu // n_socket
        n_core = plan.sampler_cores_of_run // max(1, plan.n_sampler_gpu)
        offset = 0 if plan.oss else n_optimizer
        starts = [socket * plan.gpus_of_socket for socket in sockets]
        optimizer_gpus = _join(_run_of(start, n_optimizer) for start in starts)
        sampler_gpus = _join(_run_of(start + offset, n_sampler) for start in starts)
        reserved = n_optimizer * plan.res - n_optimizer * n_core
        return cls(
            tuple((gpu, _core_by_gpu(plan, gpu, plan.res)) for gpu in optimizer_gpus),
            tuple((gpu, reserved + _core_by_gpu(plan, gpu, n_core)) for gpu in sampler_gpus),
            tuple(s * plan.cores_of_socket + plan.gpr // plan.gpus_of_socket * plan.res for s in sockets),
        )


def _core_by_gpu(plan: Plan, gpu: int, cores_of_gpu: int) -> int:
    """The first core of a GPU where every GPU of a socket has as many."""
    socket, in_socket = divmod(gpu, plan.gpus_of_socket)
    return socket * plan.cores_of_socket + in_socket * cores_of_gpu
