"""Nested configs as one level of dotted keys: one way for all who compare or show them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any

_PART = re.compile(r'(?:\A|(?<=\.))("(?:[^"\\]|\\.)*"|[^.]*)(?:\.|\Z)')


def flatten(config: Mapping[Any, Any]) -> dict[str, Any]:
    """`config` with dotted keys; lists stay values, and so does an empty mapping.

    A key that itself holds a dot is quoted, as in TOML, so that no two keys fall together; see parts.
    """
    flat: dict[str, Any] = {}
    for key, value in config.items():
        name = json.dumps(key) if "." in str(key) or str(key).startswith('"') else str(key)
        if isinstance(value, Mapping) and value:
            flat |= {f"{name}.{k}": v for k, v in flatten(value).items()}
        else:
            flat[name] = value
    return flat


def parts(key: str) -> list[str]:
    """The parts of a key of flatten, quoted where they were: `a."x.y"` is `a` and `"x.y"`."""
    return [match.group(1) for match in _PART.finditer(key)]


def last(key: str) -> str:
    """The last part of a key of flatten, without quotes."""
    return parts(key)[-1].strip('"')
