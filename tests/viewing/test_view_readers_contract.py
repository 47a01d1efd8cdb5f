"""What holds for every format that can be read: files that are cut off, grow, vanish or hold rubbish."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from view_files import write_run

from exptools.viewing.curves import Reading, everything
from exptools.viewing.readers import registry
from exptools.viewing.readers.format import Format

GOLDEN = Path(__file__).parent / "golden"


@dataclass(frozen=True)
class Sample:
    """A file of a format, and of a beginning of it whether it ends where a record does."""

    path: Path
    ends_a_record: Callable[[bytes], bool]


def at_a_line(data: bytes) -> bool:
    return not data or data.endswith(b"\n")


def at_an_object(data: bytes) -> bool:
    return at_a_line(data) or data.endswith(b"}")


def at_an_event(data: bytes) -> bool:
    at = 0
    while at < len(data):
        at += 16 + int.from_bytes(data[at : at + 8], "little")
    return at == len(data)


def never(data: bytes) -> bool:
    return False


def sample(name: str, tmp_path: Path) -> Sample:
    if name == "exptools":
        run = write_run(tmp_path / "own", {"loss": [1.25, 0.5, float("nan")], "a,b": [1e-310, 2.0, 3.0]})
        return Sample(run / "progress.csv", at_a_line)
    path, ends_a_record = {
        "sacred": ("sacred/1/metrics.json", never),
        "json_lines": ("stable_baselines3/late_keys/progress.json", at_an_object),
        "stable_baselines3": ("stable_baselines3/ppo/progress.csv", at_a_line),
        "lightning": ("lightning/lightning_logs/version_0/metrics.csv", at_a_line),
        "viskit": ("rlpyt/exp/run_0/progress.csv", at_a_line),
        "tensorboard": ("torch_events/run/events.out.tfevents.*.host.*.0", at_an_event),
    }[name]
    (found,) = GOLDEN.glob(path)
    copy = tmp_path / found.name
    shutil.copyfile(found, copy)
    return Sample(copy, ends_a_record)


def formats() -> list[Format]:
    return [format_ for format_ in registry.formats() if format_.read is not None]


@pytest.fixture(params=formats(), ids=lambda format_: format_.name)
def format_(request: pytest.FixtureRequest) -> Format:
    found = request.param
    assert isinstance(found, Format)
    return found


def read(format_: Format, path: Path, *, live: bool = False) -> Reading:
    assert format_.read is not None
    return format_.read(path, everything, live=live)


def frames(reading: Reading) -> dict[str, list[str]]:
    return {tag: [repr(row) for row in curve.rows()] for tag, curve in reading.curves.items()}


def test_a_whole_file_has_no_problems_and_frames(format_: Format, tmp_path: Path) -> None:
    path = sample(format_.name, tmp_path).path

    reading = read(format_, path)

    assert reading.problems == ()
    assert sum(map(len, reading.curves.values())) > 5
    assert set(reading.curves) == set(reading.tags)
    for curve in reading.curves.values():
        assert [str(a.dtype) for a in (curve.step, curve.wall_time, curve.value)] == [
            "int64",
            "float64",
            "float64",
        ]


def test_a_file_that_is_cut_off_is_read_as_far_as_it_goes(format_: Format, tmp_path: Path) -> None:
    given = sample(format_.name, tmp_path)
    data, whole = given.path.read_bytes(), frames(read(format_, given.path))
    step = max(1, len(data) // 700)
    silent = []
    for cut in range(0, len(data), step):
        given.path.write_bytes(data[:cut])
        dead, live = read(format_, given.path), read(format_, given.path, live=True)
        for reading in (dead, live):
            for tag, rows in frames(reading).items():
                assert rows == whole[tag][: len(rows)], (cut, tag)
        assert frames(dead) == frames(live), cut
        assert live.problems == (), cut
        if not dead.problems and not given.ends_a_record(data[:cut]):
            silent.append(cut)
    assert silent == []


def test_nothing_is_lost_before_the_cut(format_: Format, tmp_path: Path) -> None:
    """Cut in the last record but one of a line, all but it are there."""
    given = sample(format_.name, tmp_path)
    data, whole = given.path.read_bytes(), frames(read(format_, given.path))
    given.path.write_bytes(data[: len(data) * 9 // 10])

    some = frames(read(format_, given.path))

    assert 2 * sum(map(len, some.values())) > sum(map(len, whole.values()))


def test_a_file_that_has_vanished_held_nothing(format_: Format, tmp_path: Path) -> None:
    path = sample(format_.name, tmp_path).path
    path.unlink()

    for gone in (path, path / "below"):
        reading = read(format_, gone)
        assert (dict(reading.curves), reading.tags, reading.problems) == ({}, (), ())


def test_a_file_that_cannot_be_read_is_named(format_: Format, tmp_path: Path) -> None:
    assert [str(p) for p in read(format_, tmp_path).problems] == [
        f"{tmp_path}: cannot be read (Is a directory)"
    ]


@pytest.mark.parametrize("seed", range(20))
def test_rubbish_is_named(format_: Format, tmp_path: Path, seed: int) -> None:
    path = sample(format_.name, tmp_path).path
    path.write_bytes(random.Random(seed).randbytes(5000))

    reading = read(format_, path)

    assert sum(map(len, reading.curves.values())) == 0
    assert [problem.path for problem in reading.problems][:1] == [path]


@pytest.mark.parametrize("seed", range(30))
def test_damage_never_raises(format_: Format, tmp_path: Path, seed: int) -> None:
    path, source = sample(format_.name, tmp_path).path, random.Random(seed)
    data = bytearray(path.read_bytes())
    for _ in range(source.randrange(1, 5)):
        data[source.randrange(len(data))] = source.randrange(256)
    path.write_bytes(bytes(data))

    for live in (False, True):
        assert isinstance(read(format_, path, live=live), Reading)


def test_only_what_is_wanted_is_kept_but_all_tags_are_known(format_: Format, tmp_path: Path) -> None:
    path = sample(format_.name, tmp_path).path
    tags = read(format_, path).tags
    assert format_.read is not None

    reading = format_.read(path, lambda tag: tag == tags[0], live=False)

    assert (tuple(reading.curves), reading.tags) == (tags[:1], tags)
