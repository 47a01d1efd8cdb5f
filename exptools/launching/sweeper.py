"""The sweeper `exptools`: levels of keys that go together, crossed with what the command line sweeps."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.utils import JobReturn
from hydra.plugins.launcher import Launcher
from hydra.types import HydraContext
from omegaconf import DictConfig, OmegaConf

from exptools import rundir
from exptools.configs import LAUNCHER_TARGET
from exptools.errors import LaunchError
from exptools.launching import axes, names, planning


def sweep(
    arguments: Sequence[str],
    *,
    context: HydraContext,
    config: DictConfig,
    launcher: Launcher,
    validate: Callable[[list[list[str]]], None],
    max_batch_size: int | None,
    params: Mapping[str, str],
    levels: Sequence[Mapping[str, Any]],
) -> list[Sequence[JobReturn]]:
    """Run all jobs, whatever happens to one of them; the returns of each batch.

    validate: composes a batch, to find what cannot be; launchers that compose all first need none of it.

    Raises:
        LaunchError: the levels are wrong, a key is swept twice, or the disk is full; nothing was started.
        JobFailed: all have run, and this is the first that did not complete.
    """
    if max_batch_size is not None and max_batch_size < 1:
        wrong = f"hydra.sweeper.max_batch_size={max_batch_size} must be at least 1"
        raise LaunchError(f"{wrong}; null means all jobs in one batch")
    parser = OverridesParser.create(config_loader=context.config_loader)
    parsed = parser.parse_overrides([*(f"{key}={value}" for key, value in params.items()), *arguments])
    points = axes.crossed([*axes.of_levels(levels), *axes.of_overrides(parsed)])
    names.tell(names.make_names({point.overrides: point.names for point in points}))

    if not config.hydra.launcher.get("dry_run"):
        _write(config, Path(str(config.hydra.sweep.dir)))
    composes_first = config.hydra.launcher.get("_target_") == LAUNCHER_TARGET
    size = len(points) if max_batch_size is None else max_batch_size
    returns: list[Sequence[JobReturn]] = []
    for begin in range(0, len(points), size):
        batch = [list(point.overrides) for point in points[begin : begin + size]]
        if not composes_first:
            validate(batch)
        returns.append(launcher.launch(batch, initial_job_idx=begin))
    for job in (job for batch_returns in returns for job in batch_returns):
        _ = job.return_value  # raises what the job raised
    return returns


def _write(config: DictConfig, sweep_dir: Path) -> None:
    """Hydra's multirun.yaml.

    Raises:
        LaunchError: it cannot be written.
        RunDirError: the directory cannot be made.
    """
    rundir.make(sweep_dir)
    try:
        OmegaConf.save(config, sweep_dir / "multirun.yaml")
    except OSError as error:
        raise planning.cannot_write(sweep_dir, error) from error
