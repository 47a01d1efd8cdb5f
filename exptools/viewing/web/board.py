"""What the server knows: the runs as they are now, and the lines of cards that were asked for before."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from exptools.viewing import compare, media
from exptools.viewing.runs import natural
from exptools.viewing.web import lines, rows
from exptools.viewing.web.lines import Card
from exptools.viewing.web.live import Live, Look
from exptools.viewing.web.view import MOST_TAGS, View

if TYPE_CHECKING:
    from exptools.viewing.api import Run, Runs
    from exptools.viewing.summary import Table

HELD = 300 * 2**20  # bytes of curves in memory, as they were read
CARDS = 250 * 2**20  # bytes of lines, as they are drawn


class Board:
    """The runs for all requests. Safe in several threads."""

    def __init__(self, load: Callable[[], Runs]) -> None:
        """load: looks at the runs; it is called again and again.

        Raises:
            ViewError: there are none.
        """
        self._live = Live(load)
        self._cards: OrderedDict[Hashable, Card] = OrderedDict()
        self._lock = threading.Lock()
        self._making: dict[Hashable, threading.Lock] = {}
        self._chosen: tuple[Hashable, Runs] | None = None
        self._labels: tuple[Hashable, dict[str, tuple[str, ...]]] = (None, {})
        self._sparks: tuple[Hashable, dict[str, list[float | None]]] = (None, {})
        self._media: dict[Path, media.Found] = {}
        self._looking = threading.Lock()
        self._tags: tuple[int, list[str]] = (0, [])

    def look(self) -> Look:
        """The runs as they are now."""
        return self._live.now()

    def runs(self, view: View) -> Runs:
        """Those that the view is of: those that its conditions choose, of them those that are selected.

        Raises:
            ViewError: what is no condition.
        """
        look = self._live.now()
        key = look.version, view.where, view.runs
        with self._lock:
            if self._chosen is not None and self._chosen[0] == key:
                return self._chosen[1]
        runs = look.runs.select(view.where) if view.where else look.runs
        if view.runs:
            names = set(view.runs)
            runs = runs.only(names)
        with self._lock:
            self._chosen = key, runs
        return runs

    def table(self, view: View) -> Table:
        """The table of all runs that the conditions choose."""
        return self.runs(replace(view, runs=())).summary()

    def tags(self) -> list[str]:
        """All scalars of all runs."""
        look = self._live.now()
        version, found = self._tags
        if version != look.version:
            look.runs.summary()
            found = sorted(look.runs.tags, key=natural)
            self._tags = look.version, found
        return found

    def shown(self, view: View) -> list[str]:
        """The tags that have a card: pinned ones first, then as the view names them."""
        every = self.tags()
        if view.tags is None:
            return list(dict.fromkeys([*(tag for tag in view.pins if tag in every), *every[:MOST_TAGS]]))
        found = [tag for name in view.tags for tag in _named(name, every)]
        return list(dict.fromkeys([*(tag for tag in view.pins if tag in every), *found]))

    def labels(self, view: View) -> dict[str, tuple[str, ...]]:
        """The series, each with its runs; of all runs, so that colours stay when some are selected."""
        key = self._live.now().frames, view.where, view.by, view.split
        known, found = self._labels
        if known != key:
            found = lines.labels(self.runs(replace(view, runs=())), view)
            self._labels = key, found
        return found

    def media(self, run: Run) -> media.Found:
        """What a run logged besides numbers."""
        with self._looking:
            found = self._media[run.path] = media.read(run, self._media.get(run.path))
        return found

    def sparks(self, view: View, tag: str) -> dict[str, list[float | None]]:
        """Small curves of a tag, of all runs that the conditions choose."""
        key = self._live.now().frames, view.where, tag
        known, found = self._sparks
        if known != key:
            found = rows.sparks(self.runs(replace(view, runs=())), tag)
            self._sparks = key, found
        return found

    def card(self, view: View, tag: str) -> Card:
        """The lines of a tag.

        Raises:
            ViewError: a key or an x that there is not; no run has a value of the tag.
        """
        key = self.card_key(view, tag)
        with self._lock:
            if key in self._cards:
                self._cards.move_to_end(key)
                return self._cards[key]
            making = self._making.setdefault(key, threading.Lock())
        with making:  # several zooms into one card wait for it; they do not make it again
            with self._lock:
                if key in self._cards:
                    return self._cards[key]
            try:
                made = lines.card(self.runs(view), view, tag, lines.by_run(self.labels(view)))
                self._keep(key, made)
            finally:  # behind _keep: who comes in between finds the card or waits for it
                with self._lock:
                    self._making.pop(key, None)
            return made

    def card_key(self, view: View, tag: str) -> Hashable:
        """Another one whenever the lines of a card are others."""
        of_lines = (view.lines, view.band, view.by, view.split, view.x, view.smooth, view.runs, view.where)
        of_notes = (view.xscale, view.yscale)
        return tag, self._live.now().frames, of_lines, of_notes

    def _keep(self, key: Hashable, card: Card) -> None:
        with self._lock:
            self._cards[key] = card
            while len(self._cards) > 1 and sum(card.nbytes for card in self._cards.values()) > CARDS:
                self._cards.popitem(last=False)


def _named(name: str, every: Sequence[str]) -> list[str]:
    """The tag of this name, whatever characters it has; if there is none those that it matches as a glob."""
    return [name] if name in every else [tag for tag in every if compare.matches(tag, [name])]
