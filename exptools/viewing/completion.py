"""Completing options, tags, keys and values on a shell's command line, from the runs below its PATH.

The scripts call `exptools-view --complete SHELL LINE [WORD]`, LINE up to the cursor. It never fails, says
nothing but candidates, and ends after some 0.3 seconds of work, or one of waiting for a disk, with those that
it has found until then.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import re
import shlex
import signal
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from exptools.errors import ExptoolsError
from exptools.viewing import options as parsing
from exptools.viewing.options import PROGRAM

if TYPE_CHECKING:
    import argparse

    from exptools.viewing.runs import Place

_PATIENCE_S = {signal.ITIMER_PROF: 0.15, signal.ITIMER_REAL: 1.0}  # of work, and of waiting too
_FIRST = 16  # runs that are looked into before the whole tree is walked: it may be too large
_STATES = (
    "completed",
    "failed",
    "running",
    "queued",
    "stale",
    "interrupted",
    "timeout",
    "preempted",
    "unknown",
)
_BANDS = ("t95", "bootstrap95", "sd", "se", "minmax", "p25-75", "none")
_STYLES = ("aaai", "acl", "aistats", "cvpr", "iclr", "icml", "ieee", "jmlr", "neurips", "tmlr", "uai")
_STATISTICS = ("final", "max", "min", "mean", "tail", "auc", "auc_normalized")
_FIXED = ("run", "state", "duration", "error")
_NAME = re.compile(r"(.*?)(==|!=|<=|>=|=|<|>|~)(.*)", re.DOTALL)

_BASH = """\
_exptools_view() {
    local IFS=$'\\n'
    COMPREPLY=($(exptools-view --complete bash "${COMP_LINE:0:COMP_POINT}" "$2" 2>/dev/null))
    [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=\\<\\>~] ]] && compopt -o nospace
}
complete -o default -F _exptools_view exptools-view
"""
_ZSH = """\
#compdef exptools-view
_exptools_view() {
    local -a found
    found=("${(@f)$(exptools-view --complete zsh "$LBUFFER" 2>/dev/null)}")
    if [[ -n $found[1] ]]; then compadd -a found; else _files; fi
}
compdef _exptools_view exptools-view
"""
_FISH = """\
complete -c exptools-view -a '(exptools-view --complete fish (commandline -cp) 2>/dev/null)'
"""
_SCRIPTS = {"bash": _BASH, "zsh": _ZSH, "fish": _FISH}


def script(shell: str) -> str:
    """What a user's shell reads at its start, such as `eval "$(exptools-view --completion bash)"`."""
    return _SCRIPTS[shell]


def main(words: Sequence[str]) -> int:
    """Print the candidates for a line; words: the shell, the line, and what bash takes for the word."""
    with contextlib.suppress(Exception):
        shell, line, *rest = words
        given, word, quote = split(line)
        found = sorted(c for c in candidates(given, word) if c.startswith(word))
        lines = [_typed(c, word, quote, shell, rest) for c in found]
        print("".join(f"{text}\n" for text in lines if "\n" not in text), end="", flush=True)
    return 0


def split(line: str) -> tuple[list[str], str, str]:
    """The words of a line before its last, the last without its quotes, and the quote that is open in it."""
    for quote in ("", "'", '"'):
        try:
            words = shlex.split(line + quote)
        except ValueError:
            continue
        if not quote and line[-1:].isspace():
            words.append("")
        at = max((i for i, word in enumerate(words) if os.path.basename(word) == PROGRAM), default=0)
        return words[at + 1 : -1], words[-1] if at + 1 < len(words) else "", quote
    return [], "", ""


def _typed(candidate: str, word: str, quote: str, shell: str, rest: Sequence[str]) -> str:
    """`candidate` as it is typed, and in bash without what stands before the last of its word breaks."""
    text = candidate if quote or shell != "bash" else _escaped(candidate)
    if shell == "bash" and rest and not quote:
        before = _escaped(word)
        kept = len(rest[0])
        if before.endswith(rest[0]) and text.startswith(before):
            return text[len(before) - kept :]
    return text


def _escaped(text: str) -> str:
    return re.sub(r"([^\w@%+=:,./~\-])", r"\\\1", text)


# --- what could be meant ---------------------------------------------------------------------------------


def candidates(words: Sequence[str], word: str) -> Iterable[str]:
    """What `word` can be made into, behind `words`: nothing where it is a file."""
    parser = parsing.parser()
    option, paths = _at_end(parser, words)
    makers: dict[str, Callable[[], Iterable[str]]] = {
        "tags": lambda: _Seen(paths).tags(),
        "plot": lambda: _Seen(paths).tags(),
        "max": lambda: _Seen(paths).tags(),
        "min": lambda: _Seen(paths).tags(),
        "columns": lambda: [*_FIXED, *_Seen(paths).names()],
        "sort": lambda: [*_FIXED, *_Seen(paths).names()],
        "where": lambda: _conditions(_Seen(paths), word),
        "exclude": lambda: _conditions(_Seen(paths), word),
        "better": lambda: [f"{tag}={way}" for tag in _Seen(paths).tags() for way in ("max", "min")],
        "diff": lambda: _Seen(paths).runs(),
        "state": lambda: [f"{word[: word.rfind(',') + 1]}{state}" for state in _STATES],
        "ci": lambda: _BANDS,
        "table": lambda: parsing.TABLES,
        "completion": lambda: parsing.SHELLS,
        **{f"figure_{name}": make for name, make in _of_figures(paths, word).items()},
    }
    if option is not None:
        return makers[option]() if option in makers else ()
    if word.startswith("-"):
        return [name for action in parser._actions for name in action.option_strings if len(name) > 2]
    return ()


def _of_figures(paths: list[str], word: str) -> dict[str, Callable[[], Iterable[str]]]:
    """What the options of a figure can be, by the fields of its Spec."""
    from exptools.viewing.figures.spec import KINDS, SCALES

    def keys(*more: str) -> Iterable[str]:
        return [f"{word[: word.rfind(',') + 1]}{key}" for key in (*more, *_Seen(paths).config_keys())]

    return {
        "kind": lambda: KINDS,
        "x": lambda: ["step", "wall_time", "relative", *_Seen(paths).tags()],
        "over": keys,
        "by": lambda: keys("tag"),
        "split": lambda: keys("tag"),
        "task": keys,
        "best_of": lambda: _Seen(paths).tags(),
        "best_by": lambda: ("max", "min"),
        "running": lambda: ("max", "min"),
        "center": lambda: ("mean", "median", "iqm"),
        "band": lambda: _BANDS,
        "stat": lambda: _STATISTICS,
        "normalize": lambda: ("minmax",),
        "xscale": lambda: SCALES,
        "yscale": lambda: SCALES,
        "style": lambda: _STYLES,
        "width": lambda: ("column", "text"),
        "legend": lambda: ("below", "none"),
    }


def _at_end(parser: argparse.ArgumentParser, words: Sequence[str]) -> tuple[str | None, list[str]]:
    """The option that the next word is an argument of, or None, and the paths so far."""
    takes = {name: action for action in parser._actions for name in action.option_strings}
    paths: list[str] = []
    option, left = None, 0
    for word in words:
        if left and not word.startswith("-"):
            left -= 1
            if option in ("csv", "watch") and os.path.isdir(word):
                paths.append(word)
            continue
        action = takes.get(word)
        option, left = (None, 0) if action is None else (action.dest, _arguments(action))
        if action is None and not word.startswith("-"):
            paths.append(word)
    return (option if left else None), paths


def _arguments(action: argparse.Action) -> int:
    if isinstance(action.nargs, int):
        return action.nargs
    return 1 if action.nargs in (None, "?") else 0


def _conditions(seen: _Seen, word: str) -> Iterator[str]:
    """Names, and behind an operator the values that the key has."""
    match = _NAME.fullmatch(word)
    if match is None:
        if word.startswith("!"):
            yield from (f"!{name}" for name in seen.names())
            return
        yield from (f"{name}{op}" for name in seen.config_keys() for op in ("=", "!="))
        yield from (f"{tag}{op}" for tag in seen.tags() for op in (">", "<"))
        yield from ("run=", "run~", "state=", "state!=", "duration>", "duration<")
        return
    name, op, value = match.groups()
    before = f"{name}{op}{value[: value.rfind(',') + 1]}"
    yield from (f"{before}{text}" for text in (_STATES if name == "state" else seen.values(name)))


class _TimeIsUp(Exception):
    pass


class _Seen:
    """What can be found out in time of the runs below some paths."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = [os.path.expandvars(os.path.expanduser(path)) for path in paths]
        self._places: Sequence[Place] = ()
        self._configs: list[Any] = []
        self._tags: dict[str, None] = {}
        previous = [signal.signal(number, self._stop) for number in (signal.SIGPROF, signal.SIGALRM)]
        try:
            for timer, seconds in _PATIENCE_S.items():
                signal.setitimer(timer, seconds)
            self._look()
        except (_TimeIsUp, ExptoolsError, OSError):
            pass
        finally:
            for timer in _PATIENCE_S:
                signal.setitimer(timer, 0)
            for number, handler in zip((signal.SIGPROF, signal.SIGALRM), previous, strict=True):
                signal.signal(number, handler)

    def _stop(self, *_: object) -> None:
        raise _TimeIsUp

    def _look(self) -> None:
        from exptools.viewing import runs

        first = list(itertools.islice(_like_runs(self._paths), _FIRST))
        for directory in first:
            for place in runs.find([directory]).places:
                self._take(place)
        self._places = runs.find(self._paths).places
        for place in _spread(self._places):
            if str(place.path) not in first:
                self._take(place)

    def _take(self, place: Place) -> None:
        from exptools.viewing.compare import flatten
        from exptools.viewing.readers import registry

        config = registry.config(place.home).config
        if config is not None:
            self._configs.append(flatten(config))
        self._tags |= dict.fromkeys(_tags_of(place))

    def runs(self) -> list[str]:
        """The names of the runs; without a path two directories are meant."""
        return [place.name for place in self._places]

    def tags(self) -> list[str]:
        """All tags that were found."""
        return list(self._tags)

    def config_keys(self) -> list[str]:
        """Config keys, in short where that is enough: those that differ, or all if none does."""
        from exptools.viewing import compare

        every = list(dict.fromkeys(key for config in self._configs for key in config))
        differing = compare.differing(self._configs) or every
        return list(compare.short_names(differing).values())

    def names(self) -> list[str]:
        """Keys and tags."""
        return [*self.config_keys(), *self.tags()]

    def values(self, name: str) -> list[str]:
        """The values of the key `name`, as they are typed."""
        from exptools.viewing import compare
        from exptools.viewing.selection import shown

        every = dict.fromkeys(key for config in self._configs for key in config)
        keys = [key for key in every if key == name] or [k for k in every if name in compare.shorter(k)]
        return list(dict.fromkeys(shown(c[key]) for key in keys for c in self._configs if key in c))


def _like_runs(paths: Iterable[str]) -> Iterator[str]:
    """Directories that hold files of runs, as they are met."""
    from exptools.viewing.readers import registry

    stack = list(paths)
    while stack:
        path = stack.pop()
        with contextlib.suppress(OSError):
            entries = sorted(os.scandir(path), key=lambda entry: entry.name, reverse=True)
            if any(any(registry.of_name(entry.name)) for entry in entries):
                yield path
            else:
                stack += [e.path for e in entries if e.is_dir() and not e.name.startswith(".")]


def _spread(places: Sequence[Place]) -> list[Place]:
    """`places`, each second one first, then the others: all sweeps are seen soon."""
    return [place for start in range(16) for place in places[start::16]]


def _tags_of(place: Place) -> Iterable[str]:
    """Of a progress.csv the header is enough."""
    from exptools.formats.progress import decode_header
    from exptools.viewing import scalars

    for source in place.sources:
        if source.format.name == "exptools":
            with contextlib.suppress(OSError, ValueError), open(source.path, "rb") as file:
                header = decode_header(file.read(1 << 20))
                return header[0] if header is not None else ()
    return scalars.read(scalars.Job(place, lambda tag: False, live=True)).tags


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
