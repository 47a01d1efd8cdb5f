"""What is installed: names and versions, and where what did not come from an index came from."""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit


@dataclass(frozen=True)
class Installed:
    """versions: by name, as pip lists them, sorted. commits: of those that were installed from a repository.

    editable: where those lie that are installed from a directory of the user's.
    """

    versions: dict[str, str]
    commits: dict[str, str]
    editable: dict[str, str]


def installed(path: Iterable[str] | None = None) -> Installed:
    """What Python finds on `path` (sys.path); of two of one name the first counts, as for imports.

    The names of the directories tell nearly all: importlib.metadata would read and parse every file.
    """
    versions: dict[str, str] = {}
    commits: dict[str, str] = {}
    editable: dict[str, str] = {}
    for name, version, directory in _distributions(sys.path if path is None else path):
        if name in versions:
            continue
        versions[name] = version
        origin = _origin(directory)
        vcs = origin.get("vcs_info")
        if isinstance(vcs, dict) and isinstance(vcs.get("commit_id"), str):
            commits[name] = vcs["commit_id"]
        url, about = origin.get("url"), origin.get("dir_info")
        if (
            isinstance(url, str)
            and url.startswith("file:")
            and isinstance(about, dict)
            and about.get("editable")
        ):
            editable[name] = unquote(urlsplit(url).path)
    return Installed(
        *({name: found[name] for name in sorted(found)} for found in (versions, commits, editable))
    )


_INFO = r"(?P<name>.+?)(?:-(?P<version>[^-]+?)(?:-py[0-9.]+)?(?:-[\w.]+)?)?\.(?:dist|egg)-info"


def _distributions(path: Iterable[str]) -> Iterator[tuple[str, str, Path]]:
    for entry in dict.fromkeys(path):
        try:
            names = sorted(os.listdir(entry or "."))
        except OSError:  # a zip file, or not there
            continue
        for info in names:
            found = re.fullmatch(_INFO, info) if info.endswith("-info") else None
            if found is None:
                continue
            directory = Path(entry, info)
            version = found["version"] or _version_inside(directory)
            if version:
                yield re.sub(r"[-_.]+", "-", found["name"]).lower(), version, directory


def _version_inside(directory: Path) -> str | None:
    with contextlib.suppress(OSError):
        text = (directory / "PKG-INFO").read_text(errors="replace")
        version = re.search(r"^Version: (.+)$", text, re.MULTILINE)
        return version[1].strip() if version else None
    return None


def _origin(directory: Path) -> dict[str, Any]:
    """What PEP 610 says of where it was installed from."""
    with contextlib.suppress(OSError, ValueError):
        found = json.loads((directory / "direct_url.json").read_bytes())
        return found if isinstance(found, dict) else {}
    return {}
