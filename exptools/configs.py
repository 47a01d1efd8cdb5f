"""Structured configs of exptools, their names in Hydra's ConfigStore, and a config as plain data."""

from __future__ import annotations

import argparse
import contextlib
import dataclasses
import enum
import os
import reprlib
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from exptools.errors import ExptoolsError

if TYPE_CHECKING:
    from omegaconf import DictConfig

LAUNCHER_TARGET = "hydra_plugins.exptools_launcher.launcher.ExptoolsLauncher"
SWEEPER_TARGET = "hydra_plugins.exptools_sweeper.sweeper.ExptoolsSweeper"
CALLBACK_TARGET = "exptools.logging.callback.LoggerCallback"
DEFAULT_WRITERS = ("csv", "tensorboard", "text", "media", "console")


@dataclasses.dataclass
class ExecutorConf:
    """What submitit's Slurm executor knows, under its names; None: not given."""

    partition: str | None = None
    qos: str | None = None
    account: str | None = None
    constraint: str | None = None
    nodelist: str | None = None
    exclude: str | None = None
    timeout_min: int | None = None  # the limit of an allocation; None: the partition's
    nodes: int | None = None
    tasks_per_node: int | None = None
    cpus_per_task: int | None = None
    gpus_per_node: int | None = None
    gpus_per_task: int | None = None
    cpus_per_gpu: int | None = None
    gres: str | None = None
    mem_gb: float | None = None  # of a node
    mem_per_gpu: str | None = None
    mem_per_cpu: str | None = None
    exclusive: Any = None
    array_parallelism: int | None = None  # allocations at a time
    signal_delay_s: int | None = None  # the early signal comes so long before the end; submitit's 90
    dependency: str | None = None
    name: str | None = None
    comment: str | None = None
    wckey: str | None = None
    mail_type: str | None = None
    mail_user: str | None = None
    python: str | None = None  # the command that starts Python there, such as that of a container
    setup: list[str] | None = None  # lines of bash in front
    teardown: list[str] | None = None
    srun_args: list[str] | None = None
    use_srun: bool | None = None
    stderr_to_stdout: bool | None = None
    additional_parameters: Any = None  # a mapping: of sbatch, what submitit has no name for


@dataclasses.dataclass
class LauncherConf:
    """Settings of `hydra/launcher=exptools`. None means: what this process may use, or no limit."""

    _target_: str = LAUNCHER_TARGET
    # Where jobs run: an even division,
    n_parallel: int | None = None  # jobs at a time
    use_gpu: bool = True
    contexts_per_gpu: int = 1  # jobs that share one GPU
    # or an exact one, as a code or by the arguments of encode_affinity.
    affinity_code: str | None = None
    n_cpu_core: int | None = None
    n_gpu: int | None = None
    gpu_per_run: int | None = None
    cpu_per_run: int | None = None
    cpu_per_worker: int | None = None
    cpu_reserved: int | None = None
    hyperthread_offset: int | None = None
    n_socket: int | None = None
    async_sample: bool | None = None
    sample_gpu_per_run: int | None = None
    optim_sample_share_gpu: bool | None = None
    alternating: bool | None = None
    set_affinity: bool | None = None
    # How they run.
    engine: str = "local"  # a fresh process for each; joblib: those of a slot share one, for tiny jobs; slurm
    start: str = "fork"  # from a process that has imported what the application imports; or spawn: anew
    # What that one imports: auto (the application's libraries), a list of modules, or off: as start=spawn.
    preload: Any = "auto"
    timeout_s: float | None = None  # a job that takes longer is stopped
    retries: int = 0  # how often a job that did not complete runs again
    max_failures: int | None = None  # after so many jobs that did not complete no other is begun
    fail_fast: bool = False  # max_failures=1
    stagger_s: float = 0.0  # at least so long between two starts
    dry_run: bool = False  # say what would run, and stop
    resume: bool = False  # go on with the sweep in hydra.sweep.dir: what has completed is skipped
    # On a cluster (engine=slurm).
    executor: ExecutorConf = dataclasses.field(default_factory=ExecutorConf)
    pack: int = 1  # jobs in one allocation, over its slots
    detach: bool = False  # submit, say how to come back, and end
    max_requeues: int = 3  # how often a job is queued again at its time limit
    patience_s: float = 1800.0  # so long a scheduler that does not answer is waited for


@dataclasses.dataclass
class SnapshotConf:
    """Which snapshots are taken and kept, and how: hydra.callbacks.exptools.snapshot (docs/snapshots.md)."""

    gap: int = 1  # in steps; for the modes gap and last+gap
    keep: int = 2  # the newest ones, whatever the mode
    every_s: float | None = None  # at most one in so many seconds
    k: int = 3  # the best ones, for the mode best
    metric: str | None = None  # the tag by which they are ranked
    goal: str | None = None  # max or min
    on_exception: bool = False  # when an exception ends the run, what was offered last is saved
    format: str = "pickle"  # torch, safetensors, joblib
    rng: bool = False  # the state of the random generators is kept, and set again when one is loaded


@dataclasses.dataclass
class LoggerConf:
    """Settings of the logger: hydra.callbacks.exptools."""

    _target_: str = CALLBACK_TARGET
    # What is written: csv, tensorboard, text, media, console, jsonl, and what other packages add.
    writers: list[str] = dataclasses.field(default_factory=lambda: list(DEFAULT_WRITERS))
    exclude: dict[str, list[str]] = dataclasses.field(default_factory=dict)  # of a writer, globs of tags
    console_every_s: float = 10.0  # seconds between two tables of the last values
    on_write_error: str = "continue"  # what cannot be written waits in memory; or stop: the run fails
    ranks: str = "zero"  # of a distributed training only rank 0 records; or all: the others into rank_N/
    resume: str = "auto"  # a directory whose run did not complete is gone on with; always; never
    tee_stdout: bool = False  # what is printed goes to stdout.log, too
    python_logging: str | None = "INFO"  # records of `logging` from this level on go to debug.log; null: none
    provenance: bool = True  # provenance.json: with which code, on what and how asked the run was made
    provenance_env: list[str] = dataclasses.field(default_factory=list)  # globs of further variables in it
    snapshot_mode: Any = "last"  # none, last, all, gap, last+gap, best, or a number: the gap
    snapshot: SnapshotConf = dataclasses.field(default_factory=SnapshotConf)


@dataclasses.dataclass
class LevelConf:
    """Keys that change together: each row of values has one for each key."""

    keys: list[str] = dataclasses.field(default_factory=list)
    values: list[Any] = dataclasses.field(default_factory=list)
    dir_names: list[str] | None = None  # of the rows, for ${exptools.variant_name:}


@dataclasses.dataclass
class SweeperConf:
    """Settings of `hydra/sweeper=exptools`."""

    _target_: str = SWEEPER_TARGET
    max_batch_size: int | None = None  # jobs that are launched together; all of them
    # What is swept where the command line does not say, as it would be written there: seed: 0,1,2.
    params: dict[str, str] | None = dataclasses.field(default_factory=dict)
    levels: list[LevelConf] = dataclasses.field(default_factory=list)


def resolved(config: DictConfig) -> dict[str, Any]:
    """The user's part of a job's config as plain data; a missing value is "???".

    Interpolations are resolved, unless one of them cannot be: Hydra lets a job live with that as long as
    nobody asks for the value, so then all of them stay as they were written.
    """
    from omegaconf import OmegaConf

    user = OmegaConf.masked_copy(config, [str(k) for k in config if k != "hydra"])
    return _container(user)  # type: ignore[no-any-return]


def as_plain(values: Mapping[str, Any]) -> dict[str, Any]:
    """Values that Hydra gave to what it made: its own lists and mappings as Python's."""
    from omegaconf import OmegaConf

    return {k: _container(v) if OmegaConf.is_config(v) else v for k, v in values.items()}


def _container(config: Any) -> Any:
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        return OmegaConf.to_container(config, resolve=True, enum_to_str=True)
    except OmegaConfBaseException:
        return OmegaConf.to_container(config, resolve=False, enum_to_str=True)


def plain(config: Any, what: str) -> dict[str, Any]:
    """A config of whatever kind as nested dicts, lists, numbers and texts, for JSON.

    config: a mapping, dataclass, argparse.Namespace or OmegaConf config; `what` it is called in errors.
    Arrays and sets become lists, enums their names; functions and classes are named, all else is its repr.

    Raises:
        ExptoolsError: it is none of these, contains itself, or has keys that JSON does not know.
    """
    found = _plain(config, what, ())
    if not isinstance(found, dict):
        kinds = "a mapping, a dataclass, an argparse.Namespace or an OmegaConf config"
        raise ExptoolsError(f"{what} must be {kinds}, not {reprlib.repr(config)}")
    return found


def _plain(value: Any, where: str, above: tuple[int, ...]) -> Any:
    if value is None or type(value) in (str, bool, int, float):
        return value
    if id(value) in above:
        raise ExptoolsError(f"{where} contains itself; a config must end somewhere")
    above = (*above, id(value))
    if type(value).__module__.startswith("omegaconf"):
        return _container(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        value = {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    elif isinstance(value, argparse.Namespace):
        value = vars(value)
    if isinstance(value, Mapping):
        return {_key(k, where): _plain(v, f"{where}[{k!r}]", above) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(v, f"{where}[{i}]", above) for i, v in enumerate(value)]
    if isinstance(value, set | frozenset):
        return [_plain(v, where, above) for v in sorted(value, key=repr)]
    return _plain_object(value)


def _key(key: Any, where: str) -> str:
    if isinstance(key, str):
        return key
    if key is None or isinstance(key, int | float):
        return str(key)
    raise ExptoolsError(f"{where} has the key {key!r}; a config's keys are texts or numbers")


def _plain_object(value: Any) -> Any:
    if isinstance(value, enum.Enum):
        return value.name
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if callable(getattr(value, "tolist", None)):
        return value.tolist()
    if isinstance(value, type) or hasattr(
        value, "__qualname__"
    ):  # its repr may hold an address: new every time
        return f"{value.__module__}.{value.__qualname__}"
    return repr(value)


@contextlib.contextmanager
def as_current(config: DictConfig) -> Iterator[None]:
    """Let `${hydra:...}` mean this config, as it will inside its job."""
    from hydra.core.hydra_config import HydraConfig

    before = HydraConfig.instance().cfg
    HydraConfig.instance().cfg = config  # type: ignore[assignment]  # set_config would copy all of it
    try:
        yield
    finally:
        HydraConfig.instance().cfg = before


def register() -> None:
    """Put the settings of launcher and sweeper and the default `exptools` into Hydra's ConfigStore, once.

    Hydra's scan of plugins runs a module again that was imported before; Hydra 1.4 warns of a second storing.
    """
    from hydra.core.config_store import ConfigStore

    store = ConfigStore.instance()
    if "exptools.yaml" in store.repo:
        return
    store.store(group="hydra/launcher", name="exptools", node=LauncherConf, provider="exptools")
    store.store(group="hydra/sweeper", name="exptools", node=SweeperConf, provider="exptools")
    # As a group of Hydra it is merged before the configs of the user, wherever `exptools` stands among them.
    callbacks = {"exptools": dataclasses.asdict(LoggerConf())}
    store.store(group="hydra/callbacks", name="exptools", node=callbacks, provider="exptools")
    groups = ("launcher", "sweeper", "callbacks")
    store.store(
        name="exptools",
        package="_global_",
        provider="exptools",
        node={
            "defaults": [{f"override /hydra/{group}": "exptools"} for group in groups],
            # Again, for an application that has chosen callbacks of its own.
            "hydra": {"callbacks": {"exptools": {"_target_": CALLBACK_TARGET}}},
        },
    )


def register_resolver(name: str, resolver: Callable[..., Any]) -> None:
    """Let OmegaConf resolve `${name:...}`, in place of what may have been registered before."""
    import omegaconf

    if omegaconf.__version__.startswith("2.3"):  # there `register_resolver` is another, older function
        omegaconf.OmegaConf.register_new_resolver(name, resolver, replace=True)
    else:
        omegaconf.OmegaConf.register_resolver(name, resolver, replace=True)  # type: ignore[call-arg]
