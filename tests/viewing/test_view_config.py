"""Configs and states, of exptools and of a bare Hydra tree."""

from __future__ import annotations

from pathlib import Path

import pytest
from omegaconf import OmegaConf
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.configs import register_resolver
from exptools.rundir import State
from exptools.viewing.readers import registry
from exptools.viewing.readers.format import ConfigReading, StatusReading


def test_the_resolved_config_counts(tmp_path: Path) -> None:
    hydra_run(tmp_path / "0", "lr: 2")
    write_run(tmp_path / "0", config={"lr": 1})

    assert registry.config(tmp_path / "0") == ConfigReading({"lr": 1})


def test_hydra_configs_are_resolved_as_far_as_it_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WHO", "the reader, not the run")
    text = (
        "a: ${b}\nb: 1e-3\nc: ${now:%Y}\nd: [1, '${b}', {x: '${nope}'}]\n1: x\ne: ${oc.env:WHO}\nf: ???\n"
        "g: ${sub}\nsub: {k.v: '${b}', u: '${.k}', k: 3}\nh: x_${b}\nn: null\n"
    )

    read = registry.config(hydra_run(tmp_path / "0", text))

    assert read.problems == ()
    assert read.config == {
        "a": 0.001,
        "b": 0.001,
        "c": "${now:%Y}",
        "d": [1, 0.001, {"x": "${nope}"}],
        "1": "x",
        "e": "${oc.env:WHO}",
        "f": "???",
        "g": {"k.v": 0.001, "u": 3, "k": 3},
        "sub": {"k.v": 0.001, "u": 3, "k": 3},
        "h": "x_0.001",
        "n": None,
    }


def test_no_config_is_unknown_and_an_empty_one_is_empty(tmp_path: Path) -> None:
    assert registry.config(tmp_path) == ConfigReading(None)
    assert registry.config(hydra_run(tmp_path / "0", "")) == ConfigReading({})


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [1\n", "not YAML, perhaps half written (while parsing"),
        ("a: ${\n", "not YAML, perhaps half written ("),
        ("a: &x {b: *x}\n", "not YAML, perhaps half written ("),
        (f"a: {'[' * 3000}\n", "not YAML, perhaps half written ("),
        ("- 1\n", "not a config (a list, not a mapping)"),
    ],
)
def test_a_broken_hydra_config_is_named(tmp_path: Path, content: str, reason: str) -> None:
    run = hydra_run(tmp_path / "0", content)

    read = registry.config(run)

    (problem,) = map(str, read.problems)
    assert read.config is None
    assert problem.startswith(f"{run}/.hydra/config.yaml: {reason}")
    assert "\n" not in problem


def test_bytes_that_are_no_text_are_named(tmp_path: Path) -> None:
    run = hydra_run(tmp_path / "0", "")
    (run / ".hydra/config.yaml").write_bytes(b"a: \xff\n")

    (problem,) = registry.config(run).problems

    assert str(problem) == f"{run}/.hydra/config.yaml, offset 3: not UTF-8 text"


def test_a_half_written_json_is_named_and_hydra_s_config_taken(tmp_path: Path) -> None:
    run = hydra_run(tmp_path / "0", "lr: 2")
    (run / rundir.VARIANT).write_text('{"lr": ')

    read = registry.config(run)

    assert read.config == {"lr": 2}
    (problem,) = map(str, read.problems)
    assert problem.startswith(f"{run}/variant_config.json: not JSON, perhaps half written (Expecting value")


def test_a_json_that_is_no_config_is_named(tmp_path: Path) -> None:
    (tmp_path / rundir.VARIANT).write_text("[1]")

    assert [str(p) for p in registry.config(tmp_path).problems] == [
        f"{tmp_path}/variant_config.json: not a config (a list, not a mapping)"
    ]


def test_the_state_of_a_bare_tree_is_unknown(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", state=State.FAILED)

    assert registry.status(hydra_run(tmp_path / "1", "")) == StatusReading(None)
    assert registry.status(run).status == rundir.Status(State.FAILED, start=1000.0, end=1012.5)


@pytest.mark.parametrize("content", ["{", "[]", '{"state": "DREAMING"}', "{}"])
def test_a_broken_status_is_named(tmp_path: Path, content: str) -> None:
    (tmp_path / rundir.STATUS).write_text(content)

    read = registry.status(tmp_path)

    (problem,) = map(str, read.problems)
    assert read.status is None
    assert problem.startswith(f"{tmp_path}/status.json: not ")


def test_resolvers_of_this_process_say_nothing_about_the_run(tmp_path: Path) -> None:
    register_resolver("now", lambda text: "today")  # as Hydra does
    (tmp_path / ".hydra").mkdir()
    (tmp_path / ".hydra" / "config.yaml").write_text(
        "a: ${now:%Y}\nb: ${a}\nc: ${oc.env:HOME}\nd: ${c}/x\ne: ${oc.decode:'[1, 2]'}\n"
    )

    assert registry.config(tmp_path).config == {
        "a": "${now:%Y}",
        "b": "${a}",
        "c": "${oc.env:HOME}",
        "d": "${c}/x",
        "e": [1, 2],
    }
    assert OmegaConf.has_resolver("oc.env")
