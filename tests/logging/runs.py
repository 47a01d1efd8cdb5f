"""What a run has left in its directory, as tests look at it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

Curve = list[tuple[int, float]]

# A Hydra application that logs one scalar.
APP = """
import hydra
from hydra.core.config_store import ConfigStore
from exptools.logging import logger
ConfigStore.instance().store(name="app", node={"defaults": ["_self_", "exptools"]})
@hydra.main(version_base=None, config_name="app")
def main(cfg):
    logger.log_scalar("loss", 1.0, 0)
    logger.dump()
main()
"""


def status(run_dir: Path) -> dict[str, Any]:
    """status.json."""
    found: dict[str, Any] = json.loads((run_dir / "status.json").read_text())
    return found


def shown_by_tensorboard(run_dir: Path) -> dict[str, Curve]:
    """Steps and values of every scalar tag, as TensorBoard's Python reader has them."""
    accumulator = EventAccumulator(str(run_dir), size_guidance={"scalars": 0})
    accumulator.Reload()
    return {
        tag: [(e.step, e.value) for e in accumulator.Scalars(tag)] for tag in accumulator.Tags()["scalars"]
    }
