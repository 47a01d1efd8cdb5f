"""JSON that may end too early: what is there of it."""

from __future__ import annotations

import json
import re
from typing import Any

_TOKEN = re.compile(rb'[\s]+|"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s"{}\[\],:]+', re.DOTALL)
_CLOSING = {b"{": b"}", b"[": b"]"}


def parsed(data: bytes) -> tuple[Any, int | None]:
    """What `data` says, and where it stops being JSON; None if all of it is.

    Of what is cut off the values that are whole are kept. None where there is nothing to keep.
    """
    try:
        return json.loads(data), None
    except (ValueError, RecursionError):
        pass
    whole, open_ = _whole_part(data)
    try:
        return json.loads(data[:whole] + b"".join(_CLOSING[bracket] for bracket in reversed(open_))), whole
    except (ValueError, RecursionError):
        return None, 0


def _whole_part(data: bytes) -> tuple[int, list[bytes]]:
    """The longest beginning of `data` that ends behind a whole value, and which brackets are open there."""
    open_: list[bytes] = []
    then_open: list[bytes] = []
    at, whole, previous = 0, 0, b""
    while match := _TOKEN.match(data, at):
        token, at = match.group(), match.end()
        if token.isspace():
            continue
        if token in (b"{", b"["):
            open_.append(token)
            whole, then_open = at, open_.copy()
        elif token in (b"}", b"]"):
            if not open_ or _CLOSING[open_.pop()] != token:
                break
            whole, then_open = at, open_.copy()
        elif token not in (b",", b":"):
            is_value = bool(open_) and (open_[-1] == b"[" or previous == b":")
            # A number at the end may lack digits.
            if is_value and (at < len(data) or token.startswith(b'"')):
                if not _is_json(token):
                    break
                whole, then_open = at, open_.copy()
        previous = token
    return whole, then_open


def _is_json(token: bytes) -> bool:
    try:
        json.loads(token)
    except ValueError:
        return False
    return True
