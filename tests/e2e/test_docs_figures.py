"""The figures of docs/figures.md, drawn by the commands in it from the sweep in it (trained shortly)."""

from __future__ import annotations

import ast
import importlib.util
import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, Command

from exptools.viewing.figures.kinds import KINDS
from exptools.viewing.figures.spec import from_yaml

PAGE = (ROOT / "docs" / "figures.md").read_text()


def docs_figures() -> Any:
    """docs/figures.py, which is no package."""
    spec = importlib.util.spec_from_file_location("docs_figures", ROOT / "docs" / "figures.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.slow
def test_the_commands_of_the_page_make_its_pictures(
    tmp_path: Path, python: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures = docs_figures()
    train, *rest = figures.commands(PAGE)
    done = python(ROOT / shlex.split(train)[1], *shlex.split(train)[2:], "epochs=3")
    assert done.returncode == 0, done.stdout + done.stderr
    monkeypatch.chdir(tmp_path)
    Path("docs/img").mkdir(parents=True)

    files = [figures.draw(command) for command in rest]

    assert sorted({f"img/{file.name}" for file in files if file.suffix == ".png"}) == sorted(
        re.findall(r"\]\((img/figure_\w+\.png)\)", PAGE)
    )
    kinds = set()
    for file in dict.fromkeys(files):
        assert file.stat().st_size > 5000
        assert len(file.with_suffix(".csv").read_text().splitlines()) > 4
        assert len(file.with_suffix(".runs.txt").read_text().splitlines()) == 1 + 36
        kinds.add(from_yaml(file.with_suffix(".yaml").read_text(), str(file)).kind)
    assert kinds == KINDS.keys()
    captions = {file.stem: file.with_suffix(".txt").read_text().strip() for file in files}
    assert captions["figure_curves"] == re.search(r"figure_curves.txt` says:\n\n> (.*)\n", PAGE)[1]
    assert "> CAPTION" not in PAGE


def test_the_pictures_of_the_page_are_there() -> None:
    for name in re.findall(r"\]\((img/[^)]+)\)", PAGE):
        assert (ROOT / "docs" / name).read_bytes().startswith(b"\x89PNG")


def test_the_python_of_the_page_can_be_read() -> None:
    for block in re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL):
        ast.parse(block)


def test_every_option_is_in_the_page() -> None:
    import argparse

    from exptools.viewing.figures import options

    parser = argparse.ArgumentParser(add_help=False)
    options.add_options(parser)
    told = set(re.findall(r"--[a-z][a-z-]*", PAGE))
    asked = {flag for action in parser._actions for flag in action.option_strings if flag.startswith("--")}

    assert told == asked - {"--output"}  # it is called -o there


def test_captions_are_put_where_they_belong() -> None:
    figures = docs_figures()
    page = "![a](img/figure_a.png)\n\nBeside it, x says:\n\n> CAPTION\n\n![b](img/figure_b.png)\n\n> old\n"

    assert figures.with_captions(page, {"figure_a": "A \\1.", "figure_b": "B."}) == page.replace(
        "CAPTION", "A \\1."
    ).replace("old", "B.")
