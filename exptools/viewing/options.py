"""The options of exptools-view: how they are parsed, and its help."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from typing import Any, NoReturn

from exptools.errors import ViewError
from exptools.viewing.figures import options as figures

PROGRAM = "exptools-view"
STDOUT = "-"
WATCH_S = 2.0  # between two looks, if nobody says
TABLES = ("md", "latex", "csv", "html")  # exporters.result_table.FORMATS; known without loading it
SHELLS = ("bash", "zsh", "fish")

HELP = """\
usage: exptools-view PATH... [options]

Look at runs of exptools, of any Hydra application, of TensorBoard's writers,
Lightning, Stable-Baselines3, sacred, rlpyt, ...: a table of them, or

  exptools-view multirun/                        what differs, what finished
  exptools-view multirun/ --where lr=1e-3 --where 'acc>0.9'     some of them
  exptools-view multirun/ --table latex --tags 'test/*'    mean over seeds, CI
  exptools-view multirun/ --csv --tags loss | head     every frame, unrounded
  exptools-view multirun/ --plot loss -o fig.pdf       curves with their bands

which runs:
  --where CONDITION    NAME=VALUE, != < <= > >= or ~GLOB, of a config key or a
                       scalar; NAME alone: it has one; !NAME: it has none
  --exclude CONDITION  --state STATE,...  --latest (the newest sweep)
  --best K --max TAG   the K best (--min TAG: the least) by the last value, or
                       by another: 'max(TAG)', 'tail(TAG)', 'mean(TAG)', ...
the table:
  --tags GLOB          only these scalars (everywhere)
  --columns NAME       this column: state, duration, a key, a tag, 'max(TAG)'
  --sort NAME [--desc] rows by this column
  --keys | --diff RUN RUN   instead: keys that differ; how two runs differ
  --watch [SECONDS] | --json   live, on a terminal; as JSON (so --keys, --diff)
files:
  --csv [FILE]         every frame (no FILE: stdout); --parquet FILE
    --wide             a column per tag; --csv DIRECTORY/: a file per run
  --html FILE          a page of curves and tables that needs no network
  --web                a page to explore them while they run, on this machine
    --port N --host NAME   for others, too: with a token
  --table FORMAT       md, latex, csv, html: a row per setting, mean and CI
    --stat NAME        of final (default), max, min, mean, tail, auc, ...
    --ci NAME --better TAG=max   t95, bootstrap95, sd, ...; what is bold
    --task KEY         IQM and the like over the tasks of a benchmark instead
  -o FILE              where --plot or --table is saved
figures, --plot TAG (docs/figures.md):
  --kind KIND          curves, bars, scatter, heatmap, parallel, profile
  --x --over --by --split --task --best-of --best-by      what is shown where
  --center --band --smooth --running --points --min-runs --normalize      how
  --logx --logy --xscale --yscale --xlim --ylim --lines --rename --order
  --style --width --height --panel-columns --legend --title --[no-]caption
  --spec FILE.yaml     draw it again; --only-figure: no files beside it
--keep-superseded (what a resumed run measured again)  --no-cache
--completion bash|zsh|fish  --version  --help
exit codes: 0 all well; 1 something could not be read (it is named, the rest
is shown) or written; 2 wrong usage
"""


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        """Errors are one line, and main says them."""
        raise ViewError(f"{message}; see {PROGRAM} --help")

    def format_help(self) -> str:
        """Written by hand: what fits on two screens."""
        return HELP


def parse(argv: Sequence[str] | None) -> argparse.Namespace:
    """The options in `argv`, those that make no sense together refused.

    Raises:
        ViewError: wrong usage.
    """
    options = parser().parse_intermixed_args(argv)
    options.stat = options.figure_stat
    _settle(options, "csv", STDOUT)
    _settle(options, "watch", WATCH_S)
    options.watch = None if options.watch is None else _seconds(options.watch)
    options.state = None if options.state is None else [s for text in options.state for s in text.split(",")]
    _check(options)
    return options


def parser() -> argparse.ArgumentParser:
    """The parser of all options."""
    from exptools import __version__

    made = _Parser(PROGRAM, allow_abbrev=False)
    add = made.add_argument
    add("paths", metavar="PATH", nargs="*")
    for several in ("--where", "--exclude", "--state", "--tags", "--columns", "--better"):
        add(several, action="append")
    for one in ("--max", "--min", "--sort", "--ci"):
        add(one)
    for flag in ("--latest", "--desc", "--keys", "--json", "--keep-superseded", "--wide"):
        add(flag, action="store_true")
    add("--best", type=int)
    add("--diff", nargs=2)
    add("--watch", nargs="?", const=WATCH_S)
    add("--csv", nargs="?", const=STDOUT)
    add("--parquet")
    add("--html")
    add("--web", action="store_true")
    add("--host")
    add("--port", type=int)
    add("--no-cache", dest="cache", action="store_false")
    add("--table", choices=TABLES)
    add("--completion", choices=SHELLS)
    figures.add_options(made)
    add("--version", action="version", version=f"exptools {__version__}")
    return made


def _settle(options: argparse.Namespace, name: str, default: Any) -> None:
    """--csv and --watch take the word after them: a directory is the PATH, if there is no other."""
    given = getattr(options, name)
    if given in (None, default) or options.paths:
        return
    if os.path.isdir(given):
        options.paths = [given]
        setattr(options, name, default)
    elif name == "csv":
        raise ViewError(
            f"no path was given beside --csv {given}; give a directory that holds runs, for example multirun/"
        )


def _seconds(text: str | float) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0.1 <= seconds <= 86400:
        raise ViewError(f"--watch {text}: give the seconds between two looks, 0.1 or more")
    return seconds


_MAIN = ("csv", "parquet", "html", "plot", "table", "diff", "keys", "watch", "web")
_TOGETHER = {"csv", "parquet", "html", "plot"}  # of these several can be made at once


def is_asked(options: argparse.Namespace, name: str) -> bool:
    """Whether this is to be made."""
    given = options.plot or options.spec if name == "plot" else getattr(options, name)
    return given not in (None, False)


def _check(options: argparse.Namespace) -> None:
    asked = [name for name in _MAIN if is_asked(options, name)]
    if len(asked) > 1 and not set(asked) <= _TOGETHER:
        raise ViewError(f"--{asked[0]} and --{asked[1]} cannot be made at once; give one of them")
    if options.output is not None and not {"plot", "table"} & set(asked):
        raise ViewError(
            f"-o {options.output} names the file of a figure or a table, "
            "but there is no --plot TAG and no --table FORMAT"
        )
    if "plot" not in asked:
        _check_no_figure(options, asked)
    for name in ("host", "port"):
        if getattr(options, name) is not None and not options.web:
            raise ViewError(f"--{name} is for --web, which was not given")
    if options.json and {"csv", "parquet", "html", "plot", "table", "watch", "web"} & set(asked):
        raise ViewError(f"--json is for the table of runs, --keys and --diff, not for --{asked[0]}")
    if options.wide and options.csv is None:
        raise ViewError("--wide is for --csv [FILE], which was not given")
    for name in ("ci", "better"):
        if getattr(options, name) is not None and options.table is None:
            raise ViewError(f"--{name} is for --table FORMAT, which was not given")
    for name, given in (("sort", options.sort), ("columns", options.columns)):
        if given is not None and set(asked) - {"watch"}:
            raise ViewError(f"--{name} is for the table of runs, not for --{asked[0]}")
    if options.table and options.figure_task and len(options.tags or ()) != 1:
        raise ViewError(
            f"--table {options.table} --task {options.figure_task} is of the scores of one scalar; "
            "name it with --tags"
        )
    if options.table and options.figure_task and (options.ci or options.better):
        name = "ci" if options.ci else "better"
        raise ViewError(
            f"--{name} is not for --table {options.table} --task {options.figure_task}: intervals are by a "
            "stratified bootstrap, and greater scores are better; --normalize HIGH:LOW turns them round"
        )
    if options.desc and options.sort is None:
        raise ViewError("--desc turns --sort NAME round, which was not given")


def _check_no_figure(options: argparse.Namespace, asked: Sequence[str]) -> None:
    """Refuses options of a figure where there is none; --table has --stat too, and --html a title."""
    others = {"stat", "task", "normalize"} if "table" in asked else {"title"} if "html" in asked else set()
    given = [name for name in figures.given(options) if name not in others]
    if given or options.only_figure:
        name = given[0].replace("_", "-") if given else "only-figure"
        of_tables = name in ("stat", "task", "normalize")
        where = "--plot TAG, --spec FILE or --table FORMAT" if of_tables else "--plot TAG or --spec FILE"
        raise ViewError(f"--{name} is for {where}, which was not given")
