"""The page of --web in a browser: how soon it stands, what it shows, what it costs; beside TensorBoard's.

    python benchmarks/web.py [RUNS]

- 20 runs x 5 tags x 10,000 steps, as progress.csv and as event files: from the request for the page until the
  first curve is there, and how many points and frames a curve has; exptools and TensorBoard on the same tree,
  each started anew and given ten seconds to read;
- RUNS (default 100) runs x 50 tags x 10,000 steps and half as many, from the cache: until the page can be
  used (its table and its scalars are there), until plotly is loaded too, until a card with all of their
  single runs stands, what a zoom takes until the server answers, and its memory.

1,000 runs need 4 GB for their cache. Needs chromium. Only ratios mean something on a shared machine.
"""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
from view import VIEW, cost, event_tree, tree

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from browser import CHROMIUM  # of the tests

CARD = (
    "[...document.querySelectorAll('#cards .card')].some((card) => "
    "/frame/.test(card.querySelector('.note').textContent) && card.querySelector('.scatterlayer path'))"
)
USABLE = (
    "document.querySelectorAll('#grid .ag-row').length && document.querySelectorAll('#tags label').length"
)


class Server(NamedTuple):
    """A page, and the process that serves it."""

    url: str
    process: psutil.Process


@contextmanager
def serving(command: list[str], pattern: str) -> Iterator[Server]:
    """What `command` serves at the address that it prints."""
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        url = next(match[1] for line in process.stdout if (match := re.search(pattern, line)))
        try:
            yield Server(url, psutil.Process(process.pid))
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


@contextmanager
def browser() -> Iterator[Any]:
    """A page in chromium."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield started.new_page(viewport={"width": 1440, "height": 1000})
        started.close()


def until(page: Any, condition: str, seconds: float = 120) -> None:
    """Wait for what is true on the page, asked from outside."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        if time.monotonic() > end:
            sys.exit(f"not within {seconds} s: {condition}")
        page.wait_for_timeout(20)


def ours(root: Path) -> tuple[float, int]:
    """Seconds until the first curve, and the points of it."""
    with serving([*VIEW, str(root), "--web", "--port", "0"], r"(http://\S+)") as server, browser() as page:
        time.sleep(10)
        begun = time.perf_counter()
        page.goto(f"{server.url}?lines=runs")
        until(page, CARD)
        taken = time.perf_counter() - begun
        plot = "document.querySelector('#cards .js-plotly-plot')._fullData.find((one) => one.meta)"
        starts = page.evaluate(f"{plot}.meta.starts")
        return taken, starts[1] - starts[0] - 1


def tensorboard(root: Path) -> tuple[float, int]:
    """The same of TensorBoard."""
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(root), "--port", "0"]
    with serving(command, r"at (http://\S+)") as server, browser() as page:
        time.sleep(10)
        answers: list[Any] = []
        page.on("requestfinished", lambda request: "timeSeries" in request.url and answers.append(request))
        begun = time.perf_counter()
        page.goto(server.url)
        while not (points := _points(answers)):
            page.wait_for_timeout(20)
            if time.perf_counter() - begun > 120:
                sys.exit("TensorBoard shows no curve within 120 s")
        return time.perf_counter() - begun, points


def _points(requests: Sequence[Any]) -> int:
    """Of the first curves that were answered; 0 if none were yet."""
    for request in requests:
        for of_tag in request.response().json():
            if of_tag.get("runToSeries"):
                return max(map(len, of_tag["runToSeries"].values()))
    return 0


def large(root: Path) -> dict[str, float]:
    """Seconds of the page of many long runs, and the server's memory in MB."""
    cost(*VIEW, root, rounds=1)  # the cache
    with serving([*VIEW, str(root), "--web", "--port", "0"], r"(http://\S+)") as server, browser() as page:
        took: dict[str, float] = {}
        zooms: list[float] = []

        def finished(request: Any) -> None:
            if "_dash-update" in request.url and '"card"' in (request.post_data or ""):
                zooms.append(request.timing["responseStart"] / 1000)

        page.on("requestfinished", finished)
        begun = time.perf_counter()
        page.goto(f"{server.url}?tags=&lines=runs")
        until(page, USABLE)
        took["page"] = time.perf_counter() - begun
        until(page, "window.Plotly")  # which is loaded then: half a second in which nothing else is done
        took["plotly"] = time.perf_counter() - begun
        page.wait_for_timeout(2000)
        begun = time.perf_counter()
        page.click("#tags label:has-text('train/tag7')")
        until(page, CARD)
        took["card"] = time.perf_counter() - begun
        page.wait_for_timeout(3000)
        zooms.clear()
        for low in (2000, 4000, 6000):
            ends = json.dumps({"xaxis.range[0]": low, "xaxis.range[1]": low + 1000})
            page.evaluate(f"Plotly.relayout(document.querySelector('#cards .js-plotly-plot'), {ends})")
            page.wait_for_timeout(3000)
        took["zoom"] = sorted(zooms)[len(zooms) // 2]
        took["memory"] = server.process.memory_info().rss / 2**20
        return took


def main() -> None:
    """Measure all, print a line each."""
    runs = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    with tempfile.TemporaryDirectory() as scratch:
        source = tree(Path(scratch, "few"), 20, 5, 10_000)
        events = event_tree(Path(scratch, "events"), source)
        print("20 runs x 5 tags x 10,000 steps, until the first curve")
        our_seconds, our_points = ours(source)
        print(
            f"  exptools      {our_seconds:6.2f} s, {our_points:,} points a curve, 10,000 frames by zooming"
        )
        seconds, points = tensorboard(events)
        ratio = seconds / our_seconds
        print(f"  TensorBoard   {seconds:6.2f} s, {points:,} points a curve: {ratio:.2f} x exptools")
        print("50 tags x 10,000 steps, from the cache")
        for n in (max(1, runs // 2), runs):
            took = large(tree(Path(scratch, str(n)), n, 50, 10_000))
            print(
                f"  {n:5} runs: page {took['page']:.2f} s (plotly loaded {took['plotly']:.2f} s), "
                f"card of all runs {took['card']:.2f} s, "
                f"zoom {1000 * took['zoom']:.0f} ms, server {took['memory']:.0f} MB"
            )


if __name__ == "__main__":
    main()
