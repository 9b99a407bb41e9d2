"""parx: depth first over layers, across facets within a layer. Its Python method: the others need Julia.

`exact_python` counts on the whole space. Its recursion takes the rows of the polyhedron it is in, so it is started here
in the box and at its middle, by the same call that `parx.methods.exact_python.find` makes with no rows. parx refuses to
be imported where Julia is not installed, although this method needs none: during the import, Julia is said to be there.
"""

from __future__ import annotations

from unittest.mock import patch

import numpy as np

from peers import Layers, Limits, Vector

with patch("shutil.which", return_value="julia"):
    from parx.methods import exact_python


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Leaves of the search."""
    hidden = layers[:-1]
    inputs = len(lower)
    results: list[object] = []
    exact_python._dfs_exact(
        weights=[weights.astype(float) for weights, _ in hidden],
        biases=[bias.astype(float) for _, bias in hidden],
        layer=0,
        A_prev=np.eye(inputs),
        c_prev=np.zeros(inputs),
        D_prev=np.vstack([np.eye(inputs), -np.eye(inputs)]),
        g_prev=np.concatenate([upper, -lower]),
        q_path=[],
        x_parent=(lower + upper) / 2,
        r_parent=float("inf"),
        results=results,
    )
    return len(results)
