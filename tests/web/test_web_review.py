"""The page as somebody uses it who reloads, sorts, closes and hides."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from browser import needs_chromium
from pages import Page, served, shown
from view_files import write_run

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
