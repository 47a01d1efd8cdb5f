"""Jobs on slots, whoever asked for them: run, told of, interrupted in order."""

from __future__ import annotations

import contextlib
import logging
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.launching import machine, progress, report
from exptools.launching.attempts import Attempts
from exptools.launching.engines.base import Engine, end_unbegun
from exptools.launching.engines.local import LocalEngine
from exptools.launching.job import Job, Outcome
from exptools.launching.limit import FailureLimit
from exptools.launching.lines import SEEN_LIVE
from exptools.launching.settings import Policy
from exptools.launching.slots import Event, Slot, SlotPool
from exptools.lifecycle import Ending
from exptools.provenance import facts
from exptools.rundir import State
from exptools.say import say_once
from exptools.signals import catching


def run_all(
    jobs: Sequence[Job],
    slots: Sequence[Slot],
    shared: bytes,
    log: logging.Logger,
    policy: Policy = Policy(),  # noqa: B008 - frozen
    on_start: Callable[[], None] = lambda: None,
    hint: str = "",
    n_failed: int = 0,
    sweep_dir: Path | None = None,
    code: Path | None = None,
) -> list[Outcome]:
    """Run all jobs, whatever happens to one; the outcomes are in the order of the jobs.

    shared: what application.pack made, for jobs of Hydra. log: hears of every start and end. on_start: called
    when a job begins. hint: said after an interrupt. n_failed: of earlier batches.
    sweep_dir, code: where the runs lie, and where the user's code does, for the provenance of the runs.

    Raises:
        SystemExit: SIGINT, SIGTERM or SIGHUP came; the jobs that ran were ended in order, no other was begun.
    """
    outcomes: dict[int, Outcome] = {}
    limit = FailureLimit(policy.max_failures, n_failed)
    if limit.is_news():
        _end_the_rest(jobs, outcomes, limit.told)
        return [outcomes[i] for i in range(len(jobs))]
    if any(slot.pin for slot in slots) and not machine.can_pin():
        say_once(_UNPINNED)
    with tempfile.TemporaryDirectory(prefix="exptools-") as scratch, contextlib.ExitStack() as stack:
        facts.hand_on(Path(scratch, rundir.PROVENANCE), code or facts.code_of(), sweep_dir)
        engine = _engine(policy, shared, Path(scratch), len(jobs))
        stack.callback(engine.close)
        attempts = Attempts(engine, policy.retries, log)
        pool: SlotPool[Job, Outcome] = SlotPool(slots, attempts, policy.stagger_s, limit)
        tally = progress.Tally([report.title(job) for job in jobs], len(slots), time.monotonic())
        with catching(lambda n: pool.post(Event("signal", n))), progress.shown(tally, log):
            pool.start(jobs)
            signals = _follow(pool, engine, jobs, outcomes, log, limit, tally, on_start)
    if signals:
        _end_the_rest(jobs, outcomes, "the sweep was interrupted")
        completed = sum(o.ending.state is State.COMPLETED for o in outcomes.values())
        never = sum(report.never_began(o) for o in outcomes.values())
        told = f"interrupted: {completed} of {len(jobs)} jobs had completed, {never} had not begun"
        log.error(f"{told}\n{hint}".rstrip())
        raise SystemExit(128 + signals[0])
    _end_the_rest(jobs, outcomes, limit.told)
    return [outcomes[i] for i in range(len(jobs))]


_UNPINNED = (
    "this system cannot bind processes to cores: "
    "jobs may run on any, each with as many threads as its slot has cores"
)


def _engine(policy: Policy, shared: bytes, scratch: Path, n_jobs: int) -> Engine:
    if policy.engine == "joblib":
        from exptools.launching.engines.joblib import JoblibEngine

        return JoblibEngine(shared, scratch, policy.timeout_s)
    return LocalEngine(shared, scratch, policy.timeout_s, policy.preload() if n_jobs > 1 else None)


def _follow(
    pool: SlotPool[Job, Outcome],
    engine: Engine,
    jobs: Sequence[Job],
    outcomes: dict[int, Outcome],
    log: logging.Logger,
    limit: FailureLimit,
    tally: progress.Tally,
    on_start: Callable[[], None],
) -> list[int]:
    """Say what happens, and gather the outcomes, until nothing runs; the signals that came."""
    signals: list[int] = []
    for event in pool.events():
        if event.kind == "signal":
            signals.append(event.index)
            pool.stop()
            tally.stop()
            if len(signals) > 1:
                engine.kill()
                continue
            log.warning("interrupted: ending the jobs that run (interrupt again to kill them)")
            threading.Thread(target=engine.interrupt, name="exptools-interrupt", daemon=True).start()
        elif event.kind == "start" and event.slot is not None:
            tally.start(event.index, event.slot, time.monotonic())
            log.info(
                f"started on slot {event.slot.number}: {report.title(jobs[event.index])}", extra=SEEN_LIVE
            )
            on_start()
        elif event.kind == "end":
            job = jobs[event.index]
            outcome = outcomes[event.index] = _outcome(job, event.result)
            tally.end(event.index, outcome.ending.state, time.monotonic())
            told = report.ended(job, outcome, len(outcomes), len(jobs))
            log.info(told, extra=None if progress.is_news(outcome) else SEEN_LIVE)
            if limit.is_news() and not signals and len(outcomes) < len(jobs):
                tally.stop()
                log.warning(f"max_failures={limit.most} is reached: no further job is begun")
    return signals


def _end_the_rest(jobs: Sequence[Job], outcomes: dict[int, Outcome], because: str) -> None:
    """What never began is INTERRUPTED too."""
    for index, job in enumerate(jobs):
        if index not in outcomes:
            never = Ending(State.INTERRUPTED, None, f"{report.NEVER_BEGAN}{because}")
            end_unbegun(job, never)
            outcomes[index] = Outcome(never)


def _outcome(job: Job, result: Any) -> Outcome:
    """What the engine gave, or a FAILED outcome where the engine itself raised."""
    if isinstance(result, Outcome):
        return result
    if isinstance(result, InterruptedError):
        how = Ending(State.INTERRUPTED, None, f"{report.NEVER_BEGAN}{result}")
    else:
        how = Ending(State.FAILED, None, f"could not be started: {type(result).__name__}: {result}")
    end_unbegun(job, how)
    return Outcome(how)
