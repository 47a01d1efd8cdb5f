"""The example of a plain script: as a newcomer runs it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, Command, read_progress

LAUNCH = ROOT / "examples" / "2_launch_plain_script.py"
VARIANTS = [f"{model}/{optimizer}" for model in ("large", "small") for optimizer in ("adam", "sgd")]


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("plain")


@pytest.fixture
def said(base: Path, python: Command) -> str:
    """What the launch script said; it is run once for all tests of this file."""
    if not (base / "said").exists():
        done = python(LAUNCH, cwd=base)
        assert done.returncode == 0, done.stdout + done.stderr
        (base / "said").write_text(done.stdout)
    return (base / "said").read_text()


def experiment(base: Path) -> Path:
    (found,) = (base / "data" / "local" / "digits").iterdir()
    return found


def test_every_variant_is_trained_twice_with_its_own_settings(base: Path, said: str) -> None:
    runs = sorted(path.parent for path in experiment(base).rglob("status.json"))

    assert [str(run.relative_to(experiment(base))) for run in runs] == [
        f"{variant}/run_{run_id}" for variant in VARIANTS for run_id in (0, 1)
    ]
    for run in runs:
        model, optimizer = run.parent.parent.name, run.parent.name
        config = json.loads((run / "variant_config.json").read_text())
        assert config["model"]["hidden"] == {"small": 16, "large": 64}[model]
        assert config["optimizer"] == {"name": optimizer, "lr": {"adam": 0.01, "sgd": 0.1}[optimizer]}
        assert json.loads((run / "status.json").read_text())["state"] == "COMPLETED"
        header, *rows = read_progress(run)
        loss, accuracy = header.index("train/loss"), header.index("test/accuracy")
        assert len(rows) == config["epochs"]
        assert float(rows[-1][loss]) < float(rows[0][loss])
        assert float(rows[-1][accuracy]) > 0.8
    assert "[8/8]" in said
    assert "started on slot 0: #0 small/adam run 0\n" in said


def test_the_runs_of_a_variant_differ_by_their_seed(base: Path, said: str) -> None:
    first, second = (read_progress(experiment(base) / "small" / "sgd" / f"run_{i}") for i in (0, 1))

    assert [row[2] for row in first] != [row[2] for row in second]


def test_the_commands_that_it_ends_with_show_the_runs(base: Path, said: str, python: Command) -> None:
    commands = re.findall(r"^exptools-view (.*)$", said, re.MULTILINE)

    shown, drawn = [python("-m", "exptools.viewing.cli", *shlex.split(c), cwd=base) for c in commands]

    assert [line.split("\t")[0] for line in shown.stdout.splitlines()[1:]] == [
        f"{variant}/run_{run_id}" for variant in VARIANTS for run_id in (0, 1)
    ]
    assert drawn.returncode == 0, drawn.stderr
    assert (base / "accuracy.png").read_bytes().startswith(b"\x89PNG")


def test_launched_again_it_says_what_to_do(base: Path, said: str, python: Command) -> None:
    done = python(LAUNCH, cwd=base)

    assert done.returncode == 1
    assert "already holds a run" in done.stderr
    assert done.stderr.splitlines()[-1].endswith("give the experiment another title, or move that one away")
