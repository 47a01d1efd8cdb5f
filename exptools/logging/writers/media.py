"""What is rich as files in media/, and media.jsonl, which says what each of them is."""

from __future__ import annotations

import collections
import contextlib
import json
import math
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from exptools import rundir
from exptools.formats.projector import CONFIG, projector_config
from exptools.logging.writers.appendfile import AppendFile
from exptools.logging.writers.base import Cut, Media, Record, Writer
from exptools.logging.writers.cutting import cut_file, judged_lines
from exptools.say import Once, say
from exptools.words import memory

MOST_WAITING_BYTES = 2**28
_LONGEST = 80  # characters of a tag in a path
_OURS = re.compile(r"-?\d+(-\d+)?\.\w")  # names of files: step, which one of it, end
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_CLOEXEC", 0)


class MediaWriter(Writer):
    """Writes media/TAG/STEP.png and the like, each whole or not at all, and a line of media.jsonl for each.

    A second one of the same tag and step is STEP-2. The line comes after the files. Files are found by the
    run directory's descriptor, so it may be renamed. A full disk: what is rich waits in memory, up to
    MOST_WAITING_BYTES, and is tried again.
    """

    def __init__(self, run_dir: Path) -> None:
        """Raises OSError: there is no such directory."""
        self._run_dir = run_dir
        self._index_path = run_dir / rundir.MEDIA_INDEX
        self._index = AppendFile(self._index_path)
        self._directory = os.open(run_dir, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        self._earlier: int | None = None  # bytes of the index of earlier attempts
        self._waiting: collections.deque[Media] = collections.deque()
        self._embeddings: list[dict[str, Any]] = []
        self._newest: dict[str, tuple[int, int]] = {}  # of names without steps: step, which one of it
        self._lost = 0
        self._say_once = Once()

    def write(self, records: Sequence[Record]) -> None:
        """Write what is rich among the records."""
        for record in records:
            if isinstance(record, Media):
                self._waiting.append(record)
        try:
            while self._waiting:
                self._write(self._waiting[0])
                self._waiting.popleft()
            self._index.append()
            if self.trouble is not None and self._index.trouble is None:
                self._say_once.forget()
            self.trouble = self._index.trouble
        except OSError as error:
            self.trouble = f"cannot write {self._run_dir / rundir.MEDIA} ({error.strerror})"
            self._say_once(f"{self.trouble}; what is logged waits in memory and is tried again every second")
            self._bound()

    def position(self) -> Any:
        """Bytes in the index."""
        return {"bytes": self._index.size}

    def cut_back(self, cut: Cut) -> None:
        """Keep what there was at the snapshot, or what is before the step: lines and their files."""
        names: set[str] = set()
        self._embeddings = []
        self._newest = {}
        for line, is_kept in judged_lines(self._index_path, cut, self._earlier, _step):
            entry = _entry(line) if is_kept else {}
            names.update(entry.get("files", ()))
            if entry.get("kind") == "embedding":
                self._embeddings.append(entry)
        # The files go first: if this is broken off, the next attempt finds the lines again.
        self._put_aside_all_but(names, cut.aside)
        if self._index_path.exists():
            before = self._index_path.stat().st_size
            judged = judged_lines(self._index_path, cut, self._earlier, _step)
            n = cut_file(self._index_path, cut.aside / rundir.MEDIA, b"", judged)
            self._earlier = n.kept_bytes if self._earlier is None else self._earlier - (before - n.kept_bytes)
            self._index.reopen()
        self._write_config()

    def lost(self) -> str | None:
        """How many are lost for good."""
        lost = self._lost + self._index.lost()
        return f"{rundir.MEDIA}: {lost:,} were lost" if lost else None

    def close(self) -> str | None:
        """Write what is left; returns what was lost."""
        self.write(())
        waiting = f"{rundir.MEDIA}: {len(self._waiting):,} could not be written" if self._waiting else None
        os.close(self._directory)
        return "; ".join(filter(None, (self.lost(), waiting, self._index.close()))) or None

    # --- one of them ----------------------------------------------------------------------------------

    def _write(self, media: Media) -> None:
        """Write its files and its line. Raises OSError: none of it is there."""
        try:
            contents, facts = media.value.files(), media.value.facts()
        except Exception as error:
            self._lost += 1
            say(media.cannot_be_encoded(error))
            return
        names = self._write_files(media, contents)
        entry = {
            "step": media.step,
            "wall_time": media.wall_time,
            "kind": media.value.kind,
            "tag": media.tag,
            "files": names,
            **facts,
        }
        self._index.append(json.dumps(entry).encode() + b"\n", 1)
        if media.value.kind == "embedding":
            self._embeddings.append(entry)
            self._write_config()

    def _write_files(self, media: Media, contents: dict[str, bytes]) -> list[str]:
        """The names of the files, in the run directory. Raises OSError: none of them is there."""
        if not contents:
            return []
        home = f"{rundir.MEDIA}/{safe(media.tag)}"
        for directory in (rundir.MEDIA, home):
            with contextlib.suppress(FileExistsError):
                os.mkdir(directory, dir_fd=self._directory)
        nth = self._free(home, media.step, list(contents))
        stem = _stem(media.step, nth)
        names: list[str] = []
        try:
            for suffix, content in contents.items():
                self._write_file(f"{home}/{stem}{suffix}", content)
                names.append(f"{home}/{stem}{suffix}")
        except OSError:
            for name in names:
                with contextlib.suppress(OSError):
                    os.unlink(name, dir_fd=self._directory)
            raise
        self._newest[f"{home}{min(contents)}"] = (media.step, nth)
        return names

    def _free(self, home: str, step: int, suffixes: list[str]) -> int:
        """The which one of its step may have these names, from 1 on."""
        newest, n = self._newest.get(f"{home}{min(suffixes)}", (step, 0))
        n = n + 1 if newest == step else 1
        while any(self._exists(f"{home}/{_stem(step, n)}{suffix}") for suffix in suffixes):
            n += 1
        return n

    def _exists(self, name: str) -> bool:
        try:
            os.lstat(name, dir_fd=self._directory)
        except FileNotFoundError:
            return False
        return True

    def _write_file(self, name: str, content: bytes) -> None:
        """A file that takes its name when it is whole, and another's place if that has it."""
        home, _, last = name.rpartition("/")
        temporary = f"{home}/{rundir.temporary_name(last)}" if home else rundir.temporary_name(last)
        fd = os.open(temporary, _NEW, 0o666, dir_fd=self._directory)
        try:
            try:
                left = memoryview(content)
                while left:
                    left = left[os.write(fd, left) :]
            finally:
                os.close(fd)
            os.replace(temporary, name, src_dir_fd=self._directory, dst_dir_fd=self._directory)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=self._directory)
            raise

    def _write_config(self) -> None:
        """Tell the Projector of the embeddings there are."""
        if self._embeddings or self._exists(CONFIG):
            try:
                self._write_file(CONFIG, projector_config(self._embeddings).encode())
            except OSError as error:  # the next one writes it again
                self._say_once(f"cannot write {self._run_dir / CONFIG} ({error.strerror})")

    def _bound(self) -> None:
        """Give up what does not find room in memory, the newest first."""
        total, kept = 0, 0
        for media in self._waiting:
            total += media.value.nbytes
            if kept and total > MOST_WAITING_BYTES:
                break
            kept += 1
        if kept < len(self._waiting):
            most = memory(MOST_WAITING_BYTES)
            self._say_once(f"{most} of media wait in memory, the most that may; what is more is LOST")
            self._lost += len(self._waiting) - kept
            while len(self._waiting) > kept:
                self._waiting.pop()

    # --- of earlier attempts --------------------------------------------------------------------------

    def _put_aside_all_but(self, names: set[str], aside: Path) -> None:
        """Of the files that look like ours: a killed process may have left some without a line."""
        for path in (self._run_dir / rundir.MEDIA).glob("*/*"):
            name = str(path.relative_to(self._run_dir))
            if path.name.startswith("."):
                path.unlink()  # it was not written to the end
            elif name not in names and _OURS.match(path.name):
                rundir.put_aside(path, (aside / name).parent)


def safe(tag: str) -> str:
    """A tag as the name of a directory; two tags may have the same one."""
    name = re.sub(r"[^\w+=@()\[\], .-]", "_", tag)[:_LONGEST].encode()[:200].decode(errors="ignore")
    return name.strip(". ") or "_"


def _stem(step: int, nth: int) -> str:
    return str(step) if nth == 1 else f"{step}-{nth}"


def _entry(line: bytes) -> dict[str, Any]:
    """What a line of the index says; nothing if it is torn."""
    try:
        found = json.loads(line)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _step(line: bytes) -> float:
    """The step of a line; of one that says none, it is behind every other."""
    step = _entry(line).get("step")
    return step if isinstance(step, int) else math.inf
