"""Make the pictures of the README from a real `make demo`: docs/img/demo.svg and docs/img/train_loss.png."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
from pathlib import Path

from rich.console import Console
from rich.text import Text

HERE = Path(__file__).parent
WIDTH = 104


def terminal_output(command: list[str]) -> str:
    """What `command` prints on a terminal of WIDTH columns."""
    os.environ.update(COLUMNS=str(WIDTH), LINES="60", TERM="xterm-256color")
    chunks: list[bytes] = []

    def read(fd: int) -> bytes:
        chunks.append(os.read(fd, 4096))
        return chunks[-1]

    code = pty.spawn(command, read)
    if code:
        raise SystemExit(f"{' '.join(command)} failed")
    return b"".join(chunks).decode().replace("\r", "")


def shortened(text: str) -> str:
    """The output without this machine's paths, and without most of the lines of the jobs."""
    lines = text.replace(f"{HERE.parent}{os.sep}", "").replace(".venv/bin/", "").splitlines()
    lines = [re.sub(r"^\[[-0-9]+ ([0-9:]+),\d+\]", r"[\1]", line) for line in lines]
    jobs = [i for i, line in enumerate(lines) if "[HYDRA]" in line]
    return "\n".join([*lines[: jobs[6]], "...", *lines[jobs[-3] :]]).strip()


def main() -> None:
    """Run the demo and keep its pictures."""
    os.chdir(HERE.parent)
    subprocess.run(["make", ".venv/.installed"], check=True)  # what pip says is no part of the picture
    shutil.rmtree("multirun/demo", ignore_errors=True)
    text = shortened(terminal_output(["make", "--no-print-directory", "demo"]))
    console = Console(record=True, width=WIDTH, file=io.StringIO())
    console.print(Text.from_ansi(f"$ make demo\n{text}"))
    console.save_svg(str(HERE / "img" / "demo.svg"), title="exptools")
    shutil.copy("multirun/demo/train_loss.png", HERE / "img" / "train_loss.png")


if __name__ == "__main__":
    main()
