"""What Stable-Baselines3 logs, in the run: `model.set_logger(sb3_logger())`."""

from __future__ import annotations

import numbers
from collections.abc import Callable
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
    they are. None is left out. What `record(..., exclude=...)` names is kept from that writer from then on.
    At each dump the table of the last values is shown, at most every `console_every_s` seconds.
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
            LoggingError: the logger is not open any more, or a number cannot be kept as float64.
        """
        scalars = {}
        for key, value in key_values.items():
            excluded = key_excluded.get(key) or ()
            if _is_number(value):
                scalars[key] = value
                self._exclude(key, excluded)
            elif value is not None:
                self._write_rich(key, value, step, excluded)
        self._logger.log_scalars(scalars, step)
        self._logger.dump_scalar()

    def write_sequence(self, sequence: list[str]) -> None:
        """Print and keep a text of `model.logger.info(...)` and the like."""
        self._logger.log_text(" ".join(sequence))

    def close(self) -> None:
        """Nothing ends: the run goes on, and closes its files itself."""

    def _exclude(self, key: str, excluded: tuple[str, ...]) -> None:
        names = [_WRITERS[name] for name in excluded if name in _WRITERS]
        self._logger.exclude(key, [name for name in names if name in self._logger.writers])

    def _write_rich(self, key: str, value: Any, step: int, excluded: tuple[str, ...]) -> None:
        if isinstance(value, str):
            return self._logger.log_text(f"{key}: {value}", step)
        if "tensorboard" in excluded:  # only there it would be seen
            return
        if isinstance(value, sb3.Image):
            self._call("log_image", key, value.image, step=step, dataformats=value.dataformats)
        elif isinstance(value, sb3.Figure):
            self._call("log_figure", key, value.figure, step=step, close=value.close)
        elif isinstance(value, sb3.Video):
            self._call("log_video", key, value.frames, step=step, fps=value.fps)
        elif isinstance(value, sb3.HParam):
            self._call("log_hparams", value.hparam_dict, value.metric_dict)
        elif hasattr(value, "dtype"):
            self._call("log_histogram", key, value, step=step)
        else:
            say_once(f"{key!r} of Stable-Baselines3 is not recorded: it is a {type(value).__name__}")

    def _call(self, method: str, *args: Any, **options: Any) -> None:
        log: Callable[..., None] | None = getattr(self._logger, method, None)
        if log is None:
            return say_once(f"the logger has no {method}(): what is for it is not recorded")
        log(*args, **options)


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
