"""The page as somebody uses it who reloads, sorts, closes and hides."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from browser import needs_chromium
from pages import Page, served, shown
from view_files import write_run

from exptools import rundir
from exptools.logging import logger, logger_context
from exptools.rundir import State, Status

pytestmark = needs_chromium

ROWS = """[...document.querySelectorAll('#grid .ag-center-cols-container .ag-row')]
    .sort((a, b) => a.getAttribute('row-index') - b.getAttribute('row-index'))
    .map((row) => row.getAttribute('row-id'))"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Of the page of four runs."""
    root = tmp_path_factory.mktemp("multirun")
    for i, last in enumerate([0.3, 0.1, 0.4, 0.2]):
        write_run(root / str(i), {"loss": [2.0, last]}, config={"lr": [0.1, 0.01][i % 2], "seed": i // 2})
    with served(root) as url:
        yield url


def until_rows(page: Page, *names: str) -> None:
    """Wait until the table has these rows, in this order."""
    page.until(f"(names) => JSON.stringify({ROWS}) === JSON.stringify(names)", list(names))


def test_a_sorted_table_is_sorted_after_a_reload(address: str) -> None:
    with shown(address) as page:
        page.page.click("#grid .ag-header-cell[col-id='loss'] .ag-header-cell-text")
        page.until("() => new URLSearchParams(location.search).get('sort')")
        until_rows(page, "1", "3", "0", "2")
        before = page.page.url
        page.page.reload()
        page.until_cards("loss")
        until_rows(page, "1", "3", "0", "2")

        assert page.page.url == before
        page.page.click("#grid .ag-header-cell[col-id='loss'] .ag-header-cell-text")
        until_rows(page, "2", "0", "3", "1")


def test_a_filtered_table_is_filtered_after_a_reload(address: str) -> None:
    with shown(address) as page:
        page.page.click("#grid .ag-header-cell[col-id='lr'] .ag-header-cell-filter-button")
        page.page.fill(".ag-filter input[type=number]", "0.01")
        until_rows(page, "1", "3")
        page.until("() => new URLSearchParams(location.search).get('filter')")
        before = page.page.url
        page.page.reload()
        page.until_cards("loss")
        until_rows(page, "1", "3")

        assert page.page.url == before


def test_no_cards_are_no_cards_after_a_reload(address: str) -> None:
    with shown(address) as page:
        page.until_cards("loss")
        page.page.click("#clear")
        page.until_query(tags=[""])
        page.page.reload()
        page.until("() => /Choose scalars/.test((document.querySelector('#cards') || {}).textContent)")

        page.page.click("#smooth")
        page.until("() => new URLSearchParams(location.search).get('smooth')")
        assert page.cards() == []
        assert page.query["tags"] == [""]


@pytest.mark.parametrize("name", ["bars", "scatter", "parallel"])
def test_a_plot_is_as_high_as_it_should_be_and_inside_its_card(address: str, name: str) -> None:
    with shown(f"{address}?tab={name}") as page:
        page.until("() => document.querySelector('#other .card .main-svg')")
        page.page.wait_for_timeout(500)  # plots that fit themselves do so a little later

        heights = page.js(
            "['.card', '.main-svg'].map((one) => document.querySelector(`#other ${one}`))"
            ".map((one) => one.getBoundingClientRect()).map(({ top, bottom }) => [top, bottom])"
        )
        (card_top, card_bottom), (top, bottom) = heights
        assert bottom - top == pytest.approx(380, abs=2)
        assert card_top < top and bottom < card_bottom


def test_a_scatter_is_over_the_first_key_that_varies_and_its_command_says_so(address: str) -> None:
    with shown(f"{address}?tab=scatter&by=") as page:
        page.until("() => document.querySelector('#other .main-svg')")
        axis = page.js("document.querySelector('#other .js-plotly-plot')._fullLayout.xaxis.title.text")

        assert axis == "lr"
        page.page.click("#export summary")
        page.until("() => /over=lr/.test(document.querySelector('#command').textContent)")


def test_a_card_without_lines_says_how_to_show_them(address: str) -> None:
    with shown(f"{address}?by=") as page:
        page.until_cards("loss")
        page.page.click("#legend .series")
        page.until("() => /all are hidden: click a name/.test(document.querySelector('.note').textContent)")
        page.page.click("#legend .series")
        page.until("() => document.querySelector('.note').textContent === '1 line of 8 frames'")


def test_words_of_a_comparison_are_not_broken_beside_long_ones(tmp_path: Path) -> None:
    for i in range(6):
        write_run(
            tmp_path / str(i), {"a": [float(i)]}, config={"lr": i, "text": "v" * 400 * (i > 1) + str(i)}
        )
    (tmp_path / "0" / rundir.STATUS).unlink()
    with served(tmp_path) as url, shown(f"{url}?tab=compare") as page:
        page.until("() => document.querySelector('.compare td')")
        widths = page.js(
            "[...document.querySelectorAll('.compare tr:first-child td')].map((one) => one.clientWidth)"
        )

        assert len(widths) >= 6
        assert min(widths) > 80


def test_a_wrong_condition_in_the_address_is_said_and_can_be_changed(address: str) -> None:
    with shown(f"{address}?tags=loss&smooth=0.5") as page:
        page.page.goto(f"{address}?tags=loss&smooth=0.5&where=nosuch%3E3")
        page.until("() => /nosuch/.test((document.querySelector('#where-note') || {}).textContent)")
        assert (page.page.input_value("#where"), page.page.input_value("#smooth")) == ("'nosuch>3'", "0.5")

        page.page.fill("#where", "lr=0.1")
        page.page.keyboard.press("Enter")
        until_rows(page, "0", "2")
        page.until_cards("loss")
        assert page.query["smooth"] == ["0.5"]


def test_another_x_axis_shows_all_of_itself(address: str) -> None:
    with shown(f"{address}?tags=loss&zoom=loss:0.25~0.75:0.5~1.5") as page:
        page.until_plot("_fullLayout.xaxis.range[0] === 0.25")
        page.page.reload()
        page.until_plot("_fullLayout.xaxis.range[0] === 0.25")
        page.js(
            "Plotly.relayout(document.querySelector('#cards .js-plotly-plot'), {'xaxis.range': [0.3, 0.8]})"
        )
        page.until_query(zoom=["loss:0.3~0.8:0.5~1.5"])

        page.choose("x", "wall time")
        page.until_query(x=["wall_time"], zoom=["loss::0.5~1.5"])
        page.until_plot("layout.meta.is_date")
        page.until(
            "() => /00:16/.test(document.querySelector('#cards .js-plotly-plot')._fullLayout.xaxis.range[0])"
        )
        assert page.layout("loss")["y"]["range"] == [0.5, 1.5]


def test_an_image_of_a_run_that_was_begun_anew_is_the_new_one(tmp_path: Path) -> None:
    def log_image(width: int) -> None:
        with logger_context(tmp_path, 0, "anew", refresh=True):
            logger.log_scalar("loss", 1.0, 0)
            logger.log_image("drawn", np.zeros((8, width, 3), np.uint8), 0)

    log_image(10)
    with served(tmp_path) as url, shown(f"{url}?tab=media") as page:
        page.until("() => (document.querySelector('#other img') || {}).naturalWidth === 10")
        log_image(20)
        page.page.reload()
        page.until("() => (document.querySelector('#other img') || {}).naturalWidth === 20")


def test_what_x_is_is_told_under_the_pointer_in_each_of_many_panels(tmp_path: Path) -> None:
    for i in range(4):
        write_run(tmp_path / str(i), {"loss": [2.0, 1.0]}, config={"lr": i})
    with served(tmp_path) as url, shown(f"{url}?split=lr") as page:
        page.until_cards("loss")
        page.page.hover("#cards .nsewdrag >> nth=0")
        page.until("() => /^step [01]/.test((document.querySelector('.readout') || {}).textContent)")


def test_a_log_is_where_somebody_reads_it_while_runs_go_on(tmp_path: Path) -> None:
    def beat(second: int) -> None:
        now = time.time()
        rundir.write_status(tmp_path / "0", Status(State.RUNNING, start=now - 60 * second, heartbeat=now))

    write_run(tmp_path / "0", {"loss": [1.0]}, config={"seed": 0}, state=None)
    beat(0)
    log = tmp_path / "0" / rundir.STDOUT
    log.write_text("".join(f"line {i}\n" for i in range(500)))
    with served(tmp_path) as url, shown(f"{url}?tab=log") as page:
        page.until("() => document.querySelector('#other .log')")
        page.page.wait_for_timeout(1500)  # at the beginning it may be made twice
        page.js("Object.assign(document.querySelector('#other .log'), { isFirst: true, scrollTop: 700 })")
        look = page.text("#grid")
        beat(9)
        page.until("(look) => document.querySelector('#grid').innerText !== look", look)
        page.page.wait_for_timeout(1000)
        assert page.js("document.querySelector('#other .log').isFirst")

        with open(log, "a") as file:
            file.write("line 500\n")
        beat(18)
        page.until("() => /line 500/.test(document.querySelector('#other .log').textContent)")
        assert page.js("document.querySelector('#other .log').scrollTop") == 700


def test_the_number_of_selected_rows_is_that_of_those_in_the_table(address: str) -> None:
    with shown(f"{address}?runs=1&runs=3&where=lr%3D0.1") as page:
        page.until("() => document.querySelector('#selected').textContent === '0 of 2 runs selected'")
