"""provenance.json: with which code, on what, and how asked each attempt of a run was made."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
import types
from pathlib import Path
from typing import Any

import pytest
from conftest import Command, clean_environment
from rust import until

from exptools import provenance, rundir
from exptools.errors import LoggingError, RunDirError
from exptools.logging import Logger, logger, logger_context
from exptools.provenance.repository import describe
from exptools.provenance.secrets import Hider
from exptools.rundir import State, Status

KEY = "Zx81qwertyKEY9876"  # what must be found nowhere
PHRASE = "-".join(("correct", "horse"))  # in two parts: the patch of a changed exptools may hold this file

APP = """
import sys, hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger
node = {"defaults": ["_self_", "exptools"], "x": 0, "seed": 3, "model": {"max_tokens": 512}}
ConfigStore.instance().store(name="app", node={**node, "wandb": {"api_key": None}})

@hydra.main(version_base=None, config_name="app")
def main(cfg):
    logger.log_scalar("loss", float(cfg.x), 0)

if __name__ == "__main__":
    main()
"""


def git(directory: Path, *words: str) -> str:
    """What git answers in a directory."""
    told = subprocess.run(
        ["git", "-c", "user.name=N", "-c", "user.email=n@example.org", *words],
        cwd=directory,
        capture_output=True,
        text=True,
        check=True,
        env={**clean_environment(), "GIT_CONFIG_GLOBAL": os.devnull},
    )
    return told.stdout.strip()


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository with an application that was committed."""
    directory = tmp_path / "the code"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "main")
    (directory / "app.py").write_text(APP)
    git(directory, "add", "-A")
    git(directory, "commit", "-qm", "the first")
    return directory


def entries(run_dir: Path) -> list[dict[str, Any]]:
    """All attempts, as the file has them."""
    found: list[dict[str, Any]] = json.loads((run_dir / "provenance.json").read_text())["attempts"]
    return found


def bytes_of(*directories: Path) -> bytes:
    """All that lies in files of provenance."""
    return b"".join(p.read_bytes() for d in directories for p in sorted(d.rglob("provenance*")))


def test_a_run_tells_how_it_was_asked_for_with_which_code_and_on_what(
    repository: Path, python: Command
) -> None:
    (repository / "app.py").write_text(APP + "# edited\n")
    begun = time.time()
    done = python("app.py", "x=1", "hydra.run.dir=out", cwd=repository, OMP_NUM_THREADS="3")

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    (entry,) = entries(repository / "out")
    assert entry["argv"] == ["app.py", "x=1", "hydra.run.dir=out"]
    assert entry["overrides"] == ["x=1"]
    assert entry["cwd"] == str(repository)
    assert entry["config"]["x"] == 1
    assert entry["config"] == json.loads((repository / "out/variant_config.json").read_text())
    assert entry["seeds"] == {"seed": 3}
    assert entry["repository"]["directory"] == str(repository)
    assert entry["repository"]["commit"] == git(repository, "rev-parse", "HEAD")
    assert entry["repository"]["branch"] == "main"
    assert entry["repository"]["subject"] == "the first"
    assert entry["repository"]["dirty"] is True
    assert entry["repository"]["truncated"] is False
    assert b"+# edited" in (repository / "out" / entry["repository"]["patch"]).read_bytes()
    assert entry["packages"]["hydra-core"].startswith("1.")
    assert entry["packages"]["exptools"]
    assert entry["python"]["executable"] == sys.executable
    assert entry["machine"]["host"] == os.uname().nodename
    assert entry["machine"]["n_cpus"] == os.cpu_count()
    assert entry["environment"]["OMP_NUM_THREADS"] == "3"
    assert "HOME" not in entry["environment"]
    assert begun < entry["start"] < entry["end"] < time.time()
    assert (entry["state"], entry["exit_code"], entry["error"]) == ("COMPLETED", 0, None)


def test_packages_are_those_that_the_standard_library_finds() -> None:
    import importlib.metadata
    import re

    from exptools.provenance.packages import installed

    expected: dict[str, str] = {}
    for one in importlib.metadata.distributions():
        expected.setdefault(re.sub(r"[-_.]+", "-", one.metadata["Name"]).lower(), one.version)

    assert installed().versions == expected


def test_a_package_from_a_repository_tells_its_commit(tmp_path: Path) -> None:
    from exptools.provenance.packages import Installed, installed

    for name, origin in {
        "from_git-1.0": {"url": "https://x", "vcs_info": {"vcs": "git", "commit_id": "abc"}},
        "Mine.Own-2.0": {"url": "file:///home/me/my%20own", "dir_info": {"editable": True}},
        "wheel-3": {"url": "file:///home/me/w.whl", "archive_info": {}},
    }.items():
        info = tmp_path / f"{name}.dist-info"
        info.mkdir()
        (info / "direct_url.json").write_text(json.dumps(origin))
    (tmp_path / "old-0.1-py3.8.egg-info").mkdir()
    (tmp_path / "dev.egg-info").mkdir()
    (tmp_path / "dev.egg-info/PKG-INFO").write_text("Name: dev\nVersion: 7\n")

    assert installed([str(tmp_path), str(tmp_path / "gone"), str(tmp_path)]) == Installed(
        versions={"dev": "7", "from-git": "1.0", "mine-own": "2.0", "old": "0.1", "wheel": "3"},
        commits={"from-git": "abc"},
        editable={"mine-own": "/home/me/my own"},
    )


# --- the code can be had again ------------------------------------------------------------------------------


def test_the_state_of_the_code_can_be_checked_out_again(
    repository: Path, tmp_path: Path, python: Command
) -> None:
    (repository / "to be renamed.txt").write_text("one\ntwo\nthree\nfour\n" * 10)
    (repository / "image.bin").write_bytes(bytes(range(256)) * 20)
    (repository / "gone.py").write_text("x = 1\n")
    (repository / "ümlaut.py").write_text("x = 1\n")
    (repository / ".gitignore").write_text("*.log\n__pycache__\n")
    (repository / "empty").write_text("")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "more")
    git(repository, "mv", "to be renamed.txt", "with a new name.txt")
    (repository / "with a new name.txt").write_text("one\ntwo\nthree\nfour\n" * 10 + "five")
    (repository / "image.bin").write_bytes(bytes(range(255, -1, -1)) * 20)
    (repository / "gone.py").unlink()
    (repository / "ümlaut.py").write_text("x = 2\r\n")
    (repository / "a dir").mkdir()
    (repository / "a dir/new file.py").write_text("y = 1\n")
    (repository / "staged.py").write_text("staged\n")
    git(repository, "add", "staged.py")
    (repository / "staged.py").write_text("and edited\n")
    (repository / "run.sh").write_text("echo\n")
    (repository / "run.sh").chmod(0o755)
    (repository / "noise.log").write_text("ignored\n")
    index = (repository / ".git/index").read_bytes()
    python("app.py", "hydra.run.dir=outputs/one", cwd=repository)
    python("app.py", "hydra.run.dir=outputs/two", cwd=repository)

    (entry,) = entries(repository / "outputs/two")
    again = tmp_path / "again"
    git(tmp_path, "clone", "-q", str(repository), str(again))
    git(again, "checkout", "-q", entry["repository"]["commit"])
    git(again, "apply", str(repository / "outputs/two" / entry["repository"]["patch"]))

    ignored = (".git", "outputs", "noise.log", "__pycache__")
    assert _tree(again) == _tree(repository, without=ignored)
    assert "left_out" not in entry["repository"]
    assert "untracked" not in entry["repository"], "what runs have written is not the user's code"
    assert (repository / ".git/index").read_bytes() == index, "the user's index is as it was"


def _tree(root: Path, without: tuple[str, ...] = (".git",)) -> dict[str, tuple[bytes, int]]:
    return {
        str(path.relative_to(root)): (path.read_bytes(), path.stat().st_mode & 0o111)
        for path in root.rglob("*")
        if path.is_file() and path.relative_to(root).parts[0] not in without
    }


def test_users_settings_of_git_do_not_change_the_patch(repository: Path, python: Command) -> None:
    for name, value in {
        "diff.noprefix": "true",
        "diff.external": "/bin/false",
        "color.ui": "always",
        "diff.mnemonicPrefix": "true",
        "core.quotePath": "false",
        "diff.context": "0",
    }.items():
        git(repository, "config", name, value)
    (repository / "app.py").write_text(APP + "# edited\n")
    python("app.py", "hydra.run.dir=out", cwd=repository)

    (entry,) = entries(repository / "out")
    git(repository, "checkout", "-q", "app.py")
    git(repository, "config", "--unset", "diff.noprefix")
    git(repository, "apply", str(Path("out", entry["repository"]["patch"])))
    assert (repository / "app.py").read_text() == APP + "# edited\n"


def test_what_is_too_big_for_the_patch_is_named_and_the_rest_applies(
    repository: Path, python: Command
) -> None:
    (repository / "big.txt").write_text("\n".join(map(str, range(300_000))))
    git(repository, "add", "big.txt")
    (repository / "app.py").write_text(APP + "# edited\n")
    (repository / "new.py").write_text("pass\n")
    (repository / "huge.py").write_text("pass\n" * 100_000)
    (repository / "data.npy").write_bytes(bytes(1000))
    python("app.py", "hydra.run.dir=out", cwd=repository)

    told = entries(repository / "out")[0]["repository"]
    patch = repository / "out" / told["patch"]
    assert told["truncated"] is True
    assert told["patch_bytes"] > 2_000_000
    assert list(told["left_out"]) == ["big.txt"]
    assert told["left_out"]["big.txt"].endswith("bytes; the patch is cut at 1,000,000")
    assert (told["untracked"], told["n_untracked"]) == (["data.npy", "huge.py"], 2)
    assert patch.stat().st_size < 1_000_000
    git(repository, "reset", "-q", "--hard")
    (repository / "new.py").unlink()
    git(repository, "apply", str(patch))
    assert (repository / "app.py").read_text() == APP + "# edited\n"
    assert (repository / "new.py").read_text() == "pass\n"


# --- repositories that are not as usual ---------------------------------------------------------------------


def described(directory: Path) -> dict[str, Any]:
    """What is told of the repository at a directory."""
    from exptools.provenance import repository as module

    return module.describe(directory, Hider()).facts


def test_a_clean_repository_has_no_patch(repository: Path) -> None:
    told = described(repository)

    assert told["dirty"] is False
    assert "patch" not in told
    assert "problem" not in told


def test_a_detached_head_has_no_branch(repository: Path) -> None:
    git(repository, "checkout", "-q", "--detach")

    told = described(repository)

    assert told["branch"] is None
    assert told["commit"] == git(repository, "rev-parse", "HEAD")


def test_a_repository_without_a_commit_is_all_patch(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "app.py").write_text("pass\n")

    told = described(tmp_path)

    assert (told["commit"], told["branch"]) == (None, "main")
    assert told["problem"] == "there is no commit yet"
    assert told["dirty"] is True
    assert told["patch"]


def test_no_repository_a_bare_one_and_one_of_somebody_else_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "none").mkdir()
    git(tmp_path, "init", "-q", "--bare", "bare")
    git(tmp_path, "init", "-q", "theirs")
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert described(tmp_path / "none")["problem"] == "not in a git repository"
    assert described(tmp_path / "bare")["problem"] == "a bare git repository has no files of its own"

    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert described(tmp_path / "theirs")["problem"].startswith("detected dubious ownership")


def test_without_git_the_record_says_so(repository: Path, python: Command) -> None:
    done = python("app.py", "hydra.run.dir=out", cwd=repository, PATH="/nowhere")

    assert (done.returncode, done.stderr) == (0, "")
    (entry,) = entries(repository / "out")
    assert entry["repository"] == {"directory": str(repository), "problem": "git is not installed"}
    assert entry["state"] == "COMPLETED"


def test_a_git_that_takes_too_long_is_ended(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exptools.provenance import repository as module

    slow = repository.parent / "bin"
    slow.mkdir()
    (slow / "git").write_text("#!/bin/sh\nexec sleep 60\n")
    (slow / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{slow}:{os.environ['PATH']}")
    begun = time.monotonic()

    told = module.describe(repository, Hider(), begun + 0.3).facts

    assert told == {"directory": str(repository), "problem": "git took too long"}
    assert time.monotonic() - begun < 5


def test_a_filter_that_takes_too_long_is_ended_with_git(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(repository, "config", "filter.slow.clean", "sleep 30; cat")
    (repository / ".gitattributes").write_text("*.bin filter=slow\n")
    (repository / "weights.bin").write_text("x")
    monkeypatch.setattr("exptools.provenance.repository.TIME_LIMIT_S", 1.0)
    git(repository, "-c", "filter.slow.clean=cat", "add", "-A")
    git(repository, "-c", "filter.slow.clean=cat", "commit", "-qm", "weights")
    (repository / "weights.bin").write_text("changed")
    begin = time.monotonic()

    found = describe(repository, Hider())

    assert found.facts["problem"] == "git took too long"
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize("answer", ["yes | head -c 200000", "head -c 200000 /dev/zero"])
def test_a_git_that_answers_garbage_is_told(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: str
) -> None:
    fake = tmp_path / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\n{answer}\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{fake.parent}{os.pathsep}{os.environ['PATH']}")

    assert describe(repository, Hider()).facts == {
        "directory": str(repository),
        "problem": "what git answers is not the name of a directory",
    }


def test_nothing_is_written_into_the_repository_and_no_hook_is_run(repository: Path, tmp_path: Path) -> None:
    hook = repository / ".git" / "hooks" / "post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch '{tmp_path}/hook'\n")
    hook.chmod(0o755)
    (repository / "new.py").write_text("x = 1\n")
    before = sorted((p, p.stat().st_mtime_ns) for p in repository.rglob("*"))

    found = describe(repository, Hider())

    assert b"+x = 1" in b"".join(found.patches.values())
    assert sorted((p, p.stat().st_mtime_ns) for p in repository.rglob("*")) == before
    assert not (tmp_path / "hook").exists()


def test_variables_of_git_that_hooks_and_debuggers_set_change_nothing(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (repository / "app.py").write_text(APP + "\nx = 1\n")
    expected = describe(repository, Hider())
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_OBJECT_DIRECTORY", "GIT_COMMON_DIR"):
        monkeypatch.setenv(name, "/nowhere")
    monkeypatch.setenv("GIT_DIFF_OPTS", "--unified=0")
    monkeypatch.setenv("GIT_TRACE", "1")

    assert describe(repository, Hider()) == expected
    monkeypatch.setenv("PATH", str(repository))
    assert describe(repository, Hider()).facts["problem"] == "git is not installed"


def test_a_large_file_that_changed_does_not_take_the_patch_with_it(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exptools.provenance.repository.MAX_DIFFED_BYTES", 1000)
    (repository / "a [b]*.bin").write_bytes(b"0")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "a file")
    (repository / "a [b]*.bin").write_bytes(bytes(2000))
    (repository / "app.py").write_text("x = 1\n")
    (repository / "new.py").write_text("y = 1\n")

    found = describe(repository, Hider())
    (patch,) = found.patches.values()

    assert b"+x = 1" in patch and b"+y = 1" in patch and b".bin" not in patch
    assert found.facts["left_out"] == {"a [b]*.bin": "a file of 2,000 bytes"}
    assert found.facts["dirty"] and found.facts["truncated"]


def test_a_submodule_is_told_with_its_own_patch(repository: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(repository, library)
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library), "sub dir/lib")
    git(repository, "commit", "-qm", "with a submodule")
    (repository / "sub dir/lib/app.py").write_text("edited = 1\n")

    told = described(repository)

    sub = told["submodules"]["sub dir/lib"]
    assert sub["commit"] == git(library, "rev-parse", "HEAD")
    assert sub["dirty"] is True
    assert sub["patch"] != told.get("patch")


def test_a_linked_worktree_is_a_repository(repository: Path, tmp_path: Path) -> None:
    git(repository, "worktree", "add", "-q", str(tmp_path / "linked"))
    (tmp_path / "linked/new.py").write_text("pass\n")

    told = described(tmp_path / "linked")

    assert (told["directory"], told["branch"], told["dirty"]) == (str(tmp_path / "linked"), "linked", True)
    assert told["patch"]


def test_it_is_the_repository_of_the_script_not_of_the_directory(
    repository: Path, tmp_path: Path, python: Command
) -> None:
    other = tmp_path / "other"
    other.mkdir()
    git(other, "init", "-q")
    python(repository / "app.py", "hydra.run.dir=out", cwd=other)

    (entry,) = entries(other / "out")
    assert entry["repository"]["directory"] == str(repository)


# --- sweeps -------------------------------------------------------------------------------------------------

LAUNCH = ("hydra/launcher=exptools", "hydra.launcher.n_parallel=2", "hydra.sweep.dir=sweep")


@pytest.mark.parametrize("settings", [(), ("hydra.launcher.engine=joblib",), ("hydra.launcher.start=spawn",)])
def test_each_job_of_a_sweep_tells_its_own_overrides_and_shares_the_patch(
    repository: Path, python: Command, settings: tuple[str, ...]
) -> None:
    (repository / "app.py").write_text(APP + "# edited\n")
    words = ("-m", "x=0,1,2,3", "seed=7", *LAUNCH, *settings)
    done = python("app.py", *words, cwd=repository)

    assert done.returncode == 0, done.stderr
    for number in range(4):
        (entry,) = entries(repository / f"sweep/{number}")
        assert entry["overrides"] == [f"x={number}", "seed=7"]
        assert entry["argv"] == ["app.py", f"x={number}", "seed=7", *LAUNCH, *settings]
        assert entry["config"]["x"] == number
        assert entry["seeds"] == {"seed": 7}
        assert entry["repository"]["commit"] == git(repository, "rev-parse", "HEAD")
        assert entry["environment"]["EXPTOOLS_AFFINITY_CODE"]
        assert len(entry["machine"]["cpus"]) <= os.cpu_count() / 2 or os.cpu_count() == 1
        assert entry["state"] == "COMPLETED"
    patches = list((repository / "sweep").rglob(entry["repository"]["patch"]))
    assert len(patches) == 5
    assert len({path.stat().st_ino for path in patches}) <= 2, "one file by many names, but for a first race"


def test_code_that_is_edited_during_a_sweep_is_told_by_the_jobs_that_ran_it(
    repository: Path, python: Command
) -> None:
    edits = """
from pathlib import Path
if cfg.x == 0:
    import time; time.sleep(1)
    Path(__file__).write_text(Path(__file__).read_text() + "# edited in between\\n")
"""
    indented = "".join(f"    {line}\n" for line in edits.strip().splitlines())
    app = APP.replace('    logger.log_scalar("loss"', f'{indented}    logger.log_scalar("loss"')
    (repository / "app.py").write_text(app)
    git(repository, "commit", "-qam", "an app that edits itself")
    done = python("app.py", "-m", "x=0,1", *LAUNCH, "hydra.launcher.n_parallel=1", cwd=repository)

    assert done.returncode == 0, done.stderr
    first, second = (entries(repository / f"sweep/{n}")[0]["repository"] for n in (0, 1))
    assert first["dirty"] is False
    assert b"edited in between" in (repository / "sweep/1" / second["patch"]).read_bytes()


def test_a_job_without_the_logger_is_recorded_too(repository: Path, python: Command) -> None:
    bare = APP.replace('"exptools"]', '{"override /hydra/launcher": "exptools"}]')
    (repository / "app.py").write_text(bare.replace("    logger.log_scalar", "    float; #"))
    done = python("app.py", "-m", "x=0,1", "hydra.sweep.dir=sweep", cwd=repository)

    assert done.returncode == 0, done.stderr
    (entry,) = entries(repository / "sweep/1")
    assert entry["overrides"] == ["x=1"]
    assert (entry["state"], entry["attempt"]) == ("COMPLETED", 1)


def test_runs_of_a_plain_script_tell_the_scripts_repository(
    repository: Path, tmp_path: Path, python: Command
) -> None:
    (repository / "train.py").write_text(
        "import sys\nfrom exptools.logging import logger_context\n"
        "with logger_context(sys.argv[2], sys.argv[3], 'x', {'lr': 0.1}) as logger:\n"
        "    logger.log_scalar('a', 1.0)\n"
    )
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", "train")
    (tmp_path / "launch.py").write_text(
        "from exptools import run_experiments, quick_affinity_code\n"
        "if __name__ == '__main__':\n"
        f"    run_experiments({str(repository / 'train.py')!r}, quick_affinity_code(n_parallel=1), 't', 1,"
        " [{'lr': 0.1}], ['one'])\n"
    )
    done = python("launch.py")

    assert done.returncode == 0, done.stdout + done.stderr
    (run_dir,) = tmp_path.glob("data/local/t/*/one/run_0")
    (entry,) = entries(run_dir)
    assert entry["repository"]["subject"] == "train"
    assert entry["argv"][0] == str(repository / "train.py")
    assert entry["argv"][3] == "0"
    assert entry["config"] == {"name": "x", "run_ID": "0", "lr": 0.1}


# --- attempts and ends --------------------------------------------------------------------------------------


def test_a_failed_attempt_and_the_one_that_completes(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), logger_context(tmp_path, 0, "x", {"lr": 0.1, "seed": 1}):
        raise ZeroDivisionError("by nought")
    with logger_context(tmp_path, 0, "x", {"lr": 0.1, "seed": 1}):
        pass
    with logger_context(tmp_path, 0, "x", {"lr": 0.2, "seed": 2}, resume="always"):
        pass

    first, second, third = entries(tmp_path / "run_0")
    assert (first["attempt"], first["state"], first["exit_code"]) == (1, "FAILED", 1)
    assert first["error"] == "ZeroDivisionError: by nought"
    assert (second["attempt"], second["state"], second["exit_code"]) == (2, "COMPLETED", 0)
    assert first["config"]["lr"] == 0.1
    assert "config" not in second
    assert second["config_of_attempt"] == 1
    assert (third["config"]["lr"], third["seeds"]) == (0.2, {"seed": 2})


KILLED = """
import os, signal, time
from exptools.logging import logger_context
with logger_context(".", 0, "x") as logger:
    logger.log_scalar("a", 1.0)
    time.sleep(1)
    {kill}
"""


def test_an_attempt_that_was_killed_is_ended_by_the_next(tmp_path: Path, python: Command) -> None:
    (tmp_path / "app.py").write_text(KILLED.format(kill="os.kill(os.getpid(), signal.SIGKILL)"))
    assert python("app.py").returncode == -signal.SIGKILL
    (entry,) = entries(tmp_path / "run_0")
    assert "end" not in entry
    assert entry["packages"], "what was known is there"
    (read,) = provenance.read(tmp_path / "run_0")
    assert (read["state"], read["error"]) == ("INTERRUPTED", "the process was gone")
    with logger_context(tmp_path, 0, "x"):
        pass

    first, second = entries(tmp_path / "run_0")
    assert (first["state"], first["error"]) == ("INTERRUPTED", "the process was gone")
    assert first["start"] <= first["end"] < second["start"]
    assert second["state"] == "COMPLETED"


def test_an_attempt_that_a_signal_ends_tells_its_end(tmp_path: Path, python: Command) -> None:
    (tmp_path / "app.py").write_text(
        KILLED.format(kill="os.kill(os.getpid(), signal.SIGTERM); time.sleep(30)")
    )
    assert python("app.py").returncode == -signal.SIGTERM

    (entry,) = entries(tmp_path / "run_0")
    assert (entry["state"], entry["exit_code"]) == ("INTERRUPTED", -signal.SIGTERM)


def test_a_job_that_the_launcher_stops_or_finds_dead_tells_its_end(repository: Path, python: Command) -> None:
    act = "import os, time; os.kill(os.getpid(), 9) if cfg.x else time.sleep(60)"
    (repository / "app.py").write_text(
        APP.replace(
            "    logger.log_scalar", f"    import time; time.sleep(0.5); {act}\n    logger.log_scalar"
        )
    )
    words = ("-m", "x=0,1", *LAUNCH, "hydra.launcher.timeout_s=4", "hydra.launcher.retries=1")
    done = python("app.py", *words, cwd=repository)

    assert done.returncode == 1
    late, dead = (entries(repository / f"sweep/{n}") for n in (0, 1))
    assert [(e["attempt"], e["state"]) for e in late] == [(1, "TIMEOUT"), (2, "TIMEOUT")]
    assert [(e["attempt"], e["state"], e["exit_code"]) for e in dead] == [
        (1, "FAILED", -9),
        (2, "FAILED", -9),
    ]
    assert dead[0]["error"].startswith("killed by SIGKILL")


@pytest.mark.parametrize(
    "content", ['{"attempts": [{"att', '[{"other": 1}]', '{"attempts": [{"attempt": "1"}]}']
)
def test_a_torn_or_foreign_file_is_put_aside(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], content: str
) -> None:
    run_dir = tmp_path / "run_0"
    run_dir.mkdir()
    (run_dir / "provenance.json").write_text(content)
    with pytest.raises(RunDirError, match=r"provenance\.json: not"):
        provenance.read(run_dir)
    with logger_context(tmp_path, 0, "x"):
        pass

    assert [entry["state"] for entry in entries(run_dir)] == ["COMPLETED"]
    assert (run_dir / ".orphaned/attempt-1/provenance.json").read_text() == content
    (line,) = capfd.readouterr().err.splitlines()
    assert line.startswith(f"exptools: {run_dir}/provenance.json: not ")
    assert line.endswith("; it was put aside into .orphaned/attempt-1")


def test_read_gives_nothing_where_nothing_was_recorded(tmp_path: Path) -> None:
    assert provenance.read(tmp_path) == []


def test_the_end_is_as_status_json_says(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "x"):
        pass
    rundir.write_status(tmp_path / "run_0", Status(State.TIMEOUT, 1, end=5.0, error="stopped"))

    (entry,) = provenance.read(tmp_path / "run_0")

    assert (entry["state"], entry["end"], entry["error"]) == ("TIMEOUT", 5.0, "stopped")


def test_a_run_directory_that_is_renamed_has_its_provenance(tmp_path: Path) -> None:
    with logger_context(tmp_path, 0, "x"):
        (tmp_path / "run_0").rename(tmp_path / "renamed")

    assert [entry["state"] for entry in entries(tmp_path / "renamed")] == ["COMPLETED"]
    assert not (tmp_path / "run_0").exists()


def test_what_is_set_in_the_run_is_told_at_its_end(tmp_path: Path, python: Command) -> None:
    (tmp_path / "app.py").write_text(
        "import os\nfrom exptools.logging import logger_context\n"
        "with logger_context('.', 0, 'x', provenance_env=['MY_*']):\n"
        "    os.environ['CUDA_VISIBLE_DEVICES'] = '1'\n    del os.environ['OMP_NUM_THREADS']\n"
    )
    python("app.py", OMP_NUM_THREADS="2", MY_MODE="fast", YOUR_MODE="slow")

    (entry,) = entries(tmp_path / "run_0")
    assert entry["environment"]["MY_MODE"] == "fast"
    assert "YOUR_MODE" not in entry["environment"]
    assert entry["environment_at_end"] == {"CUDA_VISIBLE_DEVICES": "1", "OMP_NUM_THREADS": None}


def test_a_logger_made_by_hand_and_a_child_have_their_own(tmp_path: Path) -> None:
    with Logger(tmp_path / "by hand"):
        pass
    with logger_context(tmp_path, 0, "x"):
        pid = os.fork()
        if pid == 0:
            code = 1
            try:
                with logger.child_context("worker"):
                    logger.log_scalar("a", 1.0)
                code = 0
            finally:
                os._exit(code)
        assert os.waitpid(pid, 0)[1] == 0

    for run_dir in (tmp_path / "by hand", tmp_path / "run_0", tmp_path / "run_0/children/worker"):
        assert [(e["attempt"], e["state"]) for e in entries(run_dir)] == [(1, "COMPLETED")]


def test_a_rank_that_records_nothing_has_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    with logger_context(tmp_path, 0, "x"):
        pass

    assert list(tmp_path.rglob("provenance*")) == []


def test_it_can_be_turned_off(repository: Path, python: Command, tmp_path: Path) -> None:
    (repository / "app.py").write_text(APP + "# edited\n")
    off = "hydra.callbacks.exptools.provenance=false"
    python("app.py", "hydra.run.dir=out", off, cwd=repository)
    python("app.py", "-m", "x=0,1", *LAUNCH, off, cwd=repository)

    assert (repository / "sweep/1/status.json").exists()
    assert list(repository.rglob("provenance*")) == []


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"provenance": "yes"}, "provenance must be one of True, False, not 'yes'"),
        ({"provenance_env": "MY_*"}, "provenance_env must be a list of globs of variables, not 'MY_*'"),
    ],
)
def test_wrong_settings_are_refused(tmp_path: Path, settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(LoggingError) as told, logger_context(tmp_path, 0, "x", **settings):
        pass

    assert str(told.value) == f"the logger cannot be opened: {complaint}"


def test_a_disk_that_cannot_be_written_does_not_end_the_run(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from exptools.provenance import files

    def full(directory: int, content: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(files, "write", full)
    with logger_context(tmp_path, 0, "x") as opened:
        opened.log_scalar("a", 1.0)

    assert set(capfd.readouterr().err.splitlines()) == {
        f"exptools: {tmp_path}/run_0: provenance.json not written (No space left on device)"
    }
    status = rundir.read_status(tmp_path / "run_0")
    assert status is not None and status.state is State.COMPLETED


# --- GPUs ---------------------------------------------------------------------------------------------------

DEVICES = [
    {"index": 0, "name": "H100", "uuid": "GPU-aaaa", "memory_bytes": 1},
    {"index": 1, "name": "H100", "uuid": "GPU-bbbb", "memory_bytes": 1},
]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, DEVICES),
        ({"CUDA_VISIBLE_DEVICES": ""}, []),
        ({"CUDA_VISIBLE_DEVICES": "1"}, [DEVICES[1]]),
        ({"CUDA_VISIBLE_DEVICES": "GPU-bb,GPU-aaaa"}, [DEVICES[1], DEVICES[0]]),
        ({"CUDA_VISIBLE_DEVICES": "MIG-cc"}, [{"id": "MIG-cc"}]),
        ({"CUDA_VISIBLE_DEVICES": "7"}, [{"id": "7"}]),
    ],
)
def test_a_run_tells_the_gpus_that_it_had(environ: dict[str, str], expected: list[dict[str, Any]]) -> None:
    from exptools.provenance import machine

    assert machine.visible(DEVICES, environ) == expected


def test_where_gpus_differ_an_index_counts_by_the_bus_only_if_that_is_asked_for() -> None:
    from exptools.provenance import machine

    differ = [{**DEVICES[0], "name": "A"}, {**DEVICES[1], "name": "B"}]

    assert machine.visible(differ, {"CUDA_VISIBLE_DEVICES": "1"}) == [{"id": "1"}]
    by_bus = {"CUDA_VISIBLE_DEVICES": "1", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
    assert machine.visible(differ, by_bus) == [differ[1]]


def test_without_nvml_the_drivers_files_tell(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exptools.provenance import machine

    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert machine.gpus(tmp_path) == {}
    for bus, minor in (("0000:01:00.0", 0), ("0000:02:00.0", 1)):
        gpu = tmp_path / "proc/driver/nvidia/gpus" / bus
        gpu.mkdir(parents=True)
        (gpu / "information").write_text(
            f"Model: \t\t NVIDIA A100\nIRQ: 1\nGPU UUID: \t GPU-{minor}\nDevice Minor: \t {minor}\n"
        )
    (tmp_path / "proc/driver/nvidia/version").write_text(
        "NVRM version: NVIDIA UNIX x86_64 Kernel Module  535.54.03  Tue Jun  6\nGCC version: 12\n"
    )
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/nvidia1").touch()

    assert machine.gpus(tmp_path) == {
        "driver": "535.54.03",
        "devices": [{"index": 0, "name": "NVIDIA A100", "uuid": "GPU-1"}],
    }


# --- secrets ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "value", "is_hidden"),
    [
        *(
            (name, "x", True)
            for name in ("WANDB_API_KEY", "password", "db.password", "client_secret", "hf_token")
        ),
        *(
            (name, "x", True)
            for name in ("apiKey", "HFTOKEN", "--api_key", "+wandb.apikey", "secrets.mine", "pwd")
        ),
        ("password", 1234, True),
        ("password", "1234", True),
        *((name, 512, False) for name in ("max_tokens", "key_dim", "n_keys", "prng_key")),
        ("max_tokens", "512", False),
        ("use_token", True, False),
        *(
            (name, "x", False)
            for name in ("tokenizer", "keyboard", "TOKENIZERS_PARALLELISM", "lr", "keypoints")
        ),
    ],
)
def test_secrets_are_known_by_their_names(name: str, value: object, is_hidden: bool) -> None:
    from exptools.provenance.secrets import is_secret_name

    assert is_secret_name(name, value) is is_hidden


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("https://me:pass@github.com/a/b", "https://<hidden>@github.com/a/b"),
        ("https://ghp_token@github.com/a/b", "https://<hidden>@github.com/a/b"),
        ("git@github.com:a/b.git", "git@github.com:a/b.git"),
        ("ssh://git@host/a", "ssh://git@host/a"),
        ("https://host/a?token=abc123&x=1", "https://host/a?token=<hidden>&x=1"),
        ("db={user:me,password:hunter2}", "db={user:me,password:<hidden>}"),
        ('{"api_key": "a b c", "lr": 1}', '{"api_key": "<hidden>", "lr": 1}'),
        ("max_tokens=512", "max_tokens=512"),
        (f"ghp_{'a' * 36} and more", "<hidden> and more"),
        ("Authorization: Bearer abcdef123456", "Authorization: Bearer <hidden>"),
        ("key is missing: lr", "key is missing: lr"),
    ],
)
def test_secrets_are_known_by_their_shapes(text: str, expected: str) -> None:
    assert Hider().text(text) == expected


def test_words_of_a_command_line_are_hidden() -> None:
    given = [
        "app.py",
        "--password",
        "hunter2",
        "--api-key=abc",
        "+wandb.api_key=a1,b2",
        "x=1",
        "--use-token",
        "-v",
    ]
    hidden = ["app.py", "--password", "<hidden>", "--api-key=<hidden>", "+wandb.api_key=<hidden>", "x=1"]
    assert Hider().words(given) == [*hidden, "--use-token", "-v"]


def test_long_texts_take_no_long_time() -> None:
    from exptools.provenance import patches

    begun = time.monotonic()
    words = ("a", "password", "a=", "token ", "key=", "secret=1", "a-", "http://", "secret='", "key=,")
    for text in (*(word * 40_000 for word in words), ",".join(f"key=a{n}bcdefgh" for n in range(10_000))):
        Hider().text(text)
        patches.keep(b"diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -0,0 +1 @@\n+" + text.encode(), Hider())

    assert time.monotonic() - begun < 10


def test_no_secret_is_in_any_file_of_provenance(repository: Path, python: Command) -> None:
    git(repository, "remote", "add", "origin", f"https://me:{KEY}@example.org/a.git")
    (repository / ".env").write_text(f"WANDB_API_KEY={KEY}\n")
    (repository / "deploy.env").write_text("A=1\n")
    (repository / "secrets.yaml").write_text(f"mine: {KEY}\n")
    (repository / "old.py").write_text(f"wandb.login('{KEY}')\n")
    git(repository, "add", "-A")
    git(repository, "commit", "-qm", f"with {KEY}")
    (repository / ".env").write_text("A=1\n")
    (repository / "deploy.env").write_text(f"PHRASE={PHRASE}\n")
    (repository / "secrets.yaml").write_text(f"mine: {KEY}\nother: {KEY}\n")
    (repository / "old.py").write_text("wandb.login()\n")
    (repository / "app.py").write_text(APP + f"wandb_key = '{KEY}'\nlr = 3\n")
    (repository / "conf.yaml").write_text(f"api_key: {KEY}\nlr: 1\n")
    (repository / "id_rsa").write_text(f"-----BEGIN RSA PRIVATE KEY-----\n{KEY}\n")
    (repository / "pasted.py").write_text(f"K = '''\n-----BEGIN RSA PRIVATE KEY-----\n{KEY}'''\n")
    environ = {
        "WANDB_API_KEY": KEY,
        "SLURM_JWT_TOKEN": KEY,
        "EXPTOOLS_X": f"http://u:{KEY}@h/",
        "HYDRA_Y": KEY,
    }
    words = [f"wandb.api_key={KEY}", f"+note=it_is_{KEY}", f"+db={{user:me,password:{KEY}}}"]
    done = python("app.py", *words, "hydra.run.dir=out", cwd=repository, **environ)
    assert done.returncode == 0, done.stderr
    sweep = python("app.py", "-m", "x=0,1", *words, *LAUNCH, cwd=repository, **environ)
    assert sweep.returncode == 0, sweep.stderr
    (repository / "app.py").write_text("raise SystemExit\n")

    found = bytes_of(repository / "out", repository / "sweep")

    assert KEY.encode() not in found
    assert PHRASE.encode() not in found
    for run_dir in (repository / "out", repository / "sweep/1"):
        (entry,) = entries(run_dir)
        told = entry["repository"]
        assert entry["overrides"][-3:-2] == ["wandb.api_key=<hidden>"]
        assert entry["config"]["wandb"] == {"api_key": "<hidden>"}
        assert entry["config"]["model"] == {"max_tokens": 512}
        assert entry["environment"]["SLURM_JWT_TOKEN"] == "<hidden>"
        assert told["remotes"] == {"origin": "https://<hidden>@example.org/a.git"}
        assert set(told["left_out"]) == {".env", "deploy.env", "old.py", "secrets.yaml", "pasted.py"}
        assert told["untracked"] == ["id_rsa"]
        assert told["hidden_lines"] == 2
        assert b"+wandb_key = '<hidden>'\n+lr = 3\n" in (run_dir / told["patch"]).read_bytes()


def test_a_secret_that_only_the_config_names_is_not_in_the_patch(repository: Path, python: Command) -> None:
    (repository / "app.py").write_text(APP + f"login({KEY!r}) if 0 else None\n")
    words = (f"wandb.api_key={KEY}",)
    python("app.py", *words, "hydra.run.dir=out", cwd=repository)
    python("app.py", "-m", "x=0,1", *words, *LAUNCH, cwd=repository)

    assert KEY.encode() not in bytes_of(repository / "out", repository / "sweep")
    told = entries(repository / "sweep/0")[0]["repository"]
    assert told["hidden_lines"] == 1
    assert b"+login('<hidden>')" in (repository / "sweep/0" / told["patch"]).read_bytes()


def test_code_that_only_speaks_of_keys_stays_as_it_is() -> None:
    from exptools.provenance import patches

    lines = [
        'key = "observation"',
        "token = tokens[0]",
        'password = os.environ["PASSWORD"]',
        "secret_key: ${oc.env:KEY}",
        "def f(api_key=None, token: str = '<eos>'):",
        "sort_key = lambda run: run.name",
        "max_tokens = 512",
        "x = 'diff --git a/b b/b'",
    ]
    body = "".join(f"+{line}\n" for line in lines)
    patch = f"diff --git a/x.py b/x.py\n--- a/x.py\n+++ b/x.py\n@@ -0,0 +1,8 @@\n{body}".encode()

    assert patches.keep(patch, Hider()) == patches.Kept(patch, {})


@pytest.mark.parametrize(
    ("name", "line", "expected"),
    [
        ("a.py", f"PASSWORD = '{KEY}'", "PASSWORD = '<hidden>'"),
        ("a.py", f'os.environ["WANDB_API_KEY"] = "{KEY}"', 'os.environ["WANDB_API_KEY"] = "<hidden>"'),
        ("a.py", f"parser.add_argument('--api-key', default='{KEY}')", None),
        ("a.py", f'wandb.login(key="{KEY}")', 'wandb.login(key="<hidden>")'),
        ("a.py", f"SLACK_TOKEN = '{KEY}'", "SLACK_TOKEN = '<hidden>'"),
        ("a.py", f'url = "https://h/x?access_token={KEY}"', None),
        ("a.py", f"# password: {KEY}", "# password: <hidden>"),
        ("a.py", f'cfg.password: str = f"""{KEY}"""', 'cfg.password: str = f"""<hidden>"""'),
        ("a.py", f"password = (\n+    '{KEY}'\n+)", "password = (\n+    '<hidden>'\n+)"),
        ("a.ipynb", f'    "api_key = \\"{KEY}\\"\\n",', '    "api_key = \\"<hidden>\\"\\n",'),
        ("a.yaml", f"password: {KEY}  # of the data", "password: <hidden>  # of the data"),
        ("a.yaml", f"password: P@{KEY}!", "password: <hidden>"),
        ("a.yaml", f"wandb: {{api-key: {KEY}, x: 1}}", "wandb: {api-key: <hidden>, x: 1}"),
        ("a.yaml", f"secret: >-\n+  {KEY}", "secret: >-\n+  <hidden>"),
        ("a.json", f'  "token": "{KEY}",', '  "token": "<hidden>",'),
        ("a.sh", f"python x.py --password {KEY} --lr 1", "python x.py --password <hidden> --lr 1"),
        ("a.sh", f"python x.py api_key={KEY} lr=1", "python x.py api_key=<hidden> lr=1"),
        ("Dockerfile", f"ENV API_KEY={KEY} X=1", "ENV API_KEY=<hidden> X=1"),
        ("a.py", "secret = config2024.value", "secret = config2024.value"),
        ("a.py", "password_hasher = BCrypt2048Rounds(12)", "password_hasher = BCrypt2048Rounds(12)"),
        ("a.py", 'sort_key = "reward_observation_16"', 'sort_key = "reward_observation_16"'),
        ("a.py", 'token = "resnet50x4_mlp256"', 'token = "resnet50x4_mlp256"'),
        ("a.yaml", "password_length: 12", "password_length: 12"),
        ("a.yaml", "password: ${oc.env:PASSWORD_2024}", "password: ${oc.env:PASSWORD_2024}"),
    ],
)
def test_secrets_in_lines_of_a_patch(name: str, line: str, expected: str | None) -> None:
    from exptools.provenance import patches

    head = f"diff --git a/{name} b/{name}\n--- a/{name}\n+++ b/{name}\n@@ -0,0 +1,9 @@\n"

    kept = patches.keep(f"{head}+{line}\n".encode(), Hider()).content.decode()

    assert KEY not in kept
    if expected is not None:
        assert kept == f"{head}+{expected}\n"


def test_a_secret_in_a_line_that_was_there_leaves_the_file_out() -> None:
    from exptools.provenance import patches

    patch = f"diff --git a/a.py b/a.py\n--- a/a.py\n+++ b/a.py\n@@ -1 +1,2 @@\n login(key='{KEY}')\n+x\n"

    assert patches.keep(patch.encode(), Hider()) == patches.Kept(
        b"", {"a.py": "it holds a secret that cannot be hidden in a patch"}
    )


def test_a_secret_behind_an_option_in_a_list_and_in_what_went_wrong_is_hidden(tmp_path: Path) -> None:
    with (
        contextlib.suppress(ValueError),
        logger_context(tmp_path, 0, "x", {"cmd": ["serve", "--password", "a b", "--port", "80"]}),
    ):
        raise ValueError(f"login failed: password={KEY}")

    (entry,) = entries(tmp_path / "run_0")

    assert entry["config"]["cmd"] == ["serve", "--password", "<hidden>", "--port", "80"]
    assert entry["error"] == "ValueError: login failed: password=<hidden>"


def test_a_users_own_module_may_be_called_secrets(tmp_path: Path, python: Command) -> None:
    (tmp_path / "secrets.py").write_text("MINE = 1\n")
    (tmp_path / "app.py").write_text(
        "import secrets\nfrom exptools.logging import logger_context, logger\n"
        "with logger_context('logs', 0, 'x', snapshot_mode='last'):\n"
        "    logger.log_scalar('a', secrets.MINE, 0)\n    logger.save_snapshot(0, {})\n"
    )

    done = python("app.py", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert (tmp_path / "logs/run_0/progress.csv").exists()


def test_a_disk_that_was_full_at_the_beginning_has_all_at_the_end(
    repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from exptools.provenance import facts

    (repository / "app.py").write_text("x = 1\n")
    monkeypatch.setattr(facts, "code_of", lambda function: repository)
    is_full = threading.Event()
    is_full.set()
    write = rundir.write_atomically

    def failing(path: Any, *args: Any, **kwargs: Any) -> None:
        if is_full.is_set() and "provenance" in str(path):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(path, *args, **kwargs)

    monkeypatch.setattr(rundir, "write_atomically", failing)
    with logger_context(tmp_path, 0, "x"):
        until(lambda: not any(t.name == "exptools-provenance" for t in threading.enumerate()))
        is_full.clear()

    (entry,) = entries(tmp_path / "run_0")
    assert entry["state"] == "COMPLETED"
    assert b"+x = 1" in (tmp_path / "run_0" / entry["repository"]["patch"]).read_bytes()


def test_modules_that_import_lazily_are_left_alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from exptools.provenance import facts

    class Lazy(types.ModuleType):
        def __getattribute__(self, name: str) -> Any:
            if name == "__file__":
                raise ImportError("a library that is not installed")
            return super().__getattribute__(name)

    monkeypatch.setitem(sys.modules, "lazy", Lazy("lazy"))
    with logger_context(tmp_path, 0, "x"):
        pass
    with logger_context(tmp_path, 1, "x"):
        pass

    assert facts._found
    assert all("packages" in entries(tmp_path / f"run_{i}")[0] for i in range(2))


def test_an_attempt_whose_code_is_not_known_in_time_has_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    may_go_on = threading.Event()
    monkeypatch.setattr("exptools.provenance.facts.find", lambda code: may_go_on.wait(30))
    monkeypatch.setattr("exptools.provenance.record.PATIENCE_S", 0.3)
    with logger_context(tmp_path, 0, "x", {"lr": 1}):
        until(lambda: (tmp_path / "run_0/provenance.json").exists())

    (entry,) = entries(tmp_path / "run_0")
    may_go_on.set()

    assert (entry["state"], entry["exit_code"], entry["config"]["lr"]) == ("COMPLETED", 0, 1)
    assert "provenance.json is not complete (git takes too long)" in capsys.readouterr().err


def test_a_signal_ends_a_run_that_logs_while_git_has_not_answered(tmp_path: Path) -> None:
    code = (
        "import itertools, sys, time\n"
        "import exptools.provenance.facts\n"
        "from exptools.logging import logger, logger_context\n"
        "exptools.provenance.facts.find = lambda code: time.sleep(30)\n"
        "with logger_context(sys.argv[1], 0, 'x'):\n"
        "    print('begun', flush=True)\n"
        "    for i in itertools.count():\n"
        "        logger.log_scalar('a', 1.0, i)\n"
        "        logger.log_scalars({'b': 1.0})\n"
        "        time.sleep(0.001)\n"
    )
    run = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=clean_environment(),
    )
    assert run.stdout is not None and run.stdout.readline() == "begun\n"
    run.send_signal(signal.SIGTERM)
    _, said = run.communicate(timeout=30)

    assert run.returncode == -signal.SIGTERM
    assert said == (f"exptools: {tmp_path / 'run_0'}: provenance.json is not complete (git takes too long)\n")
    assert entries(tmp_path / "run_0")[0]["state"] == "INTERRUPTED"
