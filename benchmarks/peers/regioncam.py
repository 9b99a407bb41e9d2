"""regioncam (Rust, float32): cuts the faces of a square, neuron by neuron. Two inputs, squares around 0."""

from __future__ import annotations

import numpy as np
from regioncam import Regioncam

from peers import Layers, Limits, Unsupported, Vector


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Faces after the last hidden layer."""
    if len(lower) != 2:
        raise Unsupported("two inputs only")
    layers, half_width = centred(layers, lower, upper)
    camera = Regioncam(size=half_width)
    for weights, bias in layers[:-1]:
        camera.linear(np.ascontiguousarray(weights.T, np.float32), bias.astype(np.float32))
        camera.relu()
    return int(camera.num_faces)


def centred(layers: Layers, lower: Vector, upper: Vector) -> tuple[Layers, float]:
    """The same network on a square around the origin, by moving the first layer if needed."""
    half = (upper - lower) / 2
    middle = (upper + lower) / 2
    if half[0] == half[1] and not middle.any():
        return layers, float(half[0])
    weights, bias = layers[0]
    first = ((weights * half).astype(np.float32), (bias + weights @ middle).astype(np.float32))
    return [first, *layers[1:]], 1.0
