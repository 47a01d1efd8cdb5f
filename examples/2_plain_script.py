"""Train a small network on handwritten digits: a plain script; 2_launch_plain_script.py starts many of it.

Each run is started as `python 2_plain_script.py SLOT_CODE LOG_DIR RUN_ID`. LOG_DIR holds the settings of its
variant, RUN_ID tells the runs of one variant apart (here it is the seed), and SLOT_CODE says which cores and
GPUs are this run's own.
"""

from __future__ import annotations

import sys

import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier

from exptools import affinity_from_code, load_variant, logger_context
from exptools.logging import logger


def build_and_train(slot_affinity_code: str, log_dir: str, run_id: str) -> None:
    """One run."""
    # What the launch script chose for this variant.
    config = load_variant(log_dir)
    # The run is pinned already; this is for code that starts workers, or picks a GPU, by itself.
    affinity = affinity_from_code(slot_affinity_code)

    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(images / 16, labels, test_size=0.3, random_state=0)
    model = MLPClassifier(
        hidden_layer_sizes=(config.model.hidden,),
        learning_rate_init=config.optimizer.lr,
        solver=config.optimizer.name,
        random_state=int(run_id),
    )

    # All that is logged inside goes to LOG_DIR/run_RUN_ID.
    with logger_context(log_dir, run_id, name="digits", log_params=config):
        logger.log_text(f"this run has {affinity}")
        for epoch in range(config.epochs):
            model.partial_fit(x, y, classes=np.unique(labels))  # one pass over the data
            with logger.prefix("train/"):
                logger.log_scalar("loss", model.loss_, epoch)
            with logger.prefix("test/"):
                logger.log_scalar("accuracy", model.score(x_test, y_test), epoch)


if __name__ == "__main__":
    build_and_train(*sys.argv[1:])
