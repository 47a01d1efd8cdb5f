"""docs/kinds.md: its examples run, and its table has every method."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT

from exptools.logging import logger, logger_context
from exptools.logging.prefixes import KINDS
from exptools.logging.rich import RichKinds

PAGE = (ROOT / "docs" / "kinds.md").read_text()


def test_its_examples_run_and_leave_the_files_that_it_names(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import matplotlib

    matplotlib.use("Agg")
    names: dict[str, Any] = {}
    with logger_context(tmp_path, 0, "name"):
        for example in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
            logger.flush()
            exec(example, names)

    media = tmp_path / "run_0" / "media"
    ends = {re.sub(r"^0\.(\d+\.)?", "", path.name) for path in media.rglob("*") if path.is_file()}
    named = re.findall(r"STEP\.(?:\d\.)?([\w.]+\w)", PAGE)
    assert ends == set(named) - {"mp4", "plotly.json", "sprite.png"}  # which the examples leave out
    assert "0 image eval/frame ['media/eval_frame/0.png']" in capsys.readouterr().out


def test_its_table_has_every_method_and_every_kind() -> None:
    methods = {name for name in vars(RichKinds) if name.startswith("log_")}

    assert set(re.findall(r"^\| `(log_\w+)`", PAGE, re.MULTILINE)) == methods
    for kind in KINDS:
        assert re.search(rf"\b{kind}\b", PAGE.split("The kinds are")[1])
