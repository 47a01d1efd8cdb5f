"""Levels of settings, crossed; configs that are changed, kept and read again."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from exptools.collections import AttrDict
from exptools.errors import LaunchError
from exptools.launching.variant import (
    VariantLevel,
    load_variant,
    make_variants,
    save_variant,
    update_config,
)

MODELS = VariantLevel(
    [("model", "name"), ("model", "width")], [["small", 8], ["large", 64]], ["small", "large"]
)
RATES = VariantLevel([("lr",)], [[0.1], [0.01]], ["lr0.1", "lr0.01"])


def test_levels_are_crossed_and_the_last_varies_fastest() -> None:
    variants, log_dirs = make_variants(MODELS, RATES)

    assert variants == [
        {"model": {"name": name, "width": width}, "lr": lr}
        for name, width in (("small", 8), ("large", 64))
        for lr in (0.1, 0.01)
    ]
    assert log_dirs == ["small/lr0.1", "small/lr0.01", "large/lr0.1", "large/lr0.01"]
    assert variants[0].model.width == 8


def test_without_subdirectories_the_names_are_one() -> None:
    assert make_variants(MODELS, RATES, create_subdirs=False)[1][0] == "small_lr0.1"


def test_variants_share_nothing() -> None:
    variants, _ = make_variants(VariantLevel([("a", "b")], [[1]], ["x"]), RATES)
    variants[0].a.b = 2

    assert variants[1].a.b == 1


def test_no_level_is_one_variant_that_changes_nothing() -> None:
    assert make_variants() == ([{}], [""])


@pytest.mark.parametrize(
    ("level", "text"),
    [
        (
            ([("a",)], [[1], [2]], ["x"]),
            "level 1 has 2 rows of values and 1 dir_names; give one name for each row",
        ),
        (([("a",), ("b",)], [[1]], ["x"]), "level 1 has 2 keys, but a row of 1 values: [1]"),
        ((["a"], [[1]], ["x"]), "level 1 has the key 'a'; a key is a path such as ('optimizer', 'lr')"),
        (
            ([("a",)], [[1], [2]], ["x", "x"]),
            "2 variants would have the directory 'x'; make their dir_names differ",
        ),
    ],
)
def test_what_does_not_match_is_named(level: Any, text: str) -> None:
    with pytest.raises(LaunchError) as error:
        make_variants(VariantLevel(*level))

    assert str(error.value) == text


def test_a_config_is_changed_at_any_depth_and_the_default_stays() -> None:
    default = {"model": {"name": "small", "width": 8}, "lr": 0.1, "layers": [1, 2]}

    new = update_config(default, {"model": {"width": 64}, "layers": [3]})

    assert new == {"model": {"name": "small", "width": 64}, "lr": 0.1, "layers": [3]}
    assert isinstance(new.model, AttrDict)
    assert default == {"model": {"name": "small", "width": 8}, "lr": 0.1, "layers": [1, 2]}


@pytest.mark.parametrize(
    ("variant", "kind", "text"),
    [
        (
            {"lrr": 1},
            KeyError,
            "the variant sets 'lrr', which the default config does not have: ['lr', 'model']",
        ),
        ({"lr": {}}, TypeError, "the variant sets 'lr' to a mapping, where the default config has the value"),
        (
            {"model": 3},
            TypeError,
            "the variant sets 'model' to the value 3, where the default config has a mapping",
        ),
    ],
)
def test_what_does_not_fit_the_default_is_refused(variant: Any, kind: type[Exception], text: str) -> None:
    with pytest.raises(kind) as error:
        update_config({"model": {"width": 8}, "lr": 0.1}, variant)

    assert error.value.args[0] == text


def test_a_variant_is_kept_and_read_again(tmp_path: Path) -> None:
    variant = {"model": {"width": 8}, "layers": [{"n": 1}], "lr": 1e-3, "name": None}

    save_variant(variant, tmp_path / "new")
    loaded = load_variant(tmp_path / "new")

    assert loaded == variant
    assert (loaded.model.width, loaded.layers[0].n) == (8, 1)


def test_a_variant_that_is_not_there_is_no_empty_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load_variant(tmp_path)
