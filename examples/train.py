"""Train a small network on handwritten digits, alone or as a sweep.

    python examples/train.py                                              one run
    python examples/train.py -m model=small,large lr=1e-1,1e-2 seed=0,1   a sweep of eight, on every core

A multi-layer perceptron learns the 1,797 digits that scikit-learn ships, by mini-batch SGD in numpy. It logs
the training loss every step and the test accuracy every epoch. What makes it an exptools application is
two lines: the default `exptools` in the config's defaults list, and the import of the logger.

It saves a snapshot every epoch, and a run that was killed goes on from the last one when it is started again
in the same directory. Asked to stop by SIGTERM, SIGUSR1 or SIGUSR2, as schedulers do before they take a
machine away, it saves and exits with code 75.
"""

from __future__ import annotations

import itertools
import sys
from dataclasses import dataclass, field
from typing import Any

import hydra
import numpy as np
from hydra.core.config_store import ConfigStore
from numpy.typing import NDArray
from omegaconf import MISSING
from sklearn.datasets import load_digits
from sklearn.model_selection import train_test_split

from exptools.logging import EXIT_PREEMPTED, logger

Array = NDArray[np.float64]
Labels = NDArray[np.int64]


@dataclass
class ModelConfig:
    """The network: conf/model/*.yaml."""

    name: str = MISSING
    hidden: list[int] = MISSING  # units of each hidden layer


@dataclass
class OptimizerConfig:
    """The optimizer: conf/optimizer/*.yaml."""

    name: str = MISSING
    momentum: float = MISSING


@dataclass
class TrainConfig:
    """Everything that can be set, with its type: a typo on the command line is an error."""

    defaults: list[Any] = field(
        default_factory=lambda: [
            "_self_",
            {"model": "small"},
            {"optimizer": "sgd"},
            "exptools",  # the launcher for sweeps, and the logger
        ]
    )
    model: ModelConfig = field(default_factory=ModelConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    lr: float = 0.1
    batch_size: int = 64
    epochs: int = 20
    seed: int = 0


ConfigStore.instance().store(name="train", node=TrainConfig)


class Network:
    """A multi-layer perceptron with ReLU units and a softmax output."""

    def __init__(self, sizes: list[int], rng: np.random.Generator) -> None:
        pairs = list(itertools.pairwise(sizes))
        self.weights = [rng.normal(0, np.sqrt(2 / n_in), (n_in, n_out)) for n_in, n_out in pairs]
        self.biases = [np.zeros(n_out) for _, n_out in pairs]

    def forward(self, x: Array) -> list[Array]:
        """The activations of all layers for a batch [n, n_in]; the last are the logits [n, n_classes]."""
        layers = [x]
        for weight, bias in zip(self.weights, self.biases, strict=True):
            z = layers[-1] @ weight + bias
            is_last = len(layers) == len(self.weights)
            layers.append(z if is_last else np.maximum(z, 0))
        return layers

    def gradients(self, x: Array, y: Labels) -> tuple[float, list[Array]]:
        """Mean cross-entropy of a batch, and its gradients: of the weights, then of the biases."""
        layers = self.forward(x)
        logits = layers[-1] - layers[-1].max(axis=1, keepdims=True)
        log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        loss = -float(log_p[rows, y].mean())

        delta = np.exp(log_p)
        delta[rows, y] -= 1
        delta /= len(y)
        of_weights: list[Array] = []
        of_biases: list[Array] = []
        for layer, weight in zip(reversed(layers[:-1]), reversed(self.weights), strict=True):
            of_weights.append(layer.T @ delta)
            of_biases.append(delta.sum(axis=0))
            delta = (delta @ weight.T) * (layer > 0)
        return loss, of_weights[::-1] + of_biases[::-1]

    def accuracy(self, x: Array, y: Labels) -> float:
        """The share of examples whose most likely class is the right one."""
        return float((self.forward(x)[-1].argmax(axis=1) == y).mean())


@hydra.main(version_base=None, config_path="../conf", config_name="train")
def main(config: TrainConfig) -> float:
    """Train, and return the final test accuracy."""
    rng = np.random.default_rng(config.seed)
    images, labels = load_digits(return_X_y=True)
    x, x_test, y, y_test = train_test_split(
        images / 16, labels, test_size=0.3, random_state=0, stratify=labels
    )
    network = Network([x.shape[1], *config.model.hidden, 10], rng)
    parameters = network.weights + network.biases
    velocities = [np.zeros_like(p) for p in parameters]

    done, step = 0, 0  # epochs and batches
    snapshot = logger.load_snapshot()
    if snapshot is not None:
        done, step = snapshot.state["done"], snapshot.state["step"]
        rng.bit_generator.state = snapshot.state["rng"]
        for array, saved in zip(parameters + velocities, snapshot.state["arrays"], strict=True):
            array[...] = saved
    accuracy = network.accuracy(x_test, y_test)
    logger.log_text(
        f"{sum(p.size for p in parameters)} parameters, accuracy before epoch {done + 1}: {accuracy:.3f}"
    )
    for epoch in range(done + 1, config.epochs + 1):
        for batch in np.array_split(rng.permutation(len(x)), len(x) // config.batch_size):
            loss, gradients = network.gradients(x[batch], y[batch])
            for parameter, velocity, gradient in zip(parameters, velocities, gradients, strict=True):
                velocity *= config.optimizer.momentum
                velocity -= config.lr * gradient
                parameter += velocity
            with logger.prefix("train/"):
                logger.log_scalar("loss", loss, step)
            step += 1
        accuracy = network.accuracy(x_test, y_test)
        with logger.prefix("test/"):
            logger.log_scalar("accuracy", accuracy, step)
            logger.log_scalar("epoch", epoch, step)
        arrays = parameters + velocities
        state = {"done": epoch, "step": step, "rng": rng.bit_generator.state, "arrays": arrays}
        logger.save_snapshot(step, state)
        if logger.should_stop:
            sys.exit(EXIT_PREEMPTED)
    logger.log_text(f"test accuracy {accuracy:.3f} after {config.epochs} epochs")
    return accuracy


if __name__ == "__main__":
    main()
