"""Names of variants, for `${exptools.variant_name:}`: short, safe for a directory, unique in their sweep."""

from __future__ import annotations

import collections
import hashlib
import os
import re
from collections.abc import Mapping, Sequence

VARIABLE = "EXPTOOLS_VARIANT_NAME"  # in a job: its own name
_LONGEST = 100  # characters; a file system takes 255 bytes

# Of the jobs of the sweep that this process launches, by their overrides.
_names: dict[tuple[str, ...], str] = {}


def tell(names: Mapping[tuple[str, ...], str]) -> None:
    """Let `${exptools.variant_name:}` know the jobs of a sweep."""
    _names.update(names)


def tell_new(jobs: Sequence[Sequence[str]], varies: Sequence[str]) -> None:
    """The same for the jobs of a sweeper that knows no names: those keys vary, and tell them apart."""
    if any(tuple(job) not in _names for job in jobs):
        tell(make_names({tuple(job): [w for w in job if w.partition("=")[0] in varies] for job in jobs}))


def name_of(overrides: Sequence[str]) -> str:
    """The name of the job with these overrides: in its sweep, or else made of all that they set."""
    known = _names.get(tuple(overrides)) or os.environ.get(VARIABLE)
    return known or _safe("_".join(overrides)) or "default"


def current() -> str:
    """The resolver exptools.variant_name: the name of the job whose config is being resolved."""
    from hydra.core.hydra_config import HydraConfig
    from omegaconf import OmegaConf

    task = HydraConfig.get().overrides.task
    return name_of(OmegaConf.to_container(task, resolve=False))  # type: ignore[arg-type]


def make_names(jobs: Mapping[tuple[str, ...], Sequence[str]]) -> dict[tuple[str, ...], str]:
    """A name for each job. jobs: what tells it from the others, by its overrides.

    Two jobs whose names would be the same, or differ by case alone, get a hash of their overrides too.
    """
    wanted = {overrides: _safe("_".join(words)) or "default" for overrides, words in jobs.items()}
    n = collections.Counter(name.lower() for name in wanted.values())
    return {
        overrides: name if n[name.lower()] == 1 else f"{name}-{_hash('_'.join(overrides))}"
        for overrides, name in wanted.items()
    }


def _safe(text: str) -> str:
    """`text` as the name of a directory; one that had to be cut ends in a hash."""
    name = re.sub(r"[^\w.=,+-]+", "-", text.replace("+", "")).strip("-.")
    cut = name[:_LONGEST]
    return cut if cut == name else f"{cut}-{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:8]
