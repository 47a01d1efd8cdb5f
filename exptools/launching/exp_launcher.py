"""run_experiments: many runs of a plain script, without Hydra, over the same slots. The API is rlpyt's."""

from __future__ import annotations

import datetime
import importlib.util
import logging
import os
import random
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import LaunchError
from exptools.launching import lines, report
from exptools.launching.affinity import get_n_run_slots, prepend_run_slot
from exptools.launching.job import Job, Outcome
from exptools.launching.slots import make_slots
from exptools.launching.sweep import run_all
from exptools.launching.variant import save_variant

__all__ = ["RunsFailed", "get_log_dir", "run_experiments"]


class RunsFailed(LaunchError):
    """Some runs did not complete; the text lists them all."""


def get_log_dir(experiment_title: str) -> Path:
    """Where run_experiments puts an experiment: data/local/TITLE/YYYYMMDD in the current directory."""
    return Path("data", "local", experiment_title, f"{datetime.date.today():%Y%m%d}").absolute()


def run_experiments(
    script: str | os.PathLike[str],
    affinity_code: str,
    experiment_title: str,
    runs_per_setting: int,
    variants: Sequence[Mapping[str, Any]],
    log_dirs: Sequence[str],
    common_args: Sequence[Any] | None = None,
    runs_args: Sequence[Sequence[Any]] | None = None,
    debug_mode: int = 0,
    mask_gpus: bool = False,
) -> list[Outcome]:
    """Run `python SCRIPT SLOT_CODE LOG_DIR RUN_ID ARGS...` for every variant, and so often.

    All variants come once, then all of them again. As many run at a time as the code has slots; each is
    pinned to its slot's cores. LOG_DIR is the variant's; a run opens `logger_context(LOG_DIR, RUN_ID, ...)`
    there, and reads its config by `load_variant(LOG_DIR)`. What it prints is in LOG_DIR/run_ID/stdout.log.

    Args:
        affinity_code: as encode_affinity or quick_affinity_code writes it.
        experiment_title: names the directory, see get_log_dir.
        variants, log_dirs: what make_variants gave, perhaps filled up by update_config.
        common_args: further words for every run; runs_args: for the runs of each variant, behind those.
        debug_mode: 1 runs all in this process, one after the other, to be debugged; 2 the same in random
        order.
            The script's `main`, or else its `build_and_train`, is called with the words.
        mask_gpus: let a run see only the GPUs of its slot; else it sees all, and takes those that
            `affinity_from_code(SLOT_CODE)` names.

    Returns:
        The outcome of each run, in the order in which they were begun; nothing of debug_mode.

    Raises:
        LaunchError: the arguments do not match, or a run's directory holds a run already; nothing was
        started. RunsFailed: all have run, and some did not complete.
    """
    lines.open_what_is_closed()
    slots = make_slots(affinity_code)
    _check(script, runs_per_setting, variants, log_dirs, runs_args, debug_mode)
    directory = get_log_dir(experiment_title)
    jobs = [
        _job(num, script, directory, log_dir, run_id, [*(common_args or ()), *args], mask_gpus)
        for num, (run_id, log_dir, args) in enumerate(
            (run_id, log_dir, args)
            for run_id in range(runs_per_setting)
            for log_dir, args in zip(log_dirs, runs_args or [()] * len(log_dirs), strict=True)
        )
    ]
    rundir.make(directory)
    with rundir.claimed(directory, wait=False):
        _refuse_used(jobs)
        _write_tree(directory, log_dirs, runs_per_setting)
        for variant, log_dir in zip(variants, log_dirs, strict=True):
            save_variant(variant, directory / log_dir)
        if debug_mode:
            return _debug(jobs, affinity_code, shuffled=debug_mode == 2)
        for job in jobs:
            rundir.make(job.run_dir)
            rundir.write_status(job.run_dir, rundir.queued())
        report.write_sweep(directory, jobs, {"affinity_code": affinity_code}, slots)
        log = _log()
        log.info(report.plan(jobs, slots, directory))
        outcomes = run_all(
            jobs,
            slots,
            b"",
            log,
            on_start=_Launched(directory, len(jobs)),
            sweep_dir=directory,
            code=Path(script).resolve().parent,
        )
    told = report.failures(jobs, outcomes)
    if told:
        raise RunsFailed(told)
    return outcomes


def _check(
    script: str | os.PathLike[str],
    runs_per_setting: int,
    variants: Sequence[Any],
    log_dirs: Sequence[str],
    runs_args: Sequence[Any] | None,
    debug_mode: int,
) -> None:
    wrong = []
    if not Path(script).is_file():
        wrong.append(f"there is no script {os.fspath(script)!r} in {os.getcwd()}")
    if runs_per_setting < 1:
        wrong.append(f"runs_per_setting={runs_per_setting} must be 1 or more")
    if len(variants) != len(log_dirs):
        wrong.append(f"there are {len(variants)} variants and {len(log_dirs)} log_dirs; give one for each")
    if runs_args is not None and len(runs_args) != len(variants):
        wrong.append(f"there are {len(variants)} variants and {len(runs_args)} runs_args; give one for each")
    if len(set(log_dirs)) != len(log_dirs):
        wrong.append("two variants have the same log_dir; their runs would be mixed")
    if debug_mode not in (0, 1, 2):
        wrong.append(f"debug_mode={debug_mode} must be 0, 1 or 2")
    if wrong:
        raise LaunchError("; ".join(wrong))


def _job(
    num: int,
    script: str | os.PathLike[str],
    directory: Path,
    log_dir: str,
    run_id: int,
    args: Sequence[Any],
    mask_gpus: bool,
) -> Job:
    words = (os.fspath(script), str(directory / log_dir), str(run_id), *map(str, args))
    run_dir = directory / log_dir / f"run_{run_id}"
    return Job(num, (f"{log_dir} run {run_id}",), run_dir, script=words, mask_gpus=mask_gpus)


def _refuse_used(jobs: Sequence[Job]) -> None:
    for job in jobs:
        in_use = rundir.trouble(job.run_dir)
        if in_use:
            raise LaunchError(f"{in_use}; give the experiment another title, or move that one away")


def _debug(jobs: Sequence[Job], affinity_code: str, *, shuffled: bool) -> list[Outcome]:
    """Run in this process, so that a debugger sees it; an exception ends it all."""
    n_slot = get_n_run_slots(affinity_code)
    order = random.sample(range(len(jobs)), len(jobs)) if shuffled else range(len(jobs))
    for place, index in enumerate(order):
        script, *words = jobs[index].script
        _entry_point(script)(prepend_run_slot(place % n_slot, affinity_code), *words)
    return []


def _entry_point(script: str) -> Any:
    spec = importlib.util.spec_from_file_location(Path(script).stem, script)
    if spec is None or spec.loader is None:
        raise LaunchError(f"{script} is no Python script; debug_mode needs one that ends in .py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    for name in ("main", "build_and_train"):
        if hasattr(module, name):
            return getattr(module, name)
    raise LaunchError(f"{script} has neither main nor build_and_train, one of which debug_mode calls")


def _write_tree(directory: Path, log_dirs: Sequence[str], runs_per_setting: int) -> None:
    """experiments_tree.txt: what is run, for people."""
    n = len(log_dirs)
    lines = [
        f"Experiment manager process ID: {os.getpid()}.",
        f"Number of settings (experiments) to run: {n}  ({runs_per_setting * n}).",
        "",
        *(str(directory / log_dir) for log_dir in log_dirs),
    ]
    content = "".join(f"{line}\n" for line in lines)
    rundir.write_atomically(directory / "experiments_tree.txt", content.encode(), durable=False)


class _Launched:
    """num_launched.txt: how many runs have begun."""

    def __init__(self, directory: Path, total: int) -> None:
        self._path = directory / "num_launched.txt"
        self._total = total
        self._n = 0

    def __call__(self) -> None:
        self._n += 1
        line = f"Experiments launched so far: {self._n} out of {self._total}.\n"
        rundir.write_atomically(self._path, line.encode(), durable=False)


def _log() -> logging.Logger:
    """A logger that prints, unless the launch script has set one up."""
    log = logging.getLogger(__name__)
    if not log.hasHandlers():
        handler = logging.StreamHandler(sys.stdout)
        handler.setFormatter(logging.Formatter("[%(asctime)s] %(message)s", "%H:%M:%S"))
        log.addHandler(handler)
        log.setLevel(logging.INFO)
    lines.outlive_the_reader(log)
    return log
