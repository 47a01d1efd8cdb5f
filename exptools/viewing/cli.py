"""exptools-view: the table of runs, every frame as CSV, curves as a figure.

Results go to stdout, notes to stderr.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, NoReturn

from exptools.errors import ExptoolsError, ViewError
from exptools.viewing.exporters.output import OutputError

if TYPE_CHECKING:
    from exptools.viewing.api import Runs
    from exptools.viewing.exporters.table import Shown
    from exptools.viewing.problem import Problem
    from exptools.viewing.summary import Table

PROGRAM = "exptools-view"
_STDOUT = "-"
_MOST_PER_FILE = 5  # problems of one file that are named one by one

_DESCRIPTION = """\
Look at runs: those of exptools, of any Hydra application, or directories of TensorBoard event files.
Without an option it prints a table of them: state, duration, the config keys that differ, and the last value
of each scalar.
"""
_EXAMPLES = """\
examples:
  exptools-view multirun/                              the table of all runs below multirun/
  exptools-view multirun/ --tags 'test/*'              only these scalars
  exptools-view multirun/ --csv frames.csv             every frame of every scalar, float64, nothing rounded
  exptools-view multirun/ --csv --tags loss | head     the same to stdout, of one scalar
  exptools-view multirun/ --plot loss -o fig.png       mean over seeds with a band, a line per variant

--plot, --tags and --columns can be given several times.
exit codes: 0 all well; 1 something could not be read (it is named, the rest is shown) or written;
2 wrong usage
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Errors are one line, and main says them."""
        raise ViewError(f"{message}; see {PROGRAM} --help")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: sys.argv[1:]) and return the exit code."""
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a tag may hold what the terminal cannot show
    try:
        return _run(_parse(argv))
    except ExptoolsError as error:
        _note(f"error: {error}")
        return 1 if isinstance(error, OutputError) else 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _give_up_stdout()
        return 0
    except KeyboardInterrupt:
        return 130


@contextlib.contextmanager
def _stdout() -> Iterator[None]:
    """Around all that writes to stdout: that it takes no more (a full disk) is an error like any other."""
    if sys.stdout is None:
        raise OutputError("cannot write to stdout: it is closed")
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except OSError as error:
        _give_up_stdout()
        raise OutputError(f"cannot write to stdout: {error.strerror or error}") from error


def _give_up_stdout() -> None:
    """Python would flush stdout again at exit, and complain."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    options = _parser().parse_intermixed_args(argv)
    _settle_csv(options)
    if options.output is not None and options.plot is None:
        raise ViewError(f"-o {options.output} names the file of a figure, but there is no --plot TAG")
    return options


def _parser() -> argparse.ArgumentParser:
    from exptools import __version__

    parser = _Parser(
        PROGRAM,
        description=_DESCRIPTION,
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("paths", metavar="PATH", nargs="*", help="a run, or a directory with runs at any depth")
    add(
        "--csv",
        metavar="FILE",
        nargs="?",
        const=_STDOUT,
        help="every frame of every scalar (no FILE: stdout)",
    )
    add("--plot", metavar="TAG", action="append", help="draw the curves of this scalar (a name or a glob)")
    add("-o", "--output", metavar="FILE", help="the figure: .pdf, .png or .svg (default: TAG.pdf)")
    add("--tags", metavar="GLOB", action="append", help="only these scalars, in the table and the CSV")
    add(
        "--columns",
        metavar="NAME",
        action="append",
        help="this column of the table: state, duration, error, a key, a tag",
    )
    add(
        "--no-cache",
        dest="cache",
        action="store_false",
        help="read every file anew and leave nothing behind",
    )
    add(
        "--keep-superseded",
        action="store_true",
        help="keep frames that a resumed run measured again at the same step",
    )
    add("--version", action="version", version=f"exptools {__version__}")
    return parser


def _settle_csv(options: argparse.Namespace) -> None:
    """--csv takes the word after it for its FILE: a directory is the PATH, if there is no other."""
    if options.csv in (None, _STDOUT) or options.paths:
        return
    if not os.path.isdir(options.csv):
        raise ViewError(
            f"no path was given beside --csv {options.csv}; give a directory that holds runs, "
            "for example multirun/"
        )
    options.paths, options.csv = [options.csv], _STDOUT


def _run(options: argparse.Namespace) -> int:
    from exptools.viewing.api import load

    _check_files(options)
    runs = load(*options.paths, cache=options.cache, keep_superseded=options.keep_superseded)
    try:
        if options.csv is not None:
            _csv(runs, options)
        if options.plot is not None:
            _plot(runs, options)
        if options.csv is None and options.plot is None:
            _table(runs, options)
    finally:
        _note_superseded(runs.superseded)
        _report(runs.problems)
    return 1 if runs.problems else 0


def _csv(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing.exporters import csv

    if options.csv == _STDOUT:
        with _stdout():
            csv.write(sys.stdout.buffer, runs, options.tags)
        return
    runs.to_csv(options.csv, options.tags)
    _note(f"wrote {options.csv}")


def _check_files(options: argparse.Namespace) -> None:
    from pathlib import Path

    from exptools.viewing.exporters import figure, output

    if options.csv not in (None, _STDOUT):
        output.writable(Path(options.csv))
    if options.output is not None:
        figure.checked(Path(options.output))


def _plot(runs: Runs, options: argparse.Namespace) -> None:
    from pathlib import Path

    from exptools.viewing.exporters import figure, panels

    shown = runs.panels(*options.plot)
    file = Path(options.output) if options.output else figure.default_file([panel.tag for panel in shown])
    drawn, _ = figure.draw(shown)
    for note in [*figure.save(drawn, file), *panels.notes(shown)]:
        _note(note)
    _note(f"wrote {file}")


def _table(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing import failures
    from exptools.viewing.exporters import table

    summary = runs.summary(options.tags, options.columns)
    shown = table.Shown(left_out=(), whole_names=True)
    with _stdout():
        if sys.stdout.isatty():
            from rich.console import Console

            shown = table.show(summary, Console(file=sys.stdout, highlight=False))
        else:
            print(table.tab_separated(summary), end="")
    _note_left_out(shown)
    _note_hidden(summary)
    for line in failures.told(runs):
        _say(line)


def _note_left_out(shown: Shown) -> None:
    from exptools.viewing.compare import listed

    names = shown.left_out
    if not shown.whole_names:
        _note("the names of the runs are shortened; pipe to see them whole")
    if names:
        columns = "1 more column does" if len(names) == 1 else f"{len(names)} more columns do"
        _note(
            f"{columns} not fit: {listed(names, most=8)}; choose with --tags or --columns, or pipe to see all"
        )


def _note_hidden(summary: Table) -> None:
    if summary.hidden:
        keys = ", ".join(summary.hidden)
        _note(f"not shown, as it only says which run it is: {keys}; to see it name it with --columns")


def _note_superseded(superseded: Mapping[str, Mapping[str, int]]) -> None:
    if not superseded:
        return
    by_run = {run: sum(by_tag.values()) for run, by_tag in superseded.items()}
    first, n = next(iter(by_run.items()))
    where = f"in run {first}" if len(by_run) == 1 else f"in {len(by_run)} runs (the first: {first}, {n})"
    _note(
        f"{sum(by_run.values())} frames {where} were left out: a later session measured them again at the "
        "same step; --keep-superseded shows them"
    )


def _report(problems: Iterable[Problem]) -> None:
    """One line per problem; of a file with many the first few, and how many more there are."""
    by_file: dict[str, list[Problem]] = {}
    for problem in problems:
        by_file.setdefault(str(problem.path), []).append(problem)
    for path, found in by_file.items():
        for problem in found[:_MOST_PER_FILE]:
            _note(str(problem))
        if len(found) > _MOST_PER_FILE:
            last = found[-1].offset
            more = f"{len(found) - _MOST_PER_FILE} more places that cannot be read, the last at offset {last}"
            _note(f"{path}: {more}")


def _note(text: str) -> None:
    _say(f"{PROGRAM}: {text}")


def _say(line: str) -> None:
    """On stderr, if there is one: print would take stdout in its stead."""
    from exptools.viewing.exporters.table import one_line

    if sys.stderr is not None:
        print(one_line(line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
