"""A look reads what has changed since the last one, and finds what it would find without that."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from view_files import sweep, write_run

from exptools import rundir
from exptools.rundir import State, Status
from exptools.viewing import api, runs, seen
from exptools.viewing.api import Run, Runs, Settings, loaded
from exptools.viewing.runs import Place, find
from exptools.viewing.seen import Seen


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sweep(tmp_path / "sweep")


@pytest.fixture(autouse=True)
def settles_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "SETTLED_S", 0.02)


def look(root: Path, known: Seen | None) -> Runs:
    return loaded([root], Settings(cache=False, seen=known))


def said(of: Runs) -> Any:
    """All but when it was."""
    return [(run.place, run.status, run.config, run.flat, run.problems) for run in of], of.problems


def settle() -> None:
    time.sleep(0.05)


def status(run: Path) -> Path:
    return run / rundir.STATUS


def ended_in_place(tree: Path) -> None:
    with open(status(tree / "1"), "r+") as file:
        file.write(json.dumps({"state": "FAILED", "start": 1.0, "end": 2.0}))
        file.truncate()


def ended(tree: Path) -> None:
    rundir.write_status(tree / "1", Status(State.FAILED, start=1.0, end=2.0, error="no"))


def config_in_place(tree: Path) -> None:
    (tree / "2" / rundir.VARIANT).write_text('{"lr": 0.5, "seed": 7}')


def broken_config(tree: Path) -> None:
    (tree / "2" / rundir.VARIANT).write_text('{"lr": ')


def no_status(tree: Path) -> None:
    status(tree / "0").unlink()


def no_scalars(tree: Path) -> None:
    (tree / "0" / rundir.PROGRESS).unlink()


def of_another_format(tree: Path) -> None:
    (tree / "0" / rundir.PROGRESS).write_text("Epoch,loss\n1,2\n")


def of_another_format_in_place(tree: Path) -> None:
    status(tree / "3").unlink()
    settle()
    (tree / "3" / rundir.PROGRESS).write_text("Epoch,loss\n1,2\n")


def more_files(tree: Path) -> None:
    (tree / "0" / "events.out.tfevents.1").touch()


def a_part(tree: Path) -> None:
    write_run(tree / "0" / "eval", {"loss": [1.0]}, config=None, state=None)


def a_run_more(tree: Path) -> None:
    write_run(tree / "9", {"loss": [1.0]})


def a_run_less(tree: Path) -> None:
    shutil.rmtree(tree / "2")


def renamed(tree: Path) -> None:
    (tree / "2").rename(tree / "two")


def linked(tree: Path) -> None:
    outside = write_run(tree.parent / "outside", {"loss": [1.0]})
    (tree / "link").symlink_to(outside)


def mark_of_a_sweep(tree: Path) -> None:
    (tree.parent / "multirun.yaml").touch()
    for mark in (rundir.SWEEP, "multirun.yaml"):
        (tree / mark).unlink(missing_ok=True)


CHANGES = [
    *(ended_in_place, ended, config_in_place, broken_config, no_status, no_scalars, of_another_format),
    *(of_another_format_in_place, more_files, a_part, a_run_more, a_run_less, renamed, linked),
    mark_of_a_sweep,
]


@pytest.mark.parametrize("change", CHANGES)
def test_whatever_has_changed_is_found(tree: Path, change: Callable[[Path], None]) -> None:
    known = Seen()
    for _ in range(2):
        settle()
        look(tree, known)

    change(tree)

    assert said(look(tree, known)) == said(look(tree, None))
    settle()
    for _ in range(2):
        assert said(look(tree, known)) == said(look(tree, None))


def test_what_has_not_changed_is_not_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rundir.write_status(tree / "3", Status(State.RUNNING, start=time.time(), heartbeat=time.time()))
    settle()
    known = Seen()
    first = look(tree, known)
    read: list[Path] = []
    load, listed = api._load, runs._listed

    def counted_load(place: Place) -> Run:
        read.append(place.path)
        return load(place)

    def counted_list(walk: Any, path: Path) -> Any:
        read.append(path)
        return listed(walk, path)

    monkeypatch.setattr(api, "_load", counted_load)
    monkeypatch.setattr(runs, "_listed", counted_list)

    second = look(tree, known)

    assert read == []
    assert find([tree], known) is find([tree], known)
    assert said(second) == said(first)
    assert [new is old for new, old in zip(second, first, strict=True)] == [True, True, True, False]
    assert second["3"].loaded_at > first["3"].loaded_at  # it may be stale by now
    rundir.write_status(tree / "3", Status(State.COMPLETED, start=1.0, end=2.0))
    settle()
    third = look(tree, known)
    assert (third["3"].state, read) == (State.COMPLETED, [tree / "3", tree / "3"])


def test_what_has_just_changed_is_read_again(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(seen, "SETTLED_S", 3600.0)
    known = Seen()
    look(tree, known)

    assert (known.listings, known.runs) == ({}, {})  # a later change could look the same


def test_a_tree_with_a_link_is_looked_through_each_time(tree: Path) -> None:
    target = tree.parent / "target"
    (tree / "link").symlink_to(target)
    settle()
    known = Seen()
    look(tree, known)

    write_run(target, {"loss": [1.0]})

    assert [run.name for run in look(tree, known)] == ["0", "1", "2", "3", "link"]
