"""The page while runs come, grow and end, and when they are hostile or broken."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
from browser import needs_chromium
from conftest import clean_environment
from pages import served, shown
from view_files import progress_text, write_run

from exptools import rundir
from exptools.rundir import State, Status

pytestmark = needs_chromium

PLOT = "document.querySelector('.js-plotly-plot')"

APP = """
import time, hydra
from exptools.logging import logger

@hydra.main(version_base=None, config_path=None, config_name="config")
def main(cfg):
    for step in range(400):
        logger.set_step(step)
        logger.log_scalar("loss", cfg.lr / (step + 1))
        print("step", step)
        time.sleep(0.05)
        if logger.should_stop:
            return

if __name__ == "__main__":
    from hydra.core.config_store import ConfigStore
    ConfigStore.instance().store("config", {"lr": 0.1, "defaults": ["exptools", "_self_"]})
    main()
"""


@pytest.mark.slow
def test_a_sweep_is_seen_while_it_runs(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(APP)
    sweep = tmp_path / "sweep"
    command = ["train.py", "-m", "lr=0.1,0.2", f"hydra.sweep.dir={sweep}"]
    process = subprocess.Popen(
        [sys.executable, *command], cwd=tmp_path, stdout=subprocess.DEVNULL, env=clean_environment()
    )
    try:
        _until(lambda: list(sweep.glob(f"*/{rundir.PROGRESS}")))
        with served(sweep) as url, shown(f"{url}?lines=runs") as page:
            page.until_cards("loss")
            page.until("() => /running/.test(document.querySelector('#states').textContent)")
            n = page.js(
                "Math.max(...document.querySelector('.js-plotly-plot')._fullData.map((t) => t.x.length))"
            )

            page.page.evaluate("window.scrollTo(0, 120)")
            scrolled = page.js("window.scrollY")
            page.js(f"Plotly.relayout({PLOT}, {{'xaxis.range[0]': 5, 'xaxis.range[1]': 15}})")
            page.until("() => new URLSearchParams(location.search).has('zoom')")
            page.page.click("#grid .ag-row[row-id='0'] .ag-selection-checkbox")
            page.until_query(runs=["0"])

            # New frames change what the note says, and nothing of what was chosen.
            before = page.js("document.querySelector('.note').textContent")
            page.until("(before) => document.querySelector('.note').textContent !== before", before)
            assert page.layout("loss")["x"]["range"] == pytest.approx([5, 15])
            assert page.query["runs"] == ["0"]
            assert page.js("window.scrollY") == scrolled
            assert n > 0

            # A new run appears by itself.
            late = write_run(sweep / "late", {"loss": [3.0, 2.0, 1.0]}, config={"lr": 0.3})
            page.until("() => document.querySelector('#grid .ag-row[row-id=\"late\"]')")
            shutil.rmtree(late)
            page.until("() => !document.querySelector('#grid .ag-row[row-id=\"late\"]')")
            process.terminate()
            process.wait(30)
            page.until("() => !/running/.test(document.querySelector('#states').textContent)")
    finally:
        process.kill()
        process.wait()


def _until(condition: object, seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)


def test_the_first_frames_of_a_run_make_its_cards(tmp_path: Path) -> None:
    run = tmp_path / "runs" / "0"
    write_run(run, config={"lr": 0.1}, state=None)
    rundir.write_status(run, Status(State.RUNNING, start=time.time(), heartbeat=time.time()))
    with served(tmp_path / "runs") as url, shown(url) as page:
        page.until(
            "() => /No run has logged a scalar yet/.test(document.querySelector('#cards').textContent)"
        )
        assert "No run has logged a scalar yet" in page.text("#tags-note")
        (run / rundir.PROGRESS).write_text(progress_text(["loss"], [(0, 1.0, [3.0]), (1, 2.0, [2.5])]))
        page.until_cards("loss")
        assert next(iter(page.curves("loss").values())) == [[0, 3.0], [1, 2.5]]
        with open(run / rundir.PROGRESS, "a") as file:
            file.write("2,3.0,2.25\n")
        page.until("() => /3 frames/.test(document.querySelector('.note').textContent)")


def test_hostile_names_are_text(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    evil = "<img src=x onerror=alert(1)>"
    script = "<script>alert(2)<|script>"
    config = {"<b>key</b>": evil, "{{7*7}}": "javascript:alert(3)"}
    tags = {evil: [1.0, 2.0], "'\"><svg onload=alert(4)>": [2.0, 3.0], "a&lt;b": [1.0, 1.0]}
    write_run(root / script, tags, config=config)
    other = write_run(
        root / "<i>0", tags, config={**config, "<b>key</b>": "b"}, state=State.FAILED, error=evil
    )
    (other / rundir.STDOUT).write_text(f"{evil}\x1b]0;title\x07 {script}\n")
    with served(root) as url, shown(url) as page:
        page.until(f"document.querySelectorAll('#cards .card').length === {len(tags)}")
        page.until_cards(*page.cards())
        assert set(page.cards()) == set(tags)
        assert evil in page.text("#grid")
        assert script in page.text("#grid")
        page.page.hover("#cards .card:nth-child(1) .nsewdrag", position={"x": 120, "y": 80}, force=True)
        for tab in ("bars", "scatter", "parallel", "compare", "log and error", "images", "histograms"):
            page.tab(tab)
            page.page.wait_for_timeout(700)
        page.tab("compare")
        page.until("() => document.querySelector('#other .compare')")
        assert evil in page.text("#other .compare")
        found = "document.querySelectorAll('img[src=\"x\"], svg[onload], b, #other i, #cards b').length"
        bold = page.js("[...document.querySelectorAll('b')].filter((one) => !one.closest('.readout')).length")
        assert bold == 0, found
        assert page.js("document.querySelectorAll('img[src=\"x\"], [onerror], [onload]').length") == 0


def test_a_broken_run_is_shown_as_broken_and_the_page_stays(tmp_path: Path) -> None:
    root = tmp_path / "runs"
    write_run(root / "0", {"loss": [1.0, 2.0]})
    broken = write_run(root / "1", {"loss": [1.0, 2.0]})
    (broken / rundir.PROGRESS).write_text("step,wall_time,loss\n0,1.0,1.0\n1,nonsense,\x00\n2,3.0,2.0\n")
    (broken / rundir.STATUS).write_text("{")
    with served(root) as url, shown(url) as page:
        page.until_cards("loss")
        page.until("() => /problem/.test(document.querySelector('#states').textContent)")
        assert rundir.STATUS in page.js("document.querySelector('.problems').textContent")
        assert rundir.PROGRESS in page.js("document.querySelector('.problems').textContent")
        shutil.move(root, tmp_path / "elsewhere")
        page.until("() => /cannot look again/.test(document.querySelector('#states').textContent)")
        assert page.cards() == ["loss"]
        shutil.move(tmp_path / "elsewhere", root)
        page.until("() => !/cannot look again/.test(document.querySelector('#states').textContent)")


def test_the_page_says_when_the_server_has_ended(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "0", {"loss": [1.0, 2.0]})
    # The browser complains of the server that is gone, and that is all it may complain of.
    with pytest.raises(AssertionError, match=r"ERR_CONNECTION_REFUSED|Failed to fetch|ERR_EMPTY_RESPONSE"):
        with served(tmp_path / "runs") as url:
            page = shown(url)
            found = page.__enter__()
            found.until_cards("loss")
        found.until("() => document.body.classList.contains('alone')")
        page.__exit__(None, None, None)


def test_an_address_with_a_token_for_other_machines(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "0", {"loss": [1.0, 2.0]})
    with served(tmp_path / "runs", "--host", "127.0.0.1") as url:
        assert "?token=" in url
        with shown(url) as page:
            page.until_cards("loss")
            assert "token" not in page.page.url


@pytest.mark.skipif(os.name != "posix", reason="symbolic links")
def test_no_link_leads_out_of_the_tree(tmp_path: Path) -> None:
    secret = tmp_path / "secret.txt"
    secret.write_text("the secret")
    run = write_run(tmp_path / "runs" / "0", {"loss": [1.0, 2.0]})
    (run / rundir.STDOUT).symlink_to(secret)
    with served(tmp_path / "runs") as url, shown(f"{url}?tab=log") as page:
        page.until("() => /There is no log/.test(document.querySelector('#other').textContent)")
        assert "the secret" not in page.page.content()
