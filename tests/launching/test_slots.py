"""Slots from codes and from what the machine has, and their leasing."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from exptools.errors import AffinityError
from exptools.launching import machine
from exptools.launching.machine import Core, Gpu
from exptools.launching.slots import Slot, SlotPool, make_slots

Machine = Callable[..., None]


@pytest.fixture
def has(monkeypatch: Any) -> Machine:
    """Let the machine have so many cores (each with `threads` CPUs) and these GPUs."""

    def has(n_cores: int, gpus: str = "", threads: int = 1, source: str = "NVML") -> None:
        cores = tuple(Core(tuple(k + t * n_cores for t in range(threads)), 0, 0) for k in range(n_cores))
        found = tuple(Gpu(name, None, source) for name in gpus.split(",") if name)
        monkeypatch.setattr(machine, "usable_cores", lambda *_: cores)
        monkeypatch.setattr(machine, "gpus", lambda *_: found)
        monkeypatch.setattr(machine, "describe", lambda *_: f"{n_cores} cores; {len(found)} GPUs")
        monkeypatch.delenv("CUDA_DEVICE_ORDER", raising=False)

    return has


def places(slots: tuple[Slot, ...]) -> list[tuple[tuple[int, ...], tuple[str, ...] | None]]:
    return [(slot.cpus, slot.gpus) for slot in slots]


def test_without_gpus_every_core_is_a_slot(has: Machine) -> None:
    has(3)

    assert places(make_slots()) == [((0,), None), ((1,), None), ((2,), None)]


def test_few_jobs_get_more_cores_each(has: Machine) -> None:
    has(8)

    assert places(make_slots(n_jobs=2)) == [((0, 1, 2, 3), None), ((4, 5, 6, 7), None)]


def test_hyperthreads_stay_with_their_core(has: Machine) -> None:
    has(2, threads=2)

    slots = make_slots()

    assert places(slots) == [((0, 2), None), ((1, 3), None)]
    assert [slot.n_threads for slot in slots] == [1, 1]


def test_with_gpus_every_gpu_is_a_slot_with_its_share_of_the_cores(has: Machine) -> None:
    has(4, "2,GPU-ab")

    slots = make_slots()

    assert places(slots) == [((0, 1), ("2",)), ((2, 3), ("GPU-ab",))]
    assert slots[1].environment()["CUDA_VISIBLE_DEVICES"] == "GPU-ab"
    assert slots[1].environment()["CUDA_DEVICE_ORDER"] == "PCI_BUS_ID"


def test_jobs_that_share_gpus_are_spread_over_all_of_them_first(has: Machine) -> None:
    has(8, "0,1")

    assert [slot.gpus for slot in make_slots(contexts_per_gpu=2)] == [("0",), ("1",), ("0",), ("1",)]
    assert [slot.gpus for slot in make_slots(contexts_per_gpu=2, n_jobs=3)] == [("0",), ("1",), ("0",)]
    assert [slot.gpus for slot in make_slots(contexts_per_gpu=2, n_parallel=2)] == [("0",), ("1",)]


def test_a_job_without_a_gpu_sees_none_where_there_are_some(has: Machine) -> None:
    has(2, "0")

    slots = make_slots(use_gpu=False)

    assert places(slots) == [((0,), ()), ((1,), ())]
    assert slots[0].environment()["CUDA_VISIBLE_DEVICES"] == ""


def test_the_users_own_device_order_stays(has: Machine, monkeypatch: Any) -> None:
    has(1, "0")
    monkeypatch.setenv("CUDA_DEVICE_ORDER", "FASTEST_FIRST")

    assert make_slots()[0].environment()["CUDA_DEVICE_ORDER"] == "FASTEST_FIRST"


def test_gpus_found_by_rocms_variable_are_given_by_it(has: Machine) -> None:
    has(2, "3,5", source="HIP_VISIBLE_DEVICES")

    environments = [slot.environment() for slot in make_slots()]

    assert [e["HIP_VISIBLE_DEVICES"] for e in environments] == ["3", "5"]
    assert not any("CUDA_VISIBLE_DEVICES" in e for e in environments)


def test_several_gpus_a_job(has: Machine) -> None:
    has(8, "a0,a1,a2,a3".replace("a", ""))

    assert [s.gpus for s in make_slots("8cpu_4gpu_2gpr")] == [("0", "1"), ("2", "3")]


def test_the_slot_of_a_gpu_gets_cores_of_its_numa_node(monkeypatch: Any, has: Machine) -> None:
    has(8, "0,1,2,3")
    cores = tuple(Core((k, k + 8), k // 4, k // 4) for k in range(8))
    crossed = tuple(Gpu(str(k), node, "NVML") for k, node in enumerate((1, 0, None, 1)))
    monkeypatch.setattr(machine, "usable_cores", lambda *_: cores)
    monkeypatch.setattr(machine, "gpus", lambda *_: crossed)

    slots = make_slots("8cpu_4gpu")

    assert [slot.cpus for slot in slots] == [(4, 5, 12, 13), (2, 3, 10, 11), (0, 1, 8, 9), (6, 7, 14, 15)]
    assert [slot.gpus for slot in slots] == [("0",), ("1",), ("2",), ("3",)]


def test_optimizers_and_samplers_each_stay_near_their_gpu(monkeypatch: Any, has: Machine) -> None:
    has(8, "0,1")
    cores = tuple(Core((k,), k // 4, k // 4) for k in range(8))
    monkeypatch.setattr(machine, "usable_cores", lambda *_: cores)
    monkeypatch.setattr(machine, "gpus", lambda *_: (Gpu("0", 1, "NVML"), Gpu("1", 0, "NVML")))

    (slot,) = make_slots("8cpu_2gpu_0hto_1ass_1sgr")  # core 0 optimizes on GPU 0; 1 to 7 sample on GPU 1

    assert slot.cpus == (4, 1, 2, 3, 0, 5, 6, 7)


def test_a_code_without_pinning_may_name_more_cores_than_there_are(has: Machine) -> None:
    has(2)

    slots = make_slots("8cpu_1cpr_0saf")

    assert len(slots) == 8
    assert {(slot.cpus, slot.pin) for slot in slots} == {((), False)}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        (
            {"n_parallel": 8},
            "n_parallel=8 jobs at a time cannot each have a core: 2 cores; 1 GPUs; use n_parallel=1 to 2, "
            "or an affinity_code with 0saf, which divides without pinning",
        ),
        ({"n_parallel": 0}, "n_parallel=0 jobs at a time cannot each have a core"),
        (
            {"n_parallel": 2, "use_gpu": True},
            "n_parallel=2 jobs at a time cannot each have a GPU context: 2 cores; 1 GPUs; "
            "use n_parallel=1, or contexts_per_gpu=2 or more, so that jobs share a GPU",
        ),
        ({"contexts_per_gpu": 0}, "contexts_per_gpu=0 jobs cannot share a GPU; use 1 or more"),
        (
            {"affinity_code": "2cpu_1cpr", "n_parallel": 2},
            "n_parallel=2 and affinity_code=2cpu_1cpr both say how many jobs run at a time; give one of them",
        ),
        (
            {"affinity_code": "2cpu_2gpu"},
            "the affinity code 2cpu_2gpu names GPU 1 (counted from 0), but this process may use "
            "2 cores; 1 GPUs; name fewer GPUs",
        ),
        ({"affinity_code": "4cpu_1cpr"}, "the code names core 2, but this process may use 2 cores"),
        ({"affinity_code": "10cpu_4gpu"}, "10 cores cannot be split evenly over 4 GPUs: 10 = 4 x 2 + 2"),
        ({"affinity_code": "banana"}, "banana"),
    ],
)
def test_what_cannot_be_is_refused_with_the_arithmetic(has: Machine, settings: Any, text: str) -> None:
    has(2, "0")

    with pytest.raises(AffinityError) as error:
        make_slots(**{"use_gpu": False, **settings})

    assert text in str(error.value)


def test_a_code_with_gpus_is_refused_where_there_are_none(has: Machine) -> None:
    has(2)

    with pytest.raises(AffinityError, match="names GPU 0"):
        make_slots("2cpu_1gpu")


def slots(n: int) -> list[Slot]:
    return [Slot(i, f"{i}slt_{n}cpu_1cpr", (i,), True, None, 1) for i in range(n)]


def test_a_pool_never_leases_a_slot_twice_and_runs_every_job_once() -> None:
    busy: set[int] = set()
    clashes = []
    lock = threading.Lock()

    def run(job: int, slot: Slot) -> int:
        with lock:
            if slot.number in busy:
                clashes.append(slot.number)
            busy.add(slot.number)
        time.sleep(0.001 * (job % 3))
        with lock:
            busy.remove(slot.number)
        return job * job

    pool: SlotPool[int, int] = SlotPool(slots(4), run)
    pool.start(range(200))
    ends = [e for e in pool.events() if e.kind == "end"]

    assert clashes == []
    assert sorted((e.index, e.result) for e in ends) == [(i, i * i) for i in range(200)]


def test_a_free_slot_takes_the_next_job_while_another_is_busy() -> None:
    release = threading.Event()

    def run(job: int, slot: Slot) -> int:
        if job == 0:
            release.wait(30)
        return slot.number

    pool: SlotPool[int, int] = SlotPool(slots(2), run)
    pool.start(range(6))
    ended = []
    for event in pool.events():
        if event.kind == "end":
            ended.append(event.index)
            if ended == [1, 2, 3, 4, 5]:
                release.set()

    assert ended == [1, 2, 3, 4, 5, 0]


def test_an_engine_that_raises_is_an_outcome_of_that_job_alone() -> None:
    def run(job: int, slot: Slot) -> int:
        if job == 1:
            raise OSError("no process")
        return job

    pool: SlotPool[int, int] = SlotPool(slots(1), run)
    pool.start(range(3))
    results = [e.result for e in pool.events() if e.kind == "end"]

    assert [results[0], str(results[1]), results[2]] == [0, "no process", 2]


def test_a_stopped_pool_leases_no_more_and_tells_what_still_ends() -> None:
    pool: SlotPool[int, int] = SlotPool(slots(2), lambda job, slot: time.sleep(0.05) or job)
    pool.start(range(100))
    events = pool.events()
    next(events)
    pool.stop()
    rest = [e for e in pool.events() if e.kind == "end"]

    assert 1 <= len(rest) <= 4
