"""Hydra's own tests of launchers, on `hydra/launcher=exptools`, with each engine."""

from __future__ import annotations

from hydra.core.plugins import Plugins
from hydra.plugins.launcher import Launcher
from hydra.test_utils.launcher_common_tests import (
    BatchedSweeperTestSuite,
    IntegrationTestSuite,
    LauncherTestSuite,
)
from pytest import mark

from hydra_plugins.exptools_launcher.launcher import ExptoolsLauncher


def test_hydra_finds_the_plugin() -> None:
    found = [plugin.__name__ for plugin in Plugins.instance().discover(Launcher)]

    assert ExptoolsLauncher.__name__ in found


JOBLIB = "hydra.launcher.engine=joblib"


@mark.parametrize(("launcher_name", "overrides"), [("exptools", []), ("exptools", [JOBLIB])])
class TestExptoolsLauncher(LauncherTestSuite):
    """One sweep at a time."""


@mark.parametrize(
    ("launcher_name", "overrides"),
    [
        ("exptools", ["hydra.sweeper.max_batch_size=2", "hydra.launcher.n_parallel=1"]),
        ("exptools", ["hydra.sweeper.max_batch_size=2", JOBLIB]),
    ],
)
class TestExptoolsLauncherInBatches(BatchedSweeperTestSuite):
    """A sweep in several batches."""


@mark.parametrize(
    ("task_launcher_cfg", "extra_flags"),
    [
        ({}, ["-m", "hydra/launcher=exptools"]),
        ({}, ["-m", "hydra/launcher=exptools", JOBLIB]),
    ],
)
class TestExptoolsLauncherIntegration(IntegrationTestSuite):
    """Whole commands."""
