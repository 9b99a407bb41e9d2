"""Makes the files in this folder: what other libraries export at their defaults, with values by onnxruntime.

Needs stable-baselines3, gymnasium, skl2onnx, onnxscript and keras, which are not among this project's packages. Each
file gets a .npz of the same name: random inputs ``in:<name>`` and onnxruntime's outputs ``out:<name>``, a row a point.
What names this machine (producer, stack traces, doc strings) is taken out of the files.
"""

# ruff: noqa: T201, PLC0415

from __future__ import annotations

import os
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

os.environ["KERAS_BACKEND"] = "torch"

import numpy as np
import onnx
import onnxruntime
import torch
from torch import nn

FOLDER = Path(__file__).parent
RANDOM = np.random.default_rng(0)
POINTS = 16


def keep(name: str, model: onnx.ModelProto) -> None:
    """Write the file without what names its maker, and its values at random points."""
    model.producer_name = model.producer_version = model.doc_string = model.graph.doc_string = ""
    del model.metadata_props[:]
    del model.graph.metadata_props[:]
    values = [*model.graph.value_info, *model.graph.input, *model.graph.output, *model.graph.initializer]
    for part in [*model.graph.node, *values, *model.functions]:
        part.doc_string = ""
        del part.metadata_props[:]
    data = model.SerializeToString()
    (FOLDER / f"{name}.onnx").write_bytes(data)
    np.savez_compressed(FOLDER / f"{name}.npz", **values_of(data))
    print(f"{name}: {len(data)} bytes; {' '.join(node.op_type for node in model.graph.node)}", file=sys.stderr)


def values_of(data: bytes) -> dict[str, Any]:
    """Random inputs, one row a point, and what onnxruntime makes of each."""
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    shapes = {one.name: [n if isinstance(n, int) else 1 for n in one.shape] for one in session.get_inputs()}
    points = {name: RANDOM.normal(size=(POINTS, *shape)).astype(np.float32) for name, shape in shapes.items()}
    rows = [session.run(None, {name: values[i] for name, values in points.items()}) for i in range(POINTS)]
    outputs = {one.name: [as_array(row[k]) for row in rows] for k, one in enumerate(session.get_outputs())}
    kept = {f"in:{name}": values.reshape(POINTS, -1) for name, values in points.items()}
    return kept | {f"out:{name}": np.stack(found).reshape(POINTS, -1) for name, found in outputs.items()}


def as_array(output: Any) -> Any:
    """An output of ZipMap is a list of one mapping from class to probability."""
    return np.array(list(output[0].values())) if isinstance(output, list) else np.asarray(output)


def exported(name: str, module: nn.Module, example: Any) -> None:
    """The module by both exporters of PyTorch at their defaults."""
    for exporter in ("current", "older"):
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            try:
                torch.onnx.export(module, example, path, dynamo=exporter == "current", input_names=["input"])
            except Exception as error:  # the current one does not follow what depends on the data
                print(f"{name}_{exporter}: {type(error).__name__}", file=sys.stderr)
                continue
            keep(f"{name}_{exporter}", onnx.load(path))


def stable_baselines() -> None:
    """Policies as the documentation of stable-baselines3 exports them."""
    from stable_baselines3 import DQN, PPO, SAC, TD3

    class Onnxable(nn.Module):
        def __init__(self, part: Any, **options: Any) -> None:
            super().__init__()
            self.part = part
            self.options = options

        def forward(self, observation: Any) -> Any:
            return self.part(observation, **self.options)

    relu = {"net_arch": [8, 8], "activation_fn": nn.ReLU}
    for name, kind, environment, policy in [
        ("sb3_ppo_discrete", PPO, "CartPole-v1", lambda model: Onnxable(model.policy, deterministic=True)),
        ("sb3_ppo_box", PPO, "Pendulum-v1", lambda model: Onnxable(model.policy, deterministic=True)),
        ("sb3_dqn", DQN, "CartPole-v1", lambda model: Onnxable(model.policy, deterministic=True)),
        ("sb3_dqn_q_net", DQN, "CartPole-v1", lambda model: Onnxable(model.q_net)),
        ("sb3_sac_actor", SAC, "Pendulum-v1", lambda model: Onnxable(model.actor, deterministic=True)),
        ("sb3_td3_actor", TD3, "Pendulum-v1", lambda model: Onnxable(model.actor)),
    ]:
        model = kind("MlpPolicy", environment, policy_kwargs=dict(relu), device="cpu", seed=0)
        exported(name, policy(model).eval(), (torch.randn(1, *model.observation_space.shape),))
    model = PPO("MlpPolicy", "CartPole-v1", policy_kwargs={"net_arch": [8]}, device="cpu", seed=0)
    exported("sb3_ppo_tanh", Onnxable(model.policy, deterministic=True).eval(), (torch.randn(1, 4),))


def scikit_learn() -> None:
    """MLPs, alone and behind scalers."""
    from skl2onnx import to_onnx
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import MinMaxScaler, StandardScaler

    x = RANDOM.normal(size=(60, 3)).astype(np.float32) * 3 + 1
    sizes = {"hidden_layer_sizes": (6, 4), "max_iter": 20, "random_state": 0}
    classes, two, number = np.arange(60) % 3, (x[:, 0] > 1).astype(int), x[:, 0] * 2
    for name, model, y, options in [
        ("skl_scaler_classifier", make_pipeline(StandardScaler(), MLPClassifier(**sizes)), classes, {}),
        (
            "skl_scaler_classifier_plain",
            make_pipeline(StandardScaler(), MLPClassifier(**sizes)),
            classes,
            {"zipmap": 0},
        ),
        ("skl_scaler_binary", make_pipeline(StandardScaler(), MLPClassifier(**sizes)), two, {"zipmap": 0}),
        ("skl_regressor", MLPRegressor(**sizes), number, {}),
        ("skl_scaler_regressor", make_pipeline(StandardScaler(), MLPRegressor(**sizes)), number, {}),
        ("skl_min_max_regressor", make_pipeline(MinMaxScaler(), MLPRegressor(**sizes)), number, {}),
    ]:
        model.fit(x, y)
        chosen = {id(model): {"zipmap": False}} if options else None
        keep(name, to_onnx(model, x[:1], options=chosen))


def keras_models() -> None:
    """Keras on torch, by its own export."""
    import keras

    dense = keras.layers.Dense
    inner = [keras.Input((3,)), dense(6, activation="relu"), dense(4, activation="relu")]
    images = [
        keras.Input((6, 6, 1)),
        keras.layers.Conv2D(2, 3, activation="relu"),
        keras.layers.AveragePooling2D(2),
        keras.layers.Flatten(),
        dense(2),
    ]
    for name, layers in [
        ("keras_dense", [*inner, dense(2)]),
        ("keras_softmax", [*inner, dense(3, activation="softmax")]),
        ("keras_norm", [*inner, keras.layers.BatchNormalization(), keras.layers.Dropout(0.5), dense(2)]),
        ("keras_image", images),
    ]:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "model.onnx"
            model = keras.Sequential(layers)
            model(np.zeros((1, *model.input_shape[1:]), dtype=np.float32))  # it is exported as it was called
            model.export(path, format="onnx", verbose=False)
            keep(name, onnx.load(path))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    torch.manual_seed(0)
    for make in (scikit_learn, stable_baselines, keras_models):
        make()
