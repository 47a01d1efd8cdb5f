"""TensorBoard's Rust data server, which reads event files for `tensorboard` by default."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

PLUGINS = ("scalars", "images", "audio", "histograms", "text", "mesh", "pr_curves", "hparams")


def until(holds: Callable[[], bool], patience_s: float = 60) -> None:
    """Wait until that holds."""
    deadline = time.monotonic() + patience_s
    while not holds():
        assert time.monotonic() < deadline, "it did not come"
        time.sleep(0.05)


@contextlib.contextmanager
def rust_server(logdir: Path) -> Iterator[Any]:
    """The data provider of a server over `logdir` that keeps every sample."""
    from tensorboard.data import server_ingester
    from tensorboard.util import grpc_util

    with tempfile.TemporaryDirectory() as scratch:
        port = Path(scratch, "port")
        command = [
            server_ingester.get_server_binary().path,
            f"--logdir={logdir}",
            "--port=0",
            f"--port-file={port}",
            "--die-after-stdin",
            f"--samples-per-plugin={','.join(f'{plugin}=all' for plugin in PLUGINS)}",
        ]
        with subprocess.Popen(command, stdin=subprocess.PIPE) as process:
            until(lambda: port.exists() and port.read_text().endswith("\n"))
            yield server_ingester.ExistingServerDataIngester(
                f"localhost:{port.read_text().strip()}", channel_creds_type=grpc_util.ChannelCredsType.LOCAL
            ).data_provider
            assert process.stdin is not None
            process.stdin.close()
