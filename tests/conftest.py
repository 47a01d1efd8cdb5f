"""What all tests share."""

from __future__ import annotations

import csv
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import hydra
import pytest

from exptools.logging import logger
from exptools.say import say_once

if TYPE_CHECKING:
    from real_slurm import Cluster

ROOT = Path(__file__).parent.parent
HYDRA_IS_1_3 = hydra.__version__.startswith("1.3")
# The apps of the tests give version_base, as 1.3 wants; 1.4 warns of it.
WARNINGS = {} if HYDRA_IS_1_3 else {"PYTHONWARNINGS": "ignore:The version_base parameter is deprecated"}
if (
    signal.getsignal(signal.SIGINT) is signal.SIG_IGN
):  # a shell's `command &`; what the tests start inherits it
    signal.signal(signal.SIGINT, signal.default_int_handler)
Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(autouse=True)
def logger_left_closed() -> Iterator[None]:
    """No test leaves the process-global logger open for the next one."""
    yield
    assert not logger.is_open, "the test left the logger open"


@pytest.fixture(autouse=True)
def nothing_was_said_before() -> None:
    """What is said once in a process is news to each test."""
    say_once.forget()


def clean_environment(**changes: str) -> dict[str, str]:
    """This process's environment without what would change how a command behaves."""
    drop = ("EXPTOOLS_", "HYDRA_", "OMP_", "CUDA_", "COV_")
    kept = {k: v for k, v in os.environ.items() if not k.startswith(drop)}
    return {**kept, **WARNINGS, "COLUMNS": "200", **changes}


@pytest.fixture
def python(tmp_path: Path) -> Command:
    """Run `python ARGS...` in tmp_path as a user would; gives back code, stdout and stderr."""

    def run(*args: object, cwd: Path = tmp_path, timeout: float = 120, **environ: str) -> object:
        return subprocess.run(
            [sys.executable, *map(str, args)],
            cwd=cwd,
            env=clean_environment(**environ),
            capture_output=True,
            text=True,
            timeout=timeout,
            check=False,
        )

    return run  # type: ignore[return-value]


def read_progress(run_dir: Path) -> list[list[str]]:
    """The cells of progress.csv, header first, as the csv module reads them."""
    with open(run_dir / "progress.csv", newline="") as file:
        return list(csv.reader(file))


# --- a real Slurm; where there can be none its tests are skipped ---


def _up(*, accounting: bool = False) -> Iterator[Cluster]:
    from real_slurm import Cluster, missing

    why_not = missing(with_accounting=accounting)
    if why_not:
        pytest.skip(why_not)
    with tempfile.TemporaryDirectory(prefix="exptools-slurm-") as home:  # pytest's own is for root alone
        cluster = Cluster(Path(home), accounting=accounting)
        try:
            cluster.start()
            yield cluster
        finally:
            cluster.stop()


@pytest.fixture(scope="session")
def _cluster() -> Iterator[Cluster]:
    yield from _up()


@pytest.fixture(scope="session")
def _cluster_with_accounting() -> Iterator[Cluster]:
    yield from _up(accounting=True)


@pytest.fixture
def slurm(_cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """A cluster of two nodes with two CPUs and two GPUs each, without accounting; nothing runs on it."""
    yield from _in_use(_cluster, monkeypatch)


@pytest.fixture
def accounted(_cluster_with_accounting: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    """The same with accounting."""
    yield from _in_use(_cluster_with_accounting, monkeypatch)


def _in_use(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> Iterator[Cluster]:
    for name in [name for name in os.environ if name.startswith("SLURM_")]:
        monkeypatch.delenv(name)
    for name, value in cluster.environ.items():
        monkeypatch.setenv(name, value)
    yield cluster
    cluster.clear()
