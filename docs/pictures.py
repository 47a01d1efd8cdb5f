"""Make the pictures of the docs from a real `make demo`, in docs/img/; those of pages need chromium."""

from __future__ import annotations

import io
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from rich.console import Console
from rich.style import Style
from rich.text import Text

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent / "tests"))

from browser import opened, visited  # noqa: E402 - of the tests
from terminal import Terminal  # noqa: E402

WIDTH = 104


def shown(terminal: Terminal) -> list[Text]:
    """What stands on the screen, with its colours, without this machine's paths."""
    lines = [Text().join(map(cell, line)) for line in terminal.cells()]
    return [without_paths(line) for line in lines]


def cell(char: object) -> Text:
    """A character of the screen."""
    colour = getattr(char, "fg", "default")
    known = colour.replace("brown", "yellow").replace("bright", "bright_")
    known = f"#{known}" if re.fullmatch("[0-9a-f]{6}", known) else known
    style = Style(color=known, bold=getattr(char, "bold", False), italic=getattr(char, "italics", False))
    return Text(getattr(char, "data", " "), style=style)


def without_paths(line: Text) -> Text:
    """The line with paths below here, and times without dates."""
    line.rstrip()
    for pattern, keep in (
        (rf"{re.escape(str(HERE.parent))}{os.sep}|\.venv/bin/", ""),
        (r"^\[[-0-9]+ ([0-9:]+),\d+\]", r"[\1]"),
    ):
        while (found := re.search(pattern, line.plain)) is not None:
            line = line[: found.start()] + Text(found.expand(keep)) + line[found.end() :]
    return line


def is_bar(line: Text) -> bool:
    """Whether it is the live view's."""
    return re.match(r"\d+/12 ", line.plain) is not None


def tensorboard(logdir: str, pictures: dict[str, Path]) -> None:
    """Start a TensorBoard on `logdir` and let a browser draw its pages, each by its name in the address."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        raise SystemExit("the picture of TensorBoard needs chromium (apt-get install chromium)")
    command = [".venv/bin/tensorboard", "--logdir", logdir, "--port", "0"]
    with (
        subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as server,
        tempfile.TemporaryDirectory() as profile,
    ):
        assert server.stderr is not None
        found = (re.search(r"at (http://\S+)", line) for line in server.stderr)
        address = next(match[1] for match in found if match)
        time.sleep(5)  # it reads the runs
        browser = [chromium, "--headless", "--no-sandbox", "--no-first-run", f"--user-data-dir={profile}"]
        quiet = ["--disable-background-networking", "--disable-component-update", "--disable-sync"]
        for page, picture in pictures.items():
            drawn = ["--window-size=1400,940", "--virtual-time-budget=30000", f"--screenshot={picture}"]
            subprocess.run([*browser, *quiet, *drawn, f"{address}#{page}"], check=True, capture_output=True)
        server.terminate()


def report(logdir: str, picture: Path) -> None:
    """Let a browser draw the page that exptools-view makes."""
    subprocess.run([".venv/bin/exptools-view", logdir, "--html", "multirun/report.html"], check=True)
    with opened(Path("multirun/report.html").resolve(), viewport={"width": 1400, "height": 900}) as page:
        page.uncheck("#tags label:has-text('test/epoch') input")
        page.wait_for_timeout(1000)
        page.screenshot(path=picture, full_page=False)


def web(logdir: str, pictures: dict[Path, tuple[str, dict[str, object]]]) -> None:
    """Let a browser draw pages of --web: of each the query of its address, and options of the browser."""
    command = [".venv/bin/exptools-view", logdir, "--web", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdout is not None
        address = server.stdout.readline().split()[0]
        for picture, (query, options) in pictures.items():
            with visited(
                f"{address}{query}", **{"viewport": {"width": 1440, "height": 900}, **options}
            ) as page:
                page.wait_for_selector("#cards .js-plotly-plot, #other > *", state="attached")
                page.wait_for_timeout(4000)
                if not query.startswith("?tab"):
                    page.hover("#cards .nsewdrag >> nth=0", position={"x": 150, "y": 90}, force=True)
                    page.wait_for_timeout(500)
                page.screenshot(path=picture)
        server.send_signal(signal.SIGINT)


def main() -> None:
    """Run the demo and keep its pictures."""
    os.chdir(HERE.parent)
    subprocess.run(["make", ".venv/.installed"], check=True)  # what pip says is no part of the picture
    shutil.rmtree("multirun/demo", ignore_errors=True)
    terminal = Terminal(["make", "--no-print-directory", "demo"], HERE.parent, lines=60, columns=200)
    terminal.wait_until(lambda lines: any(re.match(r"[5-8]/12 .* 2 running", line) for line in lines))
    running = shown(terminal)
    if terminal.wait(timeout_s=120):
        raise SystemExit("make demo failed")
    end = shown(terminal)
    last_bar = next(i for i, line in enumerate(end) if is_bar(line))
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    for line in [Text("$ make demo"), *running, Text("..."), *end[last_bar:]]:
        console.print(line, soft_wrap=False, no_wrap=True, crop=False, overflow="ignore")
    console.save_svg(str(HERE / "img" / "demo.svg"), title="exptools")
    shutil.copy("multirun/demo/train_loss.png", HERE / "img" / "train_loss.png")
    pages = {"scalars": HERE / "img" / "tensorboard.png", "hparams": HERE / "img" / "hparams.png"}
    tensorboard("multirun/demo", pages)
    report("multirun/demo", HERE / "img" / "report.png")
    curves = "?tags=train%2Floss&tags=test%2Faccuracy&spark=train%2Floss"
    web(
        "multirun/demo",
        {
            HERE / "img" / "web.png": (curves, {}),
            HERE / "img" / "web_dark.png": (
                f"{curves}&lines=runs&smooth=0.8&split=model.name",
                {"color_scheme": "dark"},
            ),
            HERE / "img" / "web_parallel.png": ("?tab=parallel&tags=test%2Faccuracy&tags=train%2Floss", {}),
            HERE / "img" / "web_compare.png": ("?tab=compare&runs=0&runs=3&runs=6", {}),
        },
    )


if __name__ == "__main__":
    main()
