"""`hydra/sweeper=exptools`: levels, seeds last, no batch left out, names of variants."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Command
from sweeps import APP, said_by, states, status, write_app

FIELDS = ["lr: float = 0.1", "seed: int = 0", "word: str = 'w'", "many: list = field(default_factory=list)"]
SWEPT = APP.replace("    x: int = 0\n", "".join(f"    {line}\n" for line in ["x: int = 0", *FIELDS]))


def overrides(sweep: Path) -> list[list[str]]:
    return [job["overrides"] for job in json.loads((sweep / "sweep.json").read_text())["jobs"]]


def test_one_run_of_each_variant_comes_first(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print(cfg.lr, cfg.seed)", template=SWEPT)

    done = python(app, "-m", "seed=0,1", "lr=1,2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert overrides(tmp_path / "out") == [
        ["seed=0", "lr=1"],
        ["seed=0", "lr=2"],
        ["seed=1", "lr=1"],
        ["seed=1", "lr=2"],
    ]
    assert said_by(tmp_path / "out" / "1") == "2.0 0\n"
    assert (tmp_path / "out" / "multirun.yaml").exists()


def test_a_failure_in_one_batch_leaves_the_later_ones_alone(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "assert cfg.x % 2, 'even'", template=SWEPT)

    done = python(app, "-m", "x=0,1,2,3,4", "hydra.sweeper.max_batch_size=2", "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert states(tmp_path / "out") == ["FAILED", "COMPLETED", "FAILED", "COMPLETED", "FAILED"]
    assert len(overrides(tmp_path / "out")) == 5


def test_levels_go_together_and_name_their_directories(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print(cfg.x, cfg.word, cfg.many, cfg.lr, cfg.seed)", template=SWEPT)
    levels = "[{keys:[x,word,many],values:[[1,'a b',[1,2]],[2,null-ish,[]]],dir_names:[one,two/too]}]"

    done = python(
        app,
        "-m",
        f"hydra.sweeper.levels={levels}",
        "lr=0.5,0.25",
        "seed=7",
        "hydra.sweep.dir=out",
        "hydra.sweep.subdir=${exptools.variant_name:}",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert {path.name: said_by(path) for path in (tmp_path / "out").iterdir() if path.is_dir()} == {
        "one_lr=0.5": "1 a b [1, 2] 0.5 7\n",
        "one_lr=0.25": "1 a b [1, 2] 0.25 7\n",
        "two-too_lr=0.5": "2 null-ish [] 0.5 7\n",
        "two-too_lr=0.25": "2 null-ish [] 0.25 7\n",
    }


def test_the_name_of_a_variant_is_known_in_its_job_and_to_hydras_own_sweeper(
    tmp_path: Path, python: Command
) -> None:
    app = write_app(tmp_path, "print(cfg.word)", template=SWEPT)

    done = python(
        app,
        "-m",
        "lr=0.5,0.25",
        "seed=7",
        "word='${exptools.variant_name:}'",
        "hydra/sweeper=basic",
        "hydra.sweep.dir=out",
        "hydra.sweep.subdir=${exptools.variant_name:}",
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert [said_by(tmp_path / "out" / name) for name in ("lr=0.5", "lr=0.25")] == ["lr=0.5\n", "lr=0.25\n"]


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (
            ["hydra.sweeper.levels=[{keys:[x],values:[[1,2]]}]"],
            "must be a list with a value for each of the keys x",
        ),
        (
            ["hydra.sweeper.levels=[{keys:[x],values:[[1]]}]", "x=2,3"],
            "x is set by more than one of hydra.sweeper.levels and overrides",
        ),
        (["lr=interval(0,1)"], "lr=interval(0,1): an interval cannot be swept"),
        (
            ["hydra.sweeper.max_batch_size=0"],
            "hydra.sweeper.max_batch_size=0 must be at least 1; null means all jobs in one batch",
        ),
    ],
)
def test_what_cannot_be_swept_is_one_line(
    tmp_path: Path, python: Command, words: list[str], text: str
) -> None:
    app = write_app(tmp_path, "pass", template=SWEPT)

    done = python(app, "-m", *words, "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert done.stderr.startswith("exptools: error: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert not (tmp_path / "out" / "0").exists()


@pytest.mark.parametrize("launcher", ["exptools", "basic"])
def test_what_cannot_be_composed_is_found_before_anything_runs(
    tmp_path: Path, python: Command, launcher: str
) -> None:
    app = write_app(tmp_path, "print('ran')", template=SWEPT)

    done = python(app, "-m", "x=1,2,three", f"hydra/launcher={launcher}", "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert "Value 'three'" in done.stderr
    assert "ran" not in done.stdout
    assert not (tmp_path / "out" / "0").exists()


@pytest.mark.parametrize("where", ["in its defaults list", "on the command line"])
def test_an_app_keeps_the_sweeper_that_it_chose(tmp_path: Path, python: Command, where: str) -> None:
    chosen = where == "in its defaults list"
    defaults = '["_self_", "exptools", {{"override hydra/sweeper": "basic"}}]'
    template = SWEPT.replace('["_self_", "exptools"]', defaults) if chosen else SWEPT
    app = write_app(
        tmp_path,
        "from hydra.core.hydra_config import HydraConfig; print(HydraConfig.get().sweeper._target_)",
        template=template,
    )

    done = python(app, "-m", "x=1", "hydra.sweep.dir=out", *([] if chosen else ["hydra/sweeper=basic"]))

    assert done.returncode == 0, done.stderr
    assert said_by(tmp_path / "out" / "0") == "hydra._internal.core_plugins.basic_sweeper.BasicSweeper\n"
    assert status(tmp_path / "out" / "0")["state"] == "COMPLETED"


@pytest.mark.parametrize(
    "word",
    ["+hydra.sweeper.params.x='1,2'", "+hydra.sweeper.params={x:'1,2'}", "hydra.sweeper.params=null"],
)
def test_params_can_be_given_on_the_command_line(tmp_path: Path, python: Command, word: str) -> None:
    app = write_app(tmp_path, "pass", template=SWEPT)

    done = python(app, "-m", word, "hydra.launcher.dry_run=true")

    assert done.returncode == 0, done.stderr
    assert f"Would run {'1 job' if 'null' in word else '2 jobs'} in" in done.stdout


def test_a_sweep_that_cannot_be_written_is_one_line(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print('ran')", template=SWEPT)
    (tmp_path / "out" / "multirun.yaml").mkdir(parents=True)  # what a full disk does, without one

    done = python(app, "-m", "x=1", "hydra.sweep.dir=out")

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == (
        "exptools: error: out: cannot write there (Is a directory); "
        "mend that, or choose another directory by hydra.sweep.dir=\n"
    )
