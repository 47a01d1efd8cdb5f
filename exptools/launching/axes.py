"""What a sweep sweeps, as axes: keys that change together, and the rows of values that they take. Pure."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import Override, Quote, QuotedString

from exptools.errors import LaunchError
from exptools.seeds import is_seed_name


@dataclass(frozen=True)
class Axis:
    """keys: of the config. rows: for each row the override of each key. names: of each row, if it has one."""

    keys: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    names: tuple[str | None, ...]

    @property
    def is_seed(self) -> bool:
        """Whether its rows are repetitions of one setting."""
        return all(is_seed_name(key.rpartition(".")[2].lstrip("+")) for key in self.keys)


@dataclass(frozen=True)
class Point:
    """One job: its overrides, and what its directory may be called: a name or override for each axis."""

    overrides: tuple[str, ...]
    names: tuple[str, ...]


def of_overrides(overrides: Sequence[Override]) -> list[Axis]:
    """An axis for each override; of several for one key the last counts, as in Hydra.

    Raises:
        LaunchError: an override sweeps over an interval, which is for optimizers.
    """
    axes: dict[str, Axis] = {}
    for override in overrides:
        key = override.get_key_element()
        if not override.is_sweep_override():
            words = [f"{key}={override.get_value_element_as_str()}"]
        elif override.is_discrete_sweep():
            words = [f"{key}={value}" for value in override.sweep_string_iterator()]
        else:
            given = override.input_line
            raise LaunchError(f"{given}: an interval cannot be swept; list its values, or use range()")
        axes[key] = Axis((key,), tuple((word,) for word in words), (None,) * len(words))
    return list(axes.values())


def of_levels(levels: Sequence[Mapping[str, Any]]) -> list[Axis]:
    """An axis for each of hydra.sweeper.levels: `keys`, `values` (rows) and perhaps `dir_names`.

    Raises:
        LaunchError: they do not match; all that is wrong at once.
    """
    wrong = [text for number, level in enumerate(levels) for text in _complaints(number, level)]
    if wrong:
        raise LaunchError("; ".join(wrong))
    return [
        Axis(
            tuple(level["keys"]),
            tuple(
                tuple(f"{key}={as_override(value)}" for key, value in zip(level["keys"], row, strict=True))
                for row in level["values"]
            ),
            tuple(level.get("dir_names") or (None,) * len(level["values"])),
        )
        for level in levels
    ]


def _complaints(number: int, level: Mapping[str, Any]) -> Iterator[str]:
    name = f"hydra.sweeper.levels[{number}]"
    keys, rows, names = level.get("keys") or [], level.get("values") or [], level.get("dir_names")
    if not keys or not rows:
        yield f"{name} needs keys and values"
    for row in rows:
        if not isinstance(row, list) or len(row) != len(keys):
            listed = ", ".join(keys)
            yield f"{name}: the row {row!r} must be a list with a value for each of the keys {listed}"
    if names is not None and len(names) != len(rows):
        yield f"{name} has {len(rows)} rows and {len(names)} dir_names; give one for each"


def crossed(axes: Sequence[Axis]) -> list[Point]:
    """A point for each combination of rows; the last axis varies fastest, those of seeds slowest.

    Raises:
        LaunchError: two axes set one key.
    """
    keys = [key.lstrip("+") for axis in axes for key in axis.keys]
    twice = sorted({key for key in keys if keys.count(key) > 1})
    if twice:
        raise LaunchError(f"{', '.join(twice)} is set by more than one of hydra.sweeper.levels and overrides")
    order = sorted(range(len(axes)), key=lambda i: not axes[i].is_seed)
    points = []
    for choice in itertools.product(*(range(len(axes[i].rows)) for i in order)):
        rows = dict(zip(order, choice, strict=True))
        overrides = [word for i, axis in enumerate(axes) for word in axis.rows[rows[i]]]
        points.append(Point(tuple(overrides), tuple(_names(axes, rows))))
    return points


def _names(axes: Sequence[Axis], rows: Mapping[int, int]) -> Iterator[str]:
    for i, axis in enumerate(axes):
        if len(axis.rows) > 1:  # what all have tells nobody apart
            yield axis.names[rows[i]] or ",".join(axis.rows[rows[i]])


def as_override(value: Any) -> str:
    """A value of a YAML file as it would be written in an override.

    Raises:
        LaunchError: it has a mapping with a key that Hydra's overrides cannot write.
    """
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{_key(k)}:{as_override(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ",".join(map(as_override, value)) + "]"
    if isinstance(value, str):
        return value if _reads_as_itself(value) else QuotedString(value, Quote.single).with_quotes()
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return repr(value)


def _key(key: Any) -> str:
    if not isinstance(key, str) or not _reads_as_itself(key) or "/" in key:
        raise LaunchError(f"a mapping with the key {key!r} cannot be an override; give its values one by one")
    return key


def _reads_as_itself(text: str) -> bool:
    """Whether an unquoted word is this text, not a number, null or a boolean."""
    if not re.fullmatch(r"[A-Za-z_/][\w./+-]*", text, re.ASCII):
        return False
    return text.lower() not in ("null", "true", "false", "nan", "inf")
