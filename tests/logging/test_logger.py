"""The logger's front: rows, prefixes, steps, what it takes and what it refuses."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from exptools.errors import LoggingError
from exptools.formats.rows import Row
from exptools.logging import Logger
from exptools.logging.writers.base import Record, Text, Writer


class Memory(Writer):
    """A writer that keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        self.records += records

    def close(self) -> None:
        return None

    def rows(self) -> list[tuple[int, dict[str, float]]]:
        return [
            (r.step, dict(zip(r.tags, r.values, strict=True))) for r in self.records if isinstance(r, Row)
        ]


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def logger(memory: Memory) -> Iterator[Logger]:
    logger = Logger()
    logger.attach([memory])
    yield logger
    logger.detach("the test has ended")


def test_scalars_of_one_step_make_one_row(logger: Logger, memory: Memory) -> None:
    logger.log_scalar("loss", 0.5, 0)
    logger.log_scalar("acc", 0.9, 0)
    logger.log_scalar("loss", 0.25, 1)
    logger.dump()

    assert memory.rows() == [(0, {"loss": 0.5, "acc": 0.9}), (1, {"loss": 0.25})]


def test_a_tag_logged_again_at_one_step_begins_a_new_row(logger: Logger, memory: Memory) -> None:
    logger.log_scalar("loss", 1.0, 7)
    logger.log_scalar("loss", 2.0, 7)
    logger.dump()

    assert memory.rows() == [(7, {"loss": 1.0}), (7, {"loss": 2.0})]


def test_a_row_that_was_flushed_is_not_reopened(logger: Logger, memory: Memory) -> None:
    logger.log_scalar("a", 1.0, 7)
    logger.dump()
    logger.log_scalar("b", 2.0, 7)
    logger.dump()

    assert memory.rows() == [(7, {"a": 1.0}), (7, {"b": 2.0})]


def test_steps_may_go_back(logger: Logger, memory: Memory) -> None:
    for step in (5, 3, 5):
        logger.log_scalar("x", float(step), step)
    logger.dump()

    assert [step for step, _ in memory.rows()] == [5, 3, 5]


def test_without_a_step_the_last_one_is_used(logger: Logger, memory: Memory) -> None:
    logger.log_scalar("a", 1.0)
    logger.log_scalar("b", 1.0, 4)
    logger.log_scalar("c", 1.0)
    logger.set_step(9)
    logger.log_scalar("d", 1.0)
    logger.dump()

    assert memory.rows() == [(0, {"a": 1.0}), (4, {"b": 1.0, "c": 1.0}), (9, {"d": 1.0})]


def test_a_row_has_the_time_of_its_first_scalar(logger: Logger, memory: Memory, monkeypatch: Any) -> None:
    clock = iter([10.0, 15.0, 20.0])
    monkeypatch.setattr("exptools.logging.core.time.time", lambda: next(clock))
    logger.log_scalar("a", 1.0, 0)
    logger.log_scalar("b", 1.0, 0)
    logger.log_scalar("a", 1.0, 1)
    logger.dump()

    assert [r.wall_time for r in memory.records if isinstance(r, Row)] == [10.0, 20.0]


def test_prefixes_nest_with_the_outer_one_first(logger: Logger, memory: Memory) -> None:
    with logger.prefix("train/"), logger.prefix("gen/"):
        logger.log_scalar("loss", 1.0, 0)
    logger.log_scalar("loss", 2.0, 0)
    logger.dump()

    assert memory.rows() == [(0, {"train/gen/loss": 1.0, "loss": 2.0})]


def test_a_prefix_is_taken_back_after_an_exception(logger: Logger, memory: Memory) -> None:
    with pytest.raises(ZeroDivisionError), logger.prefix("train/"):
        _ = 1 / 0
    logger.log_scalar("loss", 1.0, 0)
    logger.dump()

    assert memory.rows() == [(0, {"loss": 1.0})]


def test_a_prefix_is_not_seen_by_other_threads(logger: Logger, memory: Memory) -> None:
    with logger.prefix("main/"):
        thread = threading.Thread(target=logger.log_scalar, args=("loss", 1.0, 0))
        thread.start()
        thread.join()
    logger.dump()

    assert memory.rows() == [(0, {"loss": 1.0})]


def test_a_prefix_belongs_to_its_asyncio_task(logger: Logger, memory: Memory) -> None:
    async def task(name: str) -> None:
        with logger.prefix(f"{name}/"):
            await asyncio.sleep(0.01)
            logger.log_scalar("x", 1.0, 0)

    async def both() -> None:
        await asyncio.gather(task("a"), task("b"))

    asyncio.run(both())
    logger.dump()

    assert memory.rows() == [(0, {"a/x": 1.0, "b/x": 1.0})]


def test_eight_threads_lose_nothing(logger: Logger, memory: Memory) -> None:
    def log(worker: int) -> None:
        for step in range(2000):
            logger.log_scalar(f"w{worker}", float(step), step)

    threads = [threading.Thread(target=log, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    while any(t.is_alive() for t in threads):
        logger.dump()
    logger.dump()

    for worker in range(8):
        mine = [(s, v[f"w{worker}"]) for s, v in memory.rows() if f"w{worker}" in v]
        assert mine == [(s, float(s)) for s in range(2000)]


class Torchlike:
    """What a torch tensor of one element shows of itself."""

    shape = (1,)

    def size(self) -> tuple[int, ...]:
        return self.shape

    def item(self) -> float:
        return 0.5

    def __float__(self) -> float:
        return 0.5


@pytest.mark.parametrize(
    ("data", "kept"),
    [
        (1, 1.0),
        (True, 1.0),
        (16777217, 16777217.0),
        (2**53, 9007199254740992.0),
        (2**60, float(2**60)),
        (np.float32(0.1), 0.10000000149011612),
        (np.int64(3), 3.0),
        (np.array(2.5), 2.5),
        (np.array([[2.5]]), 2.5),
        (Decimal("0.5"), 0.5),
        (Torchlike(), 0.5),
        (math.inf, math.inf),
    ],
)
def test_numbers_of_all_kinds_become_float64(logger: Logger, memory: Memory, data: Any, kept: float) -> None:
    logger.log_scalar("x", data, 0)
    logger.dump()

    assert memory.rows() == [(0, {"x": kept})]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        ("1.0", "scalar 'x' must be one number, not '1.0'"),
        (None, "scalar 'x' must be one number, not None"),
        ([1.0], r"scalar 'x' must be one number, not \[1.0\]"),
        (1j, "scalar 'x' must be one number, not 1j"),
        (
            np.zeros(3),
            r"scalar 'x' must be one number, not an array of shape \(3,\); log_scalar_batch takes many",
        ),
        (np.zeros(0), r"not an array of shape \(0,\)"),
        (2**53 + 1, "the integer 9007199254740993 cannot be kept as float64 without rounding"),
        (np.int64(2**53 + 1), "cannot be kept as float64 without rounding"),
        (np.array(2**53 + 1), "cannot be kept as float64 without rounding"),
        (np.array([2**53 + 1]), "cannot be kept as float64 without rounding"),
        (np.complex128(1 + 2j), "must be one number"),
        (np.array("1.5"), "must be one number"),
        (bytearray(b"1.5"), "must be one number"),
        (list(range(3000)), r"scalar 'x' must be one number, not \[0, 1, 2, 3, 4, 5, ...\] \("),
        (10**400, "must be one number"),
    ],
)
def test_what_is_not_one_number_is_refused(logger: Logger, memory: Memory, data: Any, message: str) -> None:
    with pytest.raises(LoggingError, match=message):
        logger.log_scalar("x", data, 0)
    logger.dump()

    assert memory.rows() == []


@pytest.mark.parametrize(
    ("step", "message"),
    [
        (1.0, r"a step must be an integer, not 1.0; use int\(...\) if it is one"),
        (np.array([1, 2]), "a step must be an integer, not array"),
        ("3", "a step must be an integer, not '3'"),
        (2**63, "a step must fit in 64 bits, not 9223372036854775808"),
    ],
)
def test_what_is_no_step_is_refused(logger: Logger, step: Any, message: str) -> None:
    with pytest.raises(LoggingError, match=message):
        logger.log_scalar("x", 1.0, step)


def test_numpy_steps_are_kept_as_integers(logger: Logger, memory: Memory) -> None:
    logger.log_scalar("x", 1.0, np.int64(5))  # type: ignore[arg-type]
    logger.dump()

    assert memory.rows() == [(5, {"x": 1.0})]
    assert type(memory.rows()[0][0]) is int


@pytest.mark.parametrize("tag", ["", None, 3, b"x", ["a"]])
def test_what_is_no_tag_is_refused(logger: Logger, tag: Any) -> None:
    with pytest.raises(LoggingError, match="a tag must be a text that is not empty"):
        logger.log_scalar(tag, 1.0, 0)


def test_what_is_no_prefix_is_refused(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="a prefix must be a text, not None"), logger.prefix(None):  # type: ignore[arg-type]
        pass


def test_an_abandoned_async_generator_leaves_no_prefix(logger: Logger, memory: Memory) -> None:
    async def batches() -> Any:
        with logger.prefix("gen/"):
            yield 1
            yield 2

    async def consume() -> None:
        async for _ in batches():
            break
        logger.log_scalar("x", 1.0, 0)

    asyncio.run(consume())
    logger.log_scalar("y", 1.0, 0)
    logger.dump()

    assert memory.rows()[-1][1]["y"] == 1.0


def test_a_tag_that_is_no_unicode_is_refused(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="is not valid unicode"):
        logger.log_scalar("\ud800", 1.0, 0)


def test_a_batch_becomes_six_scalars_without_its_nan(logger: Logger, memory: Memory) -> None:
    logger.log_scalar_batch("ret", [1.0, math.nan, 3.0, 5.0], 2)
    logger.dump()

    assert memory.rows() == [
        (
            2,
            {
                "ret/Average": 3.0,
                "ret/Std": float(np.std([1.0, 3.0, 5.0])),
                "ret/Median": 3.0,
                "ret/Min": 1.0,
                "ret/Max": 5.0,
                "ret/Len": 3.0,
            },
        )
    ]


def test_a_batch_is_one_row_whatever_other_threads_log(logger: Logger, memory: Memory) -> None:
    stop = threading.Event()

    def log() -> None:
        step = 10
        while not stop.is_set():
            logger.log_scalar("other", 1.0, step := step + 1)

    thread = threading.Thread(target=log)
    thread.start()
    for _ in range(300):
        logger.log_scalar_batch("ret", [1.0])
    stop.set()
    thread.join()
    logger.dump()

    batches = [values for _, values in memory.rows() if "ret/Len" in values]
    assert [len([tag for tag in values if tag.startswith("ret/")]) for values in batches] == [6] * 300


def test_what_is_written_as_for_another_logger_is_said_with_the_way_here(logger: Logger) -> None:
    mistaken: Any = logger
    with pytest.raises(
        LoggingError, match=r"log\(\) takes a text; numbers by their tags go to log_scalars\(\)"
    ):
        mistaken.log({"loss": 1.0})
    with pytest.raises(LoggingError, match=r"log_scalars takes a mapping from tags to numbers, not \[1.0\]"):
        mistaken.log_scalars([1.0])
    with pytest.raises(LoggingError, match=r"not 'loss'; the tag comes first: log_scalar\(tag, number\)"):
        mistaken.log_scalar(1.0, "loss")


@pytest.mark.parametrize("name", ["dump", "load_snapshot", "flush"])
def test_a_logger_that_is_not_open_says_what_cannot_be_done(name: str) -> None:
    with pytest.raises(LoggingError, match=rf"is not open, so {name}\(\) can do nothing. Open it by"):
        getattr(Logger(), name)()


def test_an_empty_batch_says_so(logger: Logger, memory: Memory) -> None:
    logger.log_scalar_batch("ret", [], 0)
    logger.dump()

    ((_, row),) = memory.rows()
    assert row.pop("ret/Len") == 0.0
    assert len(row) == 5
    assert all(math.isnan(v) for v in row.values())


@pytest.mark.parametrize("data", [["a"], None, [None], [1j], np.array(["1"]), [[1], [1, 2]]])
def test_what_is_no_batch_of_numbers_is_refused(logger: Logger, data: Any) -> None:
    with pytest.raises(LoggingError, match="batch 'ret' must be an array of numbers, not "):
        logger.log_scalar_batch("ret", data, 0)


def test_integers_that_float64_cannot_hold_are_refused_in_a_batch_too(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="the integer 9007199254740993 cannot be kept as float64"):
        logger.log_scalar_batch("ret", [1, 2**53 + 1], 0)


def test_a_text_is_printed_and_kept(logger: Logger, memory: Memory, capsys: Any) -> None:
    with logger.prefix("eval "):
        logger.log_text("hello", step=3, with_timestamp=False)
    logger.dump()

    assert capsys.readouterr().out == "step 3 | eval hello\n"
    assert memory.records == [Text("step 3 | eval hello")]


@pytest.mark.parametrize(
    "use",
    ["log_scalar('loss', 1.0)", "log_scalar_batch('loss', [1])", "log_text('hi')", "dump()", "set_step(1)"],
)
def test_a_logger_that_is_not_open_says_how_to_open_it(use: str) -> None:
    with pytest.raises(LoggingError) as error:
        eval(f"logger.{use}", {"logger": Logger()})

    assert "the logger is not open" in str(error.value)
    assert "`exptools` in the defaults list" in str(error.value)
    assert "`with logger_context(log_dir, run_id, name, config):`" in str(error.value)


def test_a_closed_logger_says_that_its_run_has_ended(logger: Logger) -> None:
    logger.detach("the run has ended")

    with pytest.raises(LoggingError, match="the run has ended"):
        logger.log_scalar("loss", 1.0)


def test_an_open_logger_cannot_be_opened_again(logger: Logger) -> None:
    with pytest.raises(LoggingError, match="the logger is open already"):
        logger.attach([])
