"""The spool: what was logged reaches every writer, whatever a writer does."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from exptools.formats.rows import Row
from exptools.logging import Logger
from exptools.logging.spool import Spool, taken
from exptools.logging.writers.base import Record, Text, Writer


class Memory(Writer):
    """A writer that keeps what it is given; told to, it blocks or raises."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.may_write = threading.Event()
        self.may_write.set()
        self.broken = False

    def write(self, records: Sequence[Record]) -> None:
        self.may_write.wait(30)
        if self.broken:
            raise RuntimeError("no such luck")
        self.records += records

    def close(self) -> str | None:
        return None


class BadEnd(Memory):
    def close(self) -> str | None:
        raise OSError("too late")


@pytest.fixture
def memory() -> Memory:
    return Memory()


@pytest.fixture
def other() -> Memory:
    return Memory()


@pytest.fixture
def spool(memory: Memory, other: Memory) -> Iterator[Spool]:
    spool = Spool({"memory": memory, "other": other})
    yield spool
    spool.close()


def row(step: int) -> Row:
    return Row(step, 0.0, ("x",), (1.0,))


def add(spool: Spool, step: int) -> None:
    spool.scalars.append((step, 0.0, "x", 1.0))


def test_what_was_added_is_written_within_about_a_second(spool: Spool, memory: Memory) -> None:
    add(spool, 0)
    time.sleep(1.3)

    assert memory.records == [row(0)]


def test_adding_does_not_wait_for_a_slow_disk(spool: Spool, memory: Memory) -> None:
    memory.may_write.clear()
    add(spool, 0)
    flushing = threading.Thread(target=spool.flush)
    flushing.start()
    for step in range(1, 1000):
        add(spool, step)
    assert memory.records == []

    memory.may_write.set()
    flushing.join()
    spool.flush()

    assert memory.records == [row(step) for step in range(1000)]


def test_a_writer_that_raises_gets_it_again_and_harms_no_other(
    spool: Spool, memory: Memory, other: Memory, capsys: Any
) -> None:
    memory.broken = True
    for step in range(2):
        add(spool, step)
        spool.flush()
    assert other.records == [row(0), row(1)]

    memory.broken = False
    add(spool, 2)
    spool.flush()

    assert memory.records == other.records == [row(0), row(1), row(2)]
    assert capsys.readouterr().err == (
        "exptools: memory failed (RuntimeError: no such luck); "
        "what is logged waits in memory and is tried again\n"
    )


def test_what_no_writer_took_is_told_at_the_end(spool: Spool, memory: Memory) -> None:
    memory.broken = True
    add(spool, 0)
    add(spool, 1)

    assert spool.close() == "2 records were not taken by memory"


def test_a_writer_that_cannot_be_closed_is_told_and_the_others_are_closed(memory: Memory) -> None:
    spool = Spool({"bad": BadEnd(), "memory": memory})
    add(spool, 0)

    assert spool.close() == "bad could not be closed (OSError: too late)"
    assert memory.records == [row(0)]


def test_it_may_be_closed_twice(spool: Spool) -> None:
    assert (spool.close(), spool.close()) == (None, None)


class Busy(list[int]):
    """A list that another thread appends to while it is copied."""

    def __getitem__(self, which: Any) -> Any:
        copied = super().__getitem__(which)
        self.append(99)
        return copied


def test_what_is_added_while_the_rest_is_taken_stays() -> None:
    items = Busy([1, 2])

    assert (taken(items), list(items)) == ([1, 2], [99])


def test_texts_that_wait_for_a_disk_that_hangs_are_bounded(
    memory: Memory, monkeypatch: pytest.MonkeyPatch, capsys: Any
) -> None:
    monkeypatch.setattr("exptools.logging.spool.MOST_TEXTS", 10)
    spool = Spool({"memory": memory})
    memory.may_write.clear()
    add(spool, 0)
    threading.Thread(target=spool.flush).start()
    time.sleep(0.2)
    for i in range(15):
        spool.add_text(Text(str(i)))
    memory.may_write.set()

    assert spool.close() == "5 texts did not find room in memory"
    assert memory.records == [row(0), *(Text(str(i)) for i in range(10))]
    assert capsys.readouterr().err == (
        "exptools: 10 texts wait to be written, the most that may; what is more is LOST\n"
    )


def test_who_logs_into_an_additional_output_faster_than_it_is_written_waits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exptools.logging.spool.MOST_SCALARS", 100)
    most = 0
    with Logger(tmp_path) as mine, mine.additional_scalar_output("more.csv"):
        for step in range(2000):
            mine.log_scalar("x", 1.0, step, filename="more.csv")
            most = max(most, len(mine._spool.elsewhere))  # type: ignore[union-attr]

    assert most <= 101
    assert len((tmp_path / "more.csv").read_text().splitlines()) == 2001
