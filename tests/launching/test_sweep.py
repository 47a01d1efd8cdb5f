"""Whole sweeps as a user starts them: slots, isolation, failures, the files that are left."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path
from textwrap import dedent

import pytest
from conftest import HYDRA_IS_1_3, Command, clean_environment, read_progress
from sweeps import APP, ENGINES, said_by, start, states, status, wait_until, write_app

from exptools import rundir


@ENGINES
def test_two_of_six_fail_and_four_complete(tmp_path: Path, python: Command, engine: list[str]) -> None:
    app = write_app(
        tmp_path,
        """
        logger.log_scalar("x", cfg.x, 0)
        if cfg.x == 2:
            raise ValueError("boom on\\npurpose")
        if cfg.x == 4:
            os.kill(os.getpid(), signal.SIGKILL)
        return cfg.x
        """,
    )

    done = python(app, "-m", "x=0,1,2,3,4,5", "hydra.sweep.dir=out", *engine)

    out = tmp_path / "out"
    assert done.returncode == 1
    assert states(out) == ["COMPLETED", "COMPLETED", "FAILED", "COMPLETED", "FAILED", "COMPLETED"]
    report = done.stdout[done.stdout.index("2 of 6 jobs did not complete:") :].splitlines()
    assert report == [
        "2 of 6 jobs did not complete:",
        "  #2 x=2",
        "    FAILED: ValueError: boom on purpose",
        f"    {out}/2/stdout.log",
        "  #4 x=4",
        f"    FAILED: {status(out / '4')['error']}",
        f"    {out}/4/stdout.log",
        f"to go on: exptools-resume {out}",
    ]
    if HYDRA_IS_1_3:  # 1.4 adds the first failure's traceback, from the user's own frames on
        assert "Traceback" not in done.stderr
    assert "raise ValueError" in (out / "2" / "stdout.log").read_text()
    assert status(out / "4")["exit_code"] == -signal.SIGKILL
    assert status(out / "4")["error"].startswith("killed by SIGKILL (probably out of memory")


@pytest.mark.parametrize("begun", ["fork", "spawn"])
def test_a_job_that_ran_out_of_memory_tells_how_much_it_had(
    tmp_path: Path, python: Command, begun: str
) -> None:
    app = write_app(tmp_path, "much = b'x' * (300 << 20)\nos.kill(os.getpid(), signal.SIGKILL)")

    python(app, "-m", "x=1,2", "hydra.sweep.dir=out", f"hydra.launcher.start={begun}")

    said = status(tmp_path / "out" / "0")["error"]
    found = re.fullmatch(r"killed by SIGKILL \(probably out of memory; it had up to (\d+) MiB\)", said)
    assert found is not None, said
    assert 300 < int(found[1]) < 900


def test_a_system_that_cannot_pin_still_limits_the_threads(tmp_path: Path, python: Command) -> None:
    (tmp_path / "sitecustomize.py").write_text("import os\ndel os.sched_setaffinity, os.sched_getaffinity")
    app = write_app(tmp_path, "print(os.environ['OMP_NUM_THREADS'])")

    done = python(app, "-m", "x=1", "hydra.sweep.dir=out", PYTHONPATH=str(tmp_path))

    assert done.returncode == 0, done.stderr
    told = "this system cannot bind processes to cores: jobs may run on any, each with as many threads as "
    assert done.stderr.count(told) == 1
    assert int(said_by(tmp_path / "out" / "0")) == os.cpu_count()
    assert "cpus" not in status(tmp_path / "out" / "0")


@ENGINES
@pytest.mark.parametrize(
    ("body", "state", "exit_code", "error"),
    [
        ("sys.exit(0)", "COMPLETED", 0, None),
        ("sys.exit(3)", "FAILED", 3, "SystemExit: 3"),
        ("sys.exit('no data')", "FAILED", 1, "SystemExit: no data"),
        ("os._exit(0)", "FAILED", 0, "the process ended with exit code 0 before the job returned"),
        ("os._exit(7)", "FAILED", 7, "the process ended with exit code 7 before the job returned"),
        ("os.kill(os.getpid(), signal.SIGSEGV)", "FAILED", -11, "killed by SIGSEGV"),
        ("os.kill(os.getpid(), signal.SIGTERM); time.sleep(60)", "INTERRUPTED", -15, "ended by SIGTERM"),
        ("raise KeyboardInterrupt", "INTERRUPTED", 130, "KeyboardInterrupt"),
    ],
)
def test_every_way_out_has_its_state_and_keeps_the_log(
    tmp_path: Path,
    python: Command,
    body: str,
    state: str,
    exit_code: int,
    error: str | None,
    engine: list[str],
) -> None:
    app = write_app(tmp_path, f"logger.log_scalar('x', 1.5, 0)\nlogger.flush()\nprint('said')\n{body}")

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out", *engine)

    found = status(tmp_path / "out" / "0")
    assert (found["state"], found.get("exit_code"), found.get("error")) == (state, exit_code, error)
    assert done.returncode == (0 if state == "COMPLETED" else 1)
    assert [row[2] for row in read_progress(tmp_path / "out" / "0")] == ["x", "1.5"]
    assert "said\n" in (tmp_path / "out" / "0" / "stdout.log").read_text()


@ENGINES
def test_an_exception_that_cannot_be_sent_is_one_failed_job(
    tmp_path: Path, python: Command, engine: list[str]
) -> None:
    app = write_app(
        tmp_path,
        """
        class Odd(Exception):
            def __init__(self, a, b):
                super().__init__(f"{a} and {b}")
                self.lock = __import__("threading").Lock()
        if cfg.x == 1:
            raise Odd("this", "that")
        """,
    )

    done = python(app, "-m", "x=0,1,2", "hydra.sweep.dir=out", *engine)

    assert done.returncode == 1
    assert states(tmp_path / "out") == ["COMPLETED", "FAILED", "COMPLETED"]
    assert "Odd: this and that" in done.stdout


def test_each_job_has_its_own_cores_and_environment(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        """
        import json
        names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "EXPTOOLS_AFFINITY_CODE", "CUDA_VISIBLE_DEVICES")
        environ = {n: os.environ.get(n) for n in names}
        print(json.dumps([sorted(os.sched_getaffinity(0)), environ, os.getpid()]))
        time.sleep(0.5)
        """,
    )

    python(app, "-m", "x=0,1,2,3", "hydra.sweep.dir=out", "hydra.launcher.n_parallel=2")

    found = [json.loads((tmp_path / "out" / str(i) / "stdout.log").read_text()) for i in range(4)]
    allowed = os.sched_getaffinity(0)
    assert len({pid for _, _, pid in found}) == 4
    for i, (cpus, environ, _) in enumerate(found):
        said = status(tmp_path / "out" / str(i))
        assert cpus == said["cpus"]
        assert set(cpus) < allowed
        assert environ["OMP_NUM_THREADS"] == environ["MKL_NUM_THREADS"]
        assert environ["EXPTOOLS_AFFINITY_CODE"] == said["affinity_code"]
        assert environ["CUDA_VISIBLE_DEVICES"] is None
    assert {tuple(cpus) for cpus, _, _ in found} == {tuple(found[0][0]), tuple(found[1][0])}
    assert not set(found[0][0]) & set(found[1][0])


def test_each_slot_sees_its_own_gpu_before_anything_is_imported(tmp_path: Path, python: Command) -> None:
    (tmp_path / "heavy.py").write_text("import os\nSEEN = os.environ['CUDA_VISIBLE_DEVICES']\n")
    app = write_app(
        tmp_path,
        "import __main__; print(__main__.heavy.SEEN, os.environ['CUDA_DEVICE_ORDER']); time.sleep(0.3)",
        template=APP.replace("import hydra\n", "import heavy\nimport hydra\n", 1),
    )

    done = python(app, "-m", "x=0,1,2,3", "hydra.sweep.dir=out", CUDA_VISIBLE_DEVICES="GPU-aa,GPU-bb")

    assert done.returncode == 0, done.stdout + done.stderr
    seen = [(tmp_path / "out" / str(i) / "stdout.log").read_text().split() for i in range(4)]
    assert sorted(s[0] for s in seen[:2]) == ["GPU-aa", "GPU-bb"]
    assert {tuple(s) for s in seen} == {("GPU-aa", "PCI_BUS_ID"), ("GPU-bb", "PCI_BUS_ID")}
    assert [status(tmp_path / "out" / str(i))["gpus"] for i in range(4)] == [[s[0]] for s in seen]


def test_two_jobs_never_share_a_slot_and_a_free_slot_is_taken_at_once(
    tmp_path: Path, python: Command
) -> None:
    app = write_app(tmp_path, "time.sleep(1.5 if cfg.x == 0 else 0.1)")

    python(app, "-m", "x=0,1,2,3", "hydra.sweep.dir=out", "hydra.launcher.n_parallel=2")

    runs = [status(tmp_path / "out" / str(i)) for i in range(4)]
    assert [r["slot"] for r in runs] == [0, 1, 1, 1]
    for before, after in ((1, 2), (2, 3)):
        assert runs[before]["end"] <= runs[after]["start"]


@ENGINES
def test_the_files_of_a_sweep(tmp_path: Path, python: Command, engine: list[str]) -> None:
    app = write_app(tmp_path, "print('out'); print('err', file=sys.stderr); logger.log_scalar('x', cfg.x, 0)")

    python(app, "-m", "x=7,8", "+y=1", "hydra.sweep.dir=out", *engine)

    out = tmp_path / "out"
    names = {p.name for p in (out / "0").iterdir() if p.suffix != ".patch"}  # of exptools, if it is edited
    (events,) = [n for n in names if "tfevents" in n]
    assert names == {
        ".hydra",
        "app.log",
        "debug.log",
        "provenance.json",
        events,
        "progress.csv",
        "status.json",
        "stdout.log",
        "variant_config.json",
    }
    assert json.loads((out / "1" / "variant_config.json").read_text()) == {"do": "pass", "x": 8, "y": 1}
    assert (out / "0" / "stdout.log").read_text().split() == ["out", "err"]
    sweep = json.loads((out / "sweep.json").read_text())
    assert sweep["varies"] == ["x"]
    assert [(j["num"], j["overrides"], j["dir"]) for j in sweep["jobs"]] == [
        (0, ["x=7", "+y=1"], "0"),
        (1, ["x=8", "+y=1"], "1"),
    ]


@ENGINES
def test_results_come_back_in_order(tmp_path: Path, python: Command, engine: list[str]) -> None:
    (tmp_path / "collect.py").write_text(
        dedent("""
        import sys, time
        from hydra import compose, initialize
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path

        def task(cfg):
            time.sleep(0.5 if cfg.x == 0 else 0)
            return cfg.x * 10

        hydra = Hydra.create_main_hydra2("t", create_config_search_path(None))
        overrides = ["+x=0,1,2", "hydra/launcher=exptools", "hydra.sweep.dir=out"]
        (batch,) = hydra.multirun(None, task, overrides + sys.argv[1:])
        print([r.return_value for r in batch])
        """)
    )

    done = python("collect.py", *engine)

    assert done.stdout.splitlines()[-1] == "[0, 10, 20]", done.stdout + done.stderr


def test_a_job_gets_what_the_files_said_when_the_sweep_started(tmp_path: Path, python: Command) -> None:
    (tmp_path / "conf").mkdir()
    (tmp_path / "conf" / "app.yaml").write_text("defaults: [_self_, exptools]\nx: 0\nlr: 1\n")
    app = write_app(
        tmp_path,
        """
        from pathlib import Path
        print("lr", cfg.lr)
        Path("conf/app.yaml").write_text("defaults: [_self_, exptools]\\nx: 0\\nlr: 2\\n")
        """,
        template=APP.replace('config_name="app"', 'config_name="app", config_path="conf"').replace(
            'ConfigStore.instance().store(name="app", node=Config)', ""
        ),
    )

    python(app, "-m", "x=0,1", "hydra.sweep.dir=out", "hydra.launcher.n_parallel=1")

    assert [(tmp_path / "out" / str(i) / "stdout.log").read_text() for i in range(2)] == ["lr 1\n", "lr 1\n"]


@pytest.mark.parametrize(
    ("override", "text"),
    [
        ("hydra.launcher.n_parallel=4096", "n_parallel=4096 jobs at a time cannot each have a core"),
        (
            "hydra.launcher.affinity_code=10cpu_4gpu",
            "10 cores cannot be split evenly over 4 GPUs: 10 = 4 x 2 + 2",
        ),
        ("hydra.sweep.subdir=same", "jobs #0 and #1 would both write to"),
    ],
)
def test_what_cannot_be_launched_is_one_line_and_nothing_starts(
    tmp_path: Path, python: Command, override: str, text: str
) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=0,1", "hydra.sweep.dir=out", override)

    assert done.returncode == 2
    assert done.stderr.startswith("exptools: error: ")
    assert text in done.stderr
    assert done.stderr.count("\n") == 1
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == ["multirun.yaml"]


def test_a_sweep_into_runs_with_measurements_is_refused(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0)")
    python(app, "-m", "x=0,1", "hydra.sweep.dir=out")
    before = {p: p.read_bytes() for p in (tmp_path / "out" / "0").rglob("*") if p.is_file()}

    done = python(app, "-m", "x=5,6", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: {tmp_path}/out/0 already holds a run (COMPLETED, progress.csv); "
        "give the sweep another directory (hydra.sweep.dir=...), go on with it (hydra.launcher.resume=true), "
        "or move that one away\n"
    )
    assert {p: p.read_bytes() for p in (tmp_path / "out" / "0").rglob("*") if p.is_file()} == before


def test_what_the_user_sets_in_env_set_is_there_before_imports_and_wins(
    tmp_path: Path, python: Command
) -> None:
    (tmp_path / "heavy.py").write_text("import os\nSEEN = os.environ.get('OMP_NUM_THREADS')\n")
    app = write_app(
        tmp_path,
        "print(heavy.SEEN, os.environ['MINE'])",
        template=APP.replace("import hydra\n", "import heavy\nimport hydra\n", 1),
    )

    python(
        app,
        "-m",
        "x=4",
        "hydra.sweep.dir=out",
        "+hydra.job.env_set.OMP_NUM_THREADS=7",
        "+hydra.job.env_set.MINE=run-${x}",
    )

    assert (tmp_path / "out" / "0" / "stdout.log").read_text() == "7 run-4\n"


def test_a_program_that_has_no_file_works_too(tmp_path: Path) -> None:
    program = dedent("""
        from dataclasses import dataclass
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path

        @dataclass
        class Result:
            x: int

        def task(cfg):
            return Result(cfg.x)

        if __name__ == "__main__":
            hydra = Hydra.create_main_hydra2("t", create_config_search_path(None))
            overrides = ["+x=3,4", "hydra/launcher=exptools", "hydra.sweep.dir=out"]
            (batch,) = hydra.multirun(None, task, overrides)
            print([r.return_value.x for r in batch])
    """)

    done = subprocess.run(
        [sys.executable, "-"],
        input=program,
        cwd=tmp_path,
        env=clean_environment(),
        capture_output=True,
        text=True,
    )

    assert done.stdout.splitlines()[-1] == "[3, 4]", done.stdout + done.stderr


def test_what_cannot_be_pickled_is_named(tmp_path: Path, python: Command) -> None:
    (tmp_path / "collect.py").write_text(
        dedent("""
        import threading
        from hydra._internal.hydra import Hydra
        from hydra._internal.utils import create_config_search_path

        lock = threading.Lock()
        def make():
            held = threading.Lock()
            def task(cfg):
                return held
            return task

        hydra = Hydra.create_main_hydra2("t", create_config_search_path(None))
        hydra.multirun(None, make(), ["+x=0,1", "hydra/launcher=exptools", "hydra.sweep.dir=out"])
        """)
    )

    done = python("collect.py")

    assert done.returncode == 2
    assert (
        "the application's function cannot be sent from one process to another (TypeError: cannot pickle"
        in done.stderr
    )


def test_a_return_value_that_cannot_be_sent_does_not_fail_the_job(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "import threading; return threading.Lock()")

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stderr
    said = status(tmp_path / "out" / "0")
    assert said["state"] == "COMPLETED"
    assert said["note"].startswith(
        "the return value was replaced by None: the job's return value cannot be sent"
    )


def test_ps_shows_which_job_a_process_is(tmp_path: Path, python: Command) -> None:
    app = write_app(
        tmp_path,
        "print(open('/proc/self/cmdline', 'rb').read().decode().replace(chr(0), ' '))",
    )

    python(app, "-m", "x=3", "hydra.sweep.dir=out")

    assert "exptools-job-0 x=3" in (tmp_path / "out" / "0" / "stdout.log").read_text()


def test_two_sweeps_into_one_directory_are_not_mixed(tmp_path: Path) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0); time.sleep(0.5)")

    both = [start(app, "x=1,2"), start(app, "x=101,102")]
    said = [launcher.communicate()[0] for launcher in both]

    assert sorted(launcher.returncode for launcher in both) == [0, 2], said
    refused = next(text for text, launcher in zip(said, both, strict=True) if launcher.returncode == 2)
    assert f"exptools: error: {tmp_path}/out" in refused
    won = [1, 2] if both[0].returncode == 0 else [101, 102]
    for num, x in enumerate(won):
        run = tmp_path / "out" / str(num)
        assert json.loads((run / "variant_config.json").read_text())["x"] == x
        assert read_progress(run)[1][2] == str(float(x))
        assert f"x: {x}\n" in (run / ".hydra" / "config.yaml").read_text()
    assert [j["overrides"] for j in json.loads((tmp_path / "out" / "sweep.json").read_text())["jobs"]] == [
        [f"x={x}"] for x in won
    ]


@pytest.mark.parametrize("line", [True, False], ids=["by the callback", "by the launcher"])
def test_a_sweep_directory_is_refused_as_long_as_it_is_claimed(
    tmp_path: Path, python: Command, line: bool
) -> None:
    template = APP if line else APP.replace('["_self_", "exptools"]', '["_self_"]')
    app = write_app(tmp_path, "pass", template=template)
    (tmp_path / "out").mkdir()

    with rundir.claimed(tmp_path / "out"):
        done = python(app, "-m", "x=1", "hydra/launcher=exptools", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: {tmp_path}/out is in use by another process that runs a sweep (two that begin in "
        "one second get the same directory by default); wait for its end, or give this one another by "
        "hydra.sweep.dir=\n"
    )
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert written == (set() if line else {"multirun.yaml"})  # Hydra's sweeper writes it before it launches


def test_a_run_that_waits_for_its_slot_keeps_its_directory(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0); print('now', flush=True); time.sleep(2)")
    place = f"hydra.sweep.subdir={tmp_path}/runs/${{x}}"
    first = start(app, "x=1,2", place, "hydra.launcher.n_parallel=1")
    wait_until(lambda: said_by(tmp_path / "runs" / "1") == "now\n")

    done = python(app, "-m", "x=2", place, "hydra.sweep.dir=elsewhere")
    first.communicate()

    assert done.returncode == 2
    assert f"{tmp_path}/runs/2 is in use by process {first.pid} on " in done.stderr
    assert "(QUEUED)" in done.stderr
    assert [status(tmp_path / "runs" / str(x))["state"] for x in (1, 2)] == ["COMPLETED"] * 2


def test_two_plain_runs_into_one_directory_are_not_mixed(tmp_path: Path) -> None:
    app = write_app(tmp_path, "logger.log_scalar('x', cfg.x, 0); time.sleep(0.5)")

    for attempt in range(3):
        both = {
            x: subprocess.Popen(
                [sys.executable, str(app), f"x={x}", f"hydra.run.dir=out{attempt}"],
                cwd=tmp_path,
                env=clean_environment(),
                stderr=subprocess.DEVNULL,
            )
            for x in (1, 101)
        }
        codes = {x: process.wait() for x, process in both.items()}

        assert sorted(codes.values()) == [0, 2]
        (won,) = [x for x, code in codes.items() if code == 0]
        run = tmp_path / f"out{attempt}"
        assert read_progress(run)[1][2] == str(float(won))
        assert f"x: {won}\n" in (run / ".hydra" / "config.yaml").read_text()
        assert json.loads((run / "variant_config.json").read_text())["x"] == won


@pytest.mark.parametrize("words", [("-m", "x=1,2", "hydra.sweep.dir=out"), ("x=1",)], ids=["sweep", "plain"])
def test_a_directory_that_is_new_at_every_look_is_made_once(
    tmp_path: Path, python: Command, words: tuple[str, ...]
) -> None:
    resolver = "__import__('omegaconf').OmegaConf.register_new_resolver('uid', lambda: os.urandom(4).hex())"
    app = write_app(
        tmp_path,
        "logger.log_scalar('x', cfg.x, 0)",
        template=APP.replace("@dataclass\n", f"{resolver}\n\n@dataclass\n", 1),
    )

    done = python(app, *words, "hydra.sweep.subdir=r_${uid:}", "hydra.run.dir=out/r_${uid:}")

    assert done.returncode == 0, done.stdout + done.stderr
    runs = list((tmp_path / "out").glob("r_*"))
    assert len(runs) == (2 if "-m" in words else 1)
    assert all((run / "progress.csv").exists() and (run / ".hydra").exists() for run in runs)


def test_a_directory_that_cannot_be_resolved_is_one_line(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "pass")

    done = python(app, "-m", "x=1", "hydra.sweep.dir=out", "hydra.sweep.subdir=${nokey}")

    assert done.returncode == 2
    assert done.stderr.startswith(
        "exptools: error: hydra.sweep.dir and subdir of job #0 cannot be resolved: "
    )
    assert done.stderr.count("\n") == 1


def test_an_error_is_kept_where_stderr_is_closed(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "sys.stderr.close(); raise ValueError('the real error')")

    python(app, "-m", "x=1", "hydra.sweep.dir=out")

    assert status(tmp_path / "out" / "0")["error"] == "ValueError: the real error"


def test_a_return_value_for_which_there_is_no_room_does_not_fail_the_job(
    tmp_path: Path, python: Command
) -> None:
    app = write_app(
        tmp_path,
        """
        from exptools import rundir
        def full(path, *args, **kwargs):
            if str(path).endswith(".result"):
                raise OSError(28, "No space left on device")
            return write(path, *args, **kwargs)
        write, rundir.write_atomically = rundir.write_atomically, full
        return "x"
        """,
    )

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 0, done.stdout
    assert status(tmp_path / "out" / "0")["note"].startswith("the return value was lost: ")


def test_a_very_long_override_is_no_obstacle(tmp_path: Path, python: Command) -> None:
    (tmp_path / "args.py").write_text(
        "import runpy, sys\nsys.argv = ['app.py', '-m', '+long=' + 200_000 * 'x', 'hydra.sweep.dir=out']\n"
        "runpy.run_path('app.py', run_name='__main__')\n"
    )
    write_app(tmp_path, "print(len(cfg.long))")

    done = python("args.py")

    assert done.returncode == 0, done.stdout[-1000:] + done.stderr[-1000:]
    assert said_by(tmp_path / "out" / "0") == "200000\n"


def test_failures_are_listed_where_hydras_log_is_disabled(tmp_path: Path, python: Command) -> None:
    app = write_app(tmp_path, "raise ValueError(cfg.x)")

    done = python(app, "-m", "x=0,1", "hydra.sweep.dir=out", "hydra/hydra_logging=disabled")

    assert done.returncode == 1
    assert "2 of 2 jobs did not complete:" in done.stderr
    assert "FAILED: ValueError: 1" in done.stderr


@pytest.mark.parametrize("content", ["[]", "{}"])
def test_a_sweep_json_of_somebody_else_is_named(tmp_path: Path, python: Command, content: str) -> None:
    app = write_app(tmp_path, "pass")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "sweep.json").write_text(content)

    done = python(app, "-m", "x=0", "hydra.sweep.dir=out")

    assert done.returncode == 2
    assert done.stderr == (
        f"exptools: error: {tmp_path}/out/sweep.json: not what exptools writes; "
        "give the sweep another directory\n"
    )
    assert (tmp_path / "out" / "sweep.json").read_text() == content


@pytest.mark.parametrize("words", ["engine=local", "start=spawn", "engine=joblib"])
@pytest.mark.parametrize("closed", ["<&- >&- 2>&-", ">&-"])
def test_a_sweep_needs_no_stdin_stdout_or_stderr(tmp_path: Path, words: str, closed: str) -> None:
    app = write_app(tmp_path, "print(cfg.x)")
    command = f"{sys.executable} {app} -m x=0,1 hydra.sweep.dir=out hydra.launcher.{words} {closed}"

    done = subprocess.run(
        ["bash", "-c", command],
        cwd=tmp_path,
        env=clean_environment(),
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0, done.stderr
    assert [said_by(tmp_path / "out" / str(i)) for i in range(2)] == ["0\n", "1\n"]
    assert ("[2/2]" in done.stderr) == (closed == ">&-")
