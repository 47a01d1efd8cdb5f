"""A Hydra job's config: .hydra/config.yaml."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import rundir
from exptools.viewing.readers import configs
from exptools.viewing.readers.format import ConfigReading, Format

if TYPE_CHECKING:
    from omegaconf import DictConfig


def config(home: Path) -> ConfigReading:
    """What .hydra/config.yaml says, resolved as far as that is possible without the application."""
    return configs.of_text(home / rundir.HYDRA / "config.yaml", _parsed)


def _parsed(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]  # omegaconf's own parser; it ships no types
    from omegaconf import DictConfig, OmegaConf
    from omegaconf.errors import OmegaConfBaseException

    try:
        found = OmegaConf.create(text)
    except (yaml.YAMLError, OmegaConfBaseException, RecursionError) as error:  # it may hold itself
        raise configs.not_yaml(error) from error
    return _plain(found) if isinstance(found, DictConfig) else OmegaConf.to_container(found)


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


FORMAT = Format("hydra", marks=(rundir.HYDRA,), is_whole=True, config=config)
