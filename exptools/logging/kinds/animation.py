"""Images one after the other: animated GIF, which TensorBoard shows, and MP4 where its encoder is there."""

from __future__ import annotations

import functools
import io
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.arrays import Array
from exptools.logging.kinds.libraries import require
from exptools.logging.kinds.pixels import as_uint8, pixels

FORMATS = ("gif", "mp4")
# What GIF has room for (https://www.w3.org/Graphics/GIF/spec-gif89a.txt).
MOST_PIXELS = 2**16 - 1  # a side
MOST_FRAME_S = 655.35


@dataclass(frozen=True, eq=False)
class Animation:
    """Frames. pixels: (T, H, W, C), uint8, bool, or floats of 0 to 1. frame_s: seconds that each is shown."""

    pixels: Array
    frame_s: float
    format: str = "gif"
    kind: ClassVar[str] = "gif"

    @classmethod
    def of(cls, tag: str, data: Any, frame_s: Any, dataformats: str, format: str = "gif") -> Animation:
        """Of what a user gave. Raises LoggingError: see pixels.pixels; a library is missing."""
        what = f"gif {tag!r}" if format == "gif" else f"video {tag!r}"
        if format not in FORMATS:
            raise LoggingError(f"{what}: format must be one of {', '.join(FORMATS)}, not {format!r}")
        if not isinstance(frame_s, int | float | np.number) or not 0 < frame_s <= MOST_FRAME_S:
            raise LoggingError(
                f"{what}: a frame must be shown for some seconds, at most {MOST_FRAME_S}, not {frame_s!r}"
            )
        require("an animation", "PIL", "pillow")
        if format == "mp4":
            require("log_video with format='mp4'", "imageio_ffmpeg", "imageio-ffmpeg")
        frames = pixels(what, data, dataformats, "T")
        if max(frames.shape[1:3]) > MOST_PIXELS:
            height, width = frames.shape[1:3]
            raise LoggingError(
                f"{what} has frames of {height} x {width} pixels; allowed: {MOST_PIXELS:,} a side"
            )
        return cls(frames, float(frame_s), format)

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.pixels.nbytes

    @functools.cached_property
    def _gif(self) -> bytes:
        from PIL import Image

        first, *rest = (Image.fromarray(frame) for frame in self._frames())
        out = io.BytesIO()
        duration_ms = max(20, round(self.frame_s * 1000))  # what is faster browsers show slowly
        first.save(out, "GIF", save_all=True, append_images=rest, duration=duration_ms, loop=0)
        return out.getvalue()

    def _frames(self) -> NDArray[np.uint8]:
        """(T, H, W, 3), or (T, H, W) if gray; what is transparent is over white."""
        frames = as_uint8(self.pixels)
        if frames.shape[-1] == 1:
            return frames[..., 0]
        if frames.shape[-1] == 4:
            alpha = frames[..., 3:].astype(np.float32) / 255
            return np.rint(frames[..., :3] * alpha + 255 * (1 - alpha)).astype(np.uint8)
        return frames

    @functools.cached_property
    def _mp4(self) -> bytes:
        """H.264 with an even number of rows and columns, as players want it: the last ones are doubled."""
        import imageio_ffmpeg

        frames = self._frames()
        if frames.ndim == 3:
            frames = np.repeat(frames[..., None], 3, axis=-1)
        odd = [(0, n % 2) for n in frames.shape[1:3]]
        frames = np.pad(frames, [(0, 0), *odd, (0, 0)], mode="edge")
        size = (frames.shape[2], frames.shape[1])
        with tempfile.TemporaryDirectory() as scratch:
            path = Path(scratch, "video.mp4")
            encoder = imageio_ffmpeg.write_frames(
                str(path), size, fps=1 / self.frame_s, macro_block_size=1, ffmpeg_log_level="error"
            )
            encoder.send(None)
            for frame in frames:
                encoder.send(np.ascontiguousarray(frame))
            encoder.close()
            return path.read_bytes()

    def summaries(self, tag: str) -> list[bytes]:
        """The GIF, which TensorBoard shows among the images."""
        _, height, width, _ = self.pixels.shape
        return [summaries.images(tag, width, height, [self._gif])]

    def files(self) -> dict[str, bytes]:
        """The animation."""
        return {".gif": self._gif} if self.format == "gif" else {".mp4": self._mp4}

    def facts(self) -> dict[str, Any]:
        """How many frames of which size, and how long each is shown."""
        frames, height, width, channels = self.pixels.shape
        size = {"height": height, "width": width, "channels": channels}
        return {"frames": frames, "frame_s": self.frame_s, **size}
