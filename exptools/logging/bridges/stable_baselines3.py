"""What Stable-Baselines3 logs, in the run: `model.set_logger(sb3_logger())`."""

from __future__ import annotations

import numbers
from typing import Any

from exptools.logging import Logger
from exptools.logging import logger as the_global
from exptools.say import say_once

try:
    from stable_baselines3.common import logger as sb3
except ImportError as error:
    raise ImportError(
        f"this bridge needs Stable-Baselines3, which cannot be imported ({error}): "
        "pip install stable-baselines3"
    ) from error

# Our writers by the names of the formats that `record(..., exclude=...)` speaks of.
_WRITERS = {"tensorboard": "tensorboard", "csv": "csv", "json": "jsonl", "stdout": "console"}


class ExptoolsOutputFormat(sb3.KVWriter, sb3.SeqWriter):  # type: ignore[misc]  # it may not be installed
    """An output format of Stable-Baselines3 that records into the run.

    All numbers of one dump are one row, at the step that Stable-Baselines3 gives: `num_timesteps`. Texts are
    printed and kept in debug.log; arrays and tensors become histograms; Image, Figure, Video and HParam what
    they are (each of several videos under a tag of its own: `key/0`, ...). None is left out. What
    `record(..., exclude=...)` names is kept from that writer from then on. At each dump the table of the
    last values is shown, at most every `console_every_s` seconds.
    """

    def __init__(self, logger: Logger | None = None) -> None:
        """logger: another one than the process-global one.

        Raises:
            LoggingError: it is not open.
        """
        self._logger = the_global if logger is None else logger
        self._logger._opened("what Stable-Baselines3 logs")

    def write(
        self, key_values: dict[str, Any], key_excluded: dict[str, tuple[str, ...]], step: int = 0
    ) -> None:
        """Record what was recorded since the last dump; called by Stable-Baselines3.

        Raises:
            LoggingError: the logger is not open any more, a number cannot be kept as float64, or a rich value
                has a shape or range that its kind does not allow.
        """
        scalars = {}
        for key, value in key_values.items():
            exclude = self._writers_of(key_excluded.get(key) or ())
            if _is_number(value):
                scalars[key] = value
                self._logger.exclude(key, exclude)
            elif value is not None:
                self._log_rich(key, value, step, exclude)
        self._logger.log_scalars(scalars, step)
        self._logger.dump_scalar()

    def write_sequence(self, sequence: list[str]) -> None:
        """Print and keep a text of `model.logger.info(...)` and the like."""
        self._logger.log_text(" ".join(sequence))

    def close(self) -> None:
        """Nothing ends: the run goes on, and closes its files itself."""

    def _writers_of(self, formats: tuple[str, ...]) -> list[str]:
        """Our writers that are meant by the names of formats, as far as the run has them."""
        names = [_WRITERS[name] for name in formats if name in _WRITERS]
        return [name for name in names if name in self._logger.writers]

    def _log_rich(self, key: str, value: Any, step: int, exclude: list[str]) -> None:
        log = self._logger
        if isinstance(value, str):
            log.log_text(f"{key}: {value}", step)
        elif isinstance(value, sb3.Image):
            method = log.log_images if value.dataformats.startswith("N") else log.log_image
            method(key, value.image, step, value.dataformats, exclude=exclude)
        elif isinstance(value, sb3.Figure):
            log.log_figure(key, value.figure, step, value.close, exclude=exclude)
        elif isinstance(value, sb3.Video):  # frames: (N, T, C, H, W)
            for number, frames in enumerate(value.frames):
                tag = key if len(value.frames) == 1 else f"{key}/{number}"
                log.log_video(tag, frames, step, value.fps, "TCHW", exclude=exclude)
        elif isinstance(value, sb3.HParam):
            log.log_hparams(value.hparam_dict, value.metric_dict, step, exclude=exclude)
        elif hasattr(value, "dtype"):
            log.log_histogram(key, value, step, exclude=exclude)
        else:
            say_once(f"{key!r} of Stable-Baselines3 is not recorded: it is a {type(value).__name__}")


def _is_number(value: Any) -> bool:
    """Whether it is one number: of Python or numpy, or an array or tensor with one element."""
    shape = getattr(value, "shape", None)
    if shape is None:
        return isinstance(value, numbers.Number)
    return all(n == 1 for n in shape) and not isinstance(value, str)


def sb3_logger(logger: Logger | None = None) -> Any:
    """A `stable_baselines3.common.logger.Logger` that records into the run, for `model.set_logger`.

    logger: another one than the process-global one.

    Raises:
        LoggingError: it is not open.
    """
    where = the_global if logger is None else logger
    folder = None if where.run_dir is None else str(where.run_dir)
    return sb3.Logger(folder, [ExptoolsOutputFormat(where)])
