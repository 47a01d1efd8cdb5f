"""Additional files for texts and scalars, holding one back, and stdout in a file."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

from exptools import rundir
from exptools.logging.core import Core
from exptools.logging.tee import Tee
from exptools.logging.writers.progress import ProgressWriter
from exptools.logging.writers.text import TextWriter

_NAMES = {rundir.PROGRESS: "csv", rundir.DEBUG_LOG: "text"}  # of the run's own writers, by their files


class Outputs(Core):
    """The part of the logger that opens and closes additional outputs."""

    @contextlib.contextmanager
    def additional_scalar_output(self, filename: str, everything: bool = False) -> Iterator[None]:
        """Have one more CSV file inside the block, for `log_scalar(..., filename=filename)`.

        Args:
            filename: inside the run directory. A file that this run wrote before is gone on with.
            everything: it gets all scalars that progress.csv gets, too.

        Raises:
            LoggingError: it is open already, or would not be inside the run directory.
        """
        self.add_scalar_output(filename, everything)
        try:
            yield
        finally:
            self.remove_scalar_output(filename)

    def add_scalar_output(self, filename: str, everything: bool = False) -> None:
        """As additional_scalar_output, until `remove_scalar_output`."""
        spool = self._opened(f"the output {filename!r}")
        if spool is not None:
            spool.add_output(filename, "scalar", ProgressWriter, everything)

    def remove_scalar_output(self, filename: str) -> None:
        """Close an additional CSV file."""
        spool = self._opened(f"the output {filename!r}")
        if spool is not None:
            spool.remove_output(filename, "scalar")

    @contextlib.contextmanager
    def additional_text_output(self, filename: str, everything: bool = False) -> Iterator[None]:
        """Have one more text file inside the block, for `log_text(..., filename=filename)`.

        Args:
            filename: inside the run directory; it is appended to.
            everything: it gets all texts that debug.log gets, too.
        """
        self.add_text_output(filename, everything)
        try:
            yield
        finally:
            self.remove_text_output(filename)

    def add_text_output(self, filename: str, everything: bool = False) -> None:
        """As additional_text_output, until `remove_text_output`."""

        def make(path: Path) -> TextWriter:
            return TextWriter(path, is_cut=True)

        spool = self._opened(f"the output {filename!r}")
        if spool is not None:
            spool.add_output(filename, "text", make, everything)

    def remove_text_output(self, filename: str) -> None:
        """Close an additional text file."""
        spool = self._opened(f"the output {filename!r}")
        if spool is not None:
            spool.remove_output(filename, "text")

    @contextlib.contextmanager
    def hold(self, name: str) -> Iterator[None]:
        """Keep what is logged inside the block from one file or writer.

        name: of an additional output, of a writer ("csv", "tensorboard", ...), or progress.csv or debug.log.
        """
        self.hold_output(name)
        try:
            yield
        finally:
            self.release_output(name)

    def hold_output(self, name: str) -> None:
        """Keep what is logged from that output until `release_output`."""
        spool = self._opened(f"hold_output({name!r})")
        if spool is not None:
            spool.hold(_NAMES.get(name, name), True)

    def release_output(self, name: str) -> None:
        """Let an output have again what is logged."""
        spool = self._opened(f"release_output({name!r})")
        if spool is not None:
            spool.hold(_NAMES.get(name, name), False)

    def is_held(self, name: str) -> bool:
        """Whether an output is held back."""
        return self._spool is not None and self._spool.is_held(_NAMES.get(name, name))

    @contextlib.contextmanager
    def tee_stdout(self, filename: str = rundir.STDOUT) -> Iterator[None]:
        """Write what the program prints inside the block into a file of the run as well.

        Jobs that exptools launched have all of their output, that of C libraries too, in stdout.log already:
        there nothing is done for that file.
        """
        spool = self._opened("tee_stdout()")
        if spool is None:
            yield
            return
        with Tee(spool.path_of(filename)):
            yield
