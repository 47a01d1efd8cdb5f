"""Jobs are forked from a process that has imported the libraries, and are as fresh as any other."""

from __future__ import annotations

import json
import signal
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import Command
from sweeps import APP, gone, said_by, start, states, status, wait_until, write_app

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="the fork server needs Linux")

NUMPY = APP.replace("import hydra\n", "import random\nimport numpy\nimport hydra\n", 1)
PARENT = """
    def command(pid):
        return open(f"/proc/{pid}/cmdline").read().split(chr(0))
    parent = "forked" if "exptools-fork-server" in command(os.getppid()) else "spawned"
"""


def body(text: str) -> str:
    return dedent(PARENT) + dedent(text)


def test_jobs_are_forked_and_none_knows_of_the_others(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        body("""
    print(json.dumps([parent, os.getpid(), os.getsid(0) == os.getpid(), random.random(), numpy.random.rand(),
                      getattr(numpy, "left_behind", None), open("/proc/self/comm").read().strip()]))
    numpy.left_behind = cfg.x
    """),
        template=NUMPY.replace("import random\n", "import json\nimport random\n"),
    )

    done = python(app, "-m", "x=1,2,3,4", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    found = [json.loads(said_by(tmp_path / "out" / str(i))) for i in range(4)]
    parents, pids, leaders, randoms, numpys, left, names = zip(*found, strict=True)
    assert parents == ("forked",) * 4
    assert leaders == (True,) * 4
    assert len(set(pids)) == len(set(randoms)) == len(set(numpys)) == 4
    assert left == (None,) * 4
    assert names == tuple(f"exptools-{i}" for i in range(4))
    assert [status(tmp_path / "out" / str(i))["pid"] for i in range(4)] == list(pids)


def test_the_users_own_modules_are_imported_by_each_job(tmp_path: Path, python: Command) -> None:
    (tmp_path / "mine.py").write_text("import os\nBY = os.getpid()\nN = os.environ['OMP_NUM_THREADS']\n")
    app = write_app(
        tmp_path,
        body("import mine; print(parent, mine.BY == os.getpid(), mine.N == os.environ['OMP_NUM_THREADS'])"),
        template=APP.replace("import hydra\n", "import mine\nimport hydra\n", 1),
    )

    done = python(app, "-m", "x=1,2", "hydra.sweep.dir=out", OMP_NUM_THREADS="3")

    assert done.returncode == 0, done.stdout + done.stderr
    assert {said_by(tmp_path / "out" / str(i)) for i in range(2)} == {"forked True True\n"}


def test_numerical_libraries_use_the_threads_of_the_slot(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        body("""
    from threadpoolctl import threadpool_info
    print(parent, {pool["num_threads"] for pool in threadpool_info()})
    """),
        template=NUMPY,
    )
    words = ["hydra.launcher.affinity_code=3cpu_3cpr_0saf", "hydra.sweep.dir=out"]

    python(app, "-m", "x=1,2", *words)

    assert said_by(tmp_path / "out" / "0") == "forked {3}\n"


@pytest.mark.parametrize(
    ("module", "why"),
    [
        (
            "import threading, time\nthreading.Thread(target=time.sleep, args=(60,), daemon=True).start()\n",
            "what the application imports has started threads (1 of them)",
        ),
        (
            "import mmap\nFILE = open('libcuda.so.1', 'w+b')\nFILE.write(b'x' * 4096)\nFILE.flush()\n"
            "MAP = mmap.mmap(FILE.fileno(), 4096)\n",
            "what the application imports has loaded the driver of the GPUs",
        ),
        ("import os\nos._exit(3)\n", "the fork server did not start"),
    ],
    ids=["threads", "a GPU's driver", "a crash"],
)
def test_what_must_not_be_forked_is_started_anew(
    tmp_path: Path, python: Command, module: str, why: str
) -> None:
    (tmp_path / "odd.py").write_text(module)
    app = write_app(tmp_path, body("print(parent)"))

    done = python(app, "-m", "x=1,2", "hydra.launcher.preload=[odd]", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert f"exptools: every job is started anew instead of forked: {why}\n" in done.stderr
    assert done.stderr.count("started anew") == 1
    assert {said_by(tmp_path / "out" / str(i)) for i in range(2)} == {"spawned\n"}


def test_a_module_that_cannot_be_imported_before_is_no_obstacle(tmp_path: Path, python: Command) -> None:
    (tmp_path / "stubborn.py").write_text("raise RuntimeError('only inside of something')")
    app = write_app(tmp_path, body("print(parent)"))

    done = python(app, "-m", "x=1,2", "hydra.launcher.preload=[stubborn]", "hydra.sweep.dir=out")

    assert (done.returncode, done.stderr) == (0, "")
    assert said_by(tmp_path / "out" / "0") == "forked\n"


@pytest.mark.parametrize(
    "words",
    [
        ["hydra.launcher.start=spawn"],
        ["hydra.launcher.preload=off"],
        ["hydra.launcher.preload=false"],
        ["+hydra.job.env_set.MINE=1"],
    ],
    ids=" ".join,
)
def test_jobs_are_started_anew_if_asked_or_with_an_environment_of_their_own(
    tmp_path: Path, python: Command, words: list[str]
) -> None:
    app = write_app(tmp_path, body("print(parent)"))

    done = python(app, "-m", "x=1,2", *words, "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert said_by(tmp_path / "out" / "0") == "spawned\n"


def test_off_in_a_yaml_file_is_off_too(tmp_path: Path, python: Command) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "app.yaml").write_text(
        "defaults: [_self_, exptools]\nx: 0\nhydra:\n  launcher:\n    preload: off\n"
    )
    app = write_app(
        tmp_path,
        body("print(parent)"),
        template=APP.replace('config_name="app"', 'config_name="app", config_path="conf"').replace(
            'ConfigStore.instance().store(name="app", node=Config)', ""
        ),
    )

    done = python(app, "-m", "x=1,2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert said_by(tmp_path / "out" / "0") == "spawned\n"


def test_what_a_library_prints_on_import_is_in_no_jobs_log(tmp_path: Path, python: Command) -> None:
    (tmp_path / "loud.py").write_text("print('hello from loud')\n")
    app = write_app(tmp_path, "print('mine')")

    python(app, "-m", "x=1,2", "hydra.launcher.preload=[loud]", "hydra.sweep.dir=out")

    assert said_by(tmp_path / "out" / "0") == "mine\n"


def test_jobs_outlive_the_server_and_the_rest_is_started_anew(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        body("""
    print(parent, flush=True)
    if cfg.x == 0:
        time.sleep(1)
        os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(2)
    """),
    )

    done = python(app, "-m", "x=0,1,2,3", "hydra.launcher.n_parallel=2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert states(tmp_path / "out") == ["COMPLETED"] * 4
    said = [said_by(tmp_path / "out" / str(i)) for i in range(4)]
    assert said == ["forked\n", "forked\n", "spawned\n", "spawned\n"]
    assert "every job is started anew instead of forked: the fork server ended" in done.stderr


def test_a_job_that_is_killed_after_its_server_is_failed(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        """
        if cfg.x == 0:
            print(__import__("subprocess").Popen(["sleep", "300"]).pid, flush=True)
            os.kill(os.getppid(), signal.SIGKILL)
            time.sleep(1)
            os.kill(os.getpid(), signal.SIGKILL)
        """,
    )
    (tmp_path / "container.py").write_text(  # orphans are its children, and it leaves them as zombies
        "import ctypes, subprocess, sys\n"
        "ctypes.CDLL(None).prctl(36, 1)\n"
        "sys.exit(subprocess.Popen([sys.executable, *sys.argv[1:]]).wait())\n"
    )

    done = python("container.py", app, "-m", "x=0,1", "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out")

    assert done.returncode == 1
    wait_until(lambda: gone(int(said_by(tmp_path / "out" / "0"))))
    ended = status(tmp_path / "out" / "0")
    assert (ended["state"], ended["error"]) == (
        "FAILED",
        "how it ended is not known: the process that started it died",
    )
    assert status(tmp_path / "out" / "1")["state"] == "COMPLETED"


def test_what_a_library_has_made_for_itself_does_not_end_with_a_job(tmp_path: Path, python: Command) -> None:
    (tmp_path / "maker.py").write_text("import tempfile\nHERE = tempfile.TemporaryDirectory()\n")
    app = write_app(tmp_path, body("import maker; print(parent, os.path.isdir(maker.HERE.name))"))
    words = ["hydra.launcher.preload=[maker]", "hydra.launcher.n_parallel=1", "hydra.sweep.dir=out"]

    python(app, "-m", "x=1,2", *words)

    assert [said_by(tmp_path / "out" / str(i)) for i in range(2)] == ["forked True\n"] * 2


def test_what_a_job_has_made_for_itself_ends_with_it(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path, body("main.here = __import__('tempfile').TemporaryDirectory(dir='.', prefix='mine')")
    )

    done = python(app, "-m", "x=1,2", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert list(tmp_path.glob("mine*")) == []


SCANS = """
from hydra.core.plugins import Plugins
scan, scans = Plugins._scan_all_plugins, []
Plugins._scan_all_plugins = staticmethod(lambda modules: [scans.append(1), scan(modules)][1])
"""


PLUGIN = """
from hydra.plugins.search_path_plugin import SearchPathPlugin
class Own(SearchPathPlugin):
    def manipulate_search_path(self, search_path): pass
"""


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.parametrize(
    ("then", "n_scans"),
    [("", 0), ("Own.__qualname__ = 'Hidden'", 1)],
    ids=["by their names", "or else scans for them"],
)
def test_a_job_knows_the_plugins_that_hydra_found_in_the_launcher(
    tmp_path: Path, python: Command, start: str, then: str, n_scans: int
) -> None:
    place = tmp_path / "hydra_plugins" / "own"
    place.mkdir(parents=True)
    (place / "__init__.py").touch()
    (place / "own.py").write_text(PLUGIN + then)
    app = write_app(
        tmp_path,
        "print(len(scans), 'hydra_plugins.own.own.Own' in Plugins.instance().class_name_to_class)",
        template=APP.replace("@dataclass", f"{SCANS}@dataclass", 1),
    )

    done = python(app, "-m", "x=1,2", f"hydra.launcher.start={start}", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout + done.stderr
    assert said_by(tmp_path / "out" / "0") == f"{n_scans} True\n"


def test_environments_and_lists_of_modules_may_be_long(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "print(len(os.environ['BIG_7']))")
    (tmp_path / "conf").mkdir()
    modules = [f"json.{'a_module_that_is_not_there' * 20}.{i}" for i in range(1000)]
    (tmp_path / "conf/long.yaml").write_text(
        f"defaults: [exptools]\nx: 0\nhydra: {{launcher: {{preload: {json.dumps(modules)}}}}}\n"
    )
    app.write_text(app.read_text().replace('config_name="app"', 'config_path="conf", config_name="long"'))
    big = {f"BIG_{i}": "x" * 100_000 for i in range(8)}

    done = python(app, "-m", "x=0,1", "hydra.sweep.dir=out", "hydra.launcher.n_parallel=1", **big)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [said_by(tmp_path / "out" / str(i)) for i in range(2)] == ["100000\n"] * 2
    assert "started anew" not in done.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_sweep_can_be_interrupted_while_the_libraries_are_imported(tmp_path: Path, number: int) -> None:
    app = write_app(tmp_path, "pass")
    (tmp_path / "slow.py").write_text(
        "import os, time\nopen('begun', 'w').write(str(os.getpid()))\ntime.sleep(300)"
    )
    launcher = start(app, "x=0,1,2", "hydra.launcher.n_parallel=2", "hydra.launcher.preload=[slow]")
    wait_until(lambda: (tmp_path / "begun").exists() and (tmp_path / "begun").read_text())

    launcher.send_signal(number)
    said, _ = launcher.communicate(timeout=20)

    assert launcher.returncode == 128 + number
    assert "interrupted: 0 of 3 jobs had completed, 3 had not begun" in said
    told = [status(tmp_path / "out" / str(i)) for i in range(3)]
    assert [(s["state"], s["error"]) for s in told] == [
        ("INTERRUPTED", "not begun: the sweep was interrupted")
    ] * 3
    wait_until(lambda: gone(int((tmp_path / "begun").read_text())))


def test_libraries_of_a_second_sweep_see_the_environment_as_it_is_then(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "library.py").write_text("import os\nMODE = os.environ['MODE']")
    app = write_app(tmp_path, "import library\nprint(library.MODE)")
    twice = """
    for mode in ("one", "two"):
        os.environ["MODE"] = mode
        words = ("x=0,1", f"hydra.sweep.dir={mode}", "hydra.launcher.preload=[library]")
        sys.argv[1:] = ["-m", *words, "hydra.launcher.n_parallel=1"]
        main()
    """
    app.write_text(app.read_text().rpartition("    main()")[0] + twice)

    done = python(app)

    assert done.returncode == 0, done.stdout + done.stderr
    assert [said_by(tmp_path / mode / "1") for mode in ("one", "two")] == ["one\n", "two\n"]
