"""The page in a real browser: every control is used."""

from __future__ import annotations

import csv
import io
import math
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import needs_chromium
from pages import Page, served, shown
from view_files import write_run

from exptools import rundir
from exptools.logging import logger, logger_context
from exptools.rundir import State
from exptools.viewing.api import load

pytestmark = needs_chromium

STEPS = 3000


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two models, two learning rates, three seeds; run 11 failed. One spike in run 4."""
    root = tmp_path_factory.mktemp("multirun")
    for i in range(12):
        model, lr, seed = ["small", "large"][i % 2], [0.1, 0.001][i // 2 % 2], i // 4
        config = {"model": {"name": model}, "lr": lr, "seed": seed, "epochs": 3}
        loss = [math.exp(-step / 800) + i / 10 + math.sin(step * (i + 1)) / 50 for step in range(STEPS)]
        if i == 4:
            loss[1234] = 77.0
        acc = [1 - value / 10 for value in loss]
        run = write_run(root / str(i), {"train/loss": loss, "test/acc": acc}, config=config)
        (run / rundir.STDOUT).write_text(f"run {i} <b>began</b>\nrun {i} ended\n")
    failed = {"state": State.FAILED, "error": "ValueError: the loss <i>is</i> nan", "exit_code": 1}
    write_run(root / "11", **failed)
    return root


@pytest.fixture(scope="module")
def address(tree: Path) -> Iterator[str]:
    """Of the page of `tree`."""
    with served(tree) as url:
        yield url


@pytest.fixture
def page(address: str) -> Iterator[Page]:
    with shown(address) as page:
        page.until_cards("test/acc", "train/loss")
        yield page


def test_it_opens_on_the_first_scalars_with_a_line_for_each_setting(page: Page) -> None:
    assert list(page.curves("train/loss")) == ["large, 0.001", "large, 0.1", "small, 0.001", "small, 0.1"]
    assert "12 runs" in page.text("#states")
    assert "11 completed" in page.text("#states")
    assert "1 failed" in page.text("#states")


def test_lines_are_the_means_that_a_figure_shows(page: Page, tree: Path) -> None:
    (panel,) = load(tree).panels("train/loss")
    for mark in panel.marks:
        found = dict(map(tuple, page.curves("train/loss")[mark.label]))
        means = dict(zip(mark.found.aggregate.x.tolist(), mark.found.aggregate.center.tolist(), strict=True))
        assert len(found) > 500
        assert all(means[x] == y for x, y in found.items())
        assert max(found.values()) == max(means.values())


def test_single_runs_keep_their_extremes_and_zoom_shows_every_frame(page: Page) -> None:
    page.choose("lines", "single runs")
    page.until_query(lines=["runs"])
    page.until_lines(12)
    found = page.curves("train/loss")["4"]
    assert len(found) < STEPS
    assert [1234, 77.0] in found

    zoom(page, "train/loss", (1200, 1300))
    page.until("() => !/zoom in/.test(document.querySelectorAll('#cards .note')[1].textContent)")
    found = page.curves("train/loss")["4"]
    assert [x for x, _ in found if 1200 <= x <= 1300] == list(range(1200, 1301))
    assert page.layout("train/loss")["x"]["range"] == pytest.approx([1200, 1300])
    assert page.query["zoom"][0].startswith("train/loss:1200")
    assert page.layout("test/acc")["x"]["range"][1] > 2900

    page.page.dblclick("#cards .card:nth-child(2) .nsewdrag", force=True)
    page.until_query(zoom=None)
    page.until("() => /zoom in/.test(document.querySelectorAll('#cards .note')[1].textContent)")


def zoom(page: Page, tag: str, x: tuple[float, float]) -> None:
    """As by dragging over a part of a card."""
    page.js(
        """([tag, x]) => {
            const card = [...document.querySelectorAll('#cards .card')]
                .find((one) => one.querySelector('h3').textContent === tag);
            const ends = { 'xaxis.range[0]': x[0], 'xaxis.range[1]': x[1] };
            Plotly.relayout(card.querySelector('.js-plotly-plot'), ends);
        }""",
        [tag, list(x)],
    )
    page.until(
        "(tag) => new URLSearchParams(location.search).getAll('zoom').some((one) => one.startsWith(tag))",
        tag,
    )


def test_dragging_zooms(page: Page) -> None:
    box = page.page.locator("#cards .card:nth-child(1) .nsewdrag").first.bounding_box()
    page.page.mouse.move(box["x"] + 100, box["y"] + 60)
    page.page.mouse.down()
    page.page.mouse.move(box["x"] + 200, box["y"] + 62, steps=5)
    page.page.mouse.up()
    page.until("() => new URLSearchParams(location.search).has('zoom')")
    low, high = page.layout("test/acc")["x"]["range"]
    assert 0 < low < high < STEPS


def test_selecting_rows_selects_curves(page: Page) -> None:
    page.page.click("#grid .ag-row[row-id='0'] .ag-selection-checkbox")
    page.page.click("#grid .ag-row[row-id='1'] .ag-selection-checkbox")
    page.until_query(runs=["0", "1"])
    page.until_lines(2)
    assert list(page.curves("train/loss")) == ["large, 0.1", "small, 0.1"]
    assert page.text("#selected").startswith("2 of 12 runs selected")
    page.page.click("#unselect")
    page.until_query(runs=None)
    page.until_lines(4)


def test_series_panels_and_the_centre(page: Page) -> None:
    page.choose("by", "model")
    page.until_query(by=["model.name"])
    page.until_lines(2)
    assert list(page.curves("train/loss")) == ["large", "small"]
    page.choose("split", "lr")
    page.until_query(split=["lr"])
    page.until_lines(4)
    assert page.plot("_fullLayout.annotations.map((one) => one.text)") == ["lr: 0.001", "lr: 0.1"]
    page.choose("lines", "median")
    page.until_query(lines=["median"])
    page.choose("band", "min to max")
    page.until_query(band=["minmax"])
    page.until_cards("test/acc", "train/loss")


def test_smoothing_is_tensorboards_with_the_raw_line_behind(page: Page, tree: Path) -> None:
    page.page.locator("#smooth").fill("0.9")
    page.until_query(smooth=["0.9"])
    page.until_plot("_fullData.some((trace) => trace.opacity === 0.25)")
    (panel,) = load(tree).panels("test/acc", smooth=0.9)
    aggregate = panel.marks[0].found.aggregate
    found = dict(map(tuple, page.curves("test/acc")[panel.marks[0].label]))
    smooth = dict(zip(aggregate.x.tolist(), aggregate.center.tolist(), strict=True))
    assert all(smooth[x] == y for x, y in found.items())


def test_axes(page: Page) -> None:
    page.choose("x", "wall time")
    page.until_plot("_fullLayout.xaxis.type === 'date'")
    page.choose("x", "test/acc")
    page.until_plot("_fullLayout.xaxis.title.text === 'test/acc'")
    page.page.click("#flags label:has-text('log y')")
    page.until_plot("_fullLayout.yaxis.type === 'log'")
    page.page.click("#flags label:has-text('log x')")
    page.until_plot("_fullLayout.xaxis.type === 'log'")
    page.until_query(x=["test/acc"], xscale=["log"], yscale=["log"])


def test_outliers_can_be_ignored(page: Page) -> None:
    page.choose("lines", "single runs")
    page.until_lines(12)
    assert page.layout("train/loss")["y"]["range"][1] > 70
    page.page.click("#flags label:has-text('outliers')")
    page.until_query(outliers=["off"])
    page.until("() => document.querySelectorAll('#cards .js-plotly-plot')[1]._fullLayout.yaxis.range[1] < 5")


def test_one_hover_across_all_cards(page: Page) -> None:
    page.page.hover("#cards .card:nth-child(1) .nsewdrag", position={"x": 120, "y": 80}, force=True)
    page.until("() => [...document.querySelectorAll('.readout')].filter((box) => !box.hidden).length === 2")
    texts = page.js("[...document.querySelectorAll('.readout')].map((box) => box.innerText)")
    assert all("step" in text and "large, 0.001" in text for text in texts)
    assert len({text.split("\n")[0] for text in texts}) == 1  # the same step


def test_the_legend_hides_series(page: Page) -> None:
    page.page.click(".series:has-text('small, 0.1')")
    page.until_query(hidden=["small, 0.1"])
    page.until_plot("_fullData.every((trace) => !trace.meta || trace.meta.label !== 'small, 0.1')")
    page.page.click(".series:has-text('small, 0.1')")
    page.until_query(hidden=None)


def test_scalars_are_searched_pinned_and_taken_away(page: Page) -> None:
    page.page.keyboard.press("/")
    page.page.keyboard.type("train/*")
    page.until("() => document.querySelectorAll('#tags label').length === 1")
    page.page.click("[id*='\"close\"'][id*='train/loss']")
    page.until_query(tags=["test/acc"])
    page.until_cards("test/acc")
    page.page.keyboard.press("/")
    page.page.keyboard.press("Enter")
    page.until_query(tags=["train/*"])
    page.until_cards("train/loss")
    page.page.fill("#search", "")
    page.page.click("#tags label:has-text('test/acc')")
    page.until_cards("train/loss", "test/acc")
    page.page.click("[id*='\"pin\"'][id*='test/acc']")
    page.until_query(pins=["test/acc"])
    page.until_cards("test/acc", "train/loss")
    page.page.click("#clear")
    page.until_query(tags=[""])
    page.until_cards("test/acc")


def test_clicks_that_follow_each_other_at_once_all_count(page: Page) -> None:
    page.js("document.querySelector('.series').click(); document.querySelector('.series').click()")
    page.js("document.querySelectorAll('.series')[1].click()")
    page.until_query(hidden=["large, 0.1"])
    page.js("for (const one of document.querySelectorAll('#cards [title^=pin]')) one.click()")
    page.until_query(pins=["test/acc", "train/loss"])
    page.js("for (const one of document.querySelectorAll('#cards [title^=take]')) one.click()")
    page.until_query(tags=[""], pins=None)
    page.until("() => document.querySelectorAll('#cards .card').length === 0")


def test_conditions_choose_runs(page: Page) -> None:
    page.page.fill("#where", "lr=0.1 'model.name=small'")
    page.page.keyboard.press("Enter")
    page.until_query(where=["lr=0.1", "model.name=small"])
    page.until("() => document.querySelectorAll('#grid .ag-center-cols-container .ag-row').length === 3")
    page.page.fill("#where", "lr=0.1 nosuch>3")
    page.page.keyboard.press("Enter")
    page.until("() => /nosuch/.test(document.querySelector('#where-note').textContent)")


def test_the_table_sorts_filters_and_shows_small_curves(page: Page) -> None:
    page.choose("spark", "train/loss")
    page.until_query(spark=["train/loss"])
    page.until("() => document.querySelectorAll('.spark-line path').length >= 5")
    page.page.click("#grid .ag-header-cell[col-id='lr'] .ag-header-cell-text")
    page.until("() => new URLSearchParams(location.search).get('sort')")
    assert "lr" in page.query["sort"][0]
    first = "document.querySelector('#grid .ag-row[row-index=\"0\"]').getAttribute('row-id')"
    assert page.js(first) == "2"


# --- the other views -------------------------------------------------------------------------------------


def test_bars_scatter_and_parallel_coordinates(page: Page) -> None:
    page.tab("bars")
    page.page.wait_for_selector("#other .bars .point path, #other .barlayer path", state="attached")
    assert page.js("document.querySelectorAll('#other .card').length") == 2
    page.choose("stat", "max")
    page.until_query(stat=["max"], tab=["bars"])
    page.until("() => /max/.test(document.querySelector('#other h3').textContent)")
    page.tab("scatter")
    page.choose("over", "lr")
    page.until_query(over=["lr"])
    page.page.wait_for_selector("#other .scatterlayer .point", state="attached")
    page.tab("parallel")
    page.choose("over", "lr")  # no longer
    page.page.wait_for_selector("#other .scatterlayer path.js-line", state="attached")


def test_runs_are_compared(page: Page) -> None:
    page.page.click("#grid .ag-row[row-id='0'] .ag-selection-checkbox")
    page.page.click("#grid .ag-row[row-id='2'] .ag-selection-checkbox")
    page.tab("compare")
    page.page.wait_for_selector("#other .compare")
    page.until("() => document.querySelectorAll('#other thead th').length === 4")
    rows = page.js(
        "[...document.querySelectorAll('#other tbody tr')].map((row) => "
        "[...row.children].map((cell) => cell.textContent))"
    )
    assert ["config", "lr", "0.1", "0.001"] in rows
    assert not any("model" in cell for row in rows for cell in row)  # equal in both


def test_the_log_and_the_error_are_texts(page: Page) -> None:
    page.tab("log and error")
    page.page.wait_for_selector("#other pre.log.error")
    assert page.text("#other pre.error") == "ValueError: the loss <i>is</i> nan"
    assert "run 11 <b>began</b>" in page.text("#other pre.log:not(.error)")
    page.choose("run", "3 (")
    page.until_query(run=["3"])
    page.until("() => /run 3 ended/.test(document.querySelector('#other').textContent)")


# --- the address -----------------------------------------------------------------------------------------


def test_the_address_opens_the_same_view(address: str) -> None:
    query = (
        "?tab=curves&tags=train%2Floss&lines=median&band=minmax&by=lr&split=model.name&smooth=0.5&yscale=log"
        "&runs=0&runs=1&runs=2&runs=3&hidden=0.1&zoom=train%2Floss%3A100.0~2000.0%3A"
        "&spark=test%2Facc&pins=test%2Facc"
    )
    with shown(f"{address}{query}") as page:
        page.until_cards("test/acc", "train/loss")
        page.until_query(
            tab=None, tags=["train/loss"], lines=["median"], band=["minmax"], by=["lr"], split=["model.name"],
            smooth=["0.5"], yscale=["log"], runs=["0", "1", "2", "3"], hidden=["0.1"], spark=["test/acc"],
            pins=["test/acc"], zoom=["train/loss:100.0~2000.0:"],
        )  # fmt: skip
        assert page.layout("train/loss")["x"]["range"] == pytest.approx([100, 2000])
        assert page.layout("train/loss")["y"]["type"] == "log"
        assert list(page.curves("train/loss")) == ["0.001"]
        assert (
            page.js("document.querySelector('#grid .ag-row[row-id=\"2\"]').getAttribute('aria-selected')")
            == "true"
        )
        before = page.page.url
        page.page.reload()
        page.until_cards("test/acc", "train/loss")
        assert page.page.url == before


def test_a_bad_address_is_said_and_the_page_stands(address: str) -> None:
    with shown(f"{address}?smooth=7&tags=train/loss") as page:
        page.until_cards("test/acc", "train/loss")
        assert page.text("#problem-of-address").startswith("smooth cannot be 7")


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("x=nope", "no run has a scalar 'nope'"),
        ("spark=los", "no run has a scalar 'los'. The scalars are: test/acc"),
        ("tags=train/loss&tags=gone*", "no run has a scalar 'gone*'"),
        ("tab=log&run=nine", "there is no run 'nine'"),
    ],
)
def test_what_an_address_asks_for_and_there_is_not_is_said(address: str, asked: str, said: str) -> None:
    with shown(f"{address}?{asked}") as page:
        page.until("() => document.querySelector('#problem-of-address').textContent")
        assert page.text("#problem-of-address").startswith(said)


def test_the_help_keeps_the_focus_and_gives_it_back(page: Page) -> None:
    page.page.focus("#search")
    page.page.click("#ask")
    for key in ("Tab", "Shift+Tab", "Tab"):
        page.page.keyboard.press(key)
        assert page.js("document.activeElement.id") == "close-help"
    page.page.keyboard.press("Escape")
    assert page.js("document.activeElement.id") == "ask"


# --- export ----------------------------------------------------------------------------------------------


def test_what_is_shown_is_exported(page: Page, tree: Path) -> None:
    page.page.click("[id*='\"close\"'][id*='test/acc']")
    page.until_query(tags=["train/loss"])
    page.page.click("#grid .ag-row[row-id='0'] .ag-selection-checkbox")
    page.until_query(runs=["0"])
    page.page.click("#export summary")
    with page.page.expect_download() as download:
        page.page.click("#export-csv")
    rows = list(csv.DictReader(io.StringIO(Path(download.value.path()).read_text())))
    assert len(rows) == STEPS
    assert {row["run"] for row in rows} == {"0"}
    with page.page.expect_download() as download:
        page.page.click("#export-pdf")
    assert Path(download.value.path()).read_bytes().startswith(b"%PDF")
    assert download.value.suggested_filename.endswith(".pdf")
    page.until("() => /--plot.train.loss/.test(document.querySelector('#command').textContent)")
    assert page.text("#command").startswith("exptools-view ")


# --- keys, themes, sizes ---------------------------------------------------------------------------------


def test_keys(page: Page) -> None:
    page.page.keyboard.press("?")
    page.page.wait_for_selector("#help:not([hidden])")
    assert "search scalars" in page.text("#help")
    page.page.keyboard.press("Escape")
    page.page.wait_for_selector("#help", state="hidden")
    page.page.keyboard.press("2")
    page.until_query(tab=["bars"])
    page.page.keyboard.press("1")
    page.until_query(tab=None)
    page.page.keyboard.press("l")
    page.until_query(yscale=["log"])
    page.page.keyboard.press("r")
    page.until_query(lines=["runs"])
    page.page.keyboard.press("s")
    page.page.keyboard.press("ArrowRight")
    page.until_query(smooth=["0.01"])
    theme = page.js("document.documentElement.dataset.theme")
    page.page.keyboard.press("Escape")
    page.page.keyboard.press("d")
    assert page.js("document.documentElement.dataset.theme") != theme


def test_buttons_for_help_and_for_light_and_dark(page: Page) -> None:
    assert page.js("document.documentElement.lang") == "en"
    page.page.click("#ask")
    page.page.wait_for_selector("#help:not([hidden])")
    page.page.click("#close-help")
    page.page.wait_for_selector("#help", state="hidden")
    assert page.js("document.documentElement.dataset.theme") == "light"
    light = page.plot("_fullLayout.font.color")
    page.page.click("#dark")
    page.until("() => document.documentElement.dataset.theme === 'dark'")
    page.until_plot(f"_fullLayout.font.color !== '{light}'")
    page.page.reload()  # it is kept
    page.until_cards("test/acc", "train/loss")
    assert page.js("document.documentElement.dataset.theme") == "dark"


def test_keys_typed_into_a_field_are_text(page: Page) -> None:
    page.page.click("#search")
    page.page.keyboard.type("d?2l")
    assert page.page.input_value("#search") == "d?2l"
    assert page.query.get("tab") is None
    assert page.page.is_hidden("#help")


def test_tab_reaches_every_control_and_shows_where_it_is(page: Page) -> None:
    seen = []
    page.js("document.body.focus()")
    for _ in range(60):
        page.page.keyboard.press("Tab")
        seen.append(page.js("(document.activeElement.closest('[id]') || document.activeElement).id"))
    for wanted in ("search", "add", "clear", "lines", "by", "split", "smooth", "x", "where", "spark"):
        assert any(wanted == one or one.startswith(wanted) for one in seen), (wanted, seen)
    assert seen.index("search") < seen.index("smooth")


@pytest.mark.parametrize("width", [1280, 3840])
def test_nothing_is_cut_off(address: str, width: int) -> None:
    with shown(address, viewport={"width": width, "height": 900}) as page:
        page.until_cards("test/acc", "train/loss")
        assert page.js("document.documentElement.scrollWidth <= window.innerWidth")
        for name in ("tags", "lines", "smooth", "where"):
            box = page.page.locator(f"#{name}").bounding_box()
            assert box["width"] > 40
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width


def test_images_and_histograms_are_those_of_a_run_that_has_some(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    write_run(root / "0", {"loss": [1.0, 2.0]}, state=State.FAILED, error="none here")
    with logger_context(root, 1, "rich"):
        for step in (0, 10, 20):
            pixels = np.full((8, 12, 3), 10 * step, np.uint8)
            logger.log_image("samples", pixels, step)
            logger.log_gif("play", np.stack([pixels, 255 - pixels]), step)
            logger.log_histogram("weights", np.arange(100.0) + step, step)
    with served(root) as url, shown(f"{url}?tab=media") as page:
        page.until("() => document.querySelectorAll('#other figure img').length === 2")
        assert page.js("[...document.querySelectorAll('#other h3')].map((one) => one.textContent)") == [
            "play",
            "samples",
        ]
        page.until(
            "() => [...document.querySelectorAll('#other img')].every((one) => one.naturalWidth === 12)"
        )
        assert page.text("#other figcaption") == "run run_1, step 20"
        page.page.click("#step-before")
        page.until_query(step=["10"])
        page.until("() => /step 10/.test(document.querySelector('#other figcaption').textContent)")
        page.page.click("#step-after")
        page.until_query(step=["20"])
        page.choose("run", "0 (")
        page.until("() => /Run 0 has logged no images/.test(document.querySelector('#other').textContent)")
        page.tab("histograms")
        page.until(
            "() => /Run 0 has logged no histograms/.test(document.querySelector('#other').textContent)"
        )
        page.choose("run", "run_1")
        page.until("() => document.querySelector('#other .js-plotly-plot .heatmaplayer image')")
        assert page.text("#other h3") == "weights"
