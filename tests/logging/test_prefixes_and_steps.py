"""Prefixes of kinds, pushed and popped; steps that are set, hold in a block, or are counted by dump."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from exptools.errors import LoggingError
from exptools.logging import Logger, capture
from exptools.logging.writers.memory import Records


@pytest.fixture
def logger() -> Logger:
    return Logger()


@pytest.fixture
def records(logger: Logger) -> Iterator[Records]:
    with capture(logger) as records:
        yield records


def test_a_prefix_of_a_kind_holds_for_that_kind_alone(
    logger: Logger, records: Records, capsys: object
) -> None:
    with logger.prefix("s/", "scalar"), logger.prefix("t ", "text"):
        logger.log_scalar("x", 1.0, 0)
        logger.log_text("said", with_timestamp=False)
    logger.flush()

    assert records.tags == ["s/x"]
    assert records.texts == ["t said"]


def test_a_prefix_of_no_kind_holds_for_all(logger: Logger, records: Records) -> None:
    with logger.prefix("outer/"), logger.prefix("inner/", "scalar"):
        logger.log_scalar("x", 1.0, 0)
        logger.log_text("said", with_timestamp=False)
    logger.flush()

    assert records.tags == ["outer/inner/x"]
    assert records.texts == ["outer/said"]


def test_push_and_pop_nest_with_the_outer_one_first(logger: Logger, records: Records) -> None:
    logger.push_prefix("a/")
    logger.push_prefix("b/", "scalar")
    logger.log_scalar("x", 1.0, 0)
    logger.pop_prefix("scalar")
    logger.log_scalar("y", 1.0, 0)
    logger.pop_prefix()
    logger.log_scalar("z", 1.0, 0)
    logger.flush()

    assert records.tags == ["a/b/x", "a/y", "z"]


def test_a_pop_without_a_push_is_refused(logger: Logger) -> None:
    logger.push_prefix("a/", "scalar")

    with pytest.raises(LoggingError) as raised:
        logger.pop_prefix("scalar", "text")

    assert str(raised.value) == (
        "there is no prefix of text to take back: one pop for each push, in the same thread or task"
    )


def test_a_kind_that_is_not_there_is_refused(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="there is no kind 'picture'; there are text, scalar, histogram"):
        logger.push_prefix("a/", "picture")


def test_a_pushed_prefix_is_not_seen_by_other_threads(logger: Logger, records: Records) -> None:
    logger.push_prefix("main/")
    thread = threading.Thread(target=logger.log_scalar, args=("x", 1.0, 0))
    thread.start()
    thread.join()
    logger.flush()

    assert records.tags == ["x"]


def test_a_scalar_may_go_without_the_prefix(logger: Logger, records: Records) -> None:
    with logger.prefix("p/"):
        logger.log_scalar("x", 1.0, 0, with_prefix=False)
        logger.log_text("said", with_timestamp=False, with_prefix=False)
    logger.flush()

    assert (records.tags, records.texts) == (["x"], ["said"])


def test_a_step_holds_in_its_block_and_in_its_task_alone(logger: Logger, records: Records) -> None:
    async def task(step: int) -> None:
        with logger.step(step):
            await asyncio.sleep(0.01)
            logger.log_scalar(f"x{step}", 1.0)

    async def both() -> None:
        await asyncio.gather(task(1), task(2))

    logger.set_step(7)
    asyncio.run(both())
    logger.log_scalar("after", 1.0)
    logger.flush()

    assert [records.scalars(tag)[0][0] for tag in ("x1", "x2", "after")] == [1, 2, 7]


def test_a_step_is_put_back_after_an_exception(logger: Logger, records: Records) -> None:
    with pytest.raises(ZeroDivisionError), logger.step(5):
        _ = 1 / 0

    assert logger.default_step == 0


def test_dump_counts_the_step_up(logger: Logger, records: Records) -> None:
    for _ in range(3):
        logger.log_scalar("x", 1.0)
        logger.dump()
    logger.log_scalar("x", 1.0, 10)
    logger.dump()
    logger.log_scalar("x", 1.0)
    logger.flush()

    assert [step for step, _ in records.scalars("x")] == [0, 1, 2, 10, 11]


def test_a_flush_closes_the_row_and_counts_nothing(logger: Logger, records: Records) -> None:
    logger.log_scalar("x", 1.0, 3)
    logger.flush()
    logger.log_scalar("y", 1.0)
    logger.flush()

    assert len(records) == 2
    assert records.scalars("y") == [(3, 1.0)]


def test_several_scalars_at_once_are_one_row(logger: Logger, records: Records) -> None:
    with logger.prefix("eval/"):
        logger.log_scalars({"loss": 0.5, "acc": 1}, step=2)
    logger.flush()

    assert len(records) == 1
    assert (records.scalars("eval/loss"), records.scalars("eval/acc")) == ([(2, 0.5)], [(2, 1.0)])


def test_of_several_scalars_one_that_is_no_number_keeps_all_from_being_recorded(
    logger: Logger, records: Records
) -> None:
    with pytest.raises(LoggingError, match="scalar 'acc' must be one number"):
        logger.log_scalars({"loss": 0.5, "acc": "good"})
    logger.flush()

    assert records == []


def test_a_generators_block_that_ends_late_takes_back_its_own_alone(logger: Logger, records: Records) -> None:
    def batches() -> Iterator[int]:
        with logger.prefix("loader/"), logger.step(7):
            yield from range(3)

    loading = batches()
    next(loading)
    with logger.prefix("train/"), logger.step(8):
        list(loading)  # its blocks end inside of these
        logger.log_scalar("inside", 1.0)
    logger.log_scalar("after", 2.0, 9)
    logger.flush()

    assert records.scalars("train/inside") == [(8, 1.0)]
    assert records.scalars("after") == [(9, 2.0)]


def test_what_is_pushed_in_a_block_and_not_popped_ends_with_it(logger: Logger, records: Records) -> None:
    with logger.prefix("a/"):
        logger.push_prefix("b/")
        with logger.prefix("c/"):
            logger.log_scalar("x", 1.0, 0)
        logger.pop_prefix("text")
    logger.log_scalar("x", 2.0, 0)
    logger.flush()

    assert records.scalars("a/b/c/x") == [(0, 1.0)]
    assert records.scalars("x") == [(0, 2.0)]
