"""What a process may use, read from recorded systems."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from exptools.cuda import visible_ids
from exptools.errors import AffinityError
from exptools.launching.machine import (
    Core,
    Gpu,
    arrange,
    cores,
    cpu_quota,
    describe,
    gpus,
    hyperthread_offset,
    n_socket,
    n_usable_cores,
    physical,
    pin,
    usable_cores,
)

# Physical cores as (logical CPUs, socket, NUMA node), as the kernel numbers them on real machines.
DESKTOP = [((k,), 0, 0) for k in range(4)]
LAPTOP = [((k, k + 4), 0, 0) for k in range(4)]
TWO_SOCKETS = [((k,), k // 4, k // 4) for k in range(8)]
TWO_SOCKETS_HT = [((k, k + 8), k // 4, k // 4) for k in range(8)]
ODD_EVEN_SOCKETS_HT = [((k, k + 8), k % 2, k % 2) for k in range(8)]
NEIGHBOURING_SIBLINGS = [((2 * k, 2 * k + 1), 0, 0) for k in range(4)]
PERFORMANCE_AND_EFFICIENCY = [((0, 1), 0, 0), ((2, 3), 0, 0), ((4,), 0, 0), ((5,), 0, 0)]

Topology = list[tuple[tuple[int, ...], int, int]]


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text + "\n")


def record(root: Path, topology: Topology, siblings: str = "thread_siblings_list") -> Path:
    """A /sys like that of a machine with these cores."""
    nodes: dict[int, list[int]] = {}
    for cpus, socket, node in topology:
        for cpu in cpus:
            directory = root / f"sys/devices/system/cpu/cpu{cpu}/topology"
            write(directory / siblings, ",".join(map(str, cpus)))
            write(directory / "physical_package_id", str(socket))
            nodes.setdefault(node, []).append(cpu)
    for node, members in nodes.items():
        write(root / f"sys/devices/system/node/node{node}/cpulist", ",".join(map(str, sorted(members))))
    n_cpu = sum(len(cpus) for cpus, _, _ in topology)
    write(root / "sys/devices/system/cpu/online", f"0-{n_cpu - 1}")
    return root


def every_cpu(topology: Topology) -> list[int]:
    return [cpu for cpus, _, _ in topology for cpu in cpus]


# --- cores --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "topology",
    [DESKTOP, LAPTOP, TWO_SOCKETS, TWO_SOCKETS_HT, NEIGHBOURING_SIBLINGS, PERFORMANCE_AND_EFFICIENCY],
    ids=["desktop", "laptop", "two sockets", "two sockets HT", "neighbours", "P and E"],
)
def test_cores_are_physical_with_their_siblings_socket_and_node(tmp_path: Path, topology: Topology) -> None:
    root = record(tmp_path, topology)

    assert cores(root, every_cpu(topology)) == tuple(Core(*core) for core in topology)


def test_cores_of_a_socket_stand_together_however_the_cpus_are_numbered(tmp_path: Path) -> None:
    root = record(tmp_path, ODD_EVEN_SOCKETS_HT)

    found = cores(root, range(16))

    assert [core.cpus[0] for core in found] == [0, 2, 4, 6, 1, 3, 5, 7]
    assert [core.socket for core in found] == [0, 0, 0, 0, 1, 1, 1, 1]


def test_a_cpuset_with_holes_leaves_the_cores_and_siblings_that_may_be_used(tmp_path: Path) -> None:
    root = record(tmp_path, TWO_SOCKETS_HT)

    found = cores(root, [1, 3, 9, 10, 14])

    assert found == (Core((1, 9), 0, 0), Core((3,), 0, 0), Core((10,), 0, 0), Core((14,), 1, 1))


def test_newer_kernels_name_the_siblings_otherwise(tmp_path: Path) -> None:
    root = record(tmp_path, LAPTOP, siblings="core_cpus_list")

    assert cores(root, range(8)) == tuple(Core(*core) for core in LAPTOP)


def test_lists_of_ranges_are_read(tmp_path: Path) -> None:
    root = record(tmp_path, [((0, 1, 2, 5), 0, 0)])
    for cpu in (0, 1, 2, 5):
        write(root / f"sys/devices/system/cpu/cpu{cpu}/topology/thread_siblings_list", "0-2,5")
    write(root / "sys/devices/system/node/node0/cpulist", "0-5")

    assert cores(root, [0, 1, 2, 5]) == (Core((0, 1, 2, 5), 0, 0),)


def test_without_sys_every_cpu_is_a_core(tmp_path: Path) -> None:
    assert cores(tmp_path, [0, 1, 5]) == (Core((0,), 0, None), Core((1,), 0, None), Core((5,), 0, None))


def test_without_masks_every_cpu_of_the_system_is_a_core(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 3)

    assert cores(tmp_path) == (Core((0,), 0, None), Core((1,), 0, None), Core((2,), 0, None))


def test_unreadable_topology_counts_as_none(tmp_path: Path) -> None:
    root = record(tmp_path, LAPTOP)
    write(root / "sys/devices/system/cpu/cpu0/topology/thread_siblings_list", "garbage")
    write(root / "sys/devices/system/cpu/cpu0/topology/physical_package_id", "-1")

    assert cores(root, [0]) == (Core((0,), 0, 0),)


def test_the_mask_of_this_process_is_what_counts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2, 3}, raising=False)
    root = record(tmp_path, DESKTOP)

    assert cores(root) == (Core((2,), 0, 0), Core((3,), 0, 0))


@pytest.mark.parametrize(
    ("topology", "offset", "sockets"),
    [
        (DESKTOP, 0, 1),
        (LAPTOP, 4, 1),
        (TWO_SOCKETS, 0, 2),
        (TWO_SOCKETS_HT, 8, 2),
        (PERFORMANCE_AND_EFFICIENCY, 4, 1),
        (TWO_SOCKETS_HT[:5], 5, 1),
    ],
    ids=["desktop", "laptop", "two sockets", "two sockets HT", "P and E", "uneven sockets"],
)
def test_a_code_is_told_the_hyperthreads_and_the_even_sockets(
    topology: Topology, offset: int, sockets: int
) -> None:
    found = [Core(*core) for core in topology]

    assert (hyperthread_offset(found), n_socket(found)) == (offset, sockets)


def test_a_machine_without_cores_has_no_hyperthreads_and_counts_one_socket() -> None:
    assert (hyperthread_offset([]), n_socket([])) == (0, 1)


# --- the cgroup quota ---------------------------------------------------------------------------------------


def test_there_is_no_quota_without_cgroups(tmp_path: Path) -> None:
    assert cpu_quota(tmp_path) is None


def test_a_v2_quota_is_the_smallest_on_the_way_up(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/user.slice/job")
    write(tmp_path / "sys/fs/cgroup/user.slice/cpu.max", "150000 100000")
    write(tmp_path / "sys/fs/cgroup/user.slice/job/cpu.max", "400000 100000")

    assert cpu_quota(tmp_path) == 1.5


def test_a_v2_quota_of_max_is_none(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/job")
    write(tmp_path / "sys/fs/cgroup/job/cpu.max", "max 100000")

    assert cpu_quota(tmp_path) is None


def test_max_does_not_hide_the_quota_around_it(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "0::/pod/job")
    write(tmp_path / "sys/fs/cgroup/pod/cpu.max", "50000 100000")
    write(tmp_path / "sys/fs/cgroup/pod/job/cpu.max", "max 100000")

    assert cpu_quota(tmp_path) == 0.5


@pytest.mark.parametrize("path", ["/", "/docker/0123abcd", "/../../system.slice"])
def test_a_container_finds_its_quota_at_the_mount(tmp_path: Path, path: str) -> None:
    write(tmp_path / "proc/self/cgroup", f"0::{path}")
    write(tmp_path / "sys/fs/cgroup/cpu.max", "200000 100000")

    assert cpu_quota(tmp_path) == 2


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
def test_a_v1_quota_is_the_smallest_on_the_way_up(tmp_path: Path, mount: str) -> None:
    write(tmp_path / "proc/self/cgroup", "5:memory:/job/step\n4:cpu,cpuacct:/job/step\n0::/")
    for path, quota in [("", -1), ("job", 300_000), ("job/step", 600_000)]:
        write(tmp_path / "sys/fs/cgroup" / mount / path / "cpu.cfs_quota_us", str(quota))
        write(tmp_path / "sys/fs/cgroup" / mount / path / "cpu.cfs_period_us", "100000")

    assert cpu_quota(tmp_path) == 3


def test_other_controllers_of_v1_set_no_quota(tmp_path: Path) -> None:
    write(tmp_path / "proc/self/cgroup", "4:cpuset:/job")
    write(tmp_path / "sys/fs/cgroup/cpuset/job/cpu.cfs_quota_us", "100000")
    write(tmp_path / "sys/fs/cgroup/cpuset/job/cpu.cfs_period_us", "100000")

    assert cpu_quota(tmp_path) is None


@pytest.mark.parametrize(("quota", "n"), [("50000", 1), ("150000", 2), ("900000", 4), ("max", 4)])
def test_the_quota_limits_the_cores_rounded_up(tmp_path: Path, quota: str, n: int) -> None:
    root = record(tmp_path, LAPTOP)
    write(root / "proc/self/cgroup", "0::/")
    write(root / "sys/fs/cgroup/cpu.max", f"{quota} 100000")

    assert usable_cores(root, range(8)) == tuple(Core(*core) for core in LAPTOP[:n])
    assert n_usable_cores(root, range(8)) == n


# --- from a code's numbers to the machine's -----------------------------------------------------------------


def test_core_k_of_a_code_is_the_kth_core_that_may_be_used(tmp_path: Path) -> None:
    found = cores(record(tmp_path, TWO_SOCKETS_HT), [1, 2, 5, 6, 9, 10, 13, 14])

    assert physical((0, 1, 4, 5), found, hyperthread_offset=4) == (1, 2, 9, 10)
    assert physical((3, 2, 7, 6), found, hyperthread_offset=4) == (6, 5, 14, 13)


def test_the_offset_of_a_code_may_lie_beyond_the_cores_in_use() -> None:
    found = [Core(*core) for core in TWO_SOCKETS_HT]

    assert physical((0, 1, 64, 65), found, hyperthread_offset=64) == (0, 1, 8, 9)


def test_without_hyperthreads_every_number_is_a_core() -> None:
    found = [Core(*core) for core in TWO_SOCKETS_HT]

    assert physical((6, 7), found, hyperthread_offset=0) == (6, 7)


def test_a_core_stands_in_for_a_hyperthread_it_does_not_have() -> None:
    found = [Core((3,), 0, None), Core((5, 9), 0, None)]

    assert physical((0, 1, 2, 3), found, hyperthread_offset=2) == (3, 5, 9)
    assert physical((2,), found, hyperthread_offset=2) == (3,)


@pytest.mark.parametrize(
    ("quota", "cpus", "text"),
    [
        (
            "max",
            range(8),
            "the code names core 7, but this process may use 4 cores "
            "(affinity mask 0-3 of 16 CPUs; cgroup quota none); "
            "use n_cpu_core=4 or less, or set_affinity=False to divide without pinning",
        ),
        (
            "150000",
            (4,),
            "the code names core 4, but this process may use 2 cores "
            "(affinity mask 0-3 of 16 CPUs; cgroup quota 1.5 CPUs); "
            "use n_cpu_core=2 or less, or set_affinity=False to divide without pinning",
        ),
        (
            "100000",
            (-8, -7),
            "the code names core -7, but this process may use 1 core "
            "(affinity mask 0-3 of 16 CPUs; cgroup quota 1 CPUs); "
            "use n_socket=1, or set_affinity=False to divide without pinning",
        ),
    ],
    ids=["mask", "quota", "negative"],
)
def test_a_code_with_more_cores_than_there_are_is_refused(
    tmp_path: Path, quota: str, cpus: tuple[int, ...], text: str
) -> None:
    root = record(tmp_path, TWO_SOCKETS_HT)
    write(root / "proc/self/cgroup", "0::/")
    write(root / "sys/fs/cgroup/cpu.max", f"{quota} 100000")
    found = usable_cores(root, range(4))

    with pytest.raises(AffinityError) as caught:
        physical(cpus, found, 0, root, range(4))

    assert str(caught.value) == text


def test_masks_with_holes_are_shown_as_ranges(tmp_path: Path) -> None:
    allowed = [0, 1, 2, 5, 7, 8]
    root = record(tmp_path, TWO_SOCKETS)

    with pytest.raises(AffinityError, match=r"affinity mask 0-2,5,7-8 of 8 CPUs"):
        physical((6,), cores(root, allowed), 0, root, allowed)


def test_cores_move_to_the_node_that_is_wanted() -> None:
    found = [Core(*core) for core in TWO_SOCKETS]

    arranged = arrange(found, {0: 1, 1: 1, 2: 0, 3: 0})

    assert [core.cpus[0] for core in arranged] == [4, 5, 2, 3, 0, 1, 6, 7]


def test_cores_that_nobody_wants_elsewhere_stay() -> None:
    found = tuple(Core(*core) for core in TWO_SOCKETS)

    assert arrange(found, {}) == found
    assert arrange(found, {0: 0, 7: 1, 3: None, 99: 1}) == found


def test_a_node_without_enough_cores_gives_what_it_has() -> None:
    found = [Core((0,), 0, 0), Core((1,), 0, 0), Core((2,), 1, 1)]

    arranged = arrange(found, {0: 1, 1: 1, 2: 1})

    assert [core.cpus[0] for core in arranged] == [0, 1, 2]
    assert [core.cpus[0] for core in arrange(found, {0: 1, 1: 1})] == [2, 0, 1]


def test_cores_of_unknown_nodes_stay() -> None:
    found = (Core((0,), 0, None), Core((1,), 0, None))

    assert arrange(found, {0: 1, 1: None}) == found


# --- pinning ------------------------------------------------------------------------------------------------


class FakeSystem:
    """A system that pins to those of the CPUs it has, as Linux does."""

    def __init__(self, has: set[int]) -> None:
        self.has = has
        self.mask = has

    def sched_getaffinity(self, pid: int) -> set[int]:
        return self.mask

    def sched_setaffinity(self, pid: int, cpus: tuple[int, ...]) -> None:
        if not self.has & set(cpus):
            raise OSError(errno.EINVAL, "Invalid argument")
        self.mask = self.has & set(cpus)


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> FakeSystem:
    fake = FakeSystem({0, 1, 2, 3})
    monkeypatch.setattr(os, "sched_getaffinity", fake.sched_getaffinity, raising=False)
    monkeypatch.setattr(os, "sched_setaffinity", fake.sched_setaffinity, raising=False)
    return fake


def test_pinning_returns_the_mask_that_took_effect(system: FakeSystem) -> None:
    assert pin([3, 1, 9]) == (1, 3)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system cannot pin")
def test_pinning_holds_for_this_process() -> None:
    before = os.sched_getaffinity(0)
    one = min(before)

    try:
        assert pin([one]) == (one,)
        assert os.sched_getaffinity(0) == {one}
    finally:
        os.sched_setaffinity(0, before)


def test_pinning_to_cpus_out_of_reach_names_those_in_reach(system: FakeSystem) -> None:
    with pytest.raises(AffinityError) as caught:
        pin([8, 9])

    assert str(caught.value) == "cannot pin to CPUs 8-9: this process may use 0-3"


def test_a_system_that_cannot_pin_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "sched_setaffinity", raising=False)

    assert pin([0]) is None


def test_a_sandbox_that_forbids_pinning_cannot_pin(monkeypatch: pytest.MonkeyPatch) -> None:
    def forbid(pid: int, cpus: tuple[int, ...]) -> None:
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "sched_setaffinity", forbid, raising=False)

    assert pin([0]) is None


# --- GPUs ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "ids"),
    [
        ("0,1,2", ("0", "1", "2")),
        ("3, 1", ("3", "1")),
        ("", ()),
        ("-1", ()),
        ("0,2,-1,1", ("0", "2")),
        ("0,,1", ("0",)),
        ("0,one,1", ("0",)),
        ("NoDevFiles", ()),
        ("0,1,0", ()),
        ("1gpu2,+2,-0", ("1", "2", "0")),
        ("GPU-8932f937,GPU-4b2c1a9f", ("GPU-8932f937", "GPU-4b2c1a9f")),
        ("MIG-GPU-8932f937/1/0", ("MIG-GPU-8932f937/1/0",)),
        ("GPU-8932f937,1", ("GPU-8932f937",)),
        ("0,GPU-8932f937", ("0",)),
    ],
)
def test_visible_devices_are_read_as_cuda_reads_them(text: str, ids: tuple[str, ...]) -> None:
    assert visible_ids(text) == ids


class FakeNvml:
    """The part of pynvml that is asked; GPU k is on bus k + 1."""

    NVMLError = RuntimeError

    def __init__(self, n_gpu: int, mig: dict[int, list[str]] | None = None) -> None:
        self.n_gpu = n_gpu
        self.mig = mig or {}
        self.is_open = False

    def nvmlInit(self) -> None:
        self.is_open = True

    def nvmlShutdown(self) -> None:
        self.is_open = False

    def nvmlDeviceGetCount(self) -> int:
        return self.n_gpu

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetPciInfo(self, handle: int) -> SimpleNamespace:
        return SimpleNamespace(busId=f"00000000:{handle + 1:02X}:00.0".encode())

    def nvmlDeviceGetUUID(self, handle: Any) -> str:
        return handle if isinstance(handle, str) else f"GPU-{handle}{handle}{handle}{handle}-uuid"

    def nvmlDeviceGetMigMode(self, handle: int) -> list[int]:
        if handle not in self.mig:
            raise self.NVMLError("not supported")
        return [1, 1]

    def nvmlDeviceGetMaxMigDeviceCount(self, handle: int) -> int:
        return 7

    def nvmlDeviceGetMigDeviceHandleByIndex(self, handle: int, index: int) -> str:
        if index >= len(self.mig[handle]):
            raise self.NVMLError("not found")
        return self.mig[handle][index]


@pytest.fixture
def nvml(monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], Any]:
    """Have this module in place of pynvml; None for none."""

    def install(module: Any) -> Any:
        monkeypatch.setitem(sys.modules, "pynvml", module)
        return module

    install(None)
    return install


@pytest.fixture
def two_nodes(tmp_path: Path) -> Path:
    """A machine whose first two GPUs are on node 0 and the others on node 1."""
    root = record(tmp_path, TWO_SOCKETS)
    for index in range(4):
        write(root / f"sys/bus/pci/devices/0000:0{index + 1}:00.0/numa_node", str(index // 2))
    return root


def test_cuda_visible_devices_decides(nvml: Any, two_nodes: Path) -> None:
    nvml(FakeNvml(4))

    assert gpus({"CUDA_VISIBLE_DEVICES": "3,0"}, two_nodes) == (
        Gpu("3", 1, "CUDA_VISIBLE_DEVICES"),
        Gpu("0", 0, "CUDA_VISIBLE_DEVICES"),
    )
    assert gpus({"CUDA_VISIBLE_DEVICES": ""}, two_nodes) == ()


def test_identifiers_are_kept_as_they_are(nvml: Any, two_nodes: Path) -> None:
    nvml(FakeNvml(4, mig={3: ["MIG-a", "MIG-b"]}))

    assert gpus({"CUDA_VISIBLE_DEVICES": "GPU-2222,GPU-ffff"}, two_nodes) == (
        Gpu("GPU-2222", 1, "CUDA_VISIBLE_DEVICES"),
        Gpu("GPU-ffff", None, "CUDA_VISIBLE_DEVICES"),
    )
    assert gpus({"CUDA_VISIBLE_DEVICES": "MIG-b"}, two_nodes) == (Gpu("MIG-b", 1, "CUDA_VISIBLE_DEVICES"),)


def test_indices_in_another_order_tell_no_node(nvml: Any, two_nodes: Path) -> None:
    nvml(FakeNvml(4))
    environ = {"CUDA_DEVICE_ORDER": "FASTEST_FIRST", "CUDA_VISIBLE_DEVICES": "3"}

    assert gpus(environ, two_nodes) == (Gpu("3", None, "CUDA_VISIBLE_DEVICES"),)


def test_nvml_counts_the_gpus_and_is_closed_again(nvml: Any, two_nodes: Path) -> None:
    library = nvml(FakeNvml(3))

    assert gpus({}, two_nodes) == (Gpu("0", 0, "NVML"), Gpu("1", 0, "NVML"), Gpu("2", 1, "NVML"))
    assert not library.is_open


def test_nvml_names_gpus_by_identifier_where_cuda_counts_otherwise(nvml: Any, two_nodes: Path) -> None:
    nvml(FakeNvml(1))

    assert gpus({"CUDA_DEVICE_ORDER": "FASTEST_FIRST"}, two_nodes) == (Gpu("GPU-0000-uuid", 0, "NVML"),)


def test_a_divided_gpu_counts_as_its_instances(nvml: Any, two_nodes: Path) -> None:
    nvml(FakeNvml(2, mig={1: ["MIG-a", "MIG-b"]}))

    assert [gpu.id for gpu in gpus({}, two_nodes)] == ["0", "MIG-a", "MIG-b"]


def test_an_nvml_that_fails_midway_means_none_and_is_closed_again(nvml: Any, tmp_path: Path) -> None:
    library = nvml(FakeNvml(2))
    library.nvmlDeviceGetPciInfo = None

    assert gpus({}, tmp_path) == ()
    assert not library.is_open


def test_an_unknown_node_is_none(nvml: Any, tmp_path: Path) -> None:
    nvml(FakeNvml(1))
    write(tmp_path / "sys/bus/pci/devices/0000:01:00.0/numa_node", "-1")

    assert gpus({}, tmp_path) == (Gpu("0", None, "NVML"),)


def test_the_drivers_files_count_where_the_device_is_there_too(nvml: Any, two_nodes: Path) -> None:
    for index in range(3):
        write(
            two_nodes / f"proc/driver/nvidia/gpus/0000:0{index + 1}:00.0/information",
            f"Model: \t\t A\nDevice Minor: \t {index}",
        )
    write(two_nodes / "dev/nvidia0", "")
    write(two_nodes / "dev/nvidia2", "")
    write(two_nodes / "dev/nvidiactl", "")

    assert gpus({}, two_nodes) == (
        Gpu("0", 0, "/proc/driver/nvidia/gpus"),
        Gpu("1", 1, "/proc/driver/nvidia/gpus"),
    )


def test_device_files_without_the_driver_count_for_nothing(nvml: Any, tmp_path: Path) -> None:
    write(tmp_path / "dev/nvidia0", "")

    assert gpus({}, tmp_path) == ()


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        (
            {"ROCR_VISIBLE_DEVICES": "0,GPU-4b2c1a9f"},
            (Gpu("0", None, "ROCR_VISIBLE_DEVICES"), Gpu("GPU-4b2c1a9f", None, "ROCR_VISIBLE_DEVICES")),
        ),
        (
            {"ROCR_VISIBLE_DEVICES": "2,3", "HIP_VISIBLE_DEVICES": "1"},
            (Gpu("1", None, "HIP_VISIBLE_DEVICES"),),
        ),
        ({"HIP_VISIBLE_DEVICES": "0,-1,1"}, (Gpu("0", None, "HIP_VISIBLE_DEVICES"),)),
        ({"HIP_VISIBLE_DEVICES": ""}, ()),
    ],
    ids=["ROCR", "HIP within ROCR", "HIP", "empty"],
)
def test_rocm_gpus_are_those_its_variables_list(
    nvml: Any, tmp_path: Path, environ: dict[str, str], found: tuple[Gpu, ...]
) -> None:
    assert gpus(environ, tmp_path) == found


# --- one line for people ------------------------------------------------------------------------------------


def test_the_description_is_one_line_with_its_sources(
    nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {0, 1, 4, 5, 8, 9, 12, 13}, raising=False)
    root = record(tmp_path, TWO_SOCKETS_HT)
    write(root / "proc/self/cgroup", "0::/")
    write(root / "sys/fs/cgroup/cpu.max", "300000 100000")

    assert describe({"CUDA_VISIBLE_DEVICES": "1,0"}, root) == (
        "3 cores (6 CPUs) on 2 sockets (affinity mask 0-1,4-5,8-9,12-13 of 16 CPUs; cgroup quota 3 CPUs); "
        "2 GPUs (CUDA_VISIBLE_DEVICES: 1, 0)"
    )


def test_a_machine_without_gpus_is_described_as_such(
    nvml: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: {2}, raising=False)

    assert describe({}, record(tmp_path, DESKTOP)) == (
        "1 core (1 CPU) on 1 socket (affinity mask 2 of 4 CPUs; cgroup quota none); no GPU"
    )


def test_the_real_machine_has_a_core_and_a_description() -> None:
    assert n_usable_cores() >= 1
    assert "core" in describe()
