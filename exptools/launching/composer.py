"""The configs of a sweep's jobs, composed by Hydra once for each choice of groups, not once for each job.

Composing costs some 50 ms a job: Hydra reads the defaults list, every file and every structured config again.
What tells the jobs of a sweep apart is mostly values, such as lr=0.1, and those Hydra sets last, on the
composed config. So jobs that choose the same groups share one composed config, and each sets its values on a
copy, by Hydra's own function. tests/launching/test_composer.py holds that the result equals Hydra's own
composition; whatever is not plainly such a value goes that way.
"""

from __future__ import annotations

import pickle
from collections.abc import Sequence

from hydra._internal import config_loader_impl
from hydra._internal.config_loader_impl import ConfigLoaderImpl
from hydra.core.config_loader import ConfigLoader
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.errors import HydraException
from omegaconf import DictConfig, OmegaConf
from omegaconf.errors import OmegaConfBaseException

# In Hydra 1.4 the name is a resolver, which reads the overrides when it is asked.
_DIRNAME = getattr(config_loader_impl, "get_overrides_dirname", None)


class Composer:
    """Composes the configs of the jobs of one sweep."""

    def __init__(self, loader: ConfigLoader, master: DictConfig) -> None:
        """master: the config of the sweep itself."""
        self._loader = loader
        self._master = master
        self._parser = OverridesParser.create(config_loader=loader)
        self._templates: dict[tuple[str, ...], bytes] = {}
        self._groups: dict[str, bool] = {}

    def compose(self, overrides: Sequence[str]) -> DictConfig:
        """The config of the job with these overrides.

        Raises:
            HydraException: it cannot be composed, as Hydra says it.
        """
        fast = self._on_a_copy(overrides)
        return self._by_hydra(overrides) if fast is None else fast

    def _by_hydra(self, overrides: Sequence[str]) -> DictConfig:
        return self._loader.load_sweep_config(self._master, list(overrides))

    def _on_a_copy(self, overrides: Sequence[str]) -> DictConfig | None:
        """The config by way of a shared one; None where that is not possible: Hydra says why, or does it."""
        if not isinstance(self._loader, ConfigLoaderImpl):
            return None
        try:
            parsed = self._parser.parse_overrides(list(overrides))
            values = [o for o in parsed if self._sets_a_value(self._loader, o)]
            others = tuple(w for w, o in zip(overrides, parsed, strict=True) if o not in values)
            config: DictConfig = pickle.loads(self._template(others))
            ConfigLoaderImpl._apply_overrides_to_config(values, config)
            _say_overrides(config, parsed)
        except (HydraException, OmegaConfBaseException):
            return None
        OmegaConf.copy_cache(from_config=self._master, to_config=config)
        return config

    def _sets_a_value(self, loader: ConfigLoaderImpl, override: Override) -> bool:
        """Whether the override only sets, adds or deletes a value of the user's config."""
        key = override.key_or_group
        if key not in self._groups:
            self._groups[key] = loader.repository.group_exists(key)
        chooses = self._groups[key] and not isinstance(override.value(), dict)
        is_hydras = key == "hydra" or override.is_hydra_override()
        return not (chooses or is_hydras or override.package or override.is_sweep_override())

    def _template(self, overrides: tuple[str, ...]) -> bytes:
        if overrides not in self._templates:
            self._templates[overrides] = pickle.dumps(self._by_hydra(overrides))
        return self._templates[overrides]


def _say_overrides(config: DictConfig, parsed: Sequence[Override]) -> None:
    """Let the config tell all overrides of its job, in their order, as Hydra's own would."""
    of_the_user = [o for o in parsed if not o.is_hydra_override()]
    config.hydra.overrides.task = [o.input_line for o in of_the_user]
    if _DIRNAME is not None:
        how = config.hydra.job.config.override_dirname
        config.hydra.job.override_dirname = _DIRNAME(
            overrides=of_the_user,
            kv_sep=how.kv_sep,
            item_sep=how.item_sep,
            exclude_keys=how.exclude_keys,
        )
