"""Every kind as TensorBoard reads it back: by its Python reader and by its Rust data server."""

from __future__ import annotations

import csv
import io
import json
import wave
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from runs import APP, shown_by_tensorboard
from rust import rust_server, until
from tensorboard import context
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tensorboard.data import provider
from tensorboard.plugins.hparams.metadata import parse_session_start_info_plugin_data
from tensorboard.util import tensor_util

from exptools.logging import Logger, logger, logger_context

Shown = dict[str, list[tuple[int, list[Any]]]]  # of each tag: steps, and the bytes or arrays at them
BLOBS, TENSORS = ("images", "audio"), ("histograms", "text", "mesh", "pr_curves", "hparams")


def by_python(run_dir: Path) -> dict[str, Shown]:
    """What EventAccumulator shows, by plugin."""
    accumulator = EventAccumulator(str(run_dir), size_guidance={"tensors": 0})
    accumulator.Reload()
    found: dict[str, Shown] = {plugin: {} for plugin in (*BLOBS, *TENSORS)}
    for plugin in found:
        try:
            tags = accumulator.PluginTagToContent(plugin)
        except KeyError:
            continue
        for tag in tags:
            events = accumulator.Tensors(tag)
            arrays = [tensor_util.make_ndarray(e.tensor_proto) for e in events]
            if plugin in BLOBS:  # an audio's label is empty, and no blob of the data server
                arrays = [[blob for blob in array.ravel() if plugin == "images" or blob] for array in arrays]
            else:
                arrays = [[array] for array in arrays]
            found[plugin][tag] = [(e.step, list(a)) for e, a in zip(events, arrays, strict=True)]
    return found


def by_rust(logdir: Path, run: str, n_tags: int) -> dict[str, Shown]:
    """What the data server shows of a run, by plugin, once it has so many tags."""
    ctx = context.RequestContext()
    only = provider.RunTagFilter(runs=[run])
    found: dict[str, Shown] = {}
    with rust_server(logdir) as data:

        def read() -> bool:
            for plugin in BLOBS:
                got = data.read_blob_sequences(
                    ctx, experiment_id="", plugin_name=plugin, downsample=1000, run_tag_filter=only
                )
                found[plugin] = {
                    tag: [
                        (d.step, [data.read_blob(ctx, blob_key=v.blob_key) for v in d.values]) for d in series
                    ]
                    for tag, series in got.get(run, {}).items()
                }
            for plugin in TENSORS:
                got = data.read_tensors(
                    ctx, experiment_id="", plugin_name=plugin, downsample=1000, run_tag_filter=only
                )
                found[plugin] = {
                    tag: [(d.step, [d.numpy]) for d in series] for tag, series in got.get(run, {}).items()
                }
            return sum(map(len, found.values())) >= n_tags

        until(read)
    return found


@pytest.fixture(params=["python", "rust"])
def shown(request: Any, tmp_path: Path) -> Callable[[str], Shown]:
    """What TensorBoard shows of the run in tmp_path/run, of one plugin."""

    def read(plugin: str) -> Shown:
        own = by_python(tmp_path / "run")
        if request.param == "python":
            return own[plugin]
        return by_rust(tmp_path, "run", sum(map(len, own.values())))[plugin]

    return read


@pytest.fixture
def mine(tmp_path: Path) -> Iterator[Logger]:
    with Logger(tmp_path / "run") as one:
        yield one


def index(run_dir: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run_dir / "media.jsonl").read_text().splitlines()]


def pixels(encoded: bytes) -> Any:
    return np.array(Image.open(io.BytesIO(encoded)))


def opened(path: Path) -> Any:
    """An image with all of its file in memory."""
    return Image.open(io.BytesIO(path.read_bytes()))


RNG = np.random.default_rng(0)


@pytest.mark.parametrize("shape", [(7, 5), (7, 5, 1), (7, 5, 3), (1, 1, 4), (300, 200, 3)])
def test_images_are_without_loss(tmp_path: Path, shown: Any, mine: Logger, shape: tuple[int, ...]) -> None:
    images = [RNG.integers(0, 256, shape, np.uint8) for _ in range(3)]
    for step, image in enumerate(images):
        mine.log_image("a/b", image, step)
    mine.close()

    drawn = shown("images")["a/b"]
    assert [step for step, _ in drawn] == [0, 1, 2]
    for step, image in enumerate(images):
        width, height, encoded = drawn[step][1]
        assert (int(width), int(height)) == (shape[1], shape[0])
        assert np.array_equal(pixels(encoded), image.squeeze(-1) if image.shape[-1] == 1 else image)
        assert (tmp_path / "run" / "media" / "a_b" / f"{step}.png").read_bytes() == encoded
    assert [entry["files"] for entry in index(tmp_path / "run")] == [[f"media/a_b/{i}.png"] for i in range(3)]


def test_floats_bools_and_channels_first_are_the_same_image(tmp_path: Path, mine: Logger) -> None:
    image = RNG.integers(0, 256, (4, 6, 3), np.uint8)
    mine.log_image("bytes", image, 0)
    mine.log_image("float32", (image / 255).astype(np.float32), 0)
    mine.log_image("first", image.transpose(2, 0, 1), 0, "CHW")
    mine.record_image("first exptools", image.transpose(2, 0, 1), 0)
    mine.log_image("bool", image[..., 0] > 100, 0)
    mine.close()

    drawn = {tag: pixels(series[0][1][2]) for tag, series in by_python(tmp_path / "run")["images"].items()}
    for tag in ("bytes", "float32", "first", "first exptools"):
        assert np.array_equal(drawn[tag], image)
    assert np.array_equal(drawn["bool"], (image[..., 0] > 100) * 255)


def test_several_images_are_samples_of_one_tag(tmp_path: Path, shown: Any, mine: Logger) -> None:
    images = RNG.integers(0, 256, (3, 4, 6, 3), np.uint8)
    mine.log_images("x", images, 5)
    mine.close()

    [(step, (_, _, *encoded))] = shown("images")["x"]
    assert step == 5
    assert np.array_equal([pixels(one) for one in encoded], images)
    home = tmp_path / "run" / "media" / "x"
    assert np.array_equal([pixels((home / f"5.{i}.png").read_bytes()) for i in range(3)], images)


def test_boxes_are_drawn_and_kept(tmp_path: Path, shown: Any, mine: Logger) -> None:
    image = np.zeros((50, 60, 3), np.uint8)
    mine.log_image_with_boxes("x", image, [[10, 20, 30, 40], [-5, -5, 99, 99]], 0, labels=["cat", "dog"])
    mine.log_image_with_boxes("bare", image[..., 0], np.zeros((0, 4)), 0)
    mine.close()

    drawn = pixels(shown("images")["x"][0][1][2])
    home = tmp_path / "run" / "media" / "x"
    for y, x in ((20, 15), (40, 15), (25, 10), (25, 30)):
        assert drawn[y, x].tolist() == [230, 159, 0]
    assert drawn[30, 20].tolist() == [0, 0, 0]
    assert drawn[12, 12].any()  # the label above
    assert not pixels((home / "0.bare.png").read_bytes()).any()
    boxes = json.loads((home / "0.json").read_text())
    assert boxes == {"boxes": [[10, 20, 30, 40], [-5, -5, 99, 99]], "labels": ["cat", "dog"]}


def test_a_gif_moves(tmp_path: Path, shown: Any, mine: Logger) -> None:
    frames = np.stack([np.full((8, 9, 3), (i * 80, 255 - i * 80, i * 40), np.uint8) for i in range(4)])
    mine.log_gif("x", frames, 3, duration=0.25)
    mine.record_gif("gray", list(frames[..., 0]), 3)
    mine.close()

    gif = Image.open(io.BytesIO(shown("images")["x"][0][1][2]))
    assert (gif.n_frames, gif.size, gif.info["duration"], gif.info["loop"]) == (4, (9, 8), 250, 0)  # type: ignore[attr-defined]
    for i in range(4):
        gif.seek(i)
        assert np.abs(np.array(gif.convert("RGB")).astype(int) - frames[i]).max() <= 4
    assert opened(tmp_path / "run" / "media" / "x" / "3.gif").n_frames == 4  # type: ignore[attr-defined]
    assert opened(tmp_path / "run" / "media" / "gray" / "3.gif").n_frames == 4  # type: ignore[attr-defined]


def test_what_is_transparent_in_a_gif_is_white(tmp_path: Path, mine: Logger) -> None:
    frames = np.zeros((2, 4, 4, 4), np.uint8)
    frames[1, ..., 3] = 255
    mine.log_gif("x", frames, 0)
    mine.close()

    gif = opened(tmp_path / "run" / "media" / "x" / "0.gif")
    assert np.array(gif.convert("RGB")).min() == 255


def test_an_mp4_is_kept_and_its_gif_shown(tmp_path: Path, mine: Logger) -> None:
    imageio_ffmpeg = pytest.importorskip("imageio_ffmpeg")
    frames = np.stack([np.full((33, 31, 3), i * 20, np.uint8) for i in range(10)])
    mine.log_video("x", frames, 0, fps=5, format="mp4")
    mine.close()

    n, seconds = imageio_ffmpeg.count_frames_and_secs(str(tmp_path / "run" / "media" / "x" / "0.mp4"))
    assert (n, round(seconds, 1)) == (10, 2.0)
    gif = by_python(tmp_path / "run")["images"]["x"][0][1][2]
    assert Image.open(io.BytesIO(gif)).n_frames == 10  # type: ignore[attr-defined]


def heard(wav: bytes) -> tuple[int, Any]:
    with wave.open(io.BytesIO(wav)) as file:
        samples = np.frombuffer(file.readframes(file.getnframes()), "<i2")
        return file.getframerate(), samples.reshape(-1, file.getnchannels())


def test_a_sound_is_heard(tmp_path: Path, shown: Any, mine: Logger) -> None:
    samples = RNG.integers(-(2**15), 2**15, (100, 2), np.int16)
    mine.log_audio("stereo", samples, 0, sample_rate=8000)
    mine.log_audio("mono", np.array([0.0, 1, -1, 0.5], np.float32), 0)
    mine.close()

    sounds = shown("audio")
    rate, stereo = heard(sounds["stereo"][0][1][0])
    assert rate == 8000
    assert np.array_equal(stereo, samples)
    rate, mono = heard((tmp_path / "run" / "media" / "mono" / "0.wav").read_bytes())
    assert (rate, mono.ravel().tolist()) == (44100, [0, 32767, -32767, 16384])


def test_a_histogram_is_exact(tmp_path: Path, shown: Any, mine: Logger) -> None:
    numbers = RNG.normal(size=(10, 100)).astype(np.float32)
    mine.log_histogram("x", np.append(numbers, [np.nan, np.inf, -np.inf]), 0)
    mine.log_histogram("edges", [0, 1, 1, 2, 9], 0, bins=[0, 1, 2])
    mine.close()

    counts, edges = np.histogram(numbers.astype(np.float64), 30)
    histograms = shown("histograms")
    [left, right, counted] = histograms["x"][0][1][0].T
    assert np.array_equal(np.append(left, right[-1]), edges)
    assert np.array_equal(counted, counts)
    assert histograms["edges"][0][1][0].tolist() == [[0, 1, 1], [1, 2, 3]]
    [entry, other] = index(tmp_path / "run")
    assert (entry["edges"], entry["counts"]) == (edges.tolist(), counts.tolist())
    assert (entry["nan"], entry["beyond"], entry["files"]) == (1, 2, [])
    assert (other["counts"], other["beyond"]) == ([1, 3], 1)
    assert not (tmp_path / "run" / "media").exists()


@pytest.mark.parametrize(
    ("numbers", "wanted"),
    [
        ([], [[0, 0, 0]] * 3),
        ([np.nan], [[0, 0, 0]] * 3),
        ([7, 7], [[7, 7, 0], [7, 7, 0], [7, 7, 2]]),
        ([1e300, np.nextafter(1e300, 0)], None),
        ([True, False], [[0, 1 / 3, 1], [1 / 3, 2 / 3, 0], [2 / 3, 1, 1]]),
        (5, [[5, 5, 0], [5, 5, 0], [5, 5, 1]]),
        ([-1.7e308, 1.7e308], None),
    ],
)
def test_a_histogram_of_few_numbers(tmp_path: Path, mine: Logger, numbers: Any, wanted: Any) -> None:
    mine.log_histogram("x", numbers, 0, bins=3)
    mine.close()

    buckets = by_python(tmp_path / "run")["histograms"]["x"][0][1][0]
    assert np.isfinite(buckets).all()
    if wanted is None:
        assert buckets[:, 2].sum() == 2
    else:
        assert np.allclose(buckets, wanted)


def test_a_figure_is_drawn_when_it_is_logged(tmp_path: Path, shown: Any, mine: Logger) -> None:
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(3, 2), dpi=50)
    axes.plot([1, 2], linewidth=9)
    canvas = figure.canvas
    mine.log_figure("x", figure, 0)
    assert figure.canvas is canvas
    axes.clear()
    mine.log_figure("x", figure, 1, close=True, dpi=100)
    mine.close()

    (first, second) = (pixels(blobs[2]) for _, blobs in shown("images")["x"])
    assert (first.shape[:2], second.shape[:2]) == ((100, 150), (200, 300))
    blue = [31, 119, 180]  # of the first line
    assert (first[..., :3] == blue).all(-1).any()
    assert not (second[..., :3] == blue).all(-1).any()
    assert plt.get_fignums() == []
    assert (tmp_path / "run" / "media" / "x" / "1.png").exists()


def test_a_figure_that_cannot_be_drawn_is_told(mine: Logger) -> None:
    import matplotlib.figure

    from exptools.errors import LoggingError

    figure = matplotlib.figure.Figure()
    figure.text(0, 0, "$\\nonsense$")

    with pytest.raises(LoggingError, match="figure 'x' cannot be drawn \\(ValueError: "):
        mine.log_figure("x", figure, 0)


def test_a_figure_of_plotly(tmp_path: Path, mine: Logger, monkeypatch: pytest.MonkeyPatch) -> None:
    class Plotly:
        """As plotly's figures are asked."""

        def to_image(self, format: str) -> bytes:
            from exptools.logging.kinds import png

            return png.encode(np.zeros((2, 3, 3), np.uint8))

        def to_json(self) -> str:
            return '{"data": []}'

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name == "kaleido" or None)
    mine.log_figure("x", Plotly(), 0)
    monkeypatch.undo()
    mine.close()

    home = tmp_path / "run" / "media" / "x"
    assert opened(home / "0.png").size == (3, 2)
    assert json.loads((home / "0.plotly.json").read_text()) == {"data": []}


def ply(path: Path) -> tuple[list[str], bytes]:
    head, body = path.read_bytes().split(b"end_header\n")
    return head.decode().splitlines(), body


def test_meshes_and_clouds(tmp_path: Path, shown: Any, mine: Logger) -> None:
    vertices, colors = RNG.normal(size=(4, 3)), RNG.integers(0, 256, (4, 3))
    faces = [[0, 1, 2], [1, 2, 3]]
    mine.log_mesh("mesh", vertices, faces, colors, 2)
    mine.log_pointcloud("cloud", vertices, colors / 255, 2)
    mine.close()

    meshes = {tag: series[0][1][0] for tag, series in shown("mesh").items()}
    assert set(meshes) == {"mesh_VERTEX", "mesh_FACE", "mesh_COLOR", "cloud_VERTEX", "cloud_COLOR"}
    assert np.array_equal(meshes["mesh_VERTEX"], vertices.astype(np.float32)[None])
    assert meshes["mesh_FACE"].tolist() == [faces]
    for tag in ("mesh_COLOR", "cloud_COLOR"):
        assert np.array_equal(meshes[tag], colors[None])
    head, body = ply(tmp_path / "run" / "media" / "mesh" / "2.ply")
    assert head[2] == "element vertex 4"
    assert len(body) == 4 * (12 + 3) + 2 * (1 + 12)
    points = np.frombuffer(body[: 4 * 15], [("xyz", "<f4", 3), ("rgb", "u1", 3)])
    assert np.array_equal(points["xyz"], vertices.astype(np.float32))
    assert np.array_equal(points["rgb"], colors)


def test_a_pr_curve_is_that_of_scikit_learn(tmp_path: Path, shown: Any, mine: Logger) -> None:
    from sklearn.metrics import confusion_matrix, precision_score, recall_score

    labels = RNG.random(500) < 0.3
    # some of them exactly at thresholds
    predictions = np.round(np.clip(labels * 0.3 + RNG.random(500) * 0.7, 0, 1) * 20) / 20
    weights = RNG.random(500)
    mine.log_pr_curve("x", labels, predictions, 0, num_thresholds=21)
    mine.log_pr_curve("weighted", labels, predictions, 0, num_thresholds=21, weights=weights)
    mine.close()

    curves = shown("pr_curves")
    for tag, weight in (("x", None), ("weighted", weights)):
        found = curves[tag][0][1][0]
        assert found.shape == (6, 21)
        for i, threshold in enumerate(np.arange(21) / 20):
            positive = predictions >= threshold
            tn, fp, fn, tp = confusion_matrix(labels, positive, sample_weight=weight, labels=[0, 1]).ravel()
            precision = precision_score(labels, positive, sample_weight=weight, zero_division=0)
            recall = recall_score(labels, positive, sample_weight=weight)
            assert np.allclose(found[:, i], [tp, fp, tn, fn, precision, recall], rtol=1e-5)
    with open(tmp_path / "run" / "media" / "x" / "0.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert (len(rows), rows[0]["recall"], rows[20]["threshold"]) == (21, "1.0", "1.0")


def test_a_curve_of_one_label_has_no_0_by_0(tmp_path: Path, mine: Logger) -> None:
    mine.log_pr_curve("x", [0, 0], [0.2, 0.4], 0, num_thresholds=2)
    mine.close()

    assert by_python(tmp_path / "run")["pr_curves"]["x"][0][1][0].tolist() == [
        [0, 0],
        [2, 0],
        [0, 2],
        [0, 0],
        [0, 0],
        [0, 0],
    ]


class Frame:
    """As a DataFrame is asked."""

    columns = ("a", "b")

    def itertuples(self, index: bool) -> Any:
        return iter([(1, "x"), (np.float32(0.1), None)])


@pytest.mark.parametrize(
    ("data", "columns", "wanted"),
    [
        ([[1, 0.1], [np.int64(2), "x,y"]], ["n", "it's"], 'n,it\'s\n1,0.1\n2,"x,y"\n'),
        ([(1, True)], None, "0,1\n1,True\n"),
        ({"a": [1, 2], "b": np.array([0.5, 1e-9])}, None, "a,b\n1,0.5\n2,1e-09\n"),
        ([{"a": 1}, {"b": "ü"}], None, "a,b\n1,\n,ü\n"),
        (Frame(), None, "a,b\n1,x\n0.10000000149011612,\n"),
        ([], ["a"], "a\n"),
    ],
)
def test_a_table_is_a_csv(tmp_path: Path, mine: Logger, data: Any, columns: Any, wanted: str) -> None:
    mine.log_table("x", data, 0, columns)
    mine.close()

    assert (tmp_path / "run" / "media" / "x" / "0.csv").read_text() == wanted


def test_frames_of_pandas_and_polars(tmp_path: Path, mine: Logger) -> None:
    import pandas as pd
    import polars as pl

    mine.log_table("pandas", pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}), 0)
    mine.log_table("polars", pl.DataFrame({"a": [1, 2], "b": ["x", "y"]}), 0)
    mine.close()

    for name in ("pandas", "polars"):
        assert (tmp_path / "run" / "media" / name / "0.csv").read_text() == "a,b\n1,x\n2,y\n"


def test_a_table_is_shown_as_markdown(shown: Any, mine: Logger) -> None:
    mine.log_table("x", [["a|b", "c\nd"]], 0, ["1", "2"])
    mine.log_table("long", [[i] for i in range(150)], 0)
    mine.close()

    texts = shown("text")
    assert texts["x"][0][1][0].item() == b"| 1 | 2 |\n|---|---|\n| a\\|b | c<br>d |"
    assert texts["long"][0][1][0].item().endswith(b"| 99 |\n\nand 50 rows more, in the file")


def test_a_text_under_a_tag_is_a_page_and_others_are_not(
    tmp_path: Path, shown: Any, mine: Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    mine.log_scalar("loss", 1.0, 7)
    with mine.prefix("eval/"):
        mine.log_text("# said ü \udc80", tag="sample")
    mine.log_text("a line of the log")
    mine.close()

    assert shown("text") == {"eval/sample": [(7, ["# said ü \\udc80".encode()])]}
    assert (tmp_path / "run" / "media" / "eval_sample" / "7.md").read_bytes() == "# said ü \\udc80".encode()
    log = (tmp_path / "run" / "debug.log").read_text()
    assert "| eval/sample: # said" in log
    assert "a line of the log" in log
    assert "a line of the log" in capsys.readouterr().out


def hparams_shown(run_dir: Path) -> Mapping[str, Any]:
    accumulator = EventAccumulator(str(run_dir))
    accumulator.Reload()
    content = accumulator.PluginTagToContent("hparams")["_hparams_/session_start_info"]
    start = parse_session_start_info_plugin_data(content)
    return {name: getattr(value, value.WhichOneof("kind")) for name, value in start.hparams.items()}


def test_hyperparameters_and_what_came_out(tmp_path: Path, shown: Any, mine: Logger) -> None:
    given = {"lr": 1e-3, "net": {"width": 64, "deep": True}, "layers": [1, 2], "none": None, "huge": 10**400}
    mine.log_hparams(given, {"final/accuracy": 0.5}, 3)
    mine.close()

    assert list(shown("hparams")) == ["_hparams_/session_start_info"]
    wanted = {
        "lr": 1e-3,
        "net.width": 64.0,
        "net.deep": True,
        "layers": "[1, 2]",
        "none": "None",
        "huge": str(10**400),
    }
    assert hparams_shown(tmp_path / "run") == wanted
    assert shown_by_tensorboard(tmp_path / "run") == {"final/accuracy": [(3, 0.5)]}
    assert index(tmp_path / "run")[0]["hparams"] == wanted


def test_the_config_of_a_run_is_its_hyperparameters(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with logger_context(tmp_path, 0, "name", {"lr": 0.1, "net": {"width": 3}}):
        logger.log_scalar("loss", 1.0, 0)
        logger.flush()
        logger.log_hparams({"lr": 0.1})  # says the same
        logger.log_hparams({"lr": 0.1, "late": 1})
    with logger_context(tmp_path, 1, "name", {"lr": 0.1}):
        logger.log_hparams({"early": 1}, step=0)
    with logger_context(tmp_path, 2, "name", {"lr": 0.1}, writers=["tensorboard"]):
        pass  # a run that measured nothing has no file

    assert hparams_shown(tmp_path / "run_0") == {"name": "name", "run_ID": 0, "lr": 0.1, "net.width": 3}
    assert hparams_shown(tmp_path / "run_1") == {"name": "name", "run_ID": 1, "lr": 0.1, "early": 1}
    assert not list((tmp_path / "run_2").glob("*tfevents*"))
    said = capsys.readouterr().err
    assert said.count("the hyperparameters that a run has first, so late of log_hparams() are not seen") == 1


def test_tensorboard_s_hparams_page_has_values_and_metrics_of_all_runs(tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import api_pb2, backend_context, list_session_groups

    for run in range(2):
        with logger_context(tmp_path, run, "name", {"lr": run, f"only{run}": 1}):
            for step in range(3):
                logger.log_scalar("loss", run + step, step)
    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    data = MultiplexerDataProvider(multiplexer, str(tmp_path))
    page = backend_context.Context(base_plugin.TBContext(data_provider=data))
    request = api_pb2.ListSessionGroupsRequest(
        allowed_statuses=[api_pb2.STATUS_UNKNOWN], start_index=0, slice_size=10
    )
    answer = list_session_groups.Handler(context.RequestContext(), page, "", request).run()

    rows = {
        group.name: (
            set(group.hparams),
            group.hparams["lr"].number_value,
            [(m.name.tag, m.value) for m in group.metric_values],
        )
        for group in answer.session_groups
    }
    assert rows == {
        "run_0": ({"name", "run_ID", "lr", "only0"}, 0, [("loss", 2)]),
        "run_1": ({"name", "run_ID", "lr", "only1"}, 1, [("loss", 3)]),
    }


def test_the_projector_finds_embeddings(tmp_path: Path, mine: Logger) -> None:
    from tensorboard.backend.event_processing.data_provider import MultiplexerDataProvider
    from tensorboard.backend.event_processing.plugin_event_multiplexer import EventMultiplexer
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.projector.projector_plugin import ProjectorPlugin
    from werkzeug.test import Client

    data = RNG.normal(size=(5, 4)).astype(np.float32)
    images = RNG.integers(0, 256, (5, 2, 3, 3), np.uint8)
    mine.log_embedding("plain", data, 0)
    columns = {"n": range(5), "name": ["a\tb", "c\nd", "", "ü", "x"]}
    mine.log_embedding('rich "ü"\n', data, 1, columns, images)
    mine.close()

    multiplexer = EventMultiplexer().AddRunsFromDirectory(str(tmp_path))
    multiplexer.Reload()
    provided = MultiplexerDataProvider(multiplexer, str(tmp_path))
    plugin = ProjectorPlugin(base_plugin.TBContext(data_provider=provided, logdir=str(tmp_path)))
    apps = plugin.get_plugin_apps()

    def ask(route: str, **query: str) -> Any:
        answer = Client(apps[route]).get("/", query_string={"run": "run", **query})
        assert answer.status_code == 200, answer.get_data()
        return answer

    embeddings = ask("/info").json["embeddings"]
    names = ["plain step 0", 'rich "ü"\n step 1']
    assert [e["tensorName"] for e in embeddings] == names
    assert [e["tensorShape"] for e in embeddings] == [[5, 4], [5, 4]]
    for name in names:
        got = np.frombuffer(ask("/tensor", name=name).get_data(), np.float32)
        assert np.array_equal(got.reshape(5, 4), data)
    labels = ask("/metadata", name=names[1]).get_data(as_text=True).splitlines()
    assert labels == ["n\tname", "0\ta b", "1\tc d", "2\t ", "3\tü", "4\tx"]
    sprite = pixels(ask("/sprite_image", name=names[1]).get_data())
    assert sprite.shape == (6, 9, 3)  # 3 x 3 of 2 x 3
    assert np.array_equal(sprite[2:4, 3:6], images[4])
    assert embeddings[1]["sprite"]["singleImageDim"] == [3, 2]


def test_each_kind_has_its_own_prefix_and_all_have_the_general_one(tmp_path: Path, mine: Logger) -> None:
    import matplotlib.figure

    image = np.zeros((2, 2), np.uint8)
    with mine.prefix("all/"), mine.prefix("own/", "image", "gif", "figure"), mine.step(4):
        mine.log_image("image", image)
        mine.log_images("images", image[None], dataformats="NHW")
        mine.log_image_with_boxes("boxes", image, [])
        mine.log_gif("gif", image[None], dataformats="THW")
        mine.log_video("video", image[None], dataformats="THW")
        mine.log_figure("figure", matplotlib.figure.Figure((1, 1)))
        mine.log_audio("audio", [0.0])
        mine.log_histogram("histogram", [1])
        mine.log_mesh("mesh", [[0, 0, 0]])
        mine.log_pointcloud("cloud", [[0, 0, 0]])
        mine.log_embedding("embedding", [[0]])
        mine.log_pr_curve("pr_curve", [1], [1])
        mine.log_table("table", [[0]])
        mine.log_hparams({"lr": 1})
        mine.log_image("bare", image, with_prefix=False)
    mine.close()

    own = {"image", "images", "boxes", "gif", "video", "figure"}
    entries = index(tmp_path / "run")
    assert {entry["tag"] for entry in entries} == {
        *(f"all/own/{name}" for name in own),
        *(
            f"all/{name}"
            for name in ("audio", "histogram", "mesh", "cloud", "embedding", "pr_curve", "table")
        ),
        "_hparams_",
        "bare",
    }
    assert {entry["step"] for entry in entries} == {4}


def test_a_writer_may_be_left_out(tmp_path: Path, mine: Logger) -> None:
    image = np.zeros((2, 2), np.uint8)
    mine.log_image("no file", image, 0, exclude=["media"])
    mine.log_image("no page", image, 0, exclude=["tensorboard"])
    mine.close()

    assert [entry["tag"] for entry in index(tmp_path / "run")] == ["no page"]
    assert list(by_python(tmp_path / "run")["images"]) == ["no file"]


def test_the_config_of_a_hydra_run_is_its_hyperparameters(tmp_path: Path, python: Any) -> None:
    app = APP.replace('{"defaults"', '{"lr": 0.5, "net": {"name": "mlp"}, "defaults"')
    (tmp_path / "app.py").write_text(app)

    done = python("app.py", "hydra.run.dir=out", "lr=0.25", "hydra/job_logging=none")

    assert done.returncode == 0, done.stderr
    assert hparams_shown(tmp_path / "out") == {"lr": 0.25, "net.name": "mlp"}
