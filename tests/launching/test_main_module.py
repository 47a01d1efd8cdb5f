"""The user's script is the real `__main__` of a job, however it was started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Command, clean_environment
from sweeps import APP, said_by, states, write_app

HELPERS = """
def helper(x):
    sys.exit(x)

def make(x):
    return Config(x=x)

"""
NO_GUARD = APP[: APP.index("if __name__")] + "main()\n"


@pytest.mark.parametrize("way", ["start=fork", "start=spawn", "engine=joblib"])
@pytest.mark.parametrize("template", [APP, NO_GUARD], ids=["guarded", "without a guard"])
def test_the_users_script_is_the_real_main_of_a_job(
    tmp_path: Path, python: Command, template: str, way: str
) -> None:
    app = write_app(
        tmp_path,
        """
        import __main__, concurrent.futures, multiprocessing, pickle
        assert __main__.Config is Config
        assert pickle.loads(pickle.dumps(Config)) is Config
        for method in ("fork", "spawn", "forkserver"):
            context = multiprocessing.get_context(method)
            process = context.Process(target=helper, args=(cfg.x,), daemon=True)
            process.start()
            process.join()
            assert process.exitcode == cfg.x, (method, process.exitcode)
            with context.Pool(2) as pool:
                assert [type(one) for one in pool.map(make, range(3))] == [Config] * 3
            with concurrent.futures.ProcessPoolExecutor(2, context) as executor:
                assert [one.x for one in executor.map(make, range(3))] == [0, 1, 2]
        """,
        template=template.replace("@hydra.main", HELPERS + "@hydra.main"),
    )
    if template is NO_GUARD:  # a spawned child imports the script: without a guard that is Hydra again
        app.write_text(app.read_text().replace('("fork", "spawn", "forkserver")', '("fork",)'))

    done = python(app, "-m", "x=3,4", f"hydra.launcher.{way}", "hydra.sweep.dir=out")

    logs = "".join((tmp_path / "out" / str(i) / "stdout.log").read_text() for i in range(2))
    assert done.returncode == 0, done.stdout + done.stderr + logs


def test_a_module_run_with_dash_m_works(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "from .sibling import NAME; print(NAME, __name__)")
    (tmp_path / "pkg").mkdir()
    app.rename(tmp_path / "pkg" / "train.py")
    (tmp_path / "pkg" / "__init__.py").touch()
    (tmp_path / "pkg" / "sibling.py").write_text("NAME = 'found'")

    done = python("-m", "pkg.train", "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert (tmp_path / "out" / "0" / "stdout.log").read_text().split()[0] == "found"


@pytest.mark.parametrize("template", [APP, NO_GUARD], ids=["guarded", "without a guard"])
@pytest.mark.parametrize("how", ["-c", "-"])
def test_a_program_without_a_file_works(tmp_path: Path, how: str, template: str) -> None:
    app = write_app(
        tmp_path,
        """
        import multiprocessing, pickle
        from hydra.utils import get_class
        assert pickle.loads(pickle.dumps(make(1))) == make(1)
        assert get_class("__main__.Config") is Config
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert pool.map(make, [2]) == [make(2)]
        print(__name__, cfg.x)
        if cfg.x == 3:
            sys.exit(7)
        """,
        template=template.replace("@hydra.main", HELPERS + "@hydra.main"),
    )
    code = app.read_text()
    app.unlink()

    done = subprocess.run(
        [sys.executable, how, *([code] if how == "-c" else []), "-m", "x=1,2,3", "hydra.sweep.dir=out"],
        input=code if how == "-" else None,
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )

    out = tmp_path / "out"
    assert done.returncode == 1, done.stdout + done.stderr
    assert states(out) == ["COMPLETED", "COMPLETED", "FAILED"], done.stdout
    assert [said_by(out / str(i)) for i in range(3)] == [f"__main__ {x}\n" for x in (1, 2, 3)]
    assert "    FAILED: SystemExit: 7\n" in done.stdout
    again = f"to go on: the same again with hydra.launcher.resume=true and hydra.sweep.dir={out}\n"
    assert done.stdout.endswith(again)
    assert json.loads((out / "sweep.json").read_text())["script"] is False


@pytest.mark.parametrize("package", ["pkg", "a.b"])
def test_a_package_run_with_dash_m_works(tmp_path: Path, python: Command, package: str) -> None:
    app = write_app(
        tmp_path,
        """
        from .sibling import NAME
        from hydra.utils import get_class
        print(NAME, get_class('__main__.Config') is Config)
        """,
    )
    home = tmp_path.joinpath(*package.split("."))
    home.mkdir(parents=True)
    app.rename(home / "__main__.py")
    (home / "__init__.py").touch()
    (home / "sibling.py").write_text("NAME = 'found'")

    done = python("-m", package, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr + said_by(tmp_path / "out" / "0")
    assert said_by(tmp_path / "out" / "0") == "found True\n"


def test_a_directory_that_is_run_works(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path, "from hydra.utils import get_class; print(get_class('__main__.Config') is Config)"
    )
    (tmp_path / "project").mkdir()
    app.rename(tmp_path / "project" / "__main__.py")

    done = python("project", "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr + said_by(tmp_path / "out" / "0")
    assert said_by(tmp_path / "out" / "0") == "True\n"


ARGPARSE = APP.replace(
    "@dataclass\n",
    "import argparse\n"
    "parser = argparse.ArgumentParser()\n"
    "parser.add_argument('--data', default='the default')\n"
    "args, sys.argv[1:] = parser.parse_known_args()\n\n"
    "@dataclass\n",
    1,
)


@pytest.mark.parametrize("flags", [(), ("-u",), ("-X", "utf8", "-Wignore"), ("-m",)], ids=" ".join)
def test_words_that_the_script_took_for_itself_are_there_in_the_job(
    tmp_path: Path, python: Command, flags: tuple[str, ...]
) -> None:
    app = write_app(tmp_path, "print(args.data, sys.argv[1:])", template=ARGPARSE)
    script = "app" if flags == ("-m",) else app

    done = python(*flags, script, "-m", "x=0", "--data", "mine", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert said_by(tmp_path / "out" / "0") == "mine ['x=0', 'hydra.sweep.dir=out']\n"


def test_the_words_of_a_job_run_it_alone(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print(json.dumps(sys.argv[1:]))", template="import json\n" + APP)
    swept = ["-m", "+name='a b','c,d'", "hydra.sweep.dir=out", "hydra.sweep.subdir=${x}_${name}"]
    swept = [*swept, "+hydra.sweeper.params.x='1,2'", "--config-name=app"]
    assert python(app, *swept).returncode == 0

    jobs = json.loads((tmp_path / "out" / "sweep.json").read_text())["jobs"]
    assert len(jobs) == 4
    for number in (0, 3):
        job = tmp_path / "out" / jobs[number]["dir"]
        words = json.loads(said_by(job))
        assert not {"-m", "hydra.mode=MULTIRUN"} & set(words)
        done = python(app, *words, f"hydra.run.dir=alone{number}")
        assert done.returncode == 0, done.stderr
        assert json.loads(done.stdout) == [*words, f"hydra.run.dir=alone{number}"]
        alone = (tmp_path / f"alone{number}" / "variant_config.json").read_text()
        assert alone == (job / "variant_config.json").read_text()


def test_a_script_that_catches_everything_is_told_to_guard_itself(tmp_path: Path, python: Command) -> None:
    template = APP[: APP.index("if __name__")] + "try:\n    main()\nexcept:\n    sys.exit(1)\n"
    app = write_app(tmp_path, "pass", template=template)

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 1
    assert "put what it does, the call of main() too, under `if __name__ == '__main__':`" in done.stdout


def test_paths_in_the_search_path_do_no_harm(tmp_path: Path, python: Command) -> None:
    template = APP.replace(
        "@dataclass\n", "sys.path.append(__import__('pathlib').Path('x'))\n\n@dataclass\n", 1
    )
    app = write_app(tmp_path, "print('well')", template=template)

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout
    assert said_by(tmp_path / "out" / "0") == "well\n"


CALLBACK = """
import threading
from hydra.experimental.callback import Callback

class Mine(Callback):
    def __init__(self):
        self.lock = threading.Lock()
    def on_job_start(self, config, **kwargs):
        with self.lock:
            print("seen", config.x)
"""


def test_a_callback_that_cannot_be_sent_is_made_in_the_job(tmp_path: Path, python: Command) -> None:
    (tmp_path / "mine.py").write_text(CALLBACK)
    app = write_app(tmp_path, "print('well')")

    done = python(app, "-m", "x=3", "hydra.sweep.dir=out", "+hydra.callbacks.mine._target_=mine.Mine")

    assert done.returncode == 0, done.stdout + done.stderr
    assert said_by(tmp_path / "out" / "0") == "seen 3\nwell\n"
