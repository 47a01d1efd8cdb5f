"""Results: a row per setting, mean and interval over its runs, as Markdown, LaTeX, HTML and CSV."""

from __future__ import annotations

import csv
import dataclasses
import html.parser
import io
import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from view_files import write_run

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing import cli, load
from exptools.viewing.exporters import result_table

NAN = math.nan
SCORES = {
    ("small", 0.1): [0.90, 0.92, 0.94],
    ("small", 0.01): [0.5, 0.7, 0.6],
    ("large", 0.1): [0.93, 0.95, 0.97],
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Three settings of three seeds."""
    root = tmp_path / "multirun"
    for i, ((model, lr), scores) in enumerate(SCORES.items()):
        for seed, score in enumerate(scores):
            config = {"model": {"name": model}, "lr": lr, "seed": seed}
            write_run(root / f"{i}{seed}", {"acc": [0.99, score], "loss": [5.0, 1 - score]}, config=config)
    return root


MARKDOWN = """\
| model | lr | acc | loss |
| --- | --- | ---: | ---: |
| large | 0.1 | **0.950 ± 0.050** | **0.050 ± 0.050** |
| small | 0.01 | 0.60 ± 0.25 | 0.40 ± 0.25 |
| small | 0.1 | 0.920 ± 0.050 | 0.080 ± 0.050 |

final value: mean ± 95 % t interval of 3 runs; the best is bold
"""
LATEX = r"""% needs \usepackage{booktabs}
\begin{table}
  \centering
  \caption{final value: mean $\pm$ 95 \% t interval of 3 runs; the best is bold.}
  \begin{tabular}{llrr}
    \toprule
    model & lr & acc & loss \\
    \midrule
    large & 0.1 & $\mathbf{0.950 \pm 0.050}$ & $\mathbf{0.050 \pm 0.050}$ \\
    small & 0.01 & $0.60 \pm 0.25$ & $0.40 \pm 0.25$ \\
    small & 0.1 & $0.920 \pm 0.050$ & $0.080 \pm 0.050$ \\
    \bottomrule
  \end{tabular}
\end{table}
"""


def test_a_table_in_markdown(tree: Path) -> None:
    assert load(tree).results().text("md") == MARKDOWN


def test_a_table_in_latex(tree: Path) -> None:
    assert load(tree).results().text("latex") == LATEX


def test_means_and_intervals_are_those_of_the_textbook(tree: Path) -> None:
    found = load(tree).results("acc").to_frame()

    t = 4.302652729911275  # of 95 %, two degrees of freedom
    for row in found.to_dict("records"):
        scores = SCORES[row["model.name"], row["lr"]]
        half = t * np.std(scores, ddof=1) / math.sqrt(3)
        assert row["acc.mean"] == pytest.approx(np.mean(scores), rel=1e-12)
        assert (row["acc.low"], row["acc.high"]) == pytest.approx(
            (np.mean(scores) - half, np.mean(scores) + half), rel=1e-9
        )
        assert (row["acc.n"], row["runs"]) == (3, 3)


def test_numbers_in_csv_are_whole(tree: Path) -> None:
    runs = load(tree)
    frame = runs.results().to_frame()

    head, *rows = csv.reader(io.StringIO(runs.results().text("csv")))

    assert [row[0] for row in rows] == frame["model.name"].tolist()
    assert [list(map(float, row[1:])) for row in rows] == frame.iloc[:, 1:].to_numpy().tolist()
    assert (
        head
        == list(frame)
        == [
            *("model.name", "lr", "runs", "acc.mean", "acc.low", "acc.high", "acc.n"),
            *("loss.mean", "loss.low", "loss.high", "loss.n"),
        ]
    )


@pytest.mark.parametrize(
    ("statistic", "interval", "cell", "caption"),
    [
        ("max", "none", "0.99", "maximum: mean of 3 runs"),
        ("final", "sd", "0.920 ± 0.020", "final value: mean ± 1 sd of 3 runs"),
        ("final", "se", "0.920 ± 0.012", "final value: mean ± 1 standard error of 3 runs"),
        ("final", "minmax", "0.920 [0.900, 0.940]", "final value: mean [minimum to maximum] of 3 runs"),
        ("final", "ci95", "0.920 [0.900, 0.940]", "final value: mean [95 % bootstrap CI] of 3 runs"),
        ("mean", "none", "0.955", "mean over all frames: mean of 3 runs"),
    ],
)
def test_statistics_and_intervals(tree: Path, statistic: str, interval: str, cell: str, caption: str) -> None:
    results = load(tree).select(["model=small", "lr=0.1"]).results("acc", statistic, interval)

    assert results.text("md").splitlines()[2].split(" | ")[-1] == f"{cell} |"
    assert results.caption() == caption


def test_the_column_of_another_statistic_says_so(tree: Path) -> None:
    assert load(tree).results("acc", "max").text("md").splitlines()[0] == "| model | lr | max(acc) |"


def test_what_is_missing_is_counted(tree: Path, capsys: Any) -> None:
    (tree / "01" / "progress.csv").write_text("step,wall_time,loss\n0,1.0,0.25\n")
    write_run(tree / "02", config={"model": {"name": "small"}, "lr": 0.1, "seed": 2}, state=State.FAILED)
    (tree / "02" / "progress.csv").unlink()
    write_run(tree / "22", state=State.RUNNING, start=1.0, end=None, heartbeat=2.0)

    assert cli.main([str(tree), "--table", "md", "--better", "max"]) == 0

    shown = capsys.readouterr()
    assert shown.out.splitlines()[:5] == [
        "| model | lr | acc | loss |",
        "| --- | --- | ---: | ---: |",
        "| large | 0.1 | **0.950 ± 0.050 (n=3)** | 0.050 ± 0.050 (n=3) |",
        "| small | 0.01 | 0.60 ± 0.25 (n=3) | **0.40 ± 0.25 (n=3)** |",
        "| small | 0.1 | 0.9 (n=1 of 3) | 0.17 ± 0.95 (n=2 of 3) |",
    ]
    notes = [
        "2 of 9 runs not completed, counted as far as they go: 02 (FAILED), 22 (STALE)",
        "acc: missing in 2 of 9 runs: 01, 02",
        "loss: missing in 1 of 9 runs: 02",
    ]
    assert shown.out.splitlines()[6:] == [
        "final value: mean ± 95 % t interval of n runs; the best is bold",
        *(line for note in notes for line in ("", note)),
    ]
    assert shown.err.splitlines() == [f"exptools-view: {note}" for note in notes]


def test_n_of_n_is_told_though_it_is_the_same_everywhere(tree: Path) -> None:
    for i in range(3):
        (tree / f"{i}0" / "progress.csv").unlink()

    results = load(tree).results("acc", interval="none")

    assert results.text("md").splitlines()[2] == "| large | 0.1 | **0.96 (n=2 of 3)** |"
    assert results.caption() == "final value: mean of n runs; the best is bold"


def test_nan_stays_nan_and_is_counted(tree: Path) -> None:
    write_run(tree / "21", {"acc": [NAN], "loss": [math.inf]})

    results = load(tree).results()

    assert results.text("md").splitlines()[2:5] == [
        "| large | 0.1 | nan | inf |",
        "| small | 0.01 | 0.60 ± 0.25 | 0.40 ± 0.25 |",
        "| small | 0.1 | **0.920 ± 0.050** | **0.080 ± 0.050** |",
    ]
    assert results.notes == (
        "acc: nan or infinite in 1 of 9 runs: 21",
        "loss: nan or infinite in 1 of 9 runs: 21",
    )
    assert results.text("csv").splitlines()[1] == "large,0.1,3,nan,,,3,inf,,,3"
    assert results.rows[0].cells[0].nan == 1


def test_a_setting_without_any_value_has_its_row(tree: Path) -> None:
    for i in range(3):
        (tree / f"2{i}" / "progress.csv").unlink()

    results = load(tree).results("acc")

    assert results.text("md").splitlines()[2] == "| large | 0.1 | - |"
    assert results.text("csv").splitlines()[1] == "large,0.1,3,,,,0"
    assert results.notes == ("acc: missing in 3 of 9 runs: 20, 21, 22",)


def test_one_run_has_no_interval(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"acc": [0.123456789]}, config={"lr": 1})

    results = load(tmp_path).results()

    assert (
        results.text("md") == "| runs | acc |\n| --- | ---: |\n| 0 | 0.12346 |\n\nfinal value: one run each\n"
    )
    assert results.text("csv") == "group,runs,acc.mean,acc.low,acc.high,acc.n\n0,1,0.123456789,,,1\n"
    assert results.hints == ()


def test_what_is_better_is_never_guessed_in_silence(tmp_path: Path, capsys: Any) -> None:
    for i in (0, 1):
        curves = {"test/acc": [float(i)], "loss/train": [float(i)], "x": [float(i)], "acc_loss": [0.0]}
        write_run(tmp_path / str(i), curves, config={"lr": i + 1})

    cli.main([str(tmp_path), "--table", "md"])
    shown = capsys.readouterr()
    assert shown.out.splitlines()[:4] == [
        "| lr | acc_loss | loss/train | test/acc | x |",
        "| --- | ---: | ---: | ---: | ---: |",
        "| 1 | 0 | **0** | 0 | 0 |",
        "| 2 | 0 | 1 | **1** | 1 |",
    ]
    assert shown.err.splitlines() == [
        "exptools-view: what is better was taken from the names: loss/train=min, test/acc=max; "
        "--better changes it",
        "exptools-view: nothing is bold in acc_loss, x: say what is better, such as --better 'acc_loss=max'",
    ]

    cli.main([str(tmp_path), "--table", "md", "--better", "max", "--better", "x=min"])
    shown = capsys.readouterr()
    assert shown.out.splitlines()[2:4] == [
        "| 1 | **0** | 0 | 0 | **0** |",
        "| 2 | **0** | **1** | **1** | 1 |",
    ]
    assert shown.err == ""


@pytest.mark.parametrize("format_", ["md", "latex", "html"])
def test_a_large_table_is_looked_through_a_few_times_and_not_for_each_cell(
    tmp_path: Path, format_: str
) -> None:
    for i in range(30):
        write_run(tmp_path / str(i), {f"loss{j}": [i / 7] for j in range(10)}, config={"lr": i})
    looks = []

    class Rows(tuple[Any, ...]):
        def __iter__(self) -> Any:
            looks.append(self)
            return super().__iter__()

    found = load(tmp_path).results()
    dataclasses.replace(found, rows=Rows(found.rows)).text(format_)

    assert len(looks) < 30


def test_what_is_better_may_be_said_of_scalars_that_are_not_shown(tree: Path) -> None:
    assert load(tree).results("acc", better=["loss=max", "acc=min"]).better == {"acc": "min"}
    assert load(tree).select("run=none").results(better="acc=min").better == {}


def test_sweeps_that_were_run_twice_have_rows_of_their_own(tmp_path: Path) -> None:
    for sweep in ("a", "b"):
        for seed in (0, 1):
            write_run(tmp_path / sweep / str(seed), {"acc": [0.5]}, config={"seed": seed})

    results = load(tmp_path).results(better="max")

    assert results.text("csv").splitlines()[1:] == ["a,2,0.5,0.5,0.5,2", "b,2,0.5,0.5,0.5,2"]
    assert results.notes == (
        "the same seeds were run in 2 sweeps, which have rows of their own: a, b; "
        "--latest takes the newest alone",
    )


def test_a_seed_that_is_repeated_is_told(tmp_path: Path) -> None:
    for i in range(3):
        write_run(tmp_path / str(i), {"acc": [0.5]}, config={"seed": 0})

    assert load(tmp_path).results().notes == (
        "runs of the same seed are averaged like those of others: all (3 runs, 1 seed)",
    )


def test_long_numbers_have_their_exponent_apart(tmp_path: Path) -> None:
    for i, (x, y) in enumerate([(1.1e-7, 1e300), (1.3e-7, 1.2e300)]):
        write_run(tmp_path / str(i), {"x": [x], "y": [y]}, config={"seed": i})
    runs = load(tmp_path)

    assert runs.results("x", interval="sd").text("md").splitlines()[2] == "| 0, 1 | (1.20 ± 0.14)e-7 |"
    assert r"$(1.20 \pm 0.14) \times 10^{-7}$" in runs.results("x", interval="sd").text("latex")
    assert (
        runs.results("x", interval="minmax").text("md").splitlines()[2]
        == "| 0, 1 | 1.20e-7 [1.10e-7, 1.30e-7] |"
    )


HARD = [
    "a_b",
    "50% & more",
    "#1 $x$ {y}",
    "~^\\",
    "[1]",
    "*",
    "a|b`c",
    "<b>&amp;</b>",
    "two\nlines",
    '"é±ü"',
    "x,y",
    "__init__",
]


@pytest.fixture
def hard(tmp_path: Path) -> Path:
    root = tmp_path / "hard"
    for i, value in enumerate(HARD):
        write_run(root / str(i), {"t_%|<i>&": [0.5]}, config={"na_me": value, "seed": i})
    return root


UNESCAPED = re.compile(r"(?<!\\)(?:\\\\)*[%#_^~]|(?<!\\)[<>|]")


def check_latex(text: str) -> list[list[str]]:
    """The cells of a table; every character that TeX takes for something is where it may be."""
    from matplotlib.mathtext import MathTextParser

    lines = [line for line in text.split("\n") if not line.startswith("%")]
    body = "\n".join(lines)
    for formula in re.findall(r"(?<!\\)\$(.*?)(?<!\\)\$", body):
        MathTextParser("path").parse(f"${formula}$")
    plain = re.sub(r"(?<!\\)\$.*?(?<!\\)\$", "0", body)
    assert not UNESCAPED.search(plain), UNESCAPED.search(plain)
    bare = re.sub(r"\\[{}]", "", plain)
    assert bare.count("{") == bare.count("}")
    assert re.findall(r"\\(begin|end)\{(\w+)\}", plain) == [
        *(("begin", "table"), ("begin", "tabular"), ("end", "tabular"), ("end", "table")),
    ]
    commands = set(re.findall(r"\\([a-zA-Z]+)", plain))
    assert commands <= {
        *("begin", "end", "centering", "caption", "toprule", "midrule", "bottomrule", "textquotedbl"),
        *("textbackslash", "textasciitilde", "textasciicircum", "textless", "textgreater", "textbar"),
    }
    rows = [line.strip()[:-2] for line in lines if line.endswith(r"\\")]
    assert all(not row.startswith(("[", "*")) for row in rows)
    return [[cell.strip() for cell in re.split(r"(?<!\\)&", row)] for row in rows]


def test_latex_takes_every_name(hard: Path, tree: Path) -> None:
    cells = check_latex(load(hard).results().text("latex"))

    assert {len(row) for row in cells} == {2}
    assert len(cells) == 1 + len(HARD)
    assert cells[0] == [r"na\_me", r"t\_\%\textbar{}\textless{}i\textgreater{}\&"]
    first = {row[0] for row in cells[1:]}
    assert {r"a\_b", r"\textasciitilde{}\textasciicircum{}\textbackslash{}"} <= first
    assert {"{[}1]", "{*}", r"two\textbackslash{}nlines", r"50\% \& more", r"\#1 \$x\$ \{y\}"} <= first
    check_latex(load(tree).results(interval="minmax").text("latex"))


def test_markdown_takes_every_name(hard: Path) -> None:
    lines = load(hard).results().text("md").splitlines()

    assert {len(re.split(r"(?<!\\)\|", line)) for line in lines[: 2 + len(HARD)]} == {4}
    first = {re.split(r"(?<!\\) \| ", line)[0].removeprefix("| ") for line in lines[2 : 2 + len(HARD)]}
    assert {r"a\|b\`c", r"\<b>\&amp;\</b>", r"\_\_init\_\_", r"\[1\]", r"\*", "a_b", r"two\\nlines"} <= first


TAGS = {"html", "head", "meta", "title", "body", "table", "thead", "tbody", "tr", "th", "td", "p"}


class Reader(html.parser.HTMLParser):
    """Collects cells, and refuses what is not balanced or would do something."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.cells: list[str] = []

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        assert tag in [
            "html",
            "head",
            "meta",
            "title",
            "body",
            "table",
            "thead",
            "tbody",
            "tr",
            "th",
            "td",
            "p",
        ], tag
        assert {name for name, _ in attrs} <= {"style", "charset"}
        if tag != "meta":
            self.open.append(tag)
        if tag in ("td", "th"):
            self.cells.append("")

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in ("td", "th"):
            self.cells[-1] += data


def cells_of(page: str) -> list[str]:
    reader = Reader()
    reader.feed(page)
    reader.close()
    assert reader.open == []
    return reader.cells


def test_html_takes_every_name(hard: Path, tree: Path) -> None:
    page = load(hard).results().text("html")

    assert page.startswith("<!DOCTYPE html>\n")
    cells = cells_of(page)
    assert {value.replace("\n", "\\n") for value in HARD} == set(cells[2::2])
    assert cells[1] == "t_%|<i>&"
    assert "font-weight:bold" in load(tree).results().text("html")


def test_results_and_runs_are_nice_in_notebooks(hard: Path, tree: Path) -> None:
    assert cells_of(load(tree).results()._repr_html_())[:5] == ["model", "lr", "acc", "loss", "large"]
    cells = cells_of(load(hard)._repr_html_())
    assert cells[:6] == ["run", "state", "duration", "na_me", "seed", "t_%|<i>&"]
    assert cells[6:12] == ["0", "COMPLETED", "12 s", "a_b", "0", "0.5"]


def test_a_notebook_shows_the_first_fifty_runs(tmp_path: Path) -> None:
    for i in range(53):
        write_run(tmp_path / str(i), {"acc": [0.5]})

    page = load(tmp_path)._repr_html_()

    assert len(cells_of(page)) == 4 * 51
    assert page.endswith("<p>and 3 more runs</p>\n")


def test_csv_takes_every_name(hard: Path) -> None:
    rows = list(csv.reader(io.StringIO(load(hard).results().text("csv"))))

    assert {row[0] for row in rows[1:]} == set(HARD)


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--table", "pdf"],
            "argument --table: invalid choice: 'pdf' (choose from md, latex, csv, html); "
            "see exptools-view --help",
        ),
        (
            ["--table", "md", "--stat", "best"],
            "there is no statistic 'best'; give one of final, max, min, mean, tail, auc, auc_normalized",
        ),
        (
            ["--table", "md", "--ci", "x"],
            "there is no band 'x'; give none, sd, se, minmax, ci95 (bootstrap) or t95 at any level between 0 "
            "and 100, or percentiles such as p25-75",
        ),
        (
            ["--table", "md", "--better", "acc"],
            "'acc' does not say what is better; give max or min, or TAG=max or TAG=min",
        ),
        (["--table", "md", "--tags", "x"], "no run has a tag 'x'. The tags are: acc, loss"),
        (
            ["--table", "md", "--tags", "acc", "--better", "los=max"],
            "no run has a tag 'los'; did you mean 'loss'? The tags are: acc, loss",
        ),
        (["--ci", "t95"], "--ci is for --table FORMAT, which was not given"),
        (["--stat", "max"], "--stat is for --plot TAG, --spec FILE or --table FORMAT, which was not given"),
        (["--better", "max"], "--better is for --table FORMAT, which was not given"),
        (["--table", "md", "--plot", "acc"], "--plot and --table cannot be made at once; give one of them"),
        (["--table", "md", "--json"], "--json is for the table of runs, --keys and --diff, not for --table"),
        (["--table", "md", "--sort", "acc"], "--sort is for the table of runs, not for --table"),
        (["--desc"], "--desc turns --sort NAME round, which was not given"),
    ],
)
def test_wrong_usage_is_one_line_and_2(tree: Path, words: list[str], error: str, capsys: Any) -> None:
    assert cli.main([str(tree), *words]) == 2
    said = capsys.readouterr().err.replace("'md', 'latex', 'csv', 'html'", "md, latex, csv, html")
    assert said == f"exptools-view: error: {error}\n"


def test_an_unknown_format_from_python(tree: Path) -> None:
    with pytest.raises(ViewError) as caught:
        load(tree).results().text("pdf")

    assert str(caught.value) == "a table cannot be 'pdf'; give one of md, latex, html, csv"


def test_a_table_can_be_a_file(tree: Path, capsys: Any) -> None:
    out = tree.parent / "t.tex"

    assert (
        cli.main([str(tree), "--table", "latex", "-o", str(out), "--better", "max", "--better", "loss=min"])
        == 0
    )

    assert out.read_text() == LATEX
    assert capsys.readouterr() == ("", f"exptools-view: wrote {out}\n")


def test_the_formats_of_the_options_are_those_that_there_are() -> None:
    from exptools.viewing import options

    assert set(options.TABLES) == set(result_table.FORMATS)
