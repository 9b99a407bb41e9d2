"""The callback in a real Lightning training; the counts are made by the monitor's own tests' means."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import pytest

from relucensus import Box, Problem, count_regions
from relucensus.readers import network_from_module
from relucensus_client import InvalidArgument, RegionMonitor

pytestmark = [
    pytest.mark.filterwarnings("ignore"),
    pytest.mark.skipif(find_spec("lightning") is None, reason="Lightning is not installed: relucensus[lightning]"),
]


def test_epochs_are_counted_as_the_network_was_then(tmp_path: Path) -> None:
    from lightning_training import Classifier, Weights, fit  # noqa: PLC0415 - loads Lightning
    from relucensus_client.lightning import RegionCallback  # noqa: PLC0415 - loads Lightning

    weights = Weights()
    with RegionMonitor(lower=-1, upper=1, every=2, definitions=["activation_regions"], nice=0) as monitor:
        fit(tmp_path, RegionCallback(monitor, network=lambda module: module.network), weights)
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


def test_steps_are_those_of_the_optimiser_and_metrics_those_that_are_named(tmp_path: Path) -> None:
    from lightning_training import fit  # noqa: PLC0415 - loads Lightning
    from relucensus_client.lightning import RegionCallback  # noqa: PLC0415 - loads Lightning

    with RegionMonitor(lower=-1, upper=1, every=4, definitions=["activation_regions"], nice=0) as monitor:
        fit(tmp_path, RegionCallback(monitor, unit="step", metrics=["train_accuracy"]), epochs=2)
        with pytest.raises(InvalidArgument, match="needed is 'epoch' or 'step'"):
            RegionCallback(monitor, unit="batch")  # type: ignore[arg-type]
    history = monitor.history()
    assert [(row["step"], row["epoch"], row["status"]) for row in history] == [(4, 0, "exact"), (8, 1, "exact")]
    assert history.measured == ("train_accuracy",)
