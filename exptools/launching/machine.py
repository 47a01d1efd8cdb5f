"""What this process may use of the machine: physical cores, their sockets and NUMA nodes, and GPUs.

Everything is read from the system, under ``sys_root`` ("/", or a recorded tree in tests), and nothing here
imports a GPU framework or opens a GPU.
"""

from __future__ import annotations

import contextlib
import errno
import importlib
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

from exptools.cuda import entry_of, visible_ids
from exptools.errors import AffinityError
from exptools.words import count

__all__ = [
    "Core",
    "Gpu",
    "arrange",
    "can_pin",
    "cores",
    "cpu_quota",
    "describe",
    "gpus",
    "hyperthread_offset",
    "mask",
    "n_socket",
    "n_usable_cores",
    "physical",
    "pin",
    "usable_cores",
]

Root = str | os.PathLike[str]


@dataclass(frozen=True)
class Core:
    """A physical core: those of its logical CPUs that this process may use, in ascending order."""

    cpus: tuple[int, ...]
    socket: int
    node: int | None


@dataclass(frozen=True)
class Gpu:
    """A GPU under the name by which ``CUDA_VISIBLE_DEVICES`` (or ROCm's variables) selects it."""

    id: str
    node: int | None
    source: str


# --- cores --------------------------------------------------------------------------------------------------


def cores(sys_root: Root = "/", allowed: Iterable[int] | None = None) -> tuple[Core, ...]:
    """The physical cores in the affinity mask (or in ``allowed``), by socket and then by lowest CPU number.

    A CPU whose topology is not told counts as a core of its own on socket 0.
    """
    root = Path(sys_root)
    siblings: dict[frozenset[int], list[int]] = {}
    for cpu in _mask(allowed):
        siblings.setdefault(_siblings(root, cpu), []).append(cpu)
    nodes = _nodes(root)
    found = [Core(tuple(cpus), _socket(root, cpus[0]), nodes.get(cpus[0])) for cpus in siblings.values()]
    return tuple(sorted(found, key=lambda core: (core.socket, core.cpus)))


def usable_cores(sys_root: Root = "/", allowed: Iterable[int] | None = None) -> tuple[Core, ...]:
    """The first of ``cores`` that the cgroup quota is enough for: core k of a code is the k-th of these."""
    found = cores(sys_root, allowed)
    quota = cpu_quota(sys_root)
    return found if quota is None else found[: max(1, math.ceil(quota))]


def n_usable_cores(sys_root: Root = "/", allowed: Iterable[int] | None = None) -> int:
    """How many physical cores this process may use, at least 1."""
    return len(usable_cores(sys_root, allowed))


def hyperthread_offset(cores: Sequence[Core]) -> int:
    """The number that a code gives to the second hyperthread of core 0; 0 if there are no hyperthreads."""
    return len(cores) if any(len(core.cpus) > 1 for core in cores) else 0


def n_socket(cores: Sequence[Core]) -> int:
    """The number of sockets if all have equally many of the cores, else 1: a code knows no uneven ones."""
    per_socket = Counter(core.socket for core in cores)
    return len(per_socket) if len(set(per_socket.values())) == 1 else 1


def arrange(cores: Sequence[Core], wanted_nodes: Mapping[int, int | None]) -> tuple[Core, ...]:
    """The cores in another order, so that the k-th is on NUMA node ``wanted_nodes[k]`` as far as they last.

    For GPUs: the cores of a GPU's slot want the GPU's node. Cores that are right already stay where they are;
    None, or no entry, is no wish.
    """
    placed = {k: core for k, core in enumerate(cores) if core.node == wanted_nodes.get(k, -1)}
    spare = [core for k, core in enumerate(cores) if k not in placed]
    for k in range(len(cores)):
        near = None if k in placed else _first_on(wanted_nodes.get(k), spare)
        if near is not None:
            placed[k] = near
            spare.remove(near)
    rest = iter(spare)
    return tuple(placed[k] if k in placed else next(rest) for k in range(len(cores)))


def _first_on(node: int | None, cores: Iterable[Core]) -> Core | None:
    return None if node is None else next((core for core in cores if core.node == node), None)


def mask() -> tuple[int, ...] | None:
    """The logical CPUs that this process runs on; None where the system does not tell."""
    return _mask() if hasattr(os, "sched_getaffinity") else None


def _mask(allowed: Iterable[int] | None = None) -> tuple[int, ...]:
    """The logical CPUs to look at: the given ones, or this process's mask, or all where masks are unknown."""
    if allowed is not None:
        return tuple(sorted(set(allowed)))
    if hasattr(os, "sched_getaffinity"):
        return tuple(sorted(os.sched_getaffinity(0)))
    return tuple(range(os.cpu_count() or 1))


def _siblings(root: Path, cpu: int) -> frozenset[int]:
    """The logical CPUs of the physical core that has this one."""
    topology = _cpu_dir(root, cpu)
    # The older name first: every kernel that has the newer one has both.
    for name in ("thread_siblings_list", "core_cpus_list"):
        siblings = _read_list(topology / name)
        if cpu in siblings:
            return frozenset(siblings)
    return frozenset((cpu,))


def _socket(root: Path, cpu: int) -> int:
    # Systems without such a notion write -1.
    return max(0, _read_int(_cpu_dir(root, cpu) / "physical_package_id") or 0)


def _cpu_dir(root: Path, cpu: int) -> Path:
    return root / f"sys/devices/system/cpu/cpu{cpu}/topology"


def _nodes(root: Path) -> dict[int, int]:
    """The NUMA node of each logical CPU, as far as it is told."""
    return {cpu: node for node, path in _node_dirs(root) for cpu in _read_list(path / "cpulist")}


def _node_dirs(root: Path) -> list[tuple[int, Path]]:
    paths = (root / "sys/devices/system/node").glob("node[0-9]*")
    return sorted((int(path.name.removeprefix("node")), path) for path in paths)


# --- the cgroup quota ---------------------------------------------------------------------------------------


def cpu_quota(sys_root: Root = "/") -> float | None:
    """The CPUs' worth of time that the cgroups allow: the smallest quota on the way up; None if unlimited."""
    return min(_quotas(Path(sys_root)), default=None)


def _quotas(root: Path) -> Iterator[float]:
    for line in (_read(root / "proc/self/cgroup") or "").splitlines():
        _, controllers, path = line.split(":", 2)
        for directory in _cgroup_dirs(root, controllers, path):
            quota = _quota_v1(directory) if controllers else _quota_v2(directory)
            if quota is not None:
                yield quota


def _cgroup_dirs(root: Path, controllers: str, path: str) -> Iterator[Path]:
    """The directories of a cgroup and of those around it, where the CPU controller may be."""
    if not controllers:
        yield from _upward(root / "sys/fs/cgroup", path)
    elif "cpu" in controllers.split(","):
        for mount in dict.fromkeys((controllers, "cpu")):
            yield from _upward(root / "sys/fs/cgroup" / mount, path)


def _upward(mount: Path, path: str) -> Iterator[Path]:
    """The cgroup's directory and its parents, up to the mount.

    In a container the path may be the host's: its directories are missing then, but the mount itself is
    the container's own cgroup, so the walk still ends at the right place.
    """
    names = [name for name in path.split("/") if name]
    for depth in range(len(names), -1, -1):
        yield mount.joinpath(*names[:depth])


def _quota_v2(directory: Path) -> float | None:
    quota, _, period = (_read(directory / "cpu.max") or "").partition(" ")
    return _ratio(_int(quota), _int(period))


def _quota_v1(directory: Path) -> float | None:
    return _ratio(_read_int(directory / "cpu.cfs_quota_us"), _read_int(directory / "cpu.cfs_period_us"))


def _ratio(quota_us: int | None, period_us: int | None) -> float | None:
    """None where there is no limit: "max" in v2, -1 in v1."""
    return quota_us / period_us if quota_us and period_us and quota_us > 0 else None


# --- from a code's numbers to this machine's ----------------------------------------------------------------


def physical(
    cpus: Iterable[int],
    cores: Sequence[Core],
    hyperthread_offset: int,
    sys_root: Root = "/",
    allowed: Iterable[int] | None = None,
) -> tuple[int, ...]:
    """This machine's numbers for the CPU numbers in an affinity, in the same order, each once.

    Below the offset number k is core k, from there on the second hyperthread of core k - offset; a core that
    has only one is then meant itself.

    Raises:
        AffinityError: the code names a core beyond those in ``cores``.
    """
    named = [_core_and_thread(cpu, hyperthread_offset) for cpu in cpus]
    beyond = [core for core, _ in named if not 0 <= core < len(cores)]
    if beyond:
        raise AffinityError(_too_many_cores(max(beyond), len(cores), _origin(Path(sys_root), allowed)))
    return tuple(dict.fromkeys(_cpu_of(cores[core], thread) for core, thread in named))


def _core_and_thread(cpu: int, hyperthread_offset: int) -> tuple[int, int]:
    return (cpu - hyperthread_offset, 1) if cpu >= hyperthread_offset > 0 else (cpu, 0)


def _cpu_of(core: Core, thread: int) -> int:
    return core.cpus[min(thread, len(core.cpus) - 1)]


def _too_many_cores(core: int, n_core: int, origin: str) -> str:
    found = f"the code names core {core}, but this process may use {count(n_core, 'core')} ({origin})"
    fewer = "n_socket=1" if core < 0 else f"n_cpu_core={n_core} or less"
    return f"{found}; use {fewer}, or set_affinity=False to divide without pinning"


def _origin(root: Path, allowed: Iterable[int] | None = None) -> str:
    """Where the number of cores was read."""
    n_cpu = len(_read_list(root / "sys/devices/system/cpu/online")) or os.cpu_count()
    quota = cpu_quota(root)
    limit = "none" if quota is None else f"{quota:g} CPUs"
    return f"affinity mask {_ranges(_mask(allowed))} of {n_cpu} CPUs; cgroup quota {limit}"


def can_pin() -> bool:
    """Whether a process can be bound to CPUs here: this one is bound to those that it has."""
    return hasattr(os, "sched_setaffinity") and pin(_mask()) is not None


def pin(cpus: Iterable[int]) -> tuple[int, ...] | None:
    """Let this process run on these CPUs only, and return the mask that took effect.

    It holds for the calling thread and what it starts from now on. None where the system cannot pin.

    Raises:
        AffinityError: this process may use none of the CPUs.
    """
    if not hasattr(os, "sched_setaffinity"):
        return None
    wanted = _mask(cpus)
    try:
        os.sched_setaffinity(0, wanted)
    except (OSError, ValueError, OverflowError) as error:
        if getattr(error, "errno", None) in (errno.EPERM, errno.ENOSYS):  # A sandbox that forbids pinning.
            return None
        may = f"this process may use {_ranges(_mask())}"
        raise AffinityError(f"cannot pin to CPUs {_ranges(wanted)}: {may}") from error
    return _mask()


# --- GPUs ---------------------------------------------------------------------------------------------------


def gpus(environ: Mapping[str, str] = os.environ, sys_root: Root = "/") -> tuple[Gpu, ...]:
    """The GPUs this process may use, in the order in which slots take them.

    From the first source that knows any: CUDA_VISIBLE_DEVICES (if set it decides, even if it is empty), NVML,
    the driver's files, ROCm's variables.
    """
    root = Path(sys_root)
    if "CUDA_VISIBLE_DEVICES" in environ:
        return _listed_for_cuda(environ, root)
    return _by_nvml(environ, root) or _by_driver(root) or _listed_for_rocm(environ)


def _listed_for_cuda(environ: Mapping[str, str], root: Path) -> tuple[Gpu, ...]:
    ids = visible_ids(environ["CUDA_VISIBLE_DEVICES"])
    by_index = _counts_like_nvml(environ)
    # Nothing to gain from asking NVML on a machine with one node, and it can take a second.
    known = _nvml_gpus(root) if ids and len(_node_dirs(root)) > 1 else ()
    return tuple(Gpu(id_, _node_of(id_, known, by_index), "CUDA_VISIBLE_DEVICES") for id_ in ids)


def _counts_like_nvml(environ: Mapping[str, str]) -> bool:
    """Whether CUDA's indices are NVML's: in the order of the bus, which exptools sets unless the user did."""
    return environ.get("CUDA_DEVICE_ORDER", "PCI_BUS_ID") == "PCI_BUS_ID"


def _listed_for_rocm(environ: Mapping[str, str]) -> tuple[Gpu, ...]:
    # HIP's indices count among the GPUs that ROCR leaves, so they are the ones to hand out.
    for name in ("HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES"):
        if name in environ:
            entries = [entry_of(entry.strip()) for entry in environ[name].split(",")]
            return tuple(Gpu(id_, None, name) for _, id_ in takewhile(lambda entry: entry[0], entries))
    return ()


@dataclass(frozen=True)
class _NvmlGpu:
    index: int
    uuid: str
    mig_uuids: tuple[str, ...]
    node: int | None

    def ids(self, by_index: bool) -> tuple[str, ...]:
        """How CUDA selects it: by its parts, if it is divided."""
        return self.mig_uuids or (str(self.index) if by_index else self.uuid,)

    def is_called(self, id_: str, by_index: bool) -> bool:
        if id_.isdigit():
            return by_index and id_ == str(self.index)
        return self.uuid.startswith(id_) or id_ in self.mig_uuids


def _node_of(id_: str, known: Iterable[_NvmlGpu], by_index: bool) -> int | None:
    return next((gpu.node for gpu in known if gpu.is_called(id_, by_index)), None)


def _by_nvml(environ: Mapping[str, str], root: Path) -> tuple[Gpu, ...]:
    by_index = _counts_like_nvml(environ)
    return tuple(Gpu(id_, gpu.node, "NVML") for gpu in _nvml_gpus(root) for id_ in gpu.ids(by_index))


def _nvml_gpus(root: Path) -> tuple[_NvmlGpu, ...]:
    """What nvidia-ml-py tells; nothing if it, its library or the driver is missing or fails."""
    # Broad, because a missing library, a wrong driver and a lost GPU all raise errors of their own kind.
    with contextlib.suppress(Exception):
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        try:
            return tuple(_ask_nvml(nvml, index, root) for index in range(nvml.nvmlDeviceGetCount()))
        finally:
            nvml.nvmlShutdown()
    return ()


def _ask_nvml(nvml: Any, index: int, root: Path) -> _NvmlGpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    bus_id = _str(nvml.nvmlDeviceGetPciInfo(handle).busId)
    mig = tuple(_mig_uuids(nvml, handle))
    return _NvmlGpu(index, _str(nvml.nvmlDeviceGetUUID(handle)), mig, _gpu_node(root, bus_id))


def _mig_uuids(nvml: Any, handle: Any) -> Iterator[str]:
    """The instances that a GPU is divided into; CUDA cannot use it as a whole then."""
    with contextlib.suppress(nvml.NVMLError):  # Not supported by most GPUs.
        current, _ = nvml.nvmlDeviceGetMigMode(handle)
        for index in range(nvml.nvmlDeviceGetMaxMigDeviceCount(handle) if current else 0):
            with contextlib.suppress(nvml.NVMLError):  # Places without an instance.
                instance = nvml.nvmlDeviceGetMigDeviceHandleByIndex(handle, index)
                yield _str(nvml.nvmlDeviceGetUUID(instance))


def _by_driver(root: Path) -> tuple[Gpu, ...]:
    """The driver's GPUs that have their device file here: a container may see more than it was given."""
    directories = sorted((root / "proc/driver/nvidia/gpus").glob("*"))
    given = [path for path in directories if _has_device_file(root, path)]
    return tuple(
        Gpu(str(index), _gpu_node(root, path.name), "/proc/driver/nvidia/gpus")
        for index, path in enumerate(given)
    )


def _has_device_file(root: Path, gpu: Path) -> bool:
    minor = re.search(r"^Device Minor:\s*([0-9]+)", _read(gpu / "information") or "", re.MULTILINE)
    return minor is not None and (root / f"dev/nvidia{minor[1]}").exists()


def _gpu_node(root: Path, bus_id: str) -> int | None:
    """The NUMA node of a PCI device; None where the system does not tell (-1)."""
    # NVML writes the domain with eight digits, the kernel with four.
    name = re.sub(r"^0000(?=[0-9a-f]{4}:)", "", bus_id.lower())
    node = _read_int(root / "sys/bus/pci/devices" / name / "numa_node")
    return None if node is None or node < 0 else node


# --- one line for people ------------------------------------------------------------------------------------


def describe(environ: Mapping[str, str] = os.environ, sys_root: Root = "/") -> str:
    """What was found, and where it was read."""
    found = usable_cores(sys_root)
    n_cpu = sum(len(core.cpus) for core in found)
    sockets = count(len({core.socket for core in found}), "socket")
    on = f"{count(len(found), 'core')} ({count(n_cpu, 'CPU')}) on {sockets}"
    return f"{on} ({_origin(Path(sys_root))}); {_describe_gpus(gpus(environ, sys_root))}"


def _describe_gpus(found: Sequence[Gpu]) -> str:
    if not found:
        return "no GPU"
    return f"{count(len(found), 'GPU')} ({found[0].source}: {', '.join(gpu.id for gpu in found)})"


# --- small files and lists ----------------------------------------------------------------------------------


def _read(path: Path) -> str | None:
    """The text of a file of the system, or None if there is none to read."""
    with contextlib.suppress(OSError):
        return path.read_text().strip()
    return None


def _read_int(path: Path) -> int | None:
    return _int(_read(path) or "")


def _int(text: str) -> int | None:
    with contextlib.suppress(ValueError):
        return int(text)
    return None


def _read_list(path: Path) -> tuple[int, ...]:
    """The numbers in a list such as ``0-3,8``; empty if the file is missing or unreadable."""
    with contextlib.suppress(ValueError):
        return tuple(cpu for part in (_read(path) or "").split(",") if part for cpu in _range(part))
    return ()


def _range(text: str) -> range:
    first, _, last = text.partition("-")
    return range(int(first), int(last or first) + 1)


def _ranges(cpus: Iterable[int]) -> str:
    """Ascending numbers as a list such as ``0-3,8``."""
    runs: list[list[int]] = []
    for cpu in cpus:
        if runs and cpu == runs[-1][-1] + 1:
            runs[-1].append(cpu)
        else:
            runs.append([cpu])
    return ",".join(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}" for run in runs)


def _str(text: str | bytes) -> str:
    # Old versions of nvidia-ml-py return bytes.
    return text.decode() if isinstance(text, bytes) else text
