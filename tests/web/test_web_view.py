"""What the page shows, as one value, to the address of the page and back."""

from __future__ import annotations

import math
import re
import urllib.parse

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exptools.errors import ViewError
from exptools.viewing.statistics.order import CENTERS
from exptools.viewing.web.view import LINES, SCALES, TABS, View, Zoom, from_query, parse, said, to_query

HOSTILE = st.sampled_from(
    ["<script>alert(1)</script>", "<b>", "&amp;", "a&b=c", "'\"", "a\nb", "*[?", "x" * 5000, "a:b", "1~2",
     ":", "../..", " ", "+", "%41", "#", ";", "\x00", "ä🎲", "loss\\xff", "?", "on"]
)  # fmt: skip
TEXTS = st.one_of(st.text(min_size=1), HOSTILE)
SEVERAL = st.lists(TEXTS, max_size=4, unique=True).map(tuple)
KEYS = SEVERAL
FINITE = st.floats(allow_nan=False, allow_infinity=False)
ENDS = st.one_of(st.none(), st.tuples(FINITE, FINITE).filter(lambda ends: ends[0] < ends[1]))
ZOOMS = st.dictionaries(TEXTS, st.builds(Zoom, ENDS, ENDS), max_size=3)
VIEWS = st.builds(
    View,
    tab=st.sampled_from(TABS),
    tags=st.one_of(st.none(), SEVERAL),
    pins=SEVERAL,
    lines=st.sampled_from(LINES),
    band=st.one_of(st.none(), st.sampled_from(["none", "sd", "ci95", "p10-90", "minmax"])),
    by=st.one_of(st.none(), KEYS),
    split=KEYS,
    x=TEXTS,
    smooth=st.floats(0, 1, exclude_max=True),
    xscale=st.sampled_from(SCALES),
    yscale=st.sampled_from(SCALES),
    outliers=st.booleans(),
    stat=st.sampled_from(["final", "max", "min", "mean", "tail", "auc"]),
    over=KEYS,
    hidden=st.lists(st.one_of(TEXTS, st.just("")), max_size=3, unique=True).map(tuple),
    runs=SEVERAL,
    where=SEVERAL,
    spark=st.one_of(st.just(""), TEXTS),
    zoom=ZOOMS,
    run=st.one_of(st.just(""), TEXTS),
    step=st.one_of(st.just(""), TEXTS),
    sort=st.one_of(st.just(""), TEXTS),
    filter=st.one_of(st.just(""), TEXTS),
)


@given(VIEWS)
def test_every_view_comes_back_from_the_address(view: View) -> None:
    query = to_query(view)

    assert from_query(query) == view
    assert from_query(f"?{query}") == view
    assert query.isascii() and not set(query) & set(" \n<>\"'#")


@given(VIEWS)
def test_every_view_comes_back_from_what_the_browser_holds(view: View) -> None:
    assert parse(said(view)) == view


def test_what_is_as_usual_is_not_said() -> None:
    assert said(View()) == {}
    assert to_query(View()) == ""
    assert from_query("") == from_query("?") == View()
    assert said(View(smooth=0.6, outliers=False)) == {"smooth": "0.6", "outliers": "off"}


def test_nothing_chosen_is_not_the_same_as_nobody_chose() -> None:
    assert parse({"tags": [""], "by": ""}) == View(tags=(), by=())
    assert parse({}) == View(tags=None, by=None)
    assert to_query(View(tags=())) == "tags="


def test_the_series_without_a_label_can_be_hidden() -> None:
    assert parse({"hidden": [""]}) == View(hidden=("",))
    assert from_query("hidden=") == View(hidden=("",))
    assert parse({"hidden": []}) == View()


def test_an_empty_text_is_what_is_usual() -> None:
    usual = ["tab", "lines", "band", "x", "smooth", "xscale", "outliers", "zoom", "where", "runs", "split"]

    assert parse(dict.fromkeys(usual, "")) == View()


def test_of_a_name_that_comes_twice_the_last_counts() -> None:
    assert from_query("lines=median&lines=iqm&tags=a&tags=b&tags=a") == View(lines="iqm", tags=("a", "b"))


def test_a_zoom_is_as_the_browser_writes_numbers() -> None:
    assert parse({"zoom": ["a:1e+21~1e+22:", "b::-0.5~1e-7", "c:d:0~1:2~3"]}) == View(
        zoom={"a": Zoom((1e21, 1e22)), "b": Zoom(None, (-0.5, 1e-7)), "c:d": Zoom((0.0, 1.0), (2.0, 3.0))}
    )


SMOOTH = "give 0 (none) or more, but less than 1"
REFUSED = {
    "tab=nothing": f"tab cannot be 'nothing'; give {', '.join(TABS)}",
    "lines=mode": "lines cannot be 'mode'; give mean, median, iqm, runs",
    "xscale=symlog": "xscale cannot be 'symlog'; give linear, log",
    "yscale=<b>": "yscale cannot be '<b>'; give linear, log",
    "outliers=yes": "outliers cannot be 'yes'; give on, off",
    "smooth=much": f"smooth cannot be 'much'; {SMOOTH}",
    "smooth=1": f"smooth cannot be 1; {SMOOTH}",
    "smooth=-0.1": f"smooth cannot be -0.1; {SMOOTH}",
    "smooth=nan": "smooth cannot be nan; give a number",
    "smooth=inf": "smooth cannot be inf; give a number",
    "zoom=a": "zoom cannot be 'a'; give TAG:FROM~TO:FROM~TO, of x and of y",
    "zoom=:1~2:": "zoom cannot be ':1~2:'; give TAG:FROM~TO:FROM~TO, of x and of y",
    "zoom=a:1:": "zoom cannot be '1'; give FROM~TO, or nothing",
    "zoom=a:1~2~3:": "zoom cannot be '1~2~3'; give FROM~TO, or nothing",
    "zoom=a:2~1:": "zoom cannot be '2~1'; the first must be less than the second",
    "zoom=a::1~1": "zoom cannot be '1~1'; the first must be less than the second",
    "zoom=a::nan~1": "zoom cannot be 'nan~1'; the first must be less than the second",
    "zoom=a::0~inf": "zoom cannot be '0~inf'; the first must be less than the second",
}


@pytest.mark.parametrize("query", REFUSED)
def test_what_is_not_allowed_is_refused(query: str) -> None:
    with pytest.raises(ViewError, match=f"^{re.escape(REFUSED[query])}$"):
        from_query(query)


def test_a_name_that_there_is_not_is_refused_with_those_that_there_are() -> None:
    with pytest.raises(ViewError) as error:
        from_query("tag=loss")

    assert str(error.value) == (
        "the address asks for 'tag'; it may ask for tab, tags, pins, lines, band, by, split, x, smooth, "
        "xscale, yscale, outliers, stat, over, hidden, runs, where, spark, zoom, run, step, sort, filter"
    )


@pytest.mark.parametrize("query", ["band=wide", "stat=best", "lines=median&band=se", "lines=iqm&band=t95"])
def test_what_figures_refuse_is_refused_before_anything_is_drawn(query: str) -> None:
    with pytest.raises(ViewError):
        from_query(query)


@given(st.text(), st.text())
def test_no_address_breaks_anything_but_by_an_error_that_says_so(name: str, value: str) -> None:
    for key in (name, "zoom", "smooth", "by", "band", "stat", "x"):
        query = urllib.parse.urlencode({key: value})
        try:
            found = from_query(query)
        except ViewError as error:
            assert "\n" not in str(error).replace(repr(value), "")
        else:
            assert from_query(to_query(found)) == found


# --- the figure that it asks for ---------------------------------------------------------------------------


@pytest.mark.parametrize("center", CENTERS)
def test_the_figure_of_a_view_has_its_statistics(center: str) -> None:
    view = View(lines=center, band="minmax", by=("lr",), split=("model",), x="relative", smooth=0.5,
                xscale="log", yscale="log")  # fmt: skip

    spec = view.spec(("loss",))

    assert (spec.tags, spec.kind, spec.center, spec.band) == (("loss",), "curves", center, "minmax")
    assert (spec.by, spec.split, spec.x, spec.smooth) == (("lr",), ("tag", "model"), "relative", 0.5)
    assert (spec.xscale, spec.yscale) == ("log", "log")


def test_single_runs_have_no_band() -> None:
    spec = View(lines="runs", band="sd").spec(("loss",))

    assert (spec.center, spec.band) == ("mean", "none")


@pytest.mark.parametrize("kind", ["curves", "bars", "scatter", "parallel"])
def test_each_kind_of_figure_is_asked_only_what_it_has(kind: str) -> None:
    view = View(by=("lr",), over=("lr",), stat="max", x="wall_time", xscale="log", band="ci95", smooth=0.25)

    spec = view.spec(("loss",), kind)

    assert spec.kind == kind and math.isclose(spec.smooth, 0.25)
    assert spec.stat == ("final" if kind == "curves" else "max")
    assert spec.by == (None if kind == "parallel" else ("lr",))
    assert spec.over == (("lr",) if kind in ("scatter", "parallel") else ())
    assert spec.x == ("wall_time" if kind == "curves" else "step")
