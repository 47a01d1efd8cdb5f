"""The machine and the Python of this process, and its GPUs."""

from __future__ import annotations

import contextlib
import importlib
import os
import platform
import re
import socket
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exptools.cuda import visible_ids

Root = str | os.PathLike[str]
Device = dict[str, Any]


def host(sys_root: Root = "/") -> dict[str, Any]:
    """Name, system, processor, logical CPUs in all and of this process, bytes of memory."""
    allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None
    return {
        "host": socket.gethostname(),
        "system": f"{platform.system()} {platform.release()} {platform.machine()}",
        "cpu": _cpu(Path(sys_root)),
        "n_cpus": os.cpu_count(),
        "cpus": allowed,
        "memory_bytes": _memory_bytes(),
    }


def python() -> dict[str, Any]:
    """Version and place of the interpreter."""
    return {
        "version": platform.python_version(),
        "implementation": platform.python_implementation(),
        "executable": sys.executable,
    }


def _cpu(root: Path) -> str | None:
    with contextlib.suppress(OSError), open(root / "proc/cpuinfo", errors="replace") as file:
        head = file.read(
            4096
        )  # of the first processor: on a big machine the whole takes tens of milliseconds
        name = re.search(r"^(?:model name|Hardware|cpu model)\s*:\s*(.+)$", head, re.MULTILINE)
        if name:
            return name[1].strip()
    return platform.processor() or None


def _memory_bytes() -> int | None:
    with contextlib.suppress(OSError, ValueError):
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return None


def gpus(sys_root: Root = "/") -> dict[str, Any]:
    """All NVIDIA GPUs of this machine and the driver's version; empty if there are none.

    From nvidia-ml-py if it is installed, else from the driver's files. No GPU is opened for computing.
    """
    return _by_nvml() or _by_driver(Path(sys_root))


def _by_nvml() -> dict[str, Any]:
    # Broad, because a missing library, a wrong driver and a lost GPU all raise errors of their own kind.
    with contextlib.suppress(Exception):
        nvml = importlib.import_module("pynvml")
        nvml.nvmlInit()
        try:
            devices = [_ask_nvml(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
            return {"driver": _str(nvml.nvmlSystemGetDriverVersion()), "devices": devices}
        finally:
            nvml.nvmlShutdown()
    return {}


def _ask_nvml(nvml: Any, index: int) -> Device:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    return {
        "index": index,
        "name": _str(nvml.nvmlDeviceGetName(handle)),
        "uuid": _str(nvml.nvmlDeviceGetUUID(handle)),
        "memory_bytes": int(nvml.nvmlDeviceGetMemoryInfo(handle).total),
    }


def _by_driver(root: Path) -> dict[str, Any]:
    driver = root / "proc/driver/nvidia"
    told = [
        dict(re.findall(r"^([^:\n]+):\s*(.+?)\s*$", _read(directory / "information"), re.MULTILINE))
        for directory in sorted((driver / "gpus").glob("*"))
    ]
    # A container may see more than it was given.
    given = [gpu for gpu in told if (root / f"dev/nvidia{gpu.get('Device Minor', '')}").exists()]
    devices = [
        {"index": index, "name": gpu.get("Model"), "uuid": gpu.get("GPU UUID")}
        for index, gpu in enumerate(given)
    ]
    version = re.search(r"Kernel Module(?: for \S+)?\s+([0-9.]+)", _read(driver / "version"))
    return {"driver": version[1] if version else None, "devices": devices} if devices else {}


def visible(devices: Sequence[Device], environ: Mapping[str, str]) -> list[Device]:
    """Those of the machine's GPUs that CUDA_VISIBLE_DEVICES leaves to a run; all where it is not set.

    Of an entry that cannot be assigned to one (an instance of a divided GPU; an index, where CUDA counts the
    fastest first and they differ) only what it says is known.
    """
    text = environ.get("CUDA_VISIBLE_DEVICES")
    if text is None:
        return list(devices)
    alike = len({device["name"] for device in devices}) == 1
    by_index = alike or environ.get("CUDA_DEVICE_ORDER") == "PCI_BUS_ID"
    return [_called(id_, devices, by_index) for id_ in visible_ids(text)]


def _called(id_: str, devices: Sequence[Device], by_index: bool) -> Device:
    for device in devices:
        is_it = (
            by_index and id_ == str(device["index"]) if id_.isdigit() else str(device["uuid"]).startswith(id_)
        )
        if is_it:
            return device
    return {"id": id_}


def torch() -> dict[str, Any] | None:
    """The version of torch and of the CUDA or ROCm that it was built for, if this process has imported it."""
    module = sys.modules.get("torch")
    version = getattr(module, "version", None)
    if version is None:
        return None
    found = {"version": str(getattr(module, "__version__", "")), "cuda": version.cuda}
    hip = getattr(version, "hip", None)
    return {**found, "hip": hip} if hip else found


def _read(path: Path) -> str:
    with contextlib.suppress(OSError):
        return path.read_text(errors="replace")
    return ""


def _str(text: str | bytes) -> str:
    # Old versions of nvidia-ml-py return bytes.
    return text.decode() if isinstance(text, bytes) else text
