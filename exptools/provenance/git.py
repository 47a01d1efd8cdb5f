"""git as a command, which may be missing, refuse, or take too long."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

# What a user has set up for his own calls of git is not run by ours.
_SETTINGS = ("-c", "core.fsmonitor=false", "-c", f"core.hooksPath={os.devnull}")
_NOT_OURS = (
    *("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX", "GIT_COMMON_DIR", "GIT_NAMESPACE"),
    *("GIT_OBJECT_DIRECTORY", "GIT_ALTERNATE_OBJECT_DIRECTORIES", "GIT_DIFF_OPTS", "GIT_LITERAL_PATHSPECS"),
)


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

    def __call__(
        self, *words: str, max_bytes: int = 100_000, environ: Mapping[str, str] | None = None
    ) -> bytes:
        """What git answers, at most so many bytes of it. environ: further variables for it.

        Raises:
            GitError: it is not installed, fails, or takes longer than it may.
        """
        if self._deadline <= time.monotonic():
            raise GitError("git took too long")
        try:
            process = subprocess.Popen(
                ["git", *_SETTINGS, "-C", str(self.directory), *words],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={**_environment(), **(environ or {})},
                start_new_session=True,  # filters are killed with it, and ssh finds no terminal to ask at
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
                _kill(process)
            code = process.wait()
            complaints.join()
        if was_late:
            raise GitError("git took too long")
        if code and not cut:
            raise GitError(_complaint(b"".join(told)) or f"git ended with exit code {code}")
        return answer

    @contextlib.contextmanager
    def _killed_in_time(self, process: subprocess.Popen[bytes]) -> Iterator[list[bool]]:
        was_late: list[bool] = []

        def kill() -> None:
            was_late.append(True)
            _kill(process)

        timer = threading.Timer(self._deadline - time.monotonic(), kill)
        timer.daemon = True
        timer.start()
        try:
            yield was_late
        finally:
            timer.cancel()


def _environment() -> dict[str, str]:
    """That of this process, without what hooks set, who are about another repository, perhaps."""
    kept = {k: v for k, v in os.environ.items() if k not in _NOT_OURS and not k.startswith("GIT_TRACE")}
    # Its own locks are not taken, nobody is asked for a password, and it speaks English.
    return {**kept, "GIT_OPTIONAL_LOCKS": "0", "GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End git and what it has started, which would keep the pipes open."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


def _complaint(told: bytes) -> str:
    """Why git failed: the line that says so, among warnings."""
    lines = told.decode(errors="replace").strip().splitlines()
    return next(
        (line for line in lines if line.startswith(("fatal: ", "error: "))), lines[0] if lines else ""
    )
