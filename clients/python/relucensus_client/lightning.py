"""A callback that has a Lightning training followed by a `RegionMonitor`. Loads Lightning, which is an extra."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal, get_args

from relucensus_client import _parts
from relucensus_client._errors import InvalidArgument
from relucensus_client._history import COLUMNS
from relucensus_client.monitor import RegionMonitor

Unit = Literal["epoch", "step"]

_parts.package("lightning", "relucensus_client.lightning")
_Callback: Any = _parts.package("lightning.pytorch", "relucensus_client.lightning").Callback


class RegionCallback(_Callback):  # type: ignore[misc]
    """Calls `RegionMonitor.step` at the end of every training epoch, or of every batch if `unit` is ``"step"``.

    The monitor is opened and closed by the caller, around `Trainer.fit`; its `every` counts epochs or steps of the
    optimiser. With several processes, that of rank 0 takes the snapshots.

    Args:
        monitor: what takes the snapshots.
        network: finds the network in the `LightningModule`, for example ``lambda module: module.network``; without it
            the whole module is exported to ONNX. A `torch.nn.Sequential` of linear layers and ReLU is much quicker.
        unit: when to call it.
        metrics: names of logged values to stand in the history; all that Lightning knows by then, unless given.
    """

    def __init__(
        self,
        monitor: RegionMonitor,
        *,
        network: Callable[[Any], Any] | None = None,
        unit: Unit = "epoch",
        metrics: Sequence[str] | None = None,
    ) -> None:
        super().__init__()
        if unit not in get_args(Unit):
            raise InvalidArgument(f"unit is {unit!r}; needed is 'epoch' or 'step'")
        self.monitor = monitor
        self._network = network
        self._unit = unit
        self._metrics = metrics

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        """Called by Lightning."""
        if self._unit == "step":
            self._step(trainer, pl_module, trainer.global_step)

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Called by Lightning."""
        if self._unit == "epoch":
            self._step(trainer, pl_module, trainer.current_epoch)

    def _step(self, trainer: Any, pl_module: Any, number: int) -> None:
        if not trainer.is_global_zero or not self.monitor.due(number):
            return
        known = trainer.callback_metrics
        names = self._metrics if self._metrics is not None else [name for name in known if name not in COLUMNS]
        measured = {name: known[name] for name in names if name in known}
        network = pl_module if self._network is None else self._network(pl_module)
        self.monitor.step(network, number, epoch=trainer.current_epoch, **measured)
