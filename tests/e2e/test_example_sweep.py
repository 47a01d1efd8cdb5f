"""The example's sweep, frame by frame: what was logged is what comes out, to the last bit."""

from __future__ import annotations

import csv
import io
import json
import struct
from collections import Counter
from pathlib import Path

import pytest
from conftest import ROOT, Command
from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer

# Runs at the start of every process of the sweep: each call of log_scalar is written down beside the logger,
# with the value as the caller gave it.
SPY = """
import os
from exptools.logging.core import Core

original = Core.log_scalar
lines = {}  # by process: one that is forked has one of its own

def log_scalar(self, tag, data, step=None):
    me = os.getpid()
    if me not in lines:
        lines[me] = open(os.path.join(os.environ["SPY_DIR"], str(me)), "a", buffering=1)
    print(self._here().scalar + tag, step, float(data).hex(), sep="\\t", file=lines[me])
    return original(self, tag, data, step)

Core.log_scalar = log_scalar
"""

Frame = tuple[str, str, int, str]  # run, tag, step, value in hexadecimal


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("example")


@pytest.fixture
def sweep(base: Path, python: Command) -> Path:
    """The sweep of the README, run once for all tests of this file."""
    if not (base / "out").exists():
        (base / "spy").mkdir()
        (base / "site").mkdir()
        (base / "site" / "sitecustomize.py").write_text(SPY)
        done = python(
            ROOT / "examples" / "train.py",
            "-m",
            "model=small,large",
            "lr=1e-3,1e-4",
            "seed=0,1",
            "hydra.sweep.dir=out",
            cwd=base,
            SPY_DIR=str(base / "spy"),
            PYTHONPATH=str(base / "site"),
        )
        assert done.returncode == 0, done.stdout + done.stderr
    return base / "out"


def exported(sweep: Path, python: Command) -> list[dict[str, str]]:
    done = python("-m", "exptools.viewing.cli", sweep, "--csv")
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout, newline="")))


def logged(sweep: Path) -> list[Frame]:
    """What the spies saw, by the run that their process was."""
    frames = []
    for status in sweep.glob("*/status.json"):
        lines = (sweep.parent / "spy" / str(json.loads(status.read_text())["pid"])).read_text().splitlines()
        for tag, step, value in (line.split("\t") for line in lines):
            frames.append((status.parent.name, tag, int(step), value))
    return frames


def test_all_runs_complete(sweep: Path) -> None:
    states = [json.loads(p.read_text())["state"] for p in sweep.glob("*/status.json")]

    assert states == ["COMPLETED"] * 8


def test_the_csv_has_a_row_for_every_call_and_every_value_bit_for_bit(sweep: Path, python: Command) -> None:
    rows = exported(sweep, python)
    calls = logged(sweep)

    assert len(rows) == len(calls) > 3000
    assert Counter((r["run"], r["tag"], int(r["step"]), float(r["value"]).hex()) for r in rows) == Counter(
        calls
    )


def test_the_csv_names_only_the_keys_that_differ(sweep: Path, python: Command) -> None:
    rows = exported(sweep, python)

    assert list(rows[0]) == [
        "run",
        "model.name",
        "model.hidden",
        "lr",
        "seed",
        "tag",
        "step",
        "wall_time",
        "value",
    ]
    assert {r["lr"] for r in rows} == {"0.001", "0.0001"}


def test_the_steps_and_tags_are_those_of_a_real_training(sweep: Path, python: Command) -> None:
    rows = [r for r in exported(sweep, python) if r["run"] == "0"]

    by_tag = {tag: [int(r["step"]) for r in rows if r["tag"] == tag] for tag in {r["tag"] for r in rows}}
    assert set(by_tag) == {"train/loss", "test/accuracy", "test/epoch"}
    assert by_tag["train/loss"] == list(range(len(by_tag["train/loss"])))
    loss = [float(r["value"]) for r in rows if r["tag"] == "train/loss"]
    assert loss[-1] < loss[0]


def test_tensorboard_itself_shows_the_same_runs_tags_and_steps(sweep: Path, python: Command) -> None:
    multiplexer = EventMultiplexer(
        size_guidance={"tensors": 0, "scalars": 0}, tensor_size_guidance={"scalars": 0}
    )
    multiplexer.AddRunsFromDirectory(str(sweep)).Reload()

    shown = Counter(
        (
            run,
            tag,
            event.step,
            struct.unpack(
                "<f", event.tensor_proto.tensor_content or struct.pack("<f", event.tensor_proto.float_val[0])
            )[0],
        )
        for run, kinds in multiplexer.Runs().items()
        for tag in kinds["tensors"]
        if multiplexer.SummaryMetadata(run, tag).plugin_data.plugin_name == "scalars"
        for event in multiplexer.Tensors(run, tag)
    )
    rows = exported(sweep, python)
    assert shown == Counter(
        (r["run"], r["tag"], int(r["step"]), struct.unpack("<f", struct.pack("<f", float(r["value"])))[0])
        for r in rows
    )


def test_the_same_app_runs_alone(base: Path, python: Command) -> None:
    done = python(ROOT / "examples" / "train.py", "hydra.run.dir=alone", "epochs=1", cwd=base)

    assert done.returncode == 0, done.stderr
    assert "test accuracy" in done.stdout
    assert json.loads((base / "alone" / "status.json").read_text())["state"] == "COMPLETED"


def test_a_typo_in_a_key_is_named_by_hydra(base: Path, python: Command) -> None:
    done = python(ROOT / "examples" / "train.py", "learning_rate=1", cwd=base)

    assert done.returncode == 1
    assert "Could not override 'learning_rate'" in done.stderr
