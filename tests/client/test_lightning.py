"""The callback in a real Lightning training; the counts are made by the monitor's own tests' means."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from relucensus import Box, Problem, count_regions
from relucensus.readers import network_from_module
from relucensus_client import InvalidArgument, RegionMonitor

torch = pytest.importorskip("torch")
lightning = pytest.importorskip("lightning.pytorch", reason="Lightning is not installed: relucensus[lightning]")

pytestmark = pytest.mark.filterwarnings("ignore")


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


@pytest.fixture
def fit(tmp_path: Path) -> Callable[..., Any]:
    def fit(*callbacks: Any, epochs: int = 5) -> Any:
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
            default_root_dir=tmp_path,
            callbacks=list(callbacks),
        )
        trainer.fit(Classifier(), torch.utils.data.DataLoader(data, batch_size=16))
        return trainer

    return fit


def test_epochs_are_counted_as_the_network_was_then(fit: Callable[..., Any]) -> None:
    from relucensus_client.lightning import RegionCallback  # noqa: PLC0415 - loads Lightning

    weights = Weights()
    with RegionMonitor(lower=-1, upper=1, every=2, definitions=["activation_regions"], nice=0) as monitor:
        fit(RegionCallback(monitor, network=lambda module: module.network), weights)
    rows = monitor.history().rows
    assert [(row["step"], row["epoch"], row["status"]) for row in rows] == [
        (0, 0, "exact"),
        (2, 2, "exact"),
        (4, 4, "exact"),
    ]
    assert all(0 <= row["train_accuracy"] <= 1 and row["loss"] > 0 for row in rows)
    network = Classifier().network
    for row in rows:
        network.load_state_dict(weights.seen[row["step"]])
        counted = count_regions(Problem(network_from_module(network), Box.from_bounds(-1, 1, 2)))
        assert row["count"] == counted.counts["activation_regions"].value


def test_steps_are_those_of_the_optimiser_and_metrics_those_that_are_named(fit: Callable[..., Any]) -> None:
    from relucensus_client.lightning import RegionCallback  # noqa: PLC0415 - loads Lightning

    with RegionMonitor(lower=-1, upper=1, every=4, definitions=["activation_regions"], nice=0) as monitor:
        fit(RegionCallback(monitor, unit="step", metrics=["train_accuracy"]), epochs=2)
        with pytest.raises(InvalidArgument, match="needed is 'epoch' or 'step'"):
            RegionCallback(monitor, unit="batch")  # type: ignore[arg-type]
    history = monitor.history()
    assert [(row["step"], row["epoch"], row["status"]) for row in history] == [(4, 0, "exact"), (8, 1, "exact")]
    assert history.measured == ("train_accuracy",)
