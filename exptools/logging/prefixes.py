"""What stands in front of tags and texts, and the step inside a block: for this thread or task alone."""

from __future__ import annotations

import contextlib
import contextvars
import reprlib
from collections.abc import Iterator
from typing import NamedTuple

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


class Frame(NamedTuple):
    """A prefix of some kinds, or a step, that holds until it is taken back.

    key: by which its block finds it again; None: it was pushed.
    """

    prefix: str = ""
    kinds: tuple[str, ...] = ()
    step: int | None = None
    key: object = None


class Here(NamedTuple):
    """What holds at one place of the program: immutable, so that each thread and task has its own.

    scalar: the prefix of scalars, joined: it is asked for a million times. step: None outside of `step()`.
    """

    frames: tuple[Frame, ...] = ()  # the outer one first
    scalar: str = ""
    step: int | None = None

    @classmethod
    def of(cls, frames: tuple[Frame, ...]) -> Here:
        """Where these hold."""
        steps = [frame.step for frame in frames if frame.step is not None]
        return cls(frames, _joined(frames, "scalar"), steps[-1] if steps else None)

    def prefix(self, kind: str) -> str:
        """All prefixes of a kind, the outer one first."""
        return _joined(self.frames, kind)

    def within(self, frame: Frame) -> Here:
        """With `frame` inside the others."""
        prefix, kinds, step, _ = frame
        return Here(
            (*self.frames, frame),
            self.scalar + prefix if "scalar" in kinds else self.scalar,
            self.step if step is None else step,
        )

    def popped(self, kinds: tuple[str, ...]) -> Here:
        """Without the innermost prefix of these kinds.

        Raises:
            LoggingError: one of them has none.
        """
        frames = list(self.frames)
        bare = [kind for kind in kinds if not any(kind in frame.kinds for frame in frames)]
        if bare:
            raise LoggingError(
                f"there is no prefix of {', '.join(bare)} to take back: one pop for each push, in the same "
                "thread or task"
            )
        for kind in kinds:
            n = max(i for i, frame in enumerate(frames) if kind in frame.kinds)
            frames[n] = frames[n]._replace(kinds=tuple(k for k in frames[n].kinds if k != kind))
        return Here.of(tuple(frame for frame in frames if frame.kinds or frame.key is not None))

    def without(self, key: object) -> Here:
        """Without the frame of a block, and what was pushed in it; blocks that were entered later stay."""
        n = next((i for i, frame in enumerate(self.frames) if frame.key is key), None)
        if n is None:
            return self
        later = next((i for i, f in enumerate(self.frames) if i > n and f.key is not None), len(self.frames))
        return Here.of((*self.frames[:n], *self.frames[later:]))


def _joined(frames: tuple[Frame, ...], kind: str) -> str:
    return "".join(frame.prefix for frame in frames if kind in frame.kinds)


def prefixed(prefix: str, kinds: tuple[str, ...]) -> Frame:
    """The frame of a prefix. Raises LoggingError: it is no text."""
    if not isinstance(prefix, str):
        raise LoggingError(f"a prefix must be a text, not {reprlib.repr(prefix)}")
    return Frame(prefix, kinds)


_NOWHERE = Here()


class Place:
    """Where this thread or asyncio task is: prefixes and step, not shared with any other."""

    def __init__(self) -> None:
        self._here: contextvars.ContextVar[Here] = contextvars.ContextVar("exptools_here", default=_NOWHERE)
        self.get = self._here.get

    def push(self, prefix: str, kinds: tuple[str, ...]) -> None:
        """Put `prefix` behind the others until it is popped."""
        self._here.set(self.get().within(prefixed(prefix, kinds)))

    def pop(self, kinds: tuple[str, ...]) -> None:
        """Take the innermost prefix back."""
        self._here.set(self.get().popped(kinds))

    @contextlib.contextmanager
    def within(self, frame: Frame) -> Iterator[None]:
        """Let `frame` hold inside the block.

        A generator's block may end after ones that its caller has entered since, so what was before is
        not put back: it is this frame that goes.
        """
        key = object()
        before = self.get()
        here = before.within(Frame(frame.prefix, frame.kinds, frame.step, key))
        self._here.set(here)
        try:
            yield
        finally:
            now = self.get()
            self._here.set(before if now is here else now.without(key))

    @contextlib.contextmanager
    def nowhere(self) -> Iterator[None]:
        """Let no prefix and no step hold inside the block."""
        before = self.get()
        self._here.set(_NOWHERE)
        try:
            yield
        finally:
            self._here.set(before)
