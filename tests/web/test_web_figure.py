"""A card as plotly draws it: the numbers that the browser decodes are those of the lines."""

from __future__ import annotations

import datetime
import json
import math
from typing import Any

import numpy as np
import pytest
from decoded import Floats, fronts, numbers, pieces
from hypothesis import given
from hypothesis import strategies as st

from exptools.viewing.web import figure
from exptools.viewing.web.figure import Drawn
from exptools.viewing.web.lines import Card, Line, Panel
from exptools.viewing.web.view import View, Zoom

NAN = math.nan


def line(label: str, y: list[float] | Floats, *runs: str, x: Floats | None = None, **more: Any) -> Line:
    y = np.asarray(y, float)
    arrays = {name: np.asarray(column, float) for name, column in more.items()}
    return Line(label, runs or ("0",), np.arange(len(y), dtype=float) if x is None else x, y, **arrays)


def card(*lines: Line, tag: str = "loss") -> Card:
    return Card(tag, (Panel("", lines),), sum(len(one.x) for one in lines))


def drawn(found: Card, view: View | None = None, *, dark: bool = False) -> Drawn:
    labels = dict.fromkeys(one.label for panel in found.panels for one in panel.lines)
    return figure.figure(found, view or View(), list(labels), dark=dark)


def same(one: Floats, other: Any) -> bool:
    return np.array_equal(one, np.asarray(other, float), equal_nan=True)


@given(st.lists(st.floats(), max_size=50))
def test_numbers_come_back_bit_by_bit(values: list[float]) -> None:
    assert numbers(figure.packed(np.array(values))).tobytes() == np.array(values, "<f8").tobytes()


def test_big_endian_and_sliced_columns_are_packed_too() -> None:
    assert numbers(figure.packed(np.arange(10.0, dtype=">f8")[::3])).tolist() == [0, 3, 6, 9]
    assert numbers(figure.packed(np.arange(3))).tolist() == [0, 1, 2]


def test_a_figure_is_json_that_browsers_take() -> None:
    found = card(line("a", [1, NAN, math.inf], low=[NAN] * 3, high=[NAN] * 3), line("b", []))

    json.dumps(drawn(found, View(smooth=0.5, yscale="log")).figure, allow_nan=False)


# --- lines -------------------------------------------------------------------------------------------------


def test_each_series_is_a_trace_of_its_lines_with_gaps_between() -> None:
    found = card(
        line("a", [1, 2, 3], "0"), line("b", [4, 5], "1"), line("a", [6, NAN, 8, 9], "2"), line("a", [], "3")
    )

    made = drawn(found, View(lines="runs"))

    first, second = fronts(made.figure)
    assert [(x.tolist(), len(y)) for x, y in pieces(first)] == [([0, 1, 2], 3), ([0, 1, 2, 3], 4), ([], 0)]
    assert same(pieces(first)[1][1], [6, NAN, 8, 9])
    assert [y.tolist() for _, y in pieces(second)] == [[4, 5]]
    assert first["meta"]["runs"] == ["0", "2", "3"] and second["meta"]["runs"] == ["1"]
    assert (first["meta"]["label"], first["name"], first["mode"]) == ("a", "a", "lines+markers")
    assert (made.whole, made.points) == (True, 9)


def test_a_series_has_one_colour_on_the_page_whatever_is_hidden() -> None:
    found = card(*(line(label, [1, 2], label) for label in "abc"))

    every, fewer = drawn(found), drawn(found, View(hidden=("a",)))

    colours = {trace["name"]: trace["line"]["color"] for trace in fronts(every.figure)}
    assert len(set(colours.values())) == 3
    assert {t["name"]: t["line"]["color"] for t in fronts(fewer.figure)} == {k: colours[k] for k in "bc"}
    assert {k: look["color"] for k, look in figure.swatches(list("abc")).items()} == colours


def test_the_series_without_a_label_can_be_hidden() -> None:
    assert fronts(drawn(card(line("", [1, 2])), View(hidden=("",))).figure) == []


def test_a_series_that_is_newer_than_the_legend_is_drawn() -> None:
    made = figure.figure(card(line("old", [1]), line("new", [2])), View(), ["old"], dark=False)

    assert [trace["name"] for trace in fronts(made.figure)] == ["old", "new"]


@pytest.mark.parametrize("n", [7, 8, 28, 29, 200])
def test_many_series_are_told_apart_by_colour_and_dash(n: int) -> None:
    looks = figure.swatches([str(i) for i in range(n)])

    assert len({(look["color"], look["dash"]) for look in looks.values()}) >= min(n, 200) * 0.99
    assert {look["dash"] for look in looks.values()} <= {"solid", "dash", "dashdot", "longdash"}


def test_black_is_white_in_the_dark() -> None:
    light, dark = (figure.swatches(list("abcdefg"), dark=dark) for dark in (False, True))

    assert [look["color"] for look in light.values()].count("#000000") == 1
    assert "#000000" not in [look["color"] for look in dark.values()]


def test_before_smoothing_is_faint_and_behind() -> None:
    found = card(line("a", [1, 2], raw=[0, 3]), line("b", [5, 6], raw=[7, 8]))

    data = drawn(found, View(smooth=0.5)).figure["data"]

    assert [
        same(numbers(trace["y"]), y) for trace, y in zip(data, ([0, 3], [7, 8], [1, 2], [5, 6]), strict=True)
    ] == ([True] * 4)
    assert [trace.get("opacity") for trace in data] == [0.25, 0.25, None, None]
    assert data[0]["line"]["color"] == data[2]["line"]["color"]


def test_a_band_is_an_outline_round_each_part_without_a_gap() -> None:
    found = card(line("a", [1, 2, 3, 4, 5], low=[0, 1, NAN, 3, 4], high=[2, 3, NAN, 5, 6]))

    band, _ = drawn(found).figure["data"]

    assert same(numbers(band["x"]), [0, 1, 1, 0, NAN, 3, 4, 4, 3])
    assert same(numbers(band["y"]), [2, 3, 1, 0, NAN, 5, 6, 4, 3])
    assert (band["fill"], band["line"]["width"]) == ("toself", 0)
    assert band["fillcolor"].endswith(",0.2)")


def test_a_band_that_reaches_to_nothing_ends_on_a_log_axis_at_the_least_that_is_drawn() -> None:
    found = card(line("a", [1, 2, 3, 4], low=[0.5, -1, 0, NAN], high=[2, 3, 0.2, NAN]), line("b", [0.25, -5]))

    linear, _, _ = drawn(found).figure["data"]
    log, _, _ = drawn(found, View(yscale="log")).figure["data"]

    assert same(numbers(linear["y"]), [2, 3, 0.2, 0, -1, 0.5])
    assert same(numbers(log["x"]), [0, 1, 1, 0])  # where all of it is below, nothing
    assert same(numbers(log["y"]), [2, 3, 0.25, 0.5])


def test_where_fewer_runs_count_the_line_is_dotted() -> None:
    found = card(line("a", [0, 1, 2, 3, 4], "0", "1", n=[2, 2, 2, 1, 1]))

    whole, few = drawn(found).figure["data"]

    assert same(numbers(whole["y"]), [0, 1, 2, NAN, NAN]) and whole["line"]["dash"] == "solid"
    assert same(numbers(few["y"]), [NAN, NAN, 2, 3, 4]) and few["line"]["dash"] == "dot"


def test_points_that_no_line_reaches_are_dots() -> None:
    long = np.arange(100.0)
    lonely = np.where(np.isin(long, [0, 50, 51, 98]), NAN, long)  # 99 is alone
    found = card(line("a", lonely, "0"), line("a", [7], "1"), line("b", long, "2"))

    data = drawn(found, View(lines="runs")).figure["data"]

    (dots,) = [trace for trace in data if trace["mode"] == "markers"]
    assert same(numbers(dots["x"]), [99, NAN, 0]) and same(numbers(dots["y"]), [99, NAN, 7])
    assert [trace["mode"] for trace in fronts({"data": data})] == ["lines", "lines"]


# --- what of long lines is drawn ---------------------------------------------------------------------------


def test_of_long_lines_the_extremes_are_drawn_and_a_zoom_has_every_frame() -> None:
    y = np.random.default_rng(0).standard_normal(200_000)
    y[123_456] = 99
    found = card(line("a", y))

    far = drawn(found)
    near = drawn(found, View(zoom={"loss": Zoom((123_000, 124_000))}))

    assert not far.whole and far.points == len(numbers(fronts(far.figure)[0]["x"])) <= 3003
    assert 99 in numbers(fronts(far.figure)[0]["y"]) and y.min() in numbers(fronts(far.figure)[0]["y"])
    assert near.whole and near.points == 1003
    assert same(numbers(fronts(near.figure)[0]["x"]), np.arange(122_999, 124_002))
    assert same(numbers(fronts(near.figure)[0]["y"]), y[122_999:124_002])


def test_the_more_lines_the_fewer_points_each() -> None:
    y = np.zeros(5000)
    y[::2] = 1
    found = card(*(line("a", y, str(i)) for i in range(400)))

    made = drawn(found, View(lines="runs"))

    assert not made.whole and 100_000 < made.points <= figure.POINTS + 3 * 400
    assert len(pieces(fronts(made.figure)[0])) == 400


def test_bands_and_smoothed_lines_share_the_points_of_a_card() -> None:
    y = np.random.default_rng(0).standard_normal((4, 5000))
    some = {"raw": y[1], "low": y[2], "high": y[3]}

    plain = drawn(card(*(line("a", y[0], str(i)) for i in range(200))))
    rich = drawn(card(*(line("a", y[0], str(i), **some) for i in range(200))))

    def numbers_of(made: Drawn) -> int:
        return sum(len(numbers(trace["y"])) for trace in made.figure["data"])

    assert numbers_of(rich) < 5 * numbers_of(plain) and not rich.whole


def test_a_log_x_axis_has_points_where_it_shows_them() -> None:
    found = card(line("a", np.random.default_rng(0).standard_normal(200_000)))

    x = numbers(fronts(drawn(found, View(xscale="log")).figure)[0]["x"])

    assert ((x > 0) & (x < 1000)).sum() > 300


# --- axes --------------------------------------------------------------------------------------------------


def axes(found: Card, **fields: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    layout = drawn(found, View(**fields)).figure["layout"]
    return layout["xaxis"], layout["yaxis"]


def test_axes_go_where_the_zoom_says() -> None:
    found = card(line("a", [1, 2, 3]))

    x, y = axes(found)
    assert "range" not in x and "range" not in y and (x["type"], y["type"]) == ("linear", "linear")

    x, y = axes(found, zoom={"loss": Zoom((0.5, 1.5), (-1, 2.5)), "other": Zoom((7, 8))})
    assert (x["range"], x["autorange"], y["range"], y["autorange"]) == ([0.5, 1.5], False, [-1, 2.5], False)

    x, y = axes(found, zoom={"loss": Zoom((1, 100), None)}, xscale="log", yscale="log")
    assert (x["type"], x["range"], x["autorange"]) == ("log", [0, 2], False)
    assert y["type"] == "log" and "range" not in y


def test_a_zoom_below_zero_is_on_a_log_axis_as_far_as_that_goes() -> None:
    found = card(line("a", [1, 2, 3]))

    x, y = axes(found, zoom={"loss": Zoom((-5, 1000), (-5, -1))}, xscale="log", yscale="log")

    assert (x["range"], x["autorange"]) == ([None, 3], "min")
    assert "range" not in y and "autorange" not in y


def test_dates_are_in_milliseconds_and_never_on_a_log_axis() -> None:
    began = datetime.datetime(2026, 3, 1, 12, tzinfo=datetime.timezone.utc).timestamp()
    found = card(line("a", [1, 2, 3], x=began + np.arange(3.0)))
    zoom = {"loss": Zoom((began, began + 1))}

    for xscale in ("linear", "log"):
        made = drawn(found, View(x="wall_time", xscale=xscale, zoom=zoom)).figure
        x = made["layout"]["xaxis"]
        assert (x["type"], x["title"]["text"]) == ("date", "wall time (UTC)")
        assert x["range"] == pytest.approx([began * 1000, began * 1000 + 1000], rel=1e-12)
        assert made["layout"]["meta"] == {"unit": 1e-3, "is_date": True}
        assert numbers(fronts(made)[0]["x"]) == pytest.approx((began + np.arange(3)) * 1000, rel=1e-12)


@pytest.mark.parametrize(
    ("longest", "unit", "name"),
    [(100, 1, "time (s)"), (7200, 60, "time (min)"), (20_000, 3600, "time (h)"), (1e6, 86400, "time (d)")],
)
def test_time_is_in_the_unit_that_suits(longest: float, unit: float, name: str) -> None:
    found = card(line("a", [1, 2, 3], x=np.array([0, longest / 2, longest])))

    made = drawn(found, View(x="relative", zoom={"loss": Zoom((0.0, longest))})).figure

    x = made["layout"]["xaxis"]
    assert (x["title"]["text"], made["layout"]["meta"]["unit"]) == (name, unit)
    assert numbers(fronts(made)[0]["x"]).tolist() == [0, longest / 2 / unit, longest / unit]
    assert x["range"] == [0, longest / unit]  # and the browser multiplies by the unit


def test_without_outliers_y_shows_what_most_frames_are_like() -> None:
    """Of a long run nearly every extreme is drawn: how many frames are like that is another matter."""
    y = np.random.default_rng(0).standard_normal(100_000)
    y[::150] = 1e6  # 0.7 % of the frames
    found = card(line("a", y))

    _, every = axes(found)
    _, most = axes(found, outliers=False)

    assert "range" not in every
    low, high = np.percentile(y, (1, 99))
    room = 0.05 * (high - low)
    assert most["range"] == pytest.approx([low - room, high + room]) and most["range"][1] < 3
    assert 1e6 in numbers(fronts(drawn(found, View(outliers=False)).figure)[0]["y"])  # still there to zoom to


def test_without_outliers_only_what_x_shows_counts() -> None:
    y = np.concatenate([np.full(500, 100.0), np.linspace(0, 1, 500)])

    _, shown = axes(card(line("a", y)), outliers=False, zoom={"loss": Zoom((510, 990))})

    assert -0.1 < shown["range"][0] < shown["range"][1] < 1.1


def test_without_outliers_all_panels_have_the_same_y() -> None:
    panels = (Panel("a", (line("a", [0, 1]),)), Panel("b", (line("a", [10, 11]),)))

    layout = drawn(Card("loss", panels, 4), View(outliers=False)).figure["layout"]

    assert layout["yaxis"]["range"] == layout["yaxis2"]["range"]
    assert layout["yaxis"]["range"][0] < 0.1 and layout["yaxis"]["range"][1] > 10.9


def test_without_outliers_a_constant_is_in_the_middle() -> None:
    y = np.full(1000, 5.0)
    y[7] = 1e9

    _, linear = axes(card(line("a", y)), outliers=False)
    _, zero = axes(card(line("a", [0.0] * 9)), outliers=False)
    _, log = axes(card(line("a", y)), outliers=False, yscale="log")

    assert linear["range"] == pytest.approx([4.75, 5.25])
    assert zero["range"] == [-0.05, 0.05]
    assert log["range"] == pytest.approx([math.log10(5 / 1.05), math.log10(5 * 1.05)])


def test_without_outliers_a_log_axis_looks_at_what_it_can_show() -> None:
    y = np.concatenate([[-1e9, 0.0], np.geomspace(1, 1000, 998)])

    _, shown = axes(card(line("a", y)), outliers=False, yscale="log")
    _, nothing = axes(card(line("a", [-1.0, NAN])), outliers=False, yscale="log")

    assert -0.2 < shown["range"][0] < 0.1 and 2.9 < shown["range"][1] < 3.2
    assert "range" not in nothing


def test_a_zoom_of_y_counts_for_more_than_outliers() -> None:
    _, y = axes(card(line("a", [1, 2, 3])), outliers=False, zoom={"loss": Zoom(None, (0, 9))})

    assert y["range"] == [0, 9]


@pytest.mark.parametrize("n", [1, 2, 3, 4, 7])
def test_panels_lie_beside_and_below_each_other_and_are_zoomed_together(n: int) -> None:
    panels = tuple(Panel(f"seed: {i}", (line("a", [i, i + 1]),)) for i in range(n))

    made = drawn(Card("loss", panels, 2 * n)).figure

    layout = made["layout"]
    boxes = []
    for i in range(n):
        number = "" if i == 0 else str(i + 1)
        x, y = layout[f"xaxis{number}"], layout[f"yaxis{number}"]
        boxes.append((*x["domain"], *y["domain"]))
        assert (x["anchor"], y["anchor"]) == (f"y{number}", f"x{number}")
        assert (x.get("matches"), y.get("matches")) == (("x", "y") if i else (None, None))
        (trace,) = [trace for trace in fronts(made) if trace["xaxis"] == f"x{number}"]
        assert trace["yaxis"] == f"y{number}" and numbers(trace["y"]).tolist() == [i, i + 1]
    assert all(0 <= a < b <= 1 and 0 <= c < d <= 1 for a, b, c, d in boxes)
    apart = [
        one[1] <= two[0] or two[1] <= one[0] or one[3] <= two[2] or two[3] <= one[2]
        for i, one in enumerate(boxes) for two in boxes[:i]
    ]  # fmt: skip
    assert all(apart) and layout["height"] == 270 * math.ceil(n / 3) + (25 if n > 1 else 0)
    assert [note["text"] for note in layout["annotations"]] == [f"seed: {i}" for i in range(n)]
    assert [("title" in layout["xaxis" + ("" if i == 0 else str(i + 1))]) for i in range(n)] == (
        [i + min(n, 3) >= n for i in range(n)]
    )


def test_a_card_without_lines_is_empty_axes() -> None:
    made = drawn(Card("loss", (), 0), View(outliers=False, smooth=0.5))

    assert made.figure["data"] == [] and made.whole and made.points == 0
    assert {"xaxis", "yaxis"} <= set(made.figure["layout"])


# --- names -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name", ["<script>alert(1)</script>", "<b>x</b>", "&amp;", '<a href="x">', "a\nb", "%{x}"]
)
def test_names_are_text_and_no_markup(name: str) -> None:
    found = Card(name, (Panel(name, (line(name, [1, 2], name),)), Panel("", ())), 2)

    made = drawn(found, View(x=name, lines="runs")).figure

    escaped = name.replace("&", "&amp;").replace("<", "&lt;")
    (trace,) = fronts(made)
    assert trace["name"] == escaped == made["layout"]["annotations"][0]["text"]
    assert made["layout"]["xaxis"]["title"]["text"] == escaped
    assert trace["meta"] == {"label": name, "starts": [0, 3], "runs": [name]}  # for the script, as text
    assert "hovertemplate" not in trace and "text" not in trace
    shown = json.dumps({**made, "data": [{**trace, "meta": None}]})
    assert "<" not in shown


@pytest.mark.parametrize("n", [2, 7, 60, 300])
def test_each_of_many_panels_is_as_high_as_of_few(n: int) -> None:
    panels = tuple(Panel(f"seed: {i}", (line("a", [1.0, 2.0]),)) for i in range(n))
    layout = drawn(Card("loss", panels, 2 * n)).figure["layout"]
    domains = [axis["domain"] for name, axis in layout.items() if name.startswith("yaxis")]

    assert len(domains) == n
    assert all((high - low) * layout["height"] > 0.7 * figure.ROW_PX for low, high in domains)
