"""Reading TensorBoard event files of other writers: exptools beside the readers there are, in one run.

    python benchmarks/read_events.py [SCALARS]

One file has one value per event, in ten tags, as torch's and tensorboardX's writers make it; the other has
150 MB of images with 10,000 scalars between them. Each reader works in a fresh process of its own, three
times; medians, of exptools' without its import. tbparse is measured where it is installed. Then 16 files of
SCALARS / 2 are read by exptools on one core and on all. Only the ratios mean something on a shared machine.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

N_TAGS = 10
IMAGE = bytes(range(256)) * 586  # 150 kB


def exptools(directory: Path) -> int:
    """exptools' reader."""
    from exptools.viewing.readers import events

    (path,) = directory.iterdir()
    return sum(len(curve) for curve in events.read(path).curves.values())


def accumulator(directory: Path) -> int:
    """TensorBoard's EventAccumulator."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = EventAccumulator(str(directory), size_guidance={"scalars": 0})
    found.Reload()
    return sum(len(found.Scalars(tag)) for tag in found.Tags()["scalars"])


def rust(directory: Path) -> int:
    """TensorBoard's data server, until it has given all scalars."""
    sys.path.insert(0, str(Path(__file__).parent.parent / "tests" / "logging"))
    from rust import rust_server
    from tensorboard.context import RequestContext
    from tensorboard.data.provider import RunTagFilter

    wanted = int((directory.parent / f"{directory.name}.n").read_text())
    with rust_server(directory) as provider:
        while True:
            series = provider.read_scalars(
                RequestContext(),
                experiment_id="",
                plugin_name="scalars",
                downsample=10**9,
                run_tag_filter=RunTagFilter(),
            )
            n = sum(len(points) for tags in series.values() for points in tags.values())
            if n >= wanted:
                return n
            time.sleep(0.02)


def tbparse(directory: Path) -> int:
    """tbparse's SummaryReader."""
    from tbparse import SummaryReader

    return len(SummaryReader(str(directory), event_types={"scalars"}).scalars)


READERS: dict[str, Callable[[Path], int]] = {
    "exptools": exptools,
    "EventAccumulator": accumulator,
    "Rust data server": rust,
    "tbparse": tbparse,
}


def write(directory: Path, scalars: int, images: int) -> None:
    """An event file of `scalars`, with an image now and then."""
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.compat.proto.summary_pb2 import Summary

    from exptools.formats.tfrecord import frame

    directory.mkdir()
    image = Summary.Image(height=100, width=500, colorspace=3, encoded_image_string=IMAGE)
    with open(directory / "events.out.tfevents.1.host", "wb") as file:
        file.write(frame(Event(file_version="brain.Event:2", wall_time=1.0).SerializeToString()))
        for i in range(scalars):
            value = Summary.Value(tag=f"train/tag{i % N_TAGS}", simple_value=i * 0.1)
            event = Event(step=i // N_TAGS, wall_time=1e9 + i, summary=Summary(value=[value]))
            file.write(frame(event.SerializeToString()))
            if images and i % (scalars // images) == 0:
                event = Event(step=i, summary=Summary(value=[Summary.Value(tag="image", image=image)]))
                file.write(frame(event.SerializeToString()))
    (directory.parent / f"{directory.name}.n").write_text(str(scalars))


def many(root: Path, scalars: int) -> None:
    """Several files, on one core and on all."""
    root.mkdir()
    for i in range(16):
        write(root / str(i), scalars, 0)
    n_cores = os.cpu_count() or 1
    print(f"16 files of {scalars:,} scalars; medians of three")
    taken = {}
    for cores in dict.fromkeys([1, n_cores]):
        rounds = [
            float(subprocess.check_output([sys.executable, __file__, "--many", str(cores), str(root)]))
            for _ in range(3)
        ]
        taken[cores] = statistics.median(rounds)
        print(f"  {cores:3} cores{taken[cores]:17.3f} s {taken[1] / taken[cores]:26.2f} x as fast as one")


def all_of(cores: int, root: Path) -> None:
    """Print how long all files below `root` take on so many cores, imports not counted."""
    from exptools.viewing.api import load

    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
    with tempfile.TemporaryDirectory() as scratch:
        write(Path(scratch, "warm"), 20, 0)
        list(load(scratch, cache=False).readings())
    begun = time.perf_counter()
    list(load(root, cache=False).readings())
    print(time.perf_counter() - begun)


def seconds(name: str, directory: Path, scalars: int) -> float | None:
    """Of one reading in a fresh process, imports not counted; None if the reader is not installed."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", name, str(directory)], capture_output=True, text=True
    )
    if "ModuleNotFoundError" in done.stderr:
        return None
    if done.returncode:
        sys.exit(f"{name} failed:\n{done.stderr}")
    taken, found = json.loads(done.stdout.splitlines()[-1])
    # tbparse keeps 10,000 events of a tag.
    if found != scalars and name != "tbparse":
        sys.exit(f"{name} found {found} of {scalars} scalars")
    return float(taken)


def one(name: str, directory: Path) -> None:
    """Measure in this process; imports are paid before, by reading nothing."""
    with tempfile.TemporaryDirectory() as scratch:
        warm = Path(scratch, "warm")
        write(warm, 20, 0)
        READERS[name](warm)
    begun = time.perf_counter()
    n = READERS[name](directory)
    print(json.dumps([time.perf_counter() - begun, n]))


def main() -> None:
    """Measure all, print a line each."""
    if sys.argv[1:2] == ["--one"]:
        one(sys.argv[2], Path(sys.argv[3]))
        return
    if sys.argv[1:2] == ["--many"]:
        all_of(int(sys.argv[2]), Path(sys.argv[3]))
        return
    scalars = int(sys.argv[1]) if len(sys.argv) > 1 else 200_000
    with tempfile.TemporaryDirectory() as scratch:
        for title, n, images in (("one value per event", scalars, 0), ("150 MB of images", 10_000, 1000)):
            directory = Path(scratch, title.replace(" ", "_"))
            write(directory, n, images)
            rounds = [{name: seconds(name, directory, n) for name in READERS} for _ in range(3)]
            print(f"{title}, {n:,} scalars; medians of three")
            ours = statistics.median(taken["exptools"] or 0.0 for taken in rounds)
            for name in READERS:
                taken = [one[name] for one in rounds]
                if None in taken:
                    print(f"  {name:18} not installed")
                    continue
                mid = statistics.median(value for value in taken if value is not None)
                print(
                    f"  {name:18}{mid:8.3f} s {n / mid / 1e6:8.3f} M scalars/s {mid / ours:8.1f} x exptools"
                )
        many(Path(scratch, "many"), scalars // 2)


if __name__ == "__main__":
    main()
