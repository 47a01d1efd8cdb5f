"""What a test of a user's program sees, and a logger that is disabled."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exptools.errors import LoggingError
from exptools.logging import Logger, capture, logger, logger_context


def train(steps: int) -> None:
    for step in range(steps):
        with logger.prefix("train/"):
            logger.log_scalar("loss", 1 / (step + 1), step)
    logger.log_text("done", with_timestamp=False)


def test_what_a_program_logs_is_in_the_list(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.chdir(tmp_path)
    with capture() as records:
        train(2)

    assert records.scalars("train/loss") == [(0, 1.0), (1, 0.5)]
    assert (records.tags, records.texts) == (["train/loss"], ["done"])
    assert list(tmp_path.iterdir()) == []


def test_it_is_complete_after_a_flush(tmp_path: Path) -> None:
    with capture() as records:
        logger.log_scalar("x", 1.0, 0)
        logger.flush()
        assert records.scalars("x") == [(0, 1.0)]
        logger.log_scalar("x", 2.0, 1)

    assert records.scalars("x") == [(0, 1.0), (1, 2.0)]


def test_a_run_that_is_open_goes_on_afterwards(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "name"):
        logger.log_scalar("x", 1.0, 5)
        with logger.prefix("p/"), capture() as records:
            logger.log_scalar("x", 2.0)
        logger.log_scalar("x", 3.0)

    assert records.scalars("x") == [(0, 2.0)]
    assert [line.split(",")[::2] for line in (tmp_path / "run_0" / "progress.csv").read_text().split()] == [
        ["step", "x"],
        ["5", "1.0"],
        ["5", "3.0"],
    ]


def test_it_is_put_back_after_an_exception() -> None:
    mine = Logger()
    with pytest.raises(ZeroDivisionError), capture(mine):
        _ = 1 / 0

    with pytest.raises(LoggingError, match="the logger is not open"):
        mine.log_scalar("x", 1.0)


def test_one_capture_inside_another() -> None:
    with capture() as outer:
        logger.log_scalar("x", 1.0, 0)
        with capture() as inner:
            logger.log_scalar("x", 2.0, 0)
        logger.log_scalar("x", 3.0, 1)

    assert (outer.scalars("x"), inner.scalars("x")) == ([(0, 1.0), (1, 3.0)], [(0, 2.0)])


def test_a_disabled_logger_records_and_prints_nothing(capsys: Any) -> None:
    mine = Logger()
    with capture(mine) as records:
        mine.log_scalar("x", 1.0, 0)
        mine.disable()
        assert not mine.enabled
        mine.log_scalar("x", 2.0, 1)
        mine.log_scalar("x", "nonsense", 1)  # type: ignore[arg-type]
        mine.log_text("said")
        mine.dump()
        mine.enable()
        mine.log_scalar("x", 3.0)

    assert records.scalars("x") == [(0, 1.0), (0, 3.0)]
    assert capsys.readouterr().out == ""


def test_a_logger_that_is_not_open_may_be_disabled(capsys: Any) -> None:
    mine = Logger()
    mine.disable()
    mine.log_scalar("x", 1.0)
    mine.log_text("said")
    mine.set_step(3)
    mine.enable()

    with pytest.raises(LoggingError, match=r"or say `logger.disable\(\)` if nothing shall be recorded"):
        mine.log_scalar("x", 1.0)
    assert capsys.readouterr().out == ""


def test_it_may_be_disabled_before_it_is_opened(tmp_path: Path) -> None:
    logger.disable()
    try:
        with logger_context(tmp_path, 0, "name"):
            logger.log_scalar("x", 1.0, 0)
            logger.enable()
            logger.log_scalar("x", 2.0, 1)
    finally:
        logger.enable()

    assert (tmp_path / "run_0" / "progress.csv").read_text().split()[1].startswith("1,")


def test_a_tag_of_two_kinds_is_said_once(capsys: Any) -> None:
    from exptools.logging.writers.base import Value

    class Thing:
        kind, nbytes = "image", 1

        def summaries(self, tag: str) -> list[Any]:
            return []

        def files(self) -> dict[str, bytes]:
            return {}

    thing: Value = Thing()
    with capture() as records:
        for step in range(3):
            logger.log_scalar("two kinds", 1.0, step)
            logger._record("two kinds", "image", lambda: thing, step)

    assert len(records.media("image")) == 3
    assert capsys.readouterr().err == (
        "exptools: tag 'two kinds' is logged as scalar and as image; viewers may show one of them only: "
        "give each kind a tag of its own\n"
    )


@pytest.mark.parametrize("first", [0, 3])
def test_tags_with_their_step_in_their_name_are_told_once(capsys: Any, first: int) -> None:
    with capture():
        for itr in range(first, first + 30):
            logger.set_iteration(itr)
            with logger.prefix(f"itr #{itr} | "):  # rlpyt's prefix was of texts alone
                logger.record_tabular("Loss", 1.0)

    last = f"'itr #{first + 9} | Loss'"
    assert capsys.readouterr().err == (
        f"exptools: tags have their step in their name, the last one is {last}: each is a curve of one "
        "point. Give it by step= or set_step(); a prefix of texts alone is text_prefix()\n"
    )


def test_steps_that_are_given_are_found_in_tags_too(capsys: Any) -> None:
    with capture():
        for i in range(30):
            logger.log_scalar(f"loss_{i}", 1.0, i)

    assert "the last one is 'loss_9'" in capsys.readouterr().err


def test_numbers_of_layers_and_classes_are_no_steps(capsys: Any) -> None:
    with capture():
        for step in range(100):
            for layer in range(60):
                logger.log_scalar(f"layer{layer}.{step % 7}", 1.0, step)

    assert capsys.readouterr().err == ""
