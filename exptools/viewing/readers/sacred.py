"""sacred's FileStorageObserver: run.json, config.json, metrics.json."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from exptools import rundir
from exptools.errors import RunDirError
from exptools.rundir import State, Status
from exptools.viewing.curves import Curve, Reading, Wanted
from exptools.viewing.problem import Problem
from exptools.viewing.readers import configs
from exptools.viewing.readers.files import contents, holds, nothing
from exptools.viewing.readers.format import ConfigReading, Format, StatusReading
from exptools.viewing.readers.partial_json import parsed

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

_RUN, _CONFIG, _METRICS, _OUTPUT = "run.json", "config.json", "metrics.json", "cout.txt"
_COLUMNS = ("steps", "timestamps", "values")


def read(path: Path, wanted: Wanted, *, live: bool) -> Reading:
    """The frames of metrics.json, which sacred writes anew at each heartbeat.

    A file that ends too early is read as far as it goes and named, unless the run is `live`. What is no
    number is left out and named; of a metric that has no number at all it is text, and no scalar.
    """
    data = contents(path)
    if isinstance(data, Reading):
        return data
    if not data and live:
        return nothing()
    found, stopped_at = parsed(data)
    problems = []
    if stopped_at is not None and not (live and isinstance(found, dict)):
        problems.append(Problem(path, "not JSON from here, perhaps half written", stopped_at))
    if not isinstance(found, dict):
        return nothing(*problems) if problems else nothing(Problem(path, "not metrics of sacred", 0))
    curves: dict[str, Curve] = {}
    for tag, metric in found.items():
        curve = _curve(path, tag, metric, problems, is_whole=stopped_at is None)
        if curve is not None:
            curves[tag] = curve
    return Reading({tag: c for tag, c in curves.items() if wanted(tag)}, tuple(curves), tuple(problems))


def _curve(path: Path, tag: str, metric: Any, problems: list[Problem], *, is_whole: bool) -> Curve | None:
    """The frames of a metric; None if it has none, but text or what is not sacred's."""
    import numpy as np

    held = metric if isinstance(metric, Mapping) else {}
    columns = [held.get(name, []) for name in _COLUMNS]
    if not isinstance(metric, Mapping) or not all(isinstance(column, list) for column in columns):
        problems.append(Problem(path, f"the metric {tag!r} is not as sacred writes one; left out"))
        return None
    n = min(map(len, columns))
    if is_whole and n < max(map(len, columns)):
        lengths = ", ".join(f"{len(c)} {name}" for c, name in zip(columns, _COLUMNS, strict=True))
        problems.append(Problem(path, f"the metric {tag!r} has {lengths}; the first {n} of each were taken"))
    steps, stamps, values = (column[:n] for column in columns)
    good = [i for i in range(n) if _is_number(values[i]) and _is_whole(steps[i])]
    if n and not any(map(_is_number, values)):
        return None
    if len(good) < n:
        reason = (
            f"{n - len(good)} of {n} frames of the metric {tag!r} are no numbers at whole steps; left out"
        )
        problems.append(Problem(path, reason))
    return Curve(
        np.array([int(steps[i]) for i in good], np.int64),
        _seconds([stamps[i] for i in good]),
        np.array([float(values[i]) for i in good], np.float64),
    )


def _is_number(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and abs(value) < 2**1023)


def _is_whole(step: Any) -> bool:
    return _is_number(step) and abs(step) < 2**63 and step == int(step)


def _seconds(stamps: Sequence[Any]) -> NDArray[np.float64]:
    """Seconds since the epoch; nan for what is no time."""
    import numpy as np

    found = [_second(stamp) for stamp in stamps]
    return np.array([np.nan if second is None else second for second in found], np.float64)


def _second(stamp: Any) -> float | None:
    """Seconds since the epoch of a time in ISO 8601, which sacred writes in UTC without saying so."""
    try:
        moment = datetime.datetime.fromisoformat(stamp)
    except (TypeError, ValueError):
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=datetime.timezone.utc)).timestamp()


def config(home: Path) -> ConfigReading:
    """What config.json says, as jsonpickle has written it; only of a run of sacred."""
    return configs.of_json(home / _CONFIG) if _proves(home / _RUN) else ConfigReading(None)


def status(home: Path) -> StatusReading:
    """What run.json says; a status of the application's own is INTERRUPTED, with a note."""
    path = home / _RUN
    if not _proves(path):
        return StatusReading(None)
    try:
        run = rundir.read_json(path)
    except FileNotFoundError:
        return StatusReading(None)
    except RunDirError as error:
        return StatusReading(None, (Problem.of_json(path, error),))
    if not isinstance(run, dict) or not isinstance(run.get("status"), str):
        return StatusReading(None, (Problem(path, "not a run of sacred (it has no status)"),))
    told = run["status"]
    is_known = told in State.__members__
    host = run["host"].get("hostname") if isinstance(run.get("host"), dict) else None
    return StatusReading(
        Status(
            State(told) if is_known else State.INTERRUPTED,
            host=host if isinstance(host, str) else None,
            start=_second(run.get("start_time")),
            heartbeat=_second(run.get("heartbeat")),
            end=_second(run.get("stop_time")),
            error=_error(run.get("fail_trace")),
            note=None if is_known else f"sacred's status is {told}",
            returned=run.get("result"),
        )
    )


def _error(trace: Any) -> str | None:
    """What was raised, in one line: the last entry of a traceback."""
    entries = [" ".join(entry.split()) for entry in trace if isinstance(entry, str)] if trace else []
    return next((entry for entry in reversed(entries) if entry), None)


def _claims(path: Path) -> bool:
    return _proves(path.parent / _RUN)


def _proves(path: Path) -> bool:
    """Whether run.json is sacred's: beside config.json, and the output or what sacred says of each run."""
    if not holds(path.parent, _CONFIG):
        return False
    if holds(path.parent, _OUTPUT):
        return True
    try:
        text = path.read_bytes()
    except OSError:
        return False
    return all(key in text for key in (b'"experiment"', b'"meta"', b'"host"'))


FORMAT = Format(
    "sacred",
    marks=(_RUN,),
    proves=_proves,
    is_whole=True,
    scalars=(_METRICS,),
    claims=_claims,
    read=read,
    config=config,
    status=status,
)
