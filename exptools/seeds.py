"""Which keys of a config are random seeds: launching runs them last, viewing averages over them."""

from __future__ import annotations

import re


def is_seed_name(name: str) -> bool:
    """Whether the last part of a key names a random seed: `seed`, `*_seed`, `random_state`, in any case."""
    return re.fullmatch(r"(.*[._-])?(seed|random_state)", name.lower()) is not None
