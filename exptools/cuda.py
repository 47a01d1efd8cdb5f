"""How CUDA reads CUDA_VISIBLE_DEVICES."""

from __future__ import annotations

import re
from itertools import takewhile


def visible_ids(text: str) -> tuple[str, ...]:
    """The entries of CUDA_VISIBLE_DEVICES that CUDA follows.

    Entries are of the kind of the first one (index, GPU- or MIG- identifier) and end at the first that is
    not, such as -1; an entry given twice hides all. An index is a number with anything after it, and
    identifiers stay as they are, abbreviated or not.
    """
    entries = [entry_of(entry.strip()) for entry in text.split(",")]
    first_kind = entries[0][0]
    ids = tuple(id_ for kind, id_ in takewhile(lambda e: e[0] and e[0] == first_kind, entries))
    return ids if len(set(ids)) == len(ids) else ()


def entry_of(text: str) -> tuple[str, str]:
    """The kind of an entry ("" if it is invalid) and its name."""
    if text.startswith(("GPU-", "MIG-")):
        return text[:4], text
    index = re.match(r"[+-]?[0-9]+", text)
    if index is None or int(index[0]) < 0:
        return "", text
    return "index", str(int(index[0]))
