"""Hyperparameters of a run: TensorBoard's HParams."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from exptools.configs import plain
from exptools.errors import LoggingError
from exptools.flat import flatten
from exptools.formats import summaries

TAG = "_hparams_"


@dataclass(frozen=True)
class HParams:
    """Hyperparameters by their names, nested ones joined by dots; at is seconds since the epoch.

    Two messages that TensorBoard knows are not written. It would take the `experiment` of one run for all,
    and hide what the others have besides; without it, it collects the hyperparameters and scalars of all
    runs. And a `session_end_info` says how the run ended, which nobody knows here; status.json does.
    """

    values: Mapping[str, bool | float | str]
    at: float
    kind: ClassVar[str] = "hparams"

    @classmethod
    def of(cls, hparams: Any, at: float) -> HParams:
        """Of what a user gave. Raises ExptoolsError: it is no mapping; LoggingError: it is empty."""
        values = dict(flattened(plain(hparams, "hparams")))
        if not values:
            raise LoggingError(f"hparams must hold at least one value, not {hparams!r}")
        return cls(values, at)

    @property
    def nbytes(self) -> int:
        """Bytes in memory, about."""
        return 100 * len(self.values)

    def summaries(self, tag: str) -> list[bytes]:
        """That the run began with these values."""
        return [summaries.session_start(self.values, self.at)]

    def files(self) -> dict[str, bytes]:
        """None: the index has all of it."""
        return {}

    def facts(self) -> dict[str, Any]:
        """The values."""
        return {"hparams": {name: _as_json(value) for name, value in self.values.items()}}


def _as_json(value: bool | float | str) -> bool | float | str:
    return repr(value) if isinstance(value, float) and not math.isfinite(value) else value


def flattened(values: Mapping[str, Any]) -> Iterator[tuple[str, bool | float | str]]:
    """Dotted names, and values that TensorBoard knows: lists, huge integers: JSON; None: `None`."""
    for name, value in flatten(values).items():
        if isinstance(value, bool | str):
            yield name, value
        elif isinstance(value, float) or (isinstance(value, int) and abs(value) <= 2**53):
            yield name, float(value)
        else:
            yield name, "None" if value is None else json.dumps(value)
