"""What differs, groups and labels."""

from __future__ import annotations

import pytest

from exptools.viewing import compare
from exptools.viewing.compare import MISSING
from exptools.viewing.groups import Group, Member, by_settings, by_sweep, grouped

NAN = float("nan")


def test_flattened_keys_are_dotted_and_stay_apart() -> None:
    config = {"a": {"b": 1, "c": {"d": [1, {"e": 2}]}}, "a.b": 2, "empty": {}, 3: None}

    assert compare.flatten(config) == {
        "a.b": 1,
        "a.c.d": [1, {"e": 2}],
        '"a.b"': 2,
        "empty": {},
        "3": None,
    }


def test_keys_that_hold_dots_or_quotes_stay_apart() -> None:
    config = {"a.b": 1, '"a.b"': 2, '"a': {'b"': 3}, "a": {"b": 4, "x.y": 5}}

    flat = compare.flatten(config)

    assert list(flat.values()) == [1, 2, 3, 4, 5]
    assert [len(compare.parts(key)) for key in flat] == [1, 1, 2, 2, 2]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        (1, 1.0, True),
        (NAN, float("nan"), True),
        ([1, 2.0], [1.0, 2], True),
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}, True),
        (1, True, False),
        (0, False, False),
        (1, "1", False),
        (None, "null", False),
        (None, MISSING, False),
        (NAN, "nan", False),
        ([1, 2], [2, 1], False),
        ([], {}, False),
        (2**53, 2**53 + 1, False),
    ],
)
def test_what_counts_as_the_same(one: object, other: object, same: bool) -> None:
    differ = compare.differing([{"k": one}, {"k": other}])

    assert differ == ([] if same else ["k"])


def test_a_missing_key_differs_from_everything() -> None:
    assert compare.differing([{"a": None, "b": 1}, {"b": 1}]) == ["a"]
    assert compare.differing([{"a": 1}]) == compare.differing([]) == []


@pytest.mark.parametrize(
    "key", ["seed", "env.seed", "rng_seed", "a.torch-seed", "SEED", "random_state", '"my.seed"', 'a."b.seed"']
)
def test_seeds(key: str) -> None:
    assert compare.is_seed(key) and compare.is_seed_like(key)


@pytest.mark.parametrize("key", ["run_id", "log_dir", "hydra.job_num", "paths.output_dir"])
def test_bookkeeping(key: str) -> None:
    assert compare.is_bookkeeping(key) and compare.is_seed_like(key) and not compare.is_seed(key)


@pytest.mark.parametrize("key", ["seeds", "seed.size", "reseed", "seedling", "lr", "dir", "n_seeds"])
def test_other_keys_are_settings(key: str) -> None:
    assert not compare.is_seed_like(key)


def test_groups_are_runs_that_differ_in_the_seed_alone() -> None:
    members = [
        Member("0", {"lr": 0.1, "seed": 0, "log_dir": "/0"}),
        Member("1", {"lr": 0.01, "seed": 0, "log_dir": "/1"}),
        Member("2", {"lr": 0.1, "seed": 1, "log_dir": "/2"}),
    ]

    assert grouped(members) == [
        Group("0.1", {"lr": 0.1}, (members[0], members[2])),
        Group("0.01", {"lr": 0.01}, (members[1],)),
    ]


def test_a_single_group_needs_no_label() -> None:
    (unseeded,) = grouped([Member("0", {"a": 1}), Member("1", {"a": 1})])
    (seeded,) = grouped([Member("0", {"seed": 1}), Member("1", {"seed": 2})])

    assert (unseeded.label, unseeded.runs, unseeded.seeds) == ("", ("0", "1"), 0)
    assert (seeded.label, seeded.runs, seeded.seeds) == ("", ("0", "1"), 2)


def members(*runs: tuple[str, object]) -> list[Member]:
    """Runs of one setting, each given by its sweep and its seed."""
    return [Member(f"{i}", {"seed": seed}, sweep=sweep) for i, (sweep, seed) in enumerate(runs)]


def test_seeds_that_were_run_in_several_sweeps_are_divided_by_sweep() -> None:
    runs = members(("/m/d/10", 0), ("/m/d/10", 1), ("/m/d/11", 0), ("/m/d/11", 1), ("/m/d/12", 2))
    other = Group("lr 1", {}, (Member("x", {"lr": 1, "seed": 0}, sweep="/m/d/10"),))

    groups = by_sweep([*grouped(runs), other])

    assert [(g.label, g.runs, g.sweep, g.seeds) for g in groups] == [
        ("10", ("0", "1"), "10", 2),
        ("11", ("2", "3"), "11", 2),
        ("12", ("4",), "12", 1),
        ("lr 1", ("x",), "", 1),
    ]


def test_a_label_is_followed_by_its_sweep() -> None:
    runs = [
        Member(f"{sweep}/{lr}", {"lr": lr, "seed": 0}, sweep=f"/{sweep}")
        for sweep in ("a/x", "b/x")
        for lr in (0.1, 0.2)
    ]

    assert [(g.label, g.settings) for g in by_sweep(grouped(runs))] == [
        *(("0.1, a/x", {"lr": 0.1}), ("0.1, b/x", {"lr": 0.1})),
        *(("0.2, a/x", {"lr": 0.2}), ("0.2, b/x", {"lr": 0.2})),
    ]


@pytest.mark.parametrize(
    "runs",
    [
        members(("/a", 0), ("/a", 1), ("/b", 2)),  # a second sweep that adds seeds
        members(("/a", 0), ("/a", 0)),
        members(("/a", None), ("/b", None)),  # null is no seed
        members(("/a", "${oc.env:SEED}"), ("/b", "${oc.env:SEED}")),
        [Member("0", {"lr": 1}, sweep="/a"), Member("1", {"lr": 1}, sweep="/b")],
    ],
)
def test_other_runs_of_several_sweeps_stay_together(runs: list[Member]) -> None:
    (group,) = by_sweep(grouped(runs))

    assert (group.label, group.members, group.sweep) == ("", tuple(runs), "")


def test_a_group_knows_whether_a_seed_is_repeated() -> None:
    (repeated,) = grouped(members(("/a", 0), ("/a", 0), ("/a", 1)))
    (unknown,) = grouped(members(("/a", None), ("/a", None), ("/a", 1)))

    assert (repeated.seeds, repeated.repeats) == (2, True)
    assert (unknown.seeds, unknown.repeats) == (1, False)


def test_runs_of_unknown_config_repeat_nothing() -> None:
    members = [Member("a", None), Member("b", None), Member("c", {"lr": 1})]

    assert [(g.label, g.runs) for g in grouped(members)] == [
        *(("a", ("a",)), ("b", ("b",)), ("c", ("c",))),
    ]


def test_event_directories_of_a_run_are_kept_apart() -> None:
    members = [
        Member(f"{i}/{part}" if part else str(i), {"seed": i}, part) for i in (0, 1) for part in ("", "val")
    ]

    assert [(g.label, g.runs) for g in grouped(members)] == [
        *(("0", ("0", "1")), ("val", ("0/val", "1/val"))),
    ]


def test_labels_are_made_of_the_fewest_keys() -> None:
    sizes = {"small": [32], "large": [256, 256]}
    configs = [
        {"run_label": f"{m}-with-{lr}", "model.hidden": sizes[m], "model.name": m, "model.depth": d, "lr": lr}
        for m, d in (("small", 1), ("large", 2))
        for lr in (0.1, 0.01)
    ]

    groups = grouped([Member(str(i), c) for i, c in enumerate(configs)])

    assert compare.telling(configs) == ["model.depth", "lr"]
    assert [g.label for g in groups] == ["1, 0.1", "1, 0.01", "2, 0.1", "2, 0.01"]
    assert groups[0].settings == {"model.depth": 1, "lr": 0.1}


def test_a_missing_key_is_shown_as_missing() -> None:
    groups = grouped([Member("0", {"drop": 0.5}), Member("1", {})])

    assert [g.label for g in groups] == ["0.5", "(missing)"]


@pytest.mark.parametrize(
    ("values", "labels"),
    [
        ([1 / 3, 1e-4 / 3, 1e6, 2.0], ["0.3333", "3.333e-05", "1e+06", "2"]),
        ([0.123456, 0.123457], ["0.123456", "0.123457"]),
        ([0.1, 0.1 + 1e-16], ["0.1", "0.1000000000000001"]),
        ([1000001, 1000002], ["1000001", "1000002"]),
        (["x" * 50 + "a" + "y" * 50, "x" * 50 + "b" + "y" * 50], None),
        ([1, "1"], ["1 (0)", "1 (1)"]),
    ],
)
def test_labels_are_short_but_never_the_same(values: list[object], labels: list[str] | None) -> None:
    groups = grouped([Member(str(i), {"k": v}) for i, v in enumerate(values)])

    assert [g.label for g in groups] == (values if labels is None else labels)


def test_a_long_value_is_shortened() -> None:
    groups = grouped([Member("0", {"a": "x" * 50 + "END"}), Member("1", {"a": "y"})])

    assert [g.label for g in groups] == ["x" * 11 + "…" + "x" * 9 + "END", "y"]


def test_groups_are_ordered_by_their_settings() -> None:
    values = [10, 9.5, "b", "a10", "a2", True]
    groups = grouped([Member(str(v), {"k": v}) for v in values])

    assert [g.label for g in sorted(groups, key=by_settings)] == [
        *("9.5", "10", "a2", "a10", "b", "true"),
    ]


def test_short_names_are_as_short_as_they_can_be() -> None:
    keys = ["optimizer.lr", "model.lr", "model.name", "data.name", "seed", "a.b.c", "name", "b.c"]
    keys += ['opt."x.y"', '"z.name"']

    assert compare.short_names(keys) == {
        "optimizer.lr": "optimizer.lr",
        "model.lr": "model.lr",
        "model.name": "model",
        "data.name": "data",
        "seed": "seed",
        "a.b.c": "a.b.c",
        "name": "name",
        "b.c": "b.c",
        'opt."x.y"': '"x.y"',
        '"z.name"': '"z.name"',
    }


def test_values_as_text() -> None:
    values = ["a b", 1, 0.1, True, None, [1, "é"], {}, MISSING, compare.UNKNOWN]

    assert [compare.text(v) for v in values] == [
        *("a b", "1", "0.1", "true", "null", '[1, "é"]', "{}", "(missing)", "-"),
    ]


def test_names_match_exactly_or_as_globs() -> None:
    assert compare.matches("loss[0]", ["loss[0]"])
    assert compare.matches("train/loss", ["acc", "train/*"])
    assert not compare.matches("train/loss", ["loss", "Train/*"])


def test_what_matches_nothing_is_told_with_near_names() -> None:
    tags = ["train/loss", "test/accuracy", "lr"]
    rest = "The tags are: lr, test/accuracy, train/loss"

    assert compare.unmatched("tag", ["lr", "t*"], tags) is None
    assert compare.unmatched("tag", ["lr", "train/lss"], tags) == (
        f"no run has a tag 'train/lss'; did you mean 'train/loss'? {rest}"
    )
    assert compare.unmatched("tag", ["Accuracy"], tags) == (
        f"no run has a tag 'Accuracy'; did you mean 'test/accuracy'? {rest}"
    )
    assert compare.unmatched("tag", ["zzz"], tags) == f"no run has a tag 'zzz'. {rest}"
    assert compare.unmatched("tag", ["zzz"], []) == "no run has a tag 'zzz': there are no tags at all yet"


def test_long_lists_say_how_many_more() -> None:
    assert compare.listed(["a", "b", "c"], most=2) == "a, b and 1 more"


def test_column_names_that_are_taken_get_a_prefix() -> None:
    assert compare.distinct(["lr", "step", "config.step", "value"], {"step", "value"}, "config.") == [
        *("lr", "config.config.step", "config.step", "config.value"),
    ]
