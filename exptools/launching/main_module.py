"""The user's script as the real `__main__` of a job's process: imported from its path, not run as main."""

from __future__ import annotations

import contextlib
import importlib.machinery
import importlib.util
import os
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass

NAME = "__mp_main__"  # multiprocessing's name for it, so that `if __name__ == "__main__":` does not run again


@dataclass(frozen=True)
class MainModule:
    """Where the script of this process comes from: a file, or a module given to `python -m`; or neither."""

    path: str | None = None
    module: str | None = None


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
    if spec is not None and not _is_package_main(spec.name):
        return MainModule(module=spec.name)
    path = getattr(main, "__file__", None)
    if spec is None and path is not None and os.path.isfile(path):
        return MainModule(path=os.path.abspath(path))
    return MainModule()  # an interactive session, `python -c`, or a tool such as pytest


def _is_package_main(name: str) -> bool:
    return name == "__main__" or name.endswith(".__main__")


def restore(main: MainModule) -> None:
    """Import the script of the launching process as `__main__` of this one.

    A script without a guard around its call of main() is imported up to that call, and works.
    """
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
    with _stop_at_hydra_main(), contextlib.suppress(ReachedHydraMain):
        exec(code, module.__dict__)


@contextlib.contextmanager
def _stop_at_hydra_main() -> Iterator[None]:
    """While the script is being imported, its start of Hydra ends the import."""
    import hydra.main  # noqa: F401 - the attribute `hydra.main` is the function; the module is in sys.modules

    hydra_main = sys.modules["hydra.main"]
    original = getattr(hydra_main, "_run_hydra", None)

    def reached(*args: object, **kwargs: object) -> None:
        raise ReachedHydraMain

    if original is None:
        raise ImportError(
            "this version of Hydra has no hydra.main._run_hydra; exptools supports 1.3.8 to 1.4"
        )
    global _importing
    _importing = True
    hydra_main._run_hydra = reached  # type: ignore[attr-defined]
    try:
        yield
    finally:
        _importing = False
        hydra_main._run_hydra = original  # type: ignore[attr-defined]
