"""The names that rlpyt and the first exptools gave to the logger's methods: kept, one line each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any, SupportsFloat

from exptools.errors import LoggingError
from exptools.logging.outputs import Outputs
from exptools.logging.resumable import Resumable
from exptools.logging.rich import RichKinds


class Aliases(Outputs, Resumable, RichKinds):
    """Old names of what the logger does. Nothing is deprecated about them."""

    # --- the first exptools: prefixes by kind, and its own name for dump --------------------------------

    @contextlib.contextmanager
    def text_prefix(self, prefix: str) -> Iterator[None]:
        """As `prefix(prefix, "text")`."""
        with self.prefix(prefix, "text"):
            yield

    def push_text_prefix(self, prefix: str) -> None:
        """As `push_prefix(prefix, "text")`."""
        self.push_prefix(prefix, "text")

    def pop_text_prefix(self) -> None:
        """As `pop_prefix("text")`."""
        self.pop_prefix("text")

    @contextlib.contextmanager
    def scalar_prefix(self, prefix: str) -> Iterator[None]:
        """As `prefix(prefix, "scalar", "histogram")`: histograms went with scalars."""
        with self.prefix(prefix, "scalar", "histogram"):
            yield

    def push_scalar_prefix(self, prefix: str) -> None:
        """As `push_prefix(prefix, "scalar", "histogram")`."""
        self.push_prefix(prefix, "scalar", "histogram")

    def pop_scalar_prefix(self) -> None:
        """As `pop_prefix("scalar", "histogram")`."""
        self.pop_prefix("scalar", "histogram")

    @contextlib.contextmanager
    def image_prefix(self, prefix: str) -> Iterator[None]:
        """As `prefix(prefix, "image")`."""
        with self.prefix(prefix, "image"):
            yield

    def push_image_prefix(self, prefix: str) -> None:
        """As `push_prefix(prefix, "image")`."""
        self.push_prefix(prefix, "image")

    def pop_image_prefix(self) -> None:
        """As `pop_prefix("image")`."""
        self.pop_prefix("image")

    @contextlib.contextmanager
    def gif_prefix(self, prefix: str) -> Iterator[None]:
        """As `prefix(prefix, "gif")`."""
        with self.prefix(prefix, "gif"):
            yield

    def push_gif_prefix(self, prefix: str) -> None:
        """As `push_prefix(prefix, "gif")`."""
        self.push_prefix(prefix, "gif")

    def pop_gif_prefix(self) -> None:
        """As `pop_prefix("gif")`."""
        self.pop_prefix("gif")

    def record_image(self, tag: str, data: Any, step: int | None = None) -> None:
        """As `log_image` with dataformats "CHW", which it had; (H, W) as well."""
        self.log_image(tag, data, step, "CHW")

    def record_gif(self, tag: str, data: Any, step: int | None = None, duration: float = 0.1) -> None:
        """As `log_gif` with dataformats "TCHW" or "THW", which it had."""
        is_gray = len(data) > 0 and len(getattr(data[0], "shape", ())) == 2
        self.log_gif(tag, data, step, duration, "THW" if is_gray else "TCHW")

    def dump_data(self) -> None:
        """As `dump`."""
        self.dump()

    def save_param_dict(self, param: Any, filename: str) -> None:
        """As `log_params`."""
        self.log_params(param, filename)

    # --- rlpyt ------------------------------------------------------------------------------------------

    def log(
        self, s: str, with_prefix: bool = True, with_timestamp: bool = True, color: str | None = None
    ) -> None:
        """As `log_text`."""
        if isinstance(s, Mapping):  # as wandb's users would write it: the numbers would be in no curve
            raise LoggingError("log() takes a text; numbers by their tags go to log_scalars()")
        self.log_text(s, with_timestamp=with_timestamp, with_prefix=with_prefix, color=color)

    def record_tabular(self, key: str, val: SupportsFloat, step: int | None = None) -> None:
        """As `log_scalar`."""
        self.log_scalar(key, val, step)

    def record_tabular_misc_stat(self, key: str, values: Any, step: int | None = None) -> None:
        """As `log_scalar_batch`; rlpyt's own names are without the slash and Len."""
        self.log_scalar_batch(key, values, step)

    def dump_tabular(self, *args: Any, **kwargs: Any) -> None:
        """As `dump_scalar`; the step is that of `set_iteration`. Its arguments say how a table is printed."""
        self.dump_scalar()

    @contextlib.contextmanager
    def tabular_prefix(self, key: str) -> Iterator[None]:
        """As `scalar_prefix`."""
        with self.scalar_prefix(key):
            yield

    def push_tabular_prefix(self, key: str) -> None:
        """As `push_scalar_prefix`."""
        self.push_scalar_prefix(key)

    def pop_tabular_prefix(self) -> None:
        """As `pop_scalar_prefix`."""
        self.pop_scalar_prefix()

    def set_iteration(self, iteration: int) -> None:
        """As `set_step`."""
        self.set_step(iteration)

    def add_tabular_output(self, file_name: str) -> None:
        """One more CSV file that gets all scalars; or the one again that `hold_tabular_output` held."""
        if self.is_held(file_name):
            self.release_output(file_name)
        else:
            self.add_scalar_output(file_name, everything=True)

    def remove_tabular_output(self, file_name: str) -> None:
        """As `remove_scalar_output`."""
        self.remove_scalar_output(file_name)

    def hold_tabular_output(self, file_name: str) -> None:
        """As `hold_output`, until `add_tabular_output`."""
        self.hold_output(file_name)

    def disable_tabular(self) -> None:
        """Keep scalars from progress.csv until `enable_tabular`."""
        self.hold_output("csv")

    def enable_tabular(self) -> None:
        """Let progress.csv have scalars again."""
        self.release_output("csv")

    def log_parameters(self, log_file: str, args: Any, classes: Any = None) -> None:
        """As `log_params`; `classes` is passed over."""
        self.log_params(args, log_file)

    def save_itr_params(self, itr: int, params: Any) -> None:
        """As `save_snapshot`."""
        self.save_snapshot(itr, params)

    def set_snapshot_mode(self, mode: Any) -> None:
        """Which snapshots are kept from now on: none, last, all, gap, last+gap, or a number: the gap."""
        self.set_snapshots(mode=mode)

    def set_snapshot_gap(self, gap: int) -> None:
        """The gap of the modes gap and last+gap."""
        self.set_snapshots(gap=gap)

    def get_snapshot_mode(self) -> str:
        """The mode that was set."""
        return self.snapshot_policy.mode

    def get_snapshot_gap(self) -> int:
        """The gap that was set."""
        return self.snapshot_policy.gap

    def set_snapshot_dir(self, dir_name: str) -> None:
        """Snapshots lie in the run directory, so there is nothing to set."""

    def get_snapshot_dir(self) -> str | None:
        """The run directory; snapshots lie in its `snapshots/`."""
        return None if self.run_dir is None else str(self.run_dir)

    def set_log_tabular_only(self, log_tabular_only: bool) -> None:
        """Texts are printed in any case, so there is nothing to set."""

    def set_tf_summary_writer(self, writer_name: Any) -> None:
        """TensorBoard's file is written by the logger itself, so there is nothing to set."""
