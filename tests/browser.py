"""A real browser, where the machine has one: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium")


@contextmanager
def opened(file: Path, **options: Any) -> Iterator[Any]:
    """The page of `file` in a browser without a network; what the page complains of is an error."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(offline=True, **options)
        page = context.new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on(
            "request", lambda request: said.append(request.url) if request.url.startswith("http") else None
        )
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(f"file://{file}")
        yield page
        browser.close()
    assert said == []
