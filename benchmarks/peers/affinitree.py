"""affinitree (Rust): distils the network into a decision tree whose root is the box; its leaves are the regions."""

from __future__ import annotations

from affinitree import AffFunc, AffTree, Architecture, Polytope, builder

from peers import Layers, Limits, Vector


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Terminals of the tree of all hidden layers, distilled under the condition that the input is in the box."""
    architecture = Architecture(len(lower))
    for weights, bias in layers[:-1]:
        architecture.linear(AffFunc.from_mats(weights.astype(float), bias.astype(float)))
        architecture.relu()
    sides = list(zip(lower.tolist(), upper.tolist(), strict=True))
    inside = AffTree.from_poly(Polytope.hyperrectangle(len(lower), sides), AffFunc.identity(len(lower)))
    return int(builder.from_layers(architecture, inside).num_terminals())
