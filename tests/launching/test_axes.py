"""What a sweep sweeps: crossed levels and overrides, seeds slowest; values as overrides; names."""

from __future__ import annotations

from typing import Any

import pytest
from hydra.core.override_parser.overrides_parser import OverridesParser
from hypothesis import given
from hypothesis import strategies as st

from exptools.errors import LaunchError
from exptools.launching import axes, names

PARSER = OverridesParser.create()


def overrides(*words: str) -> list[axes.Axis]:
    return axes.of_overrides(PARSER.parse_overrides(list(words)))


def jobs(*given: axes.Axis) -> list[list[str]]:
    return [list(point.overrides) for point in axes.crossed(given)]


LEVEL = {"keys": ["model", "width"], "values": [["small", 8], ["large", 64]], "dir_names": ["S", "L"]}


def test_the_last_key_varies_fastest() -> None:
    assert jobs(*overrides("a=1,2", "b=x,y")) == [
        ["a=1", "b=x"],
        ["a=1", "b=y"],
        ["a=2", "b=x"],
        ["a=2", "b=y"],
    ]


def test_seeds_vary_slowest_wherever_they_stand() -> None:
    assert jobs(*overrides("lr=1,2", "env.seed=0,1", "+data_seed=5,6"))[:5] == [
        ["lr=1", "env.seed=0", "+data_seed=5"],
        ["lr=2", "env.seed=0", "+data_seed=5"],
        ["lr=1", "env.seed=0", "+data_seed=6"],
        ["lr=2", "env.seed=0", "+data_seed=6"],
        ["lr=1", "env.seed=1", "+data_seed=5"],
    ]


def test_the_keys_of_a_level_go_together_and_are_crossed_with_the_rest() -> None:
    assert jobs(*axes.of_levels([LEVEL]), *overrides("lr=0.1,0.2")) == [
        ["model=small", "width=8", "lr=0.1"],
        ["model=small", "width=8", "lr=0.2"],
        ["model=large", "width=64", "lr=0.1"],
        ["model=large", "width=64", "lr=0.2"],
    ]


def test_of_two_overrides_for_a_key_the_last_counts() -> None:
    assert jobs(*overrides("a=1,2", "a=3")) == [["a=3"]]


def test_nothing_to_sweep_is_one_job() -> None:
    assert jobs() == [[]]


@pytest.mark.parametrize(
    ("level", "text"),
    [
        ({"keys": ["a"]}, "hydra.sweeper.levels[0] needs keys and values"),
        (
            {"keys": ["a", "b"], "values": [[1], 2]},
            "hydra.sweeper.levels[0]: the row [1] must be a list with a value for each of the keys a, b; "
            "hydra.sweeper.levels[0]: the row 2 must be a list with a value for each of the keys a, b",
        ),
        (
            {"keys": ["a"], "values": [[1], [2]], "dir_names": ["x"]},
            "hydra.sweeper.levels[0] has 2 rows and 1 dir_names; give one for each",
        ),
    ],
)
def test_a_level_that_does_not_match_is_named(level: dict[str, Any], text: str) -> None:
    with pytest.raises(LaunchError) as error:
        axes.of_levels([level])

    assert str(error.value) == text


def test_a_key_of_two_axes_is_refused() -> None:
    with pytest.raises(
        LaunchError, match=r"width is set by more than one of hydra\.sweeper\.levels and overrides"
    ):
        axes.crossed([*axes.of_levels([LEVEL]), *overrides("++width=3")])


def test_an_interval_is_refused() -> None:
    with pytest.raises(
        LaunchError, match=r"lr=interval\(0,1\): an interval cannot be swept; list its values"
    ):
        overrides("lr=interval(0,1)")


WORDS = st.from_regex(r"[a-z_][a-z0-9_]*", fullmatch=True).filter(lambda w: w not in ("null", "inf", "nan"))
PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)


@given(value=PLAIN)
def test_hydra_reads_a_value_as_it_was_written(value: Any) -> None:
    (parsed,) = PARSER.parse_overrides([f"key={axes.as_override(value)}"])

    assert not parsed.is_sweep_override()
    assert parsed.value() == value
    assert type(parsed.value()) is type(value)


@pytest.mark.parametrize("key", ["a b", 3, "A²", "null"])
def test_a_key_that_no_override_can_have_is_refused(key: Any) -> None:
    with pytest.raises(LaunchError, match=f"a mapping with the key {key!r} cannot be an override"):
        axes.as_override({key: 1})


def test_names_are_made_of_what_tells_jobs_apart() -> None:
    points = axes.crossed([*axes.of_levels([LEVEL]), *overrides("lr=0.1,0.2", "epochs=3")])

    assert list(names.make_names({p.overrides: p.names for p in points}).values()) == [
        "S_lr=0.1",
        "S_lr=0.2",
        "L_lr=0.1",
        "L_lr=0.2",
    ]


def test_names_are_safe_short_and_unique() -> None:
    long = "x" * 300
    given = [("data=/a/b",), ("data=/a:b",), (f"a={long}1",), (f"a={long}2",), ("m=Ab",), ("m=aB",), ("..",)]

    made = list(names.make_names({words: words for words in given}).values())

    assert all(set(name) <= set("abcdefghijklmnopqrstuvwxyzAB0123456789=,+-._") for name in made)
    assert all(len(name) <= 120 for name in made)
    assert len({name.lower() for name in made}) == len(given)
    assert not any(name.startswith(".") or "/" in name for name in made)
