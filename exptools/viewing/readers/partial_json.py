"""JSON that ends too early or is damaged: what is there of it."""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(r'\s+|"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_CLOSING = {"{": "}", "[": "]"}


def parsed(data: bytes) -> tuple[Any, int | None]:
    """What `data` says, and where it stops being JSON; None if all of it is.

    The values before that are kept, as far as they are whole; None where there is nothing to keep.
    """
    stop: int | None = None
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        stop, text = error.start, data[: error.start].decode()
    try:
        return json.loads(text), stop
    except json.JSONDecodeError as error:
        text = text[: error.pos]
    except RecursionError:
        return None, 0
    text, open_ = _whole_part(text)
    try:
        return json.loads(text + "".join(_CLOSING[bracket] for bracket in reversed(open_))), len(
            text.encode()
        )
    except (ValueError, RecursionError):
        return None, 0


def _whole_part(text: str) -> tuple[str, list[str]]:
    """The beginning of `text` up to its last whole value, and which brackets are open there.

    text: JSON, as far as it goes.
    """
    open_: list[str] = []
    then_open: list[str] = []
    whole, previous = 0, ""
    for match in _TOKEN.finditer(text):
        token, at = match.group(), match.end()
        if token.isspace():
            continue
        if token in _CLOSING:
            open_.append(token)
        elif token in ("}", "]"):
            open_.pop()
        elif token in (",", ":") or (open_[-1:] == ["{"] and previous != ":"):  # a key
            previous = token
            continue
        previous = token
        if at < len(text) or token in "{}[]" or token.startswith('"'):  # a number at the end may lack digits
            whole, then_open = at, open_.copy()
    return text[:whole], then_open
