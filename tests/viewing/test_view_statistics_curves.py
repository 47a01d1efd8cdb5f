"""Several curves as one: the grid, the centre, the bands, and what is counted."""

from __future__ import annotations

import itertools
import math
import statistics
import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from exptools.errors import ViewError
from exptools.viewing.statistics import bands, order
from exptools.viewing.statistics.curves import Aggregate, aggregate, ordered

NAN, INF = math.nan, math.inf
Frames = list[tuple[float, float]]
Curve = tuple[NDArray[np.float64], NDArray[np.float64]]


def curve(*frames: tuple[float, float]) -> Curve:
    return np.array([x for x, _ in frames], float), np.array([y for _, y in frames], float)


def flat(*values: float) -> list[Curve]:
    """Curves of one frame each, at x = 0."""
    return [curve((0, value)) for value in values]


def same(found: NDArray[np.float64], expected: Sequence[float]) -> bool:
    return np.array_equal(found, np.array(expected), equal_nan=True)


def ends(got: Aggregate) -> list[float]:
    return [got.low.item(), got.high.item()]


# --- one curve -------------------------------------------------------------------------------------------


def test_frames_are_ordered_the_last_at_an_x_counts_and_what_is_lost_is_counted() -> None:
    got = ordered(*curve((2, 1.0), (0, NAN), (NAN, 7.0), (2, 5.0), (INF, 8.0), (1, INF), (2, 3.0)))

    assert same(got.x, [0, 1, 2]) and same(got.y, [NAN, INF, 3.0])
    assert (got.left_out, got.replaced) == (2, 2)


def test_steps_may_be_integers() -> None:
    got = ordered(np.array([3, 1]), np.array([1, 2]))

    assert got.x.dtype == got.y.dtype == np.float64
    assert got.x.tolist() == [1.0, 3.0] and got.y.tolist() == [2.0, 1.0]


def test_x_and_y_belong_together() -> None:
    with pytest.raises(ViewError) as error:
        ordered(np.zeros(3), np.zeros(2))

    assert str(error.value) == "x and y must be of one length, not of shapes (3,) and (2,)"


# --- the grid --------------------------------------------------------------------------------------------


def test_a_run_counts_inside_its_range_alone() -> None:
    got = aggregate([curve((0, 0.0), (4, 4.0)), curve((2, 4.0), (3, 0.0)), curve((9, 1.0)), curve()])

    assert got.x.tolist() == [0, 2, 3, 4, 9]
    assert got.center.tolist() == [0.0, 3.0, 1.5, 4.0, 1.0]
    assert got.n.tolist() == [1, 2, 2, 1, 1]
    sd = statistics.stdev
    half = [NAN, sd([2, 4]), sd([3, 0]), NAN, NAN]
    assert got.high - got.center == pytest.approx(half, nan_ok=True)
    assert got.center - got.low == pytest.approx(half, nan_ok=True)


def test_a_grid_of_points_has_gaps_where_no_run_is() -> None:
    got = aggregate([curve((0, 0.0), (2, 4.0)), curve((6, 1.0), (8, 2.0))], points=5, band="minmax")

    assert got.x.tolist() == [0, 2, 4, 6, 8]
    assert same(got.center, [0, 4, NAN, 1, 2]) and same(got.low, [0, 4, NAN, 1, 2])
    assert got.n.tolist() == [1, 1, 0, 1, 1]


def test_too_few_runs_leave_a_gap() -> None:
    curves = [curve((0, 0.0), (2, 2.0)), curve((1, 3.0), (2, 4.0))]

    got = aggregate(curves, min_runs=2, band="minmax")

    assert got.n.tolist() == [1, 2, 2]
    assert same(got.center, [NAN, 2, 3]) and same(got.low, [NAN, 1, 2]) and same(got.high, [NAN, 3, 4])


def test_a_single_frame_is_a_curve_and_a_point() -> None:
    got = aggregate(flat(3.0), points=7, band="p25-75")

    assert (got.x.tolist(), got.center.tolist(), ends(got)) == ([0.0], [3.0], [3.0, 3.0])


@pytest.mark.parametrize("curves", [[], [curve()], [curve((NAN, 1.0))]])
@pytest.mark.parametrize("points", [None, 10])
def test_nothing_has_no_points(curves: list[Curve], points: int | None) -> None:
    got = aggregate(curves, points=points)

    assert [a.tolist() for a in (got.x, got.center, got.low, got.high, got.n, got.n_nan)] == [[]] * 6
    assert got.n.dtype == got.n_nan.dtype == np.int64


def test_what_is_lost_of_all_curves_is_counted() -> None:
    got = aggregate([curve((NAN, 1.0), (0, 2.0), (0, 3.0)), curve((0, 1.0), (INF, 1.0))])

    assert (got.center.tolist(), got.left_out, got.replaced) == ([2.0], 2, 1)


# --- nan and inf -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("center", order.CENTERS)
@pytest.mark.parametrize("band", ["sd", "ci95", "p25-75", "minmax"])
def test_nan_stays_nan_and_is_counted(center: str, band: str) -> None:
    with_nan = curve((0, 1.0), (1, NAN), (3, 3.0))
    whole = [curve((0, float(k)), (1, 1.0), (2, 1.0), (3, 2.0)) for k in range(9)]

    got = aggregate([with_nan, *whole], center=center, band=band)

    assert got.n.tolist() == [10, 10, 10, 10]
    assert got.n_nan.tolist() == [0, 1, 1, 0]
    for values in (got.center, got.low, got.high):
        assert np.isnan(values).tolist() == [False, True, True, False]


def test_infinity_stays() -> None:
    got = aggregate([curve((0, INF), (1, 1.0), (2, -INF), (3, INF), (4, INF)), curve((0, 0.0), (4, 0.0))])

    assert same(got.center, [INF, 0.5, -INF, INF, INF])
    assert got.n_nan.tolist() == [0] * 5
    between = aggregate([curve((0, INF), (2, 1.0), (4, INF), (6, INF), (8, -INF))], points=9, band="none")
    assert same(between.center, [INF, INF, 1, INF, INF, INF, INF, NAN, -INF])
    assert between.n_nan.tolist() == [0, 0, 0, 0, 0, 0, 0, 1, 0]


def test_infinity_less_infinity_is_nan() -> None:
    assert same(aggregate(flat(INF, -INF)).center, [NAN])


def test_bands_of_infinite_values() -> None:
    values = flat(-INF, 0.0, 1.0, INF, INF)

    assert ends(aggregate(values, center="median", band="minmax")) == [-INF, INF]
    assert ends(aggregate(values, center="median", band="p25-75")) == [0.0, INF]
    assert ends(aggregate(values, center="median", band="p10-90")) == [-INF, INF]
    assert ends(aggregate(values, center="median", band="ci80")) == [0.0, INF]
    assert ends(aggregate(flat(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, INF), band="ci60")) == [0.0, INF]
    assert same(np.array(ends(aggregate(values, band="ci95"))), [NAN, NAN])


# --- bands -----------------------------------------------------------------------------------------------

VALUES = [1.0, 2.0, 4.0, 8.0, 16.0, 0.0, 3.0, 5.0]  # mean 4.875
SD = (sum((value - 4.875) ** 2 for value in VALUES) / 7) ** 0.5
T95 = 2.3646242515927849  # at 7 degrees of freedom


@pytest.mark.parametrize(
    ("center", "value"),
    [("mean", 4.875), ("median", 3.5), ("iqm", 3.5)],  # iqm: of 2, 3, 4, 5
)
def test_centers(center: str, value: float) -> None:
    assert aggregate(flat(*VALUES), center=center).center.tolist() == [value]


def test_an_iqm_cuts_whole_runs() -> None:
    cut = [aggregate(flat(*range(n - 1), 100), center="iqm").center.item() for n in (3, 4, 5, 7, 8)]

    assert cut == [(0 + 1 + 100) / 3, 1.5, 2.0, 3.0, 3.5]


@pytest.mark.parametrize(
    ("band", "low", "high"),
    [
        ("sd", 4.875 - SD, 4.875 + SD),
        ("se", 4.875 - SD / 8**0.5, 4.875 + SD / 8**0.5),
        ("t95", 4.875 - T95 * SD / 8**0.5, 4.875 + T95 * SD / 8**0.5),
        ("p25-75", 1.75, 5.75),
        ("p10-90", 0.7, 10.4),
        ("minmax", 0.0, 16.0),
        ("none", NAN, NAN),
    ],
)
def test_bands(band: str, low: float, high: float) -> None:
    got = aggregate(flat(*VALUES), band=band)

    assert ends(got) == pytest.approx([low, high], rel=1e-12, nan_ok=True)


@pytest.mark.parametrize("band", ["sd", "se", "t95", "ci95"])
def test_the_spread_of_one_run_is_unknown(band: str) -> None:
    assert same(np.array(ends(aggregate(flat(1.0), band=band))), [NAN, NAN])


def test_equal_values_have_a_band_of_no_width() -> None:
    for band, n in itertools.product(("ci95", "p25-75", "minmax", "sd", "t95"), range(2, 12)):
        assert ends(aggregate(flat(*[0.1] * n), band=band)) == [0.1, 0.1], (band, n)


@pytest.mark.parametrize("center", order.CENTERS)
def test_a_bootstrap_interval_is_that_of_all_resamples(center: str) -> None:
    values = [0.0, 1.0, 5.0, 7.0, 20.0]

    got = aggregate(flat(*values), center=center, band="ci90", repetitions=20_000)

    every = sorted(middle(resample, center) for resample in itertools.product(values, repeat=5))
    # The rank of a quantile p of B repetitions varies by B * sqrt(p (1 - p) / B); five times that at most.
    slack = 5 * math.sqrt(0.05 * 0.95 / 20_000)
    for found, p in ((got.low, 0.05), (got.high, 0.95)):
        assert quantile(every, p - slack) <= found.item() <= quantile(every, p + slack)


def test_a_bootstrap_is_reproducible_and_has_its_own_generator() -> None:
    curves = [curve(*((x, float(np.sin(x * k))) for x in range(50))) for k in range(1, 6)]
    np.random.seed(0)

    one, two = (aggregate(curves, band="ci95", seed=7) for _ in range(2))
    other = aggregate(curves, band="ci95", seed=8)

    assert one.low.tolist() == two.low.tolist() and one.high.tolist() == two.high.tolist()
    assert one.low.tolist() != other.low.tolist()
    assert np.random.random() == np.random.RandomState(0).random()


def test_work_in_pieces_changes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    generator = np.random.default_rng(1)
    curves = [
        (np.arange(float(first), float(first + 60)), generator.normal(size=60)) for first in (0, 5, 5, 30, 80)
    ]
    whole = aggregate(curves, band="ci95", center="iqm", repetitions=50)
    monkeypatch.setattr(order, "BUDGET", 7 * 50)

    pieces = aggregate(curves, band="ci95", center="iqm", repetitions=50)

    assert len(whole.x) == 140 and pieces.n.tolist() == whole.n.tolist()
    for part, all_at_once in zip(
        (pieces.center, pieces.low, pieces.high), (whole.center, whole.low, whole.high), strict=True
    ):
        assert part == pytest.approx(all_at_once, rel=1e-12, abs=1e-12, nan_ok=True)


def test_a_bootstrap_of_many_points_needs_little_memory() -> None:
    x = np.arange(5000.0)
    tracemalloc.start()

    aggregate([(x, np.sin(x + k)) for k in range(3)], band="ci95")  # all centres at once would be 80 MB

    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 40e6


# --- by definition, slowly -------------------------------------------------------------------------------


def middle(values: Sequence[float], center: str) -> float:
    if center == "mean":
        return math.fsum(values) / len(values)
    if center == "median":
        return statistics.median(values)
    cut = int(0.25 * len(values))
    kept = sorted(values)[cut : len(values) - cut]
    return math.fsum(kept) / len(kept)


def quantile(values: Sequence[float], p: float) -> float:
    at = p * (len(values) - 1)
    low, high = sorted(values)[math.floor(at)], sorted(values)[math.ceil(at)]
    return low + (high - low) * (at - math.floor(at))


def interval(values: Sequence[float], center: str, text: str) -> tuple[float, float]:
    band = bands.parse(text)
    n, at = len(values), middle(values, center)
    if band.kind == "minmax":
        return min(values), max(values)
    if band.kind == "percentiles":
        return quantile(values, band.low), quantile(values, band.high)
    if n == 1 or band.kind == "none":
        return NAN, NAN
    if band.kind == "ci":
        drawn = np.random.default_rng(3).integers(n, size=(40, n)).tolist()
        centers = [middle([sorted(values)[rank] for rank in row], center) for row in drawn]
        return quantile(centers, band.low), quantile(centers, band.high)
    half = statistics.stdev(values) / (math.sqrt(n) if band.kind == "se" else 1)
    return at - half, at + half


def at(frames: Frames, x: float) -> float | None:
    """The curve at x; None outside of its range."""
    last = sorted({a: b for a, b in frames if math.isfinite(a)}.items())
    for a, b in last:
        if a == x:
            return b
    for (a, b), (c, d) in itertools.pairwise(last):
        if a < x < c:
            return b + (d - b) * (x - a) / (c - a)
    return None


X = st.integers(0, 12).map(lambda k: k / 4) | st.sampled_from([NAN, INF])
Y = st.integers(-40, 40).map(lambda k: k / 8) | st.just(NAN)
CURVES = st.lists(st.lists(st.tuples(X, Y), max_size=6), max_size=5)
POINTS = st.sampled_from([None, 2, 5])
BANDS = st.sampled_from(["none", "sd", "se", "ci80", "p20-70", "minmax"])


@given(
    CURVES, st.sampled_from(sorted(order.CENTERS)), BANDS, st.sampled_from([None, 2, 5]), st.integers(1, 3)
)
def test_an_aggregate_is_what_it_is_by_definition(
    curves: list[Frames], center: str, band: str, points: int | None, min_runs: int
) -> None:
    if band == "se":
        center = "mean"

    got = aggregate(
        [curve(*frames) for frames in curves],
        center=center,
        band=band,
        points=points,
        min_runs=min_runs,
        seed=3,
        repetitions=40,
    )

    grid = sorted({x for frames in curves for x, _ in frames if math.isfinite(x)})
    if points is not None and grid:
        steps = [grid[0] + (grid[-1] - grid[0]) * k / (points - 1) for k in range(points)]
        grid = sorted(set(steps))
    assert got.x.tolist() == grid
    expected = [by_definition(curves, x, center, band, min_runs) for x in grid]
    found = [*zip(got.n, got.n_nan, got.center, got.low, got.high, strict=True)]
    assert np.array(found) == pytest.approx(np.array(expected), rel=1e-9, abs=1e-9, nan_ok=True)
    counted = [x for frames in curves for x, _ in frames if math.isfinite(x)]
    different = sum(len({x for x, _ in frames if math.isfinite(x)}) for frames in curves)
    assert got.left_out == sum(len(frames) for frames in curves) - len(counted)
    assert got.replaced == len(counted) - different


def by_definition(
    curves: list[Frames], x: float, center: str, band: str, min_runs: int
) -> tuple[float, float, float, float, float]:
    values = [value for value in (at(frames, x) for frames in curves) if value is not None]
    missing = sum(map(math.isnan, values))
    if missing or len(values) < min_runs or not values:
        return len(values), missing, NAN, NAN, NAN
    return len(values), 0, middle(values, center), *interval(values, center, band)


# --- what is refused -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"center": "mode"}, "there is no center 'mode'; give one of mean, median, iqm"),
        ({"points": 1}, "points of 1 is too few; give 2 or more"),
        ({"min_runs": 0}, "min_runs of 0 is too few; give 1 or more"),
        ({"repetitions": 0}, "repetitions of 0 is too few; give 1 or more"),
        (
            {"center": "median", "band": "se"},
            "band 'se' says how well the mean is known, not the median; give ci95 (bootstrap) or "
            "percentiles such as p25-75, or take the mean",
        ),
        (
            {"center": "iqm", "band": "t95"},
            "band 't95' says how well the mean is known, not the IQM; give ci95 (bootstrap) or "
            "percentiles such as p25-75, or take the mean",
        ),
    ],
)
def test_what_is_not_allowed_is_refused_before_anything_is_read(
    arguments: dict[str, object], said: str
) -> None:
    with pytest.raises(ViewError) as error:
        aggregate([], **arguments)  # type: ignore[arg-type]

    assert str(error.value) == said


def test_a_wrong_band_is_refused() -> None:
    with pytest.raises(ViewError, match="there is no band 'iqr'"):
        aggregate(flat(1.0), band="iqr")
