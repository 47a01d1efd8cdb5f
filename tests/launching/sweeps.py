"""Apps to sweep, and what their runs left."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from conftest import clean_environment

APP = """
import os, signal, sys, time
from dataclasses import dataclass, field
import hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger

@dataclass
class Config:
    defaults: list = field(default_factory=lambda: ["_self_", "exptools"])
    do: str = "pass"
    x: int = 0

ConfigStore.instance().store(name="app", node=Config)

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    {body}

if __name__ == "__main__":
    main()
"""


# Words for the command line.
ENGINES = pytest.mark.parametrize("engine", [[], ["hydra.launcher.engine=joblib"]], ids=["local", "joblib"])


def write_app(tmp_path: Path, body: str, template: str = APP) -> Path:
    app = tmp_path / "app.py"
    app.write_text(template.format(body="\n    ".join(dedent(body).strip().splitlines())))
    return app


def status(run_dir: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((run_dir / "status.json").read_text())
    return found


def states(sweep: Path) -> list[str]:
    return [status(sweep / str(i))["state"] for i in range(len(list(sweep.glob("[0-9]*"))))]


def wait_until(condition: Any, timeout_s: float = 30) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "did not happen in time"
        time.sleep(0.02)


def running(sweep: Path) -> list[dict[str, Any]]:
    found = [json.loads(p.read_text()) for p in sweep.glob("*/status.json")]
    return [s for s in found if s["state"] == "RUNNING"]


def gone(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return True
    return False


def start(app: Path, *words: str) -> subprocess.Popen[str]:
    """Start a sweep of the app and go on; `communicate` gives what it said."""
    return subprocess.Popen(
        [sys.executable, str(app), "-m", *words, "hydra.sweep.dir=out"],
        cwd=app.parent,
        env=clean_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said_by(run_dir: Path) -> str:
    """What a job has printed so far."""
    log = run_dir / "stdout.log"
    return log.read_text() if log.exists() else ""
