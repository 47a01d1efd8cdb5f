"""Runs that the real loggers of other libraries wrote are read, every frame; golden/make.py wrote them."""

from __future__ import annotations

import importlib.util
import json
import shutil
import time
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from exptools.rundir import State
from exptools.viewing.api import Runs, load

GOLDEN = Path(__file__).parent / "golden"
NAMES = sorted(path.stem for path in (GOLDEN / "expected").glob("*.json"))
Found = dict[str, dict[str, list[tuple[int, float]]]]


def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("golden_make", GOLDEN / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


MAKE = maker()


def found(runs: Runs) -> Found:
    return {
        run.name: {tag: [(step, value) for step, _, value in c.rows()] for tag, c in reading.curves.items()}
        for run, reading in runs.readings()
    }


def same(some: list[tuple[int, float]], others: list[Any]) -> bool:
    """Bit for bit, but for nans, which are one."""
    return [(step, repr(value)) for step, value in some] == [(step, repr(float(v))) for step, v in others]


def check(runs: Runs, expected: dict[str, dict[str, list[Any]]]) -> None:
    read = found(runs)
    assert sorted(read) == sorted(expected)
    for run, tags in expected.items():
        for tag, frames in tags.items():
            assert same(read[run][tag], frames), (run, tag, read[run][tag], frames)
    assert all(not reading.superseded for _, reading in runs.readings())


@pytest.mark.parametrize("name", NAMES)
def test_every_frame_of_the_golden_runs_is_read(name: str) -> None:
    runs = load(GOLDEN / name)

    check(runs, json.loads((GOLDEN / "expected" / f"{name}.json").read_text()))
    comma = GOLDEN / "stable_baselines3" / "comma_alone" / "progress.csv"
    reason = "no row has 4 cells, as many as there are names (is there a ',' in a name?)"
    expected = [f"{comma}, offset 0: {reason}"] if name == "stable_baselines3" else []
    assert [str(problem) for problem in runs.problems] == expected


@pytest.mark.parametrize("name", [name for name in NAMES if not MAKE.missing(name)])
def test_what_the_libraries_that_are_installed_write_is_read(name: str, tmp_path: Path) -> None:
    expected = MAKE.make(name, tmp_path / name)

    check(load(tmp_path / name), json.loads(json.dumps(expected)))


def test_the_golden_runs_are_small_and_have_versions() -> None:
    versions = dict(line.split(": ", 1) for line in (GOLDEN / "VERSIONS").read_text().splitlines())

    assert sorted(versions) == NAMES
    assert sum(path.stat().st_size for path in GOLDEN.rglob("*") if path.is_file()) < 150_000


def test_sacred_s_states_and_configs() -> None:
    runs = load(GOLDEN / "sacred")
    statuses = {run.name: run.status for run in runs}

    assert {run.name: run.state for run in runs} == {
        "1": State.COMPLETED,
        "2": State.FAILED,
        "3": State.INTERRUPTED,
        "4": State.TIMEOUT,
        "5": State.INTERRUPTED,
        "6": State.FAILED,
        "7": State.QUEUED,
    }
    errors = {name: status.error for name, status in statuses.items() if status and status.error}
    assert errors == {"2": "ValueError: too big: 3 > 2", "6": "RuntimeError: nothing was measured"}
    notes = {name: status.note for name, status in statuses.items() if status and status.note}
    assert notes == {"5": "sacred's status is ENOUGH"}
    first = statuses["1"]
    assert first is not None and first.start is not None and first.end is not None and first.heartbeat
    assert (first.host, first.returned, 0 <= first.end - first.start < 60) == ("host", 0.25, True)
    assert (statuses["7"].start if statuses["7"] else 0) is None
    config = runs["1"].config
    assert config is not None
    assert config["kind"] == {"py/reduce": [{"py/type": "__main__.Color"}, {"py/tuple": [1]}]}
    assert (config["lr"], config["data"]) == (1e-3, {"paths": ["a", "b"], "size": 3})
    assert runs.differing() == ["end", "lr", "seed"]


def test_sacred_s_times_are_utc(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(GOLDEN / "sacred" / "1", tmp_path / "1")
    (tmp_path / "1" / "metrics.json").write_text(
        json.dumps({"a": {"steps": [0], "timestamps": ["1970-01-01T00:01:00.250000"], "values": [1.0]}})
    )
    monkeypatch.setenv("TZ", "America/New_York")
    time.tzset()
    try:
        ((_, reading),) = load(tmp_path).readings()
    finally:
        monkeypatch.undo()
        time.tzset()

    assert reading.curves["a"].rows() == [(0, 60.25, 1.0)]


def test_a_run_of_sacred_without_a_heartbeat_is_stale(tmp_path: Path) -> None:
    shutil.copytree(GOLDEN / "sacred" / "1", tmp_path / "1")
    run = json.loads((tmp_path / "1" / "run.json").read_text())
    (tmp_path / "1" / "run.json").write_text(json.dumps({**run, "status": "RUNNING", "stop_time": None}))

    assert [run.state for run in load(tmp_path)] == [State.STALE]


def test_python_objects_in_hparams_are_told_and_not_made() -> None:
    runs = load(GOLDEN / "lightning" / "lightning_logs")

    assert {run.name: run.config for run in runs} == {
        "version_0": {
            "lr": 1e-5,
            "model": {"act": "relu", "layers": [8, 8]},
            "nothing": None,
            "on": True,
            "seed": 0,
        },
        "version_1": {
            "act": "torch.nn.modules.activation.ReLU",
            "color": "RED",
            "colors": ["__main__.Color(1)"],
            "names": ["b"],
            "pair": [1, 2.5],
            "point": "__main__.Point(1, 2)",
            "seed": 1,
            "thing": {"inner": {"deep": [1, 2]}, "size": 3},
            "where": "pathlib.PosixPath('a', 'b')",
        },
        "version_2": {"lr": 3},
    }


def test_configs_of_rlpyt_garage_spinup_and_ray() -> None:
    configs = {
        run.name: run.config
        for name in ("rlpyt", "dowel", "spinup", "ray_tune")
        for run in load(GOLDEN / name)
        if not run.name.endswith("run_1") and "_00001_" not in run.name
    }

    assert list(configs.values()) == [
        {"agent": {"lr": 0.001, "cls": "type"}, "env": ["a"], "seed": 0, "name": "golden", "run_ID": 0},
        {"name": "ppo", "seed": 1, "meta": {"lr": 0.1}},
        {
            "ac_kwargs": {"hidden_sizes": [64, 64]},
            "env_fn": "CartPole-v1",
            "exp_name": "vpg",
            "gamma": 0.99,
            "seed": 0,
        },
        {"lr": 0.1, "task": {"name": "CartPole"}},
    ]


def test_ray_s_wall_times_are_its_timestamps() -> None:
    ((_, reading), _) = load(GOLDEN / "ray_tune").readings("info/learner/loss")

    stamps = [wall_time for _, wall_time, _ in reading.curves["info/learner/loss"].rows()]
    assert all(stamp == int(stamp) and 1.7e9 < stamp < 4e9 for stamp in stamps)


def test_text_and_lists_are_no_scalars() -> None:
    runs = load(GOLDEN / "stable_baselines3" / "late_keys")

    ((_, reading),) = runs.readings()
    assert sorted(reading.tags) == ["eval/ok", "late", "single", "time/total_timesteps", "train/loss"]
