"""A sweep of very many jobs: what the launcher holds of each, and gives back of each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from conftest import Command
from sweeps import APP, write_app

from exptools.launching.alike import Packed
from exptools.launching.returns import SweepReturn

COUNTING = (
    """
import gc
from omegaconf import DictConfig
from exptools.launching import hydra_sweep
launch = hydra_sweep.launch
def count(**words):
    returns = launch(**words)
    gc.collect()
    print("configs", sum(isinstance(one, DictConfig) for one in gc.get_objects()))
    return returns
hydra_sweep.launch = count
"""
    + APP
)
TELLING = (
    """
import json
from exptools.launching import hydra_sweep
launch = hydra_sweep.launch
def tell(**words):
    returns = launch(**words)
    print("returns", json.dumps([
        [r.cfg.x, "hydra" in r.cfg, list(r.hydra_cfg), r.hydra_cfg.hydra.job.num,
         list(r.overrides), r.task_name, r.status.name] for r in returns]))
    return returns
hydra_sweep.launch = tell
"""
    + APP
)


def said(stdout: str, word: str) -> str:
    (line,) = [line for line in stdout.splitlines() if line.startswith(word)]
    return line.removeprefix(word)


def test_the_launcher_holds_no_config_of_a_job(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "return cfg.x", template=COUNTING)

    few = python(app, "-m", "x=range(2)", "hydra.sweep.dir=few")
    more = python(app, "-m", "x=range(6)", "hydra.sweep.dir=more")

    assert (few.returncode, more.returncode) == (0, 0), few.stderr + more.stderr
    assert said(few.stdout, "configs") == said(more.stdout, "configs")


def test_every_return_has_the_configs_of_its_job(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "assert cfg.x != 8 or os.path.exists('good')", template=TELLING)
    words = ["-m", "x=7,8", "hydra.sweep.dir=out"]

    failed = python(app, *words)
    (tmp_path / "good").touch()
    resumed = python(app, *words, "hydra.launcher.resume=true")

    of_7 = [7, False, ["hydra"], 0, ["x=7"], "app", "COMPLETED"]
    of_8 = [8, False, ["hydra"], 1, ["x=8"], "app"]
    assert json.loads(said(failed.stdout, "returns")) == [of_7, [*of_8, "FAILED"]]
    assert json.loads(said(resumed.stdout, "returns")) == [of_7, [*of_8, "COMPLETED"]]


def test_what_a_job_has_changed_in_its_config_is_in_its_return(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "cfg.x += 100", template=TELLING)

    done = python(app, "-m", "x=1,2", "hydra.sweep.dir=out")

    assert [told[0] for told in json.loads(said(done.stdout, "returns"))] == [101, 102]


def test_the_configs_of_a_return_are_made_once_and_can_be_set() -> None:
    made: list[int] = []

    def make() -> tuple[dict[str, int], dict[str, int]]:
        made.append(1)
        return {"x": 1}, {"hydra": 2}

    found = SweepReturn(make)  # type: ignore[arg-type]
    assert made == []
    found.hydra_cfg = {"hydra": 3}  # type: ignore[assignment]

    assert (found.cfg, found.hydra_cfg, found.cfg is found.cfg) == ({"x": 1}, {"hydra": 3}, True)
    assert made == [1]


@pytest.mark.parametrize("like", [b"", b"x: 1\n", b"0123456789" * 10_000])
@pytest.mark.parametrize("content", [b"", b"x: 2\n", b"0123456789" * 20_000, bytes(range(256)) * 400])
def test_packed_bytes_come_out_as_they_went_in(content: bytes, like: bytes) -> None:
    assert Packed.of(content, like).unpack() == content


@pytest.mark.parametrize("n_keys", [1_500, 30_000])
def test_what_is_all_but_alike_takes_next_to_nothing(n_keys: int) -> None:
    like = "\n".join(f"key{i}: {i * 7919 % 1000}" for i in range(n_keys)).encode()
    content = like.replace(b"key900: 100", b"key900: 101.5")

    assert content != like
    assert sum(map(len, Packed.of(content, like).blocks)) < len(content) / 50
