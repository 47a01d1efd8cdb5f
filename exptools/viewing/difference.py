"""Two runs side by side: in what their configs, their code and machine, and their last values differ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from exptools.viewing import compare
from exptools.viewing.columns import FINAL, Summary
from exptools.viewing.compare import MISSING, UNKNOWN

# Of an attempt in provenance.json: what it ended like and its config stand elsewhere.
_ELSEWHERE = frozenset(
    {
        *("attempt", "start", "end", "state", "exit_code", "error"),
        *("config", "config_of_attempt", "seeds", "code_seen"),
    }
)


@dataclass(frozen=True)
class Difference:
    """part: run, config, provenance or scalar. one, other: MISSING or UNKNOWN where there is nothing."""

    part: str
    name: str
    one: Any
    other: Any

    @property
    def is_of_numbers(self) -> bool:
        """Whether both are numbers."""
        return self.part == "scalar" and isinstance(self.one, float) and isinstance(self.other, float)

    @property
    def change(self) -> float | None:
        """The other minus the one, of scalars."""
        return self.other - self.one if self.is_of_numbers else None

    @property
    def ratio(self) -> float | None:
        """The other over the one, of scalars that are not zero."""
        return self.other / self.one if self.is_of_numbers and self.one else None


@dataclass(frozen=True)
class Differences:
    """one, other: the names of the runs."""

    one: str
    other: str
    rows: tuple[Difference, ...]


def differences(
    one: Summary, other: Summary, attempts: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Differences:
    """In what two runs differ. attempts: the last entry in provenance.json of each, or nothing."""
    return Differences(one.run, other.run, tuple(_all(one, other, attempts)))


def _all(
    one: Summary, other: Summary, attempts: tuple[Mapping[str, Any], Mapping[str, Any]]
) -> Iterator[Difference]:
    yield from _rows("run", _of_run(one), _of_run(other), UNKNOWN)
    if one.config is None or other.config is None:
        whole = [UNKNOWN if run.config is None else "(known)" for run in (one, other)]
        yield from _rows("config", {"config": whole[0]}, {"config": whole[1]}, UNKNOWN)
    else:
        yield from _rows("config", one.config, other.config, MISSING)
    if bool(attempts[0]) != bool(attempts[1]):
        yield Difference("provenance", "recorded", *(bool(entry) for entry in attempts))
    else:
        yield from _rows("provenance", of_attempt(attempts[0]), of_attempt(attempts[1]), MISSING)
    yield from _rows("scalar", _finals(one), _finals(other), MISSING)


def _rows(part: str, one: Mapping[str, Any], other: Mapping[str, Any], absent: Any) -> Iterator[Difference]:
    for key in compare.differing([one, other]):
        yield Difference(part, key, one.get(key, absent), other.get(key, absent))


def _of_run(run: Summary) -> dict[str, Any]:
    found = {"state": run.state, "duration_s": run.duration_s, "error": run.error}
    return {key: value for key, value in found.items() if value is not None}


def of_attempt(entry: Mapping[str, Any]) -> dict[str, Any]:
    """What provenance.json says of an attempt, flat."""
    return compare.flatten({key: value for key, value in entry.items() if key not in _ELSEWHERE})


def repeats(name: str) -> bool:
    """Whether this fact of an attempt says again what the config or the slot is."""
    return name in ("overrides", "argv") or name.startswith("environment.EXPTOOLS_")


def _finals(run: Summary) -> dict[str, float]:
    return {tag: value for (statistic, tag), value in run.measured.items() if statistic == FINAL}
