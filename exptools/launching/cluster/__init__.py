"""How users of the first exptools describe what they want of a cluster, for run_on_cluster."""

from __future__ import annotations

import abc
from typing import Any, ClassVar


class ClusterHandlerBase(abc.ABC):
    """What is asked of a scheduler for every run. engine: the one that submits it."""

    engine: ClassVar[str]

    @abc.abstractmethod
    def executor(self) -> dict[str, Any]:
        """The same as hydra.launcher.executor has it."""
