"""Which snapshots are taken, and which of them stay: pure."""

from __future__ import annotations

import dataclasses
import math
import reprlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from exptools.errors import LoggingError

if TYPE_CHECKING:
    from exptools.logging.snapshots.manifest import Entry

MODES = ("none", "last", "all", "gap", "last+gap", "best")
GOALS = ("max", "min")


@dataclasses.dataclass(frozen=True)
class Policy:
    """Which snapshots are taken and which stay.

    Whatever the mode, the newest `keep` stay, and an old one goes only when a newer one is on the disk.

    mode: none: no snapshot is taken, not even by force. last: one of every step that is offered; the newest
        `keep` stay. all: all of them stay. gap: those of the gap are taken, and stay. last+gap: one of every
        step; those of the gap stay too. best: one of every step; the `k` best by a metric stay too.
    gap: in steps: it is step 0, those where step + 1 is a multiple of `gap`, and if steps are not consecutive
        the first one after such a multiple.
    keep: at least 2.
    every_s: at most one snapshot in so many seconds, whatever the mode; None: no limit.
    k, metric, goal: for best: how many, the tag of the metric, and which of its values are good: max or min.
    on_exception: when an exception ends the training, what was offered last is saved, as it is then: it may
        be half changed.

    Raises:
        LoggingError: a value is not one of these.
    """

    mode: str = "last"
    gap: int = 1
    keep: int = 2
    every_s: float | None = None
    k: int = 3
    metric: str | None = None
    goal: str | None = None
    on_exception: bool = False

    def __post_init__(self) -> None:
        wrong = list(_wrong(self))
        if wrong:
            raise LoggingError(f"snapshots: {'; '.join(wrong)}")

    @classmethod
    def of(cls, given: Policy | Mapping[str, Any] | str | int | None) -> Policy:
        """The policy that a config means: a mode, a whole number (a gap), a mapping of fields (mode may be
        such a number, too), None (none).

        Raises:
            LoggingError: it means none.
        """
        if isinstance(given, Policy):
            return given
        if given is None:
            return cls("none")
        if isinstance(given, int) and not isinstance(given, bool):
            return cls("gap", gap=given)
        if isinstance(given, str):
            return cls(given)
        if not isinstance(given, Mapping):
            raise LoggingError(
                f"snapshots: {reprlib.repr(given)} is no policy; give a mode ({', '.join(MODES)}), a whole "
                f"number N for a gap of N, or a mapping of {_FIELDS}"
            )
        unknown = [repr(key) for key in given if key not in _NAMES]
        if unknown:
            known = f"{_FIELDS}; and, where the logger is opened, format and rng"
            raise LoggingError(f"snapshots: {', '.join(unknown)} is not known; there are {known}")
        mode = given.get("mode")
        is_gap = isinstance(mode, int) and not isinstance(mode, bool)
        return cls(**{**given, "mode": "gap", "gap": mode} if is_gap else given)

    def wants(self, step: int, now: float, taken: Sequence[Entry]) -> bool:
        """Whether a snapshot of `step` is to be taken at `now` (s since the epoch).

        taken: those that are there, in the order of their commits.
        """
        if self.mode == "none":
            return False
        # A clock that was set back is no reason to wait for it.
        if self.every_s is not None and taken and 0 <= now - taken[-1].time < self.every_s:
            return False
        return self.mode != "gap" or self.is_milestone(step, taken)

    def is_milestone(self, step: int, taken: Sequence[Entry]) -> bool:
        """Whether the snapshot of `step` is to stay for good; `taken` as in `wants`."""
        if self.mode not in ("gap", "last+gap"):
            return self.mode == "all"
        stretch, past = divmod(step + 1, self.gap)
        if step == 0 or past == 0:
            return True
        # Steps that are not consecutive may jump over the one that is due: then it is the first one after.
        return stretch != 0 and not any(
            e.milestone and e.step < step and (e.step + 1) // self.gap == stretch for e in reversed(taken)
        )

    def surplus(self, taken: Sequence[Entry]) -> list[Entry]:
        """Those that may go, now that the last of `taken` has been committed; `taken` as in `wants`."""
        newest_of_step = {e.step: e for e in taken}
        current = [e for e in taken if newest_of_step[e.step] is e]
        stay = [*current[-self.keep :], *(e for e in current if e.milestone or self._is_foreign(e))]
        if self.mode == "best":
            stay += self.ranked(current)[: self.k]
        names = {e.name for e in stay}
        return [e for e in taken if e.name not in names]

    def ranked(self, taken: Sequence[Entry]) -> list[Entry]:
        """Those that have a value of the metric, the best first, of equal ones the earlier."""
        sign = -1 if self.goal == "max" else 1
        valued = [e for e in taken if e.metric == self.metric and e.value is not None]
        return sorted(valued, key=lambda e: (sign * (e.value or 0.0), e.number))

    def _is_foreign(self, entry: Entry) -> bool:
        """Whether it was kept for another metric, under a policy before this one: not ours to throw away."""
        return entry.metric is not None and (self.mode != "best" or entry.metric != self.metric)


_NAMES = tuple(field.name for field in dataclasses.fields(Policy))
_FIELDS = ", ".join(_NAMES)


def _wrong(policy: Policy) -> list[str]:
    found = []
    if policy.mode not in MODES:
        known = f"{', '.join(MODES)}, or a whole number N for a gap of N"
        found.append(f"mode {reprlib.repr(policy.mode)} is not known; there are {known}")
    for name, least, why in (
        ("gap", 1, ""),
        ("keep", 2, ": if the newest cannot be read there must be one before it"),
        ("k", 1, ""),
    ):
        value = getattr(policy, name)
        if isinstance(value, bool) or not isinstance(value, int) or value < least:
            found.append(f"{name} must be a whole number from {least} on, not {reprlib.repr(value)}{why}")
    if policy.every_s is not None and not _is_time(policy.every_s):
        found.append(
            f"every_s must be a number of seconds above 0, or null, not {reprlib.repr(policy.every_s)}"
        )
    if policy.metric is not None and (not isinstance(policy.metric, str) or not policy.metric):
        found.append(f"metric must be the tag of a scalar, not {reprlib.repr(policy.metric)}")
    if policy.goal is not None and policy.goal not in GOALS:
        found.append(f"goal must be max or min, not {reprlib.repr(policy.goal)}")
    if not isinstance(policy.on_exception, bool):
        found.append(f"on_exception must be true or false, not {reprlib.repr(policy.on_exception)}")
    if policy.mode == "best" and (policy.metric is None or policy.goal is None):
        found.append("mode best needs metric (the tag of a scalar) and goal (max or min)")
    return found


def _is_time(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 < value < math.inf
