"""What a run logged besides numbers: by our logger, by others' event files, while it grows, and damaged."""

from __future__ import annotations

import contextlib
import io
import json
import os
import random
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tensorboard import data_compat
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import HistogramProto, Summary, SummaryMetadata
from tensorboard.plugins.scalar.summary import scalar_pb
from tensorboard.summary.writer.event_file_writer import EventFileWriter
from tensorboard.util.tensor_util import make_ndarray, make_tensor_proto
from tensorboardX import SummaryWriter
from view_files import hydra_run, write_run

from exptools import rundir
from exptools.errors import ViewError
from exptools.formats import tfrecord
from exptools.logging import Logger, logger_context
from exptools.rundir import State
from exptools.viewing import media
from exptools.viewing.api import Run, load
from exptools.viewing.inside import Forbidden
from exptools.viewing.media import Entry
from exptools.viewing.media.mime import mime_type

GOLDEN = Path(__file__).parent / "golden"
EVENTS = "events.out.tfevents.1.host"


def encoded(
    format_: str, value: int = 0, size: tuple[int, int] = (3, 2), frames: int = 1, **how: Any
) -> bytes:
    out = io.BytesIO()
    first, *rest = (Image.new("RGB", size, (value, frame, 0)) for frame in range(frames))
    more = {"save_all": True, "append_images": rest} if rest else {}
    first.save(out, format_, **more, **how)
    return out.getvalue()


def noise(size: int) -> bytes:
    """A PNG of about `size` bytes."""
    pixels = np.random.default_rng(size).integers(0, 256, (size // 300 + 1, 100, 3), np.uint8)
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


def the_run(path: Path) -> Run:
    (run,) = load(path)
    return run


def logged(path: Path, log: Callable[[Logger], None]) -> Run:
    with logger_context(str(path / "logs"), 0, "x") as logger:
        log(logger)
    return the_run(path / "logs")


def brief(entries: list[Entry] | tuple[Entry, ...]) -> list[tuple[str, str, int]]:
    return [(entry.kind, entry.tag, entry.step) for entry in entries]


# --- our own ----------------------------------------------------------------------------------------------


def some_of_each(logger: Logger) -> None:
    rng = np.random.default_rng(0)
    logger.log_scalar("loss", 1.0, 0)
    logger.log_image("eval/frame", rng.integers(0, 256, (4, 5, 3), np.uint8), step=1)
    logger.log_images("batch", rng.integers(0, 256, (3, 4, 5, 1), np.uint8), step=2)
    logger.log_gif("rollout", rng.integers(0, 256, (4, 8, 8, 3), np.uint8), duration=0.05, step=3)
    logger.log_audio("tone", rng.uniform(-1, 1, 100), sample_rate=8000, step=4)
    logger.log_histogram("weights", rng.normal(size=1000), bins=7, step=5)
    logger.log_table("scores", {"game": ["pong"], "score": [21]}, step=6)
    logger.log_text("**hello**", tag="samples", step=7)


def test_all_that_the_logger_wrote_is_found_with_its_facts_and_bytes(tmp_path: Path) -> None:
    run = logged(tmp_path, some_of_each)

    found = media.read(run)

    assert found.problems == ()
    assert brief(found.entries) == [
        ("image", "eval/frame", 1),
        ("image", "batch", 2),
        ("gif", "rollout", 3),
        ("audio", "tone", 4),
        ("histogram", "weights", 5),
        ("table", "scores", 6),
        ("text", "samples", 7),
    ]
    by_tag = {entry.tag: entry for entry in found.entries}
    assert by_tag["eval/frame"].files == ("media/eval_frame/1.png",)
    assert by_tag["eval/frame"].facts == {"height": 4, "width": 5, "channels": 3}
    assert by_tag["batch"].n_contents == 3
    assert by_tag["weights"].facts == {"nan": 0, "beyond": 0, "bins": 7}
    assert [media.content(by_tag[tag])[1] for tag in ("eval/frame", "rollout", "tone", "samples")] == [
        *("image/png", "image/gif", "audio/wav", "application/octet-stream")
    ]
    for i in range(3):
        assert media.content(by_tag["batch"], i)[0] == (run.path / f"media/batch/2.{i}.png").read_bytes()
    assert media.content(by_tag["samples"])[0] == b"**hello**"
    assert all(abs(entry.wall_time - time.time()) < 600 for entry in found.entries)


def test_a_histogram_is_that_of_numpy(tmp_path: Path) -> None:
    numbers = np.random.default_rng(1).normal(size=1000)
    run = logged(tmp_path, lambda logger: logger.log_histogram("w", numbers, bins=20, step=0))

    edges, counts = media.histogram(media.entries(run)[0])

    expected, its_edges = np.histogram(numbers, 20)
    assert counts.tolist() == expected.tolist()
    assert np.allclose(edges, its_edges, rtol=1e-14)
    assert (edges.dtype, counts.dtype) == (np.float64, np.float64)


def test_our_own_event_file_is_not_read_and_would_say_the_same(tmp_path: Path) -> None:
    run = logged(tmp_path, some_of_each)
    (own,) = run.path.glob("*.exptools")
    assert [s.path for s in run.place.sources if "tfevents" in s.path.name] == [own]
    (tmp_path / "bare").mkdir()
    (tmp_path / "bare" / EVENTS).write_bytes(own.read_bytes())

    ours = {e.tag: e for e in media.entries(run)}
    others = {e.tag: e for e in media.entries(the_run(tmp_path / "bare"))}

    assert media.read(run).files[0].path.name == "media.jsonl"
    assert len(media.read(run).files) == 1
    assert others.keys() == ours.keys()
    for tag in ("eval/frame", "batch", "rollout", "tone", "samples"):
        one, other = ours[tag], others[tag]
        assert (one.kind, one.step, one.wall_time) == (other.kind, other.step, other.wall_time)
        assert [media.content(one, i) for i in range(one.n_contents)] == [
            media.content(other, i) for i in range(other.n_contents)
        ]
    for one, other in zip(media.histogram(ours["weights"]), media.histogram(others["weights"]), strict=True):
        assert one.tolist() == other.tolist()


def test_what_a_resumed_run_logs_again_is_there_once(tmp_path: Path) -> None:
    def attempt(first: int, value: int) -> None:
        with logger_context(str(tmp_path / "logs"), 0, "x", resume="always") as logger:
            for step in range(first, first + 3):
                logger.log_image("a", np.full((2, 3), value, np.uint8), step=step)

    attempt(0, 10)
    attempt(2, 20)
    entries = media.entries(the_run(tmp_path / "logs"))

    assert [entry.step for entry in entries] == [0, 1, 2, 3, 4]
    shown = [Image.open(io.BytesIO(media.content(e)[0])).convert("L").getpixel((0, 0)) for e in entries]
    assert shown == [10, 10, 20, 20, 20]


def test_two_of_one_step_are_both_kept(tmp_path: Path) -> None:
    def log(logger: Logger) -> None:
        for value in (1, 2):
            logger.log_image("a", np.full((2, 3), value, np.uint8), step=5)
        logger.log_image("a", np.full((2, 3), 3, np.uint8), step=0)

    entries = media.entries(logged(tmp_path, log))

    assert [e.files for e in entries] == [("media/a/5.png",), ("media/a/5-2.png",), ("media/a/0.png",)]


LINE = {"step": 3, "wall_time": 1.5, "kind": "image", "tag": "a", "files": ["media/a/3.png"], "height": 2}


def index_of(path: Path, *lines: bytes, state: State = State.COMPLETED) -> Run:
    run = write_run(path, {"loss": [1.0]}, state=state, heartbeat=time.time(), start=time.time())
    (run / rundir.MEDIA_INDEX).write_bytes(b"".join(lines))
    return the_run(run)


def line(**changes: Any) -> bytes:
    return json.dumps({**LINE, **changes}).encode() + b"\n"


DAMAGED = [
    b"\xff\xfe\n",
    b"not json\n",
    b"[1, 2]\n",
    b'{"step": 1}\n',
    b"[" * 100_000 + b"\n",
    b"\0" * 64 + b"\n",
    line()[:20] + line(),
    *(line(step=step) for step in ("3", 3.0, None, True, 2**63)),
    *(line(wall_time=time_) for time_ in ("1", None, 10**400)),
    *(line(files=files) for files in ("media/a/3.png", [1], None)),
    line(kind=None),
    line(tag=7),
    b'{"step": ' + b"9" * 5000 + b"}\n",
]


@pytest.mark.parametrize("damaged", DAMAGED, ids=range(len(DAMAGED)))
@pytest.mark.parametrize("state", [State.COMPLETED, State.RUNNING])
def test_a_damaged_line_is_named_with_its_offset_and_the_others_are_kept(
    tmp_path: Path, damaged: bytes, state: State
) -> None:
    run = index_of(tmp_path / "run", line(step=1), damaged, line(step=2), state=state)

    found = media.read(run)

    assert [entry.step for entry in found.entries] == [1, 2]
    path, offset = run.path / "media.jsonl", len(line(step=1))
    reason = "not a line that the logger writes; it was left out"
    assert [str(p) for p in found.problems] == [f"{path}, offset {offset}: {reason}"]


def test_a_line_that_is_too_long_is_named_and_not_kept_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("exptools.viewing.media.index.LONGEST", 200)
    run = index_of(tmp_path / "run", line(step=1), line(more="x" * 1000), line(step=2))

    found = media.read(run)

    assert [entry.step for entry in found.entries] == [1, 2]
    assert [p.offset for p in found.problems] == [len(line(step=1))]


@pytest.mark.parametrize("cut", [1, 2, 30, len(line()) - 1])
def test_a_torn_last_line_is_fine_while_it_is_written(tmp_path: Path, cut: int) -> None:
    lines = line(step=1), line()[:-cut]

    live = media.read(index_of(tmp_path / "live", *lines, state=State.RUNNING))
    dead = media.read(index_of(tmp_path / "dead", *lines))

    assert brief(live.entries) == brief(dead.entries) == [("image", "a", 1)]
    assert live.problems == ()
    reason = "the last line is torn: it has no line end and was left out"
    assert [(p.offset, p.reason) for p in dead.problems] == [(len(lines[0]), reason)]


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", "media/link", "media/../../secret", "a\0b"])
def test_a_file_outside_of_the_run_is_never_read(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("secret")
    run = index_of(tmp_path / "run", line(files=[name]))
    (run.path / "media").mkdir()
    (run.path / "media" / "link").symlink_to(tmp_path / "secret")

    with pytest.raises(Forbidden):
        media.content(media.entries(run)[0])


def test_media_on_another_disk_are_shown_if_that_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "3.png").write_bytes(encoded("PNG"))
    run = index_of(tmp_path / "run", line(files=["media/3.png"]))
    (run.path / "media").symlink_to(tmp_path / "disk")
    (entry,) = media.entries(run)

    with pytest.raises(Forbidden):
        media.content(entry)
    assert media.content(entry, roots=[run.path, tmp_path / "disk"]) == (encoded("PNG"), "image/png")


def test_what_is_asked_for_and_is_not_there_is_said(tmp_path: Path) -> None:
    run = index_of(tmp_path / "run", line(), line(kind="histogram", files=[]))
    image, histogram = media.entries(run)
    no_numbers = "edges and counts are not numbers"

    for call, said in [
        (
            lambda: media.content(image, 1),
            "image 'a' at step 3 has 1 contents, counted from 0 on; there is no 1",
        ),
        (
            lambda: media.content(image, -1),
            "image 'a' at step 3 has 1 contents, counted from 0 on; there is no -1",
        ),
        (lambda: media.content(image), f"{run.path}/media/a/3.png is not there (any more); look again"),
        (
            lambda: media.histogram(image),
            "image 'a' at step 3 is no histogram; its content is read by content()",
        ),
        (
            lambda: media.histogram(histogram),
            f"{run.path}/media.jsonl, offset {len(line())}: not a histogram ({no_numbers})",
        ),
    ]:
        with pytest.raises(ViewError) as caught:
            call()
        assert str(caught.value) == said


@pytest.mark.parametrize(
    ("edges", "counts", "said"),
    [
        ([0, 1], [1, 2], "edges of shape (2,) and counts of shape (2,)"),
        ([0, 2, 1], [1, 2], "edges that do not grow, or are not finite"),
        ([0, float("nan")], [1], "edges that do not grow, or are not finite"),
        ([[0, 1]], [1], "edges of shape (1, 2) and counts of shape (1,)"),
        (["a"], [1], "edges and counts are not numbers"),
    ],
)
def test_bins_that_are_none_are_named(tmp_path: Path, edges: Any, counts: Any, said: str) -> None:
    run = index_of(tmp_path / "run", line(kind="histogram", files=[], edges=edges, counts=counts))

    with pytest.raises(ViewError) as caught:
        media.histogram(media.entries(run)[0])

    assert str(caught.value) == f"{run.path}/media.jsonl, offset 0: not a histogram ({said})"


def test_a_histogram_whose_file_was_cut_back_is_not_another_ones(tmp_path: Path) -> None:
    first, second = (
        line(kind="histogram", files=[], edges=[0, 1], counts=[n], wall_time=float(n)) for n in (1, 2)
    )
    run = index_of(tmp_path / "run", first)
    (entry,) = media.entries(run)
    (run.path / "media.jsonl").write_bytes(second)

    with pytest.raises(ViewError, match=r"media\.jsonl, offset 0: the file has changed; look again"):
        media.histogram(entry)


@pytest.mark.timeout(20)
def test_an_index_that_is_a_fifo_is_named_and_stops_nobody(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run", {"loss": [1.0]})
    os.mkfifo(run / rundir.MEDIA_INDEX)

    found = media.read(the_run(run))

    assert [str(p) for p in found.problems] == [
        f"{run}/media.jsonl: is no regular file; only those are opened"
    ]


def test_a_run_without_any_of_it_has_nothing(tmp_path: Path) -> None:
    run = the_run(write_run(tmp_path / "run", {"loss": [1.0]}))

    assert media.entries(run) == media.entries(run.place) == []
    assert media.read(run).problems == ()


# --- while it grows ---------------------------------------------------------------------------------------


def test_a_live_run_is_followed_and_only_what_is_new_is_read(tmp_path: Path) -> None:
    """A real process logs; what is found on the way is always the beginning of what is there in the end."""
    script = """
import numpy as np, sys, time
from exptools.logging import logger_context
with logger_context(sys.argv[1], 0, "x") as logger:
    for step in range(40):
        logger.log_image("a", np.full((2, 3), step, np.uint8), step=step)
        logger.log_histogram("h", np.arange(step + 2), bins=3, step=step)
        logger.dump()
        time.sleep(0.02)
"""
    logs = tmp_path / "logs"
    process = subprocess.Popen([sys.executable, "-c", script, str(logs)])
    seen = []
    found = None
    while process.poll() is None:
        if any(logs.rglob("status.json")):
            found = media.read(the_run(logs), found)
            seen.append(found)
            for entry in found.entries[-2:]:
                media.histogram(entry) if entry.kind == "histogram" else media.content(entry)
        time.sleep(0.02)
    assert process.returncode == 0
    run = the_run(logs)
    found = media.read(run, found)

    assert brief(found.entries) == [
        (k, t, s) for s in range(40) for k, t in (("image", "a"), ("histogram", "h"))
    ]
    assert found.entries == media.read(run).entries
    assert all(found.entries[: len(one.entries)] == one.entries and not one.problems for one in seen)
    assert len({len(one.entries) for one in seen}) > 3
    assert media.read(run, found) is found


def bytes_read(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each read of a file takes from now on: readline of the index, pread of the rest."""
    sizes: list[int] = []
    pread = os.pread

    def counting(fd: int, size: int, offset: int) -> bytes:
        data = pread(fd, size, offset)
        sizes.append(len(data))
        return data

    monkeypatch.setattr(os, "pread", counting)
    return sizes


def test_a_file_that_was_cut_back_is_read_anew(tmp_path: Path) -> None:
    lines = [line(step=step, wall_time=float(step)) for step in range(5)]
    run = index_of(tmp_path / "run", *lines)
    found = media.read(run)
    path = run.path / "media.jsonl"
    new = path.with_name("new")
    new.write_bytes(b"".join(lines[:2]) + b"".join(line(step=s, wall_time=s + 50.0) for s in (2, 3, 4, 5)))
    new.replace(path)

    found = media.read(run, found)

    assert [(e.step, e.wall_time) for e in found.entries] == [
        (0, 0),
        (1, 1),
        (2, 52),
        (3, 53),
        (4, 54),
        (5, 55),
    ]


def test_a_problem_stays_and_one_of_a_torn_end_goes(tmp_path: Path) -> None:
    run = index_of(tmp_path / "run", line(step=1), b"bad\n", line(step=2)[:-5])
    first = media.read(run)
    with open(run.path / "media.jsonl", "ab") as file:
        file.write(line(step=2)[-5:] + line(step=3))

    second = media.read(run, first)

    assert [p.offset for p in first.problems] == [len(line(step=1)), len(line(step=1)) + 4]
    assert [p.offset for p in second.problems] == [len(line(step=1))]
    assert [e.step for e in second.entries] == [1, 2, 3]


def test_ten_thousand_entries_cost_little_and_the_next_look_nearly_nothing(tmp_path: Path) -> None:
    lines = [line(step=step, tag=f"tag{step % 20}", files=[f"media/{step}.png"]) for step in range(10_000)]
    run = index_of(tmp_path / "run", *lines)

    begun = time.perf_counter()
    found = media.read(run)
    first = time.perf_counter() - begun
    begun = time.perf_counter()
    same = media.read(run, found)
    second = time.perf_counter() - begun
    with open(run.path / "media.jsonl", "ab") as file:
        file.write(line(step=10_000))
    begun = time.perf_counter()
    more = media.read(run, same)
    third = time.perf_counter() - begun

    assert (len(found.entries), len(more.entries)) == (10_000, 10_001)
    assert same is found
    assert first < 2
    assert second < first / 50
    assert third < first / 3


# --- event files of others --------------------------------------------------------------------------------


def by_tensorboardx(directory: Path) -> None:
    rng = np.random.default_rng(3)
    writer = SummaryWriter(str(directory))
    for step in range(30):
        writer.add_scalar("loss", step / 2, step)
        writer.add_scalars("both", {"one": 1.0, "two": 2.0}, step) if step < 0 else None
        if step % 10 == 0:
            writer.add_image("small", rng.random((3, 4, 4)), step)
            writer.add_image("large", rng.random((3, 90, 90)), step)
            writer.add_images("several", rng.random((2, 3, 5, 5)), step)
            writer.add_histogram("weights", rng.normal(size=300), step)
            writer.add_histogram("few", np.array([1.0, 1.0, 5.0]), step, bins=4)
            writer.add_text("notes", f"step {step}", step)
    writer.close()


def value_of(kind: str, tag: str, draw: random.Random) -> Summary.Value:
    """As TensorFlow 1 and torch write it."""
    if kind == "image":
        data = (
            encoded("PNG", draw.randrange(256)) if draw.random() < 0.5 else noise(draw.choice([3000, 9000]))
        )
        return Summary.Value(
            tag=tag, image=Summary.Image(height=2, width=3, colorspace=3, encoded_image_string=data)
        )
    if kind == "gif":
        return Summary.Value(
            tag=tag, image=Summary.Image(encoded_image_string=encoded("GIF", draw.randrange(256), frames=3))
        )
    if kind == "audio":
        return Summary.Value(
            tag=tag,
            audio=Summary.Audio(sample_rate=8000, num_channels=1, encoded_audio_string=b"RIFFabcdWAVE"),
        )
    counts, limits = np.histogram([draw.gauss(0, 1) for _ in range(50)], draw.randint(1, 40))
    bounds = [*limits[1:].tolist()]
    histo = HistogramProto(min=limits[0], max=limits[-1], num=50, bucket_limit=bounds, bucket=counts.tolist())
    return Summary.Value(tag=tag, histo=histo)


def by_tensorflow_2(directory: Path) -> None:
    """Tensors of plugins, as TensorFlow 2 and JAX write them; the plugin is named in the first one alone."""
    draw = random.Random(0)
    writer = EventFileWriter(str(directory))
    for step in range(25):
        writer.add_event(Event(step=step, wall_time=5.0 + step, summary=scalar_pb("train/loss", step)))
        for kind in ("image", "gif", "audio", "histogram"):
            value = data_compat.migrate_value(value_of(kind, kind + "s", draw))
            if step and kind != "audio":
                value.ClearField("metadata")
            writer.add_event(Event(step=step, wall_time=5.5 + step, summary=Summary(value=[value])))
    writer.close()


def by_messages(directory: Path) -> None:
    draw = random.Random(1)
    writer = EventFileWriter(str(directory))
    for step in range(-5, 60):
        values = [value_of(kind, kind + "s", draw) for kind in ("image", "gif", "audio", "histogram")]
        values.append(Summary.Value(tag="a", simple_value=step))
        draw.shuffle(values)
        for value in values:
            writer.add_event(Event(step=step, wall_time=7.0, summary=Summary(value=[value])))
        writer.add_event(Event(step=step, wall_time=8.0, summary=Summary(value=values)))
    writer.close()


def golden(directory: Path, name: str) -> None:
    (directory / EVENTS).write_bytes((GOLDEN / name).read_bytes())


def goldens() -> list[str]:
    return sorted(str(path.relative_to(GOLDEN)) for path in GOLDEN.rglob("*tfevents*"))


Shown = dict[tuple[str, str], list[tuple[int, float, Any]]]
KINDS = {"images": "image", "audio": "audio", "text": "text", "histograms": "histogram"}


def messages_shown(accumulator: EventAccumulator) -> Shown:
    """What is no tensor."""
    out: Shown = {}
    tags = accumulator.Tags()
    for tag in tags["images"]:
        out["image", tag] = [(e.step, e.wall_time, [e.encoded_image_string]) for e in accumulator.Images(tag)]
    for tag in tags["audio"]:
        out["audio", tag] = [(e.step, e.wall_time, [e.encoded_audio_string]) for e in accumulator.Audio(tag)]
    for tag in tags["histograms"]:
        rows = out.setdefault(("histogram", tag), [])
        for event in accumulator.Histograms(tag):
            value = Summary.Value(tag=tag, histo=HistogramProto(**vars(event.histogram_value)))
            rows.append((event.step, event.wall_time, make_ndarray(data_compat.migrate_value(value).tensor)))
    return out


def shown_by_tensorboard(path: Path) -> Shown:
    """Steps, times and contents of each plugin and tag, as TensorBoard itself reads them."""
    accumulator = EventAccumulator(
        str(path), size_guidance=dict.fromkeys(["tensors", "images", "histograms", "audio"], 0)
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own use of deprecated names is not what is tested here
        accumulator.Reload()
    out = messages_shown(accumulator)
    for plugin, kind in KINDS.items():
        try:
            tags = list(accumulator.PluginTagToContent(plugin))
        except KeyError:
            continue
        for tag in tags:
            rows = out.setdefault((kind, tag), [])
            for event in accumulator.Tensors(tag):
                tensor = event.tensor_proto
                strings = list(tensor.string_val)
                shown: Any = strings[2:] if plugin == "images" else strings
                if plugin == "audio":
                    shown = strings[::2]
                if plugin == "histograms":
                    shown = make_ndarray(tensor)
                rows.append((event.step, event.wall_time, shown))
    return {key: rows for key, rows in out.items() if rows}


def shown_by_us(run: Run) -> Shown:
    out: Shown = {}
    for entry in media.entries(run):
        if entry.kind == "histogram":
            edges, counts = media.histogram(entry)
            shown: Any = np.stack([edges[:-1], edges[1:], counts], axis=1)
        else:
            shown = [media.content(entry, i)[0] for i in range(entry.n_contents)]
        kind = "image" if entry.kind == "gif" else entry.kind
        out.setdefault((kind, entry.tag), []).append((entry.step, entry.wall_time, shown))
    return out


def write_events(directory: Path, write: Any) -> Run:
    directory.mkdir()
    golden(directory, write) if isinstance(write, str) else write(directory)
    return the_run(directory)


@pytest.mark.parametrize("write", [by_tensorboardx, by_tensorflow_2, by_messages, *goldens()])
def test_what_is_found_is_what_tensorboard_finds(tmp_path: Path, write: Any) -> None:
    run = write_events(tmp_path / "run", write)

    expected, found = shown_by_tensorboard(run.place.sources[0].path), shown_by_us(run)

    assert found.keys() == expected.keys()
    for key, rows in expected.items():
        for one, other in zip(found[key], rows, strict=True):
            assert one[:2] == other[:2]
            if key[0] == "histogram":
                np.testing.assert_allclose(one[2], other[2], rtol=1e-6, atol=1e-7)
            else:
                assert one[2] == other[2]
    assert media.read(run).problems == ()


def test_there_is_something_to_be_found_in_the_files_of_all_writers(tmp_path: Path) -> None:
    kinds = {}
    for i, write in enumerate([by_tensorboardx, by_tensorflow_2, by_messages]):
        run = write_events(tmp_path / str(i), write)
        kinds[write.__name__] = {
            (e.kind, media.content(e)[1] if e.n_contents else "") for e in media.entries(run)
        }
    png, gif, wav, none = (
        ("image", "image/png"),
        ("gif", "image/gif"),
        ("audio", "audio/wav"),
        ("histogram", ""),
    )
    text = ("text", "application/octet-stream")

    assert kinds == {
        "by_tensorboardx": {png, none, text},
        "by_tensorflow_2": {png, gif, wav, none},
        "by_messages": {png, gif, wav, none},
    }
    in_golden = {entry.kind for run in load(GOLDEN) for entry in media.entries(run)}
    assert in_golden >= {"histogram", "text"}


def test_size_and_sound_are_facts(tmp_path: Path) -> None:
    run = write_events(tmp_path / "run", by_messages)

    facts = {entry.kind: entry.facts for entry in media.entries(run)}

    assert facts["image"] == {"height": 2, "width": 3, "channels": 3}
    assert facts["audio"] == {"channels": 1, "sample_rate": 8000.0}


def frame(step: int, *values: Summary.Value, wall_time: float = 1.0) -> bytes:
    return tfrecord.frame(
        Event(step=step, wall_time=wall_time, summary=Summary(value=values)).SerializeToString()
    )


def image(tag: str, data: bytes) -> Summary.Value:
    return Summary.Value(tag=tag, image=Summary.Image(height=2, width=3, encoded_image_string=data))


def events_of(directory: Path, *records: bytes, name: str = EVENTS) -> Run:
    directory.mkdir(exist_ok=True)
    (directory / name).write_bytes(b"".join(records))
    return the_run(directory)


def test_of_large_pictures_nothing_is_read_before_they_are_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pictures = [noise(size) for size in (20_000, 300_000, 3_000_000, 50_000)] * 3
    scalars = [frame(i, Summary.Value(tag="loss", simple_value=i)) for i in range(5)]
    run = events_of(tmp_path / "run", *(r for p in pictures for r in (*scalars, frame(0, image("a", p)))))
    run_sizes = bytes_read(monkeypatch)

    entries = list(media.read(run).files[0].entries)
    indexing = sum(run_sizes)
    run_sizes.clear()
    data, _ = media.content(entries[2])

    assert len(entries) == 12
    assert indexing < 12 * 10_000
    assert data == pictures[2]
    assert sum(run_sizes) < len(data) + 1000


def naive(data: bytes) -> list[tuple[str, str, int, list[bytes]]]:
    """The images and histograms of a file by protobuf, a record at a time."""
    out = []
    for record in tfrecord.records(data):
        if isinstance(record, bytes):
            event = Event.FromString(record)
            for value in event.summary.value:
                if value.HasField("image"):
                    png = value.image.encoded_image_string
                    out.append(("gif" if png[:3] == b"GIF" else "image", value.tag, event.step, [png]))
                elif value.HasField("audio"):
                    out.append(("audio", value.tag, event.step, [value.audio.encoded_audio_string]))
                elif value.HasField("histo"):
                    out.append(("histogram", value.tag, event.step, []))
    return out


def stretches(seed: int) -> Iterator[bytes]:
    """Records that are alike or not, of scalars, images and histograms, some with a broken byte."""
    draw = random.Random(seed)
    for _ in range(draw.randint(1, 12)):
        kind = draw.choice(["scalar", "scalar", "mixed", "image", "gif", "audio", "histogram", "text"])
        tags = draw.choice([["a"], ["a", "b", "é"], ["train/loss", "train/lass"]])
        for i in range(draw.choice([1, 3, 20, 200]) if kind == "scalar" else draw.choice([1, 3, 20])):
            tag, number = draw.choice(tags), Summary.Value(tag=draw.choice(tags), simple_value=draw.random())
            if kind == "scalar":
                values = [number]
            elif kind == "mixed":
                values = [number, value_of("image", tag, draw), number]
            elif kind == "text":
                metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="mine"))
                values = [Summary.Value(tag=tag, tensor=make_tensor_proto(["so"]), metadata=metadata)]
            else:
                values = [value_of(kind, tag, draw)]
            record = bytearray(frame(draw.choice([i, i, 300, 2**40, -1]), *values))
            if draw.random() < 0.02 and len(record) < 4000:
                record[draw.randrange(12, len(record))] ^= 1 << draw.randrange(8)
            yield bytes(record)


@pytest.mark.parametrize("seed", range(60))
def test_the_walk_finds_what_protobuf_finds(tmp_path: Path, seed: int) -> None:
    data = b"".join(stretches(seed))
    run = events_of(tmp_path / "run", data)

    found = media.read(run).files[0]  # before any of it is superseded

    assert [
        (e.kind, e.tag, e.step, [media.content(e, i)[0] for i in range(e.n_contents)]) for e in found.entries
    ] == naive(data)
    damages = [(at, r.reason) for at, r in tfrecord.located(data) if isinstance(r, tfrecord.Damage)]
    # What looks like a scalar now is named by the reader of scalars.
    assert {(p.offset, p.reason) for p in found.problems} <= set(damages)


@settings(max_examples=300, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    which=st.integers(0, 5),
    changes=st.lists(st.tuples(st.integers(0, 10_000), st.integers(0, 255)), min_size=1, max_size=4),
    keeps_checksum=st.booleans(),
)
def test_whatever_an_event_file_says_nothing_but_a_line_is_raised(
    tmp_path: Path, which: int, changes: list[tuple[int, int]], keeps_checksum: bool
) -> None:
    """keeps_checksum: the damage was there before it was written, or somebody wants to do harm."""
    draw = random.Random(which)
    kinds = ["image", "gif", "audio", "histogram"]
    values = [value_of(kind, "a", draw) for kind in kinds]
    values += [data_compat.migrate_value(value_of(kind, "b", draw)) for kind in kinds]
    payload = bytearray(frame(7, *values)[12:-4])
    good = frame(1, image("c", encoded("PNG")))
    for at, byte in changes:
        payload[at % len(payload)] = byte
    record = tfrecord.frame(bytes(payload))
    if not keeps_checksum:
        record = tfrecord.frame(frame(7, *values)[12:-4])[:12] + bytes(payload) + record[-4:]
        record = record[:-1] + bytes([record[-1] ^ 1])
    run = events_of(tmp_path / "run", good, record, good)

    found = media.read(run)

    assert [entry.step for entry in found.entries if entry.tag == "c"][:1] == [1]
    assert all(problem.offset is not None for problem in found.problems)
    for entry in found.entries:
        for i in range(entry.n_contents):
            with contextlib.suppress(ViewError):
                media.content(entry, i)
        with contextlib.suppress(ViewError):
            media.histogram(entry)


def test_an_event_file_that_grows_is_read_on_and_its_torn_end_is_no_problem(tmp_path: Path) -> None:
    draw = random.Random(4)
    records = [frame(i, value_of(draw.choice(["image", "histogram", "gif"]), "a", draw)) for i in range(30)]
    data = b"".join(records)
    path = hydra_run(tmp_path / "run", "lr: 1")
    rundir.write_status(path, rundir.Status(State.RUNNING, heartbeat=time.time(), start=time.time()))
    (path / EVENTS).write_bytes(b"")
    run, found = the_run(path), None
    at = 0
    while at < len(data):
        with open(path / EVENTS, "ab") as file:
            file.write(data[at : at + 3001])
        at += 3001
        found = media.read(run, found)
        assert found.problems == ()

    assert found is not None
    assert [entry.step for entry in found.entries] == list(range(30))
    assert found.entries == media.read(run).entries
    (path / EVENTS).write_bytes(data[:-3])
    dead = media.read(run, found, live=False)
    assert [(p.offset, p.reason) for p in dead.problems] == [
        (len(data) - len(records[-1]), "the file ends inside a record")
    ]
    assert len(dead.entries) == 29


def test_a_tensor_whose_plugin_was_named_before_is_known_when_reading_goes_on(tmp_path: Path) -> None:
    first, second = (data_compat.migrate_value(image("a", encoded("PNG", n))) for n in (1, 2))
    second.ClearField("metadata")
    run = events_of(tmp_path / "run", frame(0, first))
    found = media.read(run)
    with open(run.path / EVENTS, "ab") as file:
        file.write(frame(1, second))

    assert [entry.step for entry in media.read(run, found).entries] == [0, 1]


def test_of_a_large_picture_the_checksum_is_looked_at_when_it_is_shown(tmp_path: Path) -> None:
    record = bytearray(frame(0, image("a", noise(30_000))))
    record[-100] ^= 1
    run = events_of(tmp_path / "run", frame(0, image("a", encoded("PNG"))), bytes(record))
    entry = media.entries(run)[1]

    with pytest.raises(ViewError) as caught:
        media.content(entry)

    offset = len(frame(0, image("a", encoded("PNG"))))
    why = "the record fails its checksum, or the file has changed; look again"
    assert str(caught.value) == f"{run.path / EVENTS}, offset {offset}: {why}"


def test_damaged_records_are_named_and_the_others_are_kept(tmp_path: Path) -> None:
    good = frame(1, image("a", encoded("PNG")))
    rotten = bytearray(good)
    rotten[40] ^= 0xFF
    nonsense = tfrecord.frame(b"\xff\xff\xff\xff")
    run = events_of(tmp_path / "run", good, bytes(rotten), frame(2, image("a", encoded("PNG"))), nonsense)

    found = media.read(run)

    assert [entry.step for entry in found.entries] == [1, 2]
    assert [(p.offset, p.reason) for p in found.problems] == [
        (len(good), "the record fails its checksum and was passed over"),
        (3 * len(good), "the record holds no TensorBoard event and was passed over"),
    ]


def test_a_picture_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    run = events_of(tmp_path / "run", frame(0, image("a", noise(3_000_000))))

    with pytest.raises(
        ViewError, match=r"offset 0: the record has 3 MiB, and 1 MiB is the most that is shown"
    ):
        media.content(media.entries(run)[0], most_bytes=2**20)


def test_a_later_session_counts_where_it_logged_the_same_step_again(tmp_path: Path) -> None:
    def session(value: int, *steps: int, tag: str = "a") -> list[bytes]:
        return [frame(step, image(tag, encoded("PNG", value))) for step in steps]

    events_of(tmp_path / "run", *session(1, 0, 1, 2), *session(1, 0, tag="b"), *session(2, 1, 2, 3, 3))
    run = events_of(tmp_path / "run", *session(3, 3, 4), name="events.out.tfevents.2.host")

    found = media.read(run)

    shown = [
        (e.tag, e.step, Image.open(io.BytesIO(media.content(e)[0])).getpixel((0, 0))[0])
        for e in found.entries
    ]
    assert shown == [("a", 0, 1), ("b", 0, 1), ("a", 1, 2), ("a", 2, 2), ("a", 3, 3), ("a", 4, 3)]
    assert found.superseded == 4


@pytest.mark.parametrize(
    ("histo", "expected"),
    [
        (
            {
                "min": -1.0,
                "max": 2.5,
                "bucket_limit": [-3.0, 0.0, 2.0, 1.7976931348623157e308],
                "bucket": [0, 1, 3, 2],
            },
            ([-1.0, 0.0, 2.0, 2.5], [1.0, 3.0, 2.0]),
        ),
        ({"min": 5.0, "max": 5.0, "bucket_limit": [9.0], "bucket": [7]}, ([5.0, 5.0], [7.0])),
        ({"min": 0.0, "max": 0.0, "bucket_limit": [1.0, 2.0], "bucket": [0, 0]}, ([0.0], [])),
        ({}, ([0.0], [])),
        (
            {"bucket_limit": [10.0, 20.0, 30.0], "bucket": [1, 2, 3]},
            ([0.0, 10.0, 20.0, 20.0], [1.0, 2.0, 3.0]),
        ),
    ],
)
def test_the_ends_of_a_histogram_are_its_least_and_its_greatest_number(
    tmp_path: Path, histo: dict[str, Any], expected: tuple[list[float], list[float]]
) -> None:
    run = events_of(tmp_path / "run", frame(0, Summary.Value(tag="h", histo=HistogramProto(**histo))))

    edges, counts = media.histogram(media.entries(run)[0])

    assert (edges.tolist(), counts.tolist()) == expected


def tensor_histogram(array: Any) -> Summary.Value:
    metadata = SummaryMetadata(plugin_data=SummaryMetadata.PluginData(plugin_name="histograms"))
    return Summary.Value(tag="h", tensor=make_tensor_proto(np.array(array, np.float64)), metadata=metadata)


def test_bins_with_a_gap_between_them_get_an_empty_one(tmp_path: Path) -> None:
    run = events_of(tmp_path / "run", frame(0, tensor_histogram([[0, 1, 5], [1, 2, 6], [4, 5, 7]])))

    edges, counts = media.histogram(media.entries(run)[0])

    assert edges.tolist() == [0, 1, 2, 4, 5]
    assert counts.tolist() == [5, 6, 0, 7]


@pytest.mark.parametrize(
    ("array", "said"),
    [
        ([1.0, 2.0], "a tensor of shape (2,) and not (bins, 3)"),
        ([[0, 2, 1], [1, 3, 1]], "bins that overlap"),
        ([[1, 0, 1]], "edges that do not grow, or are not finite"),
    ],
)
def test_a_tensor_that_is_no_histogram_is_named(tmp_path: Path, array: Any, said: str) -> None:
    run = events_of(tmp_path / "run", frame(0, tensor_histogram(array)))

    with pytest.raises(ViewError) as caught:
        media.histogram(media.entries(run)[0])

    assert str(caught.value) == f"{run.path / EVENTS}, offset 0: not a histogram ({said})"


def test_limits_that_do_not_fit_the_counts_are_named(tmp_path: Path) -> None:
    value = Summary.Value(tag="h", histo=HistogramProto(bucket_limit=[1.0, 2.0], bucket=[1]))
    run = events_of(tmp_path / "run", frame(0, value))

    with pytest.raises(ViewError, match=r"not a histogram \(2 limits of 1 bins\)"):
        media.histogram(media.entries(run)[0])


def test_event_files_in_a_part_of_a_run_are_the_parts_and_media_jsonl_is_the_runs(tmp_path: Path) -> None:
    run = index_of(tmp_path / "run", line()).path
    events_of_part = run / "tb"
    events_of_part.mkdir()
    (events_of_part / EVENTS).write_bytes(frame(8, image("b", encoded("PNG"))))

    by_name = {run.name: brief(media.entries(run)) for run in load(run)}

    assert by_name == {"run": [("image", "a", 3)], "run/tb": [("image", "b", 8)]}


# --- what bytes are ---------------------------------------------------------------------------------------


def wav() -> bytes:
    import wave

    out = io.BytesIO()
    with wave.open(out, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(100))
    return out.getvalue()


def mp4(tmp_path: Path) -> bytes:
    import imageio_ffmpeg

    encoder = imageio_ffmpeg.write_frames(str(tmp_path / "x.mp4"), (32, 32), ffmpeg_log_level="error")
    encoder.send(None)
    encoder.send(np.zeros((32, 32, 3), np.uint8))
    encoder.close()
    return (tmp_path / "x.mp4").read_bytes()


@pytest.mark.parametrize("format_", ["png", "gif", "jpeg", "webp", "bmp"])
def test_images_are_known_by_their_bytes(format_: str) -> None:
    assert mime_type(encoded(format_.upper())) == f"image/{format_}"


def test_sounds_and_videos_are_known_by_their_bytes(tmp_path: Path) -> None:
    assert (mime_type(wav()), mime_type(mp4(tmp_path))) == ("audio/wav", "video/mp4")


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>",
        b"<?xml version='1.0'?><svg/>",
        b"<html>",
        b"BMW is a car, and this is a text about it",
        b"BM",
        b"RIFF1234AVI LIST",
        b"\x00\x00\x00\x18ftypavif",
        b" \x89PNG\r\n\x1a\n",
        encoded("TIFF"),
        b"%PDF-1.7",
    ],
)
def test_all_else_is_bytes(data: bytes) -> None:
    assert mime_type(data) == "application/octet-stream"


def test_a_name_says_nothing(tmp_path: Path) -> None:
    run = index_of(tmp_path / "run", line(files=["media/a.png"]))
    (run.path / "media").mkdir()
    (run.path / "media" / "a.png").write_bytes(b"<svg><script/></svg>")

    assert media.content(media.entries(run)[0])[1] == "application/octet-stream"
