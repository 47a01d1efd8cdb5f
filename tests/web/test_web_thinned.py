"""Of a line what a screen can show: the extremes are never lost, gaps stay, a zoom has every frame."""

from __future__ import annotations

import dataclasses
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from exptools.viewing.web import thinned as thinning
from exptools.viewing.web.lines import Line
from exptools.viewing.web.thinned import all_thinned, thinned, within

Floats = NDArray[np.float64]
COLUMNS = ("y", "raw", "low", "high")


def line(y: Floats, x: Floats | None = None, **more: Floats) -> Line:
    return Line("label", ("0",), np.arange(len(y), dtype=float) if x is None else x, y, **more)


def wave(n: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).standard_normal(n).cumsum()


def table(of: Line) -> Floats:
    """All columns of a line, nan where it has none; shape (6, points)."""
    none = np.full(of.x.shape, np.nan)
    columns = (of.x, of.y, of.raw, of.low, of.high, of.n)
    return np.stack([none if column is None else column for column in columns])


@st.composite
def lines(draw: st.DrawFn) -> Line:
    """Long lines: x uneven, repeated values, gaps of any length, spikes; some with a band."""
    seed, n = draw(st.integers(0, 2**32)), draw(st.integers(1, 3000))
    generator = np.random.default_rng(seed)
    x = np.cumsum(generator.random(n) ** draw(st.sampled_from([0, 1, 20])) + 1e-9)
    y = generator.standard_normal(n).round(draw(st.integers(0, 3)))
    y[generator.random(n) < draw(st.sampled_from([0, 0.01, 0.5, 1]))] = np.nan
    for start in generator.integers(n, size=draw(st.integers(0, 3))):
        y[start : start + int(generator.integers(1, 200))] = np.nan
    y[generator.integers(n)] = draw(st.sampled_from([np.nan, 1e30, -1e30, np.inf, 0.0]))
    if not draw(st.booleans()):
        return Line("label", ("0",), x, y)
    return Line("label", ("0", "1"), x, y, y[::-1].copy(), y - 1, y + generator.random(n), np.ones(n))


@settings(deadline=None)
@given(lines(), st.integers(20, 200).map(lambda half: 2 * half))
def test_each_slice_of_the_screen_keeps_its_extremes(whole: Line, most: int) -> None:
    cut, is_all = thinned(whole, most)

    assert is_all == (len(whole.x) <= most) and (not is_all or cut is whole)
    assert len(cut.x) <= 2 * (most * len(COLUMNS) + 3)
    assert (np.diff(cut.x) > 0).all() and cut.x[0] == whole.x[0] and cut.x[-1] == whole.x[-1]
    there = table(whole)[:, np.searchsorted(whole.x, cut.x)]  # points of the line and no others, some a gap
    assert ((table(cut) == there) | np.isnan(table(cut))).all()
    for name in COLUMNS:
        column, kept = getattr(whole, name), getattr(cut, name)
        if column is None:
            assert kept is None
        elif np.isfinite(column).sum() > 1:
            assert_extremes(whole.x, column, cut.x, kept, most // 2)


def assert_extremes(x: Floats, column: Floats, cut_x: Floats, kept: Floats, slices: int) -> None:
    """Of each slice of the numbers of a column the extremes are among those that are kept of it."""
    has, still = np.isfinite(column), np.isfinite(kept)
    x, column, cut_x, kept = x[has], column[has], cut_x[still], kept[still]
    of, of_kept = ((at - x[0]) / (x[-1] - x[0]) * slices for at in (x, cut_x))
    is_clear = np.abs(of - np.round(of)) > 1e-6  # what lies on the edge of two slices may be of either
    for number in np.unique(np.floor(of[is_clear])):
        its = column[is_clear & (np.floor(of) == number)]
        found = kept[(of_kept > number - 1e-6) & (of_kept < number + 1 + 1e-6)]
        assert found.min() <= its.min() and found.max() >= its.max()


@settings(deadline=None)
@given(lines(), st.integers(20, 100).map(lambda half: 2 * half))
def test_between_two_points_that_are_drawn_next_to_each_other_there_is_no_gap(whole: Line, most: int) -> None:
    cut, _ = thinned(whole, most)

    at = np.searchsorted(whole.x, cut.x)
    for name in COLUMNS:
        column, kept = getattr(whole, name), getattr(cut, name)
        if column is not None:
            is_gap, has = ~np.isfinite(column), np.isfinite(kept)
            for i in np.flatnonzero(has[:-1] & has[1:]):
                assert not is_gap[at[i] : at[i + 1] + 1].any()


@settings(deadline=None)
@given(lines(), st.floats(0, 1), st.floats(0, 1))
def test_a_zoom_has_the_frames_within_and_one_on_each_side(whole: Line, a: float, b: float) -> None:
    low, high = (whole.x[0] + (whole.x[-1] - whole.x[0]) * end for end in sorted((a, b)))
    which = np.flatnonzero((whole.x >= low) & (whole.x <= high))
    first = int(np.searchsorted(whole.x, low)) - 1
    expected = np.arange(max(0, first), min(len(whole.x), (which[-1] if which.size else first) + 2))

    cut, is_all = thinned(whole, 10_000, (low, high))

    assert is_all
    assert np.array_equal(table(cut), table(whole)[:, expected], equal_nan=True)
    assert np.array_equal(table(within(whole, (low, high))), table(cut), equal_nan=True)


@settings(deadline=None)
@given(
    st.lists(lines(), min_size=1, max_size=6),
    st.lists(st.integers(0, 5), max_size=6),
    st.integers(20, 100).map(lambda half: 2 * half),
    st.sampled_from([None, (0.0, 10.0), (-1.0, 0.3)]),
    st.booleans(),
    st.sampled_from([1, 2000, 10**6]),
)
def test_lines_that_are_thinned_together_are_what_they_are_alone(
    some: list[Line], again: list[int], most: int, x: tuple[float, float] | None, log: bool, room: int
) -> None:
    shared = [some[i % len(some)] for i in again]  # the same x, other values
    every = [*some, *(dataclasses.replace(one, y=one.y[::-1].copy()) for one in shared)]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(thinning, "_TOGETHER", room)
        found = all_thinned(every, most, x, log=log)

    for (cut, is_all), whole in zip(found, every, strict=True):
        alone, is_all_alone = thinned(whole, most, x, log=log)
        assert is_all == is_all_alone
        assert np.array_equal(table(cut), table(alone), equal_nan=True)


def test_of_equal_numbers_in_a_slice_one_is_enough() -> None:
    cut, _ = thinned(line(np.repeat([1.0, 2.0, 1.0], 5000)), 100)

    assert len(cut.x) <= 103 and set(cut.y) == {1.0, 2.0}


def test_zooming_in_again_and_again_ends_at_every_frame() -> None:
    whole = line(wave(100_000))
    low, high, seen = 0.0, 99_999.0, []
    while True:
        cut, is_all = thinned(whole, 1500, (low, high))
        seen.append((len(cut.x), is_all))
        if is_all:
            break
        low, high = low + (high - low) / 3, high - (high - low) / 3

    assert np.array_equal(cut.x, np.arange(cut.x[0], cut.x[-1] + 1))
    assert np.array_equal(cut.y, whole.y[int(cut.x[0]) : int(cut.x[-1]) + 1])
    assert len(seen) == 5 and all(700 < n <= 1503 for n, _ in seen[:-1])


@pytest.mark.parametrize("at", [0, 1, 2, 700, 49_999, 99_998, 99_999])
@pytest.mark.parametrize("spike", [1e3, -1e3])
def test_a_single_spike_of_a_long_run_is_drawn(at: int, spike: float) -> None:
    y = np.random.default_rng(1).standard_normal(100_000)
    y[at] = spike
    others = {name: np.zeros(100_000) for name in ("low", "high", "raw")}
    for name in COLUMNS:
        whole = dataclasses.replace(line(np.zeros(100_000), **others), **{name: y})

        cut, is_all = thinned(whole, 100)

        assert not is_all and len(cut.x) < 400
        assert spike in getattr(cut, name) and float(at) in cut.x


def test_a_zoom_beside_the_data_does_no_harm() -> None:
    whole = line(wave(5000))

    for x in ((-10.0, -5.0), (6000.0, 7000.0)):
        cut, is_all = thinned(whole, 100, x)
        assert is_all and len(cut.x) <= 1

    cut, _ = thinned(line(np.empty(0)), 100, (0.0, 1.0))
    assert cut.x.size == 0


def test_points_beside_a_zoom_take_no_room_of_what_is_shown() -> None:
    """A run that paused: the frame before the part that is shown is a million steps away."""
    x = np.concatenate([[0.0], 1e6 + np.arange(10_000)])
    whole = line(wave(10_001), x)

    cut, is_all = thinned(whole, 200, (1e6, 2e6))

    assert not is_all and cut.x[0] == 0.0
    assert np.diff(cut.x[1:]).max() < 200


def test_a_log_axis_has_points_in_each_decade() -> None:
    whole = line(wave(1_000_000))

    linear, _ = thinned(whole, 1500)
    log, _ = thinned(whole, 1500, log=True)

    def of_decades(cut: Line) -> list[int]:
        return [int(((cut.x >= 10**k) & (cut.x < 10 ** (k + 1))).sum()) for k in range(6)]

    assert of_decades(linear)[:3] == [0, 0, 1]  # so it would be, half the screen without a point
    assert of_decades(log)[:2] == [9, 90] and min(of_decades(log)[2:]) > 200
    assert log.x[0] == 0.0  # which nobody sees


def test_what_no_log_axis_shows_does_no_harm() -> None:
    for x in (np.arange(-5000.0, 0.0), np.arange(-5000.0, 5000.0)):
        cut, is_all = thinned(line(wave(len(x)), x), 100, log=True)

        assert not is_all and (cut.x[0], cut.x[-1]) == (x[0], x[-1])
    assert ((cut.x > 0) & (cut.x < 100)).sum() > 30

    cut, _ = thinned(line(wave(10_000), np.arange(-5000.0, 5000.0)), 100, (-10.0, 1000.0), log=True)
    assert (np.diff(cut.x) > 0).all() and ((cut.x > 0) & (cut.x < 100)).sum() > 30


def test_a_long_gap_ends_where_it_ended() -> None:
    y = wave(100_000)
    y[20_000:70_000] = np.nan

    cut, _ = thinned(line(y), 1000)

    has = np.isfinite(cut.y)
    edges = cut.x[np.flatnonzero(has[:-1] != has[1:])]
    gap = cut.x[~has]
    assert len(edges) == 2 and gap.size >= 1
    before, after = cut.x[cut.x < gap[0]].max(), cut.x[cut.x > gap[-1]].min()
    assert 20_000 - before <= 200 and after - 69_999 <= 200  # a slice is 200 frames wide


def test_more_gaps_than_the_screen_has_dots_are_still_gaps_and_no_burden() -> None:
    y = wave(100_000)
    y[1::2] = np.nan  # no two frames follow each other: there is no line at all

    cut, _ = thinned(line(y), 200)

    has = np.isfinite(cut.y)
    assert not (has[:-1] & has[1:]).any()
    assert has.sum() >= 150 and len(cut.x) <= 2 * 203


def test_a_line_of_nothing_but_gaps_is_thinned_too() -> None:
    cut, is_all = thinned(line(np.full(5000, np.nan)), 100)

    assert not is_all and len(cut.x) <= 3 and np.isnan(cut.y).all()


def test_a_million_frames_take_no_time() -> None:
    whole = line(wave(1_000_000))
    thinned(whole, 1500)
    began = time.perf_counter()

    thinned(whole, 1500)

    assert time.perf_counter() - began < 0.5  # 10 ms here; a loop of Python takes seconds


@pytest.mark.parametrize("n", [2**16, 2**16 + 1, 200_000])
def test_long_lines_keep_their_extremes_too(n: int) -> None:
    """From some length on tsdownsample does it."""
    rng = np.random.default_rng(n)
    y = rng.normal(size=n)
    where = rng.choice(n, 20, replace=False)
    y[where[:10]], y[where[10:]] = 100.0 + np.arange(10), -100.0 - np.arange(10)
    line = Line("label", ("0",), np.arange(float(n)), y)

    cut, is_all = thinned(line, 1000)

    assert not is_all and len(cut.x) <= 1003
    assert {y.max(), y.min()} <= set(cut.y)
    spikes = [at for at in where if not any(other != at and abs(other - at) < n / 400 for other in where)]
    assert set(spikes) <= set(cut.x)
    with_gap = dataclasses.replace(line, y=np.where(np.arange(n) == n // 2, np.nan, y))
    assert np.isnan(thinned(with_gap, 1000)[0].y).sum() == 1
