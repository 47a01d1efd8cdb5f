"""Which directories are runs, and what they are called."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.viewing.api import Settings, load, loaded
from exptools.viewing.readers import registry
from exptools.viewing.runs import find, natural


def events(directory: Path, name: str = "events.out.tfevents.1.host") -> Path:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / name).touch()
    return directory


def names(*roots: Path) -> list[str]:
    return [place.name for place in find(roots).places]


def test_runs_are_found_at_any_depth_in_natural_order(tmp_path: Path) -> None:
    for name in ("10", "2", "a/b/1"):
        write_run(tmp_path / "sweep" / name, {"loss": [1.0]})
    hydra_run(tmp_path / "sweep" / "9", "lr: 1")
    (tmp_path / "sweep" / "multirun.yaml").touch()
    (tmp_path / "sweep" / "sweep.json").touch()

    assert names(tmp_path / "sweep") == ["2", "9", "10", "a/b/1"]
    assert names(tmp_path) == ["sweep/2", "sweep/9", "sweep/10", "sweep/a/b/1"]


def test_the_snapshots_of_a_run_are_no_runs(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.0]})
    write_run(run / "snapshots" / "step-1", {"loss": [1.0]})
    write_run(tmp_path / "snapshots", {"loss": [1.0]})  # somebody calls his runs so

    assert names(tmp_path) == ["0", "snapshots"]


def test_natural_order_is_by_component() -> None:
    assert sorted(["a10", "a2", "a/1", "b", "1e-10", "1e-9", "a"], key=natural) == [
        *("1e-9", "1e-10", "a", "a/1", "a2", "a10", "b"),
    ]


def test_natural_order_is_that_of_numbers_of_any_length() -> None:
    texts = ["0", "00", "007", "7", "7a", "10", "9" * 5000, "1" + "0" * 5000, "a7"]

    texts_mixed = [*texts[5:], *texts[:5]]
    assert sorted(texts_mixed, key=natural) == texts


def test_the_path_may_be_a_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = write_run(tmp_path / "run7", {"loss": [1.0]})
    write_run(run / "run7", {"loss": [1.0]})

    assert names(run) == ["run7", "run7/run7"]

    monkeypatch.chdir(run)
    assert names(Path(".")) == ["run7", "run7/run7"]


def test_several_roots_give_unique_names_and_nothing_twice(tmp_path: Path) -> None:
    for name in ("a/0", "a/1", "b/0"):
        write_run(tmp_path / name, {"loss": [1.0]})

    assert names(tmp_path / "a", tmp_path / "b") == ["a/0", "a/1", "b/0"]
    assert names(tmp_path / "a", tmp_path / "a" / "1") == ["0", "1"]
    assert names(tmp_path / "a" / "1", tmp_path / "a") == ["0", "1"]
    assert names(tmp_path / "a" / "1", tmp_path / "b" / "0") == ["a/1", "b/0"]


def test_bare_event_files_are_runs(tmp_path: Path) -> None:
    events(tmp_path / "logs" / "x")
    events(tmp_path / "logs" / "y" / "deep")

    assert names(tmp_path / "logs") == ["x", "y/deep"]


def test_the_only_event_directory_of_a_run_is_the_run(tmp_path: Path) -> None:
    hydra_run(tmp_path / "0", "lr: 1")
    events(tmp_path / "0" / "tb" / "version_0")

    (place,) = find([tmp_path]).places

    assert (place.name, place.part) == ("0", "")
    assert [s.path for s in place.sources] == [tmp_path / "0/tb/version_0/events.out.tfevents.1.host"]


@pytest.mark.parametrize("kind", ["progress", "own events", "two parts"])
def test_other_event_directories_of_a_run_are_runs_of_their_own(tmp_path: Path, kind: str) -> None:
    run = hydra_run(tmp_path / "0", "lr: 1")
    events(run / "loss_train")
    if kind == "progress":
        write_run(run, {"loss": [1.0]})
    elif kind == "own events":
        events(run)
    else:
        events(run / "loss_val")

    places = find([tmp_path]).places

    extra = ["0/loss_val"] if kind == "two parts" else []
    assert [p.name for p in places] == ["0", "0/loss_train", *extra]
    assert [p.part for p in places] == ["", "loss_train", *(e.removeprefix("0/") for e in extra)]
    assert {p.home for p in places} == {run}


def test_hidden_directories_are_passed_over(tmp_path: Path) -> None:
    run = write_run(tmp_path / "0", {"loss": [1.0]})
    events(run / ".orphaned")
    write_run(tmp_path / ".trash" / "1", {"loss": [1.0]})

    assert names(tmp_path) == ["0"]


def test_links_are_followed_once(tmp_path: Path) -> None:
    write_run(tmp_path / "sweep" / "z" / "0", {"loss": [1.0]})
    write_run(tmp_path / "elsewhere" / "1", {"loss": [1.0]})
    (tmp_path / "sweep" / "loop").symlink_to(tmp_path / "sweep")
    (tmp_path / "sweep" / "latest").symlink_to(tmp_path / "sweep" / "z")
    (tmp_path / "sweep" / "other").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "sweep" / "dangling").symlink_to(tmp_path / "gone")

    assert names(tmp_path / "sweep") == ["other/1", "z/0"]


def test_a_link_to_itself_is_named_and_the_others_are_found(tmp_path: Path) -> None:
    write_run(tmp_path / "0", {"loss": [1.0]})
    (tmp_path / "latest").symlink_to("latest")
    (tmp_path / "x.tfevents").symlink_to("x.tfevents")

    found = find([tmp_path])

    assert [p.name for p in found.places] == ["0"]
    assert sorted(map(str, found.problems)) == [
        f"{tmp_path}/{name}: cannot be read (Too many levels of symbolic links)"
        for name in ("latest", "x.tfevents")
    ]


def test_the_sweep_of_a_run_is_the_nearest_directory_with_a_mark(tmp_path: Path) -> None:
    for name in ("bare/0", "ours/lr=1/0", "hydra/0"):
        write_run(tmp_path / name, {"loss": [1.0]})
    (tmp_path / "ours" / "sweep.json").touch()
    (tmp_path / "hydra" / "multirun.yaml").touch()

    assert [str(p.sweep.relative_to(tmp_path)) for p in find([tmp_path]).places] == ["bare", "hydra", "ours"]


def test_event_files_are_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("events.out.tfevents.10.h", "events.out.tfevents.9.h", ".events.out.tfevents.1.h"):
        events(tmp_path / "a", name)

    (place,) = find([tmp_path]).places

    assert [s.path.name for s in place.sources] == ["events.out.tfevents.9.h", "events.out.tfevents.10.h"]


def test_a_directory_that_cannot_be_looked_into_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_run(tmp_path / "0", {"loss": [1.0]})
    (tmp_path / "locked").mkdir()
    scandir = os.scandir

    def refusing(path: Path) -> object:  # permissions do not bind root, who may run these tests
        if path.name == "locked":
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", refusing)
        found = find([tmp_path])

    assert [p.name for p in found.places] == ["0"]
    assert [str(p) for p in found.problems] == [f"{tmp_path}/locked: cannot be read (Permission denied)"]


@contextlib.contextmanager
def without_the_rights_of_root() -> Iterator[None]:
    us = os.geteuid()
    os.seteuid(65534 if us == 0 else us)
    try:
        yield
    finally:
        os.seteuid(us)


def test_what_may_not_be_looked_into_is_named_and_ends_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "closed" / "tree"
    for i in range(3):
        write_run(tree / str(i), {"loss": [1.0]}, config={"seed": i})
    monkeypatch.chdir(tree)
    load(".").table()  # all modules are loaded, which may be closed to others
    os.chmod("1", 0o444)  # its files have names, and no more
    os.chmod(tree.parent, 0o000)
    try:
        with without_the_rights_of_root():
            runs = loaded(["."], Settings(cache=False))  # as the command line does
            finals = {run.name: found.values for run, found in runs.finals()}
            with pytest.raises(ViewError) as caught:
                loaded(["1/x"], Settings())
    finally:
        os.chmod(tree.parent, 0o755)
        os.chmod("1", 0o755)

    assert finals == {"0": {"loss": 1.0}, "1": {}, "2": {"loss": 1.0}}
    assert {str(p) for p in runs.problems} >= {
        f"1/{name}: cannot be read (Permission denied)"
        for name in (rundir.STATUS, rundir.VARIANT, rundir.PROGRESS)
    }
    assert str(caught.value) == (
        "1/x cannot be looked at (Permission denied); give a directory that holds runs, for example multirun/"
    )


def test_a_directory_that_vanishes_was_never_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run(tmp_path / "0", {"loss": [1.0]})
    (tmp_path / "1").mkdir()
    scandir = os.scandir

    def too_late(path: Path) -> object:
        if path.name == "1":
            path.rmdir()
        return scandir(path)

    with monkeypatch.context() as patch:
        patch.setattr(os, "scandir", too_late)
        found = find([tmp_path])

    assert [p.name for p in found.places] == ["0"]
    assert found.problems == ()


def test_a_name_that_is_not_utf8_is_escaped(tmp_path: Path) -> None:
    write_run(Path(os.fsdecode(os.fsencode(tmp_path) + b"/r\xff")), {"loss": [1.0]})

    assert names(tmp_path) == ["r\\udcff"]


def test_errors_say_what_to_give(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "empty").mkdir()

    with pytest.raises(ViewError) as missing:
        find([tmp_path / "nope"])
    with pytest.raises(ViewError) as file:
        find([tmp_path / "file"])
    with pytest.raises(ViewError) as empty:
        find([tmp_path / "empty"])
    with pytest.raises(ViewError) as nothing:
        find([])
    with pytest.raises(ViewError) as blank:
        find([""])
    with pytest.raises(ViewError) as long:
        find(["x" * 300])

    example = "give a directory that holds runs, for example multirun/"
    assert str(missing.value) == f"{tmp_path}/nope does not exist; {example}"
    assert str(file.value) == f"{tmp_path}/file is a file; give the directory that holds it ({tmp_path})"
    assert str(empty.value) == (
        f"no runs below {tmp_path}/empty: a run is a directory with the files of one of "
        f"{', '.join(format_.name for format_ in registry.formats())}; give a directory above some"
    )
    assert str(nothing.value) == f"no path was given; {example}"
    assert str(long.value) == f"{'x' * 300} cannot be looked at (File name too long); {example}"
    assert str(blank.value) == f"the path is empty; {example}"


def test_a_directory_that_only_holds_the_config_of_its_runs_is_no_run(tmp_path: Path) -> None:
    for lr in (1, 2):
        for run in (0, 1):
            (tmp_path / f"lr{lr}" / f"run_{run}").mkdir(parents=True)
            (tmp_path / f"lr{lr}" / f"run_{run}" / "progress.csv").write_text("step,wall_time,x\n0,0.0,1.0\n")
        (tmp_path / f"lr{lr}" / "variant_config.json").write_text(f'{{"lr": {lr}}}')
    (tmp_path / "alone").mkdir()
    (tmp_path / "alone" / "variant_config.json").write_text('{"lr": 3}')

    runs = load(tmp_path)

    assert {run.name: run.config for run in runs} == {
        "alone": {"lr": 3},
        "lr1/run_0": {"lr": 1},
        "lr1/run_1": {"lr": 1},
        "lr2/run_0": {"lr": 2},
        "lr2/run_1": {"lr": 2},
    }
