"""Lightning: metrics.csv of its CSVLogger, and hparams.yaml, which its TensorBoardLogger writes too."""

from __future__ import annotations

import functools
import re
from pathlib import Path
from typing import Any

from exptools.viewing.curves import Reading, Wanted
from exptools.viewing.readers import configs, csv_table
from exptools.viewing.readers.files import first_line, holds, holds_events
from exptools.viewing.readers.format import ConfigReading, Format
from exptools.viewing.readers.table import Axes

_METRICS, _HPARAMS = "metrics.csv", "hparams.yaml"
_STEP = "step"
_VERSION = re.compile(r"version_\d+")


def read(path: Path, wanted: Wanted, *, live: bool) -> Reading:
    """The frames of metrics.csv; the step is its column of that name. See readers.csv_table."""
    return csv_table.read(path, Axes((_STEP,)), wanted, live=live)


def config(home: Path) -> ConfigReading:
    """What hparams.yaml says. Python objects are not made, but told as text or by what they hold."""
    return configs.of_text(home / _HPARAMS, _parsed)


def _parsed(text: str) -> Any:
    import yaml  # type: ignore[import-untyped]

    try:
        found = yaml.load(text, Loader=_loader())
        return {} if found is None else _plain(found)
    except (yaml.YAMLError, RecursionError) as error:  # it may hold itself
        raise configs.not_yaml(error) from error


@functools.cache
def _loader() -> Any:
    """A loader of YAML that takes any tag."""
    import yaml

    class Loader(yaml.SafeLoader):  # type: ignore[misc]
        pass

    Loader.add_multi_constructor("tag:yaml.org,2002:python/", _python)
    Loader.add_multi_constructor("", _foreign)
    return Loader


def _foreign(loader: Any, tag: str, node: Any) -> Any:
    """A value under a tag that YAML does not know: what it holds."""
    import yaml

    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    if isinstance(node, yaml.SequenceNode):
        return loader.construct_sequence(node, deep=True)
    return loader.construct_scalar(node)


def _python(loader: Any, tag: str, node: Any) -> Any:
    """A value of Python: a function or class by its name, a call as text, an object by its attributes."""
    held = _foreign(loader, tag, node)
    kind, _, name = tag.partition(":")
    if kind in ("name", "module"):
        return name
    if kind in ("object/apply", "object/new") and isinstance(held, list):
        return f"{name}({', '.join(map(repr, held))})"
    return held


def _plain(value: Any) -> Any:
    """`value` as JSON has it: keys are text; sets are lists, and what is neither number nor text is told."""
    if isinstance(value, dict):
        return {str(key): _plain(held) for key, held in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(held) for held in value]
    if isinstance(value, (set, frozenset)):
        return sorted(map(str, value))
    return value if value is None or isinstance(value, (bool, int, float, str)) else str(value)


def _claims(path: Path) -> bool:
    """Whether a metrics.csv is Lightning's, for others write files of that name too."""
    return holds(path.parent, _HPARAMS) or _STEP in csv_table.names_in(first_line(path))


def _proves(path: Path) -> bool:
    """Whether hparams.yaml is that of a run; others keep their settings under that name."""
    is_version = _VERSION.fullmatch(path.parent.name) is not None
    return is_version or holds(path.parent, _METRICS) or holds_events(path.parent)


FORMAT = Format(
    "lightning",
    marks=(_HPARAMS,),
    proves=_proves,
    scalars=(_METRICS,),
    claims=_claims,
    read=read,
    config=config,
)
