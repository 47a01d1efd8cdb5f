"""Snapshots: which are taken and stay, what lies on the disk, and what comes back from it."""

from __future__ import annotations

import functools
import importlib.util
import json
import math
import os
import pickle
import random
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from conftest import Command
from omegaconf import OmegaConf

from exptools.errors import LoggingError
from exptools.logging.snapshots import Policy, Store


def directory(tmp_path: Path, step: int) -> Path:
    return tmp_path / "snapshots" / f"step-{step:012d}"


def names(tmp_path: Path) -> list[str]:
    """Everything in snapshots/, hidden things too."""
    return sorted(os.listdir(tmp_path / "snapshots")) if (tmp_path / "snapshots").exists() else []


def kept(tmp_path: Path) -> list[int]:
    return [int(name.removeprefix("step-")) for name in names(tmp_path)]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A store of the last two."""
    store = Store(tmp_path)
    yield store
    store.close()


# --- which are taken, and which stay --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "stay"),
    [
        ("none", []),
        ("last", [23, 24]),
        ({"mode": "last", "keep": 3}, [22, 23, 24]),
        ("all", list(range(25))),
        (10, [0, 9, 19]),
        ({"mode": "gap", "gap": 10}, [0, 9, 19]),
        ({"mode": "last+gap", "gap": 10}, [0, 9, 19, 23, 24]),
        ({"mode": "best", "metric": "acc", "goal": "max", "k": 2}, [6, 17, 23, 24]),
        ({"mode": "best", "metric": "acc", "goal": "min", "k": 1}, [3, 23, 24]),
    ],
)
def test_the_modes(tmp_path: Path, policy: Any, stay: list[int]) -> None:
    store = Store(tmp_path, Policy.of(policy))
    values = {6: 0.9, 17: 0.8, 3: 0.1}
    made = [store.save(step, {"step": step}, metric=values.get(step, 0.5)) for step in range(25)]

    assert kept(tmp_path) == stay
    assert all(path is None or path.name == f"step-{step:012d}" for step, path in enumerate(made))
    assert made[0] is None if policy == "none" else made[0] == directory(tmp_path, 0)
    latest = store.latest()
    assert latest is None if policy == "none" else (latest is not None and latest.state == {"step": stay[-1]})


def test_a_gap_takes_nothing_between(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(5))

    assert [step for step in range(12) if store.save(step, 0) is not None] == [0, 4, 9]


def test_steps_that_jump_over_the_gap_take_the_first_one_after_it(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(1000))
    for step in range(0, 4000, 300):
        store.save(step, 0)

    assert kept(tmp_path) == [0, 1200, 2100, 3000]


def test_multiples_of_the_gap_are_taken(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(1000))
    for step in range(0, 3500, 500):
        store.save(step, 0)

    assert kept(tmp_path) == [0, 1000, 2000, 3000]


def test_a_gap_that_begins_late(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(10))
    for step in range(3, 25):
        store.save(step, 0)

    assert kept(tmp_path) == [9, 19]


@pytest.mark.parametrize(
    ("gap", "first", "second", "stay"),
    [
        (10, range(30), range(10, 40), {0: 1, 9: 1, 19: 2, 29: 2, 39: 2}),
        (1000, range(0, 3500, 300), range(900, 3500, 300), {0: 1, 1200: 2, 2100: 2, 3000: 2}),
    ],
)
def test_a_training_that_goes_back_replaces_what_comes_after(
    tmp_path: Path, gap: int, first: range, second: range, stay: dict[int, int]
) -> None:
    store = Store(tmp_path, Policy.of(gap))
    for attempt, steps in ((1, first), (2, second)):
        for step in steps:
            store.save(step, attempt)

    assert {step: store.at(step).state for step in kept(tmp_path)} == stay


def test_at_most_one_in_so_many_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = Store(tmp_path, Policy.of({"mode": "all", "every_s": 10}))
    now = 1e9
    monkeypatch.setattr(time, "time", lambda: now)
    taken = []
    for step in range(25):
        taken.append(store.save(step, 0) is not None)
        now += 3

    assert [step for step, is_taken in enumerate(taken) if is_taken] == [0, 4, 8, 12, 16, 20, 24]


def test_a_step_of_the_gap_that_came_too_soon_is_made_up_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, Policy.of({"mode": "last+gap", "gap": 10, "every_s": 10}))
    now = 1e9
    monkeypatch.setattr(time, "time", lambda: now)
    for step in range(38):
        store.save(step, 0)
        now += 3

    assert kept(tmp_path) == [0, 12, 20, 32, 36]  # 9, 19 and 29 were not taken


def test_a_clock_that_is_set_back_does_not_stop_the_snapshots(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = Store(tmp_path, Policy("last", every_s=10))
    store.save(0, 0)
    monkeypatch.setattr(time, "time", lambda: 1e9)

    assert store.save(1, 0) is not None


def test_a_second_process_waits_from_the_last_snapshot_on(tmp_path: Path) -> None:
    policy = Policy("last", every_s=1000)
    Store(tmp_path, policy).save(0, 0)

    assert Store(tmp_path, policy).save(1, 0) is None


def test_by_force_whatever_the_policy_says(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of({"mode": "gap", "gap": 100, "every_s": 1000}))
    store.save(0, 0)

    assert [store.save(s, 0, force=True) for s in (5, 6, 7)] == [directory(tmp_path, s) for s in (5, 6, 7)]
    assert kept(tmp_path) == [0, 6, 7]  # forced ones are not of the gap: the newest two stay
    assert Store(tmp_path, Policy("none")).save(8, 0, force=True) is None


def test_equal_values_the_earlier_is_the_better_one_and_nan_has_no_rank(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy("best", k=1, metric="loss", goal="min"))
    for step, loss in enumerate([math.nan, 0.5, 0.5, -math.inf, None, 0.7]):
        store.save(step, step, metric=loss)

    assert kept(tmp_path) == [1, 4, 5]
    best = store.best()
    assert best is not None
    assert best.state == 1


def test_a_metric_without_a_value_is_told_once(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = Store(tmp_path, Policy("best", metric="val/acc", goal="max"))
    for step in (5, 6):
        store.save(step, 0)

    assert capsys.readouterr().err == (
        "exptools: the snapshot of step 5 has no rank among the best: 'val/acc' has no value yet\n"
    )
    assert store.best() is None


def test_a_store_that_is_closed_holds_nothing(tmp_path: Path) -> None:
    before = len(os.listdir("/dev/fd"))
    store = Store(tmp_path)
    for step in range(5):
        store.save(step, 0)
    store.latest()
    store.close()
    store.close()

    assert len(os.listdir("/dev/fd")) == before


def test_what_an_earlier_policy_kept_for_good_stays(tmp_path: Path) -> None:
    Store(tmp_path, Policy("all")).save(1, 0)
    Store(tmp_path, Policy("best", metric="acc", goal="max")).save(2, 0, metric=0.5)
    Store(tmp_path, Policy("last")).save(3, 0)
    store = Store(tmp_path, Policy("last"))
    for step in range(10, 15):
        store.save(step, 0)

    assert kept(tmp_path) == [1, 2, 13, 14]


def test_a_config_of_hydra_is_a_policy() -> None:
    config = OmegaConf.create({"snapshot": {"mode": "last+gap", "gap": 7, "every_s": 2.5}})

    assert Policy.of(config.snapshot) == Policy("last+gap", gap=7, every_s=2.5)
    assert (Policy.of(None), Policy.of(7)) == (Policy("none"), Policy("gap", gap=7))
    assert Policy.of(Policy("all")) == Policy.of("all") == Policy("all")


MODES = "none, last, all, gap, last+gap, best, or a whole number N for a gap of N"


@pytest.mark.parametrize(
    ("given", "text"),
    [
        ("lats", f"mode 'lats' is not known; there are {MODES}"),
        (0, "gap must be a whole number from 1 on, not 0"),
        (
            True,
            "True is no policy; give a mode (none, last, all, gap, last+gap, best), a whole number N for a "
            "gap of N, or a mapping of mode, gap, keep, every_s, k, metric, goal, on_exception",
        ),
        (
            {"mod": "last"},
            "'mod' is not known; there are mode, gap, keep, every_s, k, metric, goal, on_exception; and, "
            "where the logger is opened, format and rng",
        ),
        (
            {"keep": 1},
            "keep must be a whole number from 2 on, not 1: if the newest cannot be read there must be one "
            "before it",
        ),
        (
            {"gap": 2.5, "k": 0},
            "gap must be a whole number from 1 on, not 2.5; k must be a whole number from 1 on, not 0",
        ),
        ({"every_s": 0}, "every_s must be a number of seconds above 0, or null, not 0"),
        ({"every_s": "10m"}, "every_s must be a number of seconds above 0, or null, not '10m'"),
        ("best", "mode best needs metric (the tag of a scalar) and goal (max or min)"),
        (
            {"mode": "best", "metric": 3, "goal": "big"},
            "metric must be the tag of a scalar, not 3; goal must be max or min, not 'big'",
        ),
    ],
)
def test_a_policy_that_cannot_be_is_one_clear_line(given: Any, text: str) -> None:
    with pytest.raises(LoggingError) as error:
        Policy.of(given)

    assert str(error.value) == f"snapshots: {text}"


# --- what a state may be --------------------------------------------------------------------------------


class Model:
    """A state that can be called, as a torch module."""

    def __init__(self) -> None:
        self.weight = 1.5

    def __call__(self) -> float:
        raise AssertionError("a model is a state, not a function")

    def state_dict(self) -> dict[str, float]:
        return {"weight": self.weight}


def test_a_function_is_called_only_for_a_snapshot_that_is_taken(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(10))
    calls = []
    for step in range(21):
        store.save(step, lambda step=step: calls.append(step) or {"step": step})

    assert calls == [0, 9, 19]
    latest = store.latest()
    assert latest is not None
    assert latest.state == {"step": 19}


@pytest.mark.parametrize(
    ("state", "comes_back"),
    [
        (lambda: {"a": 1}, {"a": 1}),
        (Model().state_dict, {"weight": 1.5}),
        (functools.partial(dict, a=2), {"a": 2}),
        ({"b": 3}.copy, {"b": 3}),
    ],
)
def test_functions_methods_and_partials_give_the_state(store: Store, state: Any, comes_back: Any) -> None:
    store.save(0, state)

    latest = store.latest()
    assert latest is not None
    assert latest.state == comes_back


def test_an_object_that_can_be_called_is_a_state(store: Store) -> None:
    store.save(0, Model())

    latest = store.latest()
    assert latest is not None
    assert isinstance(latest.state, Model)


def test_what_was_offered_and_not_taken_is_saved_at_the_end_as_it_is_then(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(10))
    model = Model()
    assert store.save_offered() is None
    for step in range(13):
        store.save(step, model.state_dict)
    model.weight = 7.0

    assert store.save_offered(facts={"why": "preempted"}) == directory(tmp_path, 12)
    assert store.save_offered() is None  # it has been saved
    latest = store.latest()
    assert latest is not None
    assert (latest.step, latest.state, latest.facts) == (12, {"weight": 7.0}, {"why": "preempted"})


def test_what_was_taken_is_not_saved_again_at_the_end_and_an_old_state_neither(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy.of(10))
    store.save(9, lambda: "good")
    assert store.save_offered() is None

    store.save(10, lambda: "a function")
    store.save(11, "made before")
    assert store.save_offered() is None


@pytest.mark.parametrize("step", [1.5, "3", None, 2**63])
def test_a_step_that_is_none_is_refused(store: Store, tmp_path: Path, step: Any) -> None:
    with pytest.raises(LoggingError, match="a step must"):
        store.save(step, 0)

    assert names(tmp_path) == []


def test_a_state_that_cannot_be_saved_is_one_clear_line_and_leaves_nothing(
    store: Store, tmp_path: Path
) -> None:
    store.save(1, 1)
    before = names(tmp_path)
    with pytest.raises(LoggingError) as error:
        store.save(2, {"big": bytes(200_000), "bad": lambda: 0})

    assert str(error.value).startswith("the snapshot of step 2: pickle cannot save this state (")
    assert "lambda" in str(error.value)
    assert names(tmp_path) == before


def test_what_a_state_function_raises_comes_through(store: Store, tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError):
        store.save(2, lambda: 1 / 0)

    assert names(tmp_path) == []


# --- what lies on the disk ------------------------------------------------------------------------------


def test_a_snapshot_on_the_disk(store: Store, tmp_path: Path) -> None:
    began = time.time()
    path = store.save(123, {"a": [1, 2]}, facts={"rows": 7, "at": [1, 2]})

    assert path == directory(tmp_path, 123)
    assert sorted(p.name for p in path.iterdir()) == ["manifest.json", "state.pkl"]
    assert pickle.loads((path / "state.pkl").read_bytes()) == {"a": [1, 2]}  # without exptools too
    said = json.loads((path / "manifest.json").read_text())
    assert said.pop("files") == {
        "state.pkl": {
            "size": (path / "state.pkl").stat().st_size,
            "sha256": subprocess.run(
                ["sha256sum", path / "state.pkl"], capture_output=True, text=True, check=True
            ).stdout.split()[0],
        }
    }
    assert began <= said.pop("time") <= time.time()
    assert said == {
        "step": 123,
        "number": 1,
        "milestone": False,
        "metric": None,
        "value": None,
        "format": "pickle",
        "facts": {"rows": 7, "at": [1, 2]},
    }
    latest = store.latest()
    assert latest is not None
    assert (latest.step, latest.path, latest.facts) == (123, path, {"rows": 7, "at": [1, 2]})
    assert began <= latest.time <= time.time()


def test_names_sort_as_steps_do(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy("all"))
    steps = [-(10**11), -10, -9, -1, 0, 1, 9, 10, 999_999_999, 10**9, 10**11]
    for step in random.Random(0).sample(steps, len(steps)):
        store.save(step, step)

    assert [store.at(step).path.name for step in steps] == names(tmp_path)
    for step in (-(2**63), 2**63 - 1):
        store.save(step, step)
        assert store.at(step).state == step
    assert Store(tmp_path).at(-(2**63)).state == -(2**63)


def test_the_newest_is_the_one_that_was_saved_last(tmp_path: Path) -> None:
    for step in (100, 50, 75, 60):
        Store(tmp_path).save(step, step)

    latest = Store(tmp_path).latest()
    assert latest is not None
    assert latest.step == 60
    assert kept(tmp_path) == [60, 75]


def test_a_step_that_is_saved_again_is_replaced(store: Store, tmp_path: Path) -> None:
    store.save(1, "one")
    store.save(2, "two")
    for turn in range(3):
        assert store.save(2, f"two again {turn}") == directory(tmp_path, 2)
        latest = Store(tmp_path).latest()
        assert latest is not None
        assert latest.state == f"two again {turn}"

    assert kept(tmp_path) == [1, 2]


def test_a_milestone_that_is_saved_again_is_replaced(tmp_path: Path) -> None:
    for turn in range(3):
        Store(tmp_path, Policy("all")).save(7, turn)

    assert kept(tmp_path) == [7]
    assert Store(tmp_path).at(7).state == 2


def test_the_snapshot_of_a_step(tmp_path: Path) -> None:
    store = Store(tmp_path, Policy("all"))
    for step in (3, 20, 1):
        store.save(step, step)

    assert store.at(20).state == 20
    with pytest.raises(LoggingError) as error:
        store.at(4)
    assert str(error.value) == (
        f"there is no snapshot of step 4 in {tmp_path}/snapshots; there are: 1, 3, 20"
    )


def test_the_best_needs_a_metric(store: Store) -> None:
    with pytest.raises(LoggingError) as error:
        store.best()

    assert str(error.value) == ("to load the best snapshot the policy needs a metric and a goal (max or min)")


def test_a_run_without_snapshots(store: Store, tmp_path: Path) -> None:
    assert store.latest() is None
    assert names(tmp_path) == []


def test_the_run_directory_may_be_renamed(tmp_path: Path) -> None:
    (tmp_path / "old").mkdir()
    store = Store(tmp_path / "old")
    store.save(1, 1)
    (tmp_path / "old").rename(tmp_path / "new")
    for step in (2, 3):
        store.save(step, step)

    latest = store.latest()
    assert latest is not None
    assert latest.path == directory(tmp_path / "new", 3)
    assert names(tmp_path / "old") == []
    assert kept(tmp_path / "new") == [2, 3]


def test_a_run_directory_that_is_not_there_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(LoggingError) as error:
        Store(tmp_path / "no")

    assert str(error.value) == f"snapshots: {tmp_path}/no cannot be opened (No such file or directory)"


# --- what comes back from a disk that was damaged ---------------------------------------------------------


def flip_a_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


DAMAGES = [
    (lambda path: flip_a_bit(path / "state.pkl"), ": state.pkl fails its checksum (SHA-256)"),
    (lambda path: os.truncate(path / "state.pkl", 7), ": state.pkl has 7 bytes instead of 21"),
    (lambda path: (path / "state.pkl").unlink(), ": state.pkl is missing"),
    (lambda path: (path / "manifest.json").unlink(), ": manifest.json is missing"),
    (
        lambda path: os.truncate(path / "manifest.json", 0),
        "/manifest.json: not JSON, perhaps half written (Expecting value: line 1 column 1 (char 0))",
    ),
    (
        lambda path: (path / "manifest.json").write_text('{"step": 3}'),
        "/manifest.json: not a manifest that exptools wrote ('number')",
    ),
]


@pytest.mark.parametrize(("damage", "wrong"), DAMAGES)
def test_a_damaged_snapshot_is_named_and_the_one_before_it_is_taken(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], damage: Any, wrong: str
) -> None:
    for step in (1, 2, 3):
        store.save(step, {"i": step})
    damage(directory(tmp_path, 3))

    resumed = Store(tmp_path)
    latest = resumed.latest()

    assert latest is not None
    assert (latest.step, latest.state) == (2, {"i": 2})
    assert capsys.readouterr().err == (
        f"exptools: {directory(tmp_path, 3)}{wrong}; this snapshot is damaged and passed over\n"
    )
    # The damaged one does not count as one of the two that are kept.
    resumed.save(4, {"i": 4})
    assert kept(tmp_path) == [2, 3, 4]
    again = resumed.latest()
    assert again is not None
    assert again.step == 4
    assert capsys.readouterr().err == ""


def test_if_none_is_whole_nothing_is_begun_anew_in_silence(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (1, 2):
        store.save(step, step)
        flip_a_bit(directory(tmp_path, step) / "state.pkl")

    with pytest.raises(LoggingError) as error:
        Store(tmp_path).latest()

    assert str(error.value) == (
        f"no snapshot in {tmp_path}/snapshots is whole "
        f"({directory(tmp_path, 1)}: state.pkl fails its checksum (SHA-256)); "
        "to begin anew, move that directory away"
    )
    assert len(capsys.readouterr().err.splitlines()) == 2


MODULE = """
class Agent:
    def __init__(self): self.x = 1
"""


def module(tmp_path: Path, text: str) -> ModuleType:
    (tmp_path / "agents.py").write_text(text)
    spec = importlib.util.spec_from_file_location("agents", tmp_path / "agents.py")
    assert spec is not None
    assert spec.loader is not None
    made = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(made)
    return made


def test_whole_files_that_cannot_be_loaded_are_no_reason_to_take_an_older_one(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(1, "old")
    monkeypatch.setitem(sys.modules, "agents", module(tmp_path, MODULE))
    store.save(2, sys.modules["agents"].Agent())
    monkeypatch.setitem(sys.modules, "agents", module(tmp_path, "class Player: pass"))

    with pytest.raises(LoggingError) as error:
        store.latest()

    path = directory(tmp_path, 2)
    assert str(error.value).startswith(
        f"{path}: its files are as they were saved, but pickle cannot load them (AttributeError: "
    )
    assert str(error.value).endswith(
        "); load it with the code and libraries that saved it, or move that directory away to go on from the "
        "snapshot before it"
    )
    path.rename(tmp_path / "away")
    latest = store.latest()
    assert latest is not None
    assert latest.state == "old"


def test_what_a_job_of_a_sweep_saved_is_loaded_by_the_script_itself(tmp_path: Path, python: Command) -> None:
    """A job imports the user's script as __mp_main__, and so are its classes called in a pickle."""
    (tmp_path / "train.py").write_text(
        "import sys\n"
        "from exptools.logging.snapshots import Store\n"
        "class Agent: x = 5\n"
        "if __name__ == '__main__': print(Store('.').latest().state.x, '__mp_main__' in sys.modules)\n"
    )
    (tmp_path / "job.py").write_text(
        "import runpy, sys, types\n"
        "from exptools.logging.snapshots import Store\n"
        "sys.modules['__mp_main__'] = types.ModuleType('__mp_main__')\n"
        "vars(sys.modules['__mp_main__']).update(runpy.run_path('train.py', run_name='__mp_main__'))\n"
        "Store('.').save(1, sys.modules['__mp_main__'].Agent())\n"
    )
    saved = python("job.py")
    loaded = python("train.py")

    assert (saved.returncode, saved.stderr) == (0, "")
    assert (loaded.stdout, loaded.stderr) == ("5 False\n", "")


# --- formats --------------------------------------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    return a.dtype == b.dtype and a.shape == b.shape and bool((a == b).all())


@pytest.mark.parametrize(("format", "file"), [("pickle", "state.pkl"), ("joblib", "state.joblib")])
def test_formats_for_any_state(tmp_path: Path, format: str, file: str) -> None:
    pytest.importorskip(format)
    store = Store(tmp_path, format=format)
    state = {"w": np.random.default_rng(0).random((300, 500)), "model": Model(), "n": [1, None]}
    path = store.save(1, state)

    assert path is not None
    assert sorted(p.name for p in path.iterdir()) == ["manifest.json", file]
    latest = store.latest()
    assert latest is not None
    assert same(latest.state["w"], state["w"])
    assert latest.state["model"].weight == 1.5
    assert latest.state["n"] == [1, None]


def test_safetensors_of_numpy(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    store = Store(tmp_path, format="safetensors")
    state = {
        "plain": np.arange(6.0).reshape(2, 3),
        "transposed": np.arange(6).reshape(2, 3).T,
        "fortran": np.asfortranarray(np.random.default_rng(0).random((3, 4))),
        "every second": np.arange(10)[::2],
        "one": np.array(3.5, np.float32),
    }
    store.save(1, state)

    latest = store.latest()
    assert latest is not None
    assert latest.state.keys() == state.keys()
    assert all(same(latest.state[name], state[name]) for name in state)


@pytest.mark.parametrize(
    ("state", "kinds"),
    [
        ([1], "a list"),
        ({1: np.ones(1)}, "a dict"),
        ({"a": np.ones(1), "deep": {"b": np.ones(1)}}, "dict and ndarray"),
    ],
)
def test_safetensors_take_only_arrays(tmp_path: Path, state: Any, kinds: str) -> None:
    pytest.importorskip("safetensors")

    with pytest.raises(LoggingError) as error:
        Store(tmp_path, format="safetensors").save(1, state)
    assert str(error.value) == (
        "the snapshot of step 1: safetensors cannot save this state (TypeError: it takes a flat dict of "
        f"names and arrays, all of numpy or all of torch, not {kinds})"
    )


def test_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Linear(3, 2)
    store = Store(tmp_path, format="torch")
    store.save(1, model.state_dict)
    latest = store.latest()
    assert latest is not None
    assert all(torch.equal(v, model.state_dict()[k]) for k, v in latest.state.items())

    store.save(2, model)  # a module can be called, and is a state
    latest = store.latest()
    assert latest is not None
    assert isinstance(latest.state, torch.nn.Linear)


def test_safetensors_of_torch(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    pytest.importorskip("safetensors")
    store = Store(tmp_path, format="safetensors")
    state = {"half": torch.ones(3, dtype=torch.bfloat16), "turned": torch.arange(6).reshape(2, 3).T}
    store.save(1, state)

    latest = store.latest()
    assert latest is not None
    assert all(torch.equal(latest.state[name], state[name]) for name in state)


def save_parts(state: dict[str, str], path: Path) -> None:
    (path / "deep").mkdir(parents=True)
    for name, text in state.items():
        (path / name).write_text(text)


def load_parts(path: Path) -> dict[str, str]:
    return {p.relative_to(path).as_posix(): p.read_text() for p in path.rglob("*") if p.is_file()}


def test_two_functions_may_write_a_whole_directory(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = Store(tmp_path, format=(save_parts, load_parts))
    state = {"a.txt": "A", "deep/b.txt": "B"}
    for step in (1, 2):
        path = store.save(step, state, rng=True)
    assert path is not None
    said = json.loads((path / "manifest.json").read_text())
    assert (said["format"], sorted(said["files"])) == (
        "functions",
        ["generators.json", "state/a.txt", "state/deep/b.txt"],
    )
    latest = store.latest()
    assert latest is not None
    assert latest.state == state

    flip_a_bit(path / "state" / "deep" / "b.txt")
    latest = store.latest()
    assert latest is not None
    assert latest.step == 1
    assert "b.txt fails its checksum" in capsys.readouterr().err


def test_a_function_that_writes_nothing_is_told(tmp_path: Path) -> None:
    with pytest.raises(LoggingError) as error:
        Store(tmp_path, format=(lambda state, path: None, load_parts)).save(1, 0)

    assert str(error.value) == "the snapshot of step 1: save(state, path) has left nothing at its path"
    assert names(tmp_path) == []


@pytest.mark.parametrize("format", ["pkl", None, (save_parts,), (save_parts, "load")])
def test_a_format_that_is_none_is_one_clear_line(tmp_path: Path, format: Any) -> None:
    with pytest.raises(LoggingError) as error:
        Store(tmp_path, format=format)

    assert re.sub("format .* is not known", "format X is not known", str(error.value)) == (
        "snapshots: format X is not known; there are pickle, torch, safetensors, joblib, "
        "or a pair of functions (save(state, path), load(path))"
    )


def test_a_package_that_is_missing_is_told_before_the_training(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.delitem(sys.modules, "torch", raising=False)
    with pytest.raises(LoggingError) as error:
        Store(tmp_path, format="torch")

    assert str(error.value) == (
        "snapshots: format torch needs a package that is not installed: pip install torch"
    )


def test_another_format_is_one_clear_line(store: Store, tmp_path: Path) -> None:
    store.save(1, 1)
    with pytest.raises(LoggingError) as error:
        Store(tmp_path, format=(save_parts, load_parts)).latest()
    assert str(error.value) == (
        f"{directory(tmp_path, 1)} was saved by pickle, not by functions; to load it give format pickle"
    )

    Store(tmp_path, format=(save_parts, load_parts)).save(2, {"deep/x": ""})
    with pytest.raises(LoggingError) as error:
        store.latest()
    assert str(error.value) == (
        f"{directory(tmp_path, 2)} was saved by functions, not by pickle; to load it give that pair of "
        "functions"
    )


# --- whose they are -------------------------------------------------------------------------------------


class Attack:
    """Unpickling this runs code."""

    def __reduce__(self) -> Any:
        return exec, ("raise AssertionError('code of somebody else has run')",)


ADVICE = (
    "; loading a snapshot can run code, so only files of your own are used. "
    "If you trust it, put a copy in its place (cp -rL)"
)


def test_what_belongs_to_somebody_else_is_refused(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.save(1, 1)
    path = store.save(2, Attack())
    assert path is not None
    us = 12345
    if os.geteuid() == 0:
        os.chown(path / "state.pkl", us + 1, -1)
    else:
        monkeypatch.setattr(os, "geteuid", lambda: us)
    owner = (path / "state.pkl").stat().st_uid

    with pytest.raises(LoggingError) as error:
        store.latest()

    refused = path / "state.pkl" if os.geteuid() == 0 else tmp_path / "snapshots"
    assert str(error.value) == (
        f"{refused} belongs to user {owner}, not to you ({os.geteuid()}) or root{ADVICE}"
    )


@pytest.mark.parametrize(
    "link", ["snapshots", "snapshots/step-000000000002", "snapshots/step-000000000002/state.pkl"]
)
def test_a_symbolic_link_is_refused(store: Store, tmp_path: Path, link: str) -> None:
    store.save(1, 1)
    store.save(2, Attack())
    (tmp_path / link).rename(tmp_path / "elsewhere")
    (tmp_path / link).symlink_to(tmp_path / "elsewhere")

    with pytest.raises(LoggingError) as error:
        store.latest()

    assert str(error.value) == f"{tmp_path / link} is a symbolic link{ADVICE}"


def test_what_is_no_file_is_refused(store: Store, tmp_path: Path) -> None:
    store.save(1, 1)
    os.mkfifo(directory(tmp_path, 1) / "pipe")

    with pytest.raises(LoggingError) as error:
        store.latest()

    assert str(error.value) == (f"{directory(tmp_path, 1)}/pipe is neither a file nor a directory{ADVICE}")


@pytest.mark.parametrize("name", ["../1", "/etc/passwd", "deep/../../x", "", "."])
def test_a_manifest_names_only_files_of_its_directory(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str], name: str
) -> None:
    store.save(1, 1)
    store.save(2, 2)
    path = directory(tmp_path, 2) / "manifest.json"
    said = json.loads(path.read_text())
    said["files"][name] = {"size": 0, "sha256": ""}
    path.write_text(json.dumps(said))

    latest = Store(tmp_path).latest()

    assert latest is not None
    assert latest.step == 1
    assert f"{path}: not a manifest that exptools wrote (file {name!r})" in capsys.readouterr().err


def test_a_snapshot_of_somebody_else_does_not_stop_the_saving_and_is_not_removed(
    store: Store, tmp_path: Path
) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "snapshots").mkdir()
    directory(tmp_path, 1).symlink_to(tmp_path / "elsewhere")
    (tmp_path / "snapshots" / "step-notes").mkdir()
    for step in (1, 2, 3):
        assert store.save(step, step) is not None

    assert names(tmp_path) == ["step-000000000001", "step-000000000002", "step-000000000003", "step-notes"]
    assert directory(tmp_path, 1).is_symlink()


# --- random generators ----------------------------------------------------------------------------------


def draw() -> list[Any]:
    torch = sys.modules.get("torch")
    return [
        random.random(),
        random.gauss(0, 1),
        np.random.rand(),
        np.random.randn(),  # of a pair: the second one waits in the generator
        np.random.permutation(10).tolist(),
        torch.randn(5).tolist() if torch is not None else None,
    ]


def test_the_random_generators_go_on_exactly(store: Store) -> None:
    random.seed(1)
    np.random.seed(2)
    random.gauss(0, 1)
    np.random.randn()
    store.save(1, lambda: draw(), rng=True)  # the state may draw numbers: they were drawn
    expected = [draw(), draw()]
    random.seed(3)
    np.random.seed(4)

    store.latest(restore_rng=True)

    assert [draw(), draw()] == expected


def test_torchs_generator_goes_on_exactly(store: Store) -> None:
    torch = pytest.importorskip("torch")
    torch.manual_seed(3)
    store.save(1, 0, rng=True)
    expected = draw()
    torch.manual_seed(4)

    store.latest(restore_rng=True)

    assert draw() == expected


def test_the_generators_are_left_alone_unless_that_is_asked(store: Store) -> None:
    store.save(1, 0, rng=True)
    random.seed(1)
    before = random.getstate()
    store.latest()
    assert random.getstate() == before

    store.save(2, 0)
    latest = store.latest(restore_rng=True)
    assert latest is not None and not latest.has_generators
    assert random.getstate() == before


def test_nothing_heavy_is_imported(tmp_path: Path, python: Command) -> None:
    saving = (
        "import sys; from exptools.logging.snapshots import Store; s = Store('.')\n"
        "s.save(1, 1, rng=True); s.latest(restore_rng=True)\n"
        "print({'numpy', 'torch', 'joblib', 'safetensors'} & set(sys.modules))"
    )
    assert python("-c", saving).stdout == "set()\n"

    with_numpy = "import numpy; from exptools.logging.snapshots import Store; Store('.').save(1, 1, rng=True)"
    assert python("-c", with_numpy).returncode == 0
    loaded = python("-c", saving.replace("s.save(1, 1, rng=True); ", ""))
    assert (loaded.stdout, loaded.stderr) == (
        "set()\n",
        "exptools: the random state of numpy was not restored "
        "(RuntimeError: import numpy before the snapshot is loaded)\n",
    )


def test_a_snapshot_takes_no_memory_of_its_own(tmp_path: Path, python: Command) -> None:
    script = """
import numpy
from exptools.logging.snapshots import Store
def mib(what):
    (line,) = [l for l in open("/proc/self/status") if l.startswith(what)]
    return int(line.split()[1]) // 1024
state = {str(i): numpy.random.rand(2**22) for i in range(8)}  # 256 MiB
store = Store(".")
store.save(0, {"small": numpy.ones(10)})
before = mib("VmHWM")
store.save(1, state)
print(mib("VmHWM") - before)
"""
    if not Path("/proc/self/status").exists():
        pytest.skip("only Linux tells it")
    done = python("-c", script)

    assert done.stderr == ""
    assert int(done.stdout) < 40  # one array has 32


@pytest.mark.parametrize("n_steps", [1, 7])  # 1: it is always the same step that is replaced
def test_somebody_else_may_load_while_snapshots_come_and_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], n_steps: int
) -> None:
    script = (
        "from exptools.logging.snapshots import Store\n"
        "s = Store('.')\n"
        f"for i in range(10**6): s.save(i % {n_steps}, [i] * 1000, facts=dict(i=i))"
    )
    with subprocess.Popen([sys.executable, "-c", script], cwd=tmp_path, stderr=subprocess.PIPE) as saving:
        try:
            store = Store(tmp_path)
            seen = set()
            end = time.monotonic() + 3
            while time.monotonic() < end:
                latest = store.latest()
                assert latest is not None or not seen
                if latest is not None:
                    assert latest.state == [latest.state[0]] * 1000
                    assert (latest.step, latest.facts["i"]) == (latest.state[0] % n_steps, latest.state[0])
                    seen.add(latest.state[0])
        finally:
            saving.kill()

    assert len(seen) > 20
    assert capsys.readouterr().err == ""


def test_a_copied_snapshot_is_used(store: Store, tmp_path: Path) -> None:
    """What the advice says: a copy of one's own in the place of a link works."""
    store.save(1, 1)
    shutil.copytree(tmp_path / "snapshots", tmp_path / "copy" / "snapshots")

    latest = Store(tmp_path / "copy").latest()
    assert latest is not None
    assert latest.state == 1


def test_the_name_of_a_damaged_snapshot_may_be_given_anew(store: Store, tmp_path: Path) -> None:
    for step in (1, 2):
        store.save(step, "old")
    flip_a_bit(directory(tmp_path, 2) / "state.pkl")
    resumed = Store(tmp_path)
    resumed.latest()
    shutil.rmtree(directory(tmp_path, 2))

    resumed.save(2, "new")

    latest = resumed.latest()
    assert latest is not None
    assert (latest.step, latest.state) == (2, "new")
