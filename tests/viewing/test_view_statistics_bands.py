"""How bands are called, and the quantiles of Student's t that some of them need."""

from __future__ import annotations

import math

import pytest

from exptools.errors import ViewError
from exptools.viewing.statistics import bands
from exptools.viewing.statistics.student import t_quantile


@pytest.mark.parametrize(
    ("text", "kind", "low", "high", "words"),
    [
        ("none", "none", 0, 1, ""),
        ("sd", "sd", 0, 1, "1 sd"),
        ("se", "se", 0, 1, "1 standard error"),
        ("minmax", "minmax", 0, 1, "minimum to maximum"),
        ("t99", "t", 0.005, 0.995, "99 % t interval"),
        ("ci95", "ci", 0.025, 0.975, "95 % bootstrap CI"),
        ("bootstrap90", "ci", 0.05, 0.95, "90 % bootstrap CI"),
        ("ci99.9", "ci", 0.0005, 0.9995, "99.9 % bootstrap CI"),
        ("p25-75", "percentiles", 0.25, 0.75, "25th to 75th percentile"),
        ("p0-100", "percentiles", 0, 1, "0th to 100th percentile"),
        ("p1-92", "percentiles", 0.01, 0.92, "1st to 92nd percentile"),
        ("p11-13", "percentiles", 0.11, 0.13, "11th to 13th percentile"),
        ("p3-21", "percentiles", 0.03, 0.21, "3rd to 21st percentile"),
        ("p2.5-97.5", "percentiles", 0.025, 0.975, "2.5th to 97.5th percentile"),
    ],
)
def test_a_band_is_called_by_a_short_text(text: str, kind: str, low: float, high: float, words: str) -> None:
    band = bands.parse(text)

    assert (band.kind, band.words) == (kind, words)
    assert (band.low, band.high) == pytest.approx((low, high), rel=1e-14)


ALLOWED = (
    "give none, sd, se, minmax, ci95 (bootstrap) or t95 at any level between 0 and 100, or percentiles such "
    "as p25-75"
)


@pytest.mark.parametrize(
    "text", ["", "SD", "ci", "ci-5", "ci95%", "t1e1", "p25", "p25-", "p-5-10", "95", "ci\u0669"]
)
def test_another_text_is_no_band(text: str) -> None:
    with pytest.raises(ViewError) as error:
        bands.parse(text)

    assert str(error.value) == f"there is no band {text!r}; {ALLOWED}"


@pytest.mark.parametrize("text", ["ci0", "t100", "bootstrap250"])
def test_a_level_is_between_0_and_100(text: str) -> None:
    with pytest.raises(ViewError) as error:
        bands.parse(text)

    percent = text.lstrip("cibotsrap")
    assert str(error.value) == f"a band cannot be of {percent} %, as {text!r} says; {ALLOWED}"


@pytest.mark.parametrize("text", ["p75-25", "p50-50", "p5-101"])
def test_percentiles_go_upwards_to_100(text: str) -> None:
    with pytest.raises(ViewError) as error:
        bands.parse(text)

    assert str(error.value) == (
        f"percentiles go from the lower to the higher, at most 100, not {text!r}; {ALLOWED}"
    )


SCIPY = """ scipy 1.17.1: scipy.stats.t.ppf((1 + level) / 2, degrees)
degrees  0.5                 0.95                0.999
3        0.7648923284043444  3.1824463052837078  12.923978636687961
5        0.7266868438004226  2.5705818356363146  6.868826625881276
9        0.7027221467513264  2.262157162798205   4.780912585931217
19       0.6876214602039602  2.0930240544083087  3.883405852592131
29       0.6830438608216131  2.045229642132703   3.6594050194663748
100      0.6769510430114717  1.9839715185235518  3.390491311164263
1000     0.6747351646070093  1.9623390808264083  3.300282648423944
"""


@pytest.mark.parametrize("row", SCIPY.splitlines()[2:])
def test_t_quantiles_are_those_of_tables(row: str) -> None:
    degrees, *expected = map(float, row.split())

    found = [t_quantile(level, int(degrees)) for level in (0.5, 0.95, 0.999)]

    assert found == pytest.approx(expected, rel=1e-11)


@pytest.mark.parametrize("level", [1e-6, 0.01, 0.3, 0.5, 0.9, 0.95, 0.99, 0.9999])
def test_t_quantiles_are_those_that_have_a_closed_form(level: float) -> None:
    tails = (1 - level) * (1 + level)
    root = math.sqrt(tails)
    four = 4 * math.cos(math.acos(root) / 3) / root - 4

    assert t_quantile(level, 1) == pytest.approx(math.tan(math.pi * level / 2), rel=1e-10)
    assert t_quantile(level, 2) == pytest.approx(level * math.sqrt(2 / tails), rel=1e-10)
    assert t_quantile(level, 4) == pytest.approx(math.sqrt(four), rel=1e-10 if level > 0.1 else 1e-3)
