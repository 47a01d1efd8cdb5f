"""Start many runs of 2_plain_script.py, a plain script without Hydra, on the cores that there are.

    python examples/2_launch_plain_script.py           the results go to data/local/digits/DATE
    python examples/2_launch_plain_script.py again     and to data/local/again/DATE

It crosses two levels of settings, a network's size and its optimizer, and runs each variant twice.
"""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path

from exptools import VariantLevel, make_variants, quick_affinity_code, run_experiments, update_config
from exptools.launching.exp_launcher import get_log_dir

SCRIPT = Path(__file__).with_name("2_plain_script.py")

# What every run has, unless its variant says otherwise.
DEFAULT = {
    "model": {"hidden": 16},
    "optimizer": {"name": "adam", "lr": 0.01},
    "epochs": 10,
}

# Keys of one level change together: each row of values has one for each key, and names a directory.
MODEL = VariantLevel(
    keys=[("model", "hidden")],
    values=[[16], [64]],
    dir_names=["small", "large"],
)
OPTIMIZER = VariantLevel(
    keys=[("optimizer", "name"), ("optimizer", "lr")],
    values=[["adam", 0.01], ["sgd", 0.1]],
    dir_names=["adam", "sgd"],
)


def main() -> None:
    """Run all, then say how to look at them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("title", nargs="?", default="digits", help="names the directory (default: digits)")
    title = parser.parse_args().title

    # Each level is crossed with the others: four variants, small/adam to large/sgd.
    variants, log_dirs = make_variants(MODEL, OPTIMIZER)
    variants = [update_config(DEFAULT, variant) for variant in variants]

    # Two runs at a time, each pinned to half of the cores; quick_affinity_code() takes all GPUs, a run each.
    affinity_code = quick_affinity_code(n_parallel=2, use_gpu=False)

    run_experiments(
        script=SCRIPT,
        affinity_code=affinity_code,
        experiment_title=title,
        runs_per_setting=2,
        variants=variants,
        log_dirs=log_dirs,
    )

    where = shlex.quote(str(get_log_dir(title)))
    print("\nTo look at the runs, and at mean and band over the two of each variant:")
    print(f"exptools-view {where}")
    print(f"exptools-view {where} --plot test/accuracy -o accuracy.png")


if __name__ == "__main__":
    main()
