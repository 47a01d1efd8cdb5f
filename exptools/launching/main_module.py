"""The user's script as the real `__main__` of a job's process: imported from its path, not run as main."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from exptools.errors import LaunchError

NAME = "__mp_main__"  # multiprocessing's name for it, so that `if __name__ == "__main__":` does not run again
MAIN_NAMES = ("__main__", NAME)


@dataclass(frozen=True)
class MainModule:
    """Where the script of this process comes from: a file, or a module given to `python -m`; or neither."""

    path: str | None = None
    module: str | None = None


_NO_GUARD = (
    "the script ended while it was being imported; put what it does, the call of main() too, "
    "under `if __name__ == '__main__':`"
)


class ReachedHydraMain(BaseException):
    """The script started Hydra while it was being imported: it has no __main__ guard."""


_importing = False


def stop_if_importing() -> None:
    """End the import of a script that has come to the launch of its own sweep.

    Raises:
        ReachedHydraMain: this process is a job's, and is importing its script.
    """
    if _importing:
        raise ReachedHydraMain


def describe() -> MainModule:
    """The script of this process."""
    main = sys.modules["__main__"]
    spec = getattr(main, "__spec__", None)
    if spec is not None and spec.name != "__main__":  # `python -m module`, or `python -m package`
        is_a_tool = spec.name.endswith(".__main__") and not _defines_anything(main)
        return MainModule() if is_a_tool else MainModule(module=spec.name)
    path = getattr(main, "__file__", None)  # `python script.py`, or `python directory/`
    if path is not None and os.path.isfile(path):
        return MainModule(path=os.path.abspath(path))
    return MainModule()  # an interactive session, `python -c`, a zip file


def _defines_anything(main: types.ModuleType) -> bool:
    """Whether a job could need this module: those of tools such as pytest only start something else."""
    return any(getattr(value, "__module__", None) == "__main__" for value in vars(main).values())


def original_argv(main: MainModule) -> list[str]:
    """The words that the script got, before it took some out of sys.argv, as argparse's users do."""
    words = _after_the_options(sys.orig_argv[1:])
    if not words or not sys.argv:
        return sys.argv
    if main.path is not None:
        ours = os.path.abspath(words[0]) in (main.path, os.path.dirname(main.path))
    else:
        ours = main.module in (words[0], f"{words[0]}.__main__")
    return [sys.argv[0], *words[1:]] if ours else sys.argv


_FLAGS = "[bBdEhiIOPqRsSuvVx?]"
_OPTION = re.compile(rf"--check-hash-based-pycs|-(?:{_FLAGS}+|{_FLAGS}*([cmWX])(.*))", re.DOTALL)


def _after_the_options(words: list[str]) -> list[str]:
    """A command line of Python from the script, or the module of -m, on; empty after -c."""
    rest = iter(words)
    for word in rest:
        option = _OPTION.fullmatch(word)
        if option is None:
            return [word, *rest]
        letter, value = option.groups()
        if letter == "c":
            return []
        if letter == "m":
            return [*filter(None, [value]), *rest]
        if word.startswith("--") or (letter is not None and not value):
            next(rest, None)
    return []


def restore(main: MainModule) -> None:
    """Import the script of the launching process as `__main__` of this one.

    A script without a guard around its call of main() is imported up to that call, and works. It is imported
    once, however many jobs this process runs.

    Raises:
        LaunchError: the script caught what ends its import there, and failed.
    """
    global _restored
    if _restored == main:
        return
    _import(main)
    _restored = main


_restored: MainModule | None = None


def _import(main: MainModule) -> None:
    if main.module is not None:
        spec = importlib.util.find_spec(main.module)
    elif main.path is not None:
        loader = importlib.machinery.SourceFileLoader(NAME, main.path)
        spec = importlib.util.spec_from_loader(NAME, loader)
    else:
        return
    if spec is None or spec.loader is None:
        raise ImportError(f"cannot import the script again: {main}")
    code = spec.loader.get_code(spec.name)  # type: ignore[attr-defined]
    module = types.ModuleType(NAME)
    module.__file__ = spec.origin or main.path
    if main.module is not None:
        # Relative imports in a module run by `python -m` need these.
        module.__package__ = main.module.rpartition(".")[0]
        module.__spec__ = spec
    else:
        module.__spec__ = None
    sys.modules["__main__"] = sys.modules[NAME] = module
    with _stop_at_hydra_main() as was_reached, contextlib.suppress(ReachedHydraMain):
        try:
            exec(code, module.__dict__)
        except Exception as error:
            if was_reached:
                raise LaunchError(_NO_GUARD) from error
            raise
        except SystemExit as error:
            raise LaunchError(_NO_GUARD) from error


def adopt(function: Any) -> None:
    """Where there is no script to import: let what came by value with `function` be found by name too.

    pickle, pools of processes and configs look for `__main__.Name`, and a notebook's classes and functions
    would not be there. Only what the function uses comes along.
    """
    came = getattr(function, "__globals__", {}).items()
    ours = {name: value for name, value in came if getattr(value, "__module__", None) in MAIN_NAMES}
    vars(sys.modules["__main__"]).update(ours)


def run(path: str) -> None:
    """Run a script as the `__main__` of this process."""
    with open(path, "rb") as file:
        code = compile(file.read(), path, "exec", dont_inherit=True)
    module = types.ModuleType("__main__")
    module.__file__ = path
    module.__spec__ = None
    sys.modules["__main__"] = module
    exec(code, module.__dict__)


@contextlib.contextmanager
def _stop_at_hydra_main() -> Iterator[list[bool]]:
    """While the script is being imported, its start of Hydra ends the import, and the list is filled."""
    import hydra.main  # noqa: F401 - the attribute `hydra.main` is the function; the module is in sys.modules

    hydra_main = sys.modules["hydra.main"]
    original = getattr(hydra_main, "_run_hydra", None)

    was_reached: list[bool] = []

    def reached(*args: object, **kwargs: object) -> None:
        was_reached.append(True)
        raise ReachedHydraMain

    if original is None:
        raise ImportError(
            "this version of Hydra has no hydra.main._run_hydra; exptools supports 1.3.8 to 1.4"
        )
    global _importing
    _importing = True
    hydra_main._run_hydra = reached  # type: ignore[attr-defined]
    try:
        yield was_reached
    finally:
        _importing = False
        hydra_main._run_hydra = original  # type: ignore[attr-defined]
