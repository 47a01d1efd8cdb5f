"""What a name that somebody typed stands for: a column of the table, whole or in short. Pure functions."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.columns import FINAL, Column, Kind

_STATISTIC = re.compile(r"(\w+)\((.*)\)", re.DOTALL)
_FIXED = {"duration": "duration_s"}
_KEY, _TAG = "config.", "last."  # before a name: it is a config key, a scalar


class NoColumn(ViewError):
    """There is no such column."""


@dataclass(frozen=True)
class Typed:
    """A name as it was typed, taken apart. statistic: in `max(acc)` it is max; None where there is none.

    quoted: the name with its quotes, if it has some: parts of keys that hold dots have. only: KEY or TAG if
    `config.` or `last.` stood before it.
    """

    quoted: str
    statistic: str | None = None
    only: Kind | None = None

    @property
    def name(self) -> str:
        """Without quotes around it."""
        is_quoted = re.fullmatch(r'"(?:[^"\\]|\\.)*"', self.quoted)
        return re.sub(r"\\(.)", r"\1", self.quoted[1:-1]) if is_quoted else self.quoted


def typed(text: str) -> Typed:
    """`text` taken apart: `acc`, `max(acc)`, `config.acc`, `last.acc`, and in quotes a name as it is.

    Raises:
        ViewError: it names a statistic that there is not.
    """
    text = text.strip()
    match = _STATISTIC.fullmatch(text)
    if match:
        from exptools.viewing.statistics import reductions  # numpy: only who asks for a statistic waits

        try:
            reductions.words(match.group(1))
        except ViewError as error:
            raise ViewError(f"{text}: {error}; put a name that holds brackets into quotes") from None
        return Typed(match.group(2).strip(), match.group(1), Kind.TAG)
    for prefix, kind in ((_KEY, Kind.KEY), (_TAG, Kind.TAG)):
        if text.startswith(prefix):
            return Typed(text.removeprefix(prefix), only=kind)
    return Typed(text)


def reads(texts: Iterable[str]) -> Callable[[str], bool]:
    """Which tags must be read to know what the names or globs `texts` stand for."""
    asked = [typed(text) for text in texts]
    patterns = [a.name for a in asked if a.only is not Kind.KEY] + list(texts)
    return lambda tag: any(compare.matches(tag, [p]) or _ends(tag, p) for p in patterns)


def _ends(tag: str, name: str) -> bool:
    return tag.endswith(f"/{name}")


def resolve(text: str, columns: Sequence[Column], *, keys_first: bool = False) -> Column:
    """The one of `columns` that `text` names.

    A name is whole, or so much of the end of a config key or tag as no other has: `lr` for `optimizer.lr`,
    `acc` for `test/acc`, `model` for `model.name`. Of several keys the one that differs between the runs is
    taken. keys_first: a config key, even in short, goes before a tag.

    Raises:
        ViewError: there is no such column, or several.
    """
    asked = typed(text)
    of = [column for column in columns if asked.only in (None, column.kind)]
    found = next(filter(None, _candidates(text, asked, columns, of, keys_first)), None)
    if found is None:
        raise NoColumn(compare.unmatched("column", [text], [c.name for c in columns]) or text)
    if len(found) > 1:
        names = compare.listed([c.name for c in found])
        raise ViewError(f"{text} can be any of {len(found)} columns: {names}; give one of these names")
    return found[0] if asked.statistic is None else reduced(found[0], asked.statistic)


def matching(pattern: str, columns: Sequence[Column]) -> list[Column]:
    """The columns that `pattern` names: as a glob, as `max(GLOB)` of tags, or in short as resolve knows it.

    Raises:
        ViewError: there is none, or a short name could be several.
    """
    found = [column for column in columns if compare.matches(column.name, [_FIXED.get(pattern, pattern)])]
    if found:
        return found
    asked = typed(pattern)
    if asked.statistic is not None:
        tags = [c for c in columns if c.kind is Kind.TAG and compare.matches(c.source, [asked.name])]
        found = [reduced(column, asked.statistic) for column in tags]
    return found or [resolve(pattern, columns)]


def reduced(column: Column, statistic: str) -> Column:
    """The column of another statistic of the same tag."""
    name = column.source if statistic == FINAL else f"{statistic}({column.source})"
    return replace(column, name=name, statistic=statistic)


def _candidates(
    text: str, asked: Typed, columns: Sequence[Column], of: Sequence[Column], keys_first: bool
) -> Iterable[list[Column]]:
    name, spelled = asked.name, {asked.name, asked.quoted}
    keys = [c for c in of if c.kind is Kind.KEY]
    tags = [c for c in of if c.kind is Kind.TAG]
    yield [c for c in of if c.kind not in (Kind.KEY, Kind.TAG) and c.name == _FIXED.get(name, name)]
    if not keys_first:
        yield [c for c in columns if c.name == text.strip()]
    yield [c for c in keys if c.source == asked.quoted]
    yield [c for c in keys if c.source in spelled]
    short = [c for c in keys if spelled & {*compare.shorter(c.source)}]
    if keys_first:
        yield [c for c in short if c.differs] if len(short) > 1 else short
        yield short
    yield [c for c in tags if name == c.source]
    yield [c for c in short if c.differs] if len(short) > 1 else short
    yield short
    yield [c for c in tags if _ends(c.source, name)]
    yield [c for c in columns if c.name == text.strip()]
