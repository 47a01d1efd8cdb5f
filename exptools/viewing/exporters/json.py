"""The table of runs as JSON: an array of objects, one per run, for jq and for programs."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from typing import Any

from exptools.rundir import State
from exptools.viewing.compare import Absent
from exptools.viewing.summary import Table


def of_table(table: Table) -> str:
    """`table` with an object per row, by the names of its columns, numbers at full precision.

    What is missing or unknown is not in the object; null is the null of a config. JSON has no nan and no
    infinity: they are the strings "nan", "inf" and "-inf".
    """
    names = [column.name for column in table.columns]
    return array(dict(zip(names, row, strict=True)) for row in table.rows)


def array(objects: Iterable[Mapping[str, Any]]) -> str:
    """JSON with a line for each of `objects`."""
    lines = [json.dumps(_object(o), allow_nan=False) for o in objects]
    return "[\n" + ",\n".join(lines) + "\n]\n" if lines else "[]\n"


def _object(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {str(name): plain(value) for name, value in fields.items() if not isinstance(value, Absent)}


def plain(value: Any) -> Any:
    """`value` as JSON can say it."""
    if isinstance(value, State) or not isinstance(
        value, (bool, int, float, str, list, tuple, Mapping, type(None))
    ):
        return str(value)
    if isinstance(value, float) and not math.isfinite(value):
        return f"{value:g}"
    if isinstance(value, Mapping):
        return _object(value)
    return [plain(item) for item in value] if isinstance(value, (list, tuple)) else value
