"""The options of a figure on the command line, and the Spec that they ask for. Imports nothing heavy."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from exptools.errors import ViewError
from exptools.viewing.figures.save import default_file
from exptools.viewing.figures.spec import KINDS, SCALES, Spec, from_yaml

_BEFORE: Final = "figure_"  # of the names in the namespace, where others are too

_VALUES: Final = (  # option, metavar, help
    ("x", "NAME", "step (default), wall_time, relative, or a scalar, taken at the same steps"),
    ("over", "KEYS", "the config keys along the axes of scatter, heatmap and parallel"),
    ("by", "KEYS", "a series for each value of these config keys (default: for each setting)"),
    ("split", "KEYS", "a panel for each value of these; tag is one (default: tag)"),
    ("smooth", "WEIGHT", "debiased moving average of each run, as TensorBoard's: 0 to less than 1"),
    ("running", "max|min", "the best so far"),
    ("center", "NAME", "over runs: mean (default), median or iqm"),
    ("band", "NAME", "none, sd, se, t95, ci95 (bootstrap), p25-75, minmax, ..."),
    ("points", "N", "so many points of x at equal distances (default: every x of a run)"),
    ("min-runs", "N", "leave out points of fewer runs"),
    ("stat", "NAME", "a run as one number: final (default), max, min, mean, tail, auc, auc_normalized"),
    ("best-of", "TAG", "of each series only the setting that is the best by the --stat of TAG"),
    ("best-by", "max|min", "which is the best (default: max)"),
    ("task", "KEY", "the config key that is the task of a profile"),
    ("xscale", "|".join(SCALES), "of x"),
    ("yscale", "|".join(SCALES), "of y, and of colours"),
    ("xlim", "FROM:TO", "show this part; one end may be left out (--xlim=-1:1 where it is negative)"),
    ("ylim", "FROM:TO", "the same of y"),
    ("style", "NAME", "of a venue: neurips, icml, iclr, aaai, cvpr, acl, ieee, ..., with a year if you like"),
    ("width", "WIDTH", "column, text, or inches"),
    ("height", "INCHES", "of a row of panels"),
    ("panel-columns", "N", "so many panels beside each other"),
    ("legend", "WHERE", "below (default) or none"),
    ("title", "TEXT", "above all"),
)
_LISTS: Final = (
    ("normalize", "LOW:HIGH", "scores of a profile that become 0 and 1; TASK=LOW:HIGH; or minmax"),
    ("lines", "y=NUMBER:TEXT", "a reference line, also x=NUMBER; the text may be left out"),
    ("rename", "OLD=NEW", "call a label, a part of one, a key or a tag so"),
    ("order", "LABEL", "this series first"),
)
_NUMBERS: Final[dict[str, type]] = {
    "smooth": float,
    "points": int,
    "min-runs": int,
    "height": float,
    "panel-columns": int,
}


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of figures to `parser`: --plot, -o, --spec, --only-figure, and one for each field."""
    group = parser.add_argument_group("figures")
    add = group.add_argument
    add("--plot", metavar="TAG", action="append", help="draw this scalar (a name or a glob)")
    add("-o", "--output", metavar="FILE", help="the figure: .pdf, .svg, .png or .pgf (default: TAG.pdf)")
    add("--spec", metavar="FILE", help="draw the figure of this .yaml again; other options change it")
    add("--only-figure", action="store_true", help="no data, spec, runs and caption beside it")
    add("--kind", dest=f"{_BEFORE}kind", choices=KINDS, help="what to draw (default: curves)")
    for name, metavar, text in _VALUES:
        add(f"--{name}", dest=_dest(name), metavar=metavar, type=_NUMBERS.get(name, str), help=text)
    for name, metavar, text in _LISTS:
        add(f"--{name}", dest=_dest(name), metavar=metavar, action="append", help=text)
    for axis in "xy":
        scale = f"{axis}scale"
        add(f"--log{axis}", dest=_dest(scale), action="store_const", const="log", help=f"--{scale} log")
    add(
        "--caption",
        dest=f"{_BEFORE}caption",
        action=argparse.BooleanOptionalAction,
        help="say in the figure what centre and band are (default: unless there is a style)",
    )


def _dest(name: str) -> str:
    return _BEFORE + name.replace("-", "_")


def spec_of(options: argparse.Namespace, paths: Sequence[str]) -> Spec:
    """The figure that `options` ask for: that of --spec if there is one, with what else was given.

    `Runs.plot(spec=...)` of the runs in its `paths` draws it, into its `file`, which is never None.

    Raises:
        ViewError: the file of --spec cannot be read, or a value is not allowed.
    """
    fields: dict[str, Any] = given(options)
    if "rename" in fields:
        fields["rename"] = dict(map(_renamed, fields["rename"]))
    if options.plot is not None:
        fields["tags"] = tuple(options.plot)
    if options.output is not None:
        fields["file"] = options.output
    if paths:
        fields["paths"] = tuple(paths)
    spec = (Spec() if options.spec is None else _read(Path(options.spec))).replaced(**fields)
    return spec if spec.file is not None else spec.replaced(file=str(default_file(spec.tags)))


def given(options: argparse.Namespace) -> dict[str, Any]:
    """What was given of a Spec, by the names of its fields."""
    return {
        name.removeprefix(_BEFORE): value
        for name, value in vars(options).items()
        if name.startswith(_BEFORE) and value is not None
    }


def _renamed(text: str) -> tuple[str, str]:
    old, equals, new = text.rpartition("=")
    if not equals or not old:
        raise ViewError(f"--rename cannot be {text!r}; give OLD=NEW")
    return old, new


def _read(file: Path) -> Spec:
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8"
        raise ViewError(f"cannot read {file}: {reason}; give a .yaml that lies beside a figure") from error
    return from_yaml(text, str(file))
