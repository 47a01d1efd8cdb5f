"""The report as one HTML file: it opens without a network, and nothing in it is fetched from anywhere."""

from __future__ import annotations

import html
import json
import shlex
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from exptools.errors import ViewError
from exptools.viewing.report import data

if TYPE_CHECKING:
    from exptools.viewing.api import Runs

_HERE = Path(__file__).parent


def write(
    stream: BinaryIO,
    runs: Runs,
    tags: Sequence[str] | None = None,
    title: str | None = None,
    begins_as: Mapping[str, Any] | None = None,
) -> None:
    """Write the page. title: in its head; the default is made of the runs' directory.

    begins_as: what its controls say at first: lines (means or runs), x (step or hours), smoothing, log, tags,
    hidden (labels); see the state in script.js.

    Raises:
        ViewError: a tag that no run has.
    """
    said = data.of(runs, tags, _command())
    said["title"] = title or _title(runs)
    said["begins_as"] = begins_as or {}
    notes = [*runs.notes, *_left_out(said["curves"]), *_superseded(runs), *map(str, runs.problems)]
    said["notes"] = list(dict.fromkeys(notes))
    # A "<" could end the script in which the data stands.
    inert = json.dumps(_without_nan(said), allow_nan=False).replace("<", "\\u003c")
    parts = {
        "title": html.escape(said["title"]),
        "style": _file("style.css"),
        "results": _results(runs, tags),
        "data": inert,
        "plotly": _plotly(),
        "script": _file("script.js"),
    }
    for i, piece in enumerate(_file("page.html").split("{{")):
        name, _, rest = piece.partition("}}") if i else ("", "", piece)
        stream.write((parts.get(name, "") + rest).encode())


def _file(name: str) -> str:
    return (_HERE / name).read_text(encoding="utf-8")


def _plotly() -> str:
    from plotly.offline import get_plotlyjs  # type: ignore[import-untyped]

    text: str = get_plotlyjs()
    return text


def _results(runs: Runs, tags: Sequence[str] | None) -> str:
    """The table per setting, as markup; a line where there is none."""
    from exptools.viewing.exporters import result_table

    try:
        found = runs.results(tags)
    except ViewError as error:
        return f'<p class="note">{html.escape(str(error))}</p>'
    return result_table.fragment(found)


def _title(runs: Runs) -> str:
    sweeps = {run.place.sweep for run in runs}
    return sweeps.pop().name if len(sweeps) == 1 else f"{len(sweeps)} sweeps"


def _command() -> str:
    """What was typed, if this is the command line."""
    words = [Path(sys.argv[0]).name, *sys.argv[1:]]
    return shlex.join(words) if words[0] == "exptools-view" else ""


def _left_out(curves: Mapping[str, Any]) -> list[str]:
    n, of = curves["left_out"], curves["left_out"] + len(curves["tags"])
    if not n:
        return []
    return [f"{n} of {of} scalars have no curves on this page, for it would be too large; choose with --tags"]


def _superseded(runs: Runs) -> list[str]:
    count = sum(sum(by_tag.values()) for by_tag in runs.superseded.values())
    if not count:
        return []
    return [f"{count} frames were left out: a later session measured them again at the same step."]


def _without_nan(value: object) -> object:
    """`value` as JSON can say it: what is not finite is null."""
    if isinstance(value, dict):
        return {str(key): _without_nan(v) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_without_nan(v) for v in value]
    if isinstance(value, float) and (value != value or value in (float("inf"), float("-inf"))):
        return None
    return value
