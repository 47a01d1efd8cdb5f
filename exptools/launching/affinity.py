"""Affinity codes and affinities: which cores and GPUs a run gets, as one word on a command line.

A code is a chain of parts, each a number and three letters: ``16cpu_4gpu_2cxg`` divides 16 cores and 4 GPUs
among 8 runs, and ``3slt_16cpu_4gpu_2cxg`` is the fourth of them. Letters and numbers are those of rlpyt.
The numbers count cores and GPUs from 0; what core k is on a real machine is the business of ``machine.py``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import index
from typing import SupportsIndex

from exptools.collections import AttrDict
from exptools.errors import AffinityError
from exptools.launching.division import Plan, plan_of
from exptools.launching.feasibility import (
    checked,
    count,
    impossibilities,
    raise_if,
    slot_complaints,
    valid_parts,
    worth_writing,
)
from exptools.launching.parts import BY_LETTERS, PARTS, Part

__all__ = [
    "affinity_from_code",
    "decode_affinity",
    "encode_affinity",
    "full_resource_affinity",
    "get_n_run_slots",
    "make_affinity",
    "prepend_run_slot",
    "quick_affinity_code",
    "remove_run_slot",
]

SLOT = "slt"


# --- from arguments to a code -------------------------------------------------------------------------------


def encode_affinity(
    n_cpu_core: int = 1,
    n_gpu: int = 0,
    contexts_per_gpu: int = 1,
    gpu_per_run: int = 1,
    cpu_per_run: int = 1,
    cpu_per_worker: int = 1,
    cpu_reserved: int = 0,
    hyperthread_offset: int | None = None,
    n_socket: int | None = None,
    run_slot: int | None = None,
    async_sample: bool = False,
    sample_gpu_per_run: int = 0,
    optim_sample_share_gpu: bool = False,
    alternating: bool = False,
    set_affinity: bool = True,
) -> str:
    """The code that divides ``n_cpu_core`` physical cores and ``n_gpu`` GPUs evenly among runs.

    Args:
        n_cpu_core: physical cores to use on the machine.
        n_gpu: GPUs to use on the machine.
        contexts_per_gpu: runs that share a GPU.
        gpu_per_run: GPUs of one run.
        cpu_per_run: cores of one run; without GPUs only, with GPUs their number decides.
        cpu_per_worker: cores of one sampler worker.
        cpu_reserved: cores of each GPU's share that no worker gets (asynchronous mode takes 0 as 1).
        hyperthread_offset: number of core 0's second hyperthread; 0 leaves hyperthreads unused, None asks
            the machine.
        n_socket: sockets to spread the runs over; None asks the machine, and is 1 where the runs do not
            divide evenly over its sockets.
        run_slot: which of the runs; None for the code of all of them.
        async_sample: optimizer and sampler run at the same time, on cores (and perhaps GPUs) of their own.
        sample_gpu_per_run: asynchronous mode: GPUs of the sampler, beside ``gpu_per_run``.
        optim_sample_share_gpu: asynchronous mode: the sampler uses the GPUs of the optimizer.
        alternating: two groups of workers take turns, so there are twice as many.
        set_affinity: False divides the cores without pinning anything to them.

    Raises:
        AffinityError: the division is impossible; all reasons at once.
    """
    arguments = {
        "n_cpu_core": n_cpu_core,
        "n_gpu": n_gpu,
        "contexts_per_gpu": contexts_per_gpu,
        "gpu_per_run": gpu_per_run,
        "cpu_per_run": cpu_per_run,
        "cpu_per_worker": cpu_per_worker,
        "hyperthread_offset": hyperthread_offset,
        "n_socket": n_socket,
        "cpu_reserved": cpu_reserved,
        "async_sample": async_sample,
        "sample_gpu_per_run": sample_gpu_per_run,
        "optim_sample_share_gpu": optim_sample_share_gpu,
        "alternating": alternating,
        "set_affinity": set_affinity,
    }
    parts = worth_writing(valid_parts(_from_machine(arguments), run_slot))
    return _slot_prefix(run_slot) + "_".join(f"{value}{letters}" for letters, value in parts.items())


def quick_affinity_code(
    n_parallel: int | None = None, use_gpu: bool = True, contexts_per_gpu: int = 1
) -> str:
    """The code that uses all that this process may use, evenly.

    With GPUs ``n_parallel`` limits their number (default: all of them), without it is the number of runs, at
    most one a core.
    Where there are fewer cores than runs on GPUs, the cores are divided but nothing is pinned.

    Raises:
        AffinityError: there is no GPU to use and ``n_parallel`` is not given.
    """
    from exptools.launching import machine

    raise_if(_quick_complaints(n_parallel, contexts_per_gpu))
    n_core = len(machine.usable_cores())
    n_gpu = len(machine.gpus()) if use_gpu else 0
    if n_gpu:
        return _quick_gpu_code(n_core, min(n_parallel or n_gpu, n_gpu), contexts_per_gpu)
    if n_parallel is None:
        raise AffinityError(_nothing_to_count_runs_by(use_gpu, n_core))
    cpu_per_run = max(1, n_core // n_parallel)
    n_run = min(n_parallel, n_core)
    return encode_affinity(n_cpu_core=n_run * cpu_per_run, cpu_per_run=cpu_per_run)


def make_affinity(run_slot: int = 0, **kwargs: int | bool | None) -> AttrDict | list[AttrDict]:
    """The affinity of one run from the arguments of ``encode_affinity``.

    Raises:
        AffinityError: the division is impossible, or there is no such run or argument.
    """
    unknown = sorted(set(kwargs) - {part.argument for part in PARTS})
    if unknown:
        allowed = ", ".join(part.argument for part in PARTS)
        raise AffinityError(f"no argument {', '.join(unknown)}; the arguments are run_slot, {allowed}")
    return affinity_from_code(encode_affinity(run_slot=run_slot, **kwargs))  # type: ignore[arg-type]


def full_resource_affinity(set_affinity: bool = True) -> AttrDict | list[AttrDict]:
    """The affinity of a single run that gets every core and every GPU this process may use.

    With several GPUs it is a list, one affinity for each, and cores beyond a multiple of them stay unused.
    """
    from exptools.launching import machine

    n_gpu = len(machine.gpus())
    n_core, pinned = _evenly(len(machine.usable_cores()), max(1, n_gpu))
    return make_affinity(
        n_cpu_core=n_core,
        n_gpu=n_gpu,
        cpu_per_run=n_core,
        gpu_per_run=max(1, n_gpu),
        set_affinity=set_affinity and pinned,
    )


def _from_machine(arguments: Mapping[str, object]) -> dict[str, object]:
    """The arguments with what was left to the machine filled in."""
    if arguments["hyperthread_offset"] is not None and arguments["n_socket"] is not None:
        return dict(arguments)
    from exptools.launching import machine

    cores = machine.usable_cores()
    filled = dict(arguments)
    if filled["hyperthread_offset"] is None:
        filled["hyperthread_offset"] = _offset_beyond(filled["n_cpu_core"], machine.hyperthread_offset(cores))
    if filled["n_socket"] is None:
        filled["n_socket"] = _sockets_that_fit(filled, machine.n_socket(cores))
    return filled


def _offset_beyond(n_cpu_core: object, offset: int) -> int:
    """The offset, or 0 where a hyperthread would have the number of a core."""
    return offset if isinstance(n_cpu_core, SupportsIndex) and offset >= index(n_cpu_core) else 0


def _sockets_that_fit(arguments: Mapping[str, object], n_socket: int) -> int:
    """The machine's sockets where every run fits whole into one of them, else 1: nobody asked for more."""
    parts, complaints = checked({**arguments, "n_socket": n_socket})
    if complaints:
        return 1
    return n_socket if plan_of(worth_writing(parts)).n_block % n_socket == 0 else 1


def _quick_complaints(n_parallel: object, contexts_per_gpu: object) -> Iterator[str]:
    runs = None if n_parallel is None else Part("", "n_parallel", 1).complaint(n_parallel)
    contexts = BY_LETTERS["cxg"].complaint(contexts_per_gpu)
    yield from filter(None, (runs, contexts))


def _quick_gpu_code(n_core: int, n_gpu: int, contexts_per_gpu: int) -> str:
    n_core, pinned = _evenly(n_core, n_gpu * contexts_per_gpu)
    return encode_affinity(
        n_cpu_core=n_core, n_gpu=n_gpu, contexts_per_gpu=contexts_per_gpu, set_affinity=pinned
    )


def _evenly(n_core: int, n_share: int) -> tuple[int, bool]:
    """The most cores that divide evenly, and whether they are real ones that can be pinned to."""
    return (n_core // n_share * n_share, True) if n_core >= n_share else (n_share, False)


def _nothing_to_count_runs_by(use_gpu: bool, n_core: int) -> str:
    reason = "no GPU was found" if use_gpu else "use_gpu=False"
    found = f"this process may use {count(n_core, 'core')}"
    return f"{reason} and n_parallel is not given; use n_parallel=the number of runs side by side ({found})"


# --- from a code to affinities ------------------------------------------------------------------------------


def affinity_from_code(code: str) -> AttrDict | list[AttrDict]:
    """The affinity of the run that the code names: one AttrDict, or with several GPUs per run one for each.

    In asynchronous mode the AttrDict holds ``optimizer`` (one AttrDict a GPU) and ``sampler``
    (one a GPU, or a single one without GPUs).

    Raises:
        AffinityError: the code is malformed, impossible, or has no slot or one out of range.
    """
    run_slot, rest = remove_run_slot(code)
    plan = _valid_plan(rest)
    raise_if(slot_complaints(run_slot, plan.n_slot))
    return plan.affinity(run_slot)


def decode_affinity(code: str) -> dict[str, int]:
    """The numbers in a code (without a run slot) by their letters, in the order of the code.

    Raises:
        AffinityError: a part is unknown, unreadable, out of range or there twice, or ``cpu`` is missing.
    """
    return _decode(_text(code), code)


def get_n_run_slots(code: str) -> int:
    """How many runs a code (without a run slot) puts side by side.

    Raises:
        AffinityError: the code is malformed or impossible.
    """
    return _valid_plan(code).n_slot


def prepend_run_slot(run_slot: int, code: str) -> str:
    """The code of one of the runs.

    Raises:
        AffinityError: the code is malformed, impossible, or has no such slot.
    """
    raise_if(slot_complaints(run_slot, get_n_run_slots(code)))
    return _slot_prefix(run_slot) + code


def remove_run_slot(code: str) -> tuple[int, str]:
    """The run slot at the front of a code, and the code of all runs.

    Raises:
        AffinityError: the code is malformed or does not begin with a run slot.
    """
    match = re.fullmatch(rf"([0-9]{{1,6}}){SLOT}_(.*)", _text(code), re.DOTALL)
    if match is None:
        _decode(code, code)  # A junk part is worth naming before the missing slot is.
        raise AffinityError(
            f"the affinity code {code!r} has no run slot; begin it with one: '0{SLOT}_{code}'"
        )
    _decode(match[2], code)
    return int(match[1]), match[2]


def _decode(text: str, code: str) -> dict[str, int]:
    """The numbers in a text that is all of a code or what follows its slot."""
    parts = text.split("_")
    raise_if(f"the affinity code {code!r} {why}" for why in _unreadable(parts))
    numbers = [(part[-3:], int(part[:-3])) for part in parts]
    raise_if(_code_complaints(code, numbers))
    return dict(numbers)


def _text(code: object) -> str:
    if isinstance(code, str):
        return code
    raise AffinityError(f"an affinity code is a string such as '8cpu_2gpu', not {code!r}")


def _slot_prefix(run_slot: int | None) -> str:
    return "" if run_slot is None else f"{run_slot}{SLOT}_"


_PART = re.compile(rf"[0-9]{{1,6}}({'|'.join(BY_LETTERS)})")
_ALLOWED = "a part is a number followed by one of " + ", ".join([SLOT, *BY_LETTERS])


def _unreadable(parts: Iterable[str]) -> Iterator[str]:
    bad = [part for part in parts if not _PART.fullmatch(part)]
    slots = [part for part in bad if re.fullmatch(rf"[0-9]+{SLOT}", part)]
    unknown = [repr(part) for part in bad if part not in slots]
    if slots:
        yield f"has the slot {slots[0]!r} where only the division belongs; take it off (remove_run_slot)"
    if unknown:
        noun = "part" if len(unknown) == 1 else "parts"
        yield f"has the unknown {noun} {', '.join(unknown)}; {_ALLOWED}"


def _code_complaints(code: str, parts: Sequence[tuple[str, int]]) -> Iterator[str]:
    """What is wrong with the parts themselves, each one readable."""
    given = [letters for letters, _ in parts]
    for letters in dict.fromkeys(given):
        if given.count(letters) > 1:
            yield f"the affinity code {code!r} has the part {letters} more than once; leave one"
    if "cpu" not in given:
        yield f"the affinity code {code!r} has no cpu part; give the number of cores, such as 8cpu"
    for letters, value in parts:
        if complaint := BY_LETTERS[letters].complaint(value):
            yield f"the affinity code {code!r} has {value}{letters}, but {complaint}"


def _run_size_complaints(code: str, parts: Mapping[str, int]) -> Iterator[str]:
    """Cores per run are given exactly when there are no GPUs, whose number decides otherwise."""
    has_gpu, has_size = parts.get("gpu", 0) > 0, "cpr" in parts
    if has_gpu and has_size:
        yield f"the affinity code {code!r} has GPUs, which decide the cores of a run; leave out the cpr part"
    if not has_gpu and not has_size:
        yield f"the affinity code {code!r} has no GPUs and no cpr part; give the cores of a run, such as 1cpr"


def _valid_plan(code: str) -> Plan:
    parts = decode_affinity(code)
    raise_if(_run_size_complaints(code, parts))
    plan = plan_of(parts)
    raise_if(impossibilities(plan, frozenset()))
    return plan
