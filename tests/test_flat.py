"""Nested configs as dotted keys: no two values share a key."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exptools.flat import flatten, last, parts
from exptools.logging.kinds.hparams import flattened

names = st.text(st.sampled_from('ab."\\ '), min_size=1, max_size=4)
configs = st.recursive(
    st.integers(0, 9), lambda inside: st.dictionaries(names, inside, max_size=3), max_leaves=8
).filter(lambda value: isinstance(value, dict))


def leaves(config: dict[str, Any], above: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    found = []
    for key, value in config.items():
        found += (
            leaves(value, (*above, key)) if isinstance(value, dict) and value else [((*above, key), value)]
        )
    return found


def unquoted(part: str) -> str:
    return str(json.loads(part)) if part.startswith('"') else part


@given(configs)
def test_a_flat_key_is_the_path_to_its_value(config: dict[str, Any]) -> None:
    found = [(tuple(map(unquoted, parts(key))), value) for key, value in flatten(config).items()]

    assert found == leaves(config)


def test_the_last_part_is_without_quotes() -> None:
    assert (last("a.b"), last('a."x.seed"'), last("seed")) == ("b", "x.seed", "seed")


def test_tensorboard_is_shown_both_of_two_keys_that_look_alike() -> None:
    assert dict(flattened({"a.b": 1, "a": {"b": 2}, "c": {}})) == {'"a.b"': 1.0, "a.b": 2.0, "c": "{}"}
