"""AttrDict: a dict whose string keys are attributes too."""

from __future__ import annotations

from typing import Any


class AttrDict(dict[str, Any]):
    """A dict with attribute access: ``d.key`` is ``d["key"]``.

    A missing attribute raises AttributeError, so ``hasattr`` and ``copy`` behave.
    """

    def __getattr__(self, name: str) -> Any:
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"no key {name!r}; the keys are {sorted(map(str, self))}") from None

    def __setattr__(self, name: str, value: Any) -> None:
        self[name] = value

    def __delattr__(self, name: str) -> None:
        try:
            del self[name]
        except KeyError:
            raise AttributeError(f"no key {name!r}; the keys are {sorted(map(str, self))}") from None

    def copy(self) -> AttrDict:
        """A shallow copy that is an AttrDict again."""
        return AttrDict(self)
