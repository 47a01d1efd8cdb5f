"""A format of another package, found by its entry point, in a real process."""

from __future__ import annotations

from pathlib import Path

import pytest

FOREIGN = """
from pathlib import Path

import numpy as np

from exptools.rundir import State, Status
from exptools.viewing.curves import Curve, Reading
from exptools.viewing.readers.format import ConfigReading, Format, StatusReading


def read(path, wanted, *, live):
    values = np.array([float(line) for line in path.read_text().split()])
    steps = np.arange(len(values))
    return Reading({"depth": Curve(steps, np.full(len(values), np.nan), values)}, ("depth",))


def config(home):
    path = home / "dive.cfg"
    return ConfigReading({"diver": path.read_text()} if path.exists() else None)


def status(home):
    return StatusReading(Status(State.COMPLETED) if (home / "surfaced").exists() else None)


FORMAT = Format("dive", marks=("dive.cfg",), scalars=("*.dive",), read=read, config=config, status=status)
NO_FORMAT = "dive"
"""
VIEW = "import sys; from exptools.viewing.cli import main; sys.exit(main())"


def install(site: Path, entry: str) -> None:
    """A package as pip leaves it."""
    site.mkdir()
    (site / "divelog.py").write_text(FOREIGN)
    info = site / "divelog-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: divelog\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[exptools.readers]\ndive = {entry}\n")


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for diver, depths in (("ann", "1.5 2.5"), ("bob", "0.5")):
        run = tmp_path / "dives" / diver
        run.mkdir(parents=True)
        (run / "dive.cfg").write_text(diver)
        (run / "first.dive").write_text(depths)
    (run / "surfaced").touch()
    return tmp_path / "dives"


def test_the_format_of_another_package_is_used(tmp_path: Path, tree: Path, python) -> None:
    install(tmp_path / "site", "divelog:FORMAT")

    table = python("-c", VIEW, "dives", PYTHONPATH=str(tmp_path / "site"))
    frames = python("-c", VIEW, "dives", "--csv", PYTHONPATH=str(tmp_path / "site"))

    assert (table.returncode, table.stderr) == (0, ""), table
    assert all(word in table.stdout for word in ("diver", "depth", "ann", "bob", "COMPLETED", "2.5"))
    assert [line.split(",")[-1] for line in frames.stdout.splitlines()] == ["value", "1.5", "2.5", "0.5"]


def test_without_the_package_there_is_no_run(tree: Path, python) -> None:
    done = python("-c", VIEW, "dives")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("exptools-view: error: no runs below dives: ")


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (
            "divelog:NOTHING",
            "cannot be loaded: AttributeError(\"module 'divelog' has no attribute 'NOTHING'\"); "
            "mend or remove its package",
        ),
        (
            "nowhere:FORMAT",
            "cannot be loaded: ModuleNotFoundError(\"No module named 'nowhere'\"); "
            "mend or remove its package",
        ),
        ("divelog:NO_FORMAT", "is no exptools.viewing.readers.format.Format"),
    ],
)
def test_an_entry_point_that_is_broken_is_one_line_and_2(
    tmp_path: Path, tree: Path, python, entry: str, reason: str
) -> None:
    install(tmp_path / "site", entry)

    done = python("-c", VIEW, "dives", PYTHONPATH=str(tmp_path / "site"))

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"exptools-view: error: the reader 'dive' ({entry}) {reason}\n"
