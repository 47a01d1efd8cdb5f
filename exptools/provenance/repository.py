"""The state of a git repository: the commit, and what differs from it as a patch."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from exptools.provenance import patches
from exptools.provenance.git import Git, GitError
from exptools.provenance.secrets import Hider, secret_file

TIME_LIMIT_S = 10.0  # for all that git is asked
MAX_READ = 50_000_000  # bytes of a patch that are looked at
MAX_DIFFED_BYTES = 20_000_000  # of one changed file: git takes seconds for what is larger
MAX_LARGE = 200  # such files
MAX_UNTRACKED_BYTES = 200_000  # of one file that git does not know
MAX_UNTRACKED = 200  # files
MAX_NAMES = 50  # that are listed

# What git does not know and is in the patch all the same: what people write, not what programs do.
_SOURCES = re.compile(
    r"\.(pyi?|py[xd]|ipynb|jl|r|m|lua|sh|rs|go|f90|sql|c|cc|cpp|cxx|hh?|hpp|cuh?|proto|cmake|dockerfile|"
    r"ya?ml|toml|cfg|ini|json|gin|jsonnet|libsonnet|md|rst|txt|tex)"
)
_SOURCE_NAMES = frozenset(("makefile", "dockerfile", "justfile", "cmakelists.txt"))
# Beside these lies what a run or a sweep wrote.
_OF_RUNS = frozenset(("status.json", "sweep.json", "multirun.yaml", "variant_config.json", ".hydra"))


@dataclass
class Repository:
    """facts: plain data for provenance.json. patches: by their file's name, what they hold.

    root: the top of its working tree, None if there is none.
    """

    facts: dict[str, Any]
    patches: dict[str, bytes] = field(default_factory=dict)
    root: Path | None = None


def describe(directory: Path, hider: Hider, deadline: float | None = None) -> Repository:
    """The repository that `directory` is in. Never fails: what is not known is told under "problem"."""
    deadline = time.monotonic() + TIME_LIMIT_S if deadline is None else deadline
    git = Git(directory, deadline)
    found = Repository({"directory": str(directory)})
    try:
        top = git.line("rev-parse", "--show-toplevel")
        if not os.path.isdir(top):
            raise GitError("what git answers is not the name of a directory")
        found.root = Path(top)
        found.facts = {"directory": top}
        git = Git(found.root, deadline)
        _tell_commit(git, found.facts, hider)
        _tell_changes(git, found, hider)
        _tell_submodules(git, found, hider, deadline)
    except GitError as error:
        found.facts["problem"] = _reason(str(error))
    except OSError as error:  # of the scratch directory, or of a file that git names
        found.facts["problem"] = f"it could not be looked at ({error.strerror or error})"
    return found


def _reason(text: str) -> str:
    if "not a git repository" in text:
        return "not in a git repository"
    if "must be run in a work tree" in text:
        return "a bare git repository has no files of its own"
    return text.removeprefix("fatal: ")


_LOG = ("log", "-1", "--no-show-signature")


def _tell_commit(git: Git, facts: dict[str, Any], hider: Hider) -> None:
    facts["commit"] = git.line_or_none("rev-parse", "--verify", "--quiet", "HEAD")
    facts["branch"] = git.line_or_none("symbolic-ref", "--short", "--quiet", "HEAD")  # none: a detached HEAD
    if facts["commit"]:
        facts["committed"] = git.line_or_none(*_LOG, "--format=%cI")
        facts["subject"] = hider.shapes(git.line_or_none(*_LOG, "--format=%s") or "")
        facts["describe"] = git.line_or_none("describe", "--tags", "--always")
    else:
        facts["problem"] = "there is no commit yet"
    remotes = (git.line_or_none("config", "--get-regexp", r"^remote\..*\.url$") or "").splitlines()
    named = (line.partition(" ") for line in remotes)
    facts["remotes"] = {
        name.removeprefix("remote.").removesuffix(".url"): hider.text(url) for name, _, url in named
    }


_DIFF = (
    *("diff", "--binary", "--full-index"),
    *("--no-color", "--no-ext-diff", "--no-textconv", "-M", "--src-prefix=a/", "--dst-prefix=b/", "-U3"),
    *("--ignore-submodules=dirty", "--submodule=short"),
)


def _tell_changes(git: Git, found: Repository, hider: Hider) -> None:
    facts = found.facts
    untracked = [
        name
        for name in _not_of_runs(git.names("ls-files", "--others", "--exclude-standard", "-z"))
        if not name.endswith("/")  # another repository inside this one
    ]
    sources = [name for name in untracked if _is_source(git.directory, name)][:MAX_UNTRACKED]
    base = facts["commit"] or git.line("hash-object", "-t", "tree", os.devnull)
    changed = git.names("diff", "--name-only", "--no-renames", "--ignore-submodules=dirty", "-z", base, "--")
    large = {name: size for name in changed if (size := _size(git.directory, name)) > MAX_DIFFED_BYTES}
    with contextlib.ExitStack() as stack:
        environ = stack.enter_context(_index_with(git, sources)) if sources else None
        but = [f":(exclude,literal,top){name}" for name in list(large)[:MAX_LARGE]]
        paths = [":(top)", *but] if but else []
        patch = git(*_DIFF, base, "--", *paths, max_bytes=MAX_READ, environ=environ)
    kept = patches.keep(patch, hider)
    left_out = {**{name: f"a file of {size:,} bytes" for name, size in large.items()}, **kept.left_out}
    facts["dirty"] = bool(patch or changed or untracked)
    others = sorted(set(untracked) - set(sources))
    if others:
        facts["untracked"] = others[:MAX_NAMES]
        facts["n_untracked"] = len(others)
    if left_out:
        facts["left_out"] = dict(list(left_out.items())[:MAX_NAMES])
    if patch or large:
        facts["patch_bytes"] = len(patch)
        facts["truncated"] = bool(large) or (len(kept.content) < len(patch) and bool(kept.left_out))
    if len(patch) == MAX_READ:
        facts["truncated"] = True
    if kept.n_hidden:
        facts["hidden_lines"] = kept.n_hidden
    if kept.content:
        found.patches[kept.name] = kept.content
        facts["patch"] = kept.name


def _not_of_runs(names: Iterable[str]) -> list[str]:
    """Without what runs have written, where the user does not let git ignore that."""
    names = list(names)
    split = [name.split("/") for name in names]
    ours = {
        tuple(parts[:depth])
        for parts in split
        for depth, part in enumerate(parts)
        if part in _OF_RUNS and depth
    }
    return [
        name
        for name, parts in zip(names, split, strict=True)
        if not any(tuple(parts[:depth]) in ours for depth in range(1, len(parts)))
    ]


def _is_source(root: Path, name: str) -> bool:
    path = Path(name)
    if secret_file(name) or not (
        _SOURCES.fullmatch(path.suffix.lower()) or path.name.lower() in _SOURCE_NAMES
    ):
        return False
    try:
        return not (root / path).is_symlink() and (root / path).stat().st_size <= MAX_UNTRACKED_BYTES
    except OSError:
        return False


@contextlib.contextmanager
def _index_with(git: Git, names: list[str]) -> Iterator[dict[str, str]]:
    """Variables of a copy of the index that knows these files by name, so that a diff has them.

    What git would add to the repository for that goes to a scratch directory: nothing is written there.
    """
    places = (git.line("rev-parse", "--git-path", name) for name in ("index", "objects"))
    own, objects = (git.directory / place for place in places)
    with tempfile.TemporaryDirectory(prefix="exptools-") as directory:
        copy = Path(directory, "index")
        if own.exists():
            shutil.copyfile(own, copy)
        environ = {
            "GIT_INDEX_FILE": str(copy),
            "GIT_OBJECT_DIRECTORY": directory,
            "GIT_ALTERNATE_OBJECT_DIRECTORIES": _quoted(os.fspath(objects.resolve())),
        }
        for begin in range(0, len(names), 100):  # a command line is finite
            git("--literal-pathspecs", "add", "-N", "--", *names[begin : begin + 100], environ=environ)
        yield environ


def _quoted(path: str) -> str:
    """As git reads it in a list that colons divide."""
    return '"' + path.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _size(root: Path, name: str) -> int:
    """Bytes of a file as it is now; of none 0."""
    try:
        return os.lstat(root / name).st_size
    except OSError:
        return 0


def _tell_submodules(git: Git, found: Repository, hider: Hider, deadline: float) -> None:
    if not (git.directory / ".gitmodules").is_file():
        return
    answer = git.names("config", "-f", ".gitmodules", "-z", "--get-regexp", r"\.path$")
    inside: dict[str, Any] = {}
    for setting in answer:
        path = setting.partition("\n")[2]
        if not (git.directory / path / ".git").exists():
            inside[path] = {"problem": "not checked out"}
            continue
        sub = describe(git.directory / path, hider, deadline)
        found.patches.update(sub.patches)
        inside[path] = {key: value for key, value in sub.facts.items() if key != "directory"}
    if inside:
        found.facts["submodules"] = inside
