"""Make the pictures of docs/figures.md by the commands in it, from its sweep (a minute of training)."""

from __future__ import annotations

import argparse
import re
import shlex
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

from exptools.viewing import load
from exptools.viewing.figures import options

HERE = Path(__file__).parent
PAGE = HERE / "figures.md"
BESIDE = (".csv", ".runs.txt", ".txt", ".yaml")


def commands(page: str) -> list[str]:
    """The lines of all blocks of sh."""
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", page, re.DOTALL)
    return [line for block in blocks for line in block.splitlines() if line]


def draw(command: str) -> Path:
    """Draw the figure that an `exptools-view ...` asks for, and return its file."""
    parser = argparse.ArgumentParser()
    parser.add_argument("paths", nargs="*")
    options.add_options(parser)
    given = parser.parse_intermixed_args(shlex.split(command, comments=True)[1:])
    spec = options.spec_of(given, given.paths)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # what is noted is in the caption
        load(*spec.paths).plot(spec=spec)
    assert spec.file is not None
    return Path(spec.file)


def with_captions(page: str, captions: dict[str, str]) -> str:
    """`page` with the captions of its pictures as they are now, in the quotes that stand for them."""
    for name, caption in captions.items():
        quote = re.compile(rf"(\(img/{name}\.png\)\n\n(?:Beside it[^\n]*\n\n)?)> [^\n]*\n")
        page = quote.sub(lambda match, text=caption: f"{match[1]}> {text}\n", page)  # type: ignore[misc]
    return page


def main() -> None:
    """Train, draw, and put the captions into the page."""
    train, *rest = commands(PAGE.read_text())
    if not Path("multirun/digits").exists():
        subprocess.run([sys.executable, *shlex.split(train)[1:]], check=True)
    files = [draw(command) for command in rest if "--plot" in command]
    captions = {file.stem: file.with_suffix(".txt").read_text().strip() for file in files}
    PAGE.write_text(with_captions(PAGE.read_text(), captions))
    kept = Path("multirun/figures")
    kept.mkdir(exist_ok=True)
    for file in files:
        for ending in BESIDE:
            shutil.move(file.with_name(file.stem + ending), kept / (file.stem + ending))


if __name__ == "__main__":
    main()
