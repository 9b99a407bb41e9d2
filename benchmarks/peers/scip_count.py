"""SCIP's counting of solutions ("count" in its shell) on the formulation in `big_m`, projected to the binaries.

SCIP never enumerates past a time limit, and says then how many it had counted.
"""

from __future__ import annotations

from pyscipopt import Model, quicksum

from peers import Layers, Limits, Stopped, Vector
from peers.big_m import FEASIBILITY, SLACK, hidden_layers


def count(layers: Layers, lower: Vector, upper: Vector, limits: Limits) -> int:
    """Feasible assignments of the binaries."""
    model = Model()
    model.hideOutput()
    activation = [model.addVar(lb=low, ub=high) for low, high in zip(lower, upper, strict=True)]
    for layer in hidden_layers(layers, lower, upper):
        following = []
        for weights, bias, above, below in zip(layer.weights, layer.bias, layer.above, layer.below, strict=True):
            positive, negative = model.addVar(ub=above), model.addVar(ub=below)
            binary = model.addVar(vtype="B")
            preactivation = quicksum(float(w) * a for w, a in zip(weights, activation, strict=True)) + float(bias)
            model.addCons(preactivation == positive - negative)
            model.addCons(positive <= above * binary)
            model.addCons(negative <= below * (1 - binary))
            model.addCons(positive + negative >= SLACK)
            following.append(positive)
        activation = following
    model.setParamsCountsols()
    model.setParam("constraints/countsols/collect", False)
    model.setParam("numerics/feastol", FEASIBILITY)
    model.setParam("limits/time", limits.seconds)
    model.count()
    found = int(model.getNCountedSols())
    if model.getStatus() == "timelimit":
        raise Stopped(found)
    return found
