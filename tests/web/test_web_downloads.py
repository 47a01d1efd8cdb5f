"""What is shown, as files; and the command that makes the same, run as a process."""

from __future__ import annotations

import csv
import io
import json
import os
import shlex
import subprocess
import sys
import threading
import time
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import clean_environment
from decoded import fronts, pieces
from view_files import sweep, write_events, write_run

from exptools import rundir
from exptools.rundir import State, Status
from exptools.viewing import cli, options
from exptools.viewing.api import load
from exptools.viewing.web import app, downloads, figure
from exptools.viewing.web.board import Board
from exptools.viewing.web.view import View, Zoom, to_query

GENERATOR = np.random.default_rng(5)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """Two models, two values of lr, two seeds; relative times and steps differ."""
    root = tmp_path / "sweep"
    for i in range(8):
        config = {"model": {"name": "ab"[i // 4]}, "lr": [0.1, 0.01][i // 2 % 2], "seed": i % 2}
        y = (5 + GENERATOR.standard_normal(20 + i).cumsum()).tolist()
        write_run(root / str(i), {"loss": y, "samples": [32.0 * k for k in range(20 + i)]}, config=config)
    return root


class Page:
    """The server of a page, without a socket."""

    def __init__(self, *paths: Path | str, title: str = "sweep") -> None:
        self.given = [str(path) for path in paths]
        self.board = Board(lambda: load(*paths))
        self.client = app.make(self.board, title, self.given).server.test_client()

    def get(self, name: str, view: View | None = None) -> Any:
        return self.client.get(f"/download/{name}?{to_query(view or View())}")

    def command(self, view: View, *more: str) -> str:
        return downloads.command(self.board, view, [*self.given, *more])

    def figure(self, view: View, tag: str = "loss") -> dict[str, Any]:
        labels = list(self.board.labels(view))
        return figure.figure(self.board.card(view, tag), view, labels, dark=False).figure


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text)))


# --- files -------------------------------------------------------------------------------------------------


def test_the_csv_has_every_frame_of_what_is_shown(tree: Path) -> None:
    page = Page(tree)

    answer = page.get("csv", View(tags=("loss",), where=("lr=0.1",), runs=("0", "1", "2"), smooth=0.9))

    assert (answer.status_code, answer.mimetype) == (200, "text/csv")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="sweep.csv"'
    rows = table(answer.text)
    runs = load(tree).only(["0", "1"])
    expected = [
        (run.name, "loss", step, value)
        for run, reading in runs.readings(["loss"]) for step, _, value in reading.curves["loss"].rows()
    ]  # fmt: skip
    assert [(r["run"], r["tag"], int(r["step"]), float(r["value"])) for r in rows] == expected
    assert len(expected) == 41


def test_hidden_series_are_in_no_file_of_the_curves(tree: Path) -> None:
    page = Page(tree)
    labels = page.board.labels(View())
    hidden = View(tags=("loss",), hidden=("a, 0.1", "gone"))

    rows = table(page.get("csv", hidden).text)

    assert {row["run"] for row in rows} == {str(i) for i in range(8)} - set(labels["a, 0.1"])
    # bars are of all series, so they are in the files of bars
    bars = View(tab="bars", tags=("loss",), hidden=("a, 0.1",))
    assert {row["run"] for row in table(page.get("csv", bars).text)} == {str(i) for i in range(8)}


def test_the_csv_is_that_of_the_command_line(tree: Path) -> None:
    answer = Page(tree).get("csv")

    ran = exptools_view(f"exptools-view {shlex.quote(str(tree))} --csv", tree.parent)

    assert answer.text == ran.stdout and answer.text.count("\n") > 300


@pytest.mark.parametrize(("name", "begins"), [("pdf", b"%PDF-"), ("svg", b"<?xml"), ("png", b"\x89PNG\r\n")])
def test_figures_are_files_of_their_kind(tree: Path, name: str, begins: bytes) -> None:
    page = Page(tree)

    for view in (View(tags=("loss",)), View(tab="bars", tags=("loss",)), View(lines="runs", tags=("loss",))):
        answer = page.get(name, view)
        assert answer.status_code == 200, answer.text
        assert answer.data.startswith(begins) and answer.mimetype == downloads.FIGURES[name]
        assert answer.headers["Content-Disposition"] == f'attachment; filename="sweep.{name}"'


def test_the_html_is_one_file_of_what_is_shown(tree: Path) -> None:
    answer = Page(tree, title="<b>sweep").get("html", View(tags=("loss",), runs=("0", "3")))

    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    assert answer.headers["Content-Disposition"] == 'attachment; filename="b-sweep.html"'
    assert "<b>sweep" not in answer.text and 'src="http' not in answer.text
    assert "samples" not in answer.text.split("<script", 1)[0]


def test_the_html_begins_as_the_page_is(tree: Path) -> None:
    view = View(tags=("loss",), lines="runs", x="relative", smooth=0.25, yscale="log")
    text = Page(tree).get("html", view).text

    wanted = {"lines": "runs", "x": "hours", "smoothing": 0.25, "log": True, "tags": ["loss"]}
    assert f'"begins_as": {json.dumps(wanted)}' in text


TITLES = ["a\r\nSet-Cookie: x=1", 'x"; y', "größe/ä🎲", "../../etc", ".", "", "x" * 5000]


@pytest.mark.parametrize("title", TITLES)
def test_no_title_gets_out_of_the_name_of_a_file(tree: Path, title: str) -> None:
    answer = Page(tree, title=title).get("csv", View(tags=("loss",)))

    said = answer.headers["Content-Disposition"]
    assert said.startswith('attachment; filename="') and said.endswith('.csv"')
    name = said[22:-1]
    assert (
        name.isascii() and 5 <= len(name) <= 104 and not set(name) & set('/\\"; \r\n') and name[0] not in ".-"
    )
    assert "Set-Cookie" not in answer.headers


REFUSED = {
    "csv?tags=": "no scalar is shown; choose at least one on the page",
    "pdf?tags=gone": "no scalar is shown; choose at least one on the page",
    "csv?where=lr%3D7": "no run is shown; change the conditions, the selection or what is hidden on the page",
    "html?runs=gone": "no run is shown; change the conditions, the selection or what is hidden on the page",
    "exe?": "there is no download 'exe'; there are csv, html, pdf, svg, png",
    "csv?nothing=1": "the address asks for 'nothing'; it may ask for tab, tags, pins, lines, band, by, "
    "split, x, smooth, xscale, yscale, outliers, stat, over, hidden, runs, where, spark, zoom, run, step, "
    "sort, filter",
}  # fmt: skip


@pytest.mark.parametrize("asked", REFUSED)
def test_what_cannot_be_made_is_said_as_text(tree: Path, asked: str) -> None:
    answer = Page(tree).client.get(f"/download/{asked}")

    assert (answer.status_code, answer.mimetype, answer.text) == (400, "text/plain", REFUSED[asked] + "\n")
    assert "Content-Disposition" not in answer.headers


def test_single_runs_whose_configs_are_alike_are_in_no_figure(tmp_path: Path) -> None:
    for i in range(3):
        write_run(tmp_path / "sweep" / str(i), {"loss": [1.0, float(i)]}, config={"lr": [1, 1, 2][i]})
    page = Page(tmp_path / "sweep")

    answer = page.get("svg", View(lines="runs"))

    assert (answer.status_code, answer.text) == (
        400,
        "no figure shows runs one by one whose configs are alike, as those of 0, 1 are; choose the mean or "
        "median, or select other runs\n",
    )
    assert page.get("svg", View(lines="runs", runs=("1", "2"))).status_code == 200
    assert page.get("csv", View(lines="runs")).status_code == 200


def open_files() -> int:
    return len(os.listdir("/proc/self/fd"))


def test_who_asks_for_the_head_alone_leaves_nothing_open(tree: Path) -> None:
    page = Page(tree)
    page.client.head("/download/csv?tags=loss")
    before = open_files()

    for _ in range(20):
        assert page.client.head("/download/csv?tags=loss").status_code == 200

    assert open_files() == before


def test_who_goes_away_in_the_midst_of_a_file_leaves_nothing_open(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "0", {"loss": np.arange(200_000.0).tolist()})
    page = Page(tmp_path / "sweep")
    before = open_files()

    answer = page.client.get("/download/csv?tags=loss", buffered=False)
    parts = answer.iter_encoded()
    assert next(parts).startswith(b"run,tag,step")
    answer.close()
    for _ in range(1000):
        if not [t for t in threading.enumerate() if t.name == "exptools-download"]:
            break
        time.sleep(0.01)

    assert not [t for t in threading.enumerate() if t.name == "exptools-download"]
    assert open_files() == before


def test_a_long_file_comes_in_parts(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "0", {"loss": np.arange(200_000.0).tolist()})

    answer = Page(tmp_path / "sweep").client.get("/download/csv?tags=loss", buffered=False)
    parts = list(answer.iter_encoded())

    assert len(parts) > 10 and max(map(len, parts)) <= 2**16
    assert b"".join(parts).count(b"\n") == 200_001


def test_several_figures_at_once_are_each_what_they_would_be_alone(tree: Path) -> None:
    page = Page(tree)
    views = [
        View(tags=("loss",), smooth=weight, lines=lines)
        for weight in (0, 0.5)
        for lines in ("mean", "median")
    ]
    alone = [page.get("png", view).data for view in views]
    found: dict[int, bytes] = {}

    def ask(i: int) -> None:
        client = app.make(page.board, "sweep").server.test_client()
        found[i] = client.get(f"/download/png?{to_query(views[i % 4])}").data

    asking = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()

    assert [found[i] == alone[i % 4] for i in range(8)] == [True] * 8
    assert len(set(alone)) == 4


# --- the command -------------------------------------------------------------------------------------------


def exptools_view(command: str, cwd: Path, *more: str) -> subprocess.CompletedProcess[str]:
    """A command as it is pasted into a shell, and words behind it."""
    script = cwd / "exptools-view"
    script.write_text(f'#!/bin/sh\nexec {shlex.quote(sys.executable)} -m exptools.viewing.cli "$@"\n')
    script.chmod(0o755)
    environment = clean_environment(PATH=f"{cwd}:{os.environ['PATH']}")
    return subprocess.run(
        ["bash", "-c", f"{command} {shlex.join(more)}"],
        cwd=cwd, env=environment, capture_output=True, text=True, check=False,
    )  # fmt: skip


def drawn_by(command: str, cwd: Path) -> list[dict[str, str]]:
    """The rows of the CSV beside the figure that the command draws."""
    ran = exptools_view(command, cwd, "-o", "figure.svg")
    assert ran.returncode == 0, ran.stderr
    return table((cwd / "figure.csv").read_text())


STATISTICS = ("x", "center", "low", "high", "n", "n_nan", "raw")


def assert_same_lines(page: Page, view: View, rows: list[dict[str, str]]) -> None:
    """What the browser decodes is what the process drew: every line, x and centre, bit by bit."""
    made = page.figure(view)
    unit = made["layout"]["meta"]["unit"]
    shown = [(x * unit, y) for trace in fronts(made) for x, y in pieces(trace)]
    by_line: dict[tuple[str, ...], list[tuple[float, float]]] = {}
    for row in rows:
        line = tuple(text for key, text in row.items() if key not in STATISTICS)
        by_line.setdefault(line, []).append((float(row["x"]), float(row["center"])))
    drawn = [np.array(points).T for points in by_line.values()]

    def is_same(one: Any, other: Any) -> bool:
        whole = np.isfinite(one[1])  # where fewer runs count another trace is dotted
        is_same_x = len(one[0]) == len(other[0]) and np.allclose(one[0], other[0], rtol=1e-12)
        return bool(whole.any() and is_same_x and np.array_equal(one[1][whole], other[1][whole]))

    assert len(shown) == len(drawn)
    assert all(sum(is_same(one, other) for other in drawn) == 1 for one in shown)


COMMANDS: dict[str, View] = {
    "as it begins": View(tags=("loss",)),
    "median and quartiles": View(tags=("loss",), lines="median", band="p25-75"),
    "iqm, smoothed": View(tags=("loss",), lines="iqm", band="ci95", smooth=0.6),
    "by a key, log axes": View(tags=("loss",), by=("lr",), xscale="log", yscale="log"),
    "all together": View(tags=("loss",), by=(), band="minmax"),
    "in panels": View(tags=("loss",), split=("model.name", "lr"), by=("seed",)),
    "time": View(tags=("loss",), x="relative"),
    "over a scalar": View(tags=("loss",), x="samples"),
    "single runs": View(tags=("loss",), lines="runs", band="sd"),
    "single runs in panels, smoothed": View(tags=("loss",), lines="runs", split=("lr",), smooth=0.3),
    "selected": View(tags=("loss",), runs=("0", "5", "7")),
    "selected, one by one": View(tags=("loss",), runs=("0", "5", "7"), lines="runs"),
    "by conditions": View(tags=("loss",), where=("lr=0.1", "model=a")),
    "by conditions, selected": View(tags=("loss",), where=("lr=0.1",), runs=("0", "1", "2")),
    "hidden": View(tags=("loss",), hidden=("a, 0.1", "b, 0.01")),
    "hidden, by a key": View(tags=("loss",), by=("lr",), hidden=("0.1",), lines="median"),
}


@pytest.mark.parametrize("name", COMMANDS)
def test_the_command_draws_what_the_page_shows(
    tree: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    page, view = Page("sweep"), COMMANDS[name]

    rows = drawn_by(page.command(view), tree.parent)

    assert_same_lines(page, view, rows)


def in_process(command: str, directory: Path, capsys: pytest.CaptureFixture[str]) -> list[dict[str, str]]:
    """As drawn_by, without a process."""
    words = shlex.split(command)
    assert words[0] == "exptools-view"
    code = cli.main([*words[1:], "-o", str(directory / "figure.svg")])
    assert code == 0, capsys.readouterr().err
    return table((directory / "figure.csv").read_text())


HOSTILE = ["<script>alert(1)</script>", "&amp;", "it's \"x\" $HOME `id`", "*[?", "a*", "-o", "--csv", "=1",
           "two\nlines", "a,b",
           "x" * 60, "größe ä🎲", "a\\b", "{}", "run", "#"]  # fmt: skip


@pytest.mark.parametrize("tag", HOSTILE, ids=range(len(HOSTILE)))
def test_the_command_names_a_scalar_whatever_it_is_called(tmp_path: Path, tag: str) -> None:
    write_run(tmp_path / "sweep" / "0", {tag: [1.0, 2.0], "other": [3.0, 4.0], "ab": [5.0, 6.0]})
    page, view = Page(tmp_path / "sweep"), View(tags=(tag,))

    rows = drawn_by(page.command(view), tmp_path)

    assert {row["tag"] for row in rows} == {tag} and [float(row["center"]) for row in rows] == [1.0, 2.0]


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_the_command_names_selected_runs_whatever_they_are_called(
    tmp_path: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    for i, each in enumerate(HOSTILE):
        directory = each.replace("/", "_")
        write_run(tmp_path / "sweep" / directory, {"loss": [0.0, float(i)]}, config={"i": i})
    page = Page(tmp_path / "sweep")
    run = name.replace("/", "_")
    other = HOSTILE[HOSTILE.index(name) - 1].replace("/", "_")

    rows = in_process(page.command(View(tags=("loss",), runs=(run, other))), tmp_path, capsys)

    assert {float(row["center"]) for row in rows if row["x"] == "1.0"} == {
        float(HOSTILE.index(name)), float((HOSTILE.index(name) - 1) % len(HOSTILE)),
    }  # fmt: skip


def test_the_command_has_bytes_that_are_not_utf8(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    directory = os.fsdecode(b"sw\xffeep's")
    sweep(Path(directory))
    page, view = Page(directory), View(tags=("loss",), runs=("0", "1"))

    command = page.command(view)

    assert command.isascii() and command.startswith("exptools-view $'\\x73\\x77\\xff")
    assert_same_lines(page, view, drawn_by(command, tmp_path))


def test_the_command_tells_parts_of_a_run_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = sweep(tmp_path / "sweep")
    for i, part in enumerate(("train", "eval")):
        write_events(root / "0" / part, {"loss": [0.0, 10.0 + i]})
    page = Page(root)
    assert {"0/train", "0/eval"} < {run.name for run in page.board.look().runs}

    rows = in_process(page.command(View(tags=("loss",), runs=("0/train", "1"))), tmp_path, capsys)

    assert {float(row["center"]) for row in rows if row["x"] == "1.0"} == {0.5, 10.0}


def test_runs_without_a_config_are_drawn_one_by_one(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for i in range(3):
        write_events(tmp_path / "runs" / str(i), {"loss": [0.0, float(i)]})
    page, view = Page(tmp_path / "runs"), View(tags=("loss",), lines="runs")

    rows = in_process(page.command(view), tmp_path, capsys)

    assert_same_lines(page, view, rows)


def test_conditions_on_the_best_are_on_those_that_are_the_best(
    tree: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """--best 3 of all runs, of them those that meet the condition: not the best three that meet it."""
    page = Page(tree)
    page.board = Board(lambda: load(tree).select(best=3, max="samples"))
    view = View(tags=("loss",), where=("model=b", "lr=0.01"), lines="runs")
    assert [run.name for run in page.board.runs(view)] == ["7", "6"]

    rows = in_process(page.command(view, "--best=3", "--max=samples"), tree.parent, capsys)

    assert_same_lines(page, view, rows)


def test_the_command_shows_the_part_that_is_zoomed_to(tree: Path) -> None:
    page = Page(tree)

    def asked(**fields: Any) -> dict[str, Any]:
        words = shlex.split(page.command(View(**fields)))[1:]
        parsed = options.parse(words)
        return {name: getattr(parsed, f"figure_{name}") for name in ("xlim", "ylim")}

    zoom = {"loss": Zoom((-1.5, 1e-7), (0.1, 3.0)), "samples": Zoom(None, (1.0, 2.0))}
    assert asked(tags=("loss",), zoom=zoom) == {"xlim": "-1.5:1e-07", "ylim": "0.1:3.0"}
    assert asked(tags=("samples",), zoom=zoom) == {"xlim": None, "ylim": "1.0:2.0"}
    assert asked(tags=("loss", "samples"), zoom=zoom) == {"xlim": None, "ylim": None}
    assert asked(tab="bars", tags=("loss",), zoom=zoom) == {"xlim": None, "ylim": None}


@pytest.mark.parametrize("kind", ["bars", "scatter", "parallel"])
def test_the_command_of_the_other_plots_draws_their_values(
    tree: Path, kind: str, capsys: pytest.CaptureFixture[str]
) -> None:
    page = Page(tree)
    over = ("lr",) if kind == "scatter" else ("lr", "model.name") if kind == "parallel" else ()
    view = View(tab=kind, tags=("loss",), stat="max", over=over, hidden=("a, 0.1",), smooth=0.4)

    rows = in_process(page.command(view), tree.parent, capsys)

    shown = page.board.runs(view).panels(spec=view.spec(("loss",), kind))
    if kind == "bars":
        found = {mark.found.aggregate.center[0] for panel in shown.panels for mark in panel.marks}
        assert {float(row["center"]) for row in rows} >= found and len(found) == 4
    else:
        values = {float(row["value"]) for row in rows if row.get("value")}
        assert len(values) == 8


def test_the_command_is_short_where_all_is_as_usual(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    page = Page("sweep")

    assert page.command(View(tags=("loss",))) == "exptools-view sweep --plot=loss"
    assert page.command(View(tags=("loss",), runs=("0", "1"), smooth=0.5)) == (
        "exptools-view sweep --where=run=0,1 --plot=loss --smooth=0.5"
    )
    assert page.command(View(tags=("loss",), by=(), lines="runs", where=("lr>0.05",)), "--latest") == (
        "exptools-view sweep --latest '--where=lr>0.05' --plot=loss --by=model.name,seed --band=none"
    )


def test_the_page_says_why_there_is_no_command(tree: Path) -> None:
    page = Page(tree)
    body = {
        "output": "command.children",
        "outputs": {"id": "command", "property": "children"},
        "inputs": [{"id": "view", "property": "data", "value": {"tags": [""]}}],
        "changedPropIds": ["view.data"],
        "parsedChangedPropsIds": ["view.data"],
    }

    answer = page.client.post("/_dash-update-component", json=body)

    assert answer.status_code == 200, answer.text
    assert (
        answer.get_json()["response"]["command"]["children"]
        == "no scalar is shown; choose at least one on the page"
    )


@pytest.fixture
def words(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """What --web would serve."""
    from exptools.viewing.web import start

    said: dict[str, Any] = {}
    monkeypatch.setattr(start, "start", lambda load, **more: said.update(more, load=load) or 0)
    yield said


def test_what_was_given_on_the_command_line_is_given_again(
    tmp_path: Path, words: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    sweep(tmp_path / "-o")

    assert (
        cli.main(["--web", "--latest", "--where", "seed=0", "--keep-superseded", "--state=completed", "./-o"])
        == 0
    )

    assert words["given"] == ["./-o", "--where=seed=0", "--state=completed", "--latest", "--keep-superseded"]
    rundir.write_status(tmp_path / "-o" / "0", Status(State.FAILED))
    from exptools.viewing.held import Held

    assert [run.name for run in words["load"](Held(0))] == ["2"]


def test_names_in_addresses_of_downloads_are_what_they_say(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "0", {tag: [1.0] for tag in HOSTILE})
    page = Page(tmp_path / "sweep")

    for tag in HOSTILE:
        answer = page.client.get(f"/download/csv?{urllib.parse.urlencode({'tags': tag})}")
        assert {row["tag"] for row in table(answer.text)} == {tag}
