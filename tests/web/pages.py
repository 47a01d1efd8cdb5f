"""exptools-view --web as a user starts it, and its page in a browser."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from browser import visited

WAIT_MS = 20_000  # for anything on the page: the machines of the tests are slow
VIEW = [sys.executable, "-m", "exptools.viewing.cli"]


@contextmanager
def served(*arguments: object, cwd: Path | None = None) -> Iterator[str]:
    """The address of the page of exptools-view with these arguments; it ends well after Ctrl-C."""
    command = [*VIEW, *map(str, arguments), "--web", "--port", "0"]
    environ = {name: value for name, value in os.environ.items() if name != "SSH_CONNECTION"}
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=cwd, env=environ
    )
    assert process.stdout is not None
    try:
        line = process.stdout.readline()
        match = re.match(r"(http://\S+)", line)
        assert match is not None, f"{line}{process.communicate()[1]}"
        yield match[1]
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out, err) == (0, "", "")
    finally:
        process.kill()
        process.communicate()


@contextmanager
def shown(url: str, **options: Any) -> Iterator[Page]:
    """The page at `url`, once it stands."""
    with visited(url, **{"viewport": {"width": 1280, "height": 1000}, **options}) as page:
        page.set_default_timeout(WAIT_MS)
        made = Page(page)
        made.until("document.querySelector('#states .total')")
        made.until("document.querySelectorAll('#grid .ag-row').length")
        yield made


class Page:
    """The page, as somebody who looks at it and uses it."""

    def __init__(self, page: Any) -> None:
        self.page = page

    def until(self, condition: str, argument: Any = None) -> Any:
        """Wait for what JavaScript, a function or an expression, says is true; what it says.

        Asked from outside: the page itself may not evaluate texts.
        """
        end = time.monotonic() + WAIT_MS / 1000
        while time.monotonic() < end:
            said = self.page.evaluate(condition, argument)
            if said:
                return said
            self.page.wait_for_timeout(50)
        raise AssertionError(f"not within {WAIT_MS} ms: {condition} of {argument}")

    def js(self, expression: str, *arguments: Any) -> Any:
        return self.page.evaluate(expression, *arguments)

    @property
    def query(self) -> dict[str, list[str]]:
        """The view, as the address of the page says it."""
        return urllib.parse.parse_qs(urllib.parse.urlsplit(self.page.url).query, keep_blank_values=True)

    def until_query(self, **wanted: list[str] | None) -> None:
        """Wait until the address says this of these names; None: nothing."""
        text = "(names) => Object.entries(names).every(([name, texts]) => {"
        text += "const found = new URLSearchParams(location.search).getAll(name);"
        text += "return JSON.stringify(found) === JSON.stringify(texts || []); })"
        self.until(text, wanted)

    def cards(self) -> list[str]:
        """The tags of the cards."""
        return list(
            self.js("[...document.querySelectorAll('#cards .card h3')].map((one) => one.textContent)")
        )

    def until_cards(self, *tags: str) -> None:
        """Wait for these cards, with their curves."""
        self.until(
            """(tags) => {
                const cards = [...document.querySelectorAll('#cards .card')];
                const found = cards.map((card) => card.querySelector('h3').textContent);
                const isDrawn = (card) => /frame/.test(card.querySelector('.note').textContent)
                    && (card.querySelector('.js-plotly-plot') || {})._fullData;
                return JSON.stringify(found) === JSON.stringify(tags) && cards.every(isDrawn);
            }""",
            list(tags),
        )

    def plot(self, expression: str) -> Any:
        """Of the first card's plot."""
        return self.js(f"document.querySelector('#cards .js-plotly-plot').{expression}")

    def until_plot(self, condition: str) -> None:
        """Wait for what is to be true of the first card's plot."""
        plot = "document.querySelector('#cards .js-plotly-plot')"
        self.until(f"() => {plot} && {plot}._fullData && {plot}.{condition}")

    def until_lines(self, n: int) -> None:
        """Wait until each card draws so many lines."""
        text = "(start) => [...document.querySelectorAll('#cards .note')]"
        self.until(f"{text}.every((note) => note.textContent.startsWith(start))", f"{n} lines ")

    def curves(self, tag: str) -> dict[str, list[Any]]:
        """The lines that a card draws, by their runs or series; of each the points, in their order."""
        return dict(
            self.until(
                """(tag) => {
                    const card = [...document.querySelectorAll('#cards .card')]
                        .find((one) => one.querySelector('h3').textContent === tag);
                    const plot = card && card.querySelector('.js-plotly-plot');
                    if (!plot || !plot._fullData) return null;
                    const found = {};
                    for (const { meta, x, y } of plot._fullData) {
                        if (!meta || !meta.starts) continue;
                        meta.starts.slice(0, -1).forEach((start, i) => {
                            const at = [...x].slice(start, meta.starts[i + 1] - 1);
                            found[meta.runs[i] || meta.label] = at.map((one, k) => [one, y[start + k]]);
                        });
                    }
                    return found;
                }""",
                tag,
            )
        )

    def layout(self, tag: str) -> dict[str, Any]:
        """What plotly makes of a card's axes."""
        return dict(
            self.js(
                """(tag) => {
                    const card = [...document.querySelectorAll('#cards .card')]
                        .find((one) => one.querySelector('h3').textContent === tag);
                    const { xaxis, yaxis } = card.querySelector('.js-plotly-plot')._fullLayout;
                    const said = (axis) => ({ type: axis.type, range: axis.range, title: axis.title.text });
                    return { x: said(xaxis), y: said(yaxis) };
                }""",
                tag,
            )
        )

    def choose(self, name: str, *labels: str) -> None:
        """Choose in a list that opens."""
        self.page.click(f"#{name}")
        for label in labels:
            self.page.click(f".dash-dropdown-option:has-text('{label}')")
        self.page.keyboard.press("Escape")

    def tab(self, name: str) -> None:
        """Another view."""
        self.page.click(f"#tab label:has-text('{name}')")

    def text(self, selector: str) -> str:
        return str(self.page.inner_text(selector))
