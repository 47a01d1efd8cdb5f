"""The tests with every Python and every Hydra that exptools supports.

    python tests/matrix.py [PAIR...] [PYTEST ARGUMENT...]         (or: make matrix)

A pair is written 3.13/1.4; without any all are tried. Takes the interpreters that are on PATH or that pyenv
has. Each pair has an environment of its own in .matrix/, which is kept. Prints a line for each pair.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).parent.parent
PYTHONS = ("3.10", "3.11", "3.12", "3.13")
HYDRAS = {"1.3": "hydra-core==1.3.8", "1.4": "hydra-core>=1.4.0rc1,<1.5"}
PARTS = ("launching", "logging", "formats", "viewing", "web", "test_imports.py", "test_configs.py")
TESTS = [f"tests/{part}" for part in PARTS]


def interpreter(version: str) -> str | None:
    """A Python of this version, or None."""
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"))
    found = sorted(pyenv.glob(f"versions/{version}.*/bin/python"))
    on_path = shutil.which(f"python{version}")
    if on_path is not None and subprocess.run([on_path, "-c", ""], capture_output=True).returncode == 0:
        return on_path  # pyenv's own is there for versions that it does not have, too
    return str(found[-1]) if found else None


def environment(python: str, version: str, hydra: str) -> Path:
    """The Python of an environment that has exptools, its tests' needs and this Hydra."""
    place = ROOT / ".matrix" / f"python{version}-hydra{hydra}"
    ours = place / "bin" / "python"
    if not (place / ".made").exists():
        subprocess.run([python, "-m", "venv", "--clear", place], check=True)
        pip = [ours, "-m", "pip", "--quiet", "--disable-pip-version-check", "install"]
        subprocess.run([*pip, "--upgrade", "pip>=25.1"], check=True)
        subprocess.run([*pip, "--editable", ".[web,slurm]", "--group", "test"], check=True, cwd=ROOT)
        subprocess.run([*pip, "--pre", HYDRAS[hydra]], check=True)
        (place / ".made").touch()
    return ours


def main() -> int:
    """Run all pairs."""
    every = [f"{version}/{hydra}" for version in PYTHONS for hydra in HYDRAS]
    pairs = [word for word in sys.argv[1:] if word in every]
    words = [word for word in sys.argv[1:] if word not in every]
    failed = [pair for pair in pairs or every if not passes(pair, words or TESTS)]
    print(f"failed: {', '.join(failed)}" if failed else "all passed")
    return 1 if failed else 0


def passes(pair: str, words: Sequence[str]) -> bool:
    """Run the tests with a pair; True too where there is no such Python."""
    version, hydra = pair.split("/")
    python = interpreter(version)
    name = f"Python {version}, Hydra {hydra}"
    if python is None:
        print(f"{name}: no such Python here", flush=True)
        return True
    begun = time.monotonic()
    ours = environment(python, version, hydra)
    done = subprocess.run([ours, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words], cwd=ROOT)
    how = "failed" if done.returncode else "passed"
    print(f"{name}: {how} in {time.monotonic() - begun:.0f} s", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
