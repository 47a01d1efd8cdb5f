"""What a notebook can do: log, run plain scripts, and sweep over functions that are defined in its cells."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, read_progress
from sweeps import said_by, states

pytest.importorskip("ipykernel", reason="needs ipykernel")
pytest.importorskip("nbclient", reason="needs nbclient")

# Runs cells, the argument, in a fresh kernel, and prints what each gave: its text, and its error if any.
CLIENT = """
import json, sys
import nbformat
from nbclient import NotebookClient

cells = [nbformat.v4.new_code_cell(cell) for cell in json.loads(sys.argv[1])]
notebook = nbformat.v4.new_notebook(cells=cells)
NotebookClient(notebook, timeout=100, allow_errors=True, kernel_name="python3").execute()
texts = ["".join(o.get("text", "") for o in cell.outputs) for cell in cells]
errors = [[o.ename + ": " + o.evalue for o in cell.outputs if o.output_type == "error"] for cell in cells]
print(json.dumps([texts, errors]))
"""
# The kernel of this very Python, wherever others may be installed.
KERNEL = {
    "argv": [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
    "display_name": "Python 3",
    "language": "python",
}
APP_CELL = """
import sys
from dataclasses import dataclass, field
import hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger

@dataclass
class Config:
    defaults: list = field(default_factory=lambda: ["_self_", "exptools"])
    x: int = 0

class Net:
    def __init__(self, x):
        self.x = x

def double(net):
    return 2 * net.x

ConfigStore.instance().store(name="app", node=Config)

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    import multiprocessing, pickle
    net = pickle.loads(pickle.dumps(Net(cfg.x)))
    assert type(net) is Net
    with multiprocessing.get_context("fork").Pool(1) as pool:
        (value,) = pool.map(double, [net])
    logger.log_scalar("double", value, 0)
    print("double", value)
    if cfg.x == 3:
        raise ValueError("three")
    return value
"""
SWEEP_CELL = """
sys.argv = ["notebook", "-m", "x={x}", "hydra.sweep.dir={out}"]
main()
"""


@pytest.fixture
def notebook(tmp_path: Path, python: Command) -> Any:
    """Run cells; gives back the text of each, and the errors of each."""
    kernel = tmp_path / "jupyter" / "kernels" / "python3"
    kernel.mkdir(parents=True)
    (kernel / "kernel.json").write_text(json.dumps(KERNEL))
    (tmp_path / "client.py").write_text(CLIENT)

    def run(*cells: str) -> tuple[list[str], list[list[str]]]:
        done = python("client.py", json.dumps(cells), JUPYTER_PATH=str(tmp_path / "jupyter"))
        assert done.returncode == 0, done.stderr
        texts, errors = json.loads(done.stdout.splitlines()[-1])
        return texts, errors

    return run


def test_a_cell_logs(tmp_path: Path, notebook: Any) -> None:
    texts, errors = notebook(
        "from exptools.logging import logger, logger_context\n"
        "with logger_context('logs/mine', run_id=0, name='mine', log_params={'lr': 0.1}):\n"
        "    logger.log_scalar('loss', 0.5, step=0)\n",
        "import exptools\nprint(len(exptools.load('logs')))",
    )

    assert errors == [[], []]
    assert read_progress(tmp_path / "logs" / "mine" / "run_0")[1][2] == "0.5"
    assert texts[1] == "1\n"


def test_a_cell_runs_plain_scripts(tmp_path: Path, notebook: Any) -> None:
    (tmp_path / "plain.py").write_text(
        "import sys\nfrom exptools import load_variant\n"
        "code, log_dir, run_id = sys.argv[1:]\nx = load_variant(log_dir).x\nprint('x', x)\n"
        "assert x != 3, 'three'\n"
    )
    make = (
        "from exptools import VariantLevel, make_variants, run_experiments\n"
        "variants, dirs = make_variants(VariantLevel([('x',)], [[1], [{last}]], ['x1', 'x{last}']))\n"
        "outcomes = run_experiments('plain.py', '2cpu_1cpr_0saf', 'title{last}', 1, variants, dirs)\n"
        "print([str(one.ending.state) for one in outcomes])"
    )

    texts, errors = notebook(make.format(last=2), make.format(last=3))

    assert texts[0].splitlines()[-1] == "['COMPLETED', 'COMPLETED']"
    (first,) = (tmp_path / "data" / "local" / "title2").iterdir()
    assert said_by(first / "x2" / "run_0") == "x 2\n"
    assert errors[0] == []
    assert errors[1][0].startswith("RunsFailed: 1 of 2 jobs did not complete:")


def test_a_cell_sweeps_over_what_other_cells_define(tmp_path: Path, notebook: Any) -> None:
    texts, errors = notebook(
        APP_CELL,
        SWEEP_CELL.format(x="1,2", out="good"),
        SWEEP_CELL.format(x="1,2,3", out="bad"),
        SWEEP_CELL.format(x="1,2", out="good"),
        "print('alive')",
    )

    good, bad = tmp_path / "good", tmp_path / "bad"
    assert states(good) == ["COMPLETED", "COMPLETED"], texts[1] + said_by(good / "0")
    assert [said_by(good / str(i)) for i in range(2)] == ["double 2\n", "double 4\n"]
    assert read_progress(good / "1")[1][2] == "4.0"
    assert states(bad) == ["COMPLETED", "COMPLETED", "FAILED"]
    assert errors == [[], [], ["SystemExit: 1"], ["SystemExit: 2"], []]
    assert "    FAILED: ValueError: three\n" in texts[2]
    assert f"to go on: the same again with hydra.launcher.resume=true and hydra.sweep.dir={bad}\n" in texts[2]
    assert f"exptools: error: {good}/0 already holds a run (COMPLETED, progress.csv); " in texts[3]
    assert texts[4] == "alive\n"


def test_a_sweep_gives_its_results_to_the_cell_that_started_it(tmp_path: Path, notebook: Any) -> None:
    texts, errors = notebook(
        APP_CELL,
        """
from hydra import initialize
from hydra.core.global_hydra import GlobalHydra

with initialize(version_base=None, config_path=None):
    application = GlobalHydra.instance().hydra
    (batch,) = application.multirun("app", main.__wrapped__, ["x=4,5", "hydra.sweep.dir=out"])
print([job.return_value for job in batch])
""",
    )

    assert errors == [[], []], texts
    assert texts[1].splitlines()[-1] == "[8, 10]"
    assert json.loads((tmp_path / "out" / "sweep.json").read_text())["script"] is False
