"""The wheel, in a fresh environment: what a user of the package index gets."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import ROOT, clean_environment, read_progress

APP = """
import hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger

ConfigStore.instance().store(name="app", node={"defaults": ["_self_", "exptools"], "x": 1})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    logger.log_scalar("x", cfg.x, 0)

if __name__ == "__main__":
    main()
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, "-m", "build", "--wheel", "--outdir", str(out), str(ROOT)], check=True)
    (found,) = out.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def fresh(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The bin directory of an environment that holds the wheel and what it requires, and nothing else."""
    home = tmp_path_factory.mktemp("fresh")
    subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
    subprocess.run([str(home / "bin" / "pip"), "install", "--quiet", str(wheel)], check=True)
    yield home / "bin"


LIST_LAUNCHERS = """
import exptools
from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
print(exptools.__file__, [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)])
"""


def run(*command: object, cwd: Path) -> subprocess.CompletedProcess[str]:
    words = [str(word) for word in command]
    return subprocess.run(
        words, cwd=cwd, env=clean_environment(), capture_output=True, text=True, check=False
    )


def test_the_wheel_holds_the_package_and_the_plugin_and_nothing_else(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()

    assert {n.split("/")[0] for n in names} == {"exptools", "hydra_plugins", "exptools-0.1.0.dist-info"}
    assert "exptools/py.typed" in names
    assert "hydra_plugins/exptools_launcher/launcher.py" in names
    assert "hydra_plugins/exptools_sweeper/sweeper.py" in names
    assert "hydra_plugins/__init__.py" not in names, "it would hide the plugins of other packages"
    in_checkout = {str(p.relative_to(ROOT)) for p in (ROOT / "exptools").rglob("*.py")}
    assert in_checkout <= set(names)


@pytest.mark.timeout(900)
def test_a_sweep_and_the_viewer_work_from_the_wheel(fresh: Path, tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(APP)

    sweep = run(fresh / "python", "app.py", "-m", "x=1,2", "hydra.sweep.dir=out", cwd=tmp_path)
    view = run(fresh / "exptools-view", "out", "--csv", cwd=tmp_path)

    assert sweep.returncode == 0, sweep.stdout + sweep.stderr
    assert "Launching 2 jobs on" in sweep.stdout
    assert [read_progress(tmp_path / "out" / str(i))[1][2] for i in range(2)] == ["1.0", "2.0"]
    assert view.returncode == 0, view.stderr
    assert [line.split(",")[0:4] for line in view.stdout.splitlines()] == [
        ["run", "x", "tag", "step"],
        ["0", "1", "x", "0"],
        ["1", "2", "x", "0"],
    ]


@pytest.mark.timeout(900)
def test_hydra_finds_the_plugin_in_the_wheel(fresh: Path, tmp_path: Path) -> None:
    done = run(fresh / "python", "-c", LIST_LAUNCHERS, cwd=tmp_path)

    assert "ExptoolsLauncher" in done.stdout, done.stderr
    assert str(fresh.parent) in done.stdout, "the checkout was imported, not the wheel"
    assert done.stderr == ""


def test_hydra_finds_the_plugin_in_an_editable_install(tmp_path: Path) -> None:
    done = run(sys.executable, "-c", LIST_LAUNCHERS, cwd=tmp_path)

    assert "ExptoolsLauncher" in done.stdout, done.stderr
    assert str(ROOT / "exptools") in done.stdout
