"""One server for all tests that only look."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from pages import served
from view_files import write_run

from exptools import rundir
from exptools.rundir import State

STEPS = 3000


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, two learning rates, three seeds; run 11 failed. One spike in run 4."""
    root = tmp_path_factory.mktemp("multirun")
    for i in range(12):
        model, lr, seed = ["small", "large"][i % 2], [0.1, 0.001][i // 2 % 2], i // 4
        config = {"model": {"name": model}, "lr": lr, "seed": seed, "epochs": 3}
        loss = [math.exp(-step / 800) + i / 10 + math.sin(step * (i + 1)) / 50 for step in range(STEPS)]
        if i == 4:
            loss[1234] = 77.0
        acc = [1 - value / 10 for value in loss]
        run = write_run(root / str(i), {"train/loss": loss, "test/acc": acc}, config=config)
        (run / rundir.STDOUT).write_text(f"run {i} <b>began</b>\nrun {i} ended\n")
    failed = {"state": State.FAILED, "error": "ValueError: the loss <i>is</i> nan", "exit_code": 1}
    write_run(root / "11", **failed)
    return root


@pytest.fixture(scope="session")
def address(tree: Path) -> Iterator[str]:
    """Of the page of `tree`."""
    with served(tree) as url:
        yield url
