"""A model of Lightning that learns y = 2x, for the tests of the bridge."""

from __future__ import annotations

from typing import Any

import torch
from lightning.pytorch import LightningModule, Trainer
from torch.utils.data import DataLoader, TensorDataset

torch.set_num_threads(1)


class Line(LightningModule):
    """fail_at: the step of the training that raises. Five batches an epoch."""

    def __init__(self, lr: float = 0.1, fail_at: int | None = None) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.layer = torch.nn.Linear(1, 1)

    def loss(self, batch: Any) -> torch.Tensor:
        return torch.nn.functional.mse_loss(self.layer(batch[0]), batch[1])

    def training_step(self, batch: Any, number: int) -> torch.Tensor:
        if self.global_step == self.hparams["fail_at"]:
            raise RuntimeError("as asked")
        loss = self.loss(batch)
        self.log("train/loss", loss, on_step=True, on_epoch=True)
        return loss

    def validation_step(self, batch: Any, number: int) -> None:
        self.log("val/loss", self.loss(batch))

    def test_step(self, batch: Any, number: int) -> None:
        self.log("test/loss", self.loss(batch))

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=self.hparams["lr"])

    def train_dataloader(self) -> Any:
        x = torch.linspace(0, 1, 40)[:, None]
        return DataLoader(TensorDataset(x, 2 * x), batch_size=8)

    val_dataloader = test_dataloader = train_dataloader


def trainer(logger: Any, max_epochs: int = 2, **settings: Any) -> Trainer:
    """One that is quiet, on the CPU, and logs every second step."""
    quiet = {"enable_progress_bar": False, "enable_model_summary": False}
    return Trainer(
        max_epochs=max_epochs, logger=logger, log_every_n_steps=2, accelerator="cpu", **quiet, **settings
    )
