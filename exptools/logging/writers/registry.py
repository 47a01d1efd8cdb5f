"""The writers by their names: ours, and those of other packages (entry point `exptools.writers`)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from exptools import rundir
from exptools.errors import LoggingError
from exptools.logging.writers.base import Writer

if TYPE_CHECKING:
    from importlib import metadata

    from exptools.logging.settings import Settings

GROUP = "exptools.writers"


def _csv(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.progress import ProgressWriter

    return ProgressWriter(run_dir / rundir.PROGRESS)


def _tensorboard(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.events import EventsWriter

    return EventsWriter(run_dir)


def _text(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.text import TextWriter

    return TextWriter(run_dir / rundir.DEBUG_LOG)


def _console(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.console import ConsoleWriter

    return ConsoleWriter(settings.console_every_s)


def _media(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.media import MediaWriter

    return MediaWriter(run_dir)


def _jsonl(run_dir: Path, settings: Settings) -> Writer:
    from exptools.logging.writers.jsonl import JsonlWriter

    return JsonlWriter(run_dir)


BUILT_IN: dict[str, Callable[[Path, Settings], Writer]] = {
    "csv": _csv,
    "tensorboard": _tensorboard,
    "text": _text,
    "media": _media,
    "console": _console,
    "jsonl": _jsonl,
}


def names() -> list[str]:
    """All that can be named."""
    return [*BUILT_IN, *_others()]


def make(name: str, run_dir: Path, settings: Settings) -> Writer:
    """The writer of that name for a run.

    Raises:
        LoggingError: that of another package could not be made.
        OSError: its files cannot be opened.
    """
    if name in BUILT_IN:
        return BUILT_IN[name](run_dir, settings)
    entry = _others()[name]
    try:
        writer = entry.load()(run_dir)
    except OSError:
        raise
    except Exception as error:
        raise LoggingError(f"the writer {name!r} ({entry.value}) could not be made: {error!r}") from error
    if not isinstance(writer, Writer):
        raise LoggingError(
            f"the writer {name!r} ({entry.value}) is not a subclass of {Writer.__module__}.Writer"
        )
    return writer


@functools.cache
def _others() -> dict[str, metadata.EntryPoint]:
    """Those of other packages; looked for when a name is asked that is not here."""
    from importlib import metadata  # costs as much as opening the logger

    return {entry.name: entry for entry in metadata.entry_points(group=GROUP) if entry.name not in BUILT_IN}
