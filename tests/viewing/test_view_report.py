"""The report: one file, seen in a real browser without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from browser import needs_chromium, opened
from hypothesis import given
from hypothesis import strategies as st
from view_files import sweep, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing.api import load
from exptools.viewing.cli import main
from exptools.viewing.curves import Curve
from exptools.viewing.report import data

NAN = float("nan")


def said(file: Path) -> dict[str, Any]:
    """What stands in the page as data."""
    found = re.search(r'id="data">(.*?)</script>', file.read_text(), re.DOTALL)
    assert found is not None
    values: dict[str, Any] = json.loads(found.group(1))
    return values


def curve(values: list[float]) -> Curve:
    steps = np.arange(len(values))
    return Curve(steps, 1000.0 + steps, np.array(values, np.float64))


@pytest.fixture
def report(tmp_path: Path) -> Path:
    root = sweep(tmp_path / "sweep")
    write_run(
        root / "4", {"loss": [1.0], "acc": [0.5]}, config={"model": {"name": "tiny"}, "seed": 0, "epochs": 3}
    )
    load(root).to_html(tmp_path / "report.html")
    return tmp_path / "report.html"


# --- in a browser -----------------------------------------------------------------------------------------


def lines_of(page: Any, tag: str) -> list[str]:
    """The names of the lines in a card, those without one left out."""
    names = page.evaluate(
        "tag => [...document.querySelectorAll('.card')].find(c => c.dataset.tag === tag)"
        ".lastChild.data.map(t => t.name)",
        tag,
    )
    return [name for name in names if name]


@needs_chromium
def test_the_page_shows_curves_tables_and_differences(report: Path) -> None:
    with opened(report) as page:
        assert page.inner_text("h1") == "sweep"
        assert page.inner_text("#states") == "5 runs: 4 COMPLETED, 1 FAILED"
        assert page.locator(".card h4").all_inner_texts() == ["acc", "loss"]
        assert lines_of(page, "loss") == ["large (2)", "small (2)", "tiny (1)"]
        assert lines_of(page, "acc") == ["tiny (1)"]
        assert page.locator(".card .plot svg.main-svg").count() > 0
        assert page.locator("#table tbody tr").count() == 5
        assert "ValueError: too big" in page.inner_text("#failures")
        assert page.locator("#keys tbody tr").all_inner_texts() == [
            "model.name\tsetting\tlarge (2), small (2), tiny (1)",
            "seed\tseed\t0 (3), 1 (2)",
        ]
        assert "large" in page.inner_text("#results table")
        assert page.inner_text("#thinned").startswith(
            "Shown: mean and sd over the runs of a setting, every frame. The runs logged 14 frames;"
        )


@needs_chromium
def test_every_control_does_what_it_says(report: Path) -> None:
    with opened(report) as page:
        page.select_option("#lines", "runs")
        assert lines_of(page, "loss")[:2] == ["2 (large)", "3 (large)"]
        page.click("#legend label:has-text('large')")
        assert lines_of(page, "loss") == ["0 (small)", "1 (small)", "4 (tiny)"]
        page.click("#tags label:has-text('acc')")
        assert page.locator(".card h4").all_inner_texts() == ["loss"]
        page.select_option("#x", "hours")
        axis = "document.querySelector('.card').lastChild.layout"
        assert page.evaluate(f"{axis}.xaxis.title.text") == "hours"
        page.check("#log")
        assert page.evaluate(f"{axis}.yaxis.type") == "log"
        page.fill("#smoothing", "0.5")
        smooth = "document.querySelector('.card').lastChild.data.find(t => t.name === '0 (small)').y"
        assert page.evaluate(f"[...{smooth}]") == pytest.approx([1.0, 2 / 3, 2 / 7], abs=1e-9)
        page.fill("#search", "los")
        assert page.locator("#tags label:visible").all_inner_texts() == ["loss"]

        address = page.url
        page.goto("about:blank")
        page.goto(address)  # the address holds the view
        assert lines_of(page, "loss") == ["0 (small)", "1 (small)", "4 (tiny)"]
        assert (page.input_value("#smoothing"), page.is_checked("#log")) == ("0.5", True)


@needs_chromium
def test_the_table_can_be_sorted_and_filtered(report: Path) -> None:
    def column(page: Any, n: int) -> list[str]:
        found: list[str] = page.locator(f"#table tbody tr:visible td:nth-child({n})").all_inner_texts()
        return found

    with opened(report) as page:
        page.click("#table th:has-text('loss')")
        assert column(page, 1) == ["0", "1", "2", "3", "4"]
        page.click("#table th:has-text('loss')")
        assert column(page, 1) == ["4", "3", "2", "1", "0"]
        page.click("#table th:has-text('acc')")
        assert column(page, 1)[0] == "4"  # those without one come last
        page.fill("#filter", "failed large")
        assert column(page, 1) == ["3"]
        assert page.inner_text("#shown") == "1 of 5 runs"


@needs_chromium
def test_hostile_names_are_text(tmp_path: Path) -> None:
    bad = "</script><script>alert(1)</script><img src=x onerror=alert(2)><b>&amp;{{data}}"
    run = write_run(tmp_path / "a<b>" / "0", config={"k": bad, bad: 1, "seed": 0})
    write_run(
        tmp_path / "a<b>" / "1", {"x": [1.0]}, config={"k": "ok", "seed": 0}, state=State.FAILED, error=bad
    )
    from exptools.formats.progress import encode_header

    (run / rundir.PROGRESS).write_text(encode_header([bad]) + "0,1.0,2.0\n1,2.0,3.0\n")
    load(tmp_path / "a<b>").to_html(tmp_path / "x.html", title=bad)

    with opened(tmp_path / "x.html") as page:
        assert page.inner_text("h1") == bad
        assert bad in page.locator(".card h4").all_inner_texts()
        assert page.locator("img").count() == 0
        assert page.locator("script").count() == 3
        assert page.locator("#table th").last.inner_text() == "error"
        assert bad in page.inner_text("#table thead")


@needs_chromium
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_runs_without_a_scalar_are_shown_too(tmp_path: Path, scheme: str) -> None:
    write_run(tmp_path / "runs" / "0", config={"lr": 1})
    load(tmp_path / "runs").to_html(tmp_path / "x.html")

    with opened(tmp_path / "x.html", color_scheme=scheme) as page:
        assert page.inner_text("#cards") == "No run has logged a scalar."
        assert page.locator("#table tbody tr").count() == 1


# --- what stands in it ------------------------------------------------------------------------------------


def test_it_is_one_file_that_names_no_other(report: Path) -> None:
    markup = re.sub(r"<script>.*?</script>", "", report.read_text(), flags=re.DOTALL)

    assert not re.search(r"""(src|href)\s*=\s*["'](?!#)""", markup)
    assert "default-src 'none'" in markup
    assert sorted(path.name for path in report.parent.iterdir()) == ["report.html", "sweep"]


def test_of_too_many_runs_only_the_means_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = sweep(tmp_path / "sweep")
    monkeypatch.setattr(data, "MOST_POINTS", 100)

    load(root).to_html(tmp_path / "x.html")

    curves = said(tmp_path / "x.html")["curves"]
    assert (curves["most"], curves["frames"], curves["longest"]) == (0, 12, 3)
    assert [list(tag["runs"]) for tag in curves["tags"]] == [[]]
    assert [mean["n"] for mean in curves["tags"][0]["means"]] == [2, 2]


def test_of_too_many_scalars_the_first_are_shown_and_the_others_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "runs" / "0", {tag: [1.0, 2.0] for tag in ("a10", "a[b]", "a2", "a*")})
    monkeypatch.setattr(data, "MOST_MEANS", 3)

    load(tmp_path / "runs").to_html(tmp_path / "x.html")

    found = said(tmp_path / "x.html")
    assert [tag["tag"] for tag in found["curves"]["tags"]] == ["a2", "a10", "a*"]
    assert (found["curves"]["frames"], found["curves"]["left_out"]) == (6, 1)
    assert found["notes"] == [
        "1 of 4 scalars have no curves on this page, for it would be too large; choose with --tags"
    ]
    assert len(found["table"]["columns"]) == 3 + 4


def test_what_is_not_finite_is_data_that_a_browser_reads(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "0", {"a": [NAN, float("inf"), 1.0], "b": [NAN] * 3})

    load(tmp_path / "runs").to_html(tmp_path / "x.html")

    assert [tag["tag"] for tag in said(tmp_path / "x.html")["curves"]["tags"]] == ["a", "b"]


def test_problems_and_superseded_frames_are_told(tmp_path: Path) -> None:
    run = write_run(tmp_path / "runs" / "0", {"a": [1.0]})
    with (run / rundir.PROGRESS).open("a") as file:
        file.write("rubbish\n")

    load(tmp_path / "runs").to_html(tmp_path / "x.html")

    (note,) = said(tmp_path / "x.html")["notes"]
    assert note.startswith(f"{run / rundir.PROGRESS}, offset 30: not a row of 3 numbers")


values = st.lists(st.one_of(st.floats(width=32), st.just(NAN)), min_size=1, max_size=300)


@given(values, st.integers(2, 60))
def test_a_thinned_curve_keeps_ends_extremes_and_gaps(numbers: list[float], most: int) -> None:
    whole = curve(numbers)

    thin = data.extremes(whole, most)

    rows = set(map(repr, whole.rows()))
    assert all(repr(row) in rows for row in thin.rows())
    assert (thin.step >= 0).all() and (np.diff(thin.step) > 0).all()
    assert thin.step[[0, -1]].tolist() == [0, len(numbers) - 1]
    known = [v for v in numbers if v == v]
    if known:
        assert (np.nanmin(thin.value), np.nanmax(thin.value)) == (min(known), max(known))
    assert np.isnan(thin.value).any() == (len(known) < len(numbers))
    assert len(thin) <= max(most, 2) * 1.5 + 3


def test_every_kth_frame_is_at_equal_distances() -> None:
    assert data.every_kth(curve(list(range(10))), 4).step.tolist() == [0, 3, 6, 9]
    assert len(data.every_kth(curve([1.0] * 3), 4)) == 3


# --- the command line ---------------------------------------------------------------------------------------


def test_the_command_line_writes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    sweep(tmp_path / "sweep")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("sys.argv", ["/bin/exptools-view", "sweep", "--html", "x y.html"])

    assert main() == 0
    assert main(["sweep", "--html", "no/x.html"]) == 2

    assert capsys.readouterr().err.splitlines() == [
        "exptools-view: wrote x y.html",
        "exptools-view: error: cannot write no/x.html: there is no directory no; make it first",
    ]
    assert said(tmp_path / "x y.html")["command"] == "exptools-view sweep --html 'x y.html'"


def test_a_tag_that_no_run_has_leaves_nothing_behind(tmp_path: Path) -> None:
    sweep(tmp_path / "sweep")

    with pytest.raises(ViewError, match=r"^no run has a tag 'los'; did you mean 'loss'\?"):
        load(tmp_path / "sweep").to_html(tmp_path / "x.html", "los")

    assert [p.name for p in tmp_path.iterdir()] == ["sweep"]


@needs_chromium
def test_it_can_begin_as_something_else(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "0", {"loss": [3.0, 2.0, 1.0], "acc": [1.0, 2.0, 3.0]})
    wanted = {"lines": "runs", "x": "hours", "smoothing": 0.5, "log": True, "tags": ["loss"]}
    load(tmp_path / "runs").to_html(tmp_path / "x.html", begins_as=wanted)

    with opened(tmp_path / "x.html") as page:
        controls = {name: page.input_value(f"#{name}") for name in ("lines", "x", "smoothing")}
        assert controls == {"lines": "runs", "x": "hours", "smoothing": "0.5"}
        assert page.is_checked("#log")
        assert page.evaluate("[...document.querySelectorAll('.card')].map(card => card.dataset.tag)") == [
            "loss"
        ]
        page.uncheck("#log")  # what the reader chooses is kept
        page.reload()
        assert not page.is_checked("#log")
        assert page.input_value("#lines") == "runs"
