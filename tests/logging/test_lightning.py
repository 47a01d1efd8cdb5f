"""What Lightning logs, compared with what its own logger wrote of the same training."""

from __future__ import annotations

import csv
import json
import logging
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from runs import shown_by_tensorboard, status

from exptools.errors import LoggingError, RunDirError
from exptools.logging import logger, logger_context

pytest.importorskip("lightning.pytorch", reason="make test-bridges installs Lightning")

import torch
from lightning.pytorch.loggers import CSVLogger, Logger
from line_of_lightning import Line, trainer

from exptools.logging.bridges.lightning import ExptoolsLogger

pytestmark = pytest.mark.filterwarnings("ignore")  # Lightning warns of much, and so does what it imports
HERE = Path(__file__).parent


@pytest.fixture(autouse=True)
def quiet() -> None:
    logging.getLogger("lightning.pytorch").setLevel(logging.ERROR)


def rows(path: Path, own: tuple[str, ...] = ()) -> list[dict[str, float]]:
    """What is in each row of a CSV file, as numbers."""
    with open(path, newline="") as file:
        return [{k: float(v) for k, v in row.items() if v and k not in own} for row in csv.DictReader(file)]


def progress(run_dir: Path) -> list[dict[str, float]]:
    return rows(run_dir / "progress.csv", own=("wall_time",))


def test_the_rows_are_those_of_its_own_csv(tmp_path: Path) -> None:
    theirs = CSVLogger(tmp_path / "theirs")
    with logger_context(tmp_path, 0, "line"):
        ours = ExptoolsLogger()
        fit = trainer([ours, theirs], max_epochs=3)
        fit.fit(Line())
        fit.test(Line(), verbose=False)
        logger.log_scalar("afterwards", 1.0)  # the run stays open

    found = progress(tmp_path / "run_0")
    assert found[:-1] == rows(Path(theirs.log_dir) / "metrics.csv")
    assert len(found) == 7 + 2 * 3 + 1 + 1
    assert found[-1] == {"step": 15.0, "afterwards": 1.0}
    assert shown_by_tensorboard(tmp_path / "run_0")["val/loss"] == [
        (int(row["step"]), row["val/loss"]) for row in found if "val/loss" in row
    ]
    assert status(tmp_path / "run_0")["state"] == "COMPLETED"


def test_checkpoints_and_hyperparameters_are_in_the_run_directory(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "line", {"kept": True}):
        ours = ExptoolsLogger()
        fit = trainer(ours)
        fit.fit(Line(lr=0.2))
        run_dir = tmp_path / "run_0"
        ours.log_metrics({"before the checkpoint": 1.0}, 10)
        ours.after_save_checkpoint(fit.checkpoint_callback)

        assert progress(run_dir)[-1] == {"step": 10.0, "before the checkpoint": 1.0}
        assert ours.log_dir == ours.root_dir == ours.save_dir == str(run_dir)
        assert fit.log_dir == str(run_dir)
        assert fit.checkpoint_callback.best_model_path == str(
            run_dir / "checkpoints" / "epoch=1-step=10.ckpt"
        )
    assert json.loads((run_dir / "hparams.json").read_text()) == {"lr": 0.2, "fail_at": None}
    assert json.loads((run_dir / "variant_config.json").read_text())["kept"] is True


def test_a_training_that_goes_on_from_a_checkpoint_has_one_curve(tmp_path: Path) -> None:
    torch.manual_seed(0)
    with logger_context(tmp_path, "straight", "line"):
        trainer(ExptoolsLogger(), max_epochs=4).fit(Line())
    torch.manual_seed(0)
    with pytest.raises(RuntimeError, match="as asked"), logger_context(tmp_path, "broken", "line"):
        trainer(ExptoolsLogger(), max_epochs=4).fit(Line(fail_at=13))
    straight, broken = tmp_path / "run_straight", tmp_path / "run_broken"
    assert status(broken)["state"] == "FAILED"
    assert progress(broken)[-1]["step"] == 11  # measured after the checkpoint

    with logger_context(tmp_path, "broken", "line"):
        checkpoint = broken / "checkpoints" / "epoch=1-step=10.ckpt"
        trainer(ExptoolsLogger(), max_epochs=4).fit(Line(), ckpt_path=checkpoint)

    assert progress(broken) == progress(straight)
    assert shown_by_tensorboard(broken) == shown_by_tensorboard(straight)
    assert (status(broken)["state"], status(broken)["attempt"]) == ("COMPLETED", 2)


def test_a_run_of_its_own_ends_when_it_is_closed(tmp_path: Path) -> None:
    ours = ExptoolsLogger(tmp_path / "run", python_logging=None)
    fit = trainer(ours)
    assert not (tmp_path / "run").exists()
    assert fit.log_dir == str(tmp_path / "run")
    fit.fit(Line(lr=0.3))
    ours.log_hyperparams({"size": 3}, {"metric": 0})
    assert status(tmp_path / "run")["state"] == "RUNNING"
    ours.experiment.log_text("said", with_timestamp=False)
    ours.close()
    ours.close()

    assert status(tmp_path / "run")["state"] == "COMPLETED"
    assert (tmp_path / "run" / "debug.log").read_text() == "said\n"
    config = {"lr": 0.3, "fail_at": None, "size": 3}
    assert json.loads((tmp_path / "run" / "variant_config.json").read_text()) == config
    assert json.loads((tmp_path / "run" / "hparams.json").read_text()) == config
    with pytest.raises(RunDirError, match="choose another directory, begin anew by refresh=True"):
        trainer(ExptoolsLogger(tmp_path / "run")).fit(Line())


def test_a_fast_dev_run_leaves_nothing(tmp_path: Path) -> None:
    trainer(ExptoolsLogger(tmp_path / "run"), fast_dev_run=True).fit(Line())

    assert list(tmp_path.iterdir()) == []


def test_metrics_without_a_step_have_the_one_that_was_last(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "line"):
        ours = ExptoolsLogger()
        ours.log_metrics({"a": 1.0}, 7)
        ours.log_metrics({"b": 2.0})

    assert progress(tmp_path / "run_0") == [{"step": 7.0, "a": 1.0, "b": 2.0}]


def test_a_logger_without_a_run_says_how_to_open_one() -> None:
    with pytest.raises(LoggingError, match=r"so what Lightning logs would be lost|the logger is closed"):
        ExptoolsLogger().log_metrics({"a": 1.0}, 0)
    with pytest.raises(LoggingError, match="there is no setting 'writer'; there are writers"):
        ExptoolsLogger("run", writer=["csv"])


def test_another_run_than_the_one_that_is_open_is_refused(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "line"):
        ExptoolsLogger(tmp_path / "run_0").log_metrics({"a": 1.0}, 0)
        with pytest.raises(LoggingError) as error:
            ExptoolsLogger(tmp_path / "other").log_metrics({"a": 1.0}, 0)

    assert str(error.value) == (
        f"the run {tmp_path / 'run_0'} is open, so {tmp_path / 'other'} cannot be: leave log_dir out to "
        "record there, or close that run before"
    )


def test_a_logger_that_is_disabled_records_nothing(tmp_path: Path) -> None:
    logger.disable()
    try:
        trainer(ExptoolsLogger(tmp_path / "run"), enable_checkpointing=False).fit(Line())
    finally:
        logger.enable()

    assert list(tmp_path.iterdir()) == []


def test_it_is_a_logger_of_the_package_that_was_imported(tmp_path: Path, python: Callable[..., Any]) -> None:
    assert issubclass(ExptoolsLogger, Logger)
    pytest.importorskip("pytorch_lightning", reason="make test-bridges installs pytorch-lightning")
    older = "from exptools.logging.bridges.lightning import ExptoolsLogger; print(ExptoolsLogger.__base__)"

    done = python("-W", "ignore", "-c", f"import pytorch_lightning; {older}")

    assert done.stdout == "<class 'pytorch_lightning.loggers.logger.Logger'>\n"


OWN = """
import os, signal, sys, time
from line_of_lightning import Line, trainer
from lightning.pytorch.callbacks import Callback
from exptools.logging import logger, logger_context
from exptools.logging.bridges.lightning import ExptoolsLogger

class Send(Callback):
    def on_train_batch_end(self, trainer, *_):
        if trainer.global_step == 6:
            os.kill(os.getpid(), getattr(signal, sys.argv[2]))
            time.sleep(30 if sys.argv[1] == "signal" else 0)

class StopWhenAsked(Callback):
    def on_train_batch_end(self, trainer, *_):
        trainer.should_stop = trainer.should_stop or logger.should_stop

def main(how, *what):
    several = {"strategy": how, "devices": 2} if how.startswith("ddp") else {}
    callbacks = [Send()] if what else []
    if how == "ask":
        callbacks.append(StopWhenAsked())
    fit = trainer(ExptoolsLogger("run"), max_epochs=2, callbacks=callbacks, **several)
    try:
        fit.fit(Line(fail_at=6 if how in ("fails", "caught") else None))
    except RuntimeError:
        if how != "caught":
            raise
    if how == "later":
        raise ZeroDivisionError("after the training")

if __name__ == "__main__":
    main(*sys.argv[1:])
"""


@pytest.mark.parametrize(
    ("words", "state", "error", "n_rows"),
    [
        ("plain", "COMPLETED", None, 9),
        ("fails", "FAILED", "RuntimeError: as asked", 5),
        ("later", "FAILED", "ZeroDivisionError: after the training", 9),
        ("caught", "INTERRUPTED", None, 5),
        ("ask SIGTERM", "PREEMPTED", "stopped as asked by SIGTERM", 5),
        ("signal SIGTERM", "INTERRUPTED", "ended by SIGTERM", 4),
        ("signal SIGINT", "INTERRUPTED", None, 4),
        ("ddp", "COMPLETED", None, 7),
        ("ddp_spawn", "COMPLETED", None, 7),
        ("ddp_fork", "COMPLETED", None, 7),
    ],
)
def test_a_run_of_its_own_ends_with_the_process(
    tmp_path: Path, python: Callable[..., Any], words: str, state: str, error: str | None, n_rows: int
) -> None:
    shutil.copy(HERE / "line_of_lightning.py", tmp_path)
    (tmp_path / "run.py").write_text(OWN)

    done = python("-W", "ignore", "run.py", *words.split())

    said = status(tmp_path / "run")
    assert (said["state"], said.get("error")) == (state, error), done.stderr
    assert len(progress(tmp_path / "run")) == n_rows


APP = """
import hydra
from hydra.core.config_store import ConfigStore
from line_of_lightning import Line, trainer
from exptools.logging import logger
from exptools.logging.bridges.lightning import ExptoolsLogger
node = {"lr": 0.1, "strategy": "auto", "defaults": ["_self_", "exptools"]}
ConfigStore.instance().store(name="app", node=node)

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    devices = 1 if cfg.strategy == "auto" else 2
    fit = trainer(ExptoolsLogger(), strategy=cfg.strategy, devices=devices)
    fit.fit(Line(cfg.lr))
    logger.log_text(f"best: {fit.checkpoint_callback.best_model_path}")

if __name__ == "__main__":
    main()
"""


def test_jobs_of_hydra(tmp_path: Path, python: Callable[..., Any]) -> None:
    shutil.copy(HERE / "line_of_lightning.py", tmp_path)
    (tmp_path / "app.py").write_text(APP)

    done = python("-W", "ignore", "app.py", "-m", "lr=0.1,0.2", "hydra.sweep.dir=sweep")

    for number in (0, 1):
        run_dir = tmp_path / "sweep" / str(number)
        assert status(run_dir)["state"] == "COMPLETED", done.stderr
        assert len(progress(run_dir)) == 9
        assert (run_dir / "checkpoints" / "epoch=1-step=10.ckpt").exists()


@pytest.mark.parametrize("launcher", ["local", "joblib"])
def test_jobs_of_a_sweep_may_have_several_processes(
    tmp_path: Path, python: Callable[..., Any], launcher: str
) -> None:
    shutil.copy(HERE / "line_of_lightning.py", tmp_path)
    (tmp_path / "app.py").write_text(APP)

    words = ["-m", "lr=0.1,0.2", "strategy=ddp", "hydra.sweep.dir=sweep", f"hydra.launcher.engine={launcher}"]
    done = python("-W", "ignore", "app.py", *words)

    for number in (0, 1):
        run_dir = tmp_path / "sweep" / str(number)
        assert status(run_dir)["state"] == "COMPLETED", done.stdout + (run_dir / "stdout.log").read_text()
        assert len(progress(run_dir)) == 7


def test_of_several_processes_rank_0_records(tmp_path: Path, python: Callable[..., Any]) -> None:
    shutil.copy(HERE / "line_of_lightning.py", tmp_path)
    (tmp_path / "app.py").write_text(APP)

    done = python("-W", "ignore", "app.py", "strategy=ddp", "hydra.run.dir=run")
    forked = python("-W", "ignore", "app.py", "strategy=ddp_fork", "hydra.run.dir=forked")

    assert status(tmp_path / "run")["state"] == "COMPLETED", done.stderr
    assert len(progress(tmp_path / "run")) == 7
    assert list((tmp_path / "run").glob("rank_*")) == []
    assert status(tmp_path / "forked")["state"] == "FAILED"
    assert "cannot record there: train by strategy='ddp', or let ExptoolsLogger(log_dir)" in forked.stderr
