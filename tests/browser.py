"""A real browser, where the machine has one: Debian's chromium, driven by Playwright."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
needs_chromium = pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium; apt-get install chromium")


@contextmanager
def opened(file: Path, **options: Any) -> Iterator[Any]:
    """The page of `file` in a browser without a network; what the page complains of is an error."""
    with _page(f"file://{file}", lambda url: not url.startswith("http"), offline=True, **options) as page:
        yield page


@contextmanager
def visited(url: str, **options: Any) -> Iterator[Any]:
    """The page at `url`, which is of this machine; whatever it asks of others is an error."""
    here = "/".join(url.split("/")[:3]) + "/"
    with _page(url, lambda asked: asked.startswith((here, "data:", "blob:")), **options) as page:
        yield page


@contextmanager
def _page(url: str, is_allowed: Callable[[str], bool], **options: Any) -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        page = browser.new_context(**options).new_page()
        said: list[str] = []
        page.on("pageerror", lambda error: said.append(error.stack or str(error)))
        page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
        page.on("request", lambda request: None if is_allowed(request.url) else said.append(request.url))
        page.on("dialog", lambda dialog: said.append(f"dialog {dialog.message}"))
        page.goto(url)
        yield page
        browser.close()
    assert not said, said
