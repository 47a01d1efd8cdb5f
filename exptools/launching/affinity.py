"""Affinity codes and affinities: which cores and GPUs a run gets, as one word on a command line.

A code is a chain of parts, each a number and three letters: ``16cpu_4gpu_2cxg`` divides 16 cores and 4 GPUs
among 8 runs, and ``3slt_16cpu_4gpu_2cxg`` is the fourth of them. Letters and numbers are those of rlpyt.
The numbers count cores and GPUs from 0; what core k is on a real machine is the business of ``machine.py``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import index
from typing import NamedTuple, SupportsIndex

from exptools.collections import AttrDict
from exptools.errors import AffinityError

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

Cpus = tuple[int, ...]

SLOT = "slt"


class _Part(NamedTuple):
    """One kind of part: its letters, the argument of encode_affinity behind it, the values it may have."""

    letters: str
    argument: str
    least: int
    most: int | None = None

    def complaint(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if not isinstance(value, SupportsIndex):
            return f"{self.argument} must be a whole number, not {value!r}"
        value = index(value)
        if self.most is not None and not self.least <= value <= self.most:
            return f"{self.argument} must be {self.least} or {self.most}, not {value}"
        return f"{self.argument} must be at least {self.least}, not {value}" if value < self.least else None


# In the order in which a code is written.
_PARTS = (
    _Part("cpu", "n_cpu_core", 1),
    _Part("gpu", "n_gpu", 0),
    _Part("cxg", "contexts_per_gpu", 1),
    _Part("gpr", "gpu_per_run", 1),
    _Part("cpr", "cpu_per_run", 1),
    _Part("cpw", "cpu_per_worker", 1),
    _Part("hto", "hyperthread_offset", 0),
    _Part("skt", "n_socket", 1),
    _Part("res", "cpu_reserved", 0),
    _Part("ass", "async_sample", 0, 1),
    _Part("sgr", "sample_gpu_per_run", 0),
    _Part("oss", "optim_sample_share_gpu", 0, 1),
    _Part("alt", "alternating", 0, 1),
    _Part("saf", "set_affinity", 0, 1),
)
_BY_LETTERS = {part.letters: part for part in _PARTS}

# What an absent part means. "hto" is then "cpu", and "cpr" is there exactly when there are no GPUs.
_ABSENT = {
    "gpu": 0,
    "cxg": 1,
    "gpr": 1,
    "cpw": 1,
    "skt": 1,
    "res": 0,
    "ass": 0,
    "sgr": 0,
    "oss": 0,
    "alt": 0,
    "saf": 1,
}


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
    parts = _worth_writing(_valid_parts(_from_machine(arguments), run_slot))
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

    _raise_if(_quick_complaints(n_parallel, contexts_per_gpu))
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
    unknown = sorted(set(kwargs) - {part.argument for part in _PARTS})
    if unknown:
        allowed = ", ".join(part.argument for part in _PARTS)
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
    parts, complaints = _checked({**arguments, "n_socket": n_socket})
    if complaints:
        return 1
    return n_socket if _plan(_worth_writing(parts)).n_block % n_socket == 0 else 1


def _quick_complaints(n_parallel: object, contexts_per_gpu: object) -> Iterator[str]:
    runs = None if n_parallel is None else _Part("", "n_parallel", 1).complaint(n_parallel)
    contexts = _BY_LETTERS["cxg"].complaint(contexts_per_gpu)
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
    found = f"this process may use {_count(n_core, 'core')}"
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
    _raise_if(_slot_complaints(run_slot, plan.n_slot))
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
    _raise_if(_slot_complaints(run_slot, get_n_run_slots(code)))
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
    _raise_if(f"the affinity code {code!r} {why}" for why in _unreadable(parts))
    numbers = [(part[-3:], int(part[:-3])) for part in parts]
    _raise_if(_code_complaints(code, numbers))
    return dict(numbers)


def _text(code: object) -> str:
    if isinstance(code, str):
        return code
    raise AffinityError(f"an affinity code is a string such as '8cpu_2gpu', not {code!r}")


def _slot_prefix(run_slot: int | None) -> str:
    return "" if run_slot is None else f"{run_slot}{SLOT}_"


_PART = re.compile(rf"[0-9]{{1,6}}({'|'.join(_BY_LETTERS)})")
_ALLOWED = "a part is a number followed by one of " + ", ".join([SLOT, *_BY_LETTERS])


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
        if complaint := _BY_LETTERS[letters].complaint(value):
            yield f"the affinity code {code!r} has {value}{letters}, but {complaint}"


def _run_size_complaints(code: str, parts: Mapping[str, int]) -> Iterator[str]:
    """Cores per run are given exactly when there are no GPUs, whose number decides otherwise."""
    has_gpu, has_size = parts.get("gpu", 0) > 0, "cpr" in parts
    if has_gpu and has_size:
        yield f"the affinity code {code!r} has GPUs, which decide the cores of a run; leave out the cpr part"
    if not has_gpu and not has_size:
        yield f"the affinity code {code!r} has no GPUs and no cpr part; give the cores of a run, such as 1cpr"


def _valid_plan(code: str) -> _Plan:
    parts = decode_affinity(code)
    _raise_if(_run_size_complaints(code, parts))
    plan = _plan(parts)
    _raise_if(_impossibilities(plan, frozenset()))
    return plan


def _slot_complaints(run_slot: object, n_slot: int) -> Iterator[str]:
    if not isinstance(run_slot, SupportsIndex):
        yield f"run_slot must be a whole number, not {run_slot!r}"
    elif not 0 <= index(run_slot) < n_slot:
        allowed = "0" if n_slot == 1 else f"0 to {n_slot - 1}"
        yield f"run slot {run_slot} is out of range: there {_are(n_slot, 'run')}; use {allowed}"


# --- validation: every reason at once -----------------------------------------------------------------------


def _raise_if(complaints: Iterable[str]) -> None:
    """Raise one AffinityError with all complaints; numbered if there are several."""
    texts = list(complaints)
    if len(texts) == 1:
        raise AffinityError(texts[0])
    if texts:
        numbered = " ".join(f"({number}) {text}" for number, text in enumerate(texts, start=1))
        raise AffinityError(f"{len(texts)} problems: {numbered}")


def _valid_parts(arguments: Mapping[str, object], run_slot: int | None) -> dict[str, int]:
    parts, complaints = _checked(arguments)
    if run_slot is not None and not complaints:
        complaints = list(_slot_complaints(run_slot, _plan(_worth_writing(parts)).n_slot))
    _raise_if(complaints)
    return parts


def _checked(arguments: Mapping[str, object]) -> tuple[dict[str, int], list[str]]:
    """The arguments by their letters, and all that is wrong with them.

    Rules that need an unusable argument are skipped: they would only repeat its complaint.
    """
    complaints = {p.letters: text for p in _PARTS if (text := p.complaint(arguments[p.argument]))}
    usable = {p.letters: arguments[p.argument] for p in _PARTS if p.letters not in complaints}
    stand_ins = {p.letters: p.least for p in _PARTS}
    parts = {**stand_ins, **{letters: int(value) for letters, value in usable.items()}}  # type: ignore[call-overload]
    plan = _plan(_worth_writing(parts))
    return parts, [*complaints.values(), *_impossibilities(plan, frozenset(complaints))]


def _worth_writing(parts: Mapping[str, int]) -> dict[str, int]:
    """The parts that are not what their absence means."""
    absent = {**_ABSENT, "hto": parts["cpu"]}
    unwritten = {letters for letters, value in parts.items() if absent.get(letters) == value} - {"gpu"}
    if parts["gpu"] > 0:
        unwritten.add("cpr")
    return {part.letters: parts[part.letters] for part in _PARTS if part.letters not in unwritten}


def _needs_gpus(plan: _Plan) -> Iterator[str]:
    if plan.gpu:
        return
    for letters in ("cxg", "gpr", "ass"):
        if getattr(plan, letters) != _ABSENT[letters]:
            yield f"{_given(plan, letters)} needs GPUs, but n_gpu=0; leave it out or use n_gpu=1 or more"


def _needs_async(plan: _Plan) -> Iterator[str]:
    if plan.ass:
        return
    for letters in ("sgr", "oss"):
        if getattr(plan, letters):
            yield f"{_given(plan, letters)} is for asynchronous mode; leave it out or use async_sample=True"


def _shares_whole_gpus(plan: _Plan) -> Iterator[str]:
    if plan.cxg > 1 and (plan.ass or plan.gpr > 1):
        owner = "async_sample=True" if plan.ass else _given(plan, "gpr")
        yield f"{_given(plan, 'cxg')} cannot be combined with {owner}; use contexts_per_gpu=1"


def _run_fits(plan: _Plan) -> Iterator[str]:
    if not plan.gpu or plan.gpus_of_run <= plan.gpu:
        return
    if plan.gpus_of_run == plan.gpr:
        yield f"a run of {plan.gpr} GPUs does not fit into n_gpu={plan.gpu}; use n_gpu={plan.gpr} or more"
    else:
        sum_ = f"{plan.gpr} + {plan.sgr} = {plan.gpus_of_run} GPUs (gpu_per_run + sample_gpu_per_run)"
        yield f"a run of {sum_} does not fit into n_gpu={plan.gpu}; use n_gpu={plan.gpus_of_run} or more"


def _cores_divide(plan: _Plan) -> Iterator[str]:
    if plan.is_async:
        return
    share, shares = (
        (plan.n_context, _gpu_shares(plan)) if plan.gpu else (plan.cpr, f"runs of {plan.cpr} cores")
    )
    if plan.cpu % share:
        how = "over" if plan.gpu else "into"
        uneven = (
            f"{_count(plan.cpu, 'core')} cannot be split evenly {how} {shares}: {_division(plan.cpu, share)}"
        )
        yield f"{uneven}; use n_cpu_core={_or(_multiples_around(plan.cpu, share))}"


def _gpu_shares(plan: _Plan) -> str:
    if plan.cxg == 1:
        return f"{plan.gpu} GPUs"
    return f"{plan.n_context} runs ({plan.gpu} GPUs x {plan.cxg} contexts)"


def _cores_fill_sockets(plan: _Plan) -> Iterator[str]:
    difference = abs(plan.hto - plan.cpu)
    if not plan.is_async and difference % plan.skt:
        gap = f"hyperthread_offset={plan.hto} and n_cpu_core={plan.cpu} differ by {difference}"
        uneven = f"which cannot be split evenly over {plan.skt} sockets: {_division(difference, plan.skt)}"
        yield f"{gap}, {uneven}; use n_socket={_or(_divisors(difference, plan.skt))}"


def _workers_divide(plan: _Plan) -> Iterator[str]:
    if plan.is_async or any(_cores_divide(plan)) or plan.n_block == 0:
        return
    n_core = plan.cores_of_block
    left = max(0, n_core - plan.res)
    if left % plan.cpw:
        less = f" less {plan.res} reserved" if plan.res else ""
        share = f"a run's {_count(n_core, 'core')}{less}"
        uneven = f"{share} cannot be split evenly into workers of {plan.cpw} cores"
        fitting = _or(_divisors(left, plan.cpw))
        yield f"{uneven}: {_division(left, plan.cpw)}; use cpu_per_worker={fitting}"


def _runs_fill_sockets(plan: _Plan) -> Iterator[str]:
    if not plan.is_async or plan.n_slot == 0:
        return
    if plan.in_one_socket:
        if plan.n_slot % plan.skt:
            uneven = f"{plan.n_slot} runs cannot be split evenly over {plan.skt} sockets"
            fitting = _or(_divisors(plan.n_slot, plan.skt))
            yield f"{uneven}: {_division(plan.n_slot, plan.skt)}; use n_socket={fitting}"
    elif plan.gpus_of_socket == 0:
        yield f"{plan.skt} sockets are more than {plan.gpu} GPUs; use n_socket=1"
    else:
        yield from _gpus_fill_sockets(plan)


def _gpus_fill_sockets(plan: _Plan) -> Iterator[str]:
    n_socket = plan.sockets_of_run
    for argument, n_gpu in (("gpu_per_run", plan.gpr), ("sample_gpu_per_run", plan.n_sampler_gpu)):
        if n_gpu % n_socket:
            uneven = f"{argument}={n_gpu} cannot be split evenly over the {n_socket} sockets of a run"
            yield f"{uneven}: {_division(n_gpu, n_socket)}; use n_socket=1"


# Each rule with the parts it reads: it is asked only where those are usable.
_RULES: tuple[tuple[Callable[[_Plan], Iterator[str]], frozenset[str]], ...] = tuple(
    (rule, frozenset(letters.split()))
    for rule, letters in (
        (_needs_gpus, "gpu cxg gpr ass"),
        (_needs_async, "ass sgr oss"),
        (_shares_whole_gpus, "cxg gpr ass"),
        (_run_fits, "gpu gpr ass sgr oss"),
        (_cores_divide, "cpu gpu cxg cpr ass"),
        (_cores_fill_sockets, "cpu gpu hto skt ass"),
        (_workers_divide, "cpu gpu cxg cpr cpw res hto skt ass"),
        (_runs_fill_sockets, "gpu gpr skt ass sgr oss"),
    )
)


def _impossibilities(plan: _Plan, unusable: frozenset[str]) -> Iterator[str]:
    """Why the division cannot be made; nothing if it can."""
    for rule, reads in _RULES:
        if not reads & unusable:
            yield from rule(plan)


def _given(plan: _Plan, letters: str) -> str:
    part, value = _BY_LETTERS[letters], getattr(plan, letters)
    return f"{part.argument}={bool(value) if part.most == 1 else value}"


def _division(n: int, by: int) -> str:
    return f"{n} = {by} x {n // by} + {n % by}"


def _multiples_around(n: int, of: int) -> list[int]:
    below = n // of * of
    return [multiple for multiple in (below, below + of) if multiple]


def _divisors(n: int, most: int) -> list[int]:
    return [divisor for divisor in range(1, most + 1) if n % divisor == 0]


def _count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _are(n: int, noun: str) -> str:
    return f"{'is' if n == 1 else 'are'} {_count(n, noun)}"


def _or(numbers: Sequence[int]) -> str:
    *front, last = map(str, numbers)
    return f"{', '.join(front)} or {last}" if front else last


# --- the division itself ------------------------------------------------------------------------------------


def _plan(parts: Mapping[str, int]) -> _Plan:
    """A code's numbers with the absent ones filled in."""
    filled = {**_ABSENT, "hto": parts["cpu"], "cpr": 1, **parts}
    if filled["ass"]:
        # Only the code's silence means 1 here: encode_affinity's cpu_reserved=0 is not written.
        filled["res"] = parts.get("res", 1)
    return _Plan(**filled)


@dataclass(frozen=True)
class _Plan:
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


def _block_affinity(plan: _Plan, block: int) -> AttrDict:
    cores = _block_cores(plan, block)
    return _worker_affinity(plan, cores, cores[plan.res :])


def _gpu_affinity(plan: _Plan, slot: int) -> AttrDict:
    # Neighbouring slots are on different GPUs, neighbouring blocks of cores belong to the same one.
    context, gpu = divmod(slot, plan.gpu)
    affinity = _block_affinity(plan, gpu * plan.cxg + context)
    return AttrDict(affinity, cuda_idx=gpu)


def _block_cores(plan: _Plan, block: int) -> Cpus:
    """The cores of one of the equal shares: in one socket, or evenly in several if there are more sockets."""
    n_socket, n_core = plan.sockets_of_block, plan.cores_of_block
    if plan.n_block < plan.skt:
        sockets = range(block * n_socket, (block + 1) * n_socket)
        return _join(_run_of(socket * plan.cores_of_socket, n_core // n_socket) for socket in sockets)
    socket, place = divmod(block, plan.n_block // plan.skt)
    return _run_of(socket * plan.cores_of_socket + place * n_core, n_core)


def _worker_affinity(plan: _Plan, cores: Cpus, worker_cores: Cpus) -> AttrDict:
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


def _workers(plan: _Plan, cores: Cpus) -> tuple[Cpus, ...]:
    """The CPUs of each worker.

    Alternating workers come in pairs that take turns: on the two hyperthreads of their cores, or on the same
    CPUs where hyperthreads are not used.
    """
    on_cores = _chunks(cores, plan.cpw)
    on_hyperthreads = tuple(_hyperthreads(plan, chunk) for chunk in on_cores)
    if plan.alt:
        return on_cores + (on_hyperthreads if plan.hto else on_cores)
    return tuple(first + second for first, second in zip(on_cores, on_hyperthreads, strict=True))


def _hyperthreads(plan: _Plan, cores: Cpus) -> Cpus:
    return tuple(core + plan.hto for core in cores) if plan.hto else ()


def _with_hyperthreads(plan: _Plan, cores: Cpus) -> Cpus:
    return cores + _hyperthreads(plan, cores)


def _chunks(cores: Cpus, size: int) -> tuple[Cpus, ...]:
    """Whole chunks only: no worker has fewer cores than the others."""
    return tuple(cores[end - size : end] for end in range(size, len(cores) + 1, size))


def _run_of(first: int, length: int) -> Cpus:
    return tuple(range(first, first + length))


def _join(tuples: Iterable[Cpus]) -> Cpus:
    return tuple(cpu for cpus in tuples for cpu in cpus)


# --- asynchronous mode: optimizer and sampler beside each other ---------------------------------------------


def _async_affinity(plan: _Plan, run_slot: int) -> AttrDict:
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


def _optimizer_affinity(plan: _Plan, gpu: int, first_core: int) -> AttrDict:
    return AttrDict(
        cpus=_with_hyperthreads(plan, _run_of(first_core, plan.res)),
        cuda_idx=gpu,
        torch_threads=plan.res,
        set_affinity=bool(plan.saf),
    )


def _sampler_affinity(plan: _Plan, gpu: int | None, cores: Cpus) -> AttrDict:
    return AttrDict(_worker_affinity(plan, cores, cores), cuda_idx=gpu)


class _Place(NamedTuple):
    """Where an asynchronous run is."""

    optimizer: tuple[tuple[int, int], ...]  # (GPU, first core) each
    sampler: tuple[tuple[int, int], ...]  # (GPU, first core) each
    cpu_sampler: Cpus  # first core on each socket, of a sampler without GPUs

    @classmethod
    def within_socket(cls, plan: _Plan, run_slot: int) -> _Place:
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
    def across(cls, plan: _Plan, run_slot: int) -> _Place:
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


def _core_by_gpu(plan: _Plan, gpu: int, cores_of_gpu: int) -> int:
    """The first core of a GPU where every GPU of a socket has as many."""
    socket, in_socket = divmod(gpu, plan.gpus_of_socket)
    return socket * plan.cores_of_socket + in_socket * cores_of_gpu
