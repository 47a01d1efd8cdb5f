"""media/ and media.jsonl: whole files, none over another, after a full disk, a kill and a resume."""

from __future__ import annotations

import errno
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runs import shown_by_tensorboard, status
from rust import until
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from exptools.errors import RunDirError
from exptools.formats.tfrecord import Damage, records
from exptools.logging import Logger, logger, logger_context
from exptools.logging.writers.base import Media, Record, Writer
from exptools.logging.writers.media import MediaWriter, safe

GRAY = np.zeros((2, 3), np.uint8)


def index(run_dir: Path) -> list[dict[str, Any]]:
    path = run_dir / "media.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def files(run_dir: Path) -> set[str]:
    """All files in media/, hidden ones too."""
    return {str(p.relative_to(run_dir)) for p in (run_dir / "media").rglob("*") if p.is_file()}


def listed(run_dir: Path) -> set[str]:
    return {file for entry in index(run_dir) for file in entry["files"]}


def gray(value: int) -> Any:
    return np.full((2, 3), value, np.uint8)


def value_of(path: Path) -> int:
    return int(np.array(Image.open(io.BytesIO(path.read_bytes())).convert("RGB")).max())


def images_shown(run_dir: Path) -> dict[str, list[int]]:
    """Steps of the images of each tag, by TensorBoard's Python reader."""
    accumulator = EventAccumulator(str(run_dir), size_guidance={"tensors": 0})
    accumulator.Reload()
    try:
        tags = accumulator.PluginTagToContent("images")
    except KeyError:
        return {}
    return {tag: [e.step for e in accumulator.Tensors(tag)] for tag in tags}


def test_the_index_says_what_each_file_is(tmp_path: Path) -> None:
    before = time.time()
    with Logger(tmp_path / "run") as mine:
        mine.log_image("a/b", GRAY, 3)

    [entry] = index(tmp_path / "run")
    assert before <= entry.pop("wall_time") <= time.time()
    assert entry == {
        "step": 3,
        "kind": "image",
        "tag": "a/b",
        "files": ["media/a_b/3.png"],
        "height": 2,
        "width": 3,
        "channels": 1,
    }
    assert files(tmp_path / "run") == {"media/a_b/3.png"}


def test_none_is_written_over_another(tmp_path: Path) -> None:
    with Logger(tmp_path / "run") as mine:
        for value in range(3):
            mine.log_image("a/b", gray(value), 0)
        mine.log_image("a_b", gray(3), 0)  # another tag, the same name
        mine.log_images("a/b", np.stack([gray(4)]), 0, "NHW")
        mine.log_gif("a/b", np.stack([gray(5)]), 0, dataformats="THW")

    entries = index(tmp_path / "run")
    names = [entry["files"][0] for entry in entries]
    assert len(set(names)) == 6
    assert [value_of(tmp_path / "run" / name) for name in names] == [0, 1, 2, 3, 4, 5]
    assert files(tmp_path / "run") == set(names)


@pytest.mark.parametrize(
    ("tag", "name"),
    [
        ("eval/rollout 3 (a=1, b=[2])", "eval_rollout 3 (a=1, b=[2])"),
        ("../../etc/passwd", "_.._etc_passwd"),
        ("..", "_"),
        ("/", "_"),
        (".hidden", "hidden"),
        ("ü\n\t\0*?:|<>", "ü_________"),
        ("x" * 500, "x" * 80),
        ("😀" * 80, "_" * 80),
        ("漢" * 80, "漢" * 66),
    ],
)
def test_any_tag_has_a_directory_inside_of_media(tmp_path: Path, tag: str, name: str) -> None:
    with Logger(tmp_path / "run") as mine:
        mine.log_image(tag, GRAY, 0)

    assert safe(tag) == name
    assert files(tmp_path / "run") == {f"media/{name}/0.png"}
    assert index(tmp_path / "run")[0]["tag"] == tag


def test_a_run_that_was_given_nothing_rich_has_no_media(tmp_path: Path) -> None:
    with Logger(tmp_path / "run") as mine:
        mine.log_scalar("x", 1.0, 0)

    assert not (tmp_path / "run" / "media").exists()
    assert not (tmp_path / "run" / "media.jsonl").exists()


def test_a_directory_with_media_is_not_taken_for_another_run(tmp_path: Path) -> None:
    with Logger(tmp_path / "run", writers=["media"]) as mine:
        mine.log_histogram("x", [1.0], 0)

    with pytest.raises(RunDirError, match=r"already holds a run \(COMPLETED, media.jsonl\)"):
        Logger(tmp_path / "run")


def test_a_run_directory_may_be_renamed_while_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with Logger(tmp_path / "run", writers=["media"]) as mine:
        mine.log_image("x", GRAY, 0)
        mine.flush()
        (tmp_path / "run").rename(tmp_path / "moved")
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        mine.log_image("x", GRAY, 1)
        mine.log_embedding("y", [[1.0]], 1)
        mine.flush()

        assert files(tmp_path / "moved") == {"media/x/0.png", "media/x/1.png", "media/y/1.tsv"}
        assert len(index(tmp_path / "moved")) == 3
        assert (tmp_path / "moved" / "projector_config.pbtxt").exists()
        (tmp_path / "moved").rename(tmp_path / "run")


# --- a disk that fails ------------------------------------------------------------------------------------


class Full:
    """A disk that takes `room` bytes and then says that it is full."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, room: int) -> None:
        self.room = room
        self._write = os.write
        monkeypatch.setattr(os, "write", self._take)

    def _take(self, fd: int, data: Any) -> int:
        n = min(len(data), self.room)
        if len(data) and not n:
            raise OSError(errno.ENOSPC, "No space left on device")
        self.room -= n
        return self._write(fd, bytes(data)[:n])


@pytest.mark.parametrize("room", [0, 30, 90, 150, 250, 400, 600, 1000])
def test_a_full_disk_leaves_whole_files_and_all_come_when_it_has_room(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], room: int
) -> None:
    with Logger(tmp_path / "run", writers=["media", "tensorboard"]) as mine:
        disk = Full(monkeypatch, room)
        for step in range(4):
            mine.log_image_with_boxes("x", gray(step), [[0, 0, 0, 0]], step)
            mine.log_embedding("y", [[step]], step)
            mine.flush()
        for file in files(tmp_path / "run"):
            assert not Path(file).name.startswith(".")
            if file.endswith(".png"):
                value_of(tmp_path / "run" / file)
        disk.room = 10**9

    entries = index(tmp_path / "run")
    assert [(e["tag"], e["step"]) for e in entries] == [(tag, step) for step in range(4) for tag in "xy"]
    assert files(tmp_path / "run") == listed(tmp_path / "run")
    assert {Path(f).name for f in files(tmp_path / "run") if "/x/" in f} == {
        f"{step}{end}" for step in range(4) for end in (".png", ".bare.png", ".json")
    }
    assert [value_of(tmp_path / "run" / f"media/x/{step}.bare.png") for step in range(4)] == [0, 1, 2, 3]
    assert (tmp_path / "run" / "projector_config.pbtxt").read_text().count("embeddings {") == 4
    assert images_shown(tmp_path / "run") == {"x": [0, 1, 2, 3]}
    said = capsys.readouterr().err
    assert "No space left on device" in said
    assert status(tmp_path / "run").get("note") is None


def test_what_waits_for_a_full_disk_is_bounded_and_what_is_lost_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exptools.logging.writers.media.MOST_WAITING_BYTES", 40)  # six are 36
    with Logger(tmp_path / "run", writers=["media"]) as mine:
        disk = Full(monkeypatch, 0)
        for step in range(10):
            mine.log_image("x", gray(step), step)
            mine.flush()
        disk.room = 10**9
        mine.log_image("x", gray(10), 10)

    assert [entry["step"] for entry in index(tmp_path / "run")] == [*range(6), 10]
    assert "of media wait in memory, the most that may; what is more is LOST" in capsys.readouterr().err
    assert status(tmp_path / "run")["note"] == "data was lost: media: 4 were lost"


class Wrong:
    """Something rich that cannot be encoded."""

    kind, nbytes = "image", 1

    def summaries(self, tag: str) -> list[bytes]:
        raise ValueError("no such luck")

    def files(self) -> dict[str, bytes]:
        raise ValueError("no such luck")

    def facts(self) -> dict[str, Any]:
        return {}


def test_what_cannot_be_encoded_is_told_and_holds_nothing_up(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Logger(tmp_path / "run") as mine:
        mine._record("wrong", "image", Wrong, 0)
        mine.log_image("x", GRAY, 0)
        mine.log_scalar("loss", 1.0, 0)

    assert listed(tmp_path / "run") == {"media/x/0.png"}
    assert images_shown(tmp_path / "run") == {"x": [0]}
    said = capsys.readouterr().err
    assert "image 'wrong' of step 0 could not be encoded (ValueError: no such luck)" in said
    assert "media: 1 were lost" in status(tmp_path / "run")["note"]
    assert ": 1 values were lost" in status(tmp_path / "run")["note"]


class Slow(Writer):
    """A writer that waits to be let on, and remembers how much waited with it."""

    def __init__(self) -> None:
        import threading

        self.goes_on = threading.Event()
        self.records: list[Record] = []

    def write(self, records: Sequence[Record]) -> None:
        self.goes_on.wait(30)
        self.records += records


def test_media_in_memory_are_bounded_where_the_disk_hangs(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("exptools.logging.spool.MOST_MEDIA_BYTES", 60)
    monkeypatch.setattr("exptools.logging.spool.MEDIA_PATIENCE_S", 0.2)
    mine, slow = Logger(), Slow()
    mine.attach({"slow": slow})
    for step in range(100):
        mine.log_image("x", gray(step), step)
    slow.goes_on.set()
    lost = mine.detach("the test has ended")

    kept = [record.step for record in slow.records if isinstance(record, Media)]
    assert 10 <= len(kept) <= 25  # of 6 bytes each; those being written, and those that wait
    assert kept == list(range(len(kept)))
    assert lost == f"{100 - len(kept)} images and the like did not find room in memory"
    assert "from now on images and the like are LOST" in capsys.readouterr().err


def test_media_that_a_writer_does_not_take_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken(Writer):
        def write(self, records: Sequence[Record]) -> None:
            raise RuntimeError("no such luck")

    monkeypatch.setattr("exptools.logging.outlet.MOST_MEDIA_BYTES", 60)
    mine = Logger()
    mine.attach({"broken": Broken()})
    for step in range(100):
        mine.log_image("x", gray(0), step)
    outlet = mine._spool._outlets["broken"]  # type: ignore[union-attr]
    mine.flush()

    assert len(outlet._waiting) == 10
    assert mine.detach("the test has ended") == "100 records were not taken by broken"


# --- attempts ---------------------------------------------------------------------------------------------


def die_after(run: Callable[[], None]) -> None:
    with pytest.raises(RuntimeError, match="the run dies"):
        run()


def test_an_attempt_without_a_snapshot_puts_aside_what_it_measures_again(tmp_path: Path) -> None:
    def first() -> None:
        with logger_context(tmp_path, 0, "name"):
            for step in range(6):
                logger.log_image("x", gray(step), step)
                logger.log_embedding("y", [[step]], step)
            raise RuntimeError("the run dies")

    die_after(first)
    with logger_context(tmp_path, 0, "name"):
        for step in range(3, 5):
            logger.log_image("x", gray(100 + step), step)

    run = tmp_path / "run_0"
    assert [(e["tag"], e["step"]) for e in index(run)] == [
        *((tag, step) for step in range(3) for tag in "xy"),
        ("x", 3),
        ("x", 4),
    ]
    assert files(run) == listed(run)
    assert [value_of(run / f"media/x/{step}.png") for step in range(5)] == [0, 1, 2, 103, 104]
    assert images_shown(run) == {"x": [0, 1, 2, 3, 4]}
    assert (run / "projector_config.pbtxt").read_text().count("embeddings {") == 3
    aside = run / ".orphaned" / "attempt-1"
    assert [value_of(aside / f"media/x/{step}.png") for step in (3, 4, 5)] == [3, 4, 5]
    assert [json.loads(line)["step"] for line in (aside / "media/media.jsonl").read_text().splitlines()] == [
        3,
        3,
        4,
        4,
        5,
        5,
    ]


def test_an_attempt_goes_on_from_the_snapshot_s_place_whatever_the_steps(tmp_path: Path) -> None:
    def first() -> None:
        with logger_context(tmp_path, 0, "name", snapshot_mode="last"):
            logger.log_image("x", gray(1), 9)
            logger.log_image("x", gray(2), 1)  # steps need not be monotone
            logger.save_snapshot(1, {})
            logger.log_image("x", gray(3), 0)
            raise RuntimeError("the run dies")

    die_after(first)
    with logger_context(tmp_path, 0, "name", snapshot_mode="last"):
        assert logger.load_snapshot() is not None
        logger.log_image("x", gray(4), 0)

    run = tmp_path / "run_0"
    assert [(e["step"], value_of(run / e["files"][0])) for e in index(run)] == [(9, 1), (1, 2), (0, 4)]
    assert files(run) == listed(run)
    assert value_of(run / ".orphaned/attempt-1/media/x/0.png") == 3
    assert images_shown(run) == {"x": [9, 1, 0]}


def test_an_attempt_that_begins_anew_keeps_what_it_wrote_itself(tmp_path: Path) -> None:
    def first() -> None:
        with logger_context(tmp_path, 0, "name", snapshot_mode="last"):
            for step in range(4):
                logger.log_image("x", gray(step), step)
                logger.save_snapshot(step, {})
            raise RuntimeError("the run dies")

    die_after(first)
    with logger_context(tmp_path, 0, "name", snapshot_mode="last"):
        logger.log_image("x", gray(100), 0)  # taken for one that goes on from the snapshot
        logger.save_snapshot(0, {})  # it does not

    run = tmp_path / "run_0"
    assert [value_of(run / e["files"][0]) for e in index(run)] == [100]
    assert files(run) == listed(run)


def test_refresh_puts_all_aside(tmp_path: Path) -> None:
    for value in (1, 2):
        with logger_context(tmp_path, 0, "name", refresh=value == 2):
            logger.log_image("x", gray(value), 0)
            logger.log_embedding("y", [[1]], 0)

    run = tmp_path / "run_0"
    assert value_of(run / "media/x/0.png") == 2
    assert value_of(run / ".orphaned/attempt-1/media/x/0.png") == 1
    assert (run / "projector_config.pbtxt").read_text().count("embeddings {") == 1


def test_a_torn_index_and_a_torn_file_are_repaired(tmp_path: Path) -> None:
    def first() -> None:
        with logger_context(tmp_path, 0, "name"):
            for step in range(3):
                logger.log_image("x", gray(step), step)
            raise RuntimeError("the run dies")

    die_after(first)
    run = tmp_path / "run_0"
    data = (run / "media.jsonl").read_bytes()
    (run / "media.jsonl").write_bytes(data[:-10])
    (run / "media/x/.2.png.123.abc").write_bytes(b"\x89PNG")
    (run / "media/x/7.png").write_bytes(b"its line was not written")
    (run / "media/x/notes.txt").write_text("the user's")
    with logger_context(tmp_path, 0, "name"):
        logger.log_image("x", gray(103), 3)

    assert [e["step"] for e in index(run)] == [0, 1, 3]
    assert files(run) == {*listed(run), "media/x/notes.txt"}
    assert {path.name for path in (run / ".orphaned/attempt-1/media/x").iterdir()} == {"2.png", "7.png"}


PROGRAM = """
import sys
import numpy as np
from exptools.logging import logger, logger_context

rng = np.random.default_rng(0)
with logger_context("logs", 0, "name", resume="always"):
    for step in range(int(sys.argv[1]), 10**6):
        logger.log_scalar("loss", step, step)
        logger.log_image("image", rng.integers(0, 256, (40, 40, 3), np.uint8), step)
        logger.log_audio("audio", rng.random(1000), step)
        if step % 20 == 0:
            logger.flush()
            print(step, flush=True)
"""


@pytest.mark.parametrize("seed", range(4))
def test_after_kill_9_every_file_is_whole_and_the_next_attempt_goes_on(tmp_path: Path, seed: int) -> None:
    (tmp_path / "program.py").write_text(PROGRAM)
    run = tmp_path / "logs" / "run_0"
    flushed = -1
    for attempt in range(2):
        begin = flushed + 1
        with subprocess.Popen(
            [sys.executable, "program.py", str(begin)],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        ) as process:
            assert process.stdout is not None
            flushed = int(process.stdout.readline())
            time.sleep(np.random.default_rng([seed, attempt]).uniform(0, 0.4))
            process.send_signal(signal.SIGKILL)
            flushed = max([flushed, *map(int, process.stdout.read().split())])
        until(lambda: process.poll() is not None)

        lines = (run / "media.jsonl").read_bytes().split(b"\n")[:-1]
        entries = [json.loads(line) for line in lines]
        for name in (name for entry in entries for name in entry["files"]):
            data = (run / name).read_bytes()
            if name.endswith(".png"):
                assert np.array(Image.open(io.BytesIO(data))).shape == (40, 40, 3)
            else:
                assert len(data) == 44 + 2000
        steps = [entry["step"] for entry in entries if entry["tag"] == "image"]
        assert steps == list(range(len(steps)))  # what the attempt before measured again is gone
        assert len(steps) > flushed
        for path in run.glob("*tfevents*"):
            damages = [record for record in records(path.read_bytes()) if isinstance(record, Damage)]
            assert all(damage.torn for damage in damages)
    shown = images_shown(run)["image"]
    assert shown == list(range(len(shown)))
    assert len(shown) > flushed
    losses = [step for step, _ in shown_by_tensorboard(run)["loss"]]
    assert losses == list(range(len(losses)))
    assert len(losses) > flushed
    with logger_context(tmp_path / "logs", 0, "name"):
        logger.log_image("image", GRAY, flushed)
    assert files(run) == listed(run)
    assert images_shown(run)["image"] == list(range(flushed + 1))


def test_a_writer_made_by_hand_needs_a_directory(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        MediaWriter(tmp_path / "none")


def test_numbers_are_flushed_while_a_video_is_encoded(tmp_path: Path) -> None:
    frames = np.random.default_rng(0).integers(0, 256, (80, 256, 256, 3), np.uint8)
    with Logger(tmp_path) as mine:
        mine.log_scalar("x", 0.0, 0)
        mine.flush()
        mine.log_gif("video", frames, 0)
        time.sleep(1.2)  # it is being encoded
        mine.log_scalar("x", 1.0, 1)
        mine.log_text("still here")
        time.sleep(1.5)

        assert index(tmp_path) == []
        assert (tmp_path / "progress.csv").read_text().splitlines()[-1].endswith(",1.0")
        assert "still here" in (tmp_path / "debug.log").read_text()
    assert [entry["frames"] for entry in index(tmp_path)] == [80]
    assert images_shown(tmp_path) == {"video": [0]}


def test_media_keep_their_order_though_large_ones_are_encoded_apart(tmp_path: Path) -> None:
    sides = [4, 800, 4, 800, 4]
    with Logger(tmp_path) as mine:
        for step, side in enumerate(sides):
            mine.log_image("x", np.zeros((side, side, 3), np.uint8), step)
        mine.log_hparams({"lr": 1})

    assert [e["height"] for e in index(tmp_path) if e["kind"] == "image"] == sides
    assert images_shown(tmp_path)["x"] == [0, 1, 2, 3, 4]


def test_many_of_one_step_take_no_longer_each(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = 0
    exists = MediaWriter._exists

    def counting(self: MediaWriter, name: str) -> bool:
        nonlocal asked
        asked += 1
        return exists(self, name)

    monkeypatch.setattr(MediaWriter, "_exists", counting)
    with Logger(tmp_path) as mine:
        for _ in range(200):
            mine.log_image("x", GRAY)

    assert asked <= 201  # one of projector_config.pbtxt
    assert files(tmp_path) == listed(tmp_path) and len(files(tmp_path)) == 200
