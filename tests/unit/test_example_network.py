"""The example network that is committed: both files are the same network, as small as the documents say."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import torch
from torch import nn

from relucensus.readers import network_from_module, read_model

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_both_files_of_the_example_are_the_same_network() -> None:
    onnx_file = read_model((EXAMPLES / "moons.onnx").read_bytes())
    state_dict = read_model((EXAMPLES / "moons.pt").read_bytes())
    assert onnx_file.network.digest == state_dict.network.digest
    assert (onnx_file.network.inputs, onnx_file.network.widths, onnx_file.network.outputs) == (2, (8, 8), 2)
    assert onnx_file.input_shape == (1, 2)
    assert onnx_file.notes == []


def test_what_torch_exports_is_the_module_it_exported() -> None:
    module = nn.Sequential(nn.Flatten(), nn.Linear(6, 4), nn.ReLU(), nn.Dropout(), nn.Linear(4, 3, bias=False)).eval()
    for dynamic in (None, {"x": {0: "batch"}}):
        buffer = io.BytesIO()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            options = {"dynamo": False, "input_names": ["x"], "dynamic_axes": dynamic}
            torch.onnx.export(module, (torch.zeros(1, 2, 3),), buffer, **options)
        read = read_model(buffer.getvalue())
        assert read.network.digest == network_from_module(module).digest
        assert read.input_shape == (1, 2, 3)
