"""What an import costs, and which way imports run."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, Command

import exptools

HEAVY = {
    "torch",
    "matplotlib",
    "pandas",
    "polars",
    "tensorboardX",
    "tensorboard",
    "numpy",
    "rich",
    "dash",
    "flask",
    "joblib",
    "psutil",
}

LAUNCHING = {
    "VariantLevel",
    "affinity_from_code",
    "decode_affinity",
    "encode_affinity",
    "full_resource_affinity",
    "get_n_run_slots",
    "load_variant",
    "make_affinity",
    "make_variants",
    "prepend_run_slot",
    "quick_affinity_code",
    "remove_run_slot",
    "run_experiments",
    "save_variant",
    "update_config",
}


@pytest.mark.parametrize(
    "statement",
    [
        "import exptools",
        "from exptools.logging import logger, logger_context",
        "import exptools.launching.worker",
        "import exptools.viewing.cli",
        "import hydra_plugins.exptools_launcher.launcher",
        "import hydra_plugins.exptools_sweeper.sweeper",
        "from hydra.core.plugins import Plugins; Plugins.instance()",
        "import exptools.logging.callback",
    ],
)
def test_importing_loads_nothing_heavy(tmp_path: Path, statement: str) -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", statement],
        capture_output=True,
        text=True,
        check=True,
        cwd=tmp_path,
    )
    loaded = {line.split("|")[-1].strip().partition(".")[0] for line in done.stderr.splitlines()}

    assert "exptools" in loaded
    assert not loaded & HEAVY


def test_opening_the_logger_loads_nothing_heavy(tmp_path: Path, python: Command) -> None:
    done = python(
        "-c",
        "import sys\nfrom exptools.logging import logger_context\n"
        "with logger_context('logs', 0, 'x') as logger:\n    logger.log_scalar('a', 1.0)\n"
        "print(sorted({m.partition('.')[0] for m in sys.modules}))",
    )

    assert "exptools" in done.stdout
    assert not set(ast.literal_eval(done.stdout)) & HEAVY


def test_the_public_names_are_these() -> None:
    assert set(exptools.__all__) == {
        "AttrDict",
        "ExptoolsError",
        "__version__",
        *LAUNCHING,
        "affinity",
        "logger_context",
        "load",
    }
    for name in exptools.__all__:
        assert getattr(exptools, name) is not None


def test_affinity_codes_are_found_where_users_of_rlpyt_look() -> None:
    from exptools.launching import affinity

    assert set(affinity.__all__) >= {name for name in LAUNCHING if "affinity" in name or "slot" in name}


def test_an_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(AttributeError, match="module 'exptools' has no attribute 'lod'; it has AttrDict"):
        exptools.lod  # noqa: B018


BASE = {
    *("errors", "collections", "rundir", "configs", "lifecycle", "formats", "say", "seeds", "words", "cuda"),
    *("flat", "provenance", "signals", "slurm"),
}
MAY_IMPORT = {
    "errors": set(),
    "collections": set(),
    "rundir": {"errors", "say"},
    "say": {"errors"},
    "seeds": set(),
    "flat": set(),
    "cuda": set(),
    "provenance": {"errors", "rundir", "lifecycle", "say", "seeds", "flat", "cuda", "provenance"},
    "signals": set(),
    "words": set(),
    "slurm": set(),
    "configs": {"errors"},
    "lifecycle": {"rundir", "errors", "say"},
    "formats": {"errors", "formats"},
    "launching": BASE | {"launching"},
    "logging": BASE | {"logging"},
    "viewing": BASE | {"viewing"},
}


def imported_by(path: Path) -> set[str]:
    """The parts of exptools that a file imports, anywhere in it."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            found |= {a.name for a in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            assert node.level == 0, f"{path}: imports are absolute here"
            found |= {
                f"{node.module}.{a.name}" if node.module == "exptools" else node.module for a in node.names
            }
    return {name.split(".")[1] for name in found if name.startswith("exptools.")} - {"__version__"}


def test_imports_run_one_way() -> None:
    wrong = []
    for path in sorted((ROOT / "exptools").rglob("*.py")):
        part = path.relative_to(ROOT / "exptools").parts[0].removesuffix(".py")
        if part != "__init__":
            wrong += [
                f"{path.name} of {part} imports {other}" for other in imported_by(path) - MAY_IMPORT[part]
            ]

    assert wrong == []
