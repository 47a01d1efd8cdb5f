"""The two commands of the README, on a copy of the repository in which nothing is installed."""

from __future__ import annotations

import csv
import os
import shutil
import subprocess
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What git would clone, with the changes that are not committed yet."""
    target = tmp_path_factory.mktemp("clone") / "it's exptools"
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def make(clone: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # pip refuses to touch anything but a virtual environment.
    environ = clean_environment(PIP_REQUIRE_VIRTUALENV="1")
    venv = environ.pop("VIRTUAL_ENV", str(ROOT / ".venv"))
    environ["PATH"] = os.pathsep.join(p for p in environ["PATH"].split(os.pathsep) if not p.startswith(venv))
    return subprocess.run(
        ["make", *words], cwd=clone, env=environ, capture_output=True, text=True, check=False
    )


@pytest.mark.timeout(900)
def test_make_demo_ends_in_a_table_a_csv_and_a_figure(clone: Path) -> None:
    # What an interrupted set-up leaves is no obstacle.
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").write_text("half of a file")

    done = make(clone, "demo")

    assert done.returncode == 0, done.stdout + done.stderr
    out = clone / "multirun" / "demo"
    with open(out / "scalars.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len({row["run"] for row in rows}) == 12
    assert (out / "train_loss.png").read_bytes().startswith(b"\x89PNG")
    last = done.stdout[done.stdout.rindex("the runs") :]
    assert "multirun/demo/" in last
    assert f"multirun/demo/scalars.csv ({len(rows):,} rows)" in last
    assert "multirun/demo/train_loss.png" in last
    assert ".venv/bin/exptools-view multirun/demo --web\n" in last
    assert done.stdout.count("COMPLETED") >= 24, "each run in the launcher's lines and in the table"


@pytest.mark.timeout(900)
def test_make_demo_again_keeps_the_one_before(clone: Path) -> None:
    before = (clone / "multirun" / "demo" / "scalars.csv").read_bytes()

    done = make(clone, "demo")

    assert done.returncode == 0, done.stdout + done.stderr
    (kept,) = (clone / "multirun").glob("demo-before-*")
    assert f"The demo before this one is kept: multirun/{kept.name}" in done.stdout
    assert (kept / "scalars.csv").read_bytes() == before
    assert (clone / "multirun" / "demo" / "scalars.csv").exists()


@pytest.mark.timeout(900)
def test_make_test_collects_the_suite_in_the_same_environment(clone: Path) -> None:
    done = make(clone, "test", "ARGS=--collect-only -q tests/logging")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "tests/logging/test_logger.py::" in done.stdout
