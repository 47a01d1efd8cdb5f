"""What a run can say besides numbers and texts: images, sounds, histograms, ... Each kind is in kinds/."""

from __future__ import annotations

import time
from collections.abc import Collection, Mapping, Sequence
from typing import Any, SupportsFloat

from exptools.logging.core import Core
from exptools.logging.writers.base import Value


class RichKinds(Core):
    """The part of the logger that takes what is rich.

    All methods have in common:

    data: arrays of numpy, torch (any device, dtype and graph) or jax, or nested lists; they are copied, and
    encoded later by the writing thread.
    step: the x of it, an int64; None: the step that was used last.
    with_prefix: put the current prefix of its kind in front of the tag.
    exclude: names of writers that shall not get this tag, from now on, such as "media".
    LoggingError: the logger is not open, or what is given is not as described; the message says what is.
    """

    def log_histogram(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        bins: int | Sequence[float] = 30,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record how numbers are distributed.

        Args:
            data: numbers of any shape and dtype. NaN, what is masked, and infinities are not counted in a
                bin, but told of.
            bins: how many of equal width between the least and the greatest number, 1 to 10,000; or their
                edges, float64, growing.

        TensorBoard: Histograms, Distributions. media.jsonl: edges (k + 1) and counts (k), exactly.
        """
        from exptools.logging.kinds.histogram import Histogram

        self._record(tag, "histogram", lambda: Histogram.of(tag, data, bins), step, with_prefix, exclude)

    def log_image(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        dataformats: str = "HWC",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record an image.

        Args:
            data: (H, W, C), by dataformats "CHW" (C, H, W), and (H, W) in any case; C is 1 (gray), 3 (RGB)
                or 4 (RGBA). uint8 of 0 to 255, floats of 0 to 1, or bool.

        TensorBoard: Images. media/: a PNG, without loss.
        """
        from exptools.logging.kinds.image import Images

        self._record(tag, "image", lambda: Images.one(tag, data, dataformats), step, with_prefix, exclude)

    def log_images(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        dataformats: str = "NHWC",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record images of one size.

        Args:
            data: (N, H, W, C), by dataformats "NCHW" (N, C, H, W), by "NHW" (N, H, W); N from 1 on, the rest
                as in log_image.

        TensorBoard: Images, as samples of one tag. media/: a PNG for each, without loss.
        """
        from exptools.logging.kinds.image import Images

        self._record(tag, "image", lambda: Images.batch(tag, data, dataformats), step, with_prefix, exclude)

    def log_image_with_boxes(
        self,
        tag: str,
        data: Any,
        boxes: Any,
        step: int | None = None,
        labels: Sequence[str] | None = None,
        dataformats: str = "HWC",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record an image with boxes drawn into it.

        Args:
            data, dataformats: as in log_image.
            boxes: (N, 4): left, top, right, bottom in pixels from the upper left corner; N may be 0.
            labels: a text for each box, written at it (needs Pillow); each label has a color of its own, of
                six.

        TensorBoard: Images. media/: a PNG with and one without the boxes, and the boxes as JSON.
        """
        from exptools.logging.kinds.boxes import BoxedImage

        def make() -> Value:
            return BoxedImage.of(tag, data, boxes, labels, dataformats)

        self._record(tag, "image", make, step, with_prefix, exclude)

    def log_gif(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        duration: float = 0.1,
        dataformats: str = "THWC",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record frames as an animated GIF: up to 256 colors a frame. Needs Pillow.

        Args:
            data: (T, H, W, C), by dataformats "TCHW" (T, C, H, W), by "THW" (T, H, W); T from 1 on, the rest
                as in log_image. What is transparent is shown over white.
            duration: seconds that each frame is shown; GIF knows hundredths, from 0.02 to 655.35.

        TensorBoard: Images. media/: a GIF.
        """
        from exptools.logging.kinds.animation import Animation

        def make() -> Value:
            return Animation.of(tag, data, duration, dataformats)

        self._record(tag, "gif", make, step, with_prefix, exclude)

    def log_video(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        fps: float = 10.0,
        dataformats: str = "THWC",
        format: str = "gif",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record frames as a video. It has the prefixes of the kind gif.

        Args:
            data, dataformats: as in log_gif.
            fps: frames a second.
            format: "gif", as log_gif; or "mp4" (H.264), which needs the package imageio-ffmpeg. TensorBoard,
                which shows no MP4, is given the GIF in any case.
        """
        from exptools.logging.kinds.animation import Animation

        def make() -> Value:
            frame_s = 1 / fps if isinstance(fps, SupportsFloat) and fps > 0 else fps
            return Animation.of(tag, data, frame_s, dataformats, format)

        self._record(tag, "gif", make, step, with_prefix, exclude)

    def log_audio(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        sample_rate: int = 44100,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record a sound.

        Args:
            data: (T,) or (T, C), C channels, 1 to 8; floats of -1 to 1, or int16.
            sample_rate: samples a second.

        TensorBoard: Audio. media/: a WAV of 16 bits a sample.
        """
        from exptools.logging.kinds.audio import Audio

        self._record(tag, "audio", lambda: Audio.of(tag, data, sample_rate), step, with_prefix, exclude)

    def log_figure(
        self,
        tag: str,
        figure: Any,
        step: int | None = None,
        close: bool = False,
        dpi: float | None = None,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record a figure as it is now: it is drawn before this returns.

        Args:
            figure: of matplotlib, or of plotly (which needs the package kaleido).
            close: let pyplot forget it afterwards, so that its memory is free.
            dpi: pixels an inch; None: the figure's own. Not for plotly.

        TensorBoard: Images. media/: a PNG; of plotly its JSON, too.
        """
        from exptools.logging.kinds.figure import Figure

        self._record(tag, "figure", lambda: Figure.of(tag, figure, close, dpi), step, with_prefix, exclude)

    def log_mesh(
        self,
        tag: str,
        vertices: Any,
        faces: Any = None,
        colors: Any = None,
        step: int | None = None,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record a surface of triangles.

        Args:
            vertices: (V, 3) finite numbers: x, y, z; kept as float32.
            faces: (F, 3) integers: the three vertices of a triangle, 0 to V - 1. None: points alone.
            colors: (V, 3): of each vertex, integers of 0 to 255 or floats of 0 to 1.

        TensorBoard: Mesh. media/: a PLY.
        """
        from exptools.logging.kinds.mesh import Mesh

        self._record(tag, "mesh", lambda: Mesh.of(tag, vertices, faces, colors), step, with_prefix, exclude)

    def log_pointcloud(
        self,
        tag: str,
        points: Any,
        colors: Any = None,
        step: int | None = None,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record points in space. It has the prefixes of the kind mesh.

        Args:
            points: (V, 3) finite numbers: x, y, z; kept as float32.
            colors: as in log_mesh.
        """
        from exptools.logging.kinds.mesh import Mesh

        def make() -> Value:
            return Mesh.of(tag, points, None, colors, "points")

        self._record(tag, "mesh", make, step, with_prefix, exclude)

    def log_embedding(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        text_label: Sequence[Any] | Mapping[str, Sequence[Any]] | None = None,
        image_label: Any = None,
        dataformats: str = "NHWC",
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record points of many dimensions, to be projected to two or three.

        Args:
            data: (N, D) finite numbers; kept as float32.
            text_label: a label for each point; or several by their names, each with one for each point.
            image_label: (N, H, W, C), or as dataformats say (see log_images): an image for each point. All
                in rows of ceil(sqrt(N)) must fit in 8192 x 8192 pixels.

        TensorBoard: Projector, when it is started after this. media/: TSV of points and labels, a PNG of all
        images; projector_config.pbtxt in the run directory lists all embeddings.
        """
        from exptools.logging.kinds.embedding import Embedding

        def make() -> Value:
            return Embedding.of(tag, data, text_label, image_label, dataformats)

        self._record(tag, "embedding", make, step, with_prefix, exclude)

    def log_pr_curve(
        self,
        tag: str,
        labels: Any,
        predictions: Any,
        step: int | None = None,
        num_thresholds: int = 127,
        weights: Any = None,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record precision and recall of a binary classifier.

        A prediction counts as positive at the thresholds that it reaches. Precision is TP / (TP + FP), recall
        TP / (TP + FN); 0 where that would be 0 / 0.

        Args:
            labels: N of any shape: bool, or 0 and 1.
            predictions: as many: probabilities of 0 to 1.
            num_thresholds: how many, evenly spaced from 0 to 1; 2 to 100,000.
            weights: as many: how much each counts, not negative. None: 1.

        TensorBoard: PR Curves. media/: a CSV, a line a threshold.
        """
        from exptools.logging.kinds.pr_curve import PrCurve

        def make() -> Value:
            return PrCurve.of(tag, labels, predictions, num_thresholds, weights)

        self._record(tag, "pr_curve", make, step, with_prefix, exclude)

    def log_hparams(
        self,
        hparams: Any,
        metrics: Mapping[str, SupportsFloat] | None = None,
        step: int | None = None,
        *,
        exclude: Collection[str] = (),
    ) -> None:
        """Record the hyperparameters of the run; prefixes do not hold for them.

        Args:
            hparams: a mapping, dataclass, argparse.Namespace or OmegaConf config. Nested names are joined by
                dots. Numbers, texts and bools are kept as such, None is the text "None", lists are JSON.
            metrics: what came out, logged as scalars of these tags (see log_scalars).

        TensorBoard: HParams, with the last value of every scalar of the run. It shows the config of the run
        (variant_config.json) without this, and those that are logged before all else; later ones if there is
        neither.
        media.jsonl: the values.

        Raises:
            ExptoolsError: hparams is none of these.
        """
        from exptools.logging.kinds.hparams import TAG, HParams

        self._record(TAG, "hparams", lambda: HParams.of(hparams, time.time()), step, False, exclude)
        if metrics:
            self.log_scalars(metrics, step, with_prefix=False)

    def log_table(
        self,
        tag: str,
        data: Any,
        step: int | None = None,
        columns: Sequence[str] | None = None,
        *,
        with_prefix: bool = True,
        exclude: Collection[str] = (),
    ) -> None:
        """Record a table.

        Args:
            data: rows of equal length, rows as mappings, columns by their names, or a DataFrame of pandas or
                polars. Cells are kept as texts; a float is the shortest one that reads back as the same.
            columns: what they are called; None: as `data` says, else 0, 1, ....

        TensorBoard: Text, the first 100 rows. media/: a CSV.
        """
        from exptools.logging.kinds.table import Table

        self._record(tag, "table", lambda: Table.of(tag, data, columns), step, with_prefix, exclude)
