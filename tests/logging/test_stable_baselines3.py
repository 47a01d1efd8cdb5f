"""What Stable-Baselines3 logs, compared with what its own formats wrote of the same training."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from runs import shown_by_tensorboard, status

from exptools.errors import LoggingError
from exptools.logging import Logger, capture, logger, logger_context

pytest.importorskip("stable_baselines3", reason="make test-bridges installs Stable-Baselines3")

from stable_baselines3.common import logger as sb3

from exptools.logging.bridges.stable_baselines3 import ExptoolsOutputFormat, sb3_logger

Rows = list[dict[str, str]]

PPO = """
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import EvalCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.logger import make_output_format
from exptools.logging import logger_context
from exptools.logging.bridges.stable_baselines3 import sb3_logger

with logger_context("logs", 0, "cartpole", console_every_s=0):
    model = PPO("MlpPolicy", "CartPole-v1", n_steps=128, batch_size=64, n_epochs=1, seed=0, device="cpu")
    theirs = sb3_logger()
    theirs.output_formats += [make_output_format(name, "theirs") for name in ("csv", "tensorboard")]
    model.set_logger(theirs)
    evaluation = EvalCallback(make_vec_env("CartPole-v1"), eval_freq=300, n_eval_episodes=2, verbose=0)
    model.learn(512, callback=evaluation)
    model.logger.info("trained for", model.num_timesteps)
    theirs.close()
"""


def rows(path: Path) -> Rows:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def measured(rows: Rows) -> list[dict[str, float]]:
    """The values of each row, by their tags; as float32: theirs has torch's float32 in 8 digits."""
    own = ("step", "wall_time")
    return [{k: float(np.float32(v)) for k, v in row.items() if v and k not in own} for row in rows]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """Where PPO has been trained on CartPole, and what it printed."""
    import subprocess
    import sys

    from conftest import clean_environment

    where = tmp_path_factory.mktemp("ppo")
    (where / "run.py").write_text(PPO)
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "run.py"],
        cwd=where,
        env=clean_environment(),
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return where, done.stdout


def test_the_numbers_are_those_of_its_own_csv(trained: tuple[Path, str]) -> None:
    ours = rows(trained[0] / "logs" / "run_0" / "progress.csv")
    theirs = rows(trained[0] / "theirs" / "progress.csv")

    assert measured(ours) == measured(theirs)
    assert len(ours) == 5  # four rollouts of 128 steps, one evaluation
    assert [int(row["step"]) for row in ours] == [float(row["time/total_timesteps"]) for row in ours]
    assert {"train/loss", "rollout/ep_rew_mean", "eval/mean_reward"} <= set(ours[0])


def test_tensorboard_has_the_tags_of_its_own(trained: tuple[Path, str]) -> None:
    ours = shown_by_tensorboard(trained[0] / "logs" / "run_0")
    theirs = shown_by_tensorboard(trained[0] / "theirs")

    assert ours == theirs
    assert "time/total_timesteps" not in ours  # Stable-Baselines3 excludes it there


def test_texts_and_tables_are_printed(trained: tuple[Path, str]) -> None:
    debug_log = (trained[0] / "logs" / "run_0" / "debug.log").read_text()

    assert debug_log.endswith(" | trained for 512\n")
    assert "trained for 512" in trained[1]
    assert trained[1].count("rollout/ep_rew_mean") == 4
    assert status(trained[0] / "logs" / "run_0")["state"] == "COMPLETED"


def test_every_kind_of_value(capsys: Any) -> None:
    import torch

    with capture() as records:
        theirs = sb3_logger()
        theirs.record("int", 3)
        theirs.record("bool", True)
        theirs.record("numpy", np.float32(0.5))
        theirs.record("tensor", torch.tensor([2.0]))
        theirs.record("word", "good")
        theirs.record("none", None)
        theirs.record("many", [1, 2])
        theirs.record_mean("mean", 1.0)
        theirs.record_mean("mean", 2.0)
        theirs.dump(7)
        theirs.record("many", [1, 2])
        theirs.dump(8)

    assert [(tag, records.scalars(tag)) for tag in records.tags] == [
        ("int", [(7, 3.0)]),
        ("bool", [(7, 1.0)]),
        ("numpy", [(7, 0.5)]),
        ("tensor", [(7, 2.0)]),
        ("mean", [(7, 1.5)]),
    ]
    assert [text.split(" | ")[1:] for text in records.texts] == [["step 7", "word: good"]]
    assert capsys.readouterr().err == "exptools: 'many' of Stable-Baselines3 is not recorded: it is a list\n"


def test_what_is_rich_is_what_it_is(tmp_path: Path) -> None:
    import matplotlib.figure
    import torch

    image = np.zeros((4, 4, 3), np.uint8)
    with logger_context(tmp_path, 0, "name"), capture() as records:
        theirs = sb3_logger()
        theirs.record("image", sb3.Image(image, "HWC"))
        theirs.record("images", sb3.Image(torch.zeros(2, 3, 4, 4), "NCHW"))
        theirs.record("figure", sb3.Figure(matplotlib.figure.Figure(), close=True))
        theirs.record("video", sb3.Video(torch.zeros((1, 5, 3, 8, 8), dtype=torch.uint8), fps=30))
        theirs.record("videos", sb3.Video(torch.zeros((2, 5, 3, 8, 8), dtype=torch.uint8), fps=30))
        theirs.record("hparams", sb3.HParam({"lr": 0.1}, {"reward": 1.0}))
        theirs.record("weights", torch.zeros(9))
        theirs.dump(7)

    assert [(media.value.kind, media.tag, media.step) for media in records.media()] == [
        ("image", "image", 7),
        ("image", "images", 7),
        ("figure", "figure", 7),
        ("gif", "video", 7),
        ("gif", "videos/0", 7),
        ("gif", "videos/1", 7),
        ("hparams", "_hparams_", 7),
        ("histogram", "weights", 7),
    ]


def test_what_is_rich_and_excluded_from_tensorboard_is_a_file(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name"):
        theirs = sb3_logger()
        theirs.record("image", sb3.Image(np.zeros((4, 4, 3), np.uint8), "HWC"), exclude="tensorboard")
        theirs.record("loss", 1.0)
        theirs.dump(7)

    (file,) = (tmp_path / "run_0" / "media").rglob("*.png")
    (events,) = (tmp_path / "run_0").glob("events.out.tfevents.*")
    assert file.read_bytes().startswith(b"\x89PNG")
    assert b"PNG" not in events.read_bytes()


def test_what_is_excluded(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name", writers=["csv", "tensorboard", "jsonl"]):
        theirs = sb3_logger()
        theirs.record("all", 1.0)
        theirs.record("no csv", 2.0, exclude="csv")
        theirs.record("no files", 3.0, exclude=("csv", "tensorboard", "json", "stdout", "log", "unknown"))
        theirs.dump(0)

    run_dir = tmp_path / "run_0"
    assert measured(rows(run_dir / "progress.csv")) == [{"all": 1.0}]
    assert shown_by_tensorboard(run_dir) == {"all": [(0, 1.0)], "no csv": [(0, 2.0)]}
    assert '"scalars": {"all": 1.0, "no csv": 2.0}' in (run_dir / "progress.jsonl").read_text()


def test_a_logger_that_is_not_open_says_so_at_once() -> None:
    with pytest.raises(LoggingError, match="the logger is not open, so what Stable-Baselines3 logs would be"):
        ExptoolsOutputFormat(Logger())


def test_a_logger_that_is_disabled_records_nothing() -> None:
    logger.disable()
    try:
        theirs = sb3_logger()
        theirs.record("x", 1.0)
        theirs.dump(0)
        theirs.info("said")
    finally:
        logger.enable()
