"""Arrays of any library go in, and nothing of these libraries is imported; what is wrong is told."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from exptools.errors import ExptoolsError, LoggingError
from exptools.logging import Logger, capture, logger
from exptools.logging.kinds.arrays import copied


class FakeTensor:
    """As a tensor of torch behaves that is on a GPU and has a graph."""

    def __init__(self, data: Any, dtype: str = "torch.float32", has_graph: bool = True, on_gpu: bool = True):
        self._data, self.dtype, self._has_graph, self._on_gpu = data, dtype, has_graph, on_gpu

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return self.numpy()

    def detach(self) -> FakeTensor:
        return FakeTensor(self._data, self.dtype, False, self._on_gpu)

    def cpu(self) -> FakeTensor:
        return FakeTensor(self._data, self.dtype, self._has_graph, False)

    def float(self) -> FakeTensor:
        return FakeTensor(self._data, "torch.float32", self._has_graph, self._on_gpu)

    def numpy(self) -> Any:
        if self._has_graph:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad.")
        if self._on_gpu or self.dtype == "torch.bfloat16":
            raise TypeError("Got unsupported ScalarType BFloat16, or can't convert cuda:0 device type tensor")
        return np.asarray(self._data, np.float32)


class FakeJax:
    """As an array of jax behaves: numpy gets at it by one method."""

    def __array__(self, dtype: Any = None, copy: Any = None) -> Any:
        return np.array([1.0, 2.0], np.float32)


@pytest.mark.parametrize(
    ("given", "wanted"),
    [
        ([[1, 2], [3, 4]], [[1, 2], [3, 4]]),
        (np.float64(3), 3),
        (np.array(3, np.int8), 3),
        (FakeTensor([1.5, 2]), [1.5, 2]),
        (FakeTensor([1.5, 2], "torch.bfloat16"), [1.5, 2]),
        (FakeTensor(0.5, "torch.float8_e5m2"), 0.5),
        ([FakeTensor([1]), FakeTensor([2])], [[1], [2]]),
        ((FakeTensor(1.0), 2.0), [1, 2]),
        (FakeJax(), [1, 2]),
        (range(3), [0, 1, 2]),
        ([], []),
    ],
)
def test_all_that_is_an_array_is_taken(given: Any, wanted: Any) -> None:
    assert copied("x", given).tolist() == wanted


def test_tensors_of_torch() -> None:
    torch = pytest.importorskip("torch")
    with_graph = torch.tensor([0.5, 0.25], requires_grad=True) * 1

    assert copied("x", with_graph).tolist() == [0.5, 0.25]
    assert copied("x", with_graph.bfloat16()).tolist() == [0.5, 0.25]
    assert copied("x", [with_graph[0], with_graph[1]]).tolist() == [0.5, 0.25]
    assert copied("x", with_graph.reshape(2, 1).T.half()).tolist() == [[0.5, 0.25]]
    assert copied("x", torch.arange(3)).dtype == np.int64


def test_arrays_of_jax() -> None:
    jnp = pytest.importorskip("jax.numpy")

    assert copied("x", jnp.array([0.5, 0.25])).tolist() == [0.5, 0.25]
    assert copied("x", jnp.array([0.5, 0.25], jnp.bfloat16)).tolist() == [0.5, 0.25]


def test_what_is_changed_afterwards_was_recorded_as_it_was() -> None:
    image = np.zeros((2, 2), np.uint8)
    with capture() as records:
        logger.log_image("x", image, 0)
        logger.log_image("y", image[None].transpose(1, 2, 0), 0)
        image[:] = 9

    assert [m.value.pixels.max() for m in records.media("image")] == [0, 0]  # type: ignore[attr-defined]


def test_no_library_is_imported_for_it() -> None:
    program = """
import sys
from exptools.logging import capture, logger
with capture() as records:
    logger.log_image("image", [[0.0, 1.0]], 0)
    logger.log_histogram("histogram", [1.0], 0)
    logger.log_audio("audio", [0.0], 0)
    logger.log_mesh("mesh", [[0, 0, 0]], step=0)
    logger.log_pr_curve("curve", [1], [0.5], 0)
    logger.log_embedding("embedding", [[1.0]], 0)
    logger.log_table("table", {"a": [1]}, 0)
    logger.log_hparams({"lr": 1}, step=0)
    logger.log_text("text", 0, tag="text")
for media in records.media():
    media.value.summaries(media.tag), media.value.files(), media.value.facts()
print(len(records.media()), *{name.partition(".")[0] for name in sys.modules})
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    number, *loaded = done.stdout.splitlines()[-1].split()
    assert number == "9"
    assert "numpy" in loaded
    assert not {"torch", "jax", "matplotlib", "PIL", "pandas", "tensorboard", "tensorboardX"} & set(loaded)


@pytest.mark.parametrize(
    "losses",
    [[FakeTensor(1.0), FakeTensor(3.0)], FakeTensor([1.0, 3.0], "torch.bfloat16")],
    ids=["list", "bfloat16"],
)
def test_a_batch_may_be_tensors_with_a_graph_or_on_a_gpu(losses: Any) -> None:
    with capture() as records:
        logger.log_scalar_batch("loss", losses, 0)

    assert records.scalars("loss/Average") == [(0, 2.0)]
    assert records.scalars("loss/Len") == [(0, 2.0)]


IMAGE = np.zeros((4, 6, 3), np.uint8)
LAYOUTS = "(H, W, C) by 'HWC', (C, H, W) by 'CHW', with C 1, 3 or 4, and (H, W) by 'HW'; no axis is empty"
PIXELS = "uint8 of 0 to 255, floats of 0 to 1, or bool"
TRIANGLE = np.eye(3)

WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    (
        "log_image",
        (IMAGE[None],),
        {},
        f"image 'x' has shape (1, 4, 6, 3), dataformats='HWC'; allowed: {LAYOUTS}. Several images go to "
        "log_images",
    ),
    (
        "log_image",
        (np.zeros((3, 4, 6)),),
        {},
        f"has shape (3, 4, 6), dataformats='HWC'; allowed: {LAYOUTS}. It fits dataformats='CHW'",
    ),
    (
        "log_images",
        (np.zeros((2, 3, 4, 6)),),
        {},
        "and (N, H, W) by 'NHW'; no axis is empty. It fits dataformats='NCHW'",
    ),
    ("log_image", (IMAGE[:2], 0, "CHW"), {}, "image 'x' has shape (2, 6, 3), dataformats='CHW'; allowed: "),
    ("log_image", (np.zeros((0, 6)),), {}, "has shape (0, 6)"),
    ("log_image", (IMAGE, 0, "WHC"), {}, "image 'x': dataformats must be one of HWC, CHW, HW, not 'WHC'"),
    ("log_image", (IMAGE.astype(int),), {}, f"image 'x' has dtype int64; allowed: {PIXELS}"),
    (
        "log_image",
        (np.array([[0.0, 200.0]]),),
        {},
        f"image 'x' has values of dtype float64 from 0 to 200; allowed: {PIXELS}",
    ),
    ("log_image", (np.array([[np.nan]]),), {}, "from nan to nan"),
    ("log_image", ("cat.png",), {}, "image 'x' must be an array of numbers, not 'cat.png' (dtype <U7)"),
    ("log_image", ([[1, 2], [3]],), {}, "image 'x' must be an array of numbers, not [[1, 2], [3]] ("),
    ("log_image", (None,), {}, "image 'x' must be an array of numbers, not None (dtype object)"),
    ("log_image", (np.ones((2, 2), complex),), {}, "(dtype complex128)"),
    (
        "log_images",
        (IMAGE,),
        {},
        "(N, H, W, C) by 'NHWC', (N, C, H, W) by 'NCHW', with C 1, 3 or 4, and (N, H, W) by 'NHW'",
    ),
    ("log_gif", (IMAGE,), {}, "gif 'x' has shape (4, 6, 3), dataformats='THWC'; allowed: (T, H, W, C) by"),
    ("log_image", (IMAGE, 0, "HW"), {}, "image 'x' has shape (4, 6, 3), dataformats='HW'; allowed: "),
    ("log_images", ([IMAGE, IMAGE[1:]],), {}, "images 'x' must be an array of numbers, not [array("),
    (
        "log_images",
        (IMAGE[None], 0, "HWC"),
        {},
        "images 'x': dataformats must be one of NHWC, NCHW, NHW, not 'HWC'",
    ),
    (
        "log_image_with_boxes",
        (IMAGE, [1, 2, 3, 4]),
        {},
        "image 'x': boxes has shape (4,); allowed: (N, 4): left, top",
    ),
    (
        "log_image_with_boxes",
        (IMAGE, [[0, 0, 1, 1], [3, 0, 1, 1]]),
        {},
        "image 'x': box 1 is [3.0, 0.0, 1.0, 1.0]; allowed: left, top, right, bottom with left <= right",
    ),
    ("log_image_with_boxes", (IMAGE, [[0, 0, 1, np.inf]]), {}, "image 'x': boxes must be finite"),
    (
        "log_image_with_boxes",
        (IMAGE, [[0, 0, 1, 1]], 0, ["a", "b"]),
        {},
        "image 'x': 1 boxes, but 2 labels; one for each box, or None",
    ),
    (
        "log_gif",
        (IMAGE[None, None],),
        {},
        "gif 'x' has shape (1, 1, 4, 6, 3), dataformats='THWC'; allowed: (T, H",
    ),
    (
        "log_gif",
        (IMAGE[None], 0, 0),
        {},
        "gif 'x': a frame must be shown for some seconds, at most 655.35, not 0",
    ),
    (
        "log_gif",
        (IMAGE[None], 0, 1000),
        {},
        "gif 'x': a frame must be shown for some seconds, at most 655.35, not 1000",
    ),
    (
        "log_gif",
        (np.zeros((1, 1, 65536), np.uint8),),
        {"dataformats": "THW"},
        "gif 'x' has frames of 1 x 65536 pixels; allowed: 65,535 a side",
    ),
    ("log_pointcloud", ([[1e300, 0, 0]],), {}, "mesh 'x': points must be finite, and not beyond 3.4e+38"),
    ("log_embedding", ([[1e300]],), {}, "embedding 'x' must be finite, and not beyond 3.4e+38"),
    (
        "log_video",
        (IMAGE[None], 0, 0),
        {},
        "gif 'x': a frame must be shown for some seconds, at most 655.35, not 0",
    ),
    ("log_video", (IMAGE[None],), {"format": "avi"}, "video 'x': format must be one of gif, mp4, not 'avi'"),
    (
        "log_audio",
        (np.zeros((2, 100)),),
        {},
        "audio 'x' has shape (2, 100); allowed: (T,), or (T, C) with 1 to 8",
    ),
    ("log_audio", ([],), {}, "audio 'x' has shape (0,)"),
    (
        "log_audio",
        ([0.0, 1.5],),
        {},
        "audio 'x' has values of dtype float64 from 0 to 1.5; allowed: floats of -1 to 1, or int16",
    ),
    ("log_audio", ([0, 1],), {}, "audio 'x' has dtype int64; allowed: floats of -1 to 1, or int16"),
    (
        "log_audio",
        ([0.0], 0, 0.5),
        {},
        "must be a whole number of samples a second, such as 44100, not 0.5",
    ),
    ("log_histogram", (["a"],), {}, "histogram 'x' must be an array of numbers, not ['a'] (dtype <U1)"),
    ("log_histogram", ([1.0], 0, 0), {}, "histogram 'x': bins must be 1 to 10,000, or edges, not 0"),
    (
        "log_histogram",
        ([1.0], 0, [1, 1]),
        {},
        "the edges of bins must be 2 to 10,001 numbers that grow, not shape (2,)",
    ),
    ("log_histogram", ([1.0], 0, [1, np.inf]), {}, "histogram 'x': the edges of bins must be finite"),
    (
        "log_figure",
        (3,),
        {},
        "figure 'x' must be a matplotlib Figure or a plotly one, not 3; of an Axes give `.figure`",
    ),
    ("log_mesh", ([1, 2, 3],), {}, "mesh 'x': vertices has shape (3,); allowed: (V, 3): x, y and z"),
    ("log_mesh", ([[1, 2, np.nan]],), {}, "mesh 'x': vertices must be finite, and not beyond 3.4e+38"),
    (
        "log_mesh",
        (TRIANGLE, [[0, 1]]),
        {},
        "mesh 'x': faces has shape (1, 2); allowed: (F, 3): numbers of vertices",
    ),
    ("log_mesh", (TRIANGLE, [[0.0, 1, 2]]), {}, "mesh 'x': faces has dtype float64; allowed: integers"),
    (
        "log_mesh",
        (TRIANGLE, [[1, 2, 3]]),
        {},
        "mesh 'x': faces has numbers from 1 to 3; allowed: 0 to 2, as there are 3 vertices",
    ),
    (
        "log_mesh",
        (TRIANGLE, None, [[1, 2, 3]]),
        {},
        "colors has shape (1, 3); allowed: (3, 3): one color for each",
    ),
    (
        "log_mesh",
        (TRIANGLE, None, TRIANGLE.astype(int) * 256),
        {},
        "colors has values of dtype int64 from 0 to 256; allowed: integers of 0 to 255, floats of 0 to 1",
    ),
    ("log_pointcloud", ([1, 2, 3],), {}, "mesh 'x': points has shape (3,); allowed: (V, 3): x, y and z"),
    (
        "log_embedding",
        ([1, 2],),
        {},
        "embedding 'x' has shape (2,); allowed: (N, D): N points in D dimensions",
    ),
    ("log_embedding", ([[np.inf]],), {}, "embedding 'x' must be finite, and not beyond 3.4e+38"),
    (
        "log_embedding",
        ([[1]], 0, ["a", "b"]),
        {},
        "embedding 'x': 1 points, but 2 labels in 'label'; a list with one",
    ),
    (
        "log_embedding",
        ([[1]], 0, {"n": "a"}),
        {},
        "embedding 'x': 1 points, but 1 labels in 'n'; a list with one",
    ),
    (
        "log_embedding",
        ([[1]], 0, None, IMAGE[None, None]),
        {},
        "embedding 'x': image_label has shape (1, 1, 4, 6, 3)",
    ),
    (
        "log_embedding",
        ([[1]], 0, None, [IMAGE, IMAGE]),
        {},
        "embedding 'x': 1 points, but 2 images; one for each point",
    ),
    (
        "log_embedding",
        (np.zeros((101, 1)), 0, None, np.zeros((101, 1, 900, 1), bool)),
        {},
        "images of 1 x 900 make a sprite of 9900 pixels a side; allowed: 8192. Give smaller images or fewer",
    ),
    ("log_pr_curve", ([1, 2], [0, 1]), {}, "pr_curve 'x': labels must be 0 and 1, or bool, not from 1 to 2"),
    ("log_pr_curve", ([], []), {}, "pr_curve 'x': labels has shape (0,); allowed: (N,)"),
    (
        "log_pr_curve",
        ([1], [1.5]),
        {},
        "predictions has values of dtype float64 from 1.5 to 1.5; allowed: probabilities",
    ),
    ("log_pr_curve", ([1], [1, 1]), {}, "pr_curve 'x': 1 labels, but 2 predictions; one for each label"),
    ("log_pr_curve", ([1], [1], 0, 1), {}, "pr_curve 'x': num_thresholds must be 2 to 100,000, not 1"),
    (
        "log_pr_curve",
        ([1], [1], 0, 9, [-1]),
        {},
        "pr_curve 'x': weights must not be negative, infinite or NaN",
    ),
    (
        "log_table",
        ([[1, 2], [3]],),
        {},
        "table 'x': row 1 has 1 cells, but there are 2 columns (0, 1); one cell for each",
    ),
    ("log_table", ([],), {}, "table 'x' has no columns; give rows, or columns=[...]"),
    (
        "log_table",
        ({"a": [1], "b": [1, 2]},),
        {},
        "table 'x': columns must be lists of one length, not {'a': 1, 'b': 2}",
    ),
    ("log_table", ("a,b",), {}, "table 'x' must be rows, columns by their names, or a DataFrame, not 'a,b'"),
    ("log_table", (["ab"],), {}, "table 'x': each row must be a list of cells or a mapping, not ['ab']"),
]


@pytest.mark.parametrize(("method", "given", "named", "message"), WRONG)
def test_what_is_wrong_is_told_in_one_line_and_nothing_is_recorded(
    method: str, given: tuple[Any, ...], named: dict[str, Any], message: str
) -> None:
    with capture() as records, pytest.raises(LoggingError, match=re.escape(message)) as raised:
        getattr(logger, method)("x", *given, **named)

    assert "\n" not in str(raised.value)
    assert list(records) == []


@pytest.mark.parametrize(
    ("hparams", "message"),
    [
        ({}, "hparams must hold at least one value, not {}"),
        (3, "hparams must be a mapping, a dataclass, an "),
    ],
)
def test_hyperparameters_that_are_none(hparams: Any, message: str) -> None:
    with capture() as records, pytest.raises(ExptoolsError, match=re.escape(message)):
        logger.log_hparams(hparams)

    assert list(records) == []


def test_a_tag_or_a_step_that_is_none() -> None:
    with capture():
        with pytest.raises(LoggingError, match="a tag must be a text that is not empty, not 3"):
            logger.log_image(3, IMAGE)  # type: ignore[arg-type]
        with pytest.raises(LoggingError, match=r"a step must be an integer, not 0\.5"):
            logger.log_image("x", IMAGE, 0.5)  # type: ignore[arg-type]


def test_a_logger_that_is_not_open_says_how_to_open_it_and_a_disabled_one_nothing() -> None:
    mine = Logger()
    with pytest.raises(LoggingError, match=r"the logger is not open, so image 'x' would be lost. Open it by"):
        mine.log_image("x", IMAGE)
    mine.disable()
    mine.log_image("x", "not even looked at")


def test_a_library_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    wanted = {
        "log_gif": ("an animation needs the package pillow: pip install pillow", {}),
        "log_video": ("an animation needs the package pillow", {}),
    }
    with capture():
        for method, (message, named) in wanted.items():
            with pytest.raises(LoggingError, match=message):
                getattr(logger, method)("x", IMAGE[None], **named)
        with pytest.raises(LoggingError, match="log_image_with_boxes with labels needs the package pillow"):
            logger.log_image_with_boxes("x", IMAGE, [[0, 0, 1, 1]], labels=["a"])
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "imageio_ffmpeg" else 1)
    with (
        capture(),
        pytest.raises(LoggingError, match="needs the package imageio-ffmpeg: pip install"),
    ):
        logger.log_video("x", IMAGE[None], format="mp4")


def test_values_a_little_beyond_are_rounding() -> None:
    with capture() as records:
        logger.log_image("x", np.array([[1 + 1e-6, -1e-6, 0.5]], np.float32), 0)

    [media] = records.media()
    from exptools.logging.kinds.pixels import as_uint8

    assert as_uint8(media.value.pixels).ravel().tolist() == [255, 0, 128]  # type: ignore[attr-defined]


def test_what_is_wrong_does_not_change_the_step() -> None:
    with capture() as records:
        logger.log_scalar("x", 1.0, 3)
        with pytest.raises(LoggingError):
            logger.log_image("image", "cat.png", 9)
        logger.log_scalar("x", 2.0)

    assert records.scalars("x") == [(3, 1.0), (3, 2.0)]


def test_what_is_masked_is_no_number(tmp_path: Path) -> None:
    masked = np.ma.masked_array([1, 3, 10**9], mask=[False, False, True])
    with Logger(tmp_path) as mine:
        mine.log_histogram("h", masked, 0, bins=np.int64(2))
        mine.log_scalars({"all": np.ma.masked, "one": masked[2:], "two": masked[:1]}, 0)
        mine.log_scalar_batch("batch", masked, 1)
        with pytest.raises(LoggingError, match="has values of dtype float64 from nan to nan"):
            mine.log_image("x", np.ma.masked_array(np.zeros((2, 2)), mask=True))

    [entry] = [json.loads(line) for line in (tmp_path / "media.jsonl").read_text().splitlines()]
    assert (entry["edges"], entry["counts"], entry["nan"]) == ([1, 2, 3], [1, 1], 1)
    rows = (tmp_path / "progress.csv").read_text().splitlines()
    assert rows[1].split(",")[2:5] == ["nan", "nan", "1.0"]
    assert rows[2].split(",")[5:] == ["2.0", "1.0", "2.0", "1.0", "3.0", "2.0"]


def test_an_array_that_cannot_be_read_is_no_batch(tmp_path: Path) -> None:
    class Deleted:
        def __array__(self, *given: Any, **named: Any) -> Any:
            raise RuntimeError("its buffer was deleted")

    said = r"batch 'x' must be an array of numbers, not .* \(its buffer was deleted\)"
    with Logger(tmp_path) as mine, pytest.raises(LoggingError, match=said):
        mine.log_scalar_batch("x", Deleted())


def test_numpys_numbers_are_durations_and_rates(tmp_path: Path) -> None:
    with Logger(tmp_path) as mine:
        mine.log_gif("x", IMAGE[None], 0, np.float32(0.5))
        mine.log_video("x", IMAGE[None], 1, np.int64(4))

    lines = (tmp_path / "media.jsonl").read_text().splitlines()
    assert [json.loads(line)["frame_s"] for line in lines] == [0.5, 0.25]
