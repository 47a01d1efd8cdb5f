"""How a state is stored: pickle, torch, joblib, safetensors, or two functions of the user."""

from __future__ import annotations

import contextlib
import importlib
import importlib.util
import os
import pickle
import re
import reprlib
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from exptools.errors import LoggingError

_MAIN_OF_A_JOB = "__mp_main__"  # multiprocessing's name for the user's script, where that was imported

Functions = tuple[Callable[[Any, Path], object], Callable[[Path], Any]]


@dataclass(frozen=True)
class Format:
    """One way to store a state.

    name: as the manifest says it. file: where the state lies in a snapshot's directory.
    save: takes the state, and a file to write if it `streams`, else a path where nothing is yet.
    load: takes that file, opened to be read, or that path. needs: the package that has to be installed.
    """

    name: str
    file: str
    save: Callable[[Any, Any], object]
    load: Callable[[Any], Any]
    streams: bool = True
    needs: str | None = None


def chosen(given: str | Functions) -> Format:
    """The format that is meant: one of FORMATS by its name, or a pair (save(state, path), load(path)).

    Raises:
        LoggingError: there is no such format, or what it needs is not installed.
    """
    if isinstance(given, tuple | list) and len(given) == 2 and all(map(callable, given)):
        return Format("functions", "state", given[0], given[1], streams=False)
    found = FORMATS.get(given) if isinstance(given, str) else None
    if found is None:
        raise LoggingError(
            f"snapshots: format {reprlib.repr(given)} is not known; there are {', '.join(FORMATS)}, "
            "or a pair of functions (save(state, path), load(path))"
        )
    if found.needs and importlib.util.find_spec(found.needs) is None:
        raise LoggingError(
            f"snapshots: format {found.name} needs a package that is not installed: pip install {found.needs}"
        )
    return found


def load(format: Format, directory: Path) -> Any:
    """The state in a snapshot's directory; raises whatever the format's library raises."""
    path = directory / format.file
    with _main_of_a_job_is_main():
        if not format.streams:
            return format.load(path)
        with open(path, "rb") as file:
            return format.load(file)


@contextlib.contextmanager
def _main_of_a_job_is_main() -> Iterator[None]:
    """Find in a plain run the classes of the user's script that a launched job has pickled."""
    if _MAIN_OF_A_JOB in sys.modules:
        yield
        return
    sys.modules[_MAIN_OF_A_JOB] = sys.modules["__main__"]
    try:
        yield
    finally:
        del sys.modules[_MAIN_OF_A_JOB]


def _save_pickle(state: Any, file: Any) -> None:
    pickle.Pickler(file, pickle.HIGHEST_PROTOCOL).dump(state)


def _save_torch(state: Any, file: Any) -> None:
    importlib.import_module("torch").save(state, file)


def _load_torch(file: Any) -> Any:
    return importlib.import_module("torch").load(file, weights_only=False)


def _save_joblib(state: Any, file: Any) -> None:
    importlib.import_module("joblib").dump(state, file)


def _load_joblib(file: Any) -> Any:
    return importlib.import_module("joblib").load(file)


_WHAT_SAFETENSORS_TAKE = "it takes a flat dict of names and arrays, all of numpy or all of torch"


def _save_safetensors(state: Any, path: Path) -> None:
    library = _library_of(state)
    module = importlib.import_module(f"safetensors.{library}")
    try:
        module.save_file(_in_order(library, state), path, metadata={"library": library})
    except Exception as error:
        # The disk's own errors come as texts of Rust, such as "File too large (os error 27)".
        code = re.search(r"os error (\d+)|Os \{ code: (\d+)", str(error))
        if code is None:
            raise
        number = int(code[1] or code[2])
        raise OSError(number, os.strerror(number)) from error


def _load_safetensors(path: Path) -> Any:
    with importlib.import_module("safetensors").safe_open(path, framework="np") as file:
        library = (file.metadata() or {}).get("library", "numpy")
    return importlib.import_module(f"safetensors.{library}").load_file(path)


def _in_order(library: str, arrays: dict[str, Any]) -> dict[str, Any]:
    """The same, each array row after row: of others safetensors 0.8 writes the numbers in a wrong order."""
    if library == "torch":
        return {name: tensor.contiguous() for name, tensor in arrays.items()}
    numpy = importlib.import_module("numpy")
    return {name: numpy.asarray(array, order="C") for name, array in arrays.items()}


def _library_of(state: Any) -> str:
    """Whose arrays they are: numpy or torch."""
    if not isinstance(state, dict) or not all(isinstance(name, str) for name in state):
        raise TypeError(f"{_WHAT_SAFETENSORS_TAKE}, not a {type(state).__name__}")
    for library, kind in (("numpy", "ndarray"), ("torch", "Tensor")):
        arrays = getattr(sys.modules.get(library), kind, ())  # if none was imported it has made none
        if all(isinstance(value, arrays) for value in state.values()):
            return library
    kinds = sorted({type(value).__name__ for value in state.values()})
    raise TypeError(f"{_WHAT_SAFETENSORS_TAKE}, not {' and '.join(kinds)}")


FORMATS = {
    format.name: format
    for format in (
        Format("pickle", "state.pkl", _save_pickle, pickle.load),
        Format("torch", "state.pt", _save_torch, _load_torch, needs="torch"),
        Format(
            "safetensors",
            "state.safetensors",
            _save_safetensors,
            _load_safetensors,
            streams=False,
            needs="safetensors",
        ),
        Format("joblib", "state.joblib", _save_joblib, _load_joblib, needs="joblib"),
    )
}
