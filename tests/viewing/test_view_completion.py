"""--completion: what a shell offers behind exptools-view, from the runs below the PATH on the line."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from conftest import clean_environment
from tensorboardX import SummaryWriter
from terminal import Terminal
from view_files import write_run

from exptools.viewing import cli, completion, options

BIN = str(Path(sys.executable).parent)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "runs"
    for i, lr in enumerate([0.1, 0.001]):
        config = {"optimizer": {"lr": lr}, "model": {"name": ["small one", "large"][i]}, "seed": i, "same": 1}
        write_run(
            root / str(i), {"train/loss": [1.0], "test/acc": [1.0], "test/acc top": [1.0]}, config=config
        )
    return root


@pytest.fixture
def offered(tree: Path, capsys: Any) -> Any:
    """The candidates at the end of a line, TREE being the runs."""

    def ask(line: str, shell: str = "fish") -> list[str]:
        assert cli.main(["--complete", shell, f"exptools-view {line.replace('TREE', str(tree))}"]) == 0
        out, err = capsys.readouterr()
        assert err == ""
        return out.splitlines()

    return ask


TAGS = ["test/acc", "test/acc top", "train/loss"]
KEYS = ["lr", "model", "seed"]


@pytest.mark.parametrize(
    ("line", "candidates"),
    [
        ("TREE --tags ", TAGS),
        ("TREE --tags tr", ["train/loss"]),
        ("TREE --plot test/", TAGS[:2]),
        ("TREE --best 3 --max te", TAGS[:2]),
        ("TREE --columns ", sorted([*TAGS, *KEYS, "run", "state", "duration", "error"])),
        ("TREE --sort m", ["model"]),
        ("TREE --where m", ["model!=", "model="]),
        ("TREE --where 'te", sorted(f"{tag}{op}" for tag in TAGS[:2] for op in "<>")),
        ("TREE --where '!", [f"!{name}" for name in sorted([*TAGS, *KEYS])]),
        ("TREE --where lr=", ["lr=0.001", "lr=0.1"]),
        ("TREE --where optimizer.lr=0.0", ["optimizer.lr=0.001"]),
        ("TREE --where lr=0.1,", ["lr=0.1,0.001", "lr=0.1,0.1"]),
        ('TREE --where "model!=s', ["model!=small one"]),
        ("TREE --where same=", ["same=1"]),
        ("TREE --exclude state=comp", ["state=completed"]),
        ("TREE --state fa", ["failed"]),
        ("TREE --state failed,comp", ["failed,completed"]),
        ("TREE --better 'train/loss", ["train/loss=max", "train/loss=min"]),
        ("TREE --diff ", ["0", "1"]),
        ("TREE --diff 0 ", ["0", "1"]),
        ("TREE --table ", ["csv", "html", "latex", "md"]),
        ("TREE --stat t", ["tail"]),
        ("TREE --ci b", ["bootstrap95"]),
        ("TREE --plot train/loss --by m", ["model"]),
        ("TREE --plot train/loss --by model,l", ["model,lr"]),
        ("TREE --split t", ["tag"]),
        ("TREE --x te", TAGS[:2]),
        ("TREE --x w", ["wall_time"]),
        ("TREE --kind b", ["bars"]),
        ("TREE --task mo", ["model"]),
        ("TREE --best-of tr", ["train/loss"]),
        ("TREE --style neu", ["neurips"]),
        ("TREE --completion z", ["zsh"]),
        ("--ta", ["--table", "--tags", "--task"]),
        ("--csv TREE --tags tr", ["train/loss"]),
        ("--tags tr TREE --latest --tags te", TAGS[:2]),
        ("TREE -o f", []),
        ("TREE --csv f", []),
        ("TREE ", []),
        ("nowhere --tags t", []),
        ("--tags t", []),
        ("TREE --nonsense --tags tr", ["train/loss"]),
    ],
)
def test_what_is_offered(offered: Any, line: str, candidates: list[str]) -> None:
    assert offered(line) == candidates


def test_the_line_may_hold_other_commands(offered: Any, tree: Path) -> None:
    assert offered(f"nowhere | env X=1 exptools-view {tree} --tags tr") == ["train/loss"]


def test_every_option_is_offered(offered: Any) -> None:
    known = {name for action in options.parser()._actions for name in action.option_strings}

    assert set(offered("--")) == {name for name in known if name.startswith("--")}


def test_event_files_have_tags_too(tmp_path: Path, offered: Any) -> None:
    writer = SummaryWriter(str(tmp_path / "events"))
    writer.add_scalar("mine", 1.0, 0)
    writer.close()

    assert offered(f"{tmp_path / 'events'} --tags ") == ["mine"]


@pytest.mark.parametrize(
    "words",
    [[], ["bash"], ["bash", "exptools-view 'a"], ["bash", "", ""], ["bash", "exptools-view \\"], ["?", "x"]],
)
def test_it_never_complains(words: list[str], capsys: Any) -> None:
    assert cli.main(["--complete", *words]) == 0
    assert capsys.readouterr() == ("", "")


def test_a_broken_run_says_nothing(tree: Path, offered: Any) -> None:
    (tree / "0" / "progress.csv").write_bytes(b"\xff\x00")
    (tree / "0" / "variant_config.json").write_text("{")

    assert offered("TREE --tags tr") == ["train/loss"]


def test_what_has_been_found_in_time_is_offered(
    tree: Path, offered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = completion._tags_of

    def slow(place: Any) -> Any:
        if place.name == "1":
            time.sleep(30)
        return really(place)

    monkeypatch.setattr(completion, "_tags_of", slow)
    start = time.monotonic()

    assert offered("TREE --tags tr") == ["train/loss"]
    assert time.monotonic() - start < 15  # a second


def test_of_a_large_tree_some_runs_are_seen_before_it_is_walked(
    tree: Path, offered: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exptools.viewing import runs

    really = runs.find

    def slow(paths: list[str]) -> Any:
        if paths == [str(tree)]:
            time.sleep(30)
        return really(paths)

    monkeypatch.setattr(runs, "find", slow)

    assert offered("TREE --tags tr") == ["train/loss"]
    assert offered("TREE --where lr=") == ["lr=0.001", "lr=0.1"]


def test_work_is_limited_as_waiting_is(tree: Path, offered: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def endless(place: Any) -> Any:
        while True:
            pass

    monkeypatch.setattr(completion, "_PATIENCE_S", {signal.ITIMER_PROF: 0.05, signal.ITIMER_REAL: 100.0})
    monkeypatch.setattr(completion, "_tags_of", endless)

    assert offered("TREE --tags tr") == []


def in_shell(command: list[str], tree: Path, start: str) -> Terminal:
    os.environ["PATH"] = f"{BIN}:{os.environ['PATH']}"
    terminal = Terminal(command, tree.parent, 30, 90)
    terminal.type(start)
    terminal.wait_until(lambda screen: screen == ["ready>"])
    return terminal


BASH = "PS1='ready> '; eval \"$(exptools-view --completion bash)\"; bind 'set bell-style none'; clear\n"


@pytest.mark.parametrize(
    ("typed", "completed"),
    [
        ("runs --tags tr\t", "runs --tags train/loss "),
        ("runs --tags 'test/acc t\t", "runs --tags 'test/acc top' "),
        ("runs --tags test/acc\\ t\t", "runs --tags test/acc\\ top "),
        ("runs --where lr=0.0\t", "runs --where lr=0.001 "),
        ("runs --where 'lr=0.0\t", "runs --where 'lr=0.001' "),
        ("runs --where 'train\t", "runs --where 'train/loss"),
        ("runs --where model!=sm\t", "runs --where model!=small\\ one "),
        ("runs --where mod\t", "runs --where model"),
        ("runs --state failed,comp\t", "runs --state failed,completed "),
        ("ru\t", "runs/"),
        ("runs --watc\t", "runs --watch "),
    ],
)
def test_bash_completes(tree: Path, monkeypatch: pytest.MonkeyPatch, typed: str, completed: str) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    terminal = in_shell(["bash", "--norc", "--noprofile"], tree, BASH)

    terminal.type(f"exptools-view {typed}|")
    shown = terminal.wait_until(lambda screen: screen[-1].endswith("|"))
    terminal.process.kill()
    terminal.wait()

    assert shown[-1] == f"ready> exptools-view {completed}|"


@pytest.mark.skipif(shutil.which("zsh") is None, reason="zsh is not installed")
def test_zsh_completes(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", os.environ["PATH"])
    start = "PS1='ready> '; autoload -Uz compinit; compinit -u -D; "
    start += 'eval "$(exptools-view --completion zsh)"; clear\n'
    terminal = in_shell(["zsh", "-f"], tree, start)

    terminal.type("exptools-view runs --where 'lr=0.0\t|")
    shown = terminal.wait_until(lambda screen: screen[-1].endswith("|"))
    terminal.process.kill()
    terminal.wait()

    assert shown[-1].replace(" |", "|") == "ready> exptools-view runs --where 'lr=0.001'|"


@pytest.mark.skipif(shutil.which("fish") is None, reason="fish is not installed")
def test_fish_completes(tree: Path) -> None:
    line = f'exptools-view --completion fish | source; complete -C "exptools-view {tree} --tags tr"'
    environment = clean_environment(PATH=f"{BIN}:{os.environ['PATH']}", HOME=str(tree))

    ran = subprocess.run(
        ["fish", "--no-config", "-c", line], capture_output=True, text=True, env=environment, check=True
    )

    assert "train/loss" in ran.stdout.splitlines()


def test_every_shell_has_its_script(capsys: Any) -> None:
    for shell in options.SHELLS:
        assert cli.main(["--completion", shell]) == 0
        assert f"exptools-view --complete {shell} " in capsys.readouterr().out


def test_completing_loads_nothing_heavy(tree: Path) -> None:
    code = "import sys; from exptools.viewing import cli; cli.main(sys.argv[1:]); print(*sys.modules)"
    words = ["--complete", "bash", f"exptools-view {tree} --where lr=0.0", "0.0"]
    ran = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True, check=True)

    first, *rest = ran.stdout.split()
    assert first == "0.001"
    assert not {"numpy", "polars", "pandas", "rich", "matplotlib", "omegaconf"} & set(rest)
