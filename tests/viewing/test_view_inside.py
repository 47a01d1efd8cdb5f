"""Only regular files below the directories that are shown are opened, whatever a name says."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exptools.errors import ViewError
from exptools.viewing import inside as files
from exptools.viewing.inside import Forbidden, Gone, inside, open_inside, read_inside

SECRET = b"secret"


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """shown/ with a file and a directory; beside it a secret, and a directory whose name begins alike."""
    shown = tmp_path / "shown"
    (shown / "run" / "media").mkdir(parents=True)
    (shown / "run" / "media" / "0.png").write_bytes(b"picture")
    (tmp_path / "shown-not").mkdir()
    for outside in ("secret", "shown-not/secret"):
        (tmp_path / outside).write_bytes(SECRET)
    return shown


def forbidden(path: str) -> str:
    return f"{path} is not below the directories that are shown; only what lies there is opened"


def test_a_file_of_the_tree_is_opened(tree: Path) -> None:
    with open_inside(tree / "run" / "media" / "0.png", [tree]) as file:
        data = file.read()

    assert data == b"picture"
    assert inside(tree / "run/../run/media/0.png", [tree]) == tree / "run/media/0.png"


@pytest.mark.parametrize(
    "name",
    [
        "../secret",
        "run/../../secret",
        "../shown-not/secret",
        "..",
        "run/media/../../../secret",
        "/etc/passwd",
    ],
)
def test_a_name_that_leads_out_is_refused(tree: Path, name: str) -> None:
    path = tree / name  # an absolute name takes the place of all before it, as in any join

    for call in (inside, open_inside, read_inside):
        with pytest.raises(Forbidden, match=f"^{re.escape(forbidden(str(path)))}$"):
            call(path, [tree])


def test_a_relative_name_is_one_of_the_working_directory(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tree.parent)

    assert inside("shown/run", ["shown"]) == tree / "run"
    with pytest.raises(Forbidden):
        inside("secret", ["shown"])


@pytest.mark.parametrize(
    ("name", "told"),
    [("a\0b", r"'a\x00b'"), ("\ud800", r"'\ud800'"), ("/a\nb", r"'/a\nb'"), ("/x" * 999, "/x" * 250 + "...")],
)
def test_what_is_no_name_is_refused_on_one_line(tree: Path, name: str, told: str) -> None:
    with pytest.raises(Forbidden) as caught:
        open_inside(name, [tree])

    assert str(caught.value) == forbidden(told)


def test_without_a_directory_that_is_shown_nothing_is_opened(tree: Path) -> None:
    with pytest.raises(Forbidden):
        inside(tree, [])


def test_the_root_of_all_files_may_be_shown(tree: Path) -> None:
    assert read_inside(tree.parent / "secret", ["/"]) == SECRET


@pytest.mark.parametrize("kind", ["file", "directory", "absolute", "chain", "nothing"])
def test_a_link_out_of_the_tree_is_refused(tree: Path, kind: str) -> None:
    if kind == "file":
        (tree / "link").symlink_to("../secret")
    elif kind == "absolute":
        (tree / "link").symlink_to(tree.parent / "secret")
    elif kind == "chain":
        (tree / "link").symlink_to("run/second")
        (tree / "run" / "second").symlink_to(tree.parent / "secret")
    elif kind == "nothing":
        (tree / "link").symlink_to("../not-there")
    else:
        (tree / "up").symlink_to("..")
    path = tree / ("up/secret" if kind == "directory" else "link")

    for call in (inside, open_inside):
        with pytest.raises(Forbidden) as caught:
            call(path, [tree])
        assert str(caught.value) == forbidden(str(path))


def test_links_inside_the_tree_and_above_it_are_followed(tree: Path) -> None:
    (tree / "latest").symlink_to("run")
    (tree.parent / "alias").symlink_to("shown")

    real = tree / "run/media/0.png"
    assert inside(tree / "latest/media/0.png", [tree]) == real
    assert inside(tree.parent / "alias/run/media/0.png", [tree]) == real
    assert inside(real, [tree.parent / "alias"]) == real
    assert read_inside(tree / "latest/media/0.png", [tree.parent / "alias"]) == b"picture"


def test_a_second_directory_may_be_shown_that_the_first_links_to(tree: Path) -> None:
    (tree / "scratch").symlink_to(tree.parent / "shown-not")

    assert read_inside(tree / "scratch/secret", [tree, tree.parent / "shown-not"]) == SECRET


def test_a_link_to_itself_is_no_regular_file(tree: Path) -> None:
    (tree / "loop").symlink_to("loop")

    with pytest.raises(ViewError, match=r"loop"):
        open_inside(tree / "loop", [tree])


def test_what_is_not_there_is_said(tree: Path) -> None:
    for path in (tree / "gone", tree / "run/media/0.png/deeper", tree / "gone" / "deeper"):
        with pytest.raises(Gone) as caught:
            open_inside(path, [tree])
        assert str(caught.value) == f"{path} is not there (any more); look again"


@pytest.mark.parametrize("kind", ["directory", "root", "fifo", "socket", "device"])
@pytest.mark.timeout(20)
def test_what_is_no_regular_file_is_refused_at_once(
    tree: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, roots = tree / "thing", [tree]
    with contextlib.ExitStack() as stack:
        if kind == "directory":
            path.mkdir()
        elif kind == "root":
            path = tree
        elif kind == "fifo":
            os.mkfifo(path)
        elif kind == "socket":
            monkeypatch.chdir(tree)  # the path of a socket is short
            stack.enter_context(socket.socket(socket.AF_UNIX)).bind("thing")
        else:
            path, roots = Path("/dev/zero"), [Path("/dev")]

        with pytest.raises(ViewError) as caught:
            open_inside(path, roots)
    assert str(caught.value) == f"{path} is no regular file; only those are opened"


@pytest.mark.timeout(20)
def test_the_writer_of_a_fifo_goes_on_waiting_for_its_reader(tree: Path) -> None:
    fifo = tree / "fifo"
    os.mkfifo(fifo)
    begun, has_a_reader = threading.Event(), threading.Event()

    def write() -> None:
        begun.set()
        with open(fifo, "wb"):
            has_a_reader.set()

    thread = threading.Thread(target=write)
    thread.start()
    begun.wait()
    for _ in range(200):
        with pytest.raises(ViewError):
            open_inside(fifo, [tree])
        time.sleep(0.001)
    was_disturbed = has_a_reader.is_set()
    with open(fifo, "rb"):
        thread.join()

    assert not was_disturbed


@pytest.mark.timeout(20)
@pytest.mark.parametrize(
    ("kind", "said"),
    [
        ("link", "cannot be opened (Too many levels of symbolic links)"),
        ("fifo", "is no regular file; only those"),
    ],
)
def test_what_takes_the_place_of_a_file_after_it_was_looked_at_is_refused(
    tree: Path, kind: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    goal, look = tree / "run/media/0.png", os.stat

    def look_and_swap(*args: Any, **kwargs: Any) -> os.stat_result:
        found = look(*args, **kwargs)
        if "dir_fd" in kwargs:
            goal.unlink()
            if kind == "link":
                goal.symlink_to(tree.parent / "secret")
            else:
                os.mkfifo(goal)
        return found

    monkeypatch.setattr(files.os, "stat", look_and_swap)
    with pytest.raises(ViewError) as caught:
        open_inside(goal, [tree])

    assert said in str(caught.value)


def test_a_file_without_permission_is_named(tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tree / "run/media/0.png"
    path.chmod(0)
    if os.access(path, os.R_OK):  # root may read everything

        def refuse(*args: object, **kwargs: object) -> int:
            raise PermissionError(errno.EACCES, os.strerror(errno.EACCES))

        monkeypatch.setattr(files.os, "open", refuse)

    with pytest.raises(ViewError) as caught:
        open_inside(path, [tree])

    assert str(caught.value) == f"{path} cannot be opened (Permission denied)"


def test_a_huge_file_is_not_read(tree: Path) -> None:
    path = tree / "huge"
    with open(path, "wb") as file:
        file.truncate(2**40)  # it has holes

    with pytest.raises(ViewError) as caught:
        read_inside(path, [tree])

    assert str(caught.value) == (
        f"{path} has 1024.0 GiB, and 256 MiB is the most that is shown; open it by hand"
    )
    assert read_inside(tree / "run/media/0.png", [tree], most_bytes=7) == b"picture"
    with pytest.raises(ViewError):
        read_inside(tree / "run/media/0.png", [tree], most_bytes=6)


@pytest.mark.timeout(60)
@pytest.mark.parametrize("what", ["the file", "its directory"])
def test_what_is_swapped_for_a_link_in_the_meantime_is_never_followed(tree: Path, what: str) -> None:
    """Between the check and the opening somebody puts a link to the secret in the way, again and again."""
    media, outside = tree / "run" / "media", tree.parent / "outside"
    outside.mkdir()
    (outside / "0.png").write_bytes(SECRET)
    goal = media / "0.png" if what == "the file" else media
    target = outside / "0.png" if what == "the file" else outside
    spare = goal.with_name("spare")
    ended = threading.Event()

    def swap() -> None:
        while not ended.is_set():
            goal.rename(spare)
            goal.symlink_to(target)
            goal.unlink()
            spare.rename(goal)

    thread = threading.Thread(target=swap)
    thread.start()
    read: list[bytes] = []
    try:
        for _ in range(5000):
            with contextlib.suppress(ViewError):
                read.append(read_inside(media / "0.png", [tree]))
    finally:
        ended.set()
        thread.join()

    assert set(read) == {b"picture"}
    assert len(read) < 5000  # it was in the way


PARTS = st.sampled_from(
    ["..", ".", "", "run", "media", "0.png", "up", "link", "loop", "in", "secret", "/", "~", "a\0"]
)


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parts=st.lists(st.one_of(PARTS, st.text(max_size=6)), max_size=8), separator=st.sampled_from("//\\"))
def test_no_name_at_all_reads_what_is_outside(tree: Path, parts: list[str], separator: str) -> None:
    for name, target in {"up": "..", "link": "../secret", "loop": "loop", "in": "run/media"}.items():
        with contextlib.suppress(FileExistsError):
            (tree / name).symlink_to(target)
    path = os.path.join(tree, separator.join(parts))

    try:
        data = read_inside(path, [tree])
        real = inside(path, [tree])
    except ViewError as error:
        assert len(str(error).splitlines()) == 1
    else:
        assert data == b"picture"
        assert real == tree / "run" / "media" / "0.png"
