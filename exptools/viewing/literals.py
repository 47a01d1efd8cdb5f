"""Values as somebody types them, such as 1e-3, true, 'text' or [1, 2], and back. Pure functions."""

from __future__ import annotations

import json
import math
import re
from typing import Any

from exptools.errors import ViewError

_CONSTANTS = {"null": None, "true": True, "false": False}
_NUMBER = re.compile(r"[+-]?(?:\d[\d_]*(?:\.[\d_]*)?|\.\d[\d_]*)(?:[eE][+-]?\d+)?")
_NOT_FINITE = re.compile(r"[+-]?(?:inf|nan)")
_QUOTED = re.compile(r"'(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\"", re.DOTALL)


def value_of(text: str) -> Any:
    """What `text` means, as in YAML and on Hydra's command line.

    A number (1, 1e-3, inf, nan), true, false or null (in any case), a list [1, a, 'b c'], {} for an empty
    mapping, and everything else a text. A text in quotes is a text whatever it looks like; a backslash keeps
    the character after it.

    Raises:
        ViewError: a quote or a bracket is not closed.
    """
    text = text.strip()
    if text[:1] in ("'", '"'):
        if not _QUOTED.fullmatch(text):
            raise ViewError(f"{text}: the quote is not closed; close it, or write \\{text[0]}")
        return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)
    if text.startswith("["):
        if not text.endswith("]"):
            raise ViewError(f"{text}: the bracket is not closed; write a list as [1, 2]")
        return [value_of(item) for item in split(text[1:-1])] if text[1:-1].strip() else []
    return {} if text == "{}" else _plain(text)


def _plain(text: str) -> Any:
    if text.lower() in _CONSTANTS:
        return _CONSTANTS[text.lower()]
    if _NOT_FINITE.fullmatch(text.lower()):
        return float(text)
    if _NUMBER.fullmatch(text):
        try:
            return int(text)
        except ValueError:
            pass
        try:
            return float(text)
        except ValueError:  # an underscore too many
            return text
    return text


def split(text: str) -> list[str]:
    """`text` at its commas, those inside quotes and brackets left alone."""
    items, depth, start, at = [], 0, 0, 0
    while at < len(text):
        begins = text[start:at].rstrip(" ")[-1:] in ("", "[", ",")  # a quote inside a word is an apostrophe
        quoted = _QUOTED.match(text, at) if begins else None
        if quoted:
            at = quoted.end()
            continue
        depth += {"[": 1, "]": -1}.get(text[at], 0)
        if text[at] == "," and depth <= 0:
            items.append(text[start:at])
            start = at + 1
        at += 1
    return [*items, text[start:]]


def literal(value: Any) -> str:
    """How `value` is typed, so that value_of gives it back; what cannot be typed is shown as JSON."""
    if isinstance(value, str):
        is_bare = value and value == value.strip() and _is_itself(value)
        return value if is_bare else "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"
    if isinstance(value, bool) or value is None:
        return json.dumps(value)
    if isinstance(value, float):
        return str(value) if math.isfinite(value) else str(value).lower()
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(literal, value))}]"
    return json.dumps(value, default=str, ensure_ascii=False)


def _is_itself(text: str) -> bool:
    return not set(text) & set("[]{},'\"\\") and _plain(text) == text
