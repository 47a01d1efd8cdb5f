"""The config of a run: exptools' variant_config.json, else Hydra's .hydra/config.yaml."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.viewing.problem import Problem

if TYPE_CHECKING:
    from omegaconf import DictConfig


@dataclass(frozen=True)
class ConfigReading:
    """config: nested dicts, lists and scalars; None where none was written or it cannot be read."""

    config: dict[str, Any] | None
    problems: tuple[Problem, ...] = ()


def read(home: Path) -> ConfigReading:
    """The config of the run in `home`. Of two files that of exptools counts: it is the resolved one.

    A run without any has that of the directory it lies in, where it is the config of a setting (see rundir).
    """
    variant = home / rundir.VARIANT
    try:
        return _mapping(variant, rundir.read_json(variant))
    except FileNotFoundError:
        held = _read_hydra(home / rundir.HYDRA / "config.yaml")
        setting = home.absolute().parent
        has_none = held == ConfigReading(None) and (setting / rundir.VARIANT).exists()
        return read(setting) if has_none and not rundir.holds_more_than_a_config(setting) else held
    except RunDirError as error:
        held = _read_hydra(home / rundir.HYDRA / "config.yaml")
        return ConfigReading(held.config, (Problem.of_json(variant, error), *held.problems))


def _mapping(path: Path, value: Any) -> ConfigReading:
    if isinstance(value, dict):
        return ConfigReading(value)
    return ConfigReading(None, (Problem(path, f"not a config (a {type(value).__name__}, not a mapping)"),))


def _read_hydra(path: Path) -> ConfigReading:
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ConfigReading(None)
    except UnicodeDecodeError as error:
        return ConfigReading(None, (Problem(path, "not UTF-8 text", error.start),))
    except OSError as error:
        return ConfigReading(None, (Problem.of_os(path, error),))
    import yaml  # type: ignore[import-untyped]  # omegaconf's own parser; it ships no types
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        config = OmegaConf.create(text)
    except (yaml.YAMLError, OmegaConfBaseException) as error:
        reason = " ".join(str(error).split())
        return ConfigReading(None, (Problem(path, f"not YAML, perhaps half written ({reason})"),))
    if not isinstance(config, DictConfig):
        return _mapping(path, OmegaConf.to_container(config))
    return _mapping(path, _plain(config))


def _plain(config: DictConfig) -> Any:
    """`config` with its interpolations resolved as far as that is possible here.

    What needs the application that ran stays the text it is: its own resolvers, Hydra's, and the environment.
    Those of this process, which may have the same names, say nothing about the run.
    """
    from omegaconf import OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    raw = OmegaConf.to_container(config, resolve=False)

    def settle(value: Any, key: str) -> Any:
        if isinstance(value, dict):
            return {str(k): settle(v, f"{key}[{k}]") for k, v in value.items()}
        if isinstance(value, list):
            return [settle(v, f"{key}[{i}]") for i, v in enumerate(value)]
        if not isinstance(value, str) or "${" not in value:
            return value
        try:
            found = OmegaConf.select(config, key, throw_on_missing=True)
            return OmegaConf.to_container(found, resolve=True) if OmegaConf.is_config(found) else found
        except (OmegaConfBaseException, ValueError, TypeError):
            return value

    with _resolvers_of_the_config_alone():
        return settle(raw, "")


@contextlib.contextmanager
def _resolvers_of_the_config_alone() -> Iterator[None]:
    """Only those resolvers of OmegaConf whose result follows from the config itself."""
    from omegaconf.basecontainer import BaseContainer

    before = BaseContainer._resolvers
    kept = ("oc.create", "oc.decode", "oc.deprecated", "oc.dict.keys", "oc.dict.values", "oc.select")
    BaseContainer._resolvers = {name: before[name] for name in kept if name in before}
    try:
        yield
    finally:
        BaseContainer._resolvers = before
