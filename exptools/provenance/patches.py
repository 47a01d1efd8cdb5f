"""A patch of git, file by file: what of it is kept, and what not and why. Pure."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise

from exptools.provenance.secrets import HIDDEN, Hider, secret_file

MAX_BYTES = 1_000_000  # of what is kept: a run directory stays light


@dataclass(frozen=True)
class Kept:
    """content: a patch that git applies. left_out: files that are not in it, with the reason.

    n_hidden: lines in which a secret was hidden, so the file is not quite what it was.
    """

    content: bytes
    left_out: dict[str, str]
    n_hidden: int = 0

    @property
    def name(self) -> str:
        """Of its file: it tells the content, so that two attempts with one patch have one file."""
        return f"provenance-{hashlib.sha256(self.content).hexdigest()[:12]}.patch"


def keep(patch: bytes, hider: Hider, max_bytes: int = MAX_BYTES) -> Kept:
    """The files of a patch that hold no secrets, the small ones first to be kept if not all have room."""
    sections = list(_sections(patch))
    left_out: dict[str, str] = {}
    kept: dict[int, bytes] = {}
    room, n_hidden = max_bytes, 0
    for index in sorted(range(len(sections)), key=lambda i: (len(sections[i]), i)):
        section = sections[index]
        name = _name(section)
        if secret_file(name):
            left_out[name] = "a file of secrets, by its name"
        elif len(section) > room:
            left_out[name] = f"{len(section):,} bytes; the patch is cut at {max_bytes:,}"
        else:
            hidden = _hidden(section, hider, name)
            if hidden is None:
                left_out[name] = "it holds a secret that cannot be hidden in a patch"
            else:
                kept[index], n = hidden
                n_hidden += n
                room -= len(section)
    content = b"".join(kept[index] for index in sorted(kept))
    return Kept(content, dict(sorted(left_out.items())), n_hidden)


def clean(patch: bytes, hider: Hider) -> Kept:
    """A patch that was kept, without what `hider` has learned since."""
    text = patch.decode("latin-1")
    return Kept(patch, {}) if hider.known(text) == text else keep(patch, hider)


_BEGIN = rb"(?m)^diff --git "


def _sections(patch: bytes) -> Iterator[bytes]:
    # A line of content begins with a space, +, - or \, and one of a binary file has no spaces.
    starts = [found.start() for found in re.finditer(_BEGIN, patch)]
    yield from (patch[start:end] for start, end in pairwise([*starts, len(patch)]))


def _name(section: bytes) -> str:
    """The file's name now, or what it was if it is gone; as git writes it, quotes undone."""
    head = section.partition(b"\n@@")[0].partition(b"\nGIT binary patch")[0]
    for mark in (b"\n+++ ", b"\n--- ", b"\nrename to "):
        line = head.partition(mark)[2].partition(b"\n")[0]
        if line and not line.startswith(b"/dev/null"):
            return _unquoted(line).removeprefix("b/" if mark == b"\n+++ " else "a/")
    # Of a binary file, and of an empty one, only the first line tells: twice the same name.
    first = section.partition(b"\n")[0].removeprefix(b"diff --git ")
    if first.endswith(b'"'):
        return _unquoted(b'"' + first.split(b'"')[-2] + b'"').removeprefix("b/")
    return first[(len(first) + 1) // 2 :].decode(errors="replace").removeprefix("b/")


_ESCAPE = rb"\\([0-7]{3}|.)"
_LETTERS = {b"n": b"\n", b"t": b"\t", b"r": b"\r", b"a": b"\a", b"b": b"\b", b"f": b"\f", b"v": b"\v"}


def _unquoted(name: bytes) -> str:
    name = name.rstrip(b"\t")  # git puts one behind a name with spaces
    if name.startswith(b'"') and name.endswith(b'"'):
        name = re.sub(_ESCAPE, _unescaped, name[1:-1])
    return name.decode(errors="replace")


def _unescaped(found: re.Match[bytes]) -> bytes:
    code = found[1]
    return bytes([int(code, 8)]) if len(code) == 3 else _LETTERS.get(code, code)


# What is right behind such a name is hidden whatever it is; further on in the line, only what looks random.
_NAMES = (
    r"(?i:passw(?:or)?d|passwd|passphrase|secret|credential|api[_-]?key|access[_-]?key|private[_-]?key|"
    r"auth[_-]?token|access[_-]?token|refresh[_-]?token|authorization)"
)
_LITERAL = rf"({_NAMES}\w{{0,50}}[\"']?\s{{0,20}}[:=]\s{{0,20}})(?:([\"'])([^\"'\s]{{6,}})\2)"
_BARE = rf"({_NAMES}[\w-]{{0,50}}[\"']?\s{{0,20}}[:=]\s{{0,20}})([^\s\"'\\#,;{{}}\[\]()<>$]{{6,}})"
# In code a name such as `key` or `token` says little: only what looks like nothing else is hidden behind it.
_WEAK_NAMES = r"(?:[Kk]ey|KEY|[Tt]oken|TOKEN|[Pp]wd|PWD)s?\b"
_GOES_ON = rf"{_NAMES}\w{{0,50}}[\"']?\s*[:=]\s*[(\[{{>|+-]*\s*$"
_WORD = r"[\w+/=.~-]{8,}"
_QUOTED_OR_COMMENT = r"\"[^\"]*\"|'[^']*'|#.*|//.*"
# Where a word that is in no quotes is a name of the program and not a value.
_CODE = r"(?i).*\.(pyi?|pyx|pxd|jl|r|m|lua|rs|go|f90|c|cc|cpp|cxx|h|hh|hpp|cuh?|proto|js|ts|java)"
_PRIVATE_KEY = r"(?m)^[ +-]\s*[\"']*-----BEGIN [A-Z ]*PRIVATE KEY-----"


def _hidden(section: bytes, hider: Hider, name: str) -> tuple[bytes, int] | None:
    """The section with the secrets of added lines hidden, and of how many; None if others hold some.

    A line that was there before must stay as it is: git would not find it.
    """
    text = section.decode("latin-1")  # every byte is a letter: what is not hidden stays as it is
    if re.search(_PRIVATE_KEY, text):
        return None
    is_code = re.fullmatch(_CODE, name) is not None
    lines, n, in_hunk, goes_on = text.split("\n"), 0, False, False
    for index, line in enumerate(lines):
        in_hunk = in_hunk or line.startswith("@@ ")
        if not in_hunk:
            continue
        clean = _clean(hider.shapes(line), is_code, goes_on)
        goes_on = re.search(_GOES_ON, line) is not None
        if clean != line:
            if not line.startswith("+"):
                return None
            lines[index] = clean
            n += 1
    return "\n".join(lines).encode("latin-1"), n


def _clean(line: str, is_code: bool, goes_on: bool) -> str:
    """A line without what stands behind the name of a secret. goes_on: the name ended the line before."""
    line = re.sub(_LITERAL, _without_literal, line)
    if not is_code:
        line = re.sub(_BARE, _without_bare, line)
    for names, looks_random in ((_NAMES, _looks_random), (_WEAK_NAMES, _looks_very_random)):
        found = re.search(names, line)
        begin = 1 if goes_on and names == _NAMES else found.end() if found else len(line)
        line = _without_random(line, begin, is_code, looks_random)
    return line


def _without_literal(found: re.Match[str]) -> str:
    if re.search(r"[{}()$<>]", found[3]):
        return found[0]  # filled in elsewhere
    return f"{found[1]}{found[2]}{HIDDEN}{found[2]}"


def _without_bare(found: re.Match[str]) -> str:
    return f"{found[1]}{HIDDEN}" if re.search("[0-9]", found[2]) else found[0]  # else it is a word


def _without_random(line: str, begin: int, is_code: bool, looks_random: Callable[[str], bool]) -> str:
    """A line without what looks random from `begin` on; in code only what is in quotes or a comment."""
    spans = [m.span() for m in re.finditer(_QUOTED_OR_COMMENT, line)] if is_code else [(0, len(line))]
    words = [word.span() for word in re.compile(_WORD).finditer(line, begin) if looks_random(word[0])]
    for start, end in reversed(words):
        if any(first <= start and end <= last for first, last in spans):
            line = f"{line[:start]}{HIDDEN}{line[end:]}"
    return line


def _looks_random(word: str) -> bool:
    """Whether some of it is letters and digits at once."""
    parts = re.findall(r"[A-Za-z0-9+]{8,}", word)
    return any(re.search("[0-9]", part) and re.search("[A-Za-z]", part) for part in parts)


def _looks_very_random(word: str) -> bool:
    """Whether letters and digits take turns in it, more often than in a name such as resnet50x4."""
    return any(
        len(re.findall(r"[A-Za-z]+(?=[0-9])|[0-9]+(?=[A-Za-z])", part)) >= 3
        for part in re.findall(r"[A-Za-z0-9+]{12,}", word)
    )
