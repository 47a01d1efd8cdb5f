"""Jobs on slots, whoever asked for them: run, told of, interrupted in order."""

from __future__ import annotations

import contextlib
import logging
import signal
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from types import FrameType
from typing import Any

from exptools.launching import report
from exptools.launching.engines.local import LocalEngine, end_without
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import Event, Slot, SlotPool
from exptools.lifecycle import Ending
from exptools.rundir import State


def run_all(
    jobs: Sequence[Job],
    slots: Sequence[Slot],
    shared: bytes,
    log: logging.Logger,
    on_start: Callable[[], None] = lambda: None,
) -> list[Outcome]:
    """Run all jobs, whatever happens to one; the outcomes are in the order of the jobs.

    shared: what application.pack made, for jobs of Hydra. log: hears of every start and end. on_start: called
    when a job begins.

    Raises:
        SystemExit: SIGINT, SIGTERM or SIGHUP came; the jobs that ran were ended in order, no other was begun.
    """
    outcomes: dict[int, Outcome] = {}
    with tempfile.TemporaryDirectory(prefix="exptools-") as scratch:
        engine = LocalEngine(shared, Path(scratch))
        pool: SlotPool[Job, Outcome] = SlotPool(slots, engine.run)
        with _signals_as_events(pool):
            pool.start(jobs)
            signals = _follow(pool, engine, jobs, outcomes, log, on_start)
    if signals:
        _leave(jobs, outcomes, 128 + signals[0], log)
    return [outcomes[i] for i in range(len(jobs))]


def _follow(
    pool: SlotPool[Job, Outcome],
    engine: LocalEngine,
    jobs: Sequence[Job],
    outcomes: dict[int, Outcome],
    log: logging.Logger,
    on_start: Callable[[], None],
) -> list[int]:
    """Say what happens, and gather the outcomes, until nothing runs; the signals that came."""
    signals: list[int] = []
    for event in pool.events():
        if event.kind == "signal":
            signals.append(event.index)
            pool.stop()
            if len(signals) > 1:
                engine.kill()
                continue
            log.warning("interrupted: ending the jobs that run (interrupt again to kill them)")
            threading.Thread(target=engine.interrupt, name="exptools-interrupt", daemon=True).start()
        elif event.kind == "start" and event.slot is not None:
            log.info(f"started on slot {event.slot.number}: {report.title(jobs[event.index])}")
            on_start()
        elif event.kind == "end":
            job = jobs[event.index]
            outcomes[event.index] = _outcome(job, event.result)
            log.info(report.ended(job, outcomes[event.index], len(outcomes), len(jobs)))
    return signals


def _outcome(job: Job, result: Any) -> Outcome:
    """What the engine gave, or a FAILED outcome where the engine itself raised."""
    if isinstance(result, Outcome):
        return result
    state = State.INTERRUPTED if isinstance(result, InterruptedError) else State.FAILED
    how = Ending(state, None, f"could not be started: {type(result).__name__}: {result}")
    end_without(job.run_dir, how)
    return Outcome(how)


def _leave(jobs: Sequence[Job], outcomes: dict[int, Outcome], exit_code: int, log: logging.Logger) -> None:
    """After an interrupt: what never began is INTERRUPTED too, and the command ends."""
    waiting = [job for index, job in enumerate(jobs) if index not in outcomes]
    never = Ending(State.INTERRUPTED, None, "the sweep was interrupted before this job began")
    for job in waiting:
        end_without(job.run_dir, never)
    completed = sum(o.ending.state is State.COMPLETED for o in outcomes.values())
    log.error(f"interrupted: {completed} of {len(jobs)} jobs had completed, {len(waiting)} had not begun")
    raise SystemExit(exit_code)


@contextlib.contextmanager
def _signals_as_events(pool: SlotPool[Job, Outcome]) -> Iterator[None]:
    """Let the signals that end a program end the jobs in order, between two other events.

    One that is ignored (SIGHUP by nohup, SIGINT by a shell's `command &`) stays so.
    """

    def post(number: int, frame: FrameType | None) -> None:
        pool.post(Event("signal", number))

    before: dict[int, Any] = {}
    try:
        for ends in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            if signal.getsignal(ends) is not signal.SIG_IGN:
                before[ends] = signal.signal(ends, post)
    except ValueError:  # not the main thread: its owner handles signals
        pass
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
