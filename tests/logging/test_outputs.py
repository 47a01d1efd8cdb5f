"""Additional outputs, holding one back, parameters, stdout in a file; and the old names."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from exptools.errors import LoggingError
from exptools.logging import Logger

Command = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run_dir(tmp_path: Path) -> Path:
    return tmp_path / "run"


@pytest.fixture
def logger(run_dir: Path) -> Iterator[Logger]:
    with Logger(run_dir) as logger:
        yield logger


def table(path: Path) -> list[dict[str, str]]:
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_a_scalar_for_an_additional_output_goes_there_and_nowhere_else(logger: Logger, run_dir: Path) -> None:
    with logger.additional_scalar_output("inner.csv"), logger.prefix("p/"):
        logger.log_scalar("loss", 0.5, 100)
        for step in range(2):
            logger.log_scalar("x", step, step, filename="inner.csv")
        logger.log_scalar("loss", 0.25)
    logger.flush()

    assert [(row["step"], row["p/x"]) for row in table(run_dir / "inner.csv")] == [("0", "0.0"), ("1", "1.0")]
    kept = [(row["step"], row["p/loss"]) for row in table(run_dir / "progress.csv")]
    assert kept == [("100", "0.5"), ("100", "0.25")]  # its steps are its own
    assert "p/x" not in table(run_dir / "progress.csv")[0]


def test_an_additional_output_is_gone_on_with_when_it_is_opened_again(logger: Logger, run_dir: Path) -> None:
    for epoch in range(3):
        with logger.additional_scalar_output("deep/eval.csv"):
            logger.log_scalars({"acc": epoch, f"only{epoch}": 1}, epoch, filename="deep/eval.csv")

    rows = table(run_dir / "deep" / "eval.csv")
    assert [(row["step"], row["acc"], row["only2"]) for row in rows] == [
        ("0", "0.0", ""),
        ("1", "1.0", ""),
        ("2", "2.0", "1.0"),
    ]


def test_an_output_that_gets_everything(logger: Logger, run_dir: Path) -> None:
    logger.log_scalar("x", 1.0, 0)
    with logger.additional_scalar_output("copy.csv", everything=True):
        logger.log_scalar("x", 2.0, 1)
    logger.log_scalar("x", 3.0, 2)
    logger.flush()

    assert [row["x"] for row in table(run_dir / "copy.csv")] == ["2.0"]
    assert [row["x"] for row in table(run_dir / "progress.csv")] == ["1.0", "2.0", "3.0"]


def test_a_text_for_an_additional_output(logger: Logger, run_dir: Path, capsys: Any) -> None:
    with logger.additional_text_output("episodes.txt"):
        logger.log_text("one", with_timestamp=False, filename="episodes.txt")
    logger.log_text("two", with_timestamp=False)
    logger.flush()

    assert (run_dir / "episodes.txt").read_text() == "one\n"
    assert (run_dir / "debug.log").read_text() == "two\n"
    assert capsys.readouterr().out == "one\ntwo\n"


@pytest.mark.parametrize(
    "use",
    [
        lambda logger: logger.log_scalar("x", 1.0, filename="t.txt"),
        lambda logger: logger.log_scalar("x", 1.0, filename="none.csv"),
        lambda logger: logger.dump_scalar("none.csv"),
        lambda logger: logger.remove_scalar_output("none.csv"),
    ],
)
def test_an_output_that_is_not_open_is_named(logger: Logger, use: Callable[[Logger], None]) -> None:
    logger.add_scalar_output("open.csv")
    logger.add_text_output("t.txt")
    logger.log_scalar("x", 1.0, filename="open.csv")
    logger.log_text("said", filename="t.txt")

    with pytest.raises(
        LoggingError,
        match=r"there is no additional scalar output '.*' \(open: 'open.csv'\); open it by "
        r"`with logger.additional_scalar_output\(filename\):`",
    ):
        use(logger)


@pytest.mark.parametrize("filename", ["../out.csv", "/tmp/out.csv", "", "."])
def test_an_output_stays_inside_the_run_directory(logger: Logger, filename: str) -> None:
    with pytest.raises(LoggingError, match="must be a file inside the run directory"):
        logger.add_scalar_output(filename)


def test_an_output_is_opened_once(logger: Logger) -> None:
    logger.add_scalar_output("a.csv", everything=True)
    logger.log_scalar("x", 1.0)

    for filename in ("a.csv", "progress.csv", "debug.log"):
        with pytest.raises(LoggingError, match=f"the output '{filename}' is open already"):
            logger.add_scalar_output(filename)


def test_an_output_that_was_given_nothing_says_so(logger: Logger, capsys: Any) -> None:
    with logger.additional_scalar_output("inner.csv"):
        logger.log_scalar("x", 1.0)

    assert (
        "exptools: the additional output 'inner.csv' was given nothing; name it by filename='inner.csv'\n"
        in capsys.readouterr().err
    )


@pytest.mark.parametrize("name", ["csv", "progress.csv"])
def test_what_is_held_gets_nothing(logger: Logger, run_dir: Path, name: str) -> None:
    logger.log_scalar("x", 1.0, 0)
    with logger.hold(name):
        logger.log_scalar("x", 2.0, 1)
    logger.log_scalar("x", 3.0, 2)
    logger.flush()

    assert [row["x"] for row in table(run_dir / "progress.csv")] == ["1.0", "3.0"]


def test_what_is_not_there_cannot_be_held(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="there is no output 'wandb' to hold; there are csv, tensorboard"):
        logger.hold_output("wandb")


def test_parameters_are_kept_as_json(logger: Logger, run_dir: Path) -> None:
    logger.log_params({"lr": 0.1, "layers": (1, 2)})
    logger.save_param_dict({"a": 1}, "more.json")

    assert json.loads((run_dir / "params.json").read_text()) == {"lr": 0.1, "layers": [1, 2]}
    assert json.loads((run_dir / "more.json").read_text()) == {"a": 1}


def test_stdout_goes_to_a_file_as_well(tmp_path: Path, python: Command) -> None:
    (tmp_path / "run.py").write_text(
        "from exptools.logging import logger, logger_context\n"
        "with logger_context('logs', 0, 'name', tee_stdout=True):\n"
        "    print('printed, höher')\n"
        "    logger.log_text('logged', with_timestamp=False)\n"
        "print('afterwards')\n"
    )

    done = python("run.py")

    assert done.stdout == "printed, höher\nlogged\nafterwards\n"
    assert (tmp_path / "logs" / "run_0" / "stdout.log").read_text() == "printed, höher\nlogged\n"


def test_stdout_that_is_that_file_already_is_written_once(tmp_path: Path) -> None:
    program = (
        "from exptools.logging import Logger\n"
        "with Logger('run') as logger, logger.tee_stdout():\n    print('printed', flush=True)\n"
    )
    (tmp_path / "run").mkdir()
    with open(tmp_path / "run" / "stdout.log", "wb") as log:
        subprocess.run([sys.executable, "-c", program], cwd=tmp_path, stdout=log, check=True, env=os.environ)

    assert (tmp_path / "run" / "stdout.log").read_text() == "printed\n"


def test_rlpyt_s_names(logger: Logger, run_dir: Path, capsys: Any) -> None:
    logger.set_iteration(4)
    with logger.tabular_prefix("train/"):
        logger.record_tabular("loss", 0.5)
        logger.record_tabular_misc_stat("ret", [1.0, 3.0])
    logger.log("said", with_timestamp=False)
    logger.dump_tabular(with_prefix=False)
    assert logger.default_step == 4

    logger.hold_tabular_output("progress.csv")
    logger.add_tabular_output("eval.csv")
    logger.record_tabular("acc", 1)
    logger.dump_tabular()
    logger.remove_tabular_output("eval.csv")
    logger.add_tabular_output("progress.csv")
    logger.disable_tabular()
    logger.record_tabular("lost", 1)
    logger.enable_tabular()
    logger.record_tabular("loss", 0.25, 5)
    logger.flush()

    [first, last] = table(run_dir / "progress.csv")
    assert (first["step"], first["train/loss"], first["train/ret/Average"]) == ("4", "0.5", "2.0")
    assert (last["step"], last["loss"]) == ("5", "0.25")
    assert table(run_dir / "eval.csv")[0]["acc"] == "1.0"
    assert "train/ret/Average" in capsys.readouterr().out


def test_the_first_exptools_names(logger: Logger, run_dir: Path, capsys: Any) -> None:
    for epoch in range(2):
        logger.log_text("Start", epoch, color="blue", with_timestamp=False)
        logger.push_scalar_prefix("a/")
        with logger.scalar_prefix("b/"), logger.text_prefix("t "):
            logger.log_scalar("metric", epoch, epoch)
            logger.log_text("in", epoch, with_timestamp=False)
        logger.pop_scalar_prefix()
        logger.dump_data()

    assert logger.default_step == 2
    assert [row["a/b/metric"] for row in table(run_dir / "progress.csv")] == ["0.0", "1.0"]
    assert (run_dir / "debug.log").read_text().splitlines()[:2] == ["step 0 | Start", "step 0 | t in"]


def test_a_color_that_is_none_is_refused(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="color must be one of gray, red, green, yellow, blue"):
        logger.log_text("said", color="pink")
