"""What docs/reading.md says, compared with the code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from conftest import ROOT

from exptools.viewing import cache, known
from exptools.viewing.api import load
from exptools.viewing.readers import registry, viskit
from exptools.viewing.readers.format import Format

READING = (ROOT / "docs" / "reading.md").read_text()


def test_the_table_names_every_format() -> None:
    rows = re.findall(r"^\| (\w+) \|", READING, re.MULTILINE)

    assert rows[1:] == [format_.name for format_ in registry.formats()]


def test_the_steps_that_are_named_are_known() -> None:
    (sentence,) = re.findall(r"first well known column \((.*?), \.\.\.\)", READING, re.DOTALL)

    assert set(re.findall("`(.*?)`", sentence)) <= set(viskit.STEPS)


def test_the_names_of_the_cache_are_right() -> None:
    assert f"`{cache.DIRECTORY}/`" in READING
    assert f"`{known.NAME}`" in READING
    assert cache.SMALLEST == 2**20


def test_the_format_of_ones_own_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (block,) = re.findall(r"```python\n(.*?)```", READING, re.DOTALL)
    made: dict[str, object] = {}
    exec(block, made)
    mine = made["FORMAT"]
    assert isinstance(mine, Format)
    before = registry.formats()
    monkeypatch.setattr(registry, "formats", lambda: (*before, mine))
    registry.of_name.cache_clear()
    (tmp_path / "0").mkdir()
    (tmp_path / "0" / "loss.txt").write_text("1.5\n2.5\n")

    frames = load(tmp_path).scalars()
    registry.of_name.cache_clear()

    assert frames[["tag", "step", "value"]].to_numpy().tolist() == [["loss", 0, 1.5], ["loss", 1, 2.5]]
