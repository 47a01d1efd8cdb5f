"""Pickles that cross from the launcher to a job's process, with the user's script by reference.

cloudpickle sends what lives in `__main__` by value: classes lose their identity, globals are copied, a
config that names `__main__.fn` breaks. Here the job's process imports the script itself (see main_module),
so whatever can be found there by name is sent by name; only what has no name (a lambda, a local function)
goes by value.
"""

from __future__ import annotations

import importlib
import io
import marshal
import pickle
import sys
import types
from typing import Any

import cloudpickle

from exptools.errors import LaunchError
from exptools.launching import main_module
from exptools.launching.main_module import MAIN_NAMES, MainModule


def dumps(value: Any, what: str) -> bytes:
    """Pickle `value`.

    Raises:
        LaunchError: it cannot be pickled; `what` says what it is.
    """
    buffer = io.BytesIO()
    try:
        _Pickler(buffer).dump(value)
    except Exception as error:
        raise LaunchError(
            f"{what} cannot be sent from one process to another ({type(error).__name__}: {error}); "
            "make it something that pickle can handle, or create it inside the job"
        ) from error
    return buffer.getvalue()


def loads(data: bytes) -> Any:
    """Unpickle what `dumps` made; its `__main__` is the one of this process."""
    return pickle.loads(data)


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]
    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, types.CodeType):
            # cloudpickle would drop the file's name, which tracebacks need; both ends are one interpreter.
            return marshal.loads, (marshal.dumps(obj),)
        if isinstance(obj, types.FunctionType | type):
            name = _name_of(obj)
            if name is not None:
                return _find, name
        return super().reducer_override(obj)


def _name_of(obj: Any) -> tuple[str, str, int] | None:
    """Module, qualified name and number of decorators around `obj`, if it can be found by them.

    `@hydra.main` leaves its wrapper under the function's name; the function is the wrapper's __wrapped__.
    """
    module, name = str(getattr(obj, "__module__", "")), str(getattr(obj, "__qualname__", ""))
    found: Any = sys.modules.get(module)
    if found is None or "<locals>" in name:
        return None
    if module in MAIN_NAMES and main_module.describe() == MainModule():
        return None  # a notebook or `python -c`: the job's process cannot import it, so it goes by value
    for part in name.split("."):
        found = getattr(found, part, None)
    depth = 0
    while found is not None:
        if found is obj:
            # The rest goes as it would anyway: by cloudpickle's own rules, by name.
            return (module, name, depth) if depth or module in MAIN_NAMES else None
        found, depth = getattr(found, "__wrapped__", None), depth + 1
    return None


def _find(module: str, name: str, depth: int) -> Any:
    found: Any = sys.modules["__main__"] if module in MAIN_NAMES else importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    for _ in range(depth):
        found = found.__wrapped__
    return found
