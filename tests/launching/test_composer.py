"""What the composer makes is what Hydra itself composes, for every kind of override."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from typing import Any

import pytest
from hydra._internal.hydra import Hydra
from hydra._internal.utils import create_config_search_path
from hydra.core.config_store import ConfigStore
from hydra.core.global_hydra import GlobalHydra
from hydra.errors import HydraException
from hydra.types import RunMode
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from omegaconf import DictConfig, ListConfig

from exptools.launching.composer import Composer


@dataclasses.dataclass
class Optimizer:
    """Typed: a wrong value is an error."""

    name: str = "adam"
    lr: float = 0.1
    betas: list[float] = dataclasses.field(default_factory=lambda: [0.9, 0.99])
    decay: float | None = None


@pytest.fixture(scope="module")
def loader(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """Hydra's loader of an app with groups, a structured config, interpolations and an optional group."""
    conf = tmp_path_factory.mktemp("conf")
    for name, text in {
        "app.yaml": """
            defaults: [_self_, model: small, optimizer: adam, optional data: none, exptools]
            seed: 0
            stamp: ${now:%f}
            name: ${model.name}-${optimizer.lr}-${seed}
            list: [1, 2]
            nested: {a: {b: 1}, c: '???'}
            """,
        "model/small.yaml": "{name: small, width: 8}",
        "model/large.yaml": "{name: large, width: 64, extra: {depth: 3}}",
        "data/mnist.yaml": "{path: /data, size: 10}",
    }.items():
        (conf / name).parent.mkdir(exist_ok=True)
        (conf / name).write_text(text.replace("\n            ", "\n").strip())
    store = ConfigStore.instance()
    before = dict(store.repo)
    store.store(group="optimizer", name="adam", node=Optimizer)
    store.store(group="optimizer", name="sgd", node=Optimizer(name="sgd", lr=0.5))
    hydra = Hydra.create_main_hydra2("app", create_config_search_path(str(conf)))
    yield hydra.config_loader
    GlobalHydra.instance().clear()
    store.repo = before


@pytest.fixture(scope="module")
def master(loader: Any) -> DictConfig:
    """The config of a sweep with an override of Hydra's own."""
    words = ["hydra.job.config.override_dirname.exclude_keys=[seed]", "hydra.sweep.dir=out"]
    composed: DictConfig = loader.load_configuration("app", words, RunMode.MULTIRUN)
    return composed


def everything(node: Any) -> Any:
    """A config with its types and flags."""
    if isinstance(node, DictConfig):
        meta = node._metadata
        if node._is_none() or node._is_missing() or node._is_interpolation():
            content: Any = node._value()
        else:
            content = {k: everything(node._get_node(k)) for k in node}
        flags = {k: v for k, v in (meta.flags or {}).items() if v is not None}
        return ("dict", content, meta.object_type, meta.ref_type, meta.optional, flags)
    if isinstance(node, ListConfig):
        if node._is_none() or node._is_missing() or node._is_interpolation():
            return ("list", node._value())
        return ("list", [everything(node._get_node(i)) for i in range(len(node))])
    return (type(node), node._value())


WORDS = ["null", "true", "'a b'", "x", "[1,2]", "{a:1}", "${seed}", "'${model.name}'", "''", "???"]
VALUES = st.one_of(
    st.integers(-5, 5).map(str),
    st.floats(allow_nan=False, allow_infinity=False, width=32).map(repr),
    st.sampled_from(WORDS),
)
KEYS = (
    "seed optimizer.lr optimizer.decay optimizer.betas optimizer.name list nested.a.b nested.c model.width "
    "name nested model.extra.depth nokey optimizer.nokey +new +nested.new ++seed ++nested.a.b +model.deep.er"
)
DELETIONS = "~seed ~nested.a ~list ~nokey ~optimizer.decay ~seed=0"
GROUPS = (
    "model=small model=large optimizer=sgd +data=mnist ~model data=mnist model=none model={width:3} "
    "+model@other=large optimizer@nested.a=sgd"
)
HYDRAS = (
    "hydra.job.name=mine hydra.run.dir=x hydra/launcher=basic hydra.verbose=true +hydra.job.env_set.A=1 "
    "hydra.job.config.override_dirname.kv_sep=:"
)
OVERRIDES = st.one_of(
    st.tuples(st.sampled_from(KEYS.split()), VALUES).map("=".join),
    *(st.sampled_from(words.split()) for words in (DELETIONS, GROUPS, HYDRAS)),
)


def outcome(compose: Any, overrides: list[str]) -> Any:
    try:
        return everything(compose(overrides))
    except HydraException as error:
        return type(error).__name__, str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(jobs=st.lists(st.lists(OVERRIDES, max_size=4), min_size=1, max_size=3))
def test_the_result_is_hydras_own(loader: Any, master: DictConfig, jobs: list[list[str]]) -> None:
    composer = Composer(loader, master)

    for overrides in jobs:
        ours = outcome(composer.compose, overrides)
        hydras = outcome(lambda words: loader.load_sweep_config(master, words), overrides)
        assert ours == hydras, overrides


def test_values_are_set_without_composing_again(loader: Any, master: DictConfig, monkeypatch: Any) -> None:
    composer = Composer(loader, master)
    composed = []
    inner = loader.load_sweep_config
    monkeypatch.setattr(
        loader, "load_sweep_config", lambda m, words: composed.append(words) or inner(m, words), raising=False
    )

    configs = [composer.compose([f"optimizer.lr={lr}", "model=large", "+new=1", "~list"]) for lr in (1, 2, 3)]

    assert [config.optimizer.lr for config in configs] == [1.0, 2.0, 3.0]
    assert [config.name for config in configs] == ["large-1.0-0", "large-2.0-0", "large-3.0-0"]
    assert composed == [["model=large"]]


def test_one_config_is_no_part_of_another(loader: Any, master: DictConfig) -> None:
    composer = Composer(loader, master)
    first, second = composer.compose(["seed=1"]), composer.compose(["seed=1"])

    first.nested.a.b = 99

    assert second.nested.a.b == 1


def test_what_was_resolved_for_the_sweep_stays_so_for_its_jobs(loader: Any, master: DictConfig) -> None:
    stamp = master.stamp

    assert Composer(loader, master).compose(["seed=1"]).stamp == stamp
