"""relucent: breadth-first search across facets, one worker, regions clipped to a cube around the origin.

Its search is kept inside the box by `cube_mode="clipped"`; other boxes are moved there by changing the first layer. It
has to start off every hyperplane, so it starts at a fixed random point. `verify=False` leaves out its final
certification, which wants the arrangement of the whole space.
"""

from __future__ import annotations

import numpy as np
from relucent import Complex
from relucent.model.model import LinearLayer, ReLULayer, ReLUNetwork

from peers import Layers, Limits, Stopped, Vector


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Polyhedra found in the cube."""
    half, middle = (upper - lower) / 2, (upper + lower) / 2
    modules: list[LinearLayer | ReLULayer] = []
    for index, (weights, bias) in enumerate(layers):
        scaled, moved = weights.astype(float), bias.astype(float)
        if index == 0:
            scaled, moved = scaled * half, moved + scaled @ middle
        modules += [LinearLayer(scaled, moved.reshape(1, -1)), ReLULayer()]
    complex_ = Complex(ReLUNetwork(modules[:-1]))
    start = np.random.default_rng(0).uniform(-0.5, 0.5, len(lower))
    result = complex_.bfs(start=start, nworkers=1, cube_mode="clipped", cube_radius=1.0, verbose=0, verify=False)
    if not result.complete:
        raise Stopped(len(complex_))
    return len(complex_)
