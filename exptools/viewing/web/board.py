"""What the server knows: the runs as they are now, and the lines of cards that were asked for before."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Hashable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from exptools.errors import ExptoolsError
from exptools.viewing import compare, media
from exptools.viewing.runs import natural
from exptools.viewing.web import lines, rows
from exptools.viewing.web.lines import Card
from exptools.viewing.web.live import Live, Look
from exptools.viewing.web.once import Once
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
        self._runs: Once[Runs] = Once(4)
        self._tables: Once[Table] = Once(2)
        self._tags: Once[list[str]] = Once(1)
        self._labels: Once[dict[str, tuple[str, ...]]] = Once(4)
        self._keys: Once[list[str]] = Once(4)
        self._sparks: Once[dict[str, list[float | None]]] = Once(2)
        self._cards: Once[Card] = Once(CARDS, lambda card: card.nbytes)
        self._media: dict[Path, media.Found] = {}
        self._looking = threading.Lock()

    def look(self) -> Look:
        """The runs as they are now."""
        return self._live.now()

    def runs(self, view: View) -> Runs:
        """Those that the view is of: those that its conditions choose, of them those that are selected.

        Raises:
            ViewError: what is no condition.
        """
        return self._chosen(self._live.now(), view)

    def _chosen(self, look: Look, view: View) -> Runs:
        def choose() -> Runs:
            runs = look.runs.select(view.where) if view.where else look.runs
            return runs.only(frozenset(view.runs)) if view.runs else runs

        return self._runs.get((look.version, view.where, view.runs), choose)

    def _among(self, view: View) -> Runs:
        """All runs that the conditions choose, selected or not."""
        return self.runs(replace(view, runs=()))

    def table(self, view: View) -> Table:
        """The table of all runs that the conditions choose."""
        return self._table(self._live.now(), view)

    def _table(self, look: Look, view: View) -> Table:
        runs = self._chosen(look, replace(view, runs=()))
        return self._tables.get((look.version, view.where), runs.summary)

    def tags(self) -> list[str]:
        """All scalars of all runs."""
        look = self._live.now()

        def find() -> list[str]:
            self._table(look, View())  # meets them
            return sorted(look.runs.tags, key=natural)

        return self._tags.get(look.version, find)

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
        return self._labels.get(key, lambda: lines.labels(self._among(view), view))

    def label_keys(self, view: View) -> list[str]:
        """What the parts of the labels are."""
        key = self._live.now().frames, view.where, view.by, view.split
        return self._keys.get(key, lambda: lines.label_keys(self._among(view), view))

    def media(self, run: Run) -> media.Found:
        """What a run logged besides numbers."""
        with self._looking:
            found = self._media[run.path] = media.read(run, self._media.get(run.path))
        return found

    def sparks(self, view: View, tag: str) -> dict[str, list[float | None]]:
        """Small curves of a tag, of all runs that the conditions choose."""
        key = self._live.now().frames, view.where, tag
        return self._sparks.get(key, lambda: rows.sparks(self._among(view), tag))

    def card(self, view: View, tag: str) -> Card:
        """The lines of a tag.

        Raises:
            ViewError: a key or an x that there is not; no run has a value of the tag.
        """

        def make() -> Card:
            return lines.card(self.runs(view), view, tag, lines.by_run(self.labels(view)))

        return self._cards.get(self.card_key(view, tag), make)

    def warm(self) -> None:
        """Begin with what every page needs, while nobody has opened it yet."""

        def make() -> None:
            self.tags()
            self._live.now().runs.meet_caches()

        threading.Thread(target=make, name="exptools-prepare", daemon=True).start()

    def prepare(self, view: View, tags: Sequence[str]) -> None:
        """Begin with the first of the cards that a page is going to have: its curves are read while the
        browser still makes it.
        """

        def make() -> None:
            with contextlib.suppress(ExptoolsError):  # who asks for the card is told
                self.card(view, tags[0])

        if tags:
            threading.Thread(target=make, name="exptools-prepare", daemon=True).start()

    def card_key(self, view: View, tag: str) -> Hashable:
        """Another one whenever the lines of a card are others."""
        of_lines = (view.lines, view.band, view.by, view.split, view.x, view.smooth, view.runs, view.where)
        of_notes = (view.xscale, view.yscale)
        return tag, self._live.now().frames, of_lines, of_notes


def _named(name: str, every: Sequence[str]) -> list[str]:
    """The tag of this name, whatever characters it has; if there is none those that it matches as a glob."""
    return [name] if name in every else [tag for tag in every if compare.matches(tag, [name])]
