"""A small training with Lightning. A module of its own, since loading Lightning takes seconds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import torch


class Classifier(lightning.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.network = torch.nn.Sequential(torch.nn.Linear(2, 6), torch.nn.ReLU(), torch.nn.Linear(6, 2))

    def forward(self, x: Any) -> Any:
        return self.network(x)

    def training_step(self, batch: Any, _index: int) -> Any:
        points, labels = batch
        logits = self(points)
        loss = torch.nn.functional.cross_entropy(logits, labels)
        self.log("loss", loss, on_epoch=True, on_step=False)
        self.log("train_accuracy", (logits.argmax(dim=1) == labels).float().mean(), on_epoch=True, on_step=False)
        return loss

    def configure_optimizers(self) -> Any:
        return torch.optim.Adam(self.parameters(), lr=0.05)


class Weights(lightning.Callback):
    """Keeps what the network was at the end of each epoch."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        self.seen.append({name: tensor.clone() for name, tensor in pl_module.network.state_dict().items()})


def fit(folder: Path, *callbacks: Any, epochs: int = 5) -> None:
    """Trains a `Classifier` with these callbacks."""
    torch.manual_seed(0)
    points = torch.rand(64, 2) * 2 - 1
    data = torch.utils.data.TensorDataset(points, (points[:, 0] * points[:, 1] > 0).long())
    trainer = lightning.Trainer(
        max_epochs=epochs,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
        callbacks=list(callbacks),
    )
    trainer.fit(Classifier(), torch.utils.data.DataLoader(data, batch_size=16))
