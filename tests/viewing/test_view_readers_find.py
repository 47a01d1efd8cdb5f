"""Which directories of other loggers are runs, whose config counts, and what is no run at all."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from view_files import hydra_run, write_run

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing.api import load
from exptools.viewing.runs import find

GOLDEN = Path(__file__).parent / "golden"


def put(source: str, target: Path) -> Path:
    shutil.copytree(GOLDEN / source, target, dirs_exist_ok=True)
    return target


def text(path: Path, content: str = "{}") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return path


@pytest.mark.parametrize(
    ("source", "below", "tag"),
    [
        ("lightning/lightning_logs/version_1", "lightning_logs/version_0", "train_loss"),
        ("stable_baselines3/ppo", "logs", "train/loss"),
        ("rlpyt/exp/run_0", "data/run_0", "ReturnAverage"),
        ("spinup/vpg/vpg_s0", "vpg_s0", "LossPi"),
    ],
)
def test_a_hydra_job_that_holds_the_log_of_another_library_is_one_run(
    tmp_path: Path, source: str, below: str, tag: str
) -> None:
    for job in ("0", "1"):
        put(source, hydra_run(tmp_path / job, f"lr: {job}") / below)

    runs = load(tmp_path)

    assert [(run.name, run.config, run.place.part) for run in runs] == [
        ("0", {"lr": 0}, ""),
        ("1", {"lr": 1}, ""),
    ]
    assert all(len(reading.curves[tag]) for _, reading in runs.readings())
    assert runs.problems == ()


def test_a_table_of_anybody_in_a_hydra_job_is_its_log(tmp_path: Path) -> None:
    for name in ("progress.csv", "logs/progress.csv"):
        text(hydra_run(tmp_path / name.replace("/", "-"), "lr: 1") / name, "loss\n0.5\n")

    runs = load(tmp_path)

    assert [reading.curves["loss"].rows()[0][2] for _, reading in runs.readings()] == [0.5, 0.5]


def test_the_table_of_another_logger_in_a_run_of_exptools_is_read(tmp_path: Path) -> None:
    run = put("stable_baselines3/ppo", write_run(tmp_path / "0", config={"lr": 1}))

    runs = load(tmp_path)

    ((_, reading),) = runs.readings()
    assert reading.curves["train/loss"].step.tolist() == [64, 96]
    assert (runs["0"].state, runs["0"].config, runs.problems) == (State.COMPLETED, {"lr": 1}, ())
    (run / "progress.csv").write_text("stop,wall_time,epoch\n0,0.0,1.0\n")  # ours, and damaged
    ((_, reading),) = (runs := load(tmp_path)).readings()
    assert [problem.path for problem in runs.problems] == [run / "progress.csv"]


def test_versions_of_a_hydra_job_are_parts_of_it(tmp_path: Path) -> None:
    job = hydra_run(tmp_path / "0", "lr: 0")
    for version in ("version_0", "version_1"):
        put(f"lightning/lightning_logs/{version}", job / "lightning_logs" / version)

    runs = load(tmp_path)

    assert [(run.name, run.config) for run in runs] == [
        ("0", {"lr": 0}),
        ("0/lightning_logs/version_0", {"lr": 0}),
        ("0/lightning_logs/version_1", {"lr": 0}),
    ]


def test_runs_with_a_config_below_stray_event_files_are_runs_of_their_own(tmp_path: Path) -> None:
    (tmp_path / "events.out.tfevents.1.host").touch()
    for source in ("rlpyt/exp/run_0", "sacred/2", "lightning/lightning_logs/version_0", "spinup/vpg/vpg_s0"):
        put(source, tmp_path / source)

    configs = {run.path.name: run.config for run in load(tmp_path / ".")}

    assert {name for name, config in configs.items() if config} == {"run_0", "2", "version_0", "vpg_s0"}


def test_bytes_behind_the_metrics_of_sacred_are_named(tmp_path: Path) -> None:
    path = put("sacred/1", tmp_path / "1") / "metrics.json"
    data = path.read_bytes()
    path.write_bytes(data + b"\xff")
    runs = load(tmp_path)

    ((_, reading),) = runs.readings()

    assert len(reading.curves["loss"]) == 7
    assert [problem.offset for problem in runs.problems] == [len(data)]


def test_a_run_of_sacred_in_a_hydra_job_keeps_its_config_and_state(tmp_path: Path) -> None:
    put("sacred/2", hydra_run(tmp_path / "0", "lr: 5") / "runs" / "1")

    runs = load(tmp_path)

    assert [run.name for run in runs] == ["0", "0/runs/1"]
    assert (runs["0"].config, runs["0/runs/1"].state) == ({"lr": 5}, State.FAILED)
    assert runs.config("0/runs/1").lr == 0.1


def test_a_failed_run_of_sacred_without_any_metric_is_found(tmp_path: Path) -> None:
    run = put("sacred/6", tmp_path / "6")
    (run / "metrics.json").unlink()

    runs = load(tmp_path)

    assert [(r.name, r.state) for r in runs] == [("6", State.FAILED)]


def test_a_run_of_sacred_whose_state_is_half_written_is_found_and_that_is_named(tmp_path: Path) -> None:
    run = put("sacred/1", tmp_path / "1")
    (run / "run.json").write_text((run / "run.json").read_text()[:40])

    runs = load(tmp_path)

    assert [(r.name, r.state) for r in runs] == [("1", None)]
    assert [str(p).split(" (")[0] for p in runs.problems] == [
        f"{run}/run.json: not JSON, perhaps half written"
    ]


def test_tensorboards_of_lightning_have_the_hparams_beside_them(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a" / "events.out.tfevents.1.host").touch()
    text(tmp_path / "a" / "hparams.yaml", "lr: 0.5")

    assert [(run.name, run.config) for run in load(tmp_path)] == [("a", {"lr": 0.5})]


def test_variant_json_counts_more_than_params_json(tmp_path: Path) -> None:
    text(tmp_path / "a" / "progress.csv", "loss\n1\n")
    text(tmp_path / "a" / "params.json", '{"lr": 1}')
    text(tmp_path / "b" / "progress.csv", "loss\n1\n")
    text(tmp_path / "b" / "params.json", '{"lr": 1}')
    text(tmp_path / "b" / "variant.json", '{"lr": 2}')
    text(tmp_path / "c" / "progress.csv", "loss\n1\n")
    text(tmp_path / "c" / "params.json", '{"lr": 1}')
    text(tmp_path / "c" / "variant.json", '{"lr": ')
    text(tmp_path / "d" / "progress.csv", "loss\n1\n")
    text(tmp_path / "d" / "variant.json", '{"lr": 2}')
    text(tmp_path / "d" / "variant_config.json", '{"lr": 3}')

    runs = load(tmp_path)

    assert {run.name: run.config for run in runs} == {
        n: {"lr": (1, 2, 1, 3)[i]} for i, n in enumerate("abcd")
    }
    assert [str(p).split(" (")[0] for p in runs.problems] == [
        f"{tmp_path}/c/variant.json: not JSON, perhaps half written"
    ]


@pytest.mark.parametrize(
    "names",
    [
        {"config.json": '{"model_type": "bert"}', "pytorch_model.bin": "x", "trainer_state.json": "{}"},
        {"params.json": '{"dim": 4096}', "consolidated.00.pth": "x"},
        {"variant.json": "{}"},
        {"run.json": "{}"},
        {"run.json": '{"experiment": 1, "meta": 2, "host": 3}'},
        {"run.json": '{"name": "x"}', "config.json": "{}"},
        {"metrics.json": '{"f1": 0.5}', "config.json": "{}"},
        {"metrics.csv": "name,f1\nbert,0.5\n"},
        {"progress.csv": "student,passed\nann,3\n"},
        {"progress.txt": "downloading\n"},
        {"progress.txt": "a\tb\n1\t2\n"},
        {"progress.json": '{"done": 5}'},
        {"progress.json": "[1, 2]\n"},
        {"progress.json": '{"step": 5, "epoch": 1}\n', "params.json": "{}"},
        {"result.json": '{"f1": 0.5}\n', "params.json": "{}"},
        {"result.json": '{\n"f1": 0.5\n}\n', "params.json": "{}"},
        {"hparams.yaml": "lr: 1"},
        {
            "files/config.yaml": "lr: {value: 1}",
            "files/wandb-summary.json": '{"loss": 1}',
            "logs/debug.log": "",
        },
    ],
    ids=lambda names: "+".join(names),
)
def test_what_only_has_the_name_of_a_log_is_no_run(tmp_path: Path, names: dict[str, str]) -> None:
    for name, content in names.items():
        text(tmp_path / "somewhere" / name, content)

    with pytest.raises(ViewError, match="no runs below"):
        find([tmp_path])


def test_a_config_that_is_empty_is_one_and_that_of_a_model_is_none(tmp_path: Path) -> None:
    text(tmp_path / "version_0" / "hparams.yaml", "")
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "events.out.tfevents.1.host").touch()
    text(tmp_path / "model" / "params.json", '{"dim": 4096}')
    text(tmp_path / "model" / "config.json", '{"dim": 4096}')

    runs = load(tmp_path)

    assert {run.name: run.config for run in runs} == {"model": None, "version_0": {}}
    assert runs.problems == ()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("a: [1\n", "not YAML, perhaps half written (while parsing"),
        ("- 1\n", "not a config (a list, not a mapping)"),
        ("a: &x {b: *x}\n", "not YAML, perhaps half written ("),
        ("a: !!python/object:m.C &x {b: *x}\n", "not YAML, perhaps half written ("),
    ],
)
def test_hparams_that_are_broken_are_named(tmp_path: Path, content: str, reason: str) -> None:
    path = text(tmp_path / "version_0" / "hparams.yaml", content)

    (problem,) = load(tmp_path).problems

    assert str(problem).startswith(f"{path}: {reason}")


def test_unknown_tags_of_yaml_are_kept_as_what_they_hold(tmp_path: Path) -> None:
    content = "a: !x 1\nb: !!foo {c: !y [1, 2]}\nd: 2026-01-01\n1: !!python/name:m.f ''\ne: !!binary aGk=\n"
    text(tmp_path / "version_0" / "hparams.yaml", content)

    (run,) = load(tmp_path)

    assert run.config == {"a": "1", "b": {"c": [1, 2]}, "d": "2026-01-01", "1": "m.f", "e": "b'hi'"}


@pytest.mark.parametrize("damage", [b"7 7", b"7,]", b'"7', b"\xff", b"7}", b"nul", b"]"])
def test_what_is_before_the_damage_of_sacred_s_metrics_is_read(tmp_path: Path, damage: bytes) -> None:
    run = put("sacred/1", tmp_path / "1")
    begins = (
        b'{"a": {"steps": [0, 1], "timestamps": ["", ""], "values": [1, 2]}, "\xc3\xa9": {"steps": [0, 1], '
    )
    begins += b'"timestamps": ["", ""], "values": [5, 6, '
    (run / "metrics.json").write_bytes(begins + damage + b', 8]}, "c": 1}')
    runs = load(tmp_path)

    ((_, reading),) = runs.readings()

    assert reading.curves["a"].value.tolist() == [1.0, 2.0]
    assert reading.curves["\u00e9"].value.tolist() == [5.0, 6.0]
    (problem,) = runs.problems
    assert problem.reason == "not JSON from here, perhaps half written"
    assert problem.offset is not None and len(begins) - 3 < problem.offset < len(begins) + 15


@pytest.mark.parametrize(
    ("metric", "reason"),
    [
        ([1], "the metric 'a' is not as sacred writes one; left out"),
        (
            {"steps": [0, 1], "timestamps": ["x"], "values": [1.0, 2.0]},
            "the metric 'a' has 2 steps, 1 timestamps, 2 values; the first 1 of each were taken",
        ),
        (
            {"steps": [0, 0.5, 2], "timestamps": ["", "", ""], "values": [1.0, 2.0, "x"]},
            "2 of 3 frames of the metric 'a' are no numbers at whole steps; left out",
        ),
    ],
)
def test_odd_metrics_of_sacred_are_named(tmp_path: Path, metric: object, reason: str) -> None:
    run = put("sacred/1", tmp_path / "1")
    good = {"steps": [0], "timestamps": ["2026-01-01T00:00:00"], "values": [1.0]}
    words = {"steps": [0], "timestamps": ["2026-01-01T00:00:00"], "values": ["hello"]}
    text(run / "metrics.json", json.dumps({"a": metric, "b": good, "text": words}))
    runs = load(tmp_path)

    ((_, reading),) = runs.readings()

    assert [str(problem) for problem in runs.problems] == [f"{run}/metrics.json: {reason}"]
    assert reading.curves["b"].rows() == [(0, 1767225600.0, 1.0)]
    assert "text" not in reading.tags
