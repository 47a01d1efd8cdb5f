"""The launcher's settings, all checked before anything starts."""

from __future__ import annotations

import dataclasses
import importlib.util
import sys
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from exptools.configs import ExecutorConf, LauncherConf, as_plain
from exptools.errors import LaunchError
from exptools.launching.engines import ON_THIS_MACHINE, names
from exptools.launching.engines.forking import auto_preload
from exptools.words import any_of

# The arguments of encode_affinity that make it decide the division, instead of what the machine allows.
DIVISION = (
    "n_cpu_core",
    "n_gpu",
    "gpu_per_run",
    "cpu_per_run",
    "cpu_per_worker",
    "cpu_reserved",
    "hyperthread_offset",
    "n_socket",
    "async_sample",
    "sample_gpu_per_run",
    "optim_sample_share_gpu",
    "alternating",
    "set_affinity",
)
_DEFAULTS: dict[str, Any] = dataclasses.asdict(LauncherConf())
LONGEST_S = 1e9  # 30 years; much longer ones are more than the system's clocks can count
OFF = ("off", False)  # of preload; YAML reads the word as false, Hydra's command line as a text


@dataclasses.dataclass(frozen=True)
class Policy:
    """How jobs run, whatever they are.

    timeout_s: a job that takes longer is stopped. retries: how often a job that did not complete runs again.
    max_failures: after so many jobs that did not complete no other is begun. stagger_s: between two starts.
    engine: one of engines.names(). start: fork or spawn. modules: what the process imports that jobs are
    forked from; None: what this has.
    """

    timeout_s: float | None = None
    retries: int = 0
    max_failures: int | None = None
    stagger_s: float = 0.0
    engine: str = "local"
    start: str = "spawn"
    modules: tuple[str, ...] | None = None

    def with_modules(self, modules: Sequence[str] | None) -> Policy:
        """The same, with that decided: None means no fork server."""
        if modules is None:
            return dataclasses.replace(self, start="spawn")
        return dataclasses.replace(self, modules=tuple(modules))

    def preload(self) -> list[str] | None:
        """What a fork server imports; None: there is none."""
        if self.start == "spawn":
            return None
        return auto_preload() if self.modules is None else list(self.modules)


@dataclasses.dataclass(frozen=True)
class OnCluster:
    """How jobs run where a scheduler places them; as in LauncherConf."""

    executor: Mapping[str, Any]
    pack: int = 1
    detach: bool = False
    max_requeues: int = 3
    patience_s: float = 1800.0


@dataclasses.dataclass(frozen=True)
class Settings:
    """slots: arguments of make_slots. cluster: None where jobs run on this machine.

    The rest is as in LauncherConf.
    """

    slots: Mapping[str, Any]
    policy: Policy
    cluster: OnCluster | None
    dry_run: bool
    resume: bool
    given: Mapping[str, Any]


def check(given: Mapping[str, Any]) -> Settings:
    """The settings of hydra.launcher.

    Raises:
        LaunchError: some are wrong, or exclude each other; all of that at once. What the machine cannot do is
            found later, by make_slots.
    """
    values = as_plain({name: given.get(name, default) for name, default in _DEFAULTS.items()})
    values["executor"], unfit = _executor(values["executor"] or {})
    wrong = [*unfit, *_complaints(values)]
    if wrong:
        raise LaunchError("; ".join(wrong))
    return Settings(
        slots={
            **{name: values[name] for name in ("affinity_code", "n_parallel", "use_gpu", "contexts_per_gpu")},
            "division": {name: values[name] for name in DIVISION if values[name] is not None},
        },
        policy=Policy(
            timeout_s=values["timeout_s"],
            retries=values["retries"],
            max_failures=1 if values["fail_fast"] else values["max_failures"],
            stagger_s=values["stagger_s"],
            engine=values["engine"],
            start="spawn" if values["preload"] in OFF else values["start"],
            modules=None if values["preload"] in ("auto", *OFF) else tuple(values["preload"]),
        ),
        cluster=None if values["engine"] in ON_THIS_MACHINE else _on_cluster(values),
        dry_run=values["dry_run"],
        resume=values["resume"],
        given={name: values[name] for name in values if name != "_target_"},
    )


def _executor(given: Any) -> tuple[dict[str, Any], list[str]]:
    """What is given of it, as Hydra would take it from a command line; and what of that is of a wrong kind.

    Names that are not known here are the scheduler's business.
    """
    from omegaconf import OmegaConf

    if not isinstance(given, Mapping):
        return {}, [f"executor={given} must be a mapping, such as partition and gres to their values"]
    taken = {name: value for name, value in given.items() if value is not None}
    known = [f.name for f in dataclasses.fields(ExecutorConf) if f.name in taken]
    if not known:
        return taken, []
    typed = OmegaConf.structured(ExecutorConf)
    wrong = [told for name in known if (told := _unfit(typed, name, taken[name])) is not None]
    plain = as_plain(typed)
    return taken | {name: plain[name] for name in known}, wrong


def _unfit(typed: Any, name: str, value: Any) -> str | None:
    """Take a value into a typed config; why not, or None."""
    from omegaconf.errors import OmegaConfBaseException

    try:
        typed[name] = value
    except OmegaConfBaseException as error:
        return f"executor.{name}={value}: {str(error).splitlines()[0]}"
    return None


def _on_cluster(values: Mapping[str, Any]) -> OnCluster:
    named = {f.name: values[f.name] for f in dataclasses.fields(OnCluster)}
    return OnCluster(**named)


def _complaints(values: Mapping[str, Any]) -> Iterator[str]:
    yield from _out_of_range(values)
    yield from _wrong_words(values)
    divided = [name for name in DIVISION if values[name] is not None]
    for one, other in (("affinity_code", "n_parallel"), ("affinity_code", "contexts_per_gpu")):
        if values[one] is not None and values[other] not in (None, LauncherConf.contexts_per_gpu):
            yield f"{one}={values[one]} and {other}={values[other]} both divide the machine; give one of them"
    for name in ("affinity_code", "n_parallel"):
        if divided and values[name] is not None:
            given = ", ".join(f"{key}={values[key]}" for key in divided)
            yield f"{name}={values[name]} and {given} both divide the machine; give one of them"
    if values["fail_fast"] and values["max_failures"] not in (None, 1):
        yield f"fail_fast=true means max_failures=1, but max_failures={values['max_failures']} is given too"


def _wrong_words(values: Mapping[str, Any]) -> Iterator[str]:
    engine, start, preload = values["engine"], values["start"], values["preload"]
    if engine not in names():
        yield f"engine={engine} must be {any_of(names())}"
    if engine in ON_THIS_MACHINE:
        for name in ("executor", "pack", "detach", "max_requeues", "patience_s"):
            if values[name] and values[name] != _DEFAULTS[name]:
                yield f"{name} is for a cluster; engine={engine} runs jobs on this machine, use engine=slurm"
    if engine == "joblib":
        for name in ("start", "preload"):
            if values[name] != getattr(LauncherConf, name):
                yield f"{name}={values[name]} is for engine=local; engine=joblib keeps its processes"
    if start not in ("fork", "spawn"):
        yield f"start={start} must be fork or spawn"
    is_list = isinstance(preload, Sequence) and not isinstance(preload, str)
    if preload not in ("auto", *OFF) and not (is_list and all(isinstance(name, str) for name in preload)):
        yield f"preload={preload} must be auto, a list of modules, or off: jobs are started anew then"
    elif is_list:
        missing = [name for name in preload if not _is_there(name)]
        if missing:
            more = f" and {len(missing) - 3} more" if len(missing) > 3 else ""
            yield f"preload: there is no module {', '.join(missing[:3])}{more}; install it, or leave it out"


def _is_there(module: str) -> bool:
    """Whether the package of a module can be imported; it is not."""
    package = module.partition(".")[0]
    return package in sys.modules or importlib.util.find_spec(package) is not None


def _out_of_range(values: Mapping[str, Any]) -> Iterator[str]:
    for name, least, unit in (
        ("timeout_s", 0, " seconds"),
        ("retries", 0, ""),
        ("max_failures", 1, ""),
        ("stagger_s", 0, " seconds"),
        ("pack", 1, ""),
        ("max_requeues", 0, ""),
        ("patience_s", 0, " seconds"),
    ):
        value = values[name]
        if value is None:
            continue
        if not value >= least or (name == "timeout_s" and value == 0):  # nan is neither more nor less
            bound = "more than" if name == "timeout_s" else "at least"
            yield f"{name}={value:g} must be {bound} {least}{unit}"
        elif unit and value > LONGEST_S:
            no_limit = "; null means no limit" if name == "timeout_s" else ""
            yield f"{name}={value:g} must be at most {LONGEST_S:g}{unit}{no_limit}"
