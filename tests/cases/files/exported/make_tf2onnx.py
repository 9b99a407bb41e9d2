"""Makes the tf2onnx files in this folder: models of Keras on TensorFlow, with values by onnxruntime.

Needs tensorflow, tf2onnx and onnxruntime, which are not all among this project's packages.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import tensorflow as tf  # type: ignore[import-not-found]
import tf2onnx  # type: ignore[import-not-found]

FOLDER = Path(__file__).parent
POINTS = 20
layers = tf.keras.layers


def models() -> Iterator[tuple[str, Any]]:
    """Name and model of each file."""
    norm = [layers.Dense(6, activation="relu"), layers.BatchNormalization(), layers.Dropout(0.2)]
    yield "softmax", tf.keras.Sequential([layers.Input((3,)), *norm, layers.Dense(3, activation="softmax")])
    image = [layers.Conv2D(2, 3, activation="relu", padding="same"), layers.MaxPooling2D(2)]
    image += [layers.Conv2D(2, 2, activation="relu"), layers.GlobalAveragePooling2D(), layers.Dense(2)]
    yield "cnn", tf.keras.Sequential([layers.Input((6, 6, 1)), *image])
    x = layers.Input((3,))
    h = layers.Dense(5, activation="relu")(x)
    y = layers.Maximum()([layers.Add()([h, layers.Dense(5)(x)]), h])
    yield "graph", tf.keras.Model(x, layers.Dense(2)(layers.PReLU()(layers.Concatenate()([y, x]))))
    x = layers.Input((4, 4, 1))
    y = layers.Conv2DTranspose(2, 3, strides=2, padding="same", activation="relu")(x)
    y = layers.ZeroPadding2D(1)(layers.UpSampling2D(2)(y))
    yield "up", tf.keras.Model(x, layers.Dense(2)(layers.Flatten()(y)))
    x = layers.Input((3,))
    yield "relu6", tf.keras.Model(x, layers.Dense(2)(layers.ReLU(max_value=1.0)(layers.Dense(5)(x))))


def main() -> None:
    """Write each model and its values."""
    random = np.random.default_rng(0)
    tf.random.set_seed(0)
    for name, model in models():
        signature = (tf.TensorSpec([None, *model.input_shape[1:]], tf.float32, name="input"),)
        function = tf.function(model, input_signature=signature)
        made, _ = tf2onnx.convert.from_function(function, input_signature=signature, opset=15)
        made.producer_name = made.producer_version = made.doc_string = made.graph.doc_string = ""
        (FOLDER / f"tf2onnx_{name}.onnx").write_bytes(made.SerializeToString())
        x = random.uniform(-1, 1, (POINTS, *model.input_shape[1:])).astype(np.float32)
        session = onnxruntime.InferenceSession(made.SerializeToString())
        source, output = session.get_inputs()[0].name, session.get_outputs()[0].name
        (y,) = session.run(None, {source: x})
        np.savez(FOLDER / f"tf2onnx_{name}.npz", **{f"in:{source}": x.reshape(POINTS, -1), f"out:{output}": y})


if __name__ == "__main__":
    main()
