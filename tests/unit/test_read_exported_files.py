"""What Keras, tf2onnx, scikit-learn and stable-baselines3 export at their defaults: read as onnxruntime evaluates it.

What is smooth at the end of a file is left off by the reader and put back here.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from relucensus.errors import UnsupportedModel
from relucensus.readers import network_of

FOLDER = Path(__file__).parents[1] / "cases" / "files" / "exported"


def same(values: Any) -> Any:
    return values


def softmax(values: Any) -> Any:
    powers = np.exp(values - values.max(1, keepdims=True))
    return powers / powers.sum(1, keepdims=True)


def two_classes(values: Any) -> Any:
    second = 1 / (1 + np.exp(-values[:, -1:]))
    return np.concatenate([1 - second, second], 1)


def largest(values: Any) -> Any:
    return values.argmax(1)[:, None]


FILES: dict[str, tuple[str, Callable[[Any], Any]]] = {  # which output, and what it makes of the network's
    "keras_dense": ("32", same),
    "keras_norm": ("77", same),
    "keras_image": ("42", same),
    "keras_softmax": ("34", softmax),
    "skl_regressor": ("variable", same),
    "skl_scaler_regressor": ("variable", same),
    "skl_min_max_regressor": ("variable", same),
    "skl_scaler_classifier": ("output_probability", softmax),
    "skl_scaler_classifier_plain": ("probabilities", softmax),
    "skl_scaler_binary": ("probabilities", two_classes),
    "sb3_dqn_current": ("view", largest),
    "sb3_dqn_older": ("22", largest),
    "sb3_dqn_q_net_current": ("linear_2", same),
    "sb3_dqn_q_net_older": ("13", same),
    "sb3_td3_actor_current": ("tanh", np.tanh),
    "sb3_td3_actor_older": ("14", np.tanh),
    "sb3_sac_actor_older": ("31", np.tanh),
    "sb3_ppo_box_older": ("53", same),
    "sb3_ppo_discrete_older": ("24", same),
    "tf2onnx_cnn": ("Identity:0", same),
    "tf2onnx_graph": ("Identity:0", same),
    "tf2onnx_relu6": ("Identity:0", same),
    "tf2onnx_softmax": ("Identity:0", softmax),
    "tf2onnx_up": ("Identity:0", same),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_another_library_exports_is_read_as_onnxruntime_evaluates_it(name: str) -> None:
    output, end = FILES[name]
    with np.load(FOLDER / f"{name}.npz") as values:
        (points,) = (values[key] for key in values if key.startswith("in:"))
        wanted = values[f"out:{output}"]
        chosen = output if sum(key.startswith("out:") for key in values) > 1 else None
    network = network_of(FOLDER / f"{name}.onnx", model_output=chosen)
    np.testing.assert_allclose(end(network.forward(points)), wanted, rtol=1e-3, atol=1e-5)


def test_a_policy_with_smooth_neurons_is_refused() -> None:
    with pytest.raises(UnsupportedModel, match="Tanh"):
        network_of(FOLDER / "sb3_ppo_tanh_older.onnx")
