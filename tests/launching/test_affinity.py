"""Affinity codes: rlpyt's letters and numbers, and errors that show the arithmetic."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from exptools.collections import AttrDict
from exptools.errors import AffinityError
from exptools.launching import machine
from exptools.launching.affinity import (
    affinity_from_code,
    decode_affinity,
    encode_affinity,
    full_resource_affinity,
    get_n_run_slots,
    make_affinity,
    prepend_run_slot,
    quick_affinity_code,
    remove_run_slot,
)
from exptools.launching.machine import Core, Gpu

EXAMPLES = json.loads((Path(__file__).parent / "data" / "affinity_examples.json").read_text())
ALLOWED = (
    "a part is a number followed by one of "
    "slt, cpu, gpu, cxg, gpr, cpr, cpw, hto, skt, res, ass, sgr, oss, alt, saf"
)
# No hyperthreads, one socket: what a test does not mean to ask of the machine.
PLAIN: dict[str, Any] = {"hyperthread_offset": 0, "n_socket": 1}


def error_of(**kwargs: Any) -> str:
    """The text of the error that these arguments cause."""
    with pytest.raises(AffinityError) as caught:
        encode_affinity(**{**PLAIN, **kwargs})
    return str(caught.value)


def error_of_code(code: Any) -> str:
    with pytest.raises(AffinityError) as caught:
        affinity_from_code(code)
    return str(caught.value)


def as_json(value: Any) -> Any:
    return json.loads(json.dumps(value))


@pytest.fixture
def give(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Pretend to be on a machine with so many cores (threads each, evenly on sockets) and GPUs."""

    def pretend(n_core: int, n_gpu: int = 0, threads: int = 1, n_socket: int = 1) -> None:
        cores = tuple(
            Core(tuple(k + n_core * t for t in range(threads)), k * n_socket // n_core, None)
            for k in range(n_core)
        )
        monkeypatch.setattr(machine, "usable_cores", lambda: cores)
        monkeypatch.setattr(machine, "gpus", lambda: tuple(Gpu(str(k), None, "test") for k in range(n_gpu)))

    return pretend


# --- the numbers --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda example: example["code"])
def test_codes_and_affinities_are_those_of_rlpyt(example: dict[str, Any]) -> None:
    code = encode_affinity(**example["kwargs"])
    slots = range(get_n_run_slots(code))
    affinities = [affinity_from_code(prepend_run_slot(slot, code)) for slot in slots]

    assert {"code": code, "n_run_slots": len(slots), "affinity": as_json(affinities)} == {
        key: example[key] for key in ("code", "n_run_slots", "affinity")
    }


def test_a_cpu_run_gets_its_cores_with_their_hyperthreads() -> None:
    affinity = affinity_from_code("1slt_4cpu_0gpu_2cpr")

    assert affinity == {
        "all_cpus": (2, 3, 6, 7),
        "master_cpus": (2, 3, 6, 7),
        "workers_cpus": ((2, 6), (3, 7)),
        "master_torch_threads": 2,
        "worker_torch_threads": 1,
        "alternating": False,
        "set_affinity": True,
    }


def test_two_contexts_on_a_gpu_have_neighbouring_cores_and_distant_slots() -> None:
    affinities = [affinity_from_code(f"{slot}slt_8cpu_2gpu_2cxg_0hto") for slot in range(4)]

    assert [(a["cuda_idx"], a["all_cpus"]) for a in affinities] == [
        (0, (0, 1)),
        (1, (4, 5)),
        (0, (2, 3)),
        (1, (6, 7)),
    ]


def test_a_run_on_two_gpus_has_an_affinity_for_each() -> None:
    affinities = affinity_from_code("1slt_8cpu_4gpu_2gpr_0hto")

    assert [(a["cuda_idx"], a["all_cpus"]) for a in affinities] == [(2, (4, 5)), (3, (6, 7))]


def test_an_asynchronous_run_on_two_sockets_has_samplers_beside_the_optimizers_of_each() -> None:
    affinity = affinity_from_code("0slt_16cpu_4gpu_2gpr_0hto_2skt_1ass_2sgr")

    assert [(o.cuda_idx, o.cpus) for o in affinity.optimizer] == [(0, (0,)), (2, (8,))]
    assert [(s.cuda_idx, s.all_cpus) for s in affinity.sampler] == [
        (1, (1, 2, 3, 4, 5, 6, 7)),
        (3, (9, 10, 11, 12, 13, 14, 15)),
    ]


def test_a_sampler_without_gpus_is_one_affinity_over_both_sockets() -> None:
    affinity = affinity_from_code("0slt_16cpu_2gpu_2gpr_0hto_2skt_1ass")

    assert affinity.sampler.all_cpus == (2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 14, 15, 16)
    assert affinity.sampler.cuda_idx is None


def test_asynchronous_mode_reserves_a_core_for_each_optimizer_unless_told() -> None:
    silent, told = affinity_from_code("0slt_4cpu_1gpu_1ass"), affinity_from_code("0slt_4cpu_1gpu_1ass_2res")

    assert [a.optimizer[0].cpus for a in (silent, told)] == [(0, 4), (0, 1, 4, 5)]


def test_affinities_are_attribute_dicts_all_the_way_down() -> None:
    affinity = make_affinity(n_cpu_core=4, n_gpu=1, async_sample=True, **PLAIN)

    assert {type(a) for a in (affinity, affinity.optimizer[0], affinity.sampler)} == {AttrDict}


def test_make_affinity_takes_the_slot_beside_the_arguments() -> None:
    assert make_affinity(run_slot=1, n_cpu_core=4, cpu_per_run=2, **PLAIN) == affinity_from_code(
        "1slt_4cpu_0gpu_2cpr_0hto"
    )


def random_arguments(rng: random.Random) -> dict[str, Any]:
    return {
        "n_cpu_core": rng.choice([1, 2, 3, 4, 6, 8, 12, 16, 24, 64]),
        "n_gpu": rng.choice([0, 1, 2, 3, 4, 8]),
        "contexts_per_gpu": rng.choice([1, 1, 2, 3]),
        "gpu_per_run": rng.choice([1, 1, 2, 4]),
        "cpu_per_run": rng.choice([1, 2, 4]),
        "cpu_per_worker": rng.choice([1, 2]),
        "cpu_reserved": rng.choice([0, 1, 2]),
        "hyperthread_offset": rng.choice([0, 8, 16, 64]),
        "n_socket": rng.choice([1, 1, 2, 4]),
        "async_sample": rng.random() < 0.3,
        "sample_gpu_per_run": rng.choice([0, 0, 1, 2]),
        "optim_sample_share_gpu": rng.random() < 0.2,
        "alternating": rng.random() < 0.5,
        "set_affinity": rng.random() < 0.5,
    }


def valid_arguments(n: int, seed: int) -> list[dict[str, Any]]:
    rng, found = random.Random(seed), []
    while len(found) < n:
        kwargs = random_arguments(rng)
        try:
            encode_affinity(**kwargs)
        except AffinityError:
            continue
        found.append(kwargs)
    return found


LETTERS = {
    "n_cpu_core": "cpu",
    "n_gpu": "gpu",
    "contexts_per_gpu": "cxg",
    "gpu_per_run": "gpr",
    "cpu_per_run": "cpr",
    "cpu_per_worker": "cpw",
    "cpu_reserved": "res",
    "hyperthread_offset": "hto",
    "n_socket": "skt",
    "async_sample": "ass",
    "sample_gpu_per_run": "sgr",
    "optim_sample_share_gpu": "oss",
    "alternating": "alt",
    "set_affinity": "saf",
}


def test_decoding_gives_back_what_was_encoded() -> None:
    many = valid_arguments(1_000, seed=7)

    for kwargs in many:
        given = {LETTERS[name]: int(value) for name, value in kwargs.items()}
        left_out = {"cxg": 1, "gpr": 1, "cpw": 1, "skt": 1, "res": 0, "ass": 0, "sgr": 0, "oss": 0, "alt": 0}
        left_out |= {"hto": given["cpu"], "saf": 1} | ({"cpr": given["cpr"]} if given["gpu"] else {})
        assert left_out | decode_affinity(encode_affinity(**kwargs)) == given


def test_whatever_can_be_encoded_has_an_affinity_for_every_slot_and_no_more() -> None:
    for kwargs in valid_arguments(500, seed=8):
        code = encode_affinity(**kwargs)
        n = get_n_run_slots(code)

        assert n >= 1
        assert [remove_run_slot(prepend_run_slot(slot, code)) for slot in range(n)] == [
            (slot, code) for slot in range(n)
        ]
        assert all(affinity_from_code(prepend_run_slot(slot, code)) for slot in range(n))
        with pytest.raises(AffinityError, match=f"run slot {n} is out of range"):
            prepend_run_slot(n, code)


def test_runs_of_one_socket_share_no_core() -> None:
    synchronous = [k for k in valid_arguments(300, seed=9) if not k["async_sample"]]

    for kwargs in synchronous:
        code = encode_affinity(**{**kwargs, "n_socket": 1, "hyperthread_offset": 0})
        affinities = [affinity_from_code(prepend_run_slot(s, code)) for s in range(get_n_run_slots(code))]
        parts = [part for a in affinities for part in (a if isinstance(a, list) else [a])]
        cores = [core for part in parts for core in part.all_cpus]
        assert len(cores) == len(set(cores))
        assert set(cores) <= set(range(kwargs["n_cpu_core"]))


# --- what the machine fills in ------------------------------------------------------------------------------


def test_hyperthreads_and_sockets_come_from_the_machine(give: Any) -> None:
    give(n_core=16, threads=2, n_socket=2)

    assert encode_affinity(n_cpu_core=8, n_gpu=4) == "8cpu_4gpu_16hto_2skt"


def test_the_offset_of_a_machine_in_full_use_goes_without_saying(give: Any) -> None:
    give(n_core=16, threads=2)

    assert encode_affinity(n_cpu_core=16, cpu_per_run=4) == "16cpu_0gpu_4cpr"


def test_a_machine_without_hyperthreads_turns_them_off(give: Any) -> None:
    give(n_core=16)

    assert encode_affinity(n_cpu_core=16, cpu_per_run=4) == "16cpu_0gpu_4cpr_0hto"


@pytest.mark.parametrize(
    ("n_gpu", "code"), [(1, "3cpu_1gpu_0hto"), (3, "9cpu_3gpu_0hto"), (4, "12cpu_4gpu_0hto_2skt")]
)
def test_the_machines_sockets_count_only_where_runs_divide_evenly_over_them(
    give: Any, n_gpu: int, code: str
) -> None:
    give(n_core=16, n_socket=2)

    assert encode_affinity(n_cpu_core=3 * n_gpu, n_gpu=n_gpu) == code


def test_asynchronous_runs_use_the_machines_sockets_too(give: Any) -> None:
    give(n_core=16, threads=2, n_socket=2)

    assert encode_affinity(n_cpu_core=16, n_gpu=4, async_sample=True) == "16cpu_4gpu_2skt_1ass"
    assert encode_affinity(n_cpu_core=16, n_gpu=4, gpu_per_run=4, async_sample=True) == "16cpu_4gpu_4gpr_1ass"


def test_the_machine_is_asked_only_for_what_is_left_open(give: Any) -> None:
    give(n_core=16, threads=2, n_socket=2)

    assert encode_affinity(n_cpu_core=8, n_gpu=2, hyperthread_offset=8) == "8cpu_2gpu_2skt"
    assert encode_affinity(n_cpu_core=8, n_gpu=2, n_socket=1) == "8cpu_2gpu_16hto"


def test_the_machines_sockets_hide_no_error(give: Any) -> None:
    give(n_core=16, n_socket=2)

    with pytest.raises(AffinityError, match=r"^10 cores cannot be split evenly over 4 GPUs"):
        encode_affinity(n_cpu_core=10, n_gpu=4)


def test_more_cores_than_the_machine_has_get_no_hyperthread_numbers_of_other_cores(give: Any) -> None:
    give(n_core=4, threads=2)

    assert encode_affinity(n_cpu_core=8, set_affinity=False) == "8cpu_0gpu_1cpr_0hto_0saf"


def test_the_quick_code_divides_all_cores_among_all_gpus(give: Any) -> None:
    give(n_core=18, n_gpu=4)

    assert quick_affinity_code() == "16cpu_4gpu_0hto"
    assert quick_affinity_code(n_parallel=2) == "18cpu_2gpu_0hto"
    assert quick_affinity_code(contexts_per_gpu=3) == "12cpu_4gpu_3cxg_0hto"
    assert quick_affinity_code(n_parallel=9) == "16cpu_4gpu_0hto"


def test_the_quick_code_without_gpus_divides_the_cores_among_the_runs(give: Any) -> None:
    give(n_core=18, n_gpu=4)

    assert quick_affinity_code(n_parallel=4, use_gpu=False) == "16cpu_0gpu_4cpr_0hto"
    assert quick_affinity_code(n_parallel=99, use_gpu=False) == "18cpu_0gpu_1cpr_0hto"


def test_more_runs_on_gpus_than_cores_are_not_pinned(give: Any) -> None:
    give(n_core=2, n_gpu=4)

    assert quick_affinity_code() == "4cpu_4gpu_0hto_0saf"


@pytest.mark.parametrize(
    ("use_gpu", "reason"), [(True, "no GPU was found"), (False, "use_gpu=False")], ids=["none", "unused"]
)
def test_the_quick_code_needs_gpus_or_a_number_of_runs(give: Any, use_gpu: bool, reason: str) -> None:
    give(n_core=8)

    with pytest.raises(AffinityError) as caught:
        quick_affinity_code(use_gpu=use_gpu)

    assert str(caught.value) == (
        f"{reason} and n_parallel is not given; "
        "use n_parallel=the number of runs side by side (this process may use 8 cores)"
    )


def test_the_quick_code_names_all_wrong_arguments() -> None:
    with pytest.raises(AffinityError) as caught:
        quick_affinity_code(n_parallel=0, contexts_per_gpu=0)

    assert str(caught.value) == (
        "2 problems: (1) n_parallel must be at least 1, not 0 (2) contexts_per_gpu must be at least 1, not 0"
    )


def test_full_resources_are_every_core_and_gpu_for_one_run(give: Any) -> None:
    give(n_core=5, n_gpu=2)

    affinities = full_resource_affinity()

    assert [(a["cuda_idx"], a["all_cpus"]) for a in affinities] == [(0, (0, 1)), (1, (2, 3))]


def test_full_resources_without_gpus_are_every_core_and_hyperthread(give: Any) -> None:
    give(n_core=2, threads=2)

    assert full_resource_affinity(set_affinity=False) == {
        "all_cpus": (0, 1, 2, 3),
        "master_cpus": (0, 1, 2, 3),
        "workers_cpus": ((0, 2), (1, 3)),
        "master_torch_threads": 2,
        "worker_torch_threads": 1,
        "alternating": False,
        "set_affinity": False,
    }


# --- divisions that are impossible --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kwargs", "text"),
    [
        (
            {"n_cpu_core": 10, "n_gpu": 4},
            "10 cores cannot be split evenly over 4 GPUs: 10 = 4 x 2 + 2; use n_cpu_core=8 or 12",
        ),
        (
            {"n_cpu_core": 1, "n_gpu": 4},
            "1 core cannot be split evenly over 4 GPUs: 1 = 4 x 0 + 1; use n_cpu_core=4",
        ),
        (
            {"n_cpu_core": 10, "n_gpu": 4, "contexts_per_gpu": 2},
            "10 cores cannot be split evenly over 8 runs (4 GPUs x 2 contexts): 10 = 8 x 1 + 2; "
            "use n_cpu_core=8 or 16",
        ),
        (
            {"n_cpu_core": 10, "cpu_per_run": 4},
            "10 cores cannot be split evenly into runs of 4 cores: 10 = 4 x 2 + 2; use n_cpu_core=8 or 12",
        ),
        (
            {"n_cpu_core": 9, "cpu_per_run": 9, "cpu_per_worker": 4},
            "a run's 9 cores cannot be split evenly into workers of 4 cores: 9 = 4 x 2 + 1; "
            "use cpu_per_worker=1 or 3",
        ),
        (
            {"n_cpu_core": 8, "cpu_per_run": 8, "cpu_per_worker": 2, "cpu_reserved": 1},
            "a run's 8 cores less 1 reserved cannot be split evenly into workers of 2 cores: 7 = 2 x 3 + 1; "
            "use cpu_per_worker=1",
        ),
        (
            {"n_cpu_core": 10, "n_socket": 4},
            "hyperthread_offset=0 and n_cpu_core=10 differ by 10, which cannot be split evenly over "
            "4 sockets: 10 = 4 x 2 + 2; use n_socket=1 or 2",
        ),
        (
            {"n_cpu_core": 4, "n_gpu": 2, "gpu_per_run": 4},
            "a run of 4 GPUs does not fit into n_gpu=2; use n_gpu=4 or more",
        ),
        (
            {"n_cpu_core": 4, "n_gpu": 2, "async_sample": True, "sample_gpu_per_run": 2},
            "a run of 1 + 2 = 3 GPUs (gpu_per_run + sample_gpu_per_run) does not fit into n_gpu=2; "
            "use n_gpu=3 or more",
        ),
        (
            {"contexts_per_gpu": 2},
            "contexts_per_gpu=2 needs GPUs, but n_gpu=0; leave it out or use n_gpu=1 or more",
        ),
        (
            {"async_sample": True},
            "async_sample=True needs GPUs, but n_gpu=0; leave it out or use n_gpu=1 or more",
        ),
        (
            {"n_gpu": 1, "optim_sample_share_gpu": True},
            "optim_sample_share_gpu=True is for asynchronous mode; leave it out or use async_sample=True",
        ),
        (
            {"n_cpu_core": 4, "n_gpu": 2, "gpu_per_run": 2, "contexts_per_gpu": 2},
            "contexts_per_gpu=2 cannot be combined with gpu_per_run=2; use contexts_per_gpu=1",
        ),
        (
            {"n_cpu_core": 4, "n_gpu": 2, "async_sample": True, "contexts_per_gpu": 2},
            "contexts_per_gpu=2 cannot be combined with async_sample=True; use contexts_per_gpu=1",
        ),
        (
            {"n_cpu_core": 12, "n_gpu": 6, "async_sample": True, "n_socket": 4},
            "6 runs cannot be split evenly over 4 sockets: 6 = 4 x 1 + 2; use n_socket=1, 2 or 3",
        ),
        (
            {"n_cpu_core": 12, "n_gpu": 6, "gpu_per_run": 5, "async_sample": True, "n_socket": 2},
            "gpu_per_run=5 cannot be split evenly over the 2 sockets of a run: 5 = 2 x 2 + 1; use n_socket=1",
        ),
        (
            {"n_cpu_core": 12, "n_gpu": 4, "gpu_per_run": 2, "async_sample": True, "n_socket": 5},
            "5 sockets are more than 4 GPUs; use n_socket=1",
        ),
        ({"n_cpu_core": 4, "run_slot": 4}, "run slot 4 is out of range: there are 4 runs; use 0 to 3"),
        ({"run_slot": 1}, "run slot 1 is out of range: there is 1 run; use 0"),
        ({"run_slot": -1}, "run slot -1 is out of range: there is 1 run; use 0"),
        ({"run_slot": "0"}, "run_slot must be a whole number, not '0'"),
        ({"n_cpu_core": 2.0}, "n_cpu_core must be a whole number, not 2.0"),
        ({"n_gpu": "all"}, "n_gpu must be a whole number, not 'all'"),
        ({"n_socket": 0}, "n_socket must be at least 1, not 0"),
        ({"set_affinity": 2}, "set_affinity must be 0 or 1, not 2"),
    ],
    ids=str,
)
def test_an_impossible_division_shows_its_arithmetic(kwargs: dict[str, Any], text: str) -> None:
    assert error_of(**kwargs) == text


def test_all_that_is_wrong_is_told_at_once() -> None:
    text = error_of(n_cpu_core=10, n_gpu=4, cpu_per_worker=0, sample_gpu_per_run=1, n_socket=4)

    assert text == (
        "4 problems: "
        "(1) cpu_per_worker must be at least 1, not 0 "
        "(2) sample_gpu_per_run=1 is for asynchronous mode; leave it out or use async_sample=True "
        "(3) 10 cores cannot be split evenly over 4 GPUs: 10 = 4 x 2 + 2; use n_cpu_core=8 or 12 "
        "(4) hyperthread_offset=0 and n_cpu_core=10 differ by 10, which cannot be split evenly over "
        "4 sockets: 10 = 4 x 2 + 2; use n_socket=1 or 2"
    )


def test_what_follows_from_a_wrong_argument_is_not_told() -> None:
    assert error_of(n_cpu_core=0, n_gpu=4) == "n_cpu_core must be at least 1, not 0"


def test_the_error_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="10 = 4 x 2 \\+ 2"):
        make_affinity(n_cpu_core=10, n_gpu=4, **PLAIN)


def test_an_unknown_argument_is_answered_with_the_known_ones() -> None:
    with pytest.raises(
        AffinityError, match=r"^no argument n_cores; the arguments are run_slot, n_cpu_core, "
    ):
        make_affinity(n_cores=4)


# --- codes that are malformed -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("code", "text"),
    [
        ("4slt_16cpx", f"the affinity code '4slt_16cpx' has the unknown part '16cpx'; {ALLOWED}"),
        ("0slt_4cpu_x_1gpu", f"the affinity code '0slt_4cpu_x_1gpu' has the unknown part 'x'; {ALLOWED}"),
        ("0slt_cpu_2", f"the affinity code '0slt_cpu_2' has the unknown parts 'cpu', '2'; {ALLOWED}"),
        ("0slt_-4cpu", f"the affinity code '0slt_-4cpu' has the unknown part '-4cpu'; {ALLOWED}"),
        ("0slt_4cpu_", f"the affinity code '0slt_4cpu_' has the unknown part ''; {ALLOWED}"),
        ("0slt_4cpu\n", f"the affinity code '0slt_4cpu\\n' has the unknown part '4cpu\\n'; {ALLOWED}"),
        (
            "0slt_1234567cpu",
            f"the affinity code '0slt_1234567cpu' has the unknown part '1234567cpu'; {ALLOWED}",
        ),
        ("junk", f"the affinity code 'junk' has the unknown part 'junk'; {ALLOWED}"),
        ("", f"the affinity code '' has the unknown part ''; {ALLOWED}"),
        (None, "an affinity code is a string such as '8cpu_2gpu', not None"),
        (
            "0slt_4gpu",
            "the affinity code '0slt_4gpu' has no cpu part; give the number of cores, such as 8cpu",
        ),
        (
            "0slt_4cpu_2gpu_8cpu",
            "the affinity code '0slt_4cpu_2gpu_8cpu' has the part cpu more than once; leave one",
        ),
        (
            "8cpu_2gpu",
            "the affinity code '8cpu_2gpu' has no run slot; begin it with one: '0slt_8cpu_2gpu'",
        ),
        (
            "0slt_1slt_8cpu_2gpu",
            "the affinity code '0slt_1slt_8cpu_2gpu' has the slot '1slt' where only the division belongs; "
            "take it off (remove_run_slot)",
        ),
        (
            "0slt_8cpu",
            "the affinity code '8cpu' has no GPUs and no cpr part; give the cores of a run, such as 1cpr",
        ),
        (
            "0slt_8cpu_2gpu_4cpr",
            "the affinity code '8cpu_2gpu_4cpr' has GPUs, which decide the cores of a run; "
            "leave out the cpr part",
        ),
        (
            "0slt_8cpu_2gpu_0cxg",
            "the affinity code '0slt_8cpu_2gpu_0cxg' has 0cxg, "
            "but contexts_per_gpu must be at least 1, not 0",
        ),
        (
            "0slt_10cpu_4gpu",
            "10 cores cannot be split evenly over 4 GPUs: 10 = 4 x 2 + 2; use n_cpu_core=8 or 12",
        ),
        ("2slt_8cpu_2gpu", "run slot 2 is out of range: there are 2 runs; use 0 to 1"),
    ],
)
def test_a_malformed_code_is_refused_by_its_bad_part(code: Any, text: str) -> None:
    assert error_of_code(code) == text


@pytest.mark.parametrize("read", [decode_affinity, get_n_run_slots])
def test_the_code_of_all_runs_has_no_slot(read: Any) -> None:
    with pytest.raises(AffinityError, match="has the slot '0slt' where only the division belongs"):
        read("0slt_8cpu_2gpu")


def test_importing_the_codes_loads_nothing_heavy() -> None:
    script = (
        "import sys, exptools.launching.affinity, exptools.launching.machine\n"
        "print(sorted({'hydra', 'numpy', 'omegaconf', 'psutil', 'pynvml', 'torch'} & set(sys.modules)))"
    )

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)

    assert done.stdout == "[]\n"
