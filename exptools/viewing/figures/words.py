"""What captions say: centre, band, number of runs, smoothing; which runs fall short."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from exptools.rundir import State
from exptools.viewing.figures.data import shown_label, tag_names
from exptools.viewing.figures.notes import counted, ranged
from exptools.viewing.figures.series import averaged, by_keys
from exptools.viewing.figures.source import panel_name
from exptools.viewing.statistics import bands, order, reductions

if TYPE_CHECKING:
    from exptools.viewing.figures.data import Data
    from exptools.viewing.figures.series import Series
    from exptools.viewing.figures.source import Source
    from exptools.viewing.figures.spec import Spec
    from exptools.viewing.groups import Group


_ON_AXES: Final = {
    "final": "final {}",
    "max": "max. {}",
    "min": "min. {}",
    "mean": "mean {}",
    "tail": "{} (last 10 %)",
    "auc": "area under {}",
    "auc_normalized": "{} (area / range)",
}


def over_runs(spec: Spec, groups: Sequence[Group], low: int, high: int, each: str = "line") -> str:
    """`mean and 1 sd over 3 seeds`, of `groups` of which `low` to `high` runs count."""
    if high == 1:
        return "one run" if len(groups) == 1 else f"one run per {each}"
    band = bands.parse(spec.usual_band).words
    what = " and ".join(filter(None, [order.CENTERS[spec.center], band]))
    return f"{what} over {ranged(low, high)} {_what(groups)}"


def _what(groups: Sequence[Group]) -> str:
    several = [group for group in groups if len(group.runs) > 1]
    if all(group.seeds == len(group.runs) for group in several):
        return "seeds"
    if not any(group.repeats for group in several):
        return "runs"
    seeds = [group.seeds for group in several]
    return f"runs ({ranged(min(seeds), max(seeds))} {'seed' if max(seeds) == 1 else 'seeds'})"


def span(first: float, last: float) -> str:
    """`0 to 1`, whole numbers whole."""
    return " to ".join(f"{x:.0f}" if x == int(x) else f"{x:.4g}" for x in (first, last))


def treatment(spec: Spec) -> str:
    """How the curve of each run was treated, in brackets; "" if it was not."""
    smooth = f"EMA {spec.smooth:g}, debiased" if spec.smooth else ""
    best = {"max": "greatest so far", "min": "least so far", None: ""}[spec.running]
    both = "; ".join(filter(None, [smooth, best]))
    return f" ({both})" if both else ""


def of_stat(spec: Spec, tag: str) -> str:
    """`the final value of test/acc`."""
    return f"the {reductions.words(spec.stat)} of {spec.shown(tag)}"


def of_stats(spec: Spec, tags: Sequence[str]) -> str:
    """The same of several tags."""
    return of_stat(spec, "") + listed([spec.shown(tag) for tag in tags])


def axis_name(spec: Spec, tags: Sequence[str]) -> str:
    """What an axis of such numbers is called: `final test/acc`."""
    return _ON_AXES[spec.stat].format(tag_names(spec, tags))


def sentence(text: str) -> str:
    """`text` with a full stop."""
    return text if text.endswith((".", "?", "!")) else f"{text}."


def capital(text: str) -> str:
    """`text` with a capital; only where it does not begin with a name, which is as it is."""
    return text[:1].upper() + text[1:]


def caption(shown: Data) -> str:
    """All of it, a paragraph: what is drawn, what it is over, which runs fall short, what cannot be seen."""
    from exptools.viewing.figures.kinds import KINDS

    source = shown.source
    told = [capital(KINDS[source.spec.kind].caption(shown)), *_choice(shown), *_averaged(shown), *_few(shown)]
    told += _shortages(source)
    told += [note for note in shown.notes if not _is_said(note)]
    return " ".join(dict.fromkeys(map(sentence, filter(None, told)))) + "\n"


def _is_said(note: str) -> bool:
    """Whether the sentences on single series say it already."""
    return ": missing in " in note or " not completed, drawn as far as they go: " in note


def by_what(says: Iterable[tuple[str, str]], between: str = " of ") -> str:
    """Pairs of what is said and of what, those that say the same together: `A of x and y; B of z`."""
    by_text: dict[str, list[str]] = {}
    for text, of in says:
        by_text.setdefault(text, []).append(of)
    return "; ".join(f"{text}{between}{listed(of)}" for text, of in by_text.items())


def listed(names: Sequence[str]) -> str:
    """`a, b and c`, each once."""
    names = list(dict.fromkeys(names))
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def _choice(shown: Data) -> Iterator[str]:
    source, spec = shown.source, shown.spec
    if spec.best_of is None:
        return
    best = {"max": "greatest", "min": "least"}[spec.best_by]
    what = f"{order.CENTERS[spec.center]} over runs of {of_stat(spec, source.best_tag)}"
    marks = [mark for panel in shown.panels for mark in panel.marks]
    names = {(panel_name(m.cell, source), m.series.label): m.series.choice for m in marks}
    which = "; ".join(": ".join(filter(None, [", ".join(filter(None, n)), c])) for n, c in names.items())
    yield f"Each series is the setting with the {best} {what}: {which}"


def _averaged(shown: Data) -> Iterator[str]:
    source = shown.source
    if source.by is None or shown.spec.kind not in ("curves", "bars", "profile"):
        return
    groups = [mark.group for panel in shown.panels for mark in panel.marks]
    if source.task is not None:
        groups = [part for group in groups for part in by_keys(group.members, [source.task])]
    keys = list(dict.fromkeys(key for group in groups for key in averaged(group.members)))
    if keys:
        names = [source.short[key] for key in keys]
        yield f"Beside the seed, each series is over all values of {listed(names)}"


def _few(shown: Data) -> Iterator[str]:
    if shown.spec.min_runs > 1 and shown.spec.kind != "curves":  # there they are counted
        yield f"What fewer than {shown.spec.min_runs} runs have is not shown"


def _shortages(source: Source) -> Iterator[str]:
    """A sentence for each series of which a run is missing or did not complete; tags alike are one."""
    tags_of: dict[tuple[str, str], list[str]] = {}
    for cell in source.whole_cells():
        for tag in cell.tags:
            for one in source.series(cell, tag):
                words = _shortage(source, one, tag)
                label = shown_label(one.label, source.spec)
                names = [panel_name(cell, source), named(label, one, source)]
                if words:
                    tags_of.setdefault((", ".join(filter(None, names)), words), []).append(tag)
    for (begin, words), tags in tags_of.items():
        of = [] if len(tags) == len(source.tags) else [listed(list(map(source.spec.shown, tags)))]
        begin = ", ".join(filter(None, [*of, begin]))
        yield f"{begin}: {words}" if begin else capital(words)


def named(label: str, one: Series, source: Source) -> str:
    """`lr=0.1`: a label with the names of its keys, where those are few."""
    settings = one.group.settings if label and label == shown_label(one.label, source.spec) else {}
    parts = label.split(", ")
    if not settings or len(parts) != len(settings):
        return label
    return ", ".join(f"{source.short[key]}={part}" for key, part in zip(settings, parts, strict=True))


def _shortage(source: Source, one: Series, tag: str) -> str:
    """`4 of 5 seeds, run 7 FAILED`; "" if all runs completed and have the tag."""
    used = set(one.group.runs)
    missing = [member.name for member in one.whole.members if member.name not in used]
    ended = [n for n in one.group.runs if source.state[n] not in (None, State.COMPLETED)]
    if not missing and not ended:
        return ""
    several = one.whole.seeds == len(one.whole.runs)
    noun = "seed" if several else "run"
    every = len(one.whole.runs)
    parts = [f"{len(used)} of {counted(every, noun)}"] if missing else []
    parts += [
        _ended(source, name, source.lacks.get(name, f"has no {source.spec.shown(tag)}"))
        for name in missing[:10]
    ]
    parts += [_ended(source, name, "") for name in ended[:10]]
    more = len(missing[10:]) + len(ended[10:])
    return ", ".join([*parts, *([f"and {counted(more, 'more run')}"] if more else [])])


def _ended(source: Source, name: str, lacks: str) -> str:
    state = source.state[name]
    if state not in (None, State.COMPLETED):
        return f"run {name} {state}" + ("" if lacks else " and counts as far as it goes")
    return f"run {name} {lacks}"


def legend_title(shown: Data) -> str:
    """What the parts of the labels are."""
    names = shown.source.short
    several = len(shown.source.tags) > 1 and not shown.source.by_tag
    keys = [names.get(key, key) for key in shown.keys]
    return ", ".join([*(["tag"] if several and keys else []), *keys])
