"""exptools-view, as it is typed."""

from __future__ import annotations

import csv
import io
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from view_files import hydra_run, progress_text, sweep, write_run

from exptools import rundir
from exptools.rundir import State
from exptools.viewing import cli
from exptools.viewing.exporters import table

COMMAND = [sys.executable, "-m", "exptools.viewing.cli"]
TABLE = """\
run	state	duration_s	model.name	seed	loss	error
0	COMPLETED	12.500	small	0	0.0	-
1	COMPLETED	12.500	small	1	0.125	-
2	COMPLETED	12.500	large	0	0.25	-
3	FAILED	2.000	large	1	0.375	ValueError: too big
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    return sweep(tmp_path / "multirun")


@pytest.fixture
def view(capsys: pytest.CaptureFixture[str]) -> object:
    """Runs the command line in this process: (exit code, stdout, stderr)."""

    def run(*args: object) -> tuple[int, str, str]:
        code = cli.main(list(map(str, args)))
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def failure(tree: Path) -> str:
    return f"run 3 FAILED: ValueError: too big (log: {tree}/3/stdout.log)\n"


def test_the_table_is_tab_separated_when_piped(tree: Path, view) -> None:
    assert view(tree) == (0, TABLE, failure(tree))


def test_a_process_of_its_own_says_the_same(tree: Path) -> None:
    ran = subprocess.run([*COMMAND, tree], capture_output=True, text=True, check=False)

    assert (ran.returncode, ran.stdout, ran.stderr) == (0, TABLE, failure(tree))


def test_tags_and_columns_are_chosen(tree: Path, view) -> None:
    write_run(tree / "0", {"loss": [1.0], "acc": [0.123456789]}, config={"seed": 0})

    assert view(tree, "--columns", "acc", "--columns", "state", "--tags", "a*")[:2] == (
        0,
        "run\tacc\tstate\n0\t0.123456789\tCOMPLETED\n1\t-\tCOMPLETED\n2\t-\tCOMPLETED\n3\t-\tFAILED\n",
    )


def test_a_missing_key_and_a_bare_hydra_run_in_the_table(tmp_path: Path, view) -> None:
    hydra_run(tmp_path / "0", "lr: 1\ndrop: null")
    hydra_run(tmp_path / "1", "lr: 1")

    assert view(tmp_path) == (
        0,
        "run\tstate\tduration_s\tdrop\n0\t-\t-\tnull\n1\t-\t-\t(missing)\n",
        "",
    )


def test_a_cell_cannot_break_the_table(tmp_path: Path, view) -> None:
    write_run(tmp_path / "0", {"a\tb\x1b[31m": [1.0]}, config={"x": "1\n2"})
    write_run(tmp_path / "1", config={"x": "\u00e9"}, state=State.FAILED, error="two\nlines")

    out = view(tmp_path)[1]

    assert out.splitlines() == [
        "run\tstate\tduration_s\tx\ta\\tb\\x1b[31m\terror",
        "0\tCOMPLETED\t12.500\t1\\n2\t1.0\t-",
        "1\tFAILED\t12.500\té\t-\ttwo\\nlines",
    ]


@pytest.mark.parametrize(
    ("status", "told"),
    [
        ({"state": State.FAILED, "exit_code": 3}, "run 0 FAILED: exit code 3 (log: {run})"),
        ({"state": State.FAILED, "exit_code": -9}, "run 0 FAILED: killed by SIGKILL (log: {run})"),
        ({"state": State.FAILED, "exit_code": -200}, "run 0 FAILED: killed by signal 200 (log: {run})"),
        ({"state": State.TIMEOUT}, "run 0 TIMEOUT (log: {run})"),
        ({"state": State.RUNNING, "heartbeat": 1010.0, "end": None}, "run 0 STALE (log: {run})"),
        ({"state": State.COMPLETED}, ""),
        ({"state": State.QUEUED}, ""),
    ],
)
def test_what_ended_badly_is_told_below_the_table(tmp_path: Path, view, status: dict, told: str) -> None:
    run = write_run(tmp_path / "0", **status)

    code, _, err = view(tmp_path)

    assert (code, err.removesuffix("\n")) == (0, told.format(run=run))


def test_a_state_is_what_the_run_directory_says_it_is(
    tmp_path: Path, view, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.0]}, state=State.QUEUED, start=None, end=None)
    monkeypatch.setattr(rundir.Status, "shown", lambda status, now: State.STALE)

    assert view(tmp_path) == (
        0,
        "run\tstate\tduration_s\tloss\n0\tSTALE\t-\t1.0\n",
        f"run 0 STALE (log: {run})\n",
    )


def test_hydra_s_log_is_named_where_there_is_no_other(tmp_path: Path, view) -> None:
    run = write_run(tmp_path / "0", state=State.FAILED, error="E")
    (run / "train.log").touch()

    assert view(tmp_path)[2] == f"run 0 FAILED: E (log: {run}/train.log)\n"


def test_runs_that_failed_for_one_reason_are_one_line(tmp_path: Path, view) -> None:
    for i in range(5):
        write_run(tmp_path / str(i), state=State.FAILED, error="CUDA out of memory")
    write_run(tmp_path / "5", state=State.FAILED, error="ValueError: x")
    never = {"state": State.INTERRUPTED, "start": None, "error": "the sweep was interrupted before it began"}
    for i in (6, 7):
        write_run(tmp_path / str(i), **never)

    assert view(tmp_path)[2].splitlines() == [
        f"5 runs FAILED: CUDA out of memory (the first: 0, log: {tmp_path}/0)",
        f"2 runs INTERRUPTED: the sweep was interrupted before it began (the first: 6, log: {tmp_path}/6)",
        f"run 5 FAILED: ValueError: x (log: {tmp_path}/5)",
    ]


def test_what_a_run_could_not_write_is_told_whatever_its_state(tmp_path: Path, view) -> None:
    write_run(tmp_path / "0", note="data was lost: progress.csv: 7 bytes could not be written")
    write_run(tmp_path / "1", note="the job ended by sys.exit(0)")
    one = view(tmp_path)[2]
    write_run(
        tmp_path / "2", state=State.FAILED, error="E", note="data was lost: media: 1 could not be written"
    )

    assert one == "run 0: data was lost: progress.csv: 7 bytes could not be written\n"
    assert view(tmp_path)[2].splitlines() == [
        f"run 2 FAILED: E (log: {tmp_path}/2)",
        "2 runs could not write all that they measured (the first: 0: data was lost: progress.csv: 7 bytes "
        "could not be written)",
    ]


def test_of_many_reasons_the_most_frequent_are_told(tmp_path: Path, view) -> None:
    for i in range(30):
        write_run(tmp_path / str(i), state=State.FAILED, error=f"E{max(i, 10)}")

    lines = view(tmp_path)[2].splitlines()

    assert len(lines) == 11
    assert lines[0] == f"11 runs FAILED: E10 (the first: 0, log: {tmp_path}/0)"
    assert lines[-1] == (
        "10 more runs ended badly, for 10 other reasons; to see them all add --columns state --columns error"
    )


def test_hidden_keys_are_told(tmp_path: Path, view) -> None:
    for i in (0, 1):
        write_run(tmp_path / str(i), config={"log_dir": f"/{i}"})

    assert view(tmp_path)[2] == (
        "exptools-view: not shown, as it only says which run it is: log_dir; "
        "to see it name it with --columns\n"
    )


def terminal(args: list[object], columns: int) -> tuple[str, str]:
    """What a terminal of that width shows: stdout with its colours taken out, stderr."""
    import re

    main, side = pty.openpty()
    environment = {**os.environ, "COLUMNS": str(columns), "TERM": "xterm"}
    process = subprocess.Popen(
        [*COMMAND, *map(str, args)], stdout=side, stderr=subprocess.PIPE, text=True, env=environment
    )
    os.close(side)
    shown = b""
    while True:
        try:
            piece = os.read(main, 65536)
        except OSError:  # Linux says so when the other side is closed
            break
        if not piece:
            break
        shown += piece
    os.close(main)
    _, err = process.communicate()
    assert process.returncode == 0
    return re.sub(r"\x1b\[[0-9;]*m", "", shown.decode()).replace("\r\n", "\n"), err


def test_a_terminal_gets_what_fits(tree: Path) -> None:
    wide, wide_notes = terminal([tree], 80)
    narrow, narrow_notes = terminal([tree], 34)

    assert [line.rstrip() for line in wide.splitlines()] == [
        "run  state      duration  model  seed   loss",
        "─" * 44,
        "0    COMPLETED      12 s  small  0         0",
        "1    COMPLETED      12 s  small  1     0.125",
        "2    COMPLETED      12 s  large  0      0.25",
        "3    FAILED        2.0 s  large  1     0.375",
    ]
    assert wide_notes == failure(tree)
    assert narrow.splitlines()[0].split() == ["run", "state", "duration", "model"]
    assert narrow_notes == (
        "exptools-view: 2 more columns do not fit: seed, loss; "
        "choose with --tags or --columns, or pipe to see all\n" + failure(tree)
    )


def test_what_only_repeats_other_keys_is_the_first_to_go(tmp_path: Path) -> None:
    for i, sizes in enumerate(["[1, 2, 3]", "[4, 5, 6]"]):
        write_run(tmp_path / str(i), {"loss": [0.5]}, config={"m": {"sizes": sizes, "name": f"n{i}"}})

    shown, notes = terminal([tmp_path], 42)

    assert shown.splitlines()[0].split() == ["run", "state", "duration", "m", "loss"]
    assert "1 more column does not fit: m.sizes;" in notes


def test_long_names_leave_room_for_what_the_runs_did(tmp_path: Path) -> None:
    common = "env.name=HalfCheetah-v4,model.name=transformer_encoder"
    for i, lr in enumerate([0.1, 0.01, 0.001]):
        run = tmp_path / "2026-11-24" / "10-00-00" / f"{common},optimizer.lr={lr},seed={i}"
        write_run(run, {"loss": [0.5]}, config={"lr": lr, "seed": i}, state=State.INTERRUPTED)

    shown, notes = terminal([tmp_path], 80)
    narrow, _ = terminal([tmp_path], 60)

    assert [line.rstrip() for line in shown.splitlines() if "─" not in line] == [
        "run                         state        duration  lr     seed  loss",
        "…optimizer.lr=0.001,seed=2  INTERRUPTED      12 s  0.001  2      0.5",
        "…optimizer.lr=0.01,seed=1   INTERRUPTED      12 s  0.01   1      0.5",
        "…optimizer.lr=0.1,seed=0    INTERRUPTED      12 s  0.1    0      0.5",
    ]
    assert [line.rstrip() for line in narrow.splitlines() if "─" not in line] == [
        "run                   state        duration  lr     loss",
        "…optimize…001,seed=2  INTERRUPTED      12 s  0.001   0.5",
        "…optimize….01,seed=1  INTERRUPTED      12 s  0.01    0.5",
        "…optimize…0.1,seed=0  INTERRUPTED      12 s  0.1     0.5",
    ]
    assert "exptools-view: the names of the runs are shortened; pipe to see them whole" in notes.splitlines()


def test_a_scalar_has_room_beside_many_keys(tmp_path: Path) -> None:
    for i in range(2**7):
        config = {f"long_{j}": i >> j & 1 for j in range(7)}
        write_run(tmp_path / str(i), {"loss": [0.5]}, config=config)

    shown, _ = terminal([tmp_path], 80)

    keys = [f"long_{j}" for j in range(6)]
    assert shown.split("\n")[0].split() == ["run", "state", "duration", *keys, "loss"]


@pytest.mark.parametrize(
    ("names", "shown"),
    [
        (["a/b/0", "a/b/1"], ["a/b/0", "a/b/1"]),
        (["long/path/lr=1", "long/path/lr=2"], ["…lr=1", "…lr=2"]),
        (["lr=1,model=small", "lr=2,model=small"], ["lr=1,…", "lr=2,…"]),
        (["lr=1/seed=123456789", "lr=2/seed=123456789"], ["lr=1/…", "lr=2/…"]),
        (["one_very_long_name"], ["one_…_name"]),
        (["aaaaa_0_zzzzz", "aaaaa_1_zzzzz"], ["aaa…zzzz~1", "aaa…zzzz~2"]),
    ],
)
def test_names_are_shortened_but_stay_apart(names: list[str], shown: list[str]) -> None:
    assert table.run_names(names, most=10) == shown


CSV_HEAD = "run,model.name,seed,tag,step,wall_time,value"


def test_every_frame_goes_to_stdout(tree: Path, view) -> None:
    code, out, err = view(tree, "--csv")

    head, *rows = csv.reader(io.StringIO(out))
    assert (code, err, ",".join(head)) == (0, "", CSV_HEAD)
    assert rows[4] == ["1", "small", "1", "loss", "1", "1001.0", "0.5"]
    assert len(rows) == 12


@pytest.mark.parametrize(
    "words",
    [
        ["--csv", "TREE"],
        ["TREE", "--csv"],
        ["--csv", "-", "TREE"],
        ["--csv", "--tags", "loss", "--", "TREE"],
        ["--csv", "--tags", "loss", "TREE"],
        ["TREE/0", "--csv", "-", "TREE"],
    ],
)
def test_a_path_after_csv_is_a_path(tree: Path, view, words: list[str]) -> None:
    code, out, _ = view(*(word.replace("TREE", str(tree)) for word in words))

    assert (code, out.splitlines()[0], len(out.splitlines())) == (0, CSV_HEAD, 13)


def test_a_csv_file(tree: Path, view) -> None:
    out = tree / "all.csv"

    assert view("--csv", out, tree) == (0, "", f"exptools-view: wrote {out}\n")
    assert out.read_text() == view(tree, "--csv")[1]


def test_no_frames_are_a_csv_with_its_header(tmp_path: Path, view) -> None:
    write_run(tmp_path / "0")

    assert view("--csv", tmp_path) == (0, "run,tag,step,wall_time,value\n", "")


def test_a_reader_that_has_seen_enough_ends_it_quietly(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [i / 3 for i in range(100_000)]})
    command = f"{sys.executable} -m exptools.viewing.cli --csv {tmp_path} | head -1; echo ${{PIPESTATUS[0]}}"

    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)

    assert (ran.stdout, ran.stderr) == ("run,tag,step,wall_time,value\n0\n", "")


def test_a_figure_is_drawn(tree: Path, view) -> None:
    out = tree / "f.png"

    assert view("--plot", "loss", tree, "-o", out) == (
        0,
        "",
        "exptools-view: loss: 1 of 4 runs not completed, drawn as far as they go: 3 (FAILED)\n"
        f"exptools-view: wrote {out}, and beside it f.csv, f.yaml, f.runs.txt, f.txt\n",
    )
    assert out.read_bytes().startswith(b"\x89PNG")


def test_the_spec_beside_a_figure_draws_it_again(tree: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)
    words = ("--where", "model=small", "--by", "seed", "--stat", "max", "-o", "f.svg")
    assert view("--plot", "loss", tree.name, *words)[0] == 0
    before = {path: path.read_bytes() for path in Path().glob("f.*")}
    for path in before:
        if path.suffix != ".yaml":
            path.unlink()

    code, out, err = view("--spec", "f.yaml")

    assert (code, out) == (0, "")
    assert err == "exptools-view: wrote f.svg, and beside it f.csv, f.yaml, f.runs.txt, f.txt\n"
    assert {path: path.read_bytes() for path in Path().glob("f.*")} == before
    assert set(before) == {Path(f"f.{end}") for end in ("svg", "csv", "yaml", "runs.txt", "txt")}
    assert view("--spec", "f.yaml", tree.name, "--only-figure", "--band", "minmax", "-o", "g.png")[0] == 0
    assert [path.name for path in Path().glob("g.*")] == ["g.png"]


def test_no_file_is_written_twice(tree: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)

    assert view(tree.name, "--csv", "loss.csv", "--plot", "loss") == (
        2,
        "",
        "exptools-view: error: loss.csv is what --csv and --plot would write; name another\n",
    )
    assert view(tree.name, "--csv", "x", "--html", "./x")[2] == (
        "exptools-view: error: x is what --csv and --html would write; name another\n"
    )


def test_what_lies_where_a_figure_s_data_would_be_stays(
    tree: Path, view, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tree.parent)
    assert view(tree.name, "--csv", "loss.csv")[0] == 0
    frames = Path("loss.csv").read_bytes()

    assert view(tree.name, "--plot", "loss") == (
        2,
        "",
        "exptools-view: error: cannot write what belongs beside loss.pdf: loss.csv is there, and is not a "
        "figure's; give the figure another name, or --only-figure\n",
    )
    assert Path("loss.csv").read_bytes() == frames
    assert view(tree.name, "--plot", "loss", "--only-figure")[0] == 0
    assert view(tree.name, "--plot", "loss", "-o", "again.pdf")[0] == 0
    assert view(tree.name, "--plot", "loss", "-o", "again.pdf")[0] == 0  # its own may be replaced


def test_a_figure_has_a_name_of_its_own(tmp_path: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "0", {"train/loss": [1.0], "acc %": [0.5]})
    monkeypatch.chdir(tmp_path)

    alone = ("--only-figure", "0")
    assert view("--plot", "train/loss", *alone)[2] == "exptools-view: wrote train_loss.pdf\n"
    both = view("--plot", "train/loss", "--plot", "acc*", *alone)
    assert both[2] == "exptools-view: wrote train_loss-acc.pdf\n"
    assert Path("train_loss.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (
            ["nowhere"],
            "nowhere does not exist; give a directory that holds runs, for example multirun/",
        ),
        ([""], "the path is empty; give a directory that holds runs, for example multirun/"),
        (
            ["--plot", "train/loss", "multirum/"],
            "multirum does not exist; give a directory that holds runs, for example multirun/",
        ),
        (["multirun", "--csv", "d.pdf"], "cannot write d.pdf: it is a directory; give the name of a file"),
        (
            ["multirun/0", "--csv", "multirun"],
            "cannot write multirun: it is a directory; give the name of a file",
        ),
        ([], "no path was given; give a directory that holds runs, for example multirun/"),
        (
            ["--csv", "out2.csv"],
            "no path was given beside --csv out2.csv; "
            "give a directory that holds runs, for example multirun/",
        ),
        (
            ["empty"],
            "no runs below empty: a run is a directory with the files of one of "
            "exptools, hydra, sacred, json_lines, stable_baselines3, lightning, viskit, tensorboard; give a "
            "directory above some",
        ),
        (["multirun", "--tags", "los"], "no run has a tag 'los'; did you mean 'loss'? The tags are: loss"),
        (
            ["multirun", "--csv", "--tags", "los"],
            "no run has a tag 'los'; did you mean 'loss'? The tags are: loss",
        ),
        (["multirun", "--plot", "acc"], "no run has a tag 'acc'. The tags are: loss"),
        (
            ["multirun", "--columns", "stat"],
            "no run has a column 'stat'; did you mean 'state'? "
            "The columns are: duration_s, epochs, error, loss, model.name, run, seed, state",
        ),
        (
            ["multirun", "--csv", "x" * 300],
            f"cannot write {'x' * 300}: File name too long; give another file",
        ),
        (["multirun", "--csv", "no/x.csv"], "cannot write no/x.csv: there is no directory no; make it first"),
        (
            ["multirun", "--plot", "loss", "-o", "x.jpg"],
            "cannot write x.jpg: the ending '.jpg'; a figure can be .pdf, .png, .svg, .pgf",
        ),
        (
            ["multirun", "--plot", "loss", "-o", "d.pdf"],
            "cannot write d.pdf: it is a directory; give the name of a file",
        ),
        (
            ["multirun", "-o", "x.pdf"],
            "-o x.pdf names the file of a figure or a table, "
            "but there is no --plot TAG and no --table FORMAT",
        ),
        (["multirun", "--plots"], "unrecognized arguments: --plots; see exptools-view --help"),
        (["--plot"], "argument --plot: expected one argument; see exptools-view --help"),
    ],
)
def test_wrong_usage_is_one_line_and_2(
    tree: Path, view, monkeypatch: pytest.MonkeyPatch, words: list[str], error: str
) -> None:
    monkeypatch.chdir(tree.parent)
    Path("empty").mkdir()
    Path("d.pdf").mkdir()

    assert view(*words) == (2, "", f"exptools-view: error: {error}\n")
    assert sorted(os.listdir()) == ["d.pdf", "empty", "multirun"]


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
@pytest.mark.parametrize("words", [[], ["--csv"]])
def test_a_stdout_that_takes_no_more_is_told(tree: Path, words: list[str]) -> None:
    with open("/dev/full", "w") as full:
        ran = subprocess.run([*COMMAND, tree, *words], stdout=full, stderr=subprocess.PIPE, text=True)

    error = "exptools-view: error: cannot write to stdout: No space left on device\n"
    assert (ran.returncode, ran.stderr) == (1, error)


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
def test_a_csv_on_a_full_disk_is_1(tree: Path, view) -> None:
    error = "cannot write /dev/full: No space left on device; give another file"

    assert view(tree, "--csv", "/dev/full") == (1, "", f"exptools-view: error: {error}\n")


def test_a_figure_on_a_full_disk_is_1(tree: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("matplotlib.figure.Figure.savefig", full)

    error = f"cannot write {tree}/f.png: No space left on device; give another file"
    assert view(tree, "--plot", "loss", "-o", tree / "f.png") == (1, "", f"exptools-view: error: {error}\n")
    assert not (tree / "f.png").exists()


def bash(line: str, tree: Path) -> tuple[int, str, str]:
    command = line.replace("VIEW", " ".join(COMMAND)).replace("TREE", str(tree))
    ran = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    return ran.returncode, ran.stdout, ran.stderr


@pytest.mark.parametrize("words", ["", "--csv", "--csv -"])
def test_a_closed_stdout_is_one_line_and_1(tree: Path, words: str) -> None:
    error = "exptools-view: error: cannot write to stdout: it is closed\n"

    assert bash(f"VIEW TREE {words} >&-", tree) == (1, "", error)


def test_a_closed_stderr_leaves_stdout_alone(tree: Path) -> None:
    assert bash("VIEW TREE 2>&-", tree) == (0, TABLE, "")


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="the system has no device that is always full")
@pytest.mark.parametrize("nobody", ["2>/dev/full", "2>&1 | true"])
def test_a_stderr_that_takes_no_more_leaves_what_is_made_alone(tree: Path, nobody: str) -> None:
    code, _, _ = bash(f"set -o pipefail; VIEW TREE --where seed=1 --csv TREE/x.csv {nobody}", tree)

    assert code == 0
    assert len((tree / "x.csv").read_text().splitlines()) == 1 + 2 * 3


def test_a_reader_that_has_seen_enough_ends_no_file(tree: Path) -> None:
    code, _, err = bash("set -o pipefail; VIEW TREE --csv --parquet TREE/x.parquet | true", tree)

    assert (code, err) == (0, f"exptools-view: wrote {tree}/x.parquet\n")
    assert (tree / "x.parquet").exists()


@pytest.mark.parametrize("file", [">(cat > TREE/got; touch TREE/done)", "/dev/stdout | cat > TREE/got"])
def test_a_csv_goes_into_a_pipe(tree: Path, view, file: str) -> None:
    end = "for i in {1..100}; do [ -e TREE/done ] && break; sleep 0.1; done" if "done" in file else ":"

    code, _, err = bash(f"set -o pipefail; VIEW TREE --csv {file} && {end}", tree)

    assert (code, err.partition(" wrote ")[0]) == (0, "exptools-view:")
    assert (tree / "got").read_text() == view(tree, "--csv")[1]


def test_what_cannot_be_read_is_named_and_makes_1(tree: Path, view) -> None:
    (tree / "0" / rundir.PROGRESS).write_text("step,wall_time,loss\n" + "bad\n" * 8)
    (tree / "1" / rundir.PROGRESS).write_text("step,wall_time,loss\n0,1.0,0.5\n1,2.")

    code, out, err = view(tree, "--csv")

    assert (code, len(out.splitlines())) == (1, 8)
    bad = f"exptools-view: {tree}/0/progress.csv"
    assert err.splitlines() == [
        *(f"{bad}, offset {20 + 4 * i}: not a row of 3 numbers; it was left out" for i in range(5)),
        f"{bad}: 3 more places that cannot be read, the last at offset 48",
        f"exptools-view: {tree}/1/progress.csv, offset 30: "
        "the last row is torn: it has no line end and was left out",
    ]


def test_problems_are_named_even_when_the_question_was_wrong(tree: Path, view) -> None:
    (tree / "0" / rundir.STATUS).write_text("{")

    code, _, err = view(tree, "--tags", "x")

    assert code == 2
    assert [line.split(": ")[1] for line in err.splitlines()] == [f"{tree}/0/status.json", "error"]


def test_control_c_tells_nothing_of_what_was_met(tree: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    (tree / "0" / rundir.PROGRESS).write_text("step,wall_time,loss\nbad\n")

    def pressed(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(table, "tab_separated", pressed)

    assert view(tree) == (130, "", "")


def test_control_c_ends_it_without_a_word(tree: Path, view, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(options: object) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(cli, "_run", interrupted)

    assert view(tree) == (130, "", "")


WRITER = """
import sys, time
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from view_files import progress_text, write_run
from exptools.rundir import State
root = Path(sys.argv[1])
for i in range(20_000):
    now = time.time()
    run = write_run(root / str(i % 40), state=State.RUNNING, start=now, heartbeat=now, end=None)
    with open(run / "progress.csv", "a") as file:
        if file.tell() == 0:
            file.write("step,wall_time,loss\\n")
        for step in range(50):
            file.write(f"{step},1.0,0.")
            file.flush()
            file.write("5\\n")
    time.sleep(0.002)
"""


def test_a_tree_is_read_while_it_grows(tmp_path: Path, view) -> None:
    root = write_run(tmp_path / "sweep" / "first", {"loss": [0.5]}).parent
    process = subprocess.Popen([sys.executable, "-c", WRITER, str(root), str(Path(__file__).parents[1])])
    try:
        deadline = time.monotonic() + 30
        while len(list(root.iterdir())) < 5 and time.monotonic() < deadline:
            time.sleep(0.01)
        counts = []
        for _ in range(8):
            code, out, err = view(root, "--csv")
            rows = list(csv.reader(io.StringIO(out)))
            assert (code, err) == (0, "")
            assert {row[-1] for row in rows[1:]} == {"0.5"}
            counts.append(len(rows))
            assert view(root)[0] == 0
        assert process.poll() is None
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
    assert counts == sorted(counts)
    assert counts[-1] > counts[0]


def test_a_pipe_that_cannot_say_unicode(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"é": [1.0]})
    environment = {**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"}

    table = subprocess.run([*COMMAND, tmp_path], capture_output=True, env=environment, check=True)
    frames = subprocess.run([*COMMAND, "--csv", tmp_path], capture_output=True, env=environment, check=True)

    assert table.stdout.splitlines()[0] == rb"run	state	duration_s	\xe9"
    assert frames.stdout.decode().splitlines()[1].split(",")[1] == "é"


def test_help_is_short_and_quick(tmp_path: Path) -> None:
    times = []
    for _ in range(3):
        start = time.perf_counter()
        ran = subprocess.run([*COMMAND, "--help"], capture_output=True, text=True, check=True)
        times.append(time.perf_counter() - start)

    assert ran.stdout.startswith("usage: exptools-view ")
    assert len(ran.stdout.splitlines()) < 48
    assert min(times) < 0.5  # some 0.06 s on an idle machine


def test_importing_it_loads_nothing_heavy_and_none_of_the_other_concepts() -> None:
    code = "import sys, exptools.viewing, exptools.viewing.cli; print(*sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    loaded = {".".join(name.split(".")[:2]) for name in ran.stdout.split()}
    heavy = {"pandas", "polars", "matplotlib", "tensorboard", "numpy", "omegaconf", "rich", "torch"}
    assert loaded & (heavy | {"exptools.logging", "exptools.launching"}) == set()


def test_drawing_and_reading_load_none_of_the_other_concepts(tree: Path) -> None:
    code = (
        "import sys; from exptools.viewing import cli;"
        "cli.main(sys.argv[1:]); print(*(m for m in sys.modules if m.startswith('exptools')))"
    )
    args = [sys.executable, "-c", code, str(tree), "--plot", "loss", "-o", str(tree / "f.png")]
    ran = subprocess.run(args, capture_output=True, text=True, check=True)

    loaded = {".".join(name.split(".")[:2]) for name in ran.stdout.split()}
    assert "exptools.viewing" in loaded
    assert loaded & {"exptools.logging", "exptools.launching"} == set()


def test_the_version(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        cli.main(["--version"])

    assert (ended.value.code, capsys.readouterr().out.split()[0]) == (0, "exptools")


def test_helpers_write_what_the_logger_writes() -> None:
    from exptools.formats.progress import encode_header, encode_rows
    from exptools.formats.rows import Row

    tags = ["a", 'b,"\n']
    rows = [Row(1, 2.5, ("a", tags[1]), (0.1, float("nan"))), Row(2, 3.5, ("a",), (float("inf"),))]
    text = encode_header(tags) + encode_rows(rows, {"a": 0, tags[1]: 1})

    assert progress_text(tags, [(1, 2.5, [0.1, float("nan")]), (2, 3.5, [float("inf"), None])]) == text
