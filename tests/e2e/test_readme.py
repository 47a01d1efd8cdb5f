"""What the README says, done."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from conftest import ROOT, Command, read_progress

README = (ROOT / "README.md").read_text()
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
    commands = re.findall(r"^exptools-view (.*?) +#", README, re.MULTILINE)

    assert len(commands) == 3
    for command in commands:
        done = python("-m", "exptools.viewing.cli", *shlex.split(command))
        assert done.returncode == 0, (command, done.stderr)
    assert (tmp_path / "loss.pdf").read_bytes().startswith(b"%PDF")
    assert len((tmp_path / "scalars.csv").read_text().splitlines()) == 1 + 4 * 200


def test_without_hydra(tmp_path: Path, python: Command) -> None:
    (tmp_path / "plain.py").write_text(WITHOUT_HYDRA)

    done = python("plain.py")

    assert done.returncode == 0, done.stderr
    assert read_progress(tmp_path / "logs" / "mine" / "run_0")[1][2] == "0.5"


def test_every_link_of_the_docs_leads_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), ROOT / "CONTRIBUTING.md"]:
        for target in re.findall(r"\]\((?!https?://)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
