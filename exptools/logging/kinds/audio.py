"""Sounds: WAV files, and TensorBoard's Audio."""

from __future__ import annotations

import functools
import io
import wave
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from exptools.errors import LoggingError
from exptools.formats import summaries
from exptools.logging.kinds.arrays import Array, copied, of_shape, within

MOST_CHANNELS = 8
_RANGE = "floats of -1 to 1, or int16"


@dataclass(frozen=True, eq=False)
class Audio:
    """A sound. samples: (T, C), int16 or floats of -1 to 1."""

    samples: Array
    sample_rate: int
    kind: ClassVar[str] = "audio"

    @classmethod
    def of(cls, tag: str, data: Any, sample_rate: Any) -> Audio:
        """Of what a user gave. Raises LoggingError: a wrong shape, dtype, range or sample rate."""
        what = f"audio {tag!r}"
        if not isinstance(sample_rate, int | np.integer) or not 1 <= sample_rate < 2**31:
            raise LoggingError(
                f"{what}: sample_rate must be a whole number of samples a second, such as 44100, not "
                f"{sample_rate!r}"
            )
        shapes: list[tuple[int | None, ...]] = [(None,), *((None, n) for n in range(1, MOST_CHANNELS + 1))]
        allowed = f"(T,), or (T, C) with 1 to {MOST_CHANNELS} channels C"
        samples = of_shape(what, copied(what, data), allowed, *shapes)
        if samples.dtype.kind == "f":
            within(what, samples, -1, 1, f"{_RANGE}; divide by np.abs(x).max()")
        elif samples.dtype != np.int16:
            raise LoggingError(f"{what} has dtype {samples.dtype}; allowed: {_RANGE}")
        return cls(samples.reshape(len(samples), -1), int(sample_rate))

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        return self.samples.nbytes

    @functools.cached_property
    def _wav(self) -> bytes:
        samples = self.samples
        if samples.dtype.kind == "f":
            samples = np.rint(np.clip(samples.astype(np.float64), -1, 1) * 32767)
        out = io.BytesIO()
        with wave.open(out, "wb") as file:
            file.setnchannels(samples.shape[1])
            file.setsampwidth(2)
            file.setframerate(self.sample_rate)
            file.writeframes(samples.astype("<i2").tobytes())
        return out.getvalue()

    def summaries(self, tag: str) -> list[bytes]:
        """The sound."""
        return [summaries.audio(tag, self._wav)]

    def files(self) -> dict[str, bytes]:
        """The sound, 16 bits a sample."""
        return {".wav": self._wav}

    def facts(self) -> dict[str, Any]:
        """How fast, how long and how many channels."""
        n, channels = self.samples.shape
        return {"sample_rate": self.sample_rate, "samples": n, "channels": channels}
