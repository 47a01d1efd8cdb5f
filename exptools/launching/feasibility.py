"""Why a division of cores and GPUs cannot be made: every reason at once, with the arithmetic."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from operator import index
from typing import SupportsIndex

from exptools.errors import AffinityError
from exptools.launching.division import Plan, plan_of
from exptools.launching.parts import ABSENT, BY_LETTERS, PARTS
from exptools.words import any_of


def raise_if(complaints: Iterable[str]) -> None:
    """Raise one AffinityError with all complaints; numbered if there are several."""
    texts = list(complaints)
    if len(texts) == 1:
        raise AffinityError(texts[0])
    if texts:
        numbered = " ".join(f"({number}) {text}" for number, text in enumerate(texts, start=1))
        raise AffinityError(f"{len(texts)} problems: {numbered}")


def valid_parts(arguments: Mapping[str, object], run_slot: int | None) -> dict[str, int]:
    parts, complaints = checked(arguments)
    if run_slot is not None and not complaints:
        complaints = list(slot_complaints(run_slot, plan_of(worth_writing(parts)).n_slot))
    raise_if(complaints)
    return parts


def slot_complaints(run_slot: object, n_slot: int) -> Iterator[str]:
    if not isinstance(run_slot, SupportsIndex):
        yield f"run_slot must be a whole number, not {run_slot!r}"
    elif not 0 <= index(run_slot) < n_slot:
        allowed = "0" if n_slot == 1 else f"0 to {n_slot - 1}"
        yield f"run slot {run_slot} is out of range: there {_are(n_slot, 'run')}; use {allowed}"


def checked(arguments: Mapping[str, object]) -> tuple[dict[str, int], list[str]]:
    """The arguments by their letters, and all that is wrong with them.

    Rules that need an unusable argument are skipped: they would only repeat its complaint.
    """
    complaints = {p.letters: text for p in PARTS if (text := p.complaint(arguments[p.argument]))}
    usable = {p.letters: arguments[p.argument] for p in PARTS if p.letters not in complaints}
    stand_ins = {p.letters: p.least for p in PARTS}
    parts = {**stand_ins, **{letters: int(value) for letters, value in usable.items()}}  # type: ignore[call-overload]
    plan = plan_of(worth_writing(parts))
    return parts, [*complaints.values(), *impossibilities(plan, frozenset(complaints))]


def worth_writing(parts: Mapping[str, int]) -> dict[str, int]:
    """The parts that are not what their absence means."""
    absent = {**ABSENT, "hto": parts["cpu"]}
    unwritten = {letters for letters, value in parts.items() if absent.get(letters) == value} - {"gpu"}
    if parts["gpu"] > 0:
        unwritten.add("cpr")
    return {part.letters: parts[part.letters] for part in PARTS if part.letters not in unwritten}


def _needs_gpus(plan: Plan) -> Iterator[str]:
    if plan.gpu:
        return
    for letters in ("cxg", "gpr", "ass"):
        if getattr(plan, letters) != ABSENT[letters]:
            yield f"{_given(plan, letters)} needs GPUs, but n_gpu=0; leave it out or use n_gpu=1 or more"


def _needs_async(plan: Plan) -> Iterator[str]:
    if plan.ass:
        return
    for letters in ("sgr", "oss"):
        if getattr(plan, letters):
            yield f"{_given(plan, letters)} is for asynchronous mode; leave it out or use async_sample=True"


def _shares_whole_gpus(plan: Plan) -> Iterator[str]:
    if plan.cxg > 1 and (plan.ass or plan.gpr > 1):
        owner = "async_sample=True" if plan.ass else _given(plan, "gpr")
        yield f"{_given(plan, 'cxg')} cannot be combined with {owner}; use contexts_per_gpu=1"


def _run_fits(plan: Plan) -> Iterator[str]:
    if not plan.gpu or plan.gpus_of_run <= plan.gpu:
        return
    if plan.gpus_of_run == plan.gpr:
        yield f"a run of {plan.gpr} GPUs does not fit into n_gpu={plan.gpu}; use n_gpu={plan.gpr} or more"
    else:
        sum_ = f"{plan.gpr} + {plan.sgr} = {plan.gpus_of_run} GPUs (gpu_per_run + sample_gpu_per_run)"
        yield f"a run of {sum_} does not fit into n_gpu={plan.gpu}; use n_gpu={plan.gpus_of_run} or more"


def _cores_divide(plan: Plan) -> Iterator[str]:
    if plan.is_async:
        return
    share, shares = (
        (plan.n_context, _gpu_shares(plan)) if plan.gpu else (plan.cpr, f"runs of {plan.cpr} cores")
    )
    if plan.cpu % share:
        how = "over" if plan.gpu else "into"
        uneven = (
            f"{count(plan.cpu, 'core')} cannot be split evenly {how} {shares}: {_division(plan.cpu, share)}"
        )
        yield f"{uneven}; use n_cpu_core={_or(_multiples_around(plan.cpu, share))}"


def _gpu_shares(plan: Plan) -> str:
    if plan.cxg == 1:
        return f"{plan.gpu} GPUs"
    return f"{plan.n_context} runs ({plan.gpu} GPUs x {plan.cxg} contexts)"


def _cores_fill_sockets(plan: Plan) -> Iterator[str]:
    difference = abs(plan.hto - plan.cpu)
    if not plan.is_async and difference % plan.skt:
        gap = f"hyperthread_offset={plan.hto} and n_cpu_core={plan.cpu} differ by {difference}"
        uneven = f"which cannot be split evenly over {plan.skt} sockets: {_division(difference, plan.skt)}"
        yield f"{gap}, {uneven}; use n_socket={_or(_divisors(difference, plan.skt))}"


def _workers_divide(plan: Plan) -> Iterator[str]:
    if plan.is_async or any(_cores_divide(plan)) or plan.n_block == 0:
        return
    n_core = plan.cores_of_block
    left = max(0, n_core - plan.res)
    if left % plan.cpw:
        less = f" less {plan.res} reserved" if plan.res else ""
        share = f"a run's {count(n_core, 'core')}{less}"
        uneven = f"{share} cannot be split evenly into workers of {plan.cpw} cores"
        fitting = _or(_divisors(left, plan.cpw))
        yield f"{uneven}: {_division(left, plan.cpw)}; use cpu_per_worker={fitting}"


def _runs_fill_sockets(plan: Plan) -> Iterator[str]:
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


def _gpus_fill_sockets(plan: Plan) -> Iterator[str]:
    n_socket = plan.sockets_of_run
    for argument, n_gpu in (("gpu_per_run", plan.gpr), ("sample_gpu_per_run", plan.n_sampler_gpu)):
        if n_gpu % n_socket:
            uneven = f"{argument}={n_gpu} cannot be split evenly over the {n_socket} sockets of a run"
            yield f"{uneven}: {_division(n_gpu, n_socket)}; use n_socket=1"


# Each rule with the parts it reads: it is asked only where those are usable.
_RULES: tuple[tuple[Callable[[Plan], Iterator[str]], frozenset[str]], ...] = tuple(
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


def impossibilities(plan: Plan, unusable: frozenset[str]) -> Iterator[str]:
    """Why the division cannot be made; nothing if it can."""
    for rule, reads in _RULES:
        if not reads & unusable:
            yield from rule(plan)


def _given(plan: Plan, letters: str) -> str:
    part, value = BY_LETTERS[letters], getattr(plan, letters)
    return f"{part.argument}={bool(value) if part.most == 1 else value}"


def _division(n: int, by: int) -> str:
    return f"{n} = {by} x {n // by} + {n % by}"


def _multiples_around(n: int, of: int) -> list[int]:
    below = n // of * of
    return [multiple for multiple in (below, below + of) if multiple]


def _divisors(n: int, most: int) -> list[int]:
    return [divisor for divisor in range(1, most + 1) if n % divisor == 0]


def count(n: int, noun: str) -> str:
    """`n` of a noun, in the plural unless it is one."""
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def _are(n: int, noun: str) -> str:
    return f"{'is' if n == 1 else 'are'} {count(n, noun)}"


def _or(numbers: Sequence[int]) -> str:
    return any_of(list(map(str, numbers)))
