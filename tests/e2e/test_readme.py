"""What the README says, done."""

from __future__ import annotations

import ast
import dataclasses
import importlib.util
import json
import os
import re
import shlex
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import yaml
from conftest import HYDRA_IS_1_3, ROOT, Command, clean_environment, read_progress

from exptools.configs import ExecutorConf, LauncherConf, SweeperConf

if TYPE_CHECKING:
    from real_slurm import Cluster

README = (ROOT / "README.md").read_text()
LAUNCHING = (ROOT / "docs" / "launching.md").read_text()
CLUSTER = (ROOT / "docs" / "cluster.md").read_text()
HAS_OPTUNA = HYDRA_IS_1_3 and importlib.util.find_spec("optuna") is not None
APP, WITHOUT_HYDRA = re.findall(r"```python\n(.*?)```", README, re.DOTALL)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    (tmp_path / "app.py").write_text(APP)
    return tmp_path / "app.py"


def test_the_app_has_fifteen_lines_or_fewer() -> None:
    assert len([line for line in APP.splitlines() if line]) <= 15


def test_the_app_leaves_what_the_readme_shows(app: Path, tmp_path: Path, python: Command) -> None:
    (line,) = re.findall(r"`python (app\.py -m lr=[^`]*)`", README)

    done = python(*shlex.split(line))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "Launching 6 jobs" in done.stdout
    (sweep,) = (tmp_path / "multirun").glob("*/*")
    assert (sweep / "sweep.json").exists()
    shown = README[README.index("      0/    ") : README.index("Then look:")]
    for name in re.findall(r"\b[a-z_]+\.(?:json|csv|log)\b", shown):
        assert (sweep / "0" / name).exists(), name
    assert list((sweep / "0").glob("events.out.tfevents.*"))
    assert len(read_progress(sweep / "0")) == 201


def test_the_commands_that_look(app: Path, tmp_path: Path, python: Command) -> None:
    python("app.py", "-m", "lr=0.1,0.01", "seed=0,1")
    look = README[: README.index("## On a cluster")]
    commands = re.findall(r"^exptools-view (.*?) +#", look, re.MULTILINE)
    (sweep,) = (tmp_path / "multirun").glob("*/*")

    assert len(commands) == 7
    for command in commands:
        command = command.replace("DATE/TIME", str(sweep.relative_to(tmp_path / "multirun")))
        done = python("-m", "exptools.viewing.cli", *shlex.split(command))
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "loss.pdf").read_bytes().startswith(b"%PDF")
    assert len((tmp_path / "scalars.csv").read_text().splitlines()) == 1 + 4 * 200
    assert "<html" in (tmp_path / "report.html").read_text()[:100]
    assert "\\toprule" in (tmp_path / "results.tex").read_text()


def test_without_hydra(tmp_path: Path, python: Command) -> None:
    (tmp_path / "plain.py").write_text(WITHOUT_HYDRA)

    done = python("plain.py")

    assert done.returncode == 0, done.stderr
    assert read_progress(tmp_path / "logs" / "mine" / "run_0")[1][2] == "0.5"


def _blocks(language: str, page: str = LAUNCHING) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", page, re.DOTALL)


@pytest.mark.parametrize(
    ("heading", "conf"), [("hydra.launcher", LauncherConf), ("hydra.sweeper", SweeperConf)]
)
def test_every_setting_is_in_its_table_with_its_default(heading: str, conf: type) -> None:
    (section,) = re.findall(rf"^## {heading}\n(.*?)^## ", LAUNCHING, re.DOTALL | re.MULTILINE)
    (asked,) = re.findall(r"^## What is asked of Slurm\n(.*?)^## ", CLUSTER, re.DOTALL | re.MULTILINE)
    tables = section + asked * (conf is LauncherConf)
    rows = re.findall(r"^\| `(\w+)` \| (.*?) \| .+ \|$", tables, re.MULTILINE)

    settings = {name: value for name, value in vars(conf()).items() if name != "_target_"}
    if conf is LauncherConf:
        assert set(vars(settings["executor"]).values()) == {None}
        settings["executor"] = {}
    assert len(rows) == len(settings)
    assert {name: yaml.safe_load(default) for name, default in rows} == settings
    assert {field.name for field in dataclasses.fields(conf)} == {*settings, "_target_"}


@pytest.mark.parametrize("block", _blocks("sh"))
def test_the_commands_of_docs_launching(app: Path, tmp_path: Path, block: str) -> None:
    where = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    study = False
    for line in block.splitlines():
        study = study or "optuna" in line
        if study and not HAS_OPTUNA:
            continue
        time.sleep(1 - time.time() % 1)  # sweeps of one second would get the same directory
        done = subprocess.run(
            ["bash", "-c", line],
            cwd=tmp_path,
            env=clean_environment(PATH=where),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == 0, (line, done.stdout, done.stderr)
        assert "Traceback" not in done.stdout + done.stderr, line


@pytest.mark.parametrize("block", _blocks("sh", CLUSTER))
def test_the_commands_of_docs_cluster(slurm: Cluster, app: Path, tmp_path: Path, block: str) -> None:
    test_the_commands_of_docs_launching(app, tmp_path, block)
    (sweep,) = (tmp_path / "multirun").glob("*/*")
    states = [json.loads(path.read_text())["state"] for path in sweep.glob("*/status.json")]
    assert states and ("detach" in block or set(states) == {"COMPLETED"})


@pytest.mark.parametrize("page", [LAUNCHING, CLUSTER])
def test_the_other_blocks_can_be_read(page: str) -> None:
    for block in _blocks("python", page):
        ast.parse(block)
    for block in _blocks("yaml", page):
        given = yaml.safe_load(block)["hydra"]["launcher"]
        assert given.keys() <= vars(LauncherConf()).keys()
        assert given.get("executor", {}).keys() <= vars(ExecutorConf()).keys()


def test_what_a_job_sees_is_in_the_docs(tmp_path: Path, python: Command) -> None:
    (section,) = re.findall(r"^## What a job sees\n(.*?)^## ", LAUNCHING, re.DOTALL | re.MULTILINE)
    told = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", section)) - {"PCI_BUS_ID"}
    (tmp_path / "app.py").write_text(APP.replace("x = 5.0", "import os; print('has', *os.environ); x = 5.0"))

    done = python("app.py", "-m", "seed=0", "hydra.sweep.dir=out", CUDA_VISIBLE_DEVICES="0")

    assert done.returncode == 0, done.stderr
    has = set((tmp_path / "out" / "0" / "stdout.log").read_text().split("has ")[1].split())
    ours = {name for name in has if name.startswith(("EXPTOOLS_", "CUDA_", "OMP_"))}
    assert len(ours) == 7
    assert ours <= told <= has


def test_every_link_of_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
