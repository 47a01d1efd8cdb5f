"""What stands in front of tags and texts, and the step inside a block: for this thread or task alone."""

from __future__ import annotations

import contextlib
import contextvars
import reprlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from types import MappingProxyType

from exptools.errors import LoggingError

KINDS = (
    "text",
    "scalar",
    "histogram",
    "image",
    "gif",
    "audio",
    "figure",
    "mesh",
    "embedding",
    "pr_curve",
    "table",
)


@dataclass(frozen=True, slots=True)
class Here:
    """What holds at one place of the program: immutable, so that a block can put back what was before it.

    scalar: the prefix of scalars, joined: it is asked for a million times. step: None outside of `step()`.
    """

    stacks: MappingProxyType[str, tuple[str, ...]] = field(default_factory=lambda: MappingProxyType({}))
    scalar: str = ""
    step: int | None = None

    def prefix(self, kind: str) -> str:
        """All prefixes of a kind, the outer one first."""
        return "".join(self.stacks.get(kind, ()))

    def pushed(self, prefix: str, kinds: tuple[str, ...]) -> Here:
        """With `prefix` behind the others of these kinds.

        Raises:
            LoggingError: it is no text.
        """
        if not isinstance(prefix, str):
            raise LoggingError(f"a prefix must be a text, not {reprlib.repr(prefix)}")
        return self._with({kind: (*self.stacks.get(kind, ()), prefix) for kind in kinds})

    def popped(self, kinds: tuple[str, ...]) -> Here:
        """Without the innermost prefix of these kinds.

        Raises:
            LoggingError: one of them has none.
        """
        bare = [kind for kind in kinds if not self.stacks.get(kind)]
        if bare:
            raise LoggingError(
                f"there is no prefix of {', '.join(bare)} to take back: one pop for each push, in the same "
                "thread or task"
            )
        return self._with({kind: self.stacks[kind][:-1] for kind in kinds})

    def at(self, step: int) -> Here:
        """With this step, which is used where none is given."""
        return replace(self, step=step)

    def _with(self, changed: dict[str, tuple[str, ...]]) -> Here:
        stacks = MappingProxyType({**self.stacks, **changed})
        return replace(self, stacks=stacks, scalar="".join(stacks.get("scalar", ())))


_NOWHERE = Here()


class Place:
    """Where this thread or asyncio task is: prefixes and step, not shared with any other."""

    def __init__(self) -> None:
        self._here: contextvars.ContextVar[Here] = contextvars.ContextVar("exptools_here", default=_NOWHERE)
        self.get = self._here.get

    def push(self, prefix: str, kinds: tuple[str, ...]) -> None:
        """Put `prefix` behind the others until it is popped."""
        self._here.set(self.get().pushed(prefix, kinds))

    def pop(self, kinds: tuple[str, ...]) -> None:
        """Take the innermost prefix back."""
        self._here.set(self.get().popped(kinds))

    @contextlib.contextmanager
    def within(self, here: Here) -> Iterator[None]:
        """Be at `here` inside the block."""
        token = self._here.set(here)
        try:
            yield
        finally:
            with contextlib.suppress(ValueError):  # an abandoned async generator is closed in another context
                self._here.reset(token)
