"""exptools-view: the table of runs and what else can be made of them; see options.HELP.

Results go to stdout, notes to stderr.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from exptools.errors import ExptoolsError, ViewError
from exptools.viewing import options as parsing
from exptools.viewing.exporters.output import OutputError
from exptools.viewing.options import PROGRAM, STDOUT, is_asked

if TYPE_CHECKING:
    import argparse

    from rich.console import Console

    from exptools.viewing.api import Runs
    from exptools.viewing.exporters.table import Shown
    from exptools.viewing.figures.spec import Spec
    from exptools.viewing.held import Held
    from exptools.viewing.problem import Problem
    from exptools.viewing.summary import Table

_MOST_PER_FILE = 5  # problems of one file that are named one by one
_COMPLETE = "--complete"  # what the scripts of --completion call; see completion


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: sys.argv[1:]) and return the exit code."""
    given = sys.argv[1:] if argv is None else list(argv)
    if given[:1] == [_COMPLETE]:
        from exptools.viewing import completion

        return completion.main(given[1:])
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")  # a tag may hold what the terminal cannot show
    try:
        with _terminated_in_order():
            return _run(parsing.parse(given))
    except ExptoolsError as error:
        _note(f"error: {error}")
        return 1 if isinstance(error, OutputError) else 2
    except BrokenPipeError:  # the reader (head, less) has seen enough
        _give_up_stdout()
        return 0
    except KeyboardInterrupt:
        return 130


@contextlib.contextmanager
def _terminated_in_order() -> Iterator[None]:
    """SIGTERM and SIGHUP inside end this process as ever, but what is half written is taken away before."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def end(number: int, _: object) -> NoReturn:
        raise _Terminated(number)

    numbers = [n for n in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(n) is signal.SIG_DFL]
    for number in numbers:
        signal.signal(number, end)
    try:
        yield
    except _Terminated as asked:
        signal.signal(asked.args[0], signal.SIG_DFL)
        signal.raise_signal(asked.args[0])
    finally:
        for number in numbers:
            signal.signal(number, signal.SIG_DFL)


class _Terminated(BaseException):
    """A signal asks this process to end."""


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


def _run(options: argparse.Namespace) -> int:
    if options.completion is not None:
        from exptools.viewing import completion

        with _stdout():
            print(completion.script(options.completion), end="")
        return 0
    _check_files(options)
    if options.watch is not None:
        return _watch(options)
    if options.web:
        return _web(options)
    runs = _load(options)
    try:
        runs = _chosen(runs, options)
        for make in _makers(options):
            make(runs, options)
    except Exception:  # but not Ctrl-C, which ends it without a word
        _tell(runs)
        raise
    _tell(runs)
    return 1 if runs.problems else 0


def _tell(runs: Runs) -> None:
    """What was met on the way."""
    for note in runs.notes:
        _note(note)
    _note_superseded(runs.superseded)
    _report(runs.problems)


def _makers(options: argparse.Namespace) -> list[Callable[[Runs, argparse.Namespace], None]]:
    """What is to be made, in this order."""
    makers = {
        "parquet": _parquet,
        "html": _html,
        "plot": _plot,
        "csv": _csv,  # behind the files: who reads stdout may have seen enough
        "table": _results,
        "diff": _diff,
        "keys": _keys,
    }
    return [make for name, make in makers.items() if is_asked(options, name)] or [_table]


def _load(options: argparse.Namespace, **more: Any) -> Runs:
    from exptools.viewing.api import Settings, loaded

    # Without a PATH the two runs of --diff are directories, and a --spec says where its runs are.
    paths = options.paths or options.diff or (options.spec and _spec(options).paths) or ()
    # Frames on the terminal would be torn by a bar.
    is_free = options.csv != STDOUT or sys.stdout is None or not sys.stdout.isatty()
    settings = Settings(
        options.cache,
        options.keep_superseded,
        progress=is_free and not more,
        paths=tuple(paths),
        **more,
    )
    return loaded(paths, settings)


def _chosen(runs: Runs, options: argparse.Namespace) -> Runs:
    """The runs that are asked for; how many these are is told, if not all."""
    chosen = runs.select(**_selection(options))
    if len(chosen) < len(runs) and options.watch is None:
        _note(f"{len(chosen)} of {len(runs)} runs chosen")
    return chosen


def _selection(options: argparse.Namespace) -> dict[str, Any]:
    """The arguments of Runs.select."""
    names = {"states": "state"}
    wanted = ("where", "exclude", "states", "latest", "best", "max", "min")
    return {name: getattr(options, names.get(name, name)) for name in wanted}


def _check_files(options: argparse.Namespace) -> None:
    """Before anything is read: each file that is asked for can be written, and is another."""
    from pathlib import Path

    from exptools.viewing.exporters import output
    from exptools.viewing.figures import save

    named = {"--csv": options.csv, "--parquet": options.parquet, "--html": options.html}
    files = {name: [Path(file)] for name, file in named.items() if file not in (None, STDOUT)}
    if options.csv not in (None, STDOUT) and options.wide and _is_directory(options.csv):
        del files["--csv"]
    if is_asked(options, "plot"):
        figure = Path(str(_spec(options).file))
        rest = [] if options.only_figure else save.beside(figure).values()
        files["--plot"] = [save.checked(figure, with_rest=bool(rest)), *rest]
    elif options.output is not None:
        files["-o"] = [Path(options.output)]
    by_file: dict[Path, str] = {}
    for name, paths in files.items():
        for path in paths:
            output.writable(path)
            if by_file.setdefault(path.resolve(), name) != name:
                raise ViewError(
                    f"{path} is what {by_file[path.resolve()]} and {name} would write; name another"
                )


# --- one function per thing ------------------------------------------------------------------------------


def _table(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing import failures
    from exptools.viewing.exporters import json, table

    summary = runs.summary(options.tags, options.columns, sort=options.sort, descending=options.desc)
    shown = table.Shown(left_out=(), whole_names=True)
    with _stdout():
        if options.json:
            print(json.of_table(summary), end="")
        elif sys.stdout.isatty():
            shown = table.show(summary, _console())
        else:
            print(table.tab_separated(summary), end="")
    _note_left_out(shown)
    _note_hidden(summary)
    for line in failures.told(runs):
        _say(line)


def _watch(options: argparse.Namespace) -> int:
    from exptools.viewing.watch import watch

    if sys.stdout is None or not sys.stdout.isatty():
        raise ViewError(
            "--watch draws on a terminal, and stdout is none; ask again and again instead, "
            f"for example: while sleep 60; do {PROGRAM} PATH; done"
        )
    memo: dict[Any, Any] = {}

    def look() -> tuple[Runs, Table]:
        runs = _chosen(_load(options, memo=memo), options)
        return runs, runs.summary(options.tags, options.columns, sort=options.sort, descending=options.desc)

    watch(look, _console(), options.watch, keep_order=options.sort is not None or options.best is not None)
    return 0


def _web(options: argparse.Namespace) -> int:
    from exptools.viewing.seen import Seen
    from exptools.viewing.web.start import DEFAULT_PORT, start

    memo: dict[Any, Any] = {}
    seen = Seen()

    def load(held: Held) -> Runs:
        return _load(options, memo=memo, held=held, seen=seen).select(**_selection(options))

    def say(line: str) -> None:
        with _stdout():
            print(line)

    return start(
        load,
        title=", ".join(options.paths),
        given=[*map(_no_option, options.paths), *_chosen_by(options)],
        tags=options.tags or (),
        host=options.host,
        port=DEFAULT_PORT if options.port is None else options.port,
        say=say,
    )


def _no_option(path: str) -> str:
    """`path` as it can stand anywhere in a command line."""
    return f"./{path}" if path.startswith("-") else path


def _chosen_by(options: argparse.Namespace) -> Iterator[str]:
    """The words of the command line that choose runs and frames."""
    for name in ("where", "exclude", "state"):
        yield from (f"--{name}={value}" for value in getattr(options, name) or ())
    yield from ["--latest"] * options.latest
    yield from ["--keep-superseded"] * options.keep_superseded
    yield from (
        f"--{n}={getattr(options, n)}" for n in ("best", "max", "min") if getattr(options, n) is not None
    )


def _csv(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing.exporters import csv, wide

    if options.csv == STDOUT:
        with _stdout():
            (wide if options.wide else csv).write(sys.stdout.buffer, runs, options.tags)
    elif options.wide and _is_directory(options.csv):
        files = runs.to_csvs(options.csv, options.tags)
        _note(f"wrote {len(files)} files into {options.csv}")
    else:
        runs.to_csv(options.csv, options.tags, wide=options.wide)
        _note(f"wrote {options.csv}")


def _is_directory(file: str) -> bool:
    return file.endswith(os.sep) or os.path.isdir(file)


def _parquet(runs: Runs, options: argparse.Namespace) -> None:
    runs.to_parquet(options.parquet, options.tags)
    _note(f"wrote {options.parquet}")


def _html(runs: Runs, options: argparse.Namespace) -> None:
    runs.to_html(options.html, options.tags, title=options.figure_title)
    _note(f"wrote {options.html}")


def _plot(runs: Runs, options: argparse.Namespace) -> None:
    import warnings
    from pathlib import Path

    from exptools.viewing.figures import save

    spec = _spec(options)
    assert spec.file is not None
    beside = not options.only_figure
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        runs.plot(spec=spec, beside=beside)
    for note in notes:
        _note(str(note.message))
    rest = ", ".join(path.name for path in save.beside(Path(spec.file)).values()) if beside else ""
    _note(f"wrote {spec.file}" + (f", and beside it {rest}" if rest else ""))


def _spec(options: argparse.Namespace) -> Spec:
    """The figure that is asked for, with how its runs are chosen."""
    from exptools.viewing.figures import options as figures

    spec = figures.spec_of(options, options.paths)
    chosen = {name: value for name, value in _selection(options).items() if value}
    return spec.replaced(select={**spec.select, **chosen}) if chosen else spec


def _results(runs: Runs, options: argparse.Namespace) -> None:
    from pathlib import Path

    from exptools.viewing.exporters import output

    stat = options.stat or "final"
    if options.figure_task is not None:
        normalize = options.figure_normalize
        found = runs.across_tasks(options.tags[0], options.figure_task, stat, normalize=normalize)
    else:
        found = runs.results(options.tags, stat, options.ci or "t95", options.better)
    text = found.text(options.table)
    for note in (*found.notes, *found.hints):
        _note(note)
    if options.output is None:
        with _stdout():
            print(text, end="")
        return
    with output.replacing(Path(options.output)) as stream:
        stream.write(text.encode())
    _note(f"wrote {options.output}")


def _diff(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing.exporters import diff

    found = runs.diff(*(_run_called(runs, name) for name in options.diff))
    _print(
        options,
        as_json=lambda: diff.as_json(found),
        piped=lambda: diff.tab_separated(found),
        shown=lambda console: diff.show(found, console),
    )
    if not found.rows:
        _note(f"{found.one} and {found.other} do not differ")


def _run_called(runs: Runs, name: str) -> str:
    """`name`, or the name of the run in the directory `name`."""
    if any(run.name == name for run in runs):
        return name
    here = [run.name for run in runs if os.path.abspath(run.path) == os.path.abspath(name)]
    return here[0] if here else name


def _keys(runs: Runs, options: argparse.Namespace) -> None:
    from exptools.viewing.exporters import keys

    found = runs.keys()
    _print(
        options,
        as_json=lambda: keys.as_json(found),
        piped=lambda: keys.tab_separated(found),
        shown=lambda console: keys.show(found, console),
    )


def _print(
    options: argparse.Namespace,
    *,
    as_json: Callable[[], str],
    piped: Callable[[], str],
    shown: Callable[[Console], None],
) -> None:
    """On stdout: as JSON if that is asked for, else for eyes on a terminal, else for programs."""
    with _stdout():
        if options.json:
            print(as_json(), end="")
        elif sys.stdout.isatty():
            shown(_console())
        else:
            print(piped(), end="")


def _console() -> Console:
    from rich.console import Console

    return Console(file=sys.stdout, highlight=False)


# --- notes -----------------------------------------------------------------------------------------------


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
        with contextlib.suppress(OSError):  # a full disk, or nobody who reads it
            print(one_line(line), file=sys.stderr)


if __name__ == "__main__":
    sys.exit(main())
