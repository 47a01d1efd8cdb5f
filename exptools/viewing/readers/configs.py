"""Configs as text: JSON and YAML files, read into a ConfigReading."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.viewing.problem import Problem
from exptools.viewing.readers.format import ConfigReading


def of_json(path: Path) -> ConfigReading:
    """The mapping in a JSON file; no config where there is no such file."""
    try:
        return mapping(path, rundir.read_json(path))
    except FileNotFoundError:
        return ConfigReading(None)
    except RunDirError as error:
        return ConfigReading(None, (Problem.of_json(path, error),))


def of_text(path: Path, parse: Callable[[str], Any]) -> ConfigReading:
    """The mapping that `parse` makes of the text in a file; no config where there is no such file.

    What `parse` raises, a ValueError for one, is the problem.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return ConfigReading(None)
    except UnicodeDecodeError as error:
        return ConfigReading(None, (Problem(path, "not UTF-8 text", error.start),))
    except OSError as error:
        return ConfigReading(None, (Problem.of_os(path, error),))
    try:
        return mapping(path, parse(text))
    except ValueError as error:
        return ConfigReading(None, (Problem(path, " ".join(str(error).split())),))


def not_yaml(error: Exception) -> ValueError:
    """What a parser of YAML has raised, as `of_text` takes it."""
    return ValueError(f"not YAML, perhaps half written ({error})")


def mapping(path: Path, value: Any) -> ConfigReading:
    """What was found in `path`, if it is a mapping."""
    if isinstance(value, dict):
        return ConfigReading(value)
    return ConfigReading(None, (Problem(path, f"not a config (a {type(value).__name__}, not a mapping)"),))
