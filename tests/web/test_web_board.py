"""What the server knows: the runs as they are now, the lines of cards, how far the sweep is."""

from __future__ import annotations

import shutil
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from view_files import progress_text, sweep, write_events, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.rundir import State, Status
from exptools.viewing.api import Runs, Settings, load, loaded
from exptools.viewing.held import Held
from exptools.viewing.web import board as boards
from exptools.viewing.web import lines, live
from exptools.viewing.web.board import Board
from exptools.viewing.web.live import Live, Look
from exptools.viewing.web.progress import progress
from exptools.viewing.web.view import View


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sweep(tmp_path / "sweep")


@pytest.fixture(autouse=True)
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Looks follow each other at once."""
    monkeypatch.setattr(live, "EVERY_S", 0.0)
    monkeypatch.setattr(live, "_SHARE", 1e9)


def looking(root: Path) -> Callable[[], Runs]:
    """As exptools-view looks: what it read stays in memory."""
    held, memo = Held(2**20), {}  # type: ignore[var-annotated]
    return lambda: loaded([root], Settings(cache=False, memo=memo, held=held))


def settled(now: Callable[[], Look]) -> Look:
    """A look that began after this was called; none is going on any more."""
    for _ in range(3):  # one may have begun before; the second sees all; the third is of no account
        found = now()
        while threads("exptools-look"):
            time.sleep(0.001)
    return found


def threads(name: str) -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name == name]


def grow(run: Path, *values: float) -> None:
    """The logger writes further rows."""
    n = len((run / rundir.PROGRESS).read_text().splitlines()) - 1
    rows = [(n + i, 1000.0 + n + i, [value]) for i, value in enumerate(values)]
    with open(run / rundir.PROGRESS, "a") as file:
        file.write(progress_text(["loss"], rows).split("\n", 1)[1])


# --- looking again and again -------------------------------------------------------------------------------


def test_nothing_changes_where_nothing_has_changed(tree: Path) -> None:
    watched = Live(looking(tree))
    first = watched.now()

    for _ in range(3):
        assert settled(watched.now) is first


def test_a_run_that_grows_has_other_frames(tree: Path) -> None:
    watched = Live(looking(tree))
    first = watched.now()
    grow(tree / "0", 0.25)

    second = settled(watched.now)

    assert second.version > first.version and second.frames > first.frames
    ((_, reading),) = second.runs.only(["0"]).readings(["loss"])
    assert reading.curves["loss"].value.tolist() == [1.0, 0.5, 0.0, 0.25]


def test_a_heartbeat_is_another_look_but_no_other_frames(tree: Path) -> None:
    rundir.write_status(tree / "0", Status(State.RUNNING, start=time.time(), heartbeat=time.time()))
    watched = Live(looking(tree))
    first = watched.now()
    rundir.write_status(tree / "0", Status(State.RUNNING, start=time.time(), heartbeat=time.time() + 1))

    second = settled(watched.now)

    assert second.version > first.version and second.frames == first.frames


def test_a_run_that_ends_is_another_look(tree: Path) -> None:
    rundir.write_status(tree / "0", Status(State.RUNNING, start=time.time(), heartbeat=time.time()))
    watched = Live(looking(tree))
    assert watched.now().runs["0"].state is State.RUNNING
    rundir.write_status(tree / "0", Status(State.FAILED, start=1.0, end=2.0, error="no"))

    assert settled(watched.now).runs["0"].state is State.FAILED


def test_a_new_run_appears_and_one_that_is_gone_goes(tree: Path) -> None:
    watched = Live(looking(tree))
    first = watched.now()
    write_run(tree / "4", {"loss": [1.0]}, config={"model": {"name": "huge"}, "seed": 0})

    second = settled(watched.now)
    shutil.rmtree(tree / "4")
    third = settled(watched.now)

    assert [run.name for run in second.runs] == ["0", "1", "2", "3", "4"]
    assert [run.name for run in third.runs] == ["0", "1", "2", "3"]
    assert first.frames < second.frames < third.frames


def test_a_config_that_comes_later_is_seen(tmp_path: Path) -> None:
    root = sweep(tmp_path / "sweep")
    write_run(root / "4", {"loss": [1.0]}, state=None)
    watched = Board(looking(root))
    before = watched.labels(View())
    rundir.write_json(root / "4" / rundir.VARIANT, {"model": {"name": "small"}, "seed": 2, "epochs": 3})

    settled(watched.look)

    assert before == {"4": ("4",), "large": ("2", "3"), "small": ("0", "1")}
    assert watched.labels(View()) == {"large": ("2", "3"), "small": ("0", "1", "4")}


def test_a_directory_that_vanishes_is_a_problem_until_it_is_back(tree: Path) -> None:
    watched = Live(looking(tree))
    first = settled(watched.now)
    shutil.move(tree, tree.with_name("away"))

    gone = settled(watched.now)
    still = settled(watched.now)

    text = f"{tree} does not exist; give a directory that holds runs, for example multirun/"
    assert (gone.problem, gone.runs, gone.frames) == (text, first.runs, first.frames)
    assert gone.version == still.version == first.version + 1

    shutil.move(tree.with_name("away"), tree)
    back = settled(watched.now)

    assert back.problem is None and back.version == gone.version + 1
    assert back.frames == first.frames  # the same files: nothing is drawn anew


def test_an_error_of_ours_does_not_end_the_looking(tree: Path) -> None:
    failing, look = [False], looking(tree)

    def load_or_fail() -> Runs:
        if failing[0]:
            raise ZeroDivisionError("a fault")
        return look()

    watched = Live(load_or_fail)
    first = watched.now()
    failing[0] = True
    assert settled(watched.now).problem == "ZeroDivisionError: a fault"

    failing[0] = False
    grow(tree / "0", 0.25)
    assert settled(watched.now).problem is None
    assert watched.now().frames == first.frames + 1


def test_a_server_that_is_started_again_has_other_numbers(tree: Path) -> None:
    before = Live(looking(tree)).now()
    grow(tree / "0", 0.25)
    after = Live(looking(tree)).now()

    assert after.version > before.version and after.frames > before.frames


def test_what_is_wrong_at_the_beginning_is_raised(tmp_path: Path) -> None:
    with pytest.raises(ViewError, match="does not exist"):
        Board(looking(tmp_path / "nothing"))


def test_one_look_at_a_time_and_seldom_if_it_takes_long(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(live, "_SHARE", 0.25)
    look, at_once, most, count = looking(tree), [0], [0], [0]

    def slow() -> Runs:
        at_once[0] += 1
        count[0] += 1
        most[0] = max(most[0], at_once[0])
        time.sleep(0.1)
        at_once[0] -= 1
        return look()

    watched = Live(slow)
    began = time.monotonic()
    while time.monotonic() - began < 1.2:
        for _ in range(20):
            threading.Thread(target=watched.now).start()
        time.sleep(0.02)

    assert most == [1]
    assert 2 <= count[0] <= 4  # a quarter of the time: after 0.4 s, 0.9 s


def test_nobody_looks_while_nobody_asks(tree: Path) -> None:
    look, count = looking(tree), [0]

    def counted() -> Runs:
        count[0] += 1
        return look()

    Live(counted)
    time.sleep(0.3)

    assert count == [1]


# --- cards -------------------------------------------------------------------------------------------------


def counting(monkeypatch: pytest.MonkeyPatch, seconds: float = 0.0) -> Counter[str]:
    made: Counter[str] = Counter()
    real = lines.card

    def card(runs: Runs, view: View, tag: str, names: Any) -> lines.Card:
        made[tag] += 1
        time.sleep(seconds)
        return real(runs, view, tag, names)

    monkeypatch.setattr(boards.lines, "card", card)
    return made


def ask_at_once(*calls: Callable[[], Any]) -> list[Any]:
    """All calls in threads that begin together; what they gave, or their errors."""
    barrier, found = threading.Barrier(len(calls)), [None] * len(calls)

    def ask(i: int) -> None:
        barrier.wait()
        try:
            found[i] = calls[i]()
        except Exception as error:
            found[i] = error  # type: ignore[call-overload]

    asking = [threading.Thread(target=ask, args=(i,)) for i in range(len(calls))]
    for thread in asking:
        thread.start()
    for thread in asking:
        thread.join()
    return found


def test_a_card_is_made_once_however_many_ask(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, made = Board(lambda: load(tree)), counting(monkeypatch, 0.2)

    found = ask_at_once(*[lambda: board.card(View(), "loss")] * 30)

    assert made == {"loss": 1} and len({id(card) for card in found}) == 1
    assert board.card(View(), "loss") is found[0] and made == {"loss": 1}
    assert board._cards._making == {}


def test_whoever_comes_while_a_card_is_put_away_does_not_make_it_again(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, made = Board(lambda: load(tree)), counting(monkeypatch)
    keep = board._cards._keep

    def slowly(key: Any, card: Any) -> None:
        time.sleep(0.2)
        keep(key, card)

    monkeypatch.setattr(board._cards, "_keep", slowly)

    def late() -> Any:
        time.sleep(0.1)
        return board.card(View(), "loss")

    ask_at_once(lambda: board.card(View(), "loss"), late)

    assert made == {"loss": 1}


def test_another_card_is_not_waited_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tree / "4", {"loss": [1.0], "acc": [2.0]})
    board, real, at_once = Board(lambda: load(tree)), lines.card, threading.Barrier(2)

    def card(*given: Any) -> lines.Card:
        at_once.wait(5)  # both are being made at the same time
        return real(*given)

    monkeypatch.setattr(boards.lines, "card", card)

    found = ask_at_once(lambda: board.card(View(), "loss"), lambda: board.card(View(), "acc"))

    assert [card.tag for card in found] == ["loss", "acc"]


def test_a_card_that_cannot_be_made_is_an_error_for_all_who_ask(tree: Path) -> None:
    board = Board(lambda: load(tree))

    found = ask_at_once(*[lambda: board.card(View(by=("nothing",)), "loss")] * 8)

    assert {type(one) for one in found} == {ViewError} and board._cards._making == {}
    assert board.card(View(), "loss").frames == 12


def test_a_card_is_made_anew_when_its_lines_are_others(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, made = Board(looking(tree)), counting(monkeypatch)
    first = board.card(View(), "loss")

    for view in (
        View(tab="bars"),
        View(hidden=("small",)),
        View(outliers=False),
        View(pins=("loss",), spark="loss"),
    ):
        assert board.card(view, "loss") is first
    assert made == {"loss": 1}
    others = [
        *(View(smooth=0.5), View(lines="runs"), View(x="relative"), View(runs=("0",))),
        *(View(where=("seed=0",)), View(by=()), View(split=("seed",)), View(band="none"), View(yscale="log")),
    ]
    cards = [board.card(view, "loss") for view in others]
    assert made == {"loss": 10} and len(set(map(id, cards))) == 9

    rundir.write_status(tree / "0", Status(State.RUNNING, start=1.0, heartbeat=time.time()))
    settled(board.look)
    assert board.card(View(), "loss") is first

    grow(tree / "0", 0.25)
    settled(board.look)
    assert board.card(View(), "loss").frames == 13


def test_what_a_log_axis_cannot_show_is_said_when_it_is_one(tree: Path) -> None:
    board = Board(lambda: load(tree))

    for kind in ("mean", "runs"):
        notes = [
            board.card(View(xscale=scale, lines=kind), "loss").notes for scale in ("linear", "log", "linear")
        ]
        assert [any("log axis" in note for note in some) for some in notes] == [False, True, False]


def test_of_too_many_cards_that_goes_which_nobody_asked_for_longest(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, made = Board(lambda: load(tree)), counting(monkeypatch)

    def ask(weight: float) -> bool:
        """Whether it had to be made."""
        before = made["loss"]
        size = board.card(View(smooth=weight), "loss").nbytes
        board._cards._most = 2 * size
        assert sum(card.nbytes for card in board._cards._kept.values()) <= 2 * size
        return made["loss"] > before

    assert [ask(weight) for weight in (0.1, 0.2, 0.1, 0.3)] == [True, True, False, True]
    assert [ask(weight) for weight in (0.1, 0.3, 0.2)] == [False, False, True]


def test_a_card_larger_than_all_memory_is_kept_while_it_is_the_last(
    tree: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    board, made = Board(lambda: load(tree)), counting(monkeypatch)
    monkeypatch.setattr(boards, "CARDS", 1)

    for _ in range(3):
        board.card(View(), "loss")

    assert made == {"loss": 1}


# --- what is chosen ----------------------------------------------------------------------------------------


def names(runs: Runs) -> list[str]:
    return [run.name for run in runs]


def test_runs_are_those_of_the_conditions_and_of_them_the_selected(tree: Path) -> None:
    board = Board(lambda: load(tree))

    assert names(board.runs(View())) == ["0", "1", "2", "3"]
    assert names(board.runs(View(where=("seed=0",)))) == ["0", "2"]
    assert names(board.runs(View(where=("seed=0", "loss>0.1")))) == ["2"]
    assert names(board.runs(View(where=("seed=0",), runs=("0", "1", "gone")))) == ["0"]
    assert [row[0] for row in board.table(View(where=("seed=0",), runs=("0",))).rows] == ["0", "2"]
    with pytest.raises(ViewError):
        board.runs(View(where=("lr=1",)))


def test_selected_runs_are_drawn_in_the_colours_of_the_legend(tree: Path) -> None:
    board = Board(lambda: load(tree))

    for kind in ("mean", "runs"):
        view = View(runs=("0", "1"), lines=kind)
        assert board.labels(view) == {"large": ("2", "3"), "small": ("0", "1")}
        assert {line.label for line in board.card(view, "loss").panels[0].lines} == {"small"}


def test_tags_are_in_natural_order_and_new_ones_come(tree: Path) -> None:
    write_run(tree / "4", {f"t/{i}": [1.0] for i in (10, 9, 1)})
    board = Board(looking(tree))
    assert board.tags() == ["loss", "t/1", "t/9", "t/10"]

    write_run(tree / "5", {"a": [1.0]})
    settled(board.look)

    assert board.tags() == ["a", "loss", "t/1", "t/9", "t/10"]


def test_cards_are_the_first_few_or_those_that_are_named(tree: Path) -> None:
    write_run(tree / "4", {name: [1.0] for name in ("t/1", "t/2", "a*", "ab", "[x]", "x")})
    board = Board(lambda: load(tree))
    every = board.tags()

    assert board.shown(View()) == every[:4] and len(every) == 7
    assert board.shown(View(pins=("x", "gone"))) == ["x", *[tag for tag in every[:4] if tag != "x"]]
    assert board.shown(View(tags=("t/*", "loss", "t/1"), pins=("loss",))) == ["loss", "t/1", "t/2"]
    assert board.shown(View(tags=())) == []
    assert board.shown(View(tags=("gone",))) == []


def test_a_scalar_that_is_called_like_a_pattern_is_itself(tree: Path) -> None:
    write_run(tree / "4", {name: [1.0] for name in ("a*", "ab", "[x]", "x", "*")})
    board = Board(lambda: load(tree))

    assert board.shown(View(tags=("a*",))) == ["a*"]
    assert board.shown(View(tags=("[x]", "*"))) == ["[x]", "*"]
    assert board.shown(View(tags=("a?",))) == ["a*", "ab"]


def test_small_curves_are_of_the_runs_of_the_conditions(tree: Path) -> None:
    board = Board(looking(tree))
    assert set(board.sparks(View(where=("seed=0",), runs=("0",)), "loss")) == {"0", "2"}
    before = board.sparks(View(), "loss")
    assert board.sparks(View(smooth=0.5), "loss") is before

    grow(tree / "0", 9.0)
    settled(board.look)

    assert board.sparks(View(), "loss")["0"][-1] == 1.0


def test_many_threads_see_whole_looks_while_runs_grow(tree: Path) -> None:
    board, wrong, end = Board(looking(tree)), [], time.monotonic() + 2.0

    def ask(kind: str) -> None:
        while time.monotonic() < end:
            try:
                board.look()
                view = View(lines=kind, runs=("0", "2"))
                found = board.card(view, "loss")
                labels = {line.label for panel in found.panels for line in panel.lines}
                if not labels <= board.labels(view).keys() or found.frames < 6:
                    wrong.append((labels, found.frames))
            except Exception as error:  # noqa: PERF203
                wrong.append(error)

    asking = [threading.Thread(target=ask, args=(kind,)) for kind in ("mean", "runs", "median") * 2]
    for thread in asking:
        thread.start()
    before, n_grown = board.card(View(runs=("0", "2")), "loss").frames, 0
    while time.monotonic() < end:
        grow(tree / "0", 0.5)
        n_grown += 1
        time.sleep(0.02)
    for thread in asking:
        thread.join()

    assert not wrong
    settled(board.look)
    assert board.card(View(runs=("0", "2")), "loss").frames == before + n_grown > before


# --- how far it is -----------------------------------------------------------------------------------------


def test_progress_counts_states_and_says_how_long_the_rest_takes(tmp_path: Path) -> None:
    now = time.time()
    states = [
        Status(State.COMPLETED, start=now - 500, end=now - 400),
        Status(State.COMPLETED, start=now - 500, end=now - 300),
        Status(State.FAILED, start=now - 500, end=now - 499),
        Status(State.RUNNING, start=now - 100, heartbeat=now),
        Status(State.RUNNING, start=now - 1000, heartbeat=now),
        Status(State.QUEUED),
    ]
    for i, status in enumerate(states):
        write_run(tmp_path / "sweep" / str(i), {"loss": [1.0]}, state=None)
        rundir.write_status(tmp_path / "sweep" / str(i), status)
    write_run(tmp_path / "sweep" / "6", {"loss": [1.0]}, state=None)
    write_events(tmp_path / "sweep" / "0" / "train", {"loss": [1.0]})  # a part, no run of the sweep

    found = progress(load(tmp_path / "sweep"))

    assert found.counts == {
        State.QUEUED: 1, State.RUNNING: 2, State.COMPLETED: 2, State.FAILED: 1, None: 1,
    }  # fmt: skip
    assert list(found.counts)[-1] is None
    assert (found.ended, found.total) == (3, 6)
    # one that waits takes 150 s, one that runs has 50 s left, the other is late; two at a time
    assert found.left_s == pytest.approx(100, abs=2)


@pytest.mark.parametrize("states", [["COMPLETED"], ["RUNNING", "QUEUED"], ["COMPLETED", "QUEUED"], []])
def test_where_nobody_can_say_how_long_nothing_is_said(tmp_path: Path, states: list[str]) -> None:
    for i, state in enumerate(states):
        write_run(tmp_path / str(i), {"loss": [1.0]}, state=None)
        rundir.write_status(tmp_path / str(i), Status(State(state), start=time.time(), heartbeat=time.time()))
    write_run(tmp_path / "x", {"loss": [1.0]}, state=None)

    found = progress(load(tmp_path))

    assert found.left_s is None
    assert (found.ended, found.total) == (states.count("COMPLETED"), len(states))


def test_the_first_card_is_begun_before_it_is_asked_for(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    board, made = Board(lambda: load(tree)), counting(monkeypatch)
    view = View(lines="runs")

    board.prepare(view, ["loss"])
    while made["loss"] < 1:
        time.sleep(0.01)
    board.card(view, "loss")

    assert made == {"loss": 1}
    board.prepare(View(where=("nosuch>1",)), ["loss"])  # says nothing
