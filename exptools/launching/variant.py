"""Variants: levels of settings, crossed, and each with the name of its directory. The API is rlpyt's."""

from __future__ import annotations

import collections
import copy
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from exptools import rundir
from exptools.collections import AttrDict
from exptools.configs import plain
from exptools.errors import LaunchError

__all__ = ["VariantLevel", "load_variant", "make_variants", "save_variant", "update_config"]


class VariantLevel(NamedTuple):
    """Settings that change together.

    keys: the path of each key through the nested config, such as ``("optimizer", "lr")``. values: rows, each
    with one value per key. dir_names: one per row, for the directory of the row's runs.
    """

    keys: Sequence[Sequence[str]]
    values: Sequence[Sequence[Any]]
    dir_names: Sequence[str]


def make_variants(
    *variant_levels: VariantLevel, create_subdirs: bool = True
) -> tuple[list[AttrDict], list[str]]:
    """Every row of each level with every row of the others; the last level varies fastest.

    create_subdirs: the directory of a variant is ``a/b/c``, one level below the other; else ``a_b_c``.

    Returns:
        The variants (what they change, nested), and as many relative directories.

    Raises:
        LaunchError: a level's rows, keys and names do not match, or two variants would share a directory.
    """
    variants, log_dirs = [AttrDict()], [""]
    for number, level in enumerate(variant_levels, start=1):
        _check(level, number)
        rows = list(zip(level.values, level.dir_names, strict=True))
        crossed = [
            (_with(variant, level.keys, row), _join(log_dir, name, create_subdirs))
            for variant, log_dir in zip(variants, log_dirs, strict=True)
            for row, name in rows
        ]
        variants, log_dirs = [variant for variant, _ in crossed], [log_dir for _, log_dir in crossed]
    (log_dir, n), *_ = collections.Counter(log_dirs).most_common(1)
    if n > 1:
        raise LaunchError(f"{n} variants would have the directory {log_dir!r}; make their dir_names differ")
    return variants, log_dirs


def update_config(default: Mapping[str, Any], variant: Mapping[str, Any]) -> AttrDict:
    """`default` with what `variant` changes, at any depth; neither is altered.

    Raises:
        KeyError: `variant` has a key that `default` has not.
        TypeError: a key holds a mapping in one of them and none in the other.
    """
    new = AttrDict({key: copy.deepcopy(value) for key, value in default.items()})
    for key, value in variant.items():
        if key not in new:
            raise KeyError(f"the variant sets {key!r}, which the default config does not have: {sorted(new)}")
        both = isinstance(value, Mapping), isinstance(new[key], Mapping)
        if both[0] != both[1]:
            which = "a mapping" if both[0] else f"the value {value!r}"
            other = "the value" if both[0] else "a mapping"
            raise TypeError(f"the variant sets {key!r} to {which}, where the default config has {other}")
        new[key] = update_config(new[key], value) if both[0] else copy.deepcopy(value)
    return new


def save_variant(variant: Any, log_dir: str | os.PathLike[str]) -> None:
    """Write a config of any kind (see configs.plain) to variant_config.json in `log_dir`, which is made."""
    content = plain(variant, "the variant")
    rundir.make(Path(log_dir))
    rundir.write_json(Path(log_dir, rundir.VARIANT), content)


def load_variant(log_dir: str | os.PathLike[str]) -> AttrDict:
    """What save_variant, Hydra's callback or logger_context wrote in `log_dir`; every mapping is an AttrDict.

    Raises:
        FileNotFoundError: there is no such file.
        RunDirError: it is not JSON.
    """
    return _attributes(rundir.read_json(Path(log_dir, rundir.VARIANT)))  # type: ignore[no-any-return]


def _attributes(value: Any) -> Any:
    if isinstance(value, dict):
        return AttrDict({key: _attributes(inner) for key, inner in value.items()})
    return [_attributes(inner) for inner in value] if isinstance(value, list) else value


def _check(level: VariantLevel, number: int) -> None:
    if len(level.values) != len(level.dir_names):
        raise LaunchError(
            f"level {number} has {len(level.values)} rows of values and {len(level.dir_names)} dir_names; "
            "give one name for each row"
        )
    for row in level.values:
        if len(row) != len(level.keys):
            raise LaunchError(
                f"level {number} has {len(level.keys)} keys, but a row of {len(row)} values: {list(row)!r}"
            )
    for key in level.keys:
        if isinstance(key, str) or not key:
            raise LaunchError(
                f"level {number} has the key {key!r}; a key is a path such as ('optimizer', 'lr')"
            )


def _with(variant: AttrDict, keys: Sequence[Sequence[str]], row: Sequence[Any]) -> AttrDict:
    new = copy.deepcopy(variant)
    for path, value in zip(keys, row, strict=True):
        inner = new
        for name in path[:-1]:
            inner = inner.setdefault(name, AttrDict())
        inner[path[-1]] = value
    return new


def _join(log_dir: str, name: str, create_subdirs: bool) -> str:
    if not log_dir:
        return str(name)
    return os.path.join(log_dir, str(name)) if create_subdirs else f"{log_dir}_{name}"
