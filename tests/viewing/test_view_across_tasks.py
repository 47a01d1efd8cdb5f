"""Results across tasks: rliable's numbers, from runs."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest
from view_files import write_run

from exptools.errors import ViewError
from exptools.rundir import State
from exptools.viewing.api import load
from exptools.viewing.cli import main

EXAMPLES = json.loads((Path(__file__).parent / "rliable_examples.json").read_text())
IQM, MEAN, MEDIAN, GAP = 0, 1, 2, 3


def write(root: Path, scores: dict[str, list[list[float]]], **more: Any) -> Path:
    """A run for each score. scores: of each algorithm a matrix (runs, tasks)."""
    for algorithm, matrix in scores.items():
        for seed, row in enumerate(matrix):
            for task, score in enumerate(row):
                config = {"algo": algorithm, "env": {"name": f"game{task}"}, "seed": seed}
                write_run(
                    root / f"{algorithm}_{task}_{seed}", {"score": [-1.0, score]}, config=config, **more
                )
    return root


def told(root: Path, *arguments: Any, **options: Any) -> str:
    with pytest.raises(ViewError) as caught:
        load(root).across_tasks(*arguments, **options)
    return str(caught.value)


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_numbers_are_those_of_rliable(example: dict[str, Any], tmp_path: Path) -> None:
    found = load(write(tmp_path, {"A": example["A"], "B": example["B"]})).across_tasks(
        "score", "env", over="B"
    )

    (a,) = [row for row in found.rows if row.group.settings["algo"] == "A"]
    expected = example["expected"]
    wanted = [expected[name] for name in ("iqm", "mean", "median", "optimality_gap_gamma1")]
    wanted.append(expected["probability_of_improvement_A_over_B"])
    assert [cell.mean for cell in a.cells] == pytest.approx(wanted, abs=1e-12)
    width = expected["iqm_ci95_20000_reps"][1] - expected["iqm_ci95_20000_reps"][0]
    assert (a.cells[IQM].low, a.cells[IQM].high) == pytest.approx(
        expected["iqm_ci95_20000_reps"], abs=0.05 * width
    )
    assert found.tags == ("IQM", "mean", "median", "optimality gap", "P(better than B)")


def test_a_setting_is_compared_with_the_best_if_nobody_says_with_whom(tmp_path: Path) -> None:
    root = write(tmp_path, {"bad": [[0.1, 0.2]] * 3, "good": [[0.8, 0.9]] * 3, "mid": [[0.1, 0.95]] * 3})

    found = load(root).across_tasks("score", "env.name")

    assert found.tags[-1] == "P(better than good)"
    assert [row.cells[-1].mean for row in found.rows][::2] == [0.0, 0.5]
    assert math.isnan(found.rows[1].cells[-1].mean)
    assert found.caption() == (
        "final value of score over 2 tasks: [95 % stratified bootstrap CI]; optimality gap to 1, 6 runs "
        "each; the best is bold"
    )
    assert [found.is_best(row, IQM) for row in found.rows] == [False, True, False]
    assert [found.is_best(row, GAP) for row in found.rows] == [False, True, False]
    assert not any(found.is_best(row, 4) for row in found.rows)


def test_scores_are_normalised_by_task(tmp_path: Path) -> None:
    root = write(tmp_path, {"a": [[10.0, 200.0]] * 2, "b": [[20.0, 100.0]] * 2})

    found = load(root).across_tasks("score", "env", normalize=["game0=0:20", "game1=100:200"])

    assert [row.cells[MEAN].mean for row in found.rows] == [0.75, 0.5]
    minmax = load(root).across_tasks("score", "env", normalize="minmax", gamma=0.5)
    assert [row.cells[MEAN].mean for row in minmax.rows] == [0.5, 0.5]
    assert [row.cells[GAP].mean for row in minmax.rows] == [0.25, 0.25]
    assert "(normalised by minmax)" in minmax.caption()
    assert "optimality gap to 0.5" in minmax.caption()


def test_another_statistic_is_the_score(tmp_path: Path) -> None:
    root = write(tmp_path, {"a": [[0.5]] * 2})

    found = load(root).across_tasks("score", "env", "min")

    assert found.rows[0].cells[MEAN].mean == -1.0
    assert found.tags == ("IQM", "mean", "median", "optimality gap")  # nobody to be compared with


def test_what_cannot_be_seen_is_told(tmp_path: Path) -> None:
    root = write(tmp_path, {"a": [[0.5, 0.6]] * 2, "b": [[0.7]] * 2})
    write_run(root / "b_0_1", config={"algo": "b", "env": {"name": "game0"}, "seed": 1}, state=State.FAILED)
    (root / "b_0_1" / "progress.csv").unlink()
    write_run(
        root / "a_1_1", {"score": [math.nan]}, config={"algo": "a", "env": {"name": "game1"}, "seed": 1}
    )

    found = load(root).across_tasks("score", "env")

    assert found.notes == (
        "score: missing in 1 of 6 runs: b_0_1",
        "score: nan or infinite in 1 run: a_1_1",
        "not every setting has a run of every task: b (game1)",
    )
    cells = {row.group.settings["algo"]: row.cells for row in found.rows}
    assert math.isnan(cells["a"][IQM].mean)
    assert cells["b"][IQM].mean == 0.7
    assert (cells["b"][IQM].n, cells["b"][IQM].runs) == (1, 2)
    assert cells["a"][-1].n == 0  # not the same tasks: no comparison


def test_errors_say_what_there_is(tmp_path: Path) -> None:
    root = write(tmp_path, {"a": [[0.5, 0.6]], "b": [[0.5, 0.6]]})
    write_run(root / "x", {"other": [1.0], "scored": [1.0]}, config={"algo": "b", "env": {"name": "game0"}})

    assert told(root, "sco", "env").startswith("no run has a tag 'sco'; did you mean 'score'")
    assert told(root, "sco*", "env") == (
        "scores are of one scalar, and 'sco*' names 2: score, scored; name one"
    )
    assert told(root, "score", "envv").startswith("no run has a config key 'envv'; did you mean 'env.name'")
    assert told(root, "score", "env", "best").startswith("there is no statistic 'best'; give one of final")
    assert told(root, "score", "env", over="c") == ("no run has a setting 'c'. The settings are: a, b")
    assert told(root, "score", "env", normalize="1:1").startswith("normalize cannot be '1:1'; give minmax")


# --- the command line ---------------------------------------------------------------------------------------


def test_the_command_line_makes_the_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root = write(tmp_path, {"a": [[0.5, 0.5]] * 2, "b": [[0.25, 0.25]] * 2})

    assert main([str(root), "--table", "md", "--tags", "score", "--task", "env"]) == 0

    out, err = capsys.readouterr()
    assert out.splitlines()[:4] == [
        "| algo | IQM | mean | median | optimality gap | P(better than a) |",
        "| --- | ---: | ---: | ---: | ---: | ---: |",
        "| a | **0.5 [0.5, 0.5]** | **0.5 [0.5, 0.5]** | **0.5 [0.5, 0.5]** | **0.5 [0.5, 0.5]** | - |",
        "| b | 0.25 [0.25, 0.25] | 0.25 [0.25, 0.25] | 0.25 [0.25, 0.25] | 0.75 [0.75, 0.75] | 0 [0, 0] |",
    ]
    assert err == ""


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["--table", "md", "--task", "env"],
            "--table md --task env is of the scores of one scalar; name it with --tags",
        ),
        (
            ["--table", "md", "--task", "env", "--tags", "score", "--better", "min"],
            "--better is not for --table md --task env: intervals are by a stratified bootstrap, and greater "
            "scores are better; --normalize HIGH:LOW turns them round",
        ),
        (["--task", "env"], "--task is for --plot TAG, --spec FILE or --table FORMAT, which was not given"),
    ],
)
def test_wrong_usage_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], words: list[str], error: str
) -> None:
    root = write(tmp_path, {"a": [[0.5]]})

    assert main([str(root), *words]) == 2

    assert capsys.readouterr().err == f"exptools-view: error: {error}\n"
