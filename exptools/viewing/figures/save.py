"""A figure as a file, and what lies beside it: its data, its specification, its runs, its caption."""

from __future__ import annotations

import csv
import io
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from exptools.errors import ViewError
from exptools.viewing import compare
from exptools.viewing.exporters import output

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from exptools.viewing.figures.data import Data

FORMATS: Final = (".pdf", ".png", ".svg", ".pgf")
_DOTS_PER_INCH: Final = 300
_UNDATED: Final[Mapping[str, dict[str, Any]]] = {  # the same figure is the same file
    ".pdf": {"CreationDate": None, "ModDate": None},
    ".svg": {"Date": None},
}
_ESCAPED: Final = {
    **{char: f"\\{char}" for char in "&%$#_{}"},
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "\N{MULTIPLICATION SIGN}": r"\ensuremath{\times}",
}
_SUPERSCRIPTS: Final = "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"
_LOWERED: Final = str.maketrans(_SUPERSCRIPTS, "-0123456789")
_FIXED: Final = ("panel", "tag", "series")


def default_file(tags: Sequence[str]) -> Path:
    """Where the figure of `tags` goes if nobody says: <tag>.pdf in the current directory."""
    return Path("-".join(re.sub(r"[^\w.=+-]+", "_", tag).strip("_.") or "tag" for tag in tags)[:100] + ".pdf")


def checked(file: Path, *, with_rest: bool = False) -> Path:
    """`file`, if a figure can be saved there. with_rest: and what lies beside it.

    Raises:
        ViewError: its ending names no format, or it cannot be written, or it needs LaTeX and there is none;
            what would lie beside it is there already and is not that of a figure.
    """
    if file.suffix.lower() not in FORMATS:
        given = f"the ending {file.suffix!r}" if file.suffix else "no ending"
        raise ViewError(f"cannot write {file}: {given}; a figure can be {', '.join(FORMATS)}")
    if file.suffix.lower() == ".pgf" and shutil.which("xelatex") is None:
        raise ViewError(
            f"cannot write {file}: PGF is measured by LaTeX, and xelatex is not installed; "
            "install it (texlive-xetex), or give .pdf"
        )
    for path in [file, *(beside(file).values() if with_rest else ())]:
        output.writable(path)
    if with_rest:
        _is_free_beside(file)
    return file


def _is_free_beside(file: Path) -> None:
    """Refuses to write over somebody's loss.csv because a figure is called loss.pdf."""
    files = beside(file)
    there = [path for path in files.values() if path.exists()]
    if there and not _is_spec(files["spec"]):
        raise ViewError(
            f"cannot write what belongs beside {file}: {there[0]} is there, and is not a figure's; "
            "give the figure another name, or --only-figure"
        )


def _is_spec(path: Path) -> bool:
    from exptools.viewing.figures.spec import begins

    try:
        with open(path, encoding="utf-8") as text:
            return begins(text.readline())
    except (OSError, UnicodeDecodeError):
        return False


def save(figure: Figure, file: Path, rc: Mapping[str, Any] | None = None) -> list[str]:
    """Save `figure` to `file`, whose ending says the format. Returns what the font could not show.

    rc: matplotlib's parameters, of the style; None for those of ours.

    Raises:
        ViewError: `file` cannot be written.
    """
    import matplotlib

    from exptools.viewing.figures import styles

    ending = file.suffix.lower()
    parameters: Any = styles.find(None).rc if rc is None else rc
    with warnings.catch_warnings(record=True) as caught, matplotlib.rc_context(parameters):
        warnings.simplefilter("always")
        with output.replacing(checked(file)) as stream:
            if ending == ".pgf":
                _save_pgf(figure, stream, file)
            else:
                metadata = _UNDATED.get(ending)
                figure.savefig(stream, format=ending[1:], dpi=_DOTS_PER_INCH, metadata=metadata)
    return list(dict.fromkeys(str(warning.message) for warning in caught))


def _save_pgf(figure: Figure, stream: Any, file: Path) -> None:
    """PGF's texts are LaTeX's source: what means something there is escaped meanwhile."""
    from matplotlib.backends.backend_pgf import LatexError
    from matplotlib.text import Text

    from exptools.viewing.figures.ticks import Rewritten

    texts = {text: text.get_text() for text in figure.findobj(Text) if isinstance(text, Text)}
    formatters = {axis: axis.get_major_formatter() for ax in figure.axes for axis in (ax.xaxis, ax.yaxis)}
    whole = io.BytesIO()
    try:
        for text, content in texts.items():
            text.set_text(escaped(content))
        for axis, formatter in formatters.items():
            axis.set_major_formatter(Rewritten(formatter, escaped))
        figure.savefig(whole, format="pgf")
    except (RuntimeError, ValueError, LatexError) as error:  # what LaTeX could not set
        first = str(error).strip().splitlines()[0]
        raise output.OutputError(f"cannot write {file}: LaTeX failed ({first}); give .pdf") from error
    finally:
        for text, content in texts.items():
            text.set_text(content)
        for axis, formatter in formatters.items():
            axis.set_major_formatter(formatter)
    stream.write(whole.getvalue())


def escaped(text: str) -> str:
    """`text` so that LaTeX shows it as it is."""
    plain = "".join(_ESCAPED.get(char, char) for char in text)
    return re.sub(f"[{_SUPERSCRIPTS}]+", lambda m: rf"\textsuperscript{{{m[0].translate(_LOWERED)}}}", plain)


# --- beside ---------------------------------------------------------------------------------------------


def beside(file: Path) -> dict[str, Path]:
    """The files beside a figure: data, spec, runs, caption."""
    stem = file.with_suffix("")
    return {
        "data": stem.with_name(f"{stem.name}.csv"),
        "spec": stem.with_name(f"{stem.name}.yaml"),
        "runs": stem.with_name(f"{stem.name}.runs.txt"),
        "caption": stem.with_name(f"{stem.name}.txt"),
    }


def write_beside(shown: Data, file: Path) -> list[Path]:
    """Write what lies beside the figure `file`, and return where.

    Raises:
        ViewError: it cannot be written.
    """
    from exptools.viewing.figures import spec, words

    files = beside(file)
    content = {
        "data": csv_text(shown),
        "spec": spec.to_yaml(shown.spec.replaced(file=str(file))),
        "runs": runs_text(shown),
        "caption": words.caption(shown),
    }
    for name, path in files.items():
        with output.replacing(path) as stream:
            stream.write(content[name].encode(errors="backslashreplace"))  # a path may not be UTF-8
    return list(files.values())


def csv_text(shown: Data) -> str:
    """What is drawn: panel, tag, series, the config keys of panel and series, numbers; nothing is rounded.

    What is not finite is nan, inf and -inf. Of wall and relative time x is in seconds.
    """
    from exptools.viewing.figures.kinds import KINDS
    from exptools.viewing.figures.source import panel_name

    kind, source = KINDS[shown.spec.kind], shown.source
    marks = [mark for panel in shown.panels for mark in panel.marks]
    rows = [(mark, row) for mark in marks for row in kind.rows(mark, source)]
    settings = [{**mark.cell.split, **mark.group.settings, **extra} for mark, (extra, _) in rows]
    keys = list(dict.fromkeys(key for row in settings for key in row))
    numbers = kind.columns(source)
    names = compare.distinct(keys, {*_FIXED, *numbers}, "config.")
    out = io.StringIO(newline="")
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([*_FIXED, *names, *numbers])
    for (mark, (_, cells)), of_row in zip(rows, settings, strict=True):
        begin = [panel_name(mark.cell, source), mark.tag, mark.label]
        writer.writerow([*begin, *(_cell(of_row, key) for key in keys), *cells])
    return out.getvalue()


def _cell(settings: Mapping[str, Any], key: str) -> str:
    value = settings.get(key, compare.MISSING)
    return "" if value is compare.MISSING else compare.text(value)


def runs_text(shown: Data) -> str:
    """A line for each run: its name, state, directory, and in which series it counts or why it does not."""
    return "".join(f"{line}\n" for line in _run_lines(shown))


def _run_lines(shown: Data) -> Iterator[str]:
    yield "run\tstate\tdirectory\tin the figure"
    for run in shown.source.runs:
        used = shown.used.get(run.name)
        where = f"no: {shown.why_not[run.name]}" if used is None else f"yes: {'; '.join(used)}"
        yield f"{run.name}\t{run.state or '-'}\t{_from_here(run.path)}\t{where}"


def _from_here(path: Path) -> Path:
    """`path` below the working directory, if it is there: what lies beside a figure may be moved with it."""
    here = Path.cwd()
    return path.relative_to(here) if path.is_relative_to(here) else path
