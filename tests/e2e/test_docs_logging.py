"""What docs/logging.md says, done."""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ROOT, Command, read_progress

from exptools.configs import LoggerConf
from exptools.logging.writers import registry

LOGGING = (ROOT / "docs" / "logging.md").read_text()
BLOCKS = re.findall(r"```python\n(.*?)```", LOGGING, re.DOTALL)
OPENING = "from exptools.logging import logger, logger_context\nwith logger_context('logs', 0, 'docs'):\n"


def runnable(block: str) -> str:
    """A block of the page as a script; what does not open the logger is done while it is open."""
    if "logger_context(" in block or "capture()" in block:
        return block
    return OPENING + textwrap.indent(block, "    ")


@pytest.mark.parametrize("block", BLOCKS)
def test_every_block_runs(block: str, tmp_path: Path, python: Command) -> None:
    (tmp_path / "script.py").write_text(runnable(block))

    done = python("script.py")

    assert (done.returncode, done.stderr) == (0, "")


def test_the_block_of_scalars_leaves_what_it_says(tmp_path: Path, python: Command) -> None:
    (block,) = [block for block in BLOCKS if "log_scalar_batch" in block]
    (tmp_path / "script.py").write_text(runnable(block))
    python("script.py")

    header, *rows = read_progress(tmp_path / "logs" / "run_0")
    found = [{k: v for k, v in zip(header, row, strict=True) if v and k != "wall_time"} for row in rows]
    assert found[:2] == [{"step": "3", "loss": "0.5"}, {"step": "4", "loss": "0.4", "acc": "0.9"}]
    assert {k: v for k, v in found[2].items() if k != "return/Std"} == {
        "step": "5",
        "loss": "0.3",
        "return/Average": "4.0",
        "return/Median": "2.0",
        "return/Min": "1.0",
        "return/Max": "9.0",
        "return/Len": "3.0",
    }
    assert found[3:] == [{"step": "7", "loss": "0.2", "eval/acc": "0.95"}]
    assert (tmp_path / "logs" / "run_0" / "debug.log").read_text().endswith("| half way\n")


def test_the_block_of_more_files_leaves_them(tmp_path: Path, python: Command) -> None:
    (block,) = [block for block in BLOCKS if "additional_scalar_output" in block]
    (tmp_path / "script.py").write_text(runnable(block + 'logger.log_scalar("loss", 1.0, 2)\n'))
    python("script.py")

    run_dir = tmp_path / "logs" / "run_0"
    assert len((run_dir / "inner.csv").read_text().splitlines()) == 4
    assert (run_dir / "answers.txt").read_text() == "42\n"
    assert (run_dir / "stdout.log").read_text() == "hello\n"
    assert (run_dir / "model.json").exists()
    (events,) = run_dir.glob("events.out.*")
    assert [tag in events.read_bytes() for tag in (b"loss", b"noisy", b"debug/x")] == [True, False, False]
    assert {"noisy", "debug/x"} <= set(read_progress(run_dir)[0])


def _flat(settings: dict[str, Any]) -> dict[str, Any]:
    flat = {}
    for name, value in settings.items():
        if hasattr(value, "__dataclass_fields__"):
            flat |= {f"{name}.{inner}": of for inner, of in vars(value).items()}
        else:
            flat[name] = value
    return flat


def test_every_setting_is_in_the_table_with_its_default() -> None:
    (section,) = re.findall(r"^## Settings\n(.*?)^## ", LOGGING, re.DOTALL | re.MULTILINE)
    rows = re.findall(r"^\| `([\w.]+)` \| (.*?) \| .+ \|$", section, re.MULTILINE)

    settings = _flat({name: value for name, value in vars(LoggerConf()).items() if name != "_target_"})
    assert {name: yaml.safe_load(default) for name, default in rows} == settings
    assert len(rows) == len(settings)


def test_every_writer_is_in_its_table() -> None:
    (section,) = re.findall(r"^## Writers\n(.*?)^```", LOGGING, re.DOTALL | re.MULTILINE)

    assert set(re.findall(r"^\| `(\w+)` \|", section, re.MULTILINE)) == set(registry.BUILT_IN)
