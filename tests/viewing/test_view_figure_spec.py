"""What a figure is asked by: checked, written as YAML, read back; and the options of the command line."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

import pytest
import yaml

from exptools.errors import ViewError
from exptools.viewing.figures import options
from exptools.viewing.figures.spec import Spec, from_yaml, reference, to_yaml

EVERYTHING: dict[str, Any] = {
    "tags": ("train/loss", "test/*"),
    "kind": "curves",
    "x": "relative",
    "over": (),
    "by": ("lr", "model.name"),
    "split": ("tag", "model.name"),
    "smooth": 0.6,
    "running": "max",
    "center": "median",
    "band": "p25-75",
    "points": 50,
    "min_runs": 2,
    "stat": "tail",
    "best_of": "valid/acc",
    "best_by": "min",
    "xscale": "log",
    "yscale": "symlog",
    "xlim": (None, 1e6),
    "ylim": (0.0, 1.0),
    "lines": ("y=0.9:human: the best", "x=1e6"),
    "rename": {"lr": "learning rate", "0.1": "fast, µ"},
    "order": ("0.1, small",),
    "style": "neurips",
    "width": 3.3,
    "height": 2.0,
    "panel_columns": 3,
    "legend": "none",
    "title": "$x_1$: no maths",
    "caption": False,
    "file": "figures/fig.pdf",
    "paths": ("multirun/a", "multirun/b"),
    "select": {"where": ["lr=0.1"], "newest": 3},
}
OF_OTHER_KINDS = {"task": None, "normalize": ()}


def told(**fields: Any) -> str:
    with pytest.raises(ViewError) as caught:
        Spec().replaced(**fields)
    return str(caught.value)


# --- YAML -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        {},
        EVERYTHING,
        {"kind": "profile", "task": "env", "normalize": ["minmax"], "width": "column", "by": []},
        {"kind": "scatter", "over": "lr, width", "tags": "a", "xlim": "0:", "ylim": ":-1e-5"},
    ],
)
def test_a_spec_goes_to_yaml_and_back_without_loss(fields: dict[str, Any]) -> None:
    spec = Spec(**fields)

    assert from_yaml(to_yaml(spec), "f.yaml") == spec


def test_every_field_is_tried_above_and_written_down() -> None:
    names = {field.name for field in dataclasses.fields(Spec)}

    assert names == EVERYTHING.keys() | OF_OTHER_KINDS.keys()
    assert yaml.safe_load(to_yaml(Spec())).keys() == names | {"exptools"}


def test_a_yaml_written_by_hand_may_be_short() -> None:
    spec = from_yaml("tags: loss\nby: lr,model\nxlim: [0, 1e6]\nsmooth: 5e-1\nwidth: column\n", "f.yaml")

    assert spec == Spec(tags=("loss",), by=("lr", "model"), xlim=(0.0, 1e6), smooth=0.5, width="column")


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("smoth: 0.5", "f.yaml: a figure has no 'smoth'; did you mean 'smooth'? It has: tags, kind, x, over"),
        ("zzzzz: 0.5", "f.yaml: a figure has no 'zzzzz'. It has: tags, kind, x, over"),
        ("smooth: [", "f.yaml, line 1: not YAML; give a file that exptools wrote beside a figure"),
        ("loss", "f.yaml: holds no fields; give a file that exptools wrote beside a figure"),
        ("smooth: much", "f.yaml: smooth cannot be 'much'; give a number"),
    ],
)
def test_a_wrong_yaml_is_told_in_one_line(text: str, error: str) -> None:
    with pytest.raises(ViewError) as caught:
        from_yaml(text, "f.yaml")

    assert str(caught.value).startswith(error)
    assert "\n" not in str(caught.value)


# --- values ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "error"),
    [
        (
            {"kind": "pie"},
            "kind cannot be 'pie'; give curves, bars, scatter, heatmap, parallel or profile",
        ),
        ({"smooth": 1}, "smooth cannot be 1; give 0 (none) or more, but less than 1"),
        ({"smooth": True}, "smooth cannot be True; give a number"),
        ({"points": 1}, "points cannot be 1; give a whole number, 2 or more"),
        ({"min_runs": 1.5}, "min_runs cannot be 1.5; give a whole number, 1 or more"),
        ({"running": "best"}, "running cannot be 'best'; give max or min"),
        ({"center": "mode"}, "there is no center 'mode'; give one of mean, median, iqm"),
        (
            {"stat": "last"},
            "there is no statistic 'last'; give one of final, max, min, mean, tail, auc, auc_",
        ),
        ({"band": "sdd"}, "there is no band 'sdd'; give none, sd, se, minmax, ci95"),
        (
            {"band": "se", "center": "iqm"},
            "band 'se' says how well the mean is known, not the IQM; give ci95 (bootstrap) or percentiles",
        ),
        ({"xscale": "ln"}, "xscale cannot be 'ln'; give linear, log or symlog"),
        ({"xlim": "5"}, "xlim cannot be '5'; give LEAST:GREATEST, or one of them, such as 0: or :1"),
        ({"ylim": [2, 1]}, "ylim cannot be [2, 1]; the first must be less than the second"),
        ({"lines": "0.9"}, "a reference line cannot be '0.9'; give y=NUMBER or x=NUMBER, or y=NUMBER:TEXT"),
        ({"lines": "y=high"}, "a reference line cannot be 'y=high'; give y=NUMBER or x=NUMBER, or y=NUM"),
        ({"width": "wide"}, "width cannot be 'wide'; give inches, from 0.5 to 100 or column or text"),
        ({"height": 0}, "height cannot be 0; give inches, from 0.5 to 100"),
        ({"caption": "yes"}, "caption cannot be 'yes'; give true or false"),
        ({"rename": ["a"]}, "rename cannot be ['a']; give a mapping"),
        ({"tags": {"a": 1}}, "tags cannot be {'a': 1}; give a list of texts"),
        ({"order": [["a"]]}, "order cannot be ['a']; give a text"),
        ({"x": ""}, "x cannot be ''; give step, wall_time, relative or a tag"),
        (
            {"kind": "heatmap", "by": "lr"},
            "kind heatmap has no series, so there is nothing to do by; give split for panels",
        ),
        ({"kind": "profile"}, "a performance profile is over tasks; give the config key that is the task by"),
        (
            {"kind": "profile", "task": "env", "band": "sd"},
            "a profile has no band 'sd'; give ci95 (bootstrap) or none",
        ),
        ({"over": "lr"}, "over is of no account in kind curves; it belongs to scatter, heatmap, parallel"),
        (
            {"kind": "scatter", "best_of": "a"},
            "best_of is of no account in kind scatter; it belongs to curves, bars",
        ),
    ],
)
def test_a_wrong_value_is_told_in_one_line(fields: dict[str, Any], error: str) -> None:
    assert told(**fields).startswith(error)


def test_an_unknown_field_names_the_near_ones() -> None:
    assert told(bye="lr").startswith("a figure has no 'bye'; did you mean 'by' or 'style'?")


@pytest.mark.parametrize(
    ("fields", "band"),
    [
        ({}, "sd"),
        ({"center": "median"}, "p25-75"),
        ({"kind": "profile", "task": "env"}, "ci95"),
        ({"center": "median", "band": "minmax"}, "minmax"),
    ],
)
def test_the_usual_band_goes_with_the_centre(fields: dict[str, Any], band: str) -> None:
    assert Spec(**fields).usual_band == band


def test_the_text_of_a_reference_line_may_hold_colons() -> None:
    line = reference("y=-1e-3:human: 2 s")

    assert (line.axis, line.value, line.label) == ("y", -0.001, "human: 2 s")


# --- the command line -----------------------------------------------------------------------------------


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> Any:
        raise ViewError(message)


def parsed(*words: str) -> argparse.Namespace:
    parser = Parser()
    parser.add_argument("paths", nargs="*")
    options.add_options(parser)
    return parser.parse_intermixed_args(words)


def spec_of(*words: str) -> Spec:
    namespace = parsed(*words)
    return options.spec_of(namespace, namespace.paths)


def test_every_field_has_an_option_of_its_name() -> None:
    given = vars(parsed("--plot", "a"))
    fields = {field.name for field in dataclasses.fields(Spec)}

    assert {name.removeprefix("figure_") for name in given if name.startswith("figure_")} == fields - {
        *("tags", "file", "paths", "select"),
    }


def test_options_say_the_same_as_fields() -> None:
    words = [
        *("runs", "--plot", "train/loss", "--plot", "test/*", "-o", "f.pdf", "--x", "relative"),
        *("--by", "lr,model.name", "--split", "tag,model.name", "--smooth", "0.6", "--running", "max"),
        *("--center", "median", "--band", "p25-75", "--points", "50", "--min-runs", "2", "--stat", "tail"),
        *("--best-of", "valid/acc", "--best-by", "min", "--logx", "--yscale", "symlog", "--xlim=:1e6"),
        *("--ylim", "0:1", "--lines", "y=0.9:human", "--lines", "x=1e6", "--rename", "lr=learning rate"),
        *("--rename", "a=b=c", "--order", "0.1, small", "--style", "neurips", "--width", "3.3"),
        *("--height", "2", "--panel-columns", "3", "--legend", "none", "--title", "T", "--no-caption"),
    ]

    assert spec_of(*words) == Spec(
        **{
            **EVERYTHING,
            "file": "f.pdf",
            "paths": ("runs",),
            "lines": ("y=0.9:human", "x=1e6"),
            "rename": {"lr": "learning rate", "a=b": "c"},
            "title": "T",
            "select": {},
        }
    )


def test_what_is_not_given_is_left_alone() -> None:
    assert spec_of("runs", "--plot", "a/b", "--plot", "c*") == Spec(
        tags=("a/b", "c*"), paths=("runs",), file="a_b-c.pdf"
    )


def test_no_keys_at_all_are_one_series() -> None:
    assert spec_of("runs", "--plot", "a", "--by", "").by == ()


def test_a_spec_is_drawn_again_with_changes(tmp_path: Path) -> None:
    spec = Spec(**EVERYTHING)
    (tmp_path / "f.yaml").write_text(to_yaml(spec))

    assert spec_of("--spec", str(tmp_path / "f.yaml")) == spec
    assert spec_of("--spec", str(tmp_path / "f.yaml"), "--smooth", "0", "other") == spec.replaced(
        smooth=0.0, paths=("other",)
    )


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (["--plot", "a", "--rename", "b"], "--rename cannot be 'b'; give OLD=NEW"),
        (["--plot", "a", "--smooth", "2"], "smooth cannot be 2; give 0 (none) or more, but less than 1"),
        (["--plot", "a", "--points", "x"], "argument --points: invalid int value: 'x'"),
        (
            ["--spec", "no.yaml"],
            "cannot read no.yaml: No such file or directory; give a .yaml that lies beside",
        ),
    ],
)
def test_wrong_options_are_told(words: list[str], error: str) -> None:
    with pytest.raises(ViewError) as caught:
        spec_of(*words)

    assert str(caught.value).startswith(error)
