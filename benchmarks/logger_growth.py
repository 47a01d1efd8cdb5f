"""How the logger's cost depends on what was logged before, and on the number of tags.

    python benchmarks/logger_growth.py [MOST_STEPS]     default 1,000,000; 10,000,000 takes some 5 GB of disk

First: one run of 10 scalars a step. At 10^3, 10^4, ... steps: microseconds of CPU a step of the last tenth,
the writing thread's share included, and the memory of the process. Then: runs of 1 to 10,000 tags with
1,000,000 scalars each: microseconds of CPU a scalar.
"""

from __future__ import annotations

import sys
import tempfile
import time

import psutil

from exptools.logging import logger, logger_context

N_TAGS = 10


def over_steps(most: int) -> None:
    """A line for each power of ten."""
    process = psutil.Process()
    tags = [f"tag{i}" for i in range(N_TAGS)]
    print(f"{'steps':>12}{'us/step':>10}{'memory MB':>11}")
    with tempfile.TemporaryDirectory() as directory, logger_context(directory, 0, "bench"):
        step, until = 0, 1000
        while until <= most:
            begun, at = 0.0, until - until // 10
            while step < until:
                if step == at:
                    logger.flush()
                    begun = time.process_time()
                for tag in tags:
                    logger.log_scalar(tag, step * 0.1, step)
                step += 1
            logger.flush()
            taken = time.process_time() - begun
            print(f"{step:12,}{taken / (until - at) * 1e6:10.1f}{process.memory_info().rss / 2**20:11.1f}")
            until *= 10


def over_tags() -> None:
    """A line for each number of tags."""
    print(f"{'tags':>12}{'us/scalar':>10}")
    for n_tags in (1, 10, 100, 1000, 10_000):
        tags = [f"tag{i}" for i in range(n_tags)]
        n_steps = 1_000_000 // n_tags
        with tempfile.TemporaryDirectory() as directory, logger_context(directory, 0, "bench"):
            for tag in tags:  # the columns are there
                logger.log_scalar(tag, 0.0, -1)
            logger.flush()
            begun = time.process_time()
            for step in range(n_steps):
                for tag in tags:
                    logger.log_scalar(tag, step * 0.1, step)
            logger.flush()
            taken = time.process_time() - begun
        print(f"{n_tags:12,}{taken / n_steps / n_tags * 1e6:10.2f}")


if __name__ == "__main__":
    over_steps(int(sys.argv[1].replace("_", "").replace(",", "")) if len(sys.argv) > 1 else 1_000_000)
    over_tags()
