"""git as a command, which may be missing, refuse, or take too long."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path


class GitError(Exception):
    """What git said, or why it could not be asked, in one line."""


class Git:
    """Asks git about one directory, until a moment at which it must have answered."""

    def __init__(self, directory: Path, deadline: float) -> None:
        """deadline: by time.monotonic()."""
        self.directory = directory
        self._deadline = deadline

    def line(self, *words: str) -> str:
        """The answer as one line of text."""
        return self(*words).decode(errors="replace").strip()

    def line_or_none(self, *words: str) -> str | None:
        """The answer as one line; None if git has none to give."""
        try:
            return self.line(*words) or None
        except GitError:
            return None

    def names(self, *words: str, max_bytes: int = 10_000_000) -> list[str]:
        """The names of files in an answer to a command with -z."""
        answer = self(*words, max_bytes=max_bytes)
        return [os.fsdecode(name) for name in answer.split(b"\0") if name]

    def __call__(self, *words: str, max_bytes: int = 100_000, index: Path | None = None) -> bytes:
        """What git answers, at most so many bytes of it. index: a file that takes the place of its own.

        Raises:
            GitError: it is not installed, fails, or takes longer than it may.
        """
        # Its own locks are not taken, nobody is asked for a password, and it speaks English.
        environ = {**os.environ, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
        for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX"):
            environ.pop(name, None)  # of a hook that started us: it is about another repository, perhaps
        if index is not None:
            environ["GIT_INDEX_FILE"] = str(index)
        if self._deadline <= time.monotonic():
            raise GitError("git took too long")
        try:
            process = subprocess.Popen(
                ["git", "-c", "core.fsmonitor=false", "-C", str(self.directory), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environ,
            )
        except FileNotFoundError:
            raise GitError("git is not installed") from None
        except OSError as error:
            raise GitError(f"git cannot be started ({error.strerror})") from error
        with process, self._killed_in_time(process) as was_late:
            out, err = process.stdout, process.stderr
            assert out is not None and err is not None
            told: list[bytes] = []
            complaints = threading.Thread(target=lambda: told.append(err.read(10_000)), daemon=True)
            complaints.start()
            answer = out.read(max_bytes)
            cut = len(answer) == max_bytes and out.read(1)
            if cut:
                process.kill()
            code = process.wait()
            complaints.join()
        if was_late:
            raise GitError("git took too long")
        if code and not cut:
            text = b"".join(told).decode(errors="replace").strip().split("\n")[0]
            raise GitError(text or f"git ended with exit code {code}")
        return answer

    @contextlib.contextmanager
    def _killed_in_time(self, process: subprocess.Popen[bytes]) -> Iterator[list[bool]]:
        was_late: list[bool] = []

        def kill() -> None:
            was_late.append(True)
            process.kill()

        timer = threading.Timer(self._deadline - time.monotonic(), kill)
        timer.daemon = True
        timer.start()
        try:
            yield was_late
        finally:
            timer.cancel()
