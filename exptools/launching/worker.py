"""The process of one job: pin, then import the user's script, then run the job.

Its environment was set by the launcher before Python started. Nothing heavy is imported before the pin.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import signal
import sys
import threading
import time
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import lifecycle, rundir
from exptools.errors import LaunchError
from exptools.launching import early, machine
from exptools.launching.alike import Packed
from exptools.launching.job import GRACE_S, RankEnd, Returned, Spec
from exptools.lifecycle import Ending, Lifecycle
from exptools.provenance import facts
from exptools.provenance.record import Record
from exptools.rundir import State
from exptools.say import say

if TYPE_CHECKING:
    from collections.abc import Callable

    from hydra.core.utils import JobReturn
    from omegaconf import DictConfig


def main(pipe: int | None = None) -> None:
    """Run the job that the control pipe (its number is argv[1]) describes; the exit code is the job's."""
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's `command &` ignores it
    pipe = int(sys.argv[1]) if pipe is None else pipe
    spec = Spec(**json.loads(_read_line(pipe)))
    if spec.cpus is not None:
        machine.pin(spec.cpus)
    lifeline = threading.Thread(target=die_with_launcher, args=(pipe,), name="exptools-lifeline", daemon=True)
    lifeline.start()
    sys.exit(run(spec))


def run(spec: Spec) -> int:
    """Run a job, whose status tells everything of it; the exit code for a process of its own."""
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    if spec.early is not None:
        lifecycle.expect_warning(spec.early)
    if spec.rank:
        return _run_rank(spec)
    facts.expect(spec.provenance)
    life = lifecycle.begin(
        spec.run_dir,
        attempt=spec.attempt,
        slot=spec.slot,
        affinity_code=spec.affinity_code,
        cpus=machine.mask() if spec.cpus is not None else None,
        gpus=tuple(spec.gpus) if spec.gpus is not None else None,
        job_id=spec.job_id,
    )
    early.let_through()
    return _run(spec, life)


def _run_rank(spec: Spec) -> int:
    """Run a job beside rank 0, which alone records and reports; the exit code.

    It leaves word how it ended: of its failure rank 0 may know only that it was ended, or not even that.
    """
    lifecycle.listen()  # a signal asks all tasks to stop, and would end those that do not listen
    early.let_through()
    error: BaseException | None = None
    try:
        if spec.script:
            _run_script(spec)
        else:
            error = _failure(_run_job(spec, _without_files))
    except BaseException as raised:
        error = raised
    when = time.time()
    if error is not None:
        _show(error)
    how = lifecycle.ending(error)
    end = RankEnd(spec.rank, (how.error or "") if how.state is State.FAILED else None, when)
    rundir.write_json(spec.rank_end, dataclasses.asdict(end))
    # One that stopped as asked did what it should: by another code Slurm would end rank 0, which still saves.
    return 0 if how.state is State.PREEMPTED else how.exit_code or 0


_TO_STDOUT = {
    "version": 1,
    "disable_existing_loggers": False,
    "handlers": {"console": {"class": "logging.StreamHandler", "stream": "ext://sys.stdout"}},
    "root": {"level": "INFO", "handlers": ["console"]},
}


def _without_files(config: DictConfig) -> None:
    """Let a job write none of the files that Hydra would write for rank 0, too."""
    from omegaconf import open_dict, read_write

    with read_write(config), open_dict(config):
        config.hydra.output_subdir = None
        config.hydra.job_logging = _TO_STDOUT


def _read_line(pipe: int) -> bytes:
    line = b""
    while not line.endswith(b"\n"):
        part = os.read(pipe, 65536)
        if not part:
            sys.exit("exptools: the launcher ended before it said what to run")
        line += part
    return line


def die_with_launcher(pipe: int) -> None:
    """Wait until the launcher is gone, however it went, and end this process and all that the job started."""
    os.read(pipe, 1)  # returns at the end of the pipe
    os.killpg(0, signal.SIGTERM)  # this process leads the group
    time.sleep(GRACE_S)
    # Still here: the job ignores it, or is inside C code, where no handler of Python's can run.
    life = lifecycle.running()
    if life is not None:
        late = "the launcher was gone, and the job did not end by SIGTERM"
        life.end(Ending(State.INTERRUPTED, -signal.SIGKILL, late))
    os.killpg(0, signal.SIGKILL)


def flush() -> None:
    """Write out what was printed, if there is still somewhere to write it."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(AttributeError, OSError, ValueError):
            stream.flush()


def reseed() -> None:
    """New random numbers, as a process that is started anew has them."""
    import random

    random.seed()
    if "numpy.random" in sys.modules:
        sys.modules["numpy.random"].seed()


def _run(spec: Spec, life: Lifecycle) -> int:
    error: BaseException | None = None
    returned: JobReturn | None = None
    try:
        if spec.script:
            _run_script(spec)
        else:
            returned = _run_job(spec)
            error = _failure(returned)
    except BaseException as raised:
        error = raised
    if error is not None:
        _show(error)
    how = lifecycle.ending(error)
    if not life.is_ours:  # a fork that the job made came back
        return how.exit_code or 0
    if life.is_recorded is None:  # there is no logger, which says what is told of it
        Record(life, None if returned is None else returned.overrides)
    note = _send(spec, returned, how)
    notes = "; ".join(n for n in (how.note, note) if n) or None
    life.end(dataclasses.replace(how, note=notes, returned=_plain(returned)))
    return how.exit_code or 0


def _run_job(spec: Spec, change: Callable[[DictConfig], None] = lambda config: None) -> JobReturn:
    sys.path[:] = spec.sys_path
    sys.argv[:] = spec.original_argv
    from exptools.launching import main_module

    main_module.restore(spec.main_module())
    sys.argv[:] = spec.argv
    from hydra.core.utils import run_job, setup_globals

    from exptools.launching import command, transport

    setup_globals()
    application = transport.loads(Path(spec.shared).read_bytes())
    application.restore_state()
    config = transport.loads(Path(spec.payload).read_bytes())
    change(config)
    sys.argv[:] = command.alone(spec.argv, config)
    context, task_function = application.context(config), transport.loads(application.task_function)
    if spec.main_module() == main_module.MainModule():
        main_module.adopt(task_function)
    return run_job(
        hydra_context=context,
        task_function=task_function,
        config=config,
        job_dir_key="hydra.sweep.dir",
        job_subdir_key="hydra.sweep.subdir",
    )


def _run_script(spec: Spec) -> None:
    """Do what `python SCRIPT WORDS...` does."""
    from exptools.launching import main_module

    script = spec.script[0]
    sys.argv[:] = spec.script
    sys.path[:] = [os.path.dirname(os.path.abspath(script)), *spec.sys_path[1:]]
    main_module.run(script)


def _failure(returned: JobReturn) -> BaseException | None:
    from hydra.core.utils import JobStatus

    if returned.status is JobStatus.COMPLETED:
        return None
    error = returned._return_value
    return error if isinstance(error, BaseException) else RuntimeError(f"the job failed: {error!r}")


def _show(error: BaseException) -> None:
    """The traceback into the job's log, from the user's own frames on."""
    if isinstance(error, SystemExit) and not isinstance(error.code, str):
        return
    if isinstance(error, LaunchError):
        say(f"error: {error}")
        return
    trace = error.__traceback__
    while trace is not None and _is_plumbing(trace.tb_frame.f_code.co_filename):
        trace = trace.tb_next
    # stderr may be closed, or its disk full: the status still tells.
    with contextlib.suppress(OSError, ValueError):
        traceback.print_exception(type(error), error, trace or error.__traceback__)


def _is_plumbing(filename: str) -> bool:
    return filename == __file__ or filename.endswith(("hydra/core/utils.py", "hydra/_internal/utils.py"))


def _plain(returned: JobReturn | None) -> Any:
    """What the job returned, if it is short and JSON can say it: a sweep that is resumed gives it back."""
    value: Any = None if returned is None or _failure(returned) is not None else returned._return_value
    if getattr(value, "ndim", None) == 0 and hasattr(value, "item"):
        value = value.item()  # a number of numpy or torch
    try:
        return value if len(json.dumps(value)) < 10_000 else None
    except (TypeError, ValueError, RecursionError):
        return None


def _send(spec: Spec, returned: JobReturn | None, how: Ending) -> str | None:
    """Write the job's return for the launcher; a note if a part of it could not be sent."""
    if returned is None:
        return None
    try:
        data, note = _pack(returned, spec, "the job's return value"), None
    except LaunchError as error:
        failed = how.error is not None
        returned._return_value = RuntimeError(how.error) if failed else None
        data = _pack(returned, spec, "the job's return")
        note = None if failed else f"the return value was replaced by None: {error}"
    try:
        rundir.write_atomically(spec.result, data, durable=False)
    except OSError as error:
        return f"the return value was lost: {spec.result}: {error.strerror}"
    return note


def _pack(returned: JobReturn, spec: Spec, what: str) -> bytes:
    from exptools.launching import transport

    configs = transport.dumps((returned.cfg, returned.hydra_cfg), "the job's config")
    light = object.__new__(type(returned))  # copy.copy is no copy in Hydra 1.4: an exception becomes its text
    vars(light).update(vars(returned), cfg=None, hydra_cfg=None)
    packed = Packed.of(configs, Path(spec.payload).read_bytes())
    return transport.dumps(Returned(light, packed.blocks), what)
