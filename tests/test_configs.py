"""A config of whatever kind as plain data."""

from __future__ import annotations

import argparse
import dataclasses
import enum
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from exptools.configs import plain
from exptools.errors import ExptoolsError


class Colour(enum.Enum):
    RED = 1


@dataclasses.dataclass
class Model:
    width: int = 3
    colour: Colour = Colour.RED


def test_every_kind_of_config_becomes_plain_data() -> None:
    given = {
        "omegaconf": OmegaConf.create({"w": [1, 2], "n": "${.w}", "todo": "???"}),
        "dataclass": Model(),
        "namespace": argparse.Namespace(lr=0.1),
        "array": np.arange(3),
        "float32": np.float32(0.5),
        "float64": np.float64(0.1),
        "set": {"b", "a"},
        "path": Path("data"),
        "function": math.sqrt,
        "type": Model,
        "nested": {1: (True, None)},
    }

    assert plain(given, "log_params") == {
        "omegaconf": {"w": [1, 2], "n": [1, 2], "todo": "???"},
        "dataclass": {"width": 3, "colour": "RED"},
        "namespace": {"lr": 0.1},
        "array": [0, 1, 2],
        "float32": 0.5,
        "float64": 0.1,
        "set": ["a", "b"],
        "path": "data",
        "function": "math.sqrt",
        "type": f"{__name__}.Model",
        "nested": {"1": [True, None]},
    }


def test_what_is_no_config_is_named() -> None:
    with pytest.raises(
        ExptoolsError,
        match=r"log_params must be a mapping, .* or an OmegaConf config, not \[1\]",
    ):
        plain([1], "log_params")


def test_a_config_that_contains_itself_is_refused() -> None:
    config: dict[str, Any] = {}
    config["me"] = config

    with pytest.raises(ExptoolsError, match=r"log_params\['me'\] contains itself"):
        plain(config, "log_params")
