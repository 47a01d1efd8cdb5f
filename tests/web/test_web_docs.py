"""docs/web.md, compared with the page."""

from __future__ import annotations

import re
from pathlib import Path

from browser import needs_chromium
from pages import served, shown
from view_files import write_run

from exptools.viewing.web import view
from exptools.viewing.web.layout import KEYS, layout
from exptools.viewing.web.listening import DEFAULT_PORT

PAGE = (Path(__file__).parents[2] / "docs" / "web.md").read_text()


def test_the_docs_name_every_control_and_view() -> None:
    labels = re.findall(r"Label\(children='([^']*)'", str(layout("x").to_plotly_json()))
    assert len(labels) > 10
    for label in set(labels) - {"A run is its", "over", "Run", "Step", "Scalars"}:
        assert label in PAGE, label
    for tab in view.TABS:
        assert {"media": "images"}.get(tab, tab) in PAGE.lower(), tab


def test_the_docs_name_every_key() -> None:
    for key, _ in KEYS:
        for part in key.split(" to "):
            assert f"`{part}`" in PAGE or part == "Esc"


def test_the_docs_name_the_port() -> None:
    assert PAGE.count(str(DEFAULT_PORT)) == 2


def test_the_address_of_the_docs_is_a_view() -> None:
    (query,) = re.findall(r"`(\?tags=.*?)`", PAGE)
    found = view.from_query(query)
    assert (found.tags, found.lines, found.by) == (("test/acc",), "median", ("lr",))


@needs_chromium
def test_the_address_of_the_docs_opens(tmp_path: Path) -> None:
    (query,) = re.findall(r"`(\?tags=.*?)`", PAGE)
    for i in range(4):
        config = {"lr": [0.1, 0.2][i % 2], "model": {"name": ["a", "b"][i // 2]}}
        write_run(tmp_path / str(i), {"test/acc": [0.1, 0.5, 0.7]}, config=config)
    with served(tmp_path) as url, shown(f"{url}{query}") as page:
        page.until_cards("test/acc")
        page.until_query(by=["lr"], split=["model.name"], smooth=["0.6"], yscale=["log"], lines=["median"])
