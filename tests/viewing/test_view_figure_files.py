"""A figure as files: formats, fonts and widths, what lies beside it, and that it is drawn again the same."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import warnings
from pathlib import Path
from typing import Any

import pytest
from view_files import sweep, write_run

from exptools.errors import ViewError
from exptools.viewing import load
from exptools.viewing.figures import save, styles
from exptools.viewing.figures.spec import Spec, from_yaml

KINDS = {
    "curves": {"smooth": 0.5},
    "bars": {"split": "model"},
    "scatter": {"over": "model"},
    "heatmap": {"over": "model,seed"},
    "parallel": {"over": "model,seed"},
    "profile": {"task": "seed"},
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sweep(tmp_path / "multirun")


def plot(path: Path, *tags: str, **options: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return load(path).plot(*(tags or ("loss",)), **options)


# --- beside ---------------------------------------------------------------------------------------------


def test_beside_the_figure_lie_its_data_spec_runs_and_caption(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("figures").mkdir()

    plot(Path("multirun"), by="model", file="figures/fig.v2.pdf")

    assert sorted(path.name for path in Path("figures").iterdir()) == [
        *("fig.v2.csv", "fig.v2.pdf", "fig.v2.runs.txt", "fig.v2.txt", "fig.v2.yaml"),
    ]
    assert Path("figures/fig.v2.csv").read_text().splitlines()[:3] == [
        "panel,tag,series,model.name,x,center,low,high,n,n_nan",
        ",loss,large,large,0.0,1.0,1.0,1.0,2,0",
        ",loss,large,large,1.0,0.5,0.5,0.5,2,0",
    ]
    assert Path("figures/fig.v2.txt").read_text() == (
        "Mean and 1 sd over 2 seeds of loss. model=large: run 3 FAILED and counts as far as it goes.\n"
    )
    assert Path("figures/fig.v2.runs.txt").read_text() == (
        "run\tstate\tdirectory\tin the figure\n"
        "0\tCOMPLETED\tmultirun/0\tyes: loss, small\n"
        "1\tCOMPLETED\tmultirun/1\tyes: loss, small\n"
        "2\tCOMPLETED\tmultirun/2\tyes: loss, large\n"
        "3\tFAILED\tmultirun/3\tyes: loss, large\n"
    )
    assert from_yaml(Path("figures/fig.v2.yaml").read_text(), "f") == Spec(
        tags=("loss",), by=("model",), file="figures/fig.v2.pdf", paths=("multirun",)
    )


def test_only_the_figure(tree: Path, tmp_path: Path) -> None:
    plot(tree, file=tmp_path / "f.png", beside=False)

    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.png", "multirun"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ending", ["svg", "pdf"])
def test_a_spec_draws_the_same_files_again(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kind: str, ending: str
) -> None:
    monkeypatch.chdir(tmp_path)
    plot(Path("multirun"), kind=kind, style="neurips", file=f"f.{ending}", **KINDS[kind])
    files = [Path(f"f.{end}") for end in (ending, "csv", "yaml", "runs.txt", "txt")]
    before = {file: file.read_bytes() for file in files}
    for file in files:
        if file.suffix != ".yaml":
            file.unlink()

    code = (
        "import warnings; warnings.simplefilter('ignore')\n"
        "from exptools.viewing import load\n"
        "from exptools.viewing.figures.spec import from_yaml\n"
        "spec = from_yaml(open('f.yaml').read(), 'f.yaml')\n"
        "load(*spec.paths).plot(spec=spec)"
    )
    environment = {**os.environ, "PYTHONHASHSEED": "7"}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment)  # another process, another day

    assert {file: file.read_bytes() for file in files} == before


def test_a_spec_is_changed_by_options(tree: Path, tmp_path: Path) -> None:
    spec = Spec(tags=("loss",), by=("model",), file=str(tmp_path / "a.png"), paths=(str(tree),))

    plot(tree, spec=spec, tags=["loss"], by=["seed"], file=tmp_path / "b.png")

    assert not (tmp_path / "a.png").exists()
    assert from_yaml((tmp_path / "b.yaml").read_text(), "b") == spec.replaced(
        by="seed", file=str(tmp_path / "b.png")
    )


def test_a_run_that_is_not_in_the_figure_has_its_reason(tree: Path, tmp_path: Path) -> None:
    write_run(tree / "4", {"other": [1.0]}, config={"seed": 0}, state=None)

    plot(tree, file=tmp_path / "f.png")

    last = (tmp_path / "f.runs.txt").read_text().splitlines()[-1]
    assert last == f"4\t-\t{tree}/4\tno: has no value of loss"


def test_a_directory_in_the_way_leaves_nothing_half_done(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "f.txt").mkdir()

    with pytest.raises(ViewError) as caught:
        plot(tree, file=tmp_path / "f.png")

    assert str(caught.value) == f"cannot write {tmp_path}/f.txt: it is a directory; give the name of a file"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["f.txt", "multirun"]


def test_select_is_handed_to_the_runs(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exptools.viewing.api import Runs

    def select(runs: Runs, where: list[str]) -> Runs:
        return Runs(runs.runs[: int(where[0])])

    monkeypatch.setattr(Runs, "select", select, raising=False)

    assert [run.name for run in load(tree).panels("loss", select={"where": ["2"]}).source.runs] == ["0", "1"]


# --- formats and fonts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("style", [None, "neurips", "icml", "jmlr", "acl"])
def test_fonts_of_a_pdf_are_embedded_as_type_42(tree: Path, tmp_path: Path, style: str | None) -> None:
    plot(tree, file=tmp_path / "f.pdf", style=style)

    data = (tmp_path / "f.pdf").read_bytes()
    assert b"/Type3" not in data
    assert b"/CIDFontType2" in data and b"/FontFile2" in data


def test_a_png_has_300_dots_per_inch(tree: Path, tmp_path: Path) -> None:
    from matplotlib.image import imread

    drawn = plot(tree, file=tmp_path / "f.png", width=3.0)

    assert imread(tmp_path / "f.png").shape[1] == 900
    assert drawn.figure.get_figwidth() == 3.0


def test_pgf_without_latex_is_told_before_anything_is_read(
    tree: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ViewError) as caught:
        plot(tree, "no such tag", file=tmp_path / "f.pgf")

    assert str(caught.value) == (
        f"cannot write {tmp_path}/f.pgf: PGF is measured by LaTeX, and xelatex is not installed; "
        "install it (texlive-xetex), or give .pdf"
    )


XELATEX = """\
#!{python}
# Answers as xelatex does when matplotlib asks how large a text is.
import sys
for line in sys.stdin:
    if "end" in line and "makeatletter" in line:
        break
    for question, answer in (
        ("pgf_backend_query_start", "\\n*pgf_backend_query_start"),
        ("the\\wd0", "10.0pt,7.0pt,2.0pt\\n"),
        ("includegraphics", ""),
    ):
        if question in line:
            print(answer, end="\\n*", flush=True)
            break
"""


@pytest.mark.timeout(60)
def test_pgf_shows_tags_and_labels_as_they_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "xelatex").write_text(XELATEX.format(python=sys.executable))
    (tmp_path / "bin" / "xelatex").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}")
    for i, name in enumerate(["a_b", "50%"]):
        write_run(tmp_path / "r" / str(i), {"x_$": [1.0]}, config={"name": name})

    drawn = plot(tmp_path / "r", "x_$", kind="bars", file=tmp_path / "f.pgf")

    text = (tmp_path / "f.pgf").read_text()
    assert r"final x\_\$" in text
    assert r"a\_b" in text and r"50\%" in text
    assert drawn.axes[0].get_ylabel() == "final x_$"
    assert [label.get_text() for label in drawn.axes[0].get_xticklabels()] == ["50%", "a_b"]


def test_what_means_something_in_latex_is_escaped() -> None:
    assert save.escaped(r"a_b 50% $x$ {#} \n ~^&") == (
        r"a\_b 50\% \$x\$ \{\#\} \textbackslash{}n \textasciitilde{}\textasciicircum{}\&"
    )
    assert save.escaped("2\N{MULTIPLICATION SIGN}10⁻¹²") == r"2\ensuremath{\times}10\textsuperscript{-12}"


# --- styles ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("style", "column", "text"),
    [
        ("neurips", None, 5.5),
        ("neurips2022", None, 5.5),
        ("iclr", None, 5.5),
        ("icml", 3.25, 6.75),
        ("aistats", 3.25, 6.75),
        ("uai", 3.25, 6.75),
        ("aaai", 3.3, 6.975),
        ("cvpr", 3.25, 6.875),
        ("eccv", None, 4.8),
        ("jmlr", None, 6.0),
        ("tmlr", None, 6.5),
        ("acl", 3.3, 6.8),
        ("ieee", 3.5, 7.16),
        (None, None, 5.5),
    ],
)
def test_widths_are_those_of_the_venues(style: str | None, column: float | None, text: float) -> None:
    found = styles.find(style)

    assert (found.column, found.text) == (column, pytest.approx(text))
    assert found.inches(None) == pytest.approx(column or text)
    assert found.inches("text") == pytest.approx(text)
    assert found.inches(2.0) == 2.0


@pytest.mark.parametrize("style", sorted(name for name in styles._bundles()))
def test_no_style_needs_latex_and_all_texts_can_be_read(style: str) -> None:
    rc = styles.find(style).rc

    assert rc["text.usetex"] is False
    assert all(7 <= rc[name] <= 9 for name in rc if name.endswith(("size", "fontsize")) and ".m" not in name)


def test_the_newest_is_the_one_of_the_latest_year(monkeypatch: pytest.MonkeyPatch) -> None:
    widths = {"venue2021": 5.0, "venue2024": 6.0, "venue2023": 7.0, "venues2025": 8.0}
    bundles = {name: (lambda width=width: {"figure.figsize": (width, 3.0)}) for name, width in widths.items()}
    monkeypatch.setattr(styles, "_bundles", lambda: bundles)

    assert styles.find("venue").text == 6.0


def test_a_venue_without_a_year_is_its_newest() -> None:
    assert styles.find("neurips") == styles.find("neurips2024")
    assert styles.find("icml") == styles.find("icml2024")


def test_an_unknown_style_lists_the_known_ones() -> None:
    with pytest.raises(ViewError) as caught:
        styles.find("nurips")

    text = str(caught.value)
    assert text.startswith("there is no style 'nurips'; did you mean 'neurips'")
    assert re.search(r"The styles are: aaai, .*\bacl\b.*\bieee\b.*\bneurips2024\b", text)


def test_without_tueplots_the_message_is_the_command(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "tueplots", None)
    styles._bundles.cache_clear()

    with pytest.raises(ViewError) as caught:
        styles.find("icml")

    assert str(caught.value) == "styles of venues need the package tueplots: pip install tueplots"
    styles._bundles.cache_clear()


def test_a_font_that_is_not_installed_is_told(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(styles, "_installed", lambda: frozenset({"DejaVu Sans"}))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(tree).plot("loss", style="neurips")

    assert str(caught[-1].message) == (
        "the font Times New Roman is not installed; STIXGeneral is in its place"
    )


def test_a_style_leaves_the_caption_to_the_paper(tree: Path) -> None:
    titles = [
        plot(tree, style=style, caption=caption).axes[0].get_title(loc="left")
        for style, caption in ((None, None), ("icml", None), ("icml", True), (None, False))
    ]

    assert titles == ["mean and 1 sd over 2 seeds", "", "mean and 1 sd over 2 seeds", ""]


# --- notebooks ------------------------------------------------------------------------------------------


def test_a_notebook_shows_a_figure_once(tree: Path) -> None:
    import nbclient
    import nbformat

    first = (
        "import warnings; warnings.simplefilter('ignore')\n"
        f"from exptools.viewing import load\nruns = load({str(tree)!r})\nruns.plot('loss')"
    )
    cells = [first, "figure, axes = runs.plot('loss')", "figure", "import matplotlib.pyplot as plt; figure"]
    notebook: Any = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of jupyter's own
        nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3").execute()

    shown = [["image/png" in output.get("data", {}) for output in cell.outputs] for cell in notebook.cells]
    assert shown == [[True], [], [True], [True]], json.dumps(notebook, default=str)[:2000]
