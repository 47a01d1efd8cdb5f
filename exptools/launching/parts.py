"""The parts of an affinity code: their letters, their values, and what the absence of one means."""

from __future__ import annotations

from operator import index
from typing import NamedTuple, SupportsIndex


class Part(NamedTuple):
    """One kind of part: its letters, the argument of encode_affinity behind it, the values it may have."""

    letters: str
    argument: str
    least: int
    most: int | None = None

    def complaint(self, value: object) -> str | None:
        """What is wrong with the value, or None."""
        if not isinstance(value, SupportsIndex):
            return f"{self.argument} must be a whole number, not {value!r}"
        value = index(value)
        if self.most is not None and not self.least <= value <= self.most:
            return f"{self.argument} must be {self.least} or {self.most}, not {value}"
        return f"{self.argument} must be at least {self.least}, not {value}" if value < self.least else None


# In the order in which a code is written.
PARTS = (
    Part("cpu", "n_cpu_core", 1),
    Part("gpu", "n_gpu", 0),
    Part("cxg", "contexts_per_gpu", 1),
    Part("gpr", "gpu_per_run", 1),
    Part("cpr", "cpu_per_run", 1),
    Part("cpw", "cpu_per_worker", 1),
    Part("hto", "hyperthread_offset", 0),
    Part("skt", "n_socket", 1),
    Part("res", "cpu_reserved", 0),
    Part("ass", "async_sample", 0, 1),
    Part("sgr", "sample_gpu_per_run", 0),
    Part("oss", "optim_sample_share_gpu", 0, 1),
    Part("alt", "alternating", 0, 1),
    Part("saf", "set_affinity", 0, 1),
)
BY_LETTERS = {part.letters: part for part in PARTS}

# What an absent part means. "hto" is then "cpu", and "cpr" is there exactly when there are no GPUs.
ABSENT = {
    "gpu": 0,
    "cxg": 1,
    "gpr": 1,
    "cpw": 1,
    "skt": 1,
    "res": 0,
    "ass": 0,
    "sgr": 0,
    "oss": 0,
    "alt": 0,
    "saf": 1,
}
