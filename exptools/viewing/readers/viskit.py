"""The tables of reinforcement learning: progress.csv of rllab and what came of it, with the config beside it.

rlpyt, rlkit, garage (dowel), OpenAI's baselines and Ray Tune write a progress.csv and, most of them,
params.json or variant.json; spinup writes progress.txt, with tabs, and config.json. viskit reads them as
`variant.json`, else `params.json`.
"""

from __future__ import annotations

from pathlib import Path

from exptools import rundir
from exptools.viewing.curves import Reading, Wanted
from exptools.viewing.problem import Problem
from exptools.viewing.readers import configs, csv_table
from exptools.viewing.readers.files import first_line, holds, holds_events
from exptools.viewing.readers.format import ConfigReading, Format
from exptools.viewing.readers.table import Axes

CSV, TSV, RAY = "progress.csv", "progress.txt", "result.json"
PARAMS, VARIANT = "params.json", "variant.json"
_SPINUP = "config.json"

_SB3 = "time/total_timesteps"
_SAMPLES = (  # steps of the environment: what runs are compared by
    *("Diagnostics/CumSteps", "CumSteps"),  # rlpyt
    *("TotalEnvInteracts", "TotalEnvSteps"),  # spinup; garage
    *("exploration/num steps total", "Number of env steps total"),  # rlkit
    *("total_timesteps", "misc/total_timesteps", "TimestepsSoFar"),  # baselines
    *("num_env_steps_sampled_lifetime", "timesteps_total"),  # Ray
    *("total_steps", "global_step", "step", "Step", "steps"),
)
_ROUNDS = (
    *("Diagnostics/Iteration", "Iteration", "iteration", "Itr", "itr"),
    *("training_iteration", "Epoch", "epoch"),
)
STEPS = (_SB3, *_SAMPLES, *_ROUNDS)


def axes(path: Path) -> Axes:
    """Where the rows of the table at `path` stand: by the first of STEPS that it has.

    Where rlpyt, rlkit or garage write event files beside it those count iterations, and so does the table
    then: the same numbers at other steps would be taken for others. Ray's event files are under other names.
    """
    by_round = not holds(path.parent, RAY) and holds_events(path.parent)
    return Axes((_SB3, *_ROUNDS, *_SAMPLES) if by_round else STEPS)


def read(path: Path, wanted: Wanted, *, live: bool) -> Reading:
    """The frames of progress.csv or progress.txt; see readers.csv_table."""
    separator = "\t" if path.name == TSV else ","
    return csv_table.read(path, axes(path), wanted, live=live, separator=separator)


def config(home: Path) -> ConfigReading:
    """What variant.json says, else params.json; of spinup's runs config.json.

    Only beside a table: models and data sets have files of these names, too.
    """
    problems: list[Problem] = []
    names: tuple[str, ...] = (VARIANT, PARAMS) if holds(home, CSV, RAY) else ()
    names += (_SPINUP,) if holds(home, TSV) else ()
    for name in names:
        found = configs.of_json(home / name)
        problems += found.problems
        if found.config is not None:
            return ConfigReading(found.config, tuple(problems))
    return ConfigReading(None, tuple(problems))


def is_of_ray(path: Path) -> bool:
    """Whether a result.json is that of a trial of Ray Tune, which numbers its results."""
    return holds(path.parent, PARAMS) and '"training_iteration"' in first_line(path)


def _claims(path: Path) -> bool:
    """Whether it is the log of a run: a config lies beside it, or a column is a well known step.

    A table in the directory of a Hydra job, or in one right below it, is taken for a log, too.
    """
    if path.name == TSV:
        names = csv_table.names_in(first_line(path), "\t")
        return len(names) > 1 and (holds(path.parent, _SPINUP) or any(step in names for step in STEPS))
    if holds(path.parent, PARAMS, VARIANT, rundir.VARIANT, rundir.HYDRA, f"../{rundir.HYDRA}"):
        return True
    return any(step in csv_table.names_in(first_line(path)) for step in STEPS)


def _proves(path: Path) -> bool:
    """Whether a config is that of a run."""
    if path.name == _SPINUP:
        return holds(path.parent, TSV)
    return holds(path.parent, CSV) or is_of_ray(path.parent / RAY)


FORMAT = Format(
    "viskit",
    marks=(PARAMS, VARIANT, _SPINUP),
    proves=_proves,
    scalars=(CSV, TSV),
    claims=_claims,
    read=read,
    config=config,
)
