"""What a resumed run measured again: the last one counts, and the others are counted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tensorboardX import SummaryWriter
from view_files import write_run

from exptools.viewing.api import load
from exptools.viewing.cli import main
from exptools.viewing.curves import Curve
from exptools.viewing.scalars import settled


def session(directory: Path, steps: range, value: float, tag: str = "loss") -> None:
    """An event file of its own; tensorboardX names it by the second, so it is named anew."""
    n = len(list(directory.glob("*tfevents*")))
    with SummaryWriter(str(directory), filename_suffix=f".{n}") as writer:
        for step in steps:
            writer.add_scalar(tag, value + step, step)
    (new,) = directory.glob(f"*.{n}")
    new.rename(directory / f"events.out.tfevents.{1000 + n}.host")


def curve(steps: list[int], begin: int = 0) -> Curve:
    numbers = np.arange(begin, begin + len(steps), dtype=np.float64)
    return Curve(np.array(steps, np.int64), numbers, numbers)


def test_the_last_session_counts_where_two_overlap(tmp_path: Path) -> None:
    session(tmp_path, range(10), 100.0)
    session(tmp_path, range(6, 14), 200.0)

    runs = load(tmp_path)
    frames = runs.scalars()

    assert dict(zip(frames["step"], frames["value"], strict=True)) == {
        **{step: 100.0 + step for step in range(6)},
        **{step: 200.0 + step for step in range(6, 14)},
    }
    assert len(frames) == 14
    assert runs.superseded == {tmp_path.name: {"loss": 4}}


def test_what_the_last_session_did_not_measure_again_stays(tmp_path: Path) -> None:
    session(tmp_path, range(10), 100.0)
    session(tmp_path, range(4, 6), 200.0)

    frames = load(tmp_path).scalars()

    assert sorted(zip(frames["step"], frames["value"], strict=True)) == [
        (step, (200.0 if step in (4, 5) else 100.0) + step) for step in range(10)
    ]


def test_all_frames_can_be_kept(tmp_path: Path) -> None:
    session(tmp_path, range(10), 100.0)
    session(tmp_path, range(6, 14), 200.0)

    runs = load(tmp_path, keep_superseded=True)

    assert len(runs.scalars()) == 18
    assert runs.superseded == {}


def test_steps_that_go_back_within_a_file_are_a_resume(tmp_path: Path) -> None:
    with SummaryWriter(str(tmp_path)) as writer:
        for i, step in enumerate([0, 1, 2, 3, 2, 3, 4]):
            writer.add_scalar("loss", i, step)

    runs = load(tmp_path)

    assert runs.scalars()[["step", "value"]].to_numpy().tolist() == [[0, 0], [1, 1], [2, 4], [3, 5], [4, 6]]
    assert runs.superseded == {tmp_path.name: {"loss": 2}}


def test_the_logger_of_exptools_cuts_by_itself_so_its_steps_may_go_back(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [0.5]})
    (run / "progress.csv").write_text("step,wall_time,loss\n0,1.0,1\n1,2.0,2\n0,3.0,3\n1,4.0,4\n")

    runs = load(tmp_path)

    assert runs.scalars()["value"].tolist() == [1, 2, 3, 4]
    assert runs.superseded == {}


def test_several_frames_at_one_step_of_a_session_are_kept() -> None:
    assert settled([curve([3, 3, 3, 4])]).value.tolist() == [0, 1, 2, 3]
    assert settled([curve([3, 3, 4]), curve([4, 4, 5], begin=3)]).value.tolist() == [0, 1, 3, 4, 5]


def test_a_session_that_goes_on_supersedes_nothing() -> None:
    assert settled([curve([0, 1]), curve([2, 3], begin=2), curve([])]).value.tolist() == [0, 1, 2, 3]


@given(st.lists(st.lists(st.integers(-3, 6), max_size=12), min_size=1, max_size=4), st.booleans())
def test_settling_is_what_a_loop_does(sessions: list[list[int]], is_cut: bool) -> None:
    frames: list[tuple[int, int]] = []  # session and step
    n = 0
    for steps in sessions:
        for i, step in enumerate(steps):
            n += i > 0 and step < steps[i - 1] and not is_cut
            frames.append((n, step))
        n += 1
    newest = {step: n for n, step in frames}
    begins = np.cumsum([0, *map(len, sessions)])

    found = settled([curve(s, b) for s, b in zip(sessions, begins, strict=False)], is_cut=is_cut)

    assert found.value.tolist() == [i for i, (n, step) in enumerate(frames) if n == newest[step]]


@pytest.mark.parametrize("option", [[], ["--keep-superseded"]])
def test_the_command_line_says_how_many(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], option: list[str]
) -> None:
    for name in ("a", "b"):
        session(tmp_path / name, range(10), 100.0)
        session(tmp_path / name, range(6, 14), 200.0)

    assert main([str(tmp_path), "--csv", *option]) == 0

    out, err = capsys.readouterr()
    assert len(out.splitlines()) == 1 + (36 if option else 28)
    assert err == (
        ""
        if option
        else "exptools-view: 8 frames in 2 runs (the first: a, 4) were left out: a later session measured "
        "them again at the same step; --keep-superseded shows them\n"
    )
