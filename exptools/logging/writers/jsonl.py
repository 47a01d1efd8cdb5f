"""Everything as one JSON object a line, for programs that want neither CSV nor TensorBoard."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exptools.formats.rows import Row
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Cut, Media, Record, Writer
from exptools.logging.writers.cutting import cut_file, judged_lines

NAME = "progress.jsonl"


class JsonlWriter(Writer):
    """Writes `{"step": 3, "wall_time": 1.7e9, "scalars": {"loss": 0.5}}` for a row, {"text": ...} for a text.

    JSON knows no nan and no infinities: they are the texts "nan", "inf" and "-inf". Something rich is told
    by kind and tag.
    """

    def __init__(self, run_dir: Path) -> None:
        self._path = run_dir / NAME
        self._file = AppendFile(self._path)
        self._earlier: int | None = None  # bytes of earlier attempts

    def write(self, records: Sequence[Record]) -> None:
        """Append all records."""
        self._file.append("".join(f"{json.dumps(_as_json(r))}\n" for r in records).encode(), len(records))
        self.trouble = self._file.trouble

    def position(self) -> Any:
        """Bytes in the file."""
        return {"bytes": self._file.size}

    def cut_back(self, cut: Cut) -> None:
        """Keep what there was at the snapshot, or what is before the step."""
        if self._path.exists():
            before = self._path.stat().st_size
            n = cut_file(self._path, cut.aside, b"", judged_lines(self._path, cut, self._earlier, _step))
            self._earlier = n.kept_bytes if self._earlier is None else self._earlier - (before - n.kept_bytes)
            self._file.reopen()

    def lost(self) -> str | None:
        """How many records are lost for good."""
        lost = self._file.lost()
        return f"{NAME}: {lost:,} records did not find room in memory" if lost else None

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        return "; ".join(filter(None, (self.lost(), self._file.close()))) or None


def _as_json(record: Record) -> dict[str, Any]:
    if isinstance(record, Row):
        values = [v if math.isfinite(v) else repr(v) for v in record.values]
        scalars = dict(zip(record.tags, values, strict=True))
        return {"step": record.step, "wall_time": record.wall_time, "scalars": scalars}
    if isinstance(record, Media):
        said = {"kind": record.value.kind, "tag": record.tag}
        return {"step": record.step, "wall_time": record.wall_time, **said}
    return {"text": record.line}


def _step(line: bytes) -> float:
    """The step of a line; of one without, it is before every other."""
    try:
        step = json.loads(line).get("step", -math.inf)
    except (ValueError, AttributeError):
        return math.inf
    return step if isinstance(step, int | float) else math.inf
