"""What pages of other sites can do to the server, in a real browser: nothing."""

from __future__ import annotations

import contextlib
import http.server
import json
import re
import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import CHROMIUM, needs_chromium
from servers import Server, ask, served

pytestmark = needs_chromium
EVIL = "evil.example"
MACHINE = socket.gethostname()
# The names of this test are those of this machine, as after a DNS rebinding.
RULES = f"--host-resolver-rules=MAP {EVIL} 127.0.0.1, MAP {MACHINE} 127.0.0.1"
POSTED = {"method": "POST", "path": "/posted", "query": "", "body": "of the page"}


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", RULES])
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Any) -> Iterator[Any]:
    context = browser.new_context()
    context.set_default_timeout(20_000)
    yield context.new_page()
    context.close()


@contextlib.contextmanager
def site(html: str) -> Iterator[int]:
    """Another server, of which each page is `html`: its port."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(html.encode())

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield server.server_port
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def told(page: Any) -> dict[str, str]:
    """What the script of a page has put into its title."""
    from playwright.sync_api import expect

    expect(page).to_have_title(re.compile(r"\{.*"), timeout=20_000)
    found: dict[str, str] = json.loads(page.title())
    return found


def wait_for_posted(page: Any) -> None:
    assert told(page) == POSTED


def seen(server: Server) -> list[str]:
    file = server.directory / "seen.txt"
    return file.read_text().splitlines() if file.exists() else []


def test_our_own_page_reads_and_posts(tmp_path: Path, page: Any) -> None:
    with served(tmp_path) as server:
        for host in ("127.0.0.1", "localhost"):
            page.goto(f"http://{host}:{server.port}/page")
            wait_for_posted(page)


def test_the_address_that_is_printed_opens_the_page_and_the_token_leaves_it(
    tmp_path: Path, page: Any
) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as server:
        address = f"http://{MACHINE}:{server.port}"
        assert server.address == f"{address}/?token={server.token}"
        page.goto(f"{address}/page?token={server.token}&a=b")

        page.wait_for_url(f"{address}/page?a=b")
        wait_for_posted(page)
        page.goto(f"{address}/page")
        wait_for_posted(page)
        assert page.evaluate("document.cookie") == ""


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", MACHINE])
def test_a_link_on_a_page_of_another_site_opens_it_with_the_token(
    tmp_path: Path, page: Any, host: str
) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as server:
        address = f"http://{host}:{server.port}/page"
        html = f"<a href='{address}?token={server.token}&a=b'>of a terminal in a browser, or a chat</a>"
        with site(html) as port:
            page.goto(f"http://{EVIL}:{port}/")
            page.click("a")

            page.wait_for_url(f"{address}?a=b")
            wait_for_posted(page)


def test_a_page_whose_name_has_become_ours_sees_nothing(tmp_path: Path, page: Any) -> None:
    with served(tmp_path) as here, served(tmp_path, "--host", "0.0.0.0") as beyond:
        for server in (here, beyond):
            answer = page.goto(f"http://{EVIL}:{server.port}/page")

            assert answer.status == 403
            assert page.inner_text("body").startswith(f"there is no answer under the name {EVIL}")
    assert seen(here) == []


ATTACK = """<!doctype html><title></title><body><script>
const url = "URL"
const made = (tag, more) => new Promise(done => {
  const it = Object.assign(document.createElement(tag), more)
  it.onload = () => done("loaded")
  it.onerror = () => done("failed")
  document.body.append(it)
})
const fetched = (path, options) => fetch(url + path, {credentials: "include", ...options})
  .then(answer => answer.type == "opaque" ? "opaque" : answer.text(), () => "failed")
async function attack() {
  const found = {
    read: await fetched("/read"),
    read_opaque: await fetched("/read_opaque", {mode: "no-cors"}),
    post: await fetched("/post", {method: "POST", body: "x"}),
    post_opaque: await fetched("/post_opaque", {method: "POST", body: "x", mode: "no-cors"}),
    preflight: await fetched("/preflight", {method: "POST", headers: {"content-type": "application/json"}}),
    script: await made("script", {src: url + "/script"}),
    image: await made("img", {src: url + "/image"}),
    style: await made("link", {rel: "stylesheet", href: url + "/style"}),
  }
  await made("iframe", {src: url + "/frame"})
  const form = Object.assign(document.createElement("form"), {method: "post", action: url + "/form"})
  form.target = "f"
  document.body.append(form)
  await made("iframe", {name: "f", src: "about:blank"})
  form.submit()
  new WebSocket(url.replace("http", "ws") + "/socket")
  await new Promise(done => setTimeout(done, 500))
  document.title = JSON.stringify(found)
}
attack()
</script>"""


def attacked(page: Any, address: str, url: str) -> dict[str, str]:
    """What the page at `address` got of the server at `url`."""
    page.goto(address)
    return told(page)


def test_without_the_guard_that_tab_would_reach_all(tmp_path: Path, page: Any) -> None:
    """That the attack is one."""
    with served(tmp_path, "--unguarded") as server:
        url = f"http://127.0.0.1:{server.port}"
        with site(ATTACK.replace("URL", url)) as port:
            found = attacked(page, f"http://{EVIL}:{port}/", url)

        assert (found["read_opaque"], found["post_opaque"]) == ("opaque", "opaque")
        assert set(seen(server)) >= {
            *("GET /read", "GET /read_opaque", "POST /post", "POST /post_opaque", "OPTIONS /preflight"),
            *("GET /script", "GET /image", "GET /style", "GET /frame", "POST /form", "GET /socket"),
        }


@pytest.mark.parametrize("ours", ["127.0.0.1", "localhost"])
@pytest.mark.parametrize("theirs", [EVIL, "127.0.0.1", "localhost"])
def test_a_tab_of_another_site_reaches_nothing(tmp_path: Path, page: Any, ours: str, theirs: str) -> None:
    with served(tmp_path) as server:
        url = f"http://{ours}:{server.port}"
        with site(ATTACK.replace("URL", url)) as port:
            found = attacked(page, f"http://{theirs}:{port}/", url)

        assert not any("path" in answer or answer == "loaded" for answer in found.values()), found
        assert seen(server) == []
        assert ask(server).status == 200


def test_a_site_without_a_cookie_of_ours_reaches_nothing_under_the_machines_name(
    tmp_path: Path, page: Any
) -> None:
    with served(tmp_path, "--host", "0.0.0.0") as server:
        url = f"http://{MACHINE}:{server.port}"
        page.goto(f"{url}/page?token={server.token}")
        wait_for_posted(page)
        before = len(seen(server))
        with site(ATTACK.replace("URL", url)) as port:  # plain http: the browser says nothing of sites
            found = attacked(page, f"http://{EVIL}:{port}/", url)

        assert not any("path" in answer or answer == "loaded" for answer in found.values()), found
        assert seen(server)[before:] == []


def test_another_port_of_the_machine_reads_nothing_and_posts_nothing_with_the_cookie(
    tmp_path: Path, page: Any
) -> None:
    """It is the same site for cookies, and under a machine's name browsers do not say who asks."""
    with served(tmp_path, "--host", "0.0.0.0") as server:
        url = f"http://{MACHINE}:{server.port}"
        page.goto(f"{url}/page?token={server.token}")
        wait_for_posted(page)
        before = len(seen(server))
        with site(ATTACK.replace("URL", url)) as port:
            found = attacked(page, f"http://{MACHINE}:{port}/", url)

        assert not any("path" in answer or answer == "loaded" for answer in found.values()), found
        assert [line for line in seen(server)[before:] if not line.startswith("GET ")] == []
