"""Curves that stay in memory between two looks, for as long as their files are the same."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Hashable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from exptools.viewing.curves import Curve, Reading, Wanted
from exptools.viewing.runs import Place


@dataclass(frozen=True)
class _OfRun:
    """What was read of a run while its files had this stamp; its curves are kept elsewhere."""

    stamp: Hashable
    reading: Reading
    holds: frozenset[str]  # the tags that were wanted, once


class Held:
    """Curves of runs, up to some bytes; those that nobody asked for for the longest time go first."""

    def __init__(self, budget: int) -> None:
        """budget: in bytes."""
        self._budget, self._used = budget, 0
        self._runs: dict[Path, _OfRun] = {}
        self._curves: OrderedDict[tuple[Path, str], Curve] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, place: Place, stamp: Hashable, wanted: Wanted) -> Reading | None:
        """The reading of a run; None if not all that is wanted is held.

        stamp: what its files are like, taken before they are read; see Runs.stamp.
        """
        with self._lock:
            known = self._runs.get(place.path)
            if stamp is None or known is None or known.stamp != stamp:
                return None
            names = [tag for tag in known.reading.tags if wanted(tag)]
            if not known.holds.issuperset(names):
                return None
            curves = {}
            for tag in names:
                key = place.path, tag
                if key in self._curves:
                    self._curves.move_to_end(key)
                    curves[tag] = self._curves[key]
            return replace(known.reading, curves=curves, superseded=_of(known.reading.superseded, names))

    def put(self, place: Place, stamp: Hashable, wanted: Wanted, reading: Reading) -> None:
        """Hold what was read of a run; nothing if its files could not be asked what they are like."""
        if stamp is None:
            return
        with self._lock:
            known = self._runs.get(place.path)
            is_same = known is not None and known.stamp == stamp
            if not is_same:
                self._forget(place.path)
            before = known if known is not None and is_same else _OfRun(stamp, reading, frozenset())
            whole = replace(
                reading,
                curves={},
                problems=tuple(dict.fromkeys([*before.reading.problems, *reading.problems])),
                superseded={**before.reading.superseded, **reading.superseded},
            )
            names = frozenset(tag for tag in reading.tags if wanted(tag))
            self._runs[place.path] = _OfRun(stamp, whole, before.holds | names)
            for tag, curve in reading.curves.items():
                self._drop(place.path, tag)
                self._curves[place.path, tag] = curve
                self._used += _bytes(curve)
            self._make_room()

    def _make_room(self) -> None:
        while self._used > self._budget and self._curves:
            path, tag = next(iter(self._curves))
            self._drop(path, tag)
            known = self._runs[path]
            self._runs[path] = replace(known, holds=known.holds - {tag})

    def _forget(self, path: Path) -> None:
        known = self._runs.pop(path, None)
        for tag in known.holds if known is not None else ():
            self._drop(path, tag)

    def _drop(self, path: Path, tag: str) -> None:
        curve = self._curves.pop((path, tag), None)
        if curve is not None:
            self._used -= _bytes(curve)


def _of(superseded: Mapping[str, int], names: list[str]) -> dict[str, int]:
    return {tag: superseded[tag] for tag in names if tag in superseded}


def _bytes(curve: Curve) -> int:
    return curve.step.nbytes + curve.wall_time.nbytes + curve.value.nbytes
