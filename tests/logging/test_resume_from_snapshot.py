"""An attempt that goes on from a snapshot: one clean curve a tag, wherever the last one died."""

from __future__ import annotations

import csv
import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from runs import APP, Curve, shown_by_tensorboard, status
from rust import rust_server, until

from exptools.errors import LoggingError, RunDirError
from exptools.logging import Logger, logger, logger_context


def curves(path: Path) -> dict[str, Curve]:
    found: dict[str, Curve] = {}
    with open(path, newline="") as file:
        for row in csv.DictReader(file):
            for tag, cell in list(row.items())[2:]:
                if cell:
                    found.setdefault(tag, []).append((int(row["step"]), float(cell)))
    return found


def shown_by_the_rust_server(run_dir: Path) -> dict[str, Curve]:
    """As `tensorboard` reads it by default."""
    from tensorboard.context import RequestContext
    from tensorboard.data.provider import RunTagFilter

    with rust_server(run_dir) as provider:
        series: dict[str, Any] = {}
        until(
            lambda: (
                series.update(
                    provider.read_scalars(
                        RequestContext(),
                        experiment_id="",
                        plugin_name="scalars",
                        downsample=10_000,
                        run_tag_filter=RunTagFilter(),
                    )
                )
                or bool(series)
            )
        )
    [tags] = series.values()
    return {tag: [(p.step, float(p.value)) for p in points] for tag, points in tags.items()}


TRAINING = """
import os, signal, sys
from exptools.logging import EXIT_PREEMPTED, logger, logger_context

dies_at, how = int(sys.argv[1]), sys.argv[2]
writers = ["csv", "tensorboard", "jsonl", "text"]
snapshot = {"on_exception": how == "raises"}
with logger_context("logs", 0, "name", snapshot_mode=10, writers=writers, snapshot=snapshot):
    snapshot = logger.load_snapshot()
    state = snapshot.state if snapshot is not None else {"step": 0, "total": 0}
    while state["step"] < 50:
        step = state["step"]
        state["total"] += step
        logger.log_scalar("total", state["total"], step)
        if step == 3 or step == 33:
            logger.log_scalar(f"seldom{step}", 1.0, step)
        with logger.additional_scalar_output("inner.csv"), logger.additional_text_output("said.txt"):
            logger.log_scalar("inner", step, step * 7 % 5, filename="inner.csv")
            logger.log_text(f"at {step}", with_timestamp=False, filename="said.txt")
        state["step"] += 1
        logger.save_snapshot(step, lambda: state)
        if step == dies_at:
            logger.flush()
            if how == "raises":
                raise RuntimeError("as planned")
            os.kill(os.getpid(), getattr(signal, how))
        if logger.should_stop:
            sys.exit(EXIT_PREEMPTED)
"""


def train(directory: Path, dies_at: int, how: str = "SIGKILL") -> subprocess.CompletedProcess[str]:
    (directory / "run.py").write_text(TRAINING)
    return subprocess.run(
        [sys.executable, "run.py", str(dies_at), how],
        cwd=directory,
        capture_output=True,
        text=True,
        check=False,
    )


def is_one_clean_curve(run_dir: Path) -> None:
    wanted = {"total": [(step, float(step * (step + 1) // 2)) for step in range(50)]}
    wanted |= {f"seldom{step}": [(step, 1.0)] for step in (3, 33)}
    assert curves(run_dir / "progress.csv") == wanted
    assert shown_by_tensorboard(run_dir) == wanted
    assert shown_by_the_rust_server(run_dir) == wanted
    said = [json.loads(line) for line in (run_dir / "progress.jsonl").read_text().splitlines()]
    assert [row["step"] for row in said if "scalars" in row] == list(range(50))
    assert [value for _, value in curves(run_dir / "inner.csv")["inner"]] == list(range(50))
    assert (run_dir / "said.txt").read_text().splitlines() == [f"at {step}" for step in range(50)]


@pytest.mark.parametrize("how", ["SIGKILL", "raises", "SIGUSR1"])
def test_every_tag_is_one_clean_curve(tmp_path: Path, how: str) -> None:
    first = train(tmp_path, 34, how)
    second = train(tmp_path, 47, how)
    third = train(tmp_path, -1)

    assert (first.returncode != 0, second.returncode != 0, third.returncode) == (True, True, 0), third.stderr
    run_dir = tmp_path / "logs" / "run_0"
    is_one_clean_curve(run_dir)
    assert (status(run_dir)["state"], status(run_dir)["attempt"]) == ("COMPLETED", 3)
    from_where = {"SIGKILL": (29, 39), "raises": (34, 47), "SIGUSR1": (34, 47)}[how]
    for attempt, step in enumerate(from_where, start=2):
        said = f"attempt {attempt} goes on from the snapshot of step {step}\n"
        assert said in (second if attempt == 2 else third).stderr
    aside = run_dir / ".orphaned" / "attempt-1" / "progress.csv"
    if how == "SIGKILL":
        assert [step for step, _ in curves(aside)["total"]] == [30, 31, 32, 33, 34]
        assert [step for step, _ in curves(aside)["seldom33"]] == [33]
    else:
        assert not aside.exists()  # it was saved at the end: nothing is measured twice


def fails(number: int, work: Any, **settings: Any) -> None:
    with pytest.raises(ZeroDivisionError), logger_context("logs", number, "name", "none", **settings):
        work()
        _ = 1 / 0


@pytest.fixture(autouse=True)
def in_its_own_directory(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def ended_at_4(tmp_path: Path) -> Path:
    """A run that saved a snapshot at step 2 and failed at step 4; its directory."""
    with pytest.raises(ZeroDivisionError), Logger("run", snapshot_mode="all") as mine:
        for step in range(5):
            mine.log_scalar("x", step, step)
            if step == 2:
                mine.save_snapshot(step, {"step": step})
        _ = 1 / 0
    return tmp_path / "run"


def test_what_is_measured_before_it_is_loaded_stays_and_harms_nothing(ended_at_4: Path) -> None:
    with Logger("run", snapshot_mode="all") as mine:
        mine.log_scalar("n_params", 7.0, 0)
        mine.flush()
        snapshot = mine.load_snapshot()
        assert snapshot is not None
        for step in range(snapshot.step + 1, 6):
            mine.log_scalar("x", step, step)
            mine.save_snapshot(step, {"step": step})

    assert curves(ended_at_4 / "progress.csv") == {
        "x": [(step, float(step)) for step in range(6)],
        "n_params": [(0, 7.0)],
    }
    assert [s for s, _ in curves(ended_at_4 / ".orphaned" / "attempt-1" / "progress.csv")["x"]] == [3, 4]


def test_who_saves_without_having_loaded_has_begun_anew(ended_at_4: Path, capsys: Any) -> None:
    with Logger("run", snapshot_mode="all", writers=["csv", "tensorboard", "jsonl"]) as mine:
        for step in range(3):
            mine.log_scalar("x", -step, step)
            mine.flush()
        mine.save_snapshot(2, "new")
        mine.log_scalar("x", 3, 3)
        found = mine.load_snapshot()

    assert found is not None and found.state == "new"
    wanted = {"x": [(0, 0.0), (1, -1.0), (2, -2.0), (3, 3.0)]}
    assert curves(ended_at_4 / "progress.csv") == wanted == shown_by_tensorboard(ended_at_4)
    aside = ended_at_4 / ".orphaned" / "attempt-1"
    assert sorted(s for name in ("progress.csv", "progress.csv-2") for s, _ in curves(aside / name)["x"]) == [
        0,
        1,
        2,
        3,
        4,
    ]
    assert [path.name for path in (aside / "snapshots").iterdir()] == ["step-000000000002"]
    assert (
        "attempt 2 begins at step 0; what was measured from there on before is kept"
        in capsys.readouterr().err
    )


def test_a_snapshot_of_this_attempt_cuts_nothing(tmp_path: Path) -> None:
    with Logger("run", snapshot_mode="last") as mine:
        for step in range(5):
            mine.log_scalar("x", step, step)
            mine.save_snapshot(step, step)
        mine.log_scalar("x", 5, 5)
        found = mine.load_snapshot(step=3)

    assert found is not None and found.state == 3
    assert [step for step, _ in curves(tmp_path / "run" / "progress.csv")["x"]] == list(range(6))


def test_the_step_that_dump_counts_goes_on_where_it_was(tmp_path: Path) -> None:
    for first in (0, 3):
        with pytest.raises(ZeroDivisionError), Logger("run") as mine:
            found = mine.load_snapshot()
            assert (found.state if found else 0) == first
            for epoch in range(first, first + 3):
                mine.log_scalar("x", epoch)
                mine.dump()
                mine.save_snapshot(epoch, epoch + 1)
            mine.log_scalar("torn", 1.0)
            _ = 1 / 0

    assert curves(tmp_path / "run" / "progress.csv") == {
        "x": [(step, float(step)) for step in range(6)],
        "torn": [(6, 1.0)],
    }


def test_random_numbers_go_on(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), Logger("run", snapshot={"rng": True}) as mine:
        random.seed(3)
        mine.save_snapshot(0, None)
        drawn = [random.random() for _ in range(3)]
        _ = 1 / 0
    random.seed(4)
    with Logger("run") as mine:
        mine.load_snapshot()

        assert [random.random() for _ in range(3)] == drawn


def test_generators_that_were_not_saved_are_told_only_where_they_were_asked_for(
    tmp_path: Path, capsys: Any
) -> None:
    with pytest.raises(ZeroDivisionError), Logger("run") as mine:
        mine.save_snapshot(0, None)
        _ = 1 / 0
    told = []
    for settings in ({}, {"snapshot": {"rng": True}}):
        with pytest.raises(ZeroDivisionError), Logger("run", **settings) as mine:
            mine.load_snapshot()
            _ = 1 / 0
        told.append("without the random generators" in capsys.readouterr().err)

    assert told == [False, True]


@pytest.mark.parametrize(("on_exception", "steps"), [(False, [0, 9]), (True, [0, 9, 12])])
def test_an_exception_saves_what_may_be_half_changed_only_if_asked(
    tmp_path: Path, on_exception: bool, steps: list[int]
) -> None:
    settings = {"snapshot_mode": 10, "snapshot": {"on_exception": on_exception}}
    with pytest.raises(ZeroDivisionError), Logger("run", **settings) as mine:
        for step in range(13):
            mine.save_snapshot(step, lambda: "state")
        _ = 1 / 0

    assert [int(path.name[5:]) for path in sorted((tmp_path / "run" / "snapshots").iterdir())] == steps


def test_a_run_that_left_snapshots_alone_is_no_free_directory(tmp_path: Path) -> None:
    with logger_context("logs", 0, "name", snapshot_mode="last"):
        logger.save_snapshot(0, "precious")

    with pytest.raises(RunDirError, match=r"run_0 already holds a run \(COMPLETED, snapshots\)"):
        logger_context("logs", 0, "name").__enter__()


def test_snapshots_are_settings_of_hydra(tmp_path: Path, python: Any) -> None:
    app = APP.replace("logger.dump()", "print(logger.snapshot_policy)")
    (tmp_path / "app.py").write_text(app)
    words = ["snapshot_mode=best", "snapshot.metric=acc", "snapshot.goal=max"]

    done = python("app.py", *(f"hydra.callbacks.exptools.{word}" for word in words))

    assert done.returncode == 0, done.stderr
    assert "Policy(mode='best', gap=1, keep=2, every_s=None, k=3, metric='acc', goal='max'" in done.stdout


def test_the_best_by_the_last_value_of_a_tag(tmp_path: Path) -> None:
    values = [0.1, 0.9, 0.5, 0.8, 0.2, 0.3]
    best = {"metric": "acc", "goal": "max", "k": 2}
    with Logger("run", snapshot_mode="best", snapshot=best) as mine:
        for step, value in enumerate(values):
            mine.log_scalar("acc", value, step)
            mine.save_snapshot(step, step)
        found = mine.load_snapshot(best=True)

    assert found is not None and found.state == 1
    kept = sorted(int(path.name.removeprefix("step-")) for path in (tmp_path / "run" / "snapshots").iterdir())
    assert kept == [1, 3, 4, 5]  # the two best, and the two newest


def test_mode_none_says_once_that_nothing_is_saved(tmp_path: Path, capsys: Any) -> None:
    with logger_context("logs", 0, "name"):
        assert [logger.save_snapshot(step, step) for step in range(2)] == [None, None]
        assert logger.load_snapshot() is None

    assert (
        capsys.readouterr().err.count("save_snapshot() saves nothing: snapshot_mode is none; give last") == 1
    )


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"snapshot_mode": "lsat"}, "lsat"),
        ({"snapshot": {"every": 3}}, "every"),
        ({"snapshot": {"format": "pikcle"}}, "format 'pikcle' is not known; there are pickle, torch"),
        ({"snapshot_mode": "best"}, "metric"),
    ],
)
def test_a_wrong_policy_is_told_before_anything_is_made(
    tmp_path: Path, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(LoggingError, match=message):
        Logger("run", **settings)

    assert not (tmp_path / "run").exists()


def test_rlpyt_s_names_save_too(tmp_path: Path) -> None:
    with Logger("run", snapshot_mode="none") as mine:
        mine.set_snapshot_mode("last+gap")
        mine.set_snapshot_gap(3)
        for itr in range(8):
            mine.save_itr_params(itr, {"itr": itr})

        assert (mine.get_snapshot_mode(), mine.get_snapshot_gap()) == ("last+gap", 3)
        assert mine.get_snapshot_dir() == str(tmp_path / "run")
    kept = sorted(int(path.name.removeprefix("step-")) for path in (tmp_path / "run" / "snapshots").iterdir())
    assert kept == [0, 2, 5, 6, 7]
