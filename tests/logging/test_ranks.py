"""Of a distributed training only rank 0 records, unless every rank shall."""

from __future__ import annotations

import csv
import json
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import APP

from exptools.logging import logger, logger_context, ranks
from exptools.logging.ranks import Rank

VARIABLES = {name for pair in ranks._VARIABLES for name in pair}


@pytest.fixture(autouse=True)
def alone(monkeypatch: Any) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.mark.parametrize(
    ("environment", "rank"),
    [
        ({"RANK": "2", "WORLD_SIZE": "4"}, Rank(2, 4, "RANK")),
        ({"SLURM_PROCID": "1", "SLURM_STEP_NUM_TASKS": "2"}, Rank(1, 2, "SLURM_PROCID")),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "2"}, Rank(0, 2, "SLURM_PROCID")),
        ({"HOROVOD_RANK": "3", "HOROVOD_SIZE": "8"}, Rank(3, 8, "HOROVOD_RANK")),
        ({"OMPI_COMM_WORLD_RANK": "1", "OMPI_COMM_WORLD_SIZE": "2"}, Rank(1, 2, "OMPI_COMM_WORLD_RANK")),
        ({"PMI_RANK": "1", "PMI_SIZE": "2"}, Rank(1, 2, "PMI_RANK")),
        ({"LOCAL_RANK": "1", "WORLD_SIZE": "2"}, Rank(1, 2, "LOCAL_RANK")),
        ({"LOCAL_RANK": "0", "RANK": "2", "WORLD_SIZE": "4"}, Rank(2, 4, "RANK")),
        ({"RANK": "0", "WORLD_SIZE": "1"}, None),
        ({"RANK": "5"}, None),
        ({"RANK": "", "WORLD_SIZE": "x"}, None),
        ({}, None),
    ],
)
def test_the_rank_is_what_the_launcher_says(
    environment: dict[str, str], rank: Rank | None, monkeypatch: Any
) -> None:
    for name, value in environment.items():
        monkeypatch.setenv(name, value)

    assert ranks.find() == rank


def test_torch_is_asked_first_if_it_is_initialised(monkeypatch: Any) -> None:
    distributed = types.SimpleNamespace(
        is_available=lambda: True, is_initialized=lambda: True, get_rank=lambda: 1, get_world_size=lambda: 3
    )
    monkeypatch.setitem(sys.modules, "torch.distributed", distributed)
    monkeypatch.setenv("RANK", "0")
    monkeypatch.setenv("WORLD_SIZE", "3")

    assert ranks.find() == Rank(1, 3, "torch.distributed")


def test_another_rank_records_nothing_and_nothing_is_an_error(
    tmp_path: Path, monkeypatch: Any, capsys: Any
) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")

    with logger_context(tmp_path / "logs", 0, "name"):
        logger.log_scalar("loss", 1.0, 0)
        logger.log_text("said")
        logger.dump()
        with logger.additional_scalar_output("more.csv"):
            logger.log_scalar("x", 1.0, filename="more.csv")

    assert not (tmp_path / "logs").exists()
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err == (
        "exptools: rank 1 of 2 (RANK) records nothing, rank 0 does; ranks=all lets every rank record into a "
        "directory of its own\n"
    )


def test_every_rank_may_record_into_a_directory_of_its_own(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        with logger_context(tmp_path, 0, "name", ranks="all"):
            logger.log_scalar("rank", int(rank), 0)

    variants = sorted(str(p.parent.relative_to(tmp_path)) for p in tmp_path.rglob("variant_config.json"))
    assert variants == ["run_0", "run_0/rank_1"]
    found = {}
    for path in (tmp_path / "run_0").rglob("progress.csv"):
        with open(path, newline="") as file:
            found[str(path.parent.relative_to(tmp_path))] = [row["rank"] for row in csv.DictReader(file)]
    assert found == {"run_0": ["0.0"], "run_0/rank_1": ["1.0"]}


@pytest.mark.parametrize(
    ("words", "written"), [([], ["progress.csv"]), (["all"], ["progress.csv", "rank_1/progress.csv"])]
)
def test_two_ranks_of_a_hydra_app_share_a_directory(
    tmp_path: Path, python: Callable[..., Any], monkeypatch: Any, words: list[str], written: list[str]
) -> None:
    (tmp_path / "app.py").write_text(APP)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank in ("0", "1"):
        monkeypatch.setenv("RANK", rank)
        ours = [f"hydra.callbacks.exptools.ranks={word}" for word in words]
        done = python("app.py", "hydra.run.dir=out", f"+seed={rank}", *ours)
        assert done.returncode == 0, done.stderr

    assert sorted(str(p.relative_to(tmp_path / "out")) for p in tmp_path.rglob("progress.csv")) == written
    assert json.loads((tmp_path / "out/variant_config.json").read_text()) == {"seed": 0}
