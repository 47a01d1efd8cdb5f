"""Curves that stay in memory while the files of their run are the same."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import numpy as np
import pytest
from view_files import sweep, write_run

from exptools.viewing.api import Runs, Settings, loaded
from exptools.viewing.curves import Curve, Reading, everything
from exptools.viewing.held import Held
from exptools.viewing.problem import Problem
from exptools.viewing.runs import Place, find

MUCH = 2**20


def curve(frames: int) -> Curve:
    """24 bytes a frame."""
    return Curve(np.arange(frames), np.zeros(frames), np.ones(frames))


def reading(**frames: int) -> Reading:
    """Of a run with these tags, all of them read."""
    return Reading({tag: curve(n) for tag, n in frames.items()}, tuple(frames))


@pytest.fixture
def places(tmp_path: Path) -> list[Place]:
    return list(find([sweep(tmp_path / "sweep")]).places)


def held_tags(held: Held, place: Place, stamp: object) -> set[str]:
    """Those of the tags a, b, c that are there."""
    return {tag for tag in "abc" if held.get(place, stamp, lambda t, tag=tag: t == tag) is not None}


def test_what_was_put_is_given_back(places: list[Place]) -> None:
    held, found = Held(MUCH), reading(a=3, b=5)
    held.put(places[0], "now", everything, found)

    again = held.get(places[0], "now", everything)
    only = held.get(places[0], "now", lambda tag: tag == "b")

    assert again is not None and dict(again.curves) == dict(found.curves) and again.tags == ("a", "b")
    assert only is not None and dict(only.curves) == {"b": found.curves["b"]} and only.tags == ("a", "b")
    assert held.get(places[1], "now", everything) is None


def test_another_stamp_is_another_run(places: list[Place]) -> None:
    held = Held(MUCH)
    held.put(places[0], "before", everything, reading(a=3))
    held.put(places[0], "now", everything, reading(b=3))

    assert held.get(places[0], "before", everything) is None
    assert held_tags(held, places[0], "now") >= {"b"}
    again = held.get(places[0], "now", everything)
    assert again is not None and set(again.curves) == {"b"}


def test_files_that_cannot_be_asked_are_not_held(places: list[Place]) -> None:
    held = Held(2 * 24)
    held.put(places[1], "now", everything, reading(a=2))
    held.put(places[0], None, everything, reading(a=2))

    assert held.get(places[0], None, everything) is None
    assert held.get(places[1], "now", everything) is not None  # not driven out by what nobody can ask for


def test_what_was_not_asked_for_is_not_held(places: list[Place]) -> None:
    held = Held(MUCH)
    tags = ("a", "b", "c")
    held.put(places[0], "now", lambda tag: tag == "a", Reading({"a": curve(1)}, tags, superseded={"a": 2}))

    assert held.get(places[0], "now", everything) is None

    held.put(places[0], "now", lambda tag: tag == "b", Reading({"b": curve(2)}, tags, superseded={"b": 3}))
    both = held.get(places[0], "now", lambda tag: tag in "ab")

    assert both is not None
    assert {tag: len(c) for tag, c in both.curves.items()} == {"a": 1, "b": 2}
    assert both.superseded == {"a": 2, "b": 3}
    assert held.get(places[0], "now", everything) is None


def test_a_tag_without_frames_is_known_to_have_none(places: list[Place]) -> None:
    held = Held(MUCH)
    held.put(places[0], "now", everything, Reading({"a": curve(1)}, ("a", "empty")))

    again = held.get(places[0], "now", everything)

    assert again is not None and set(again.curves) == {"a"}


def test_problems_are_kept_with_the_run(places: list[Place]) -> None:
    held = Held(MUCH)
    one, other = Problem(Path("f"), "torn", 3), Problem(Path("f"), "odd", 5)
    held.put(places[0], "now", lambda tag: tag == "a", Reading({"a": curve(1)}, ("a", "b"), (one,)))
    held.put(places[0], "now", lambda tag: tag == "b", Reading({"b": curve(1)}, ("a", "b"), (other,)))

    again = held.get(places[0], "now", everything)

    assert again is not None and again.problems == (one, other)


def test_beyond_the_budget_what_nobody_asked_for_longest_goes(places: list[Place]) -> None:
    held = Held(4 * 24)  # four frames
    held.put(places[0], "now", everything, reading(a=2))
    held.put(places[1], "now", everything, reading(b=2))
    assert held_tags(held, places[0], "now") >= {"a"}  # asked for: b of the other is older now

    held.put(places[2], "now", everything, reading(c=1))

    assert held.get(places[0], "now", everything) is not None
    assert held.get(places[1], "now", everything) is None
    assert held.get(places[2], "now", everything) is not None


def test_what_is_put_twice_counts_once(places: list[Place]) -> None:
    held = Held(4 * 24)
    held.put(places[1], "now", everything, reading(b=2))
    for _ in range(5):
        held.put(places[0], "now", everything, reading(a=2))

    assert held.get(places[0], "now", everything) is not None
    assert held.get(places[1], "now", everything) is not None


def test_room_that_a_changed_run_had_is_free_again(places: list[Place]) -> None:
    held = Held(4 * 24)
    for stamp in range(5):
        held.put(places[0], stamp, everything, reading(a=2))
    held.put(places[1], "now", everything, reading(b=2))

    assert held.get(places[0], 4, everything) is not None
    assert held.get(places[1], "now", everything) is not None


def test_what_a_changed_run_had_drives_nothing_out(places: list[Place]) -> None:
    held = Held(4 * 24)
    held.put(places[1], "now", everything, reading(c=2))
    held.put(places[0], "before", everything, reading(a=2))
    held.put(places[0], "now", everything, reading(b=2))

    assert held.get(places[1], "now", everything) is not None


def test_what_is_larger_than_all_room_is_not_held_and_does_no_harm(places: list[Place]) -> None:
    held = Held(4 * 24)
    held.put(places[0], "now", everything, reading(a=100))
    assert held.get(places[0], "now", everything) is None

    held.put(places[0], "now", everything, reading(a=100, b=1))
    held.put(places[1], "now", everything, reading(a=4))

    assert held.get(places[1], "now", everything) is not None


def test_many_threads_never_get_what_was_not_put(places: list[Place]) -> None:
    held, wrong = Held(40 * 24), []

    def work(seed: int) -> None:
        generator = np.random.default_rng(seed)
        for _ in range(400):
            i, stamp = int(generator.integers(4)), int(generator.integers(1, 3))
            found = held.get(places[i], stamp, everything)
            if found is None:
                held.put(places[i], stamp, everything, reading(a=i + 1, b=10 * stamp))
            elif [len(found.curves[tag]) for tag in "ab"] != [i + 1, 10 * stamp]:
                wrong.append((i, stamp))

    def watched(seed: int) -> None:
        try:
            work(seed)
        except Exception as error:
            wrong.append((seed, error))

    threads = [threading.Thread(target=watched, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert not wrong


# --- with real files ---------------------------------------------------------------------------------------


def losses(runs: Runs) -> dict[str, list[float]]:
    return {run.name: reading.curves["loss"].value.tolist() for run, reading in runs.readings(["loss"])}


def test_files_that_did_not_change_are_not_read_again(tmp_path: Path) -> None:
    root, held = sweep(tmp_path / "sweep"), Held(MUCH)

    def look() -> dict[str, list[float]]:
        return losses(loaded([root], Settings(cache=False, held=held)))

    before = look()
    file = root / "0" / "progress.csv"
    stat = file.stat()
    file.write_text(file.read_text().replace("0.5", "0.7"))  # nobody does that: of the same size
    os.utime(file, ns=(stat.st_atime_ns, stat.st_mtime_ns))

    assert before["0"] == [1.0, 0.5, 0.0]
    assert look() == before

    os.utime(file)

    assert look() == {**before, "0": [1.0, 0.7, 0.0]}


def test_a_run_that_has_grown_is_read_again(tmp_path: Path) -> None:
    root, held = tmp_path / "sweep", Held(MUCH)
    write_run(root / "0", {"loss": [1.0]})
    write_run(root / "1", {"loss": [2.0]})
    before = losses(loaded([root], Settings(cache=False, held=held)))
    write_run(root / "0", {"loss": [1.0, 0.5]})

    after = losses(loaded([root], Settings(cache=False, held=held)))

    assert before == {"0": [1.0], "1": [2.0]}
    assert after == {"0": [1.0, 0.5], "1": [2.0]}


def test_a_run_whose_files_vanish_is_not_taken_from_memory(tmp_path: Path) -> None:
    root, held = sweep(tmp_path / "sweep"), Held(MUCH)
    losses(loaded([root], Settings(cache=False, held=held)))
    (root / "0" / "progress.csv").unlink()

    runs = loaded([root], Settings(cache=False, held=held))
    found = {run.name: set(reading.curves) for run, reading in runs.readings(["loss"])}

    assert found == {"0": set(), "1": {"loss"}, "2": {"loss"}, "3": {"loss"}}
